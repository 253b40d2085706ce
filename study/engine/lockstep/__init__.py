"""torch's engine: all runs of a cohort take every step together."""
