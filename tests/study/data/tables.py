"""Data sets of one's own that tests make: files of arrays as a user would save them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def table(n: int = 60, n_test: int = 20, features: int = 3, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Numbers of several sizes and signs in two unequal classes with texts for names; every class is in both splits."""
    chance = np.random.default_rng(seed)
    splits = {}
    for split, size in (("train", n), ("test", n_test)):
        rare = np.arange(size) % 7 == 3
        rows = chance.normal(size=(size, features)) * np.geomspace(0.1, 30, features)
        splits[f"X_{split}"] = rows + rare[:, None] * np.geomspace(0.2, 60, features)
        splits[f"y_{split}"] = np.where(rare, "default", "paid")
    return splits


def save(path: Path, arrays: Mapping[str, Any], **others: Any) -> Path:
    """Save the arrays, with ``others`` in the place of those of the same name; None leaves one out."""
    kept = {name: value for name, value in {**arrays, **others}.items() if value is not None}
    np.savez(path, **kept)
    return path
