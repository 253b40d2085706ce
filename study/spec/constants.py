"""The names that every layer shares."""

BASELINE = "no_bn"
ARMS = ("bn", BASELINE)
SPLITS = ("train", "test")
UNTUNED = (32, 0.01)
"""Batch size and rate of the tutorial, which tuned neither arm."""
