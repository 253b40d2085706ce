"""How much of the spread over seeds is the finite test set? Arrays in, small named results out."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class SeedVariance:
    """Variances of one arm's test accuracy over seeds; NaN below two seeds."""

    n_seeds: int
    n_images: int
    observed: float
    """Of the accuracies on these test images."""
    binomial: float
    """What it would be if every image fell to either side by itself: the mean of its variances, over the images."""
    beyond: float
    """What is left: the variance over seeds on endless images of the kind; 0 where the estimate is below."""
    reason: str | None
    """Why there is no number, or that ``beyond`` was estimated below zero."""


def seed_variance(correct: ArrayLike) -> SeedVariance:
    """Return the variance over seeds beside the binomial noise of the test set (Jordan 2023).

    The variance of an accuracy over N images is the mean of the covariances of every two: N of them, of an image with
    itself, are noise that other images would not repeat. Without these it is Var(accuracy) - mean_i s_i^2 / N, with
    s_i^2 the variance over seeds of being right on image i: unbiased, so that it may fall below zero.

    Parameters
    ----------
    correct : array_like, shape (S, N)
        A row a seed: 1 where its network is right on an image, 0 where not, or the probability of being right.

    Returns
    -------
    SeedVariance
        NaN and a reason below two seeds.

    Examples
    --------
    >>> found = seed_variance([[1, 1, 0, 1], [1, 0, 1, 0], [1, 1, 1, 1]])
    >>> round(found.observed, 4), round(found.binomial, 4), round(found.beyond, 4)
    (0.0625, 0.0625, 0.0)
    """
    table = np.asarray(correct, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] == 0:
        raise ValueError(f"a row per seed and a column per image, this has the shape {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("whether a network is right is a finite number on every image")
    n_seeds, n_images = table.shape
    if n_seeds < 2:
        reason = f"{n_seeds} seed{'' if n_seeds == 1 else 's'}: no spread"
        return SeedVariance(n_seeds, n_images, math.nan, math.nan, math.nan, reason)
    observed = float(table.mean(axis=1).var(ddof=1))
    binomial = float(table.var(axis=0, ddof=1).mean()) / n_images
    note = "the variance beyond the noise of the test set is estimated below zero: taken as zero"
    below = observed < binomial * (1 - 1e-12)
    return SeedVariance(n_seeds, n_images, observed, binomial, max(0.0, observed - binomial), note if below else None)
