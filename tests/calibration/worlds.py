"""Planted worlds: laws of whole studies whose true differences are known, and studies drawn from them.

A run that learns ends near 96 %. Its standard deviation is 0.2 points: half of the variance belongs to the seed and is
shared by both arms in all cells, half to the run; so differences of pairs have 0.2 points too. A run that collapses
predicts one class and ends at chance with a finite loss.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.records.pairs import Pairs, zero_rounding_noise
from study.spec.factors import Cell

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]
"""Draws of mean 0 and variance 1."""

BASELINE, ARM = "no_bn", "bn"
SIZES, RATES = (32, 128, 512), (0.001, 0.01, 0.1)
CELLS = [Cell(size, rate) for size, rate in product(SIZES, RATES)]
SETTING = Cell(32, 0.01)
LEVEL, SPREAD, IMAGES = 0.96, 0.002, 10_000
ONE_CLASS = np.array([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]) / IMAGES
"""Accuracy of a network that predicts one class: the classes' shares of MNIST's test images."""
LEARNS = 0.2
"""Chance + (1 - chance) / 9: a run that ends above has learnt."""


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.standard_normal(shape)


def lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return (rng.lognormal(size=shape) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)


@dataclass(frozen=True)
class World:
    """The law of a study. By cell: what the arm gains where both learn, and how often a run of either arm collapses."""

    gain: tuple[float, ...]
    collapses: tuple[float, ...] = ()
    """Share of the arm's runs by cell, none where empty."""
    baseline_collapses: tuple[float, ...] = ()
    recorded: bool = True
    """Whether runs that fail have records."""
    by_seed: float = 0.0
    """The share of a run's own variance that all cells of its arm and seed have in common."""
    noise: Noise = normal

    @property
    def cells(self) -> list[Cell]:
        return CELLS if len(self.gain) == len(CELLS) else [SETTING]

    @property
    def shares(self) -> Floats:
        """Shares of runs that collapse (cells, arms), the baseline first."""
        none = (0.0,) * len(self.gain)
        return np.stack([self.baseline_collapses or none, self.collapses or none], axis=1)

    @property
    def effects(self) -> Floats:
        """True mean differences (cells,), failures as they end."""
        learnt = LEVEL + np.stack([np.zeros(len(self.gain)), self.gain], axis=1)
        return np.diff(learnt + self.shares * (ONE_CLASS.mean() - learnt), axis=1)[:, 0]

    @property
    def mean(self) -> float:
        """True mean difference over the grid."""
        return float(self.effects.mean())

    def draw(self, rng: np.random.Generator, n_seeds: int) -> Floats:
        """Return final test accuracies (seeds, cells, arms), the baseline first; NaN where a run has no records."""
        shape = (n_seeds, len(self.gain), 2)
        of_seed, of_arm = self.noise(rng, (n_seeds, 1, 1)), self.noise(rng, (n_seeds, 1, 2))
        own = np.sqrt(self.by_seed) * of_arm + np.sqrt(1 - self.by_seed) * self.noise(rng, shape)
        learnt = LEVEL + SPREAD * np.sqrt(0.5) * (of_seed + own)
        learnt[..., 1] += self.gain
        collapsed = rng.random(shape) < self.shares
        ended = np.where(collapsed, rng.choice(ONE_CLASS, shape), learnt)
        correct = np.clip(np.round(ended * IMAGES), 0, IMAGES)
        return np.where(collapsed & (not self.recorded), np.nan, correct / IMAGES)


def as_pairs(accuracy: Floats, cells: list[Cell]) -> Pairs:
    """Return the pairs of accuracies (seeds, cells, arms), as a study's records give them."""
    seed, cell = np.nonzero(~np.isnan(accuracy).any(2))
    of_baseline, of_arm = accuracy[seed, cell].T
    sizes, rates = ([one[key] for one in cells] for key in ("batch_size", "lr"))
    table = pd.DataFrame(
        {
            "batch_size": np.array(sizes)[cell], "lr": np.array(rates)[cell], "seed": seed,
            "of_baseline": of_baseline, "diverged_baseline": False, "failed_baseline": of_baseline <= LEARNS,
            "of_arm": of_arm, "diverged_arm": False, "failed_arm": of_arm <= LEARNS,
            "difference": zero_rounding_noise(of_arm - of_baseline),
        }
    )  # fmt: skip
    unpaired = [f"{CELLS[c]}, seed {s}" for s, c in np.argwhere(np.isnan(accuracy).any(2))]
    return Pairs(ARM, BASELINE, "final", "test accuracy", "seeds", table, cells, ["batch_size", "lr"], unpaired)


def at_rates(low: float, middle: float, high: float) -> tuple[float, ...]:
    """Return a value by cell that depends on the rate alone."""
    return (low, middle, high) * len(SIZES)


def in_cells(n: int, value: float) -> tuple[float, ...]:
    """Return ``value`` in ``n`` cells, those of the largest rate first, and 0 in the others."""
    order = sorted(range(len(CELLS)), key=lambda i: -CELLS[i].lr)
    return tuple(value if i in order[:n] else 0.0 for i in range(len(CELLS)))


POINT = 0.01
ZERO, GAINS = at_rates(0, 0, 0), at_rates(0.3 * POINT, 0.3 * POINT, 0.3 * POINT)


def mean_zero(collapses: tuple[float, ...]) -> World:
    """Return the world whose arm collapses so often and gains as much elsewhere: its mean difference is zero."""
    lost = World(ZERO, collapses).mean
    share = 1 - float(np.mean(collapses))  # a gain is had by runs that do not collapse
    return World((-lost / share,) * len(CELLS), collapses)


NULL = World(ZERO)
NULL_LOGNORMAL = World(ZERO, noise=lognormal)
NULL_BY_SEED = World(ZERO, by_seed=0.6)
NULL_COLLAPSES = World(ZERO, at_rates(0.05, 0.05, 0.05), at_rates(0.05, 0.05, 0.05), noise=lognormal)
EFFECT_IN_THREE = World(at_rates(0, 0, 0.3 * POINT))
EVERYWHERE = World(GAINS)
ONE_COLLAPSES = World(GAINS, in_cells(1, 0.05))
THREE_COLLAPSE = World(GAINS, in_cells(3, 0.05))
MIXED = World(at_rates(POINT, 0, -POINT))
HALF_FAILS = World(GAINS, in_cells(3, 0.5))
UNRECORDED = World(GAINS, in_cells(3, 0.5), recorded=False)
MEAN_ZERO = mean_zero(in_cells(2, 0.05))
ONE_CELL = World((1.86 * POINT,))
