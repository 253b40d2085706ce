"""Findings in words: nothing is typed that follows from records."""
