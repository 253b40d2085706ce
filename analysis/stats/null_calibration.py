"""A/A on the user's own table: how often each method would have found a difference that is not there.

Within a seed the labels of the two arms are swapped at random, in all cells at once; what is left of a difference
is chance. Every method is then run as it was on the real labels. An exact test rejects in at most alpha of all swaps,
whatever the data; of the others, this is their size on data like these. What it cannot see: swapped labels make every
difference as likely as its opposite, whatever law it came from, so what a skewed law does to a method stays hidden.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.stats.families import simultaneous_inference
from analysis.stats.intervals import bootstrap_t, proportion
from analysis.stats.multiple_tests import as_matrix, max_t
from analysis.stats.paired_tests import paired_t, sign_flip, why_degenerate, wilcoxon
from analysis.stats.scale import in_unit, rescale_columns, unit_of
from analysis.stats.sign_flips import canonical_rows, generator

MAX_EXHAUSTIVE_SEEDS = 10
PERMUTATIONS = 200  # random ones, beyond
BOOTSTRAP_PERMUTATIONS = 100  # since a bootstrap takes longer than all else


@dataclass(frozen=True)
class TypeIErrorRate:
    """The share of swaps in which a method rejects at ``alpha``, where there is nothing to find."""

    method: str
    alpha: float
    n: int
    """Seeds."""
    n_swaps: int
    n_rejected: int
    size: float
    low: float
    """Clopper & Pearson's 95 % interval where the swaps were drawn; the size itself where all were taken."""
    high: float
    every_swap: bool

    @property
    def exceeds(self) -> bool:
        """Whether the size is above ``alpha``: of all swaps as it is, of drawn ones by the lower end."""
        return self.low > self.alpha


Rejects = Callable[[NDArray[np.float64], float], bool]

METHODS: dict[str, Rejects] = {
    "paired t over the grid": lambda D, alpha: paired_t(D.mean(1)).pvalue <= alpha,
    "sign-flip over the grid": lambda D, alpha: sign_flip(D.mean(1)).pvalue <= alpha,
    "Wilcoxon over the grid": lambda D, alpha: wilcoxon(D.mean(1)).pvalue <= alpha,
    "bootstrap-t interval over the grid": lambda D, alpha: _excludes_zero(D.mean(1), alpha),
    "any cell or their mean, sup-t": lambda D, alpha: _any_of_family(D, alpha),
    "any cell, step-down max-T": lambda D, alpha: any(test.pvalue <= alpha for test in max_t(D)),
    "any cell, t uncorrected": lambda D, alpha: _any_t(D, alpha),
}


def type_i_error_rates(D: ArrayLike, alpha: float) -> list[TypeIErrorRate]:
    """Return the size of each of METHODS on ``D`` (seeds, cells) without gaps; none below two seeds or one cell."""
    table = as_matrix(D)
    if len(table) < 2 or table.shape[1] == 0:
        return []
    table = canonical_rows(in_unit(table, unit_of(table)))
    n, signs = len(table), _label_permutations(table)
    rates = []
    for method, rejects in METHODS.items():
        some = signs[:: -(-len(signs) // BOOTSTRAP_PERMUTATIONS)] if "bootstrap" in method else signs
        n_swaps, n_rejected = len(some), sum(rejects(table * sign[:, None], alpha) for sign in some)
        every, size = n <= MAX_EXHAUSTIVE_SEEDS and n_swaps == len(signs), n_rejected / n_swaps
        drawn = proportion(n_rejected, n_swaps)
        low, high = (size, size) if every else (drawn.low, drawn.high)
        rates.append(TypeIErrorRate(method, alpha, n, n_swaps, n_rejected, size, low, high, every))
    return rates


def _label_permutations(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return signs (swaps, seeds): up to 10 seeds half of all, whose mirror images say the same, else random ones."""
    n = len(table)
    if n <= MAX_EXHAUSTIVE_SEEDS:
        return (1 - 2 * (np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1)).astype(np.float64)
    return generator("A/A", table).choice([-1.0, 1.0], (PERMUTATIONS, n))


def _excludes_zero(d: NDArray[np.float64], alpha: float) -> bool:
    """Return whether the bootstrap-t interval of level 1 - alpha does."""
    interval = bootstrap_t(d, 1 - alpha)
    return interval.low > 0 or interval.high < 0


def _any_of_family(table: NDArray[np.float64], alpha: float) -> bool:
    """Return whether a simultaneous interval of a cell or of the mean over the cells excludes zero, as verdicts do."""
    members = simultaneous_inference(np.column_stack([table, table.mean(1)]), 1 - alpha)
    return any(member.test.pvalue <= alpha for member in members)


def _any_t(table: NDArray[np.float64], alpha: float) -> bool:
    """Return whether t rejects in any cell that has a spread, without correction."""
    columns, samples = rescale_columns(table)
    spread = [why_degenerate(sample) is None for sample in samples]
    return any(spread) and bool(np.min(stats.ttest_1samp(columns[:, spread], 0.0).pvalue) <= alpha)
