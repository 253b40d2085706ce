"""Findings as sentences, figures and one page."""
