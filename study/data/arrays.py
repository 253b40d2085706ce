"""The arrays of a data set before they are tensors: what every source of data returns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Arrays:
    """Features (n, features) float32 and labels (n,) int64 of both splits, and the digests of what they came from."""

    train: tuple[NDArray[np.float32], NDArray[np.int64]]
    test: tuple[NDArray[np.float32], NDArray[np.int64]]
    sha256: dict[str, str]
    """Digests by file of the source."""
