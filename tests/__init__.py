"""The tests, in the tree of what they test."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""
