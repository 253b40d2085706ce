"""Does the interval over searches cover what equal tuning gives? Whole searches, simulated on surfaces that are fitted
to the trials of the shipped tuned study.

    python -m tests.analysis.findings.equal_tuning [STUDIES]
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import qmc

from analysis.findings.tuning import MIN_SEARCHES, Unit
from study.tuning.space import DEFAULT, Space

Floats = NDArray[np.float64]

TRIALS = Path(__file__).parents[3] / "results" / "reference-mnist-tuned" / "trials.parquet"
ARMS = ("no_bn", "bn")
N_TRIALS, N_TRIAL_SEEDS, N_SEEDS = 64, 3, 10
SPACE = Space.parse(DEFAULT)


@dataclass(frozen=True)
class Surface:
    """An arm's log error, a quadratic in log10 of the rate and log2 of the batch size, with noise of a configuration
    and of a seed. Fitted where the arm learns well, it rises beyond: what fails is never chosen."""

    coefficients: Floats
    of_configuration: float
    """Standard deviation that all seeds of a configuration share, beside the quadratic."""
    of_seed: float

    @classmethod
    def fitted(cls, trials: pd.DataFrame) -> "Surface":
        """Fit to the better half of an arm's trials."""
        trials = trials.assign(error=np.log(1 - trials.accuracy.fillna(0)))
        by_trial = trials.groupby("trial").agg(
            lr=("lr", "first"), size=("batch_size", "first"), mean=("error", "mean"), variance=("error", "var")
        )
        better = by_trial[by_trial["mean"] <= by_trial["mean"].median()]
        terms = _terms(np.log10(better.lr.to_numpy()), np.log2(better["size"].to_numpy()))
        coefficients, *_ = np.linalg.lstsq(terms, better["mean"].to_numpy())
        left = better["mean"].to_numpy() - terms @ coefficients
        of_seed = float(better.variance.mean())
        unexplained = float(left @ left) / (len(left) - terms.shape[1])
        return cls(coefficients, max(0.0, unexplained - of_seed / N_TRIAL_SEEDS) ** 0.5, of_seed**0.5)

    def __call__(self, points: Floats) -> Floats:
        """Return the log errors of points (n, 2) of the unit square, at which ``Space.sobol`` would draw them."""
        (low, high), (first, last) = np.log10(SPACE.lr), np.log2(SPACE.batch_size)
        sizes = first + np.floor(points[:, 1] * (last - first + 1))
        return _terms(low + points[:, 0] * (high - low), sizes) @ self.coefficients


def _terms(rate: Floats, size: Floats) -> Floats:
    """Return the terms (n, 6) of a quadratic."""
    return np.column_stack([np.ones_like(rate), rate, size, rate**2, rate * size, size**2])


def surfaces() -> list[Surface]:
    """Return the surface of the baseline and of batch norm."""
    table = pd.read_parquet(TRIALS)
    first = table[table.search == 1] if "search" in table else table
    return [Surface.fitted(first[first.arm == arm]) for arm in ARMS]


def searches(n: int, of_arms: list[Surface], rng: np.random.Generator) -> Floats:
    """Return the differences (n, fresh seeds) of what each of ``n`` searches chose for both arms."""
    return np.array([_search(of_arms, rng) for _ in range(n)])


def _search(of_arms: list[Surface], rng: np.random.Generator) -> Floats:
    points, sides = qmc.Sobol(2, scramble=True, rng=rng).random(N_TRIALS), []
    for surface in of_arms:
        errors = surface(points) + rng.normal(0, surface.of_configuration, N_TRIALS)
        scores = _accuracy(errors + rng.normal(0, surface.of_seed, (N_TRIAL_SEEDS, N_TRIALS))).mean(axis=0)
        sides.append(_accuracy(errors[scores.argmax()] + rng.normal(0, surface.of_seed, N_SEEDS)))
    return np.asarray(sides[1] - sides[0])


def _accuracy(log_error: Floats) -> Floats:
    return 1 - np.exp(np.minimum(log_error, 0.0))


@dataclass(frozen=True)
class Coverage:
    """How often intervals of 95 % cover the expected difference of equal tuning, and how wide they are."""

    n_studies: int
    of_searches: float
    """The interval of the page over six searches."""
    of_one_search: float
    """That over the seeds of one search, which is of its two configurations."""
    of_pooled_seeds: float
    """That over the seeds of all six searches, as if each seed had a search of its own."""
    truth: float
    """The expected difference, a fraction."""
    sd_of_searches: float
    half_width: float
    """Median half width of the interval over six searches, a fraction."""

    @property
    def error(self) -> float:
        """Monte Carlo error of a coverage of 95 %."""
        return float(np.sqrt(0.95 * 0.05 / self.n_studies))


def coverage(n_studies: int = 2000, seed: int = 0, n_for_truth: int = 20_000) -> Coverage:
    """Return the coverage of ``n_studies`` simulated studies of six searches."""
    rng, of_arms = np.random.default_rng(seed), surfaces()
    means = searches(n_for_truth, of_arms, rng).mean(axis=1)
    truth = float(means.mean())
    both, one = Unit(MIN_SEARCHES, lambda seed: seed, 0.95), Unit(1, lambda seed: seed, 0.95)
    found = []
    for _ in range(n_studies):
        d = searches(MIN_SEARCHES, of_arms, rng)
        found.append((both.interval(d.mean(axis=1)), one.interval(d[0]), one.interval(d.ravel())))
    covered = np.mean([[interval.low <= truth <= interval.high for interval in row] for row in found], axis=0)
    half = float(np.median([(row[0].high - row[0].low) / 2 for row in found]))
    return Coverage(n_studies, *map(float, covered), truth, float(means.std(ddof=1)), half)


if __name__ == "__main__":
    sys.stdout.write(f"{coverage(*map(int, sys.argv[1:2]))}\n")
