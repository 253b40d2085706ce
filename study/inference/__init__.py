"""Predictions of trained networks under other normalisation statistics and other images."""
