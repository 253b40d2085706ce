"""Findings into words, figures and one page."""
