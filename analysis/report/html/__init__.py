"""Sections into one HTML file."""
