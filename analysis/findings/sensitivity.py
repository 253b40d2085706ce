"""What would change the answer? The same question over all cells, asked of the same records in other ways.

A sensitivity, never a choice: the answer is the first row, fixed before looking. Each specification keeps the seed as
its unit and gets its verdict by the same rule; those that agree are no independent evidence.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.findings.contrasts import Contrast
from analysis.findings.family import conclude
from analysis.records.pairs import Pairs, over_cells, zero_rounding_noise
from analysis.stats.intervals import Interval, hodges_lehmann, sign_flip_interval, t_interval
from analysis.stats.paired_tests import Test, paired_t, sign_flip, wilcoxon
from study.spec.factors import Cell

STATED = "as stated"


@dataclass(frozen=True)
class Specification:
    """One way to ask whether the arms differ over all cells."""

    what: str
    n: int
    interval: Interval
    test: Test
    verdict: str
    same_quantity: bool
    """Whether it asks for the mean over all cells, as stated; another quantity may well have another size."""


@dataclass(frozen=True)
class Sensitivity:
    """All specifications, the stated one first; and how far the answer is from another one."""

    ways: list[Specification]
    n_without_failures: int
    """Cells in which no run of either arm failed."""
    least_difference: float
    """The smallest mean difference, in size, at which the paired t test would reject with this spread and these
    seeds; NaN where it cannot be made."""

    @property
    def others(self) -> list[Specification]:
        """The specifications whose verdict is not that of the stated one."""
        stated, *alternatives = self.ways
        return [alternative for alternative in alternatives if alternative.verdict != stated.verdict]


def sensitivity(primary: Pairs, final: Pairs, stated: Contrast) -> Sensitivity:
    """Return the sensitivity of the pairs on the primary endpoint and the last epoch's to ``stated``, the answer."""
    sound = _without_failures(primary)
    ways = [Specification(STATED, stated.n_pairs, stated.ci, stated.t, stated.verdict, same_quantity=True)]
    ways += [_specification(stated, *alternative) for alternative in _alternatives(primary, final, sound)]
    error = stated.sd_diff / math.sqrt(stated.n_pairs) if stated.n_pairs > 1 else math.nan
    critical = float(stats.t.ppf(1 - stated.alpha / 2, stated.n_pairs - 1)) if stated.n_pairs > 1 else math.nan
    return Sensitivity(ways, len(sound), critical * error)


Rows = NDArray[np.float64]


def _alternatives(primary: Pairs, final: Pairs, sound: Sequence[Cell]) -> Iterator[tuple[str, Rows, str, bool]]:
    """Yield what is asked, the differences by seed, how they are tested, and whether the quantity is the stated one."""
    grid = primary.rows(primary.cells)
    of_seeds = over_cells(grid)
    yield "sign-flip test instead of t", of_seeds, "sign-flip", True
    yield "Wilcoxon's test, Hodges-Lehmann shift", of_seeds, "wilcoxon", True
    yield "the last epoch instead of the last three", over_cells(final.rows(final.cells)), "t", True
    yield (
        "the median over the cells instead of the mean",
        zero_rounding_noise(np.median(grid, axis=1)) if grid.size else of_seeds,
        "t",
        False,
    )
    if 0 < len(sound) < len(primary.cells):
        yield f"only the {len(sound)} cells in which no run failed", over_cells(primary.rows(sound)), "t", False
    diverged = primary.table.diverged_baseline | primary.table.diverged_arm
    if diverged.any():
        survivors = zero_rounding_noise(primary.table[~diverged].groupby("seed").difference.mean())
        yield "only pairs of which neither diverged", survivors, "t", False
    if len(of_seeds) > 3:  # of fewer, no more than two seeds would be left
        yield "without the seed that speaks most for the answer", _without_strongest(of_seeds), "t", True


def _without_failures(pairs: Pairs) -> list[Cell]:
    failed = pairs.table.failed_baseline | pairs.table.failed_arm
    return [cell for cell in pairs.cells if not failed[pairs.cell(cell).index].any()]


def _without_strongest(d: Rows) -> Rows:
    """Return the differences less the seed without which |t| is smallest: what the claim rests on."""
    rest = [np.delete(d, i) for i in range(len(d))]
    sizes = [abs(of_rest.mean()) / of_rest.std(ddof=1) if of_rest.std(ddof=1) > 0 else math.inf for of_rest in rest]
    return rest[int(np.argmin(sizes))]


def _specification(stated: Contrast, what: str, d: Rows, how: str, same_quantity: bool) -> Specification:
    make_test, make_interval = {
        "t": (paired_t, t_interval),
        "sign-flip": (sign_flip, sign_flip_interval),
        "wilcoxon": (wilcoxon, hodges_lehmann),
    }[how]
    alpha = stated.alpha
    test, interval, inner = make_test(d), make_interval(d, 1 - alpha), make_interval(d, 1 - 2 * alpha)
    decision, _ = conclude(interval, inner, None, alpha, stated.margin)
    return Specification(what, len(d), interval, test, decision, same_quantity)
