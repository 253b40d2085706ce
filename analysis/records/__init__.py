"""A study's tables, checked, and paired by key; the only crossing to ``study``."""
