"""Findings beside the main comparison: where a gain comes from, and what the typical pair does."""
