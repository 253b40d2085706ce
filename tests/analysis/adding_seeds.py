"""Studies to which seeds are added one by one: how often the sign e-value errs, and how many seeds it needs."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from analysis.stats.evalues import sign_e_process, with_failures

ALPHA = 0.05
MAX_SEEDS = 50
SHARES = (1.0, 0.9, 0.75)

Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray]


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray:
    return rng.normal(size=shape)


def _ties(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray:
    return rng.normal(size=shape).round()


def _lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray:
    """Skewed, with as many pairs above zero as below: its mean is 0.65."""
    return rng.lognormal(size=shape) - 1.0


def _collapses(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray:
    """One run in twenty of either arm fails and loses 80 points; two that fail in one pair tie."""
    baseline, arm = (rng.random(shape) < 0.05 for _ in range(2))
    return with_failures(rng.normal(size=shape) + 80.0 * baseline - 80.0 * arm, baseline, arm)


def _all_at_once(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray:
    """Lognormal with ties and collapses."""
    baseline, arm = (rng.random(shape) < 0.05 for _ in range(2))
    d = np.where(rng.random(shape) < 0.2, 0.0, _lognormal(rng, shape))
    return with_failures(d + 80.0 * baseline - 80.0 * arm, baseline, arm)


NULLS: dict[str, Draw] = {
    "normal": _normal,
    "ties": _ties,
    "lognormal": _lognormal,
    "collapses in both arms": _collapses,
    "all of these": _all_at_once,
}
"""Laws in which a pair that is no tie is as often better as worse."""


def error(n_studies: int, seed: int) -> dict[str, float]:
    """Return by law of NULLS the share of studies in which the e-value ever reaches 1 / ALPHA in 50 seeds."""
    rng = np.random.default_rng([3011, seed])
    return {name: _ever(draw(rng, (n_studies, MAX_SEEDS))) for name, draw in NULLS.items()}


def gaussian_error(n_studies: int, seed: int) -> float:
    """Return the same of a Gaussian mixture (Lai 1976) under mean zero with collapses of 5 %: a control that fails."""
    rng = np.random.default_rng([3012, seed])
    d = rng.normal(scale=0.5, size=(n_studies, MAX_SEEDS)) - 80.0 * (rng.random((n_studies, MAX_SEEDS)) < 0.05) + 4.0
    n, squares, total = np.arange(1, MAX_SEEDS + 1), np.cumsum(d**2, axis=1), np.cumsum(d, axis=1)
    log_e = -0.5 * np.log(n + 1) - 0.5 * n * np.log1p(-(total**2) / ((n + 1) * squares))
    return float((log_e >= math.log(1 / ALPHA)).any(axis=1).mean())


def seeds_needed(n_studies: int, seed: int, most: int = 400) -> dict[float, tuple[int, int]]:
    """Return by share of better pairs the median and the 80 % quantile of the seeds until the e-value is evidence."""
    rng = np.random.default_rng([3013, seed])
    needed = {}
    for share in SHARES:
        d = np.where(rng.random((n_studies, most)) < share, 1.0, -1.0)
        first = [next((i + 1 for i, e in enumerate(sign_e_process(row)) if e >= 1 / ALPHA), most) for row in d]
        needed[share] = (int(np.median(first)), int(np.quantile(first, 0.8, method="inverted_cdf")))
    return needed


def _ever(d: NDArray) -> float:
    return float(np.mean([sign_e_process(row).max() >= 1 / ALPHA for row in d]))
