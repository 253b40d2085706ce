"""How and how fast the arms learn: curves, the difference over epochs, where the gain lies, times to an accuracy."""
