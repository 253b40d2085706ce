"""Figures of the inference modes: what a network predicts with, over batch sizes, images and companions."""
