"""What a report must print, recomputed from the parquet files by other means: numpy, scipy and pandas alone.

Nothing of ``analysis`` is imported, so that a number on the page and a number here agree only where both are right.
Reference sets are enumerated, never drawn: all 2^n patterns of signs, all subsets. Where a number lies on the edge
between two roundings both spellings are right; ``either`` marks them and ``pattern`` reads the mark.
"""
