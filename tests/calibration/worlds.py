"""Planted worlds: laws of whole studies whose true differences are known, and studies drawn from them.

A run that learns ends near 96 %. Its standard deviation is 0.22 points: half of the variance belongs to the seed and is
shared by both arms in all cells, half to the run; so differences of pairs have 0.22 points too. A run that collapses
predicts one class and ends at chance with a finite loss.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from study.spec.factors import Cell

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]
"""Draws of mean 0 and variance 1."""

BASELINE, ARM = "no_bn", "bn"
SIZES, RATES = (32, 128, 512), (0.001, 0.01, 0.1)
CELLS = [Cell(size, rate) for size, rate in product(SIZES, RATES)]
SETTING = Cell(32, 0.01)
LEVEL, SPREAD, IMAGES = 0.96, 0.0022, 10_000
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


@dataclass(frozen=True)
class Planted:
    """A drawn study as scores that can be paired: accuracies (seeds, cells, arms) as records would have them."""

    accuracy: Floats
    cells: list[Cell]
    baseline: str = BASELINE
    treatments: tuple[str, ...] = (ARM,)
    units: str = "seeds"
    chance: float = 0.1
    limits: tuple[float, float] = (0.0, 1.0)

    @property
    def cell_key(self) -> list[str]:
        return ["batch_size", "lr"]

    @property
    def endpoints(self) -> dict[str, str]:
        return {"final": "test accuracy of the last epoch"}

    def common_cells(self, arm: str, baseline: str) -> list[Cell]:
        return self.cells

    @property
    def outcomes(self) -> pd.DataFrame:
        """A row per run that has records."""
        seed, cell, arm = np.nonzero(~np.isnan(self.accuracy))
        final = self.accuracy[seed, cell, arm]
        sizes, rates = ([one[key] for one in self.cells] for key in self.cell_key)
        at = {"batch_size": np.array(sizes)[cell], "lr": np.array(rates)[cell], "seed": seed}
        return pd.DataFrame(
            at | {"arm": np.array([BASELINE, ARM])[arm], "final": final, "diverged": False, "failed": final < LEARNS}
        )


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
