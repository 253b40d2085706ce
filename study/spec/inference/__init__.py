"""Inference modes and the conditions of test images, as values."""
