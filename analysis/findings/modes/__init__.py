"""Batch normalisation under other statistics: every inference mode, and the comparisons that sentences rest on."""
