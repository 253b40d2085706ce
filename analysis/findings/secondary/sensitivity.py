"""Would another analysis say otherwise? Every combination of endpoint, failure rule, cells and test: a specification
curve (Simonsohn, Simmons & Nelson 2020), with one test of all of them at once.

A sensitivity, never a choice. Each specification keeps the seed as its unit; those that agree are no independent
evidence. A combination that leaves the same differences as another counts once.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.records.pairs import Pairs, zero_rounding_noise
from analysis.stats.intervals import Interval, hodges_lehmann, sign_flip_interval, t_interval
from analysis.stats.paired_tests import Test, paired_t, sign_flip, wilcoxon
from analysis.stats.power import seeds_to_reach
from analysis.stats.secondary.specification_curves import joint_sign_flip, signed_ranks
from study.spec.factors import REFERENCE_SETTING

Rows = NDArray[np.float64]
COLUMNS = (
    "difference", "of_baseline", "of_arm", "failed_baseline", "failed_arm", "diverged_baseline", "diverged_arm",
)  # fmt: skip

FAILURES: dict[str, Callable[[dict[str, Rows]], Rows]] = {
    "as they ended": lambda pairs: pairs["difference"],
    "a failed run scores 0": lambda pairs: (
        pairs["of_arm"] * (1 - pairs["failed_arm"]) - pairs["of_baseline"] * (1 - pairs["failed_baseline"])
    ),
    "pairs in which both learn": lambda pairs: _without(pairs, "failed"),
    "pairs in which neither diverged": lambda pairs: _without(pairs, "diverged"),
}
"""What is done about failures: (columns of the pairs, each (seeds, cells)) -> differences, NaN where one is left out.
A score of 0 is below any other: the worst rank."""
TESTS: dict[str, tuple[Callable[[Rows], Test], Callable[[Rows, float], Interval], Callable[[Rows], Rows]]] = {
    "t": (paired_t, t_interval, lambda d: d),
    "sign-flip": (sign_flip, sign_flip_interval, lambda d: d),
    "Wilcoxon": (wilcoxon, hodges_lehmann, signed_ranks),
}
"""A test, the interval that belongs to it, and the scores that it adds up."""


def _without(pairs: dict[str, Rows], outcome: str) -> Rows:
    left_out = (pairs[f"{outcome}_baseline"] > 0) | (pairs[f"{outcome}_arm"] > 0)
    return np.where(left_out, np.nan, pairs["difference"])


@dataclass(frozen=True)
class Specification:
    """One way to ask whether the arms differ."""

    outcome: str
    """Key of the endpoint."""
    failures: str
    """One of FAILURES."""
    cells: str
    how: str
    """One of TESTS."""
    n: int
    interval: Interval
    test: Test
    finds: str
    """``better`` or ``worse`` where its test rejects and there are pairs enough for a verdict, else ``undecided``."""


@dataclass(frozen=True)
class Sensitivity:
    """All specifications, and one test of them together."""

    specifications: list[Specification]
    joint: Test
    """One test of all specifications at once."""
    alpha: float

    def count(self, finds: str) -> int:
        return sum(specification.finds == finds for specification in self.specifications)


def sensitivity(primary: Pairs, final: Pairs, alpha: float) -> Sensitivity:
    """Return every specification of the pairs on the primary endpoint and on the last epoch's."""
    asked = [*_asked([primary, final])] if primary.cells else []
    scores = [_scores(one.d, how) for one in asked for how in TESTS]
    return Sensitivity(
        specifications=[_specification(one, how, alpha) for one in asked for how in TESTS],
        joint=joint_sign_flip(np.column_stack(scores) if scores else np.empty((0, 0))),
        alpha=alpha,
    )


@dataclass(frozen=True)
class _Asked:
    """What is tested, by whichever test."""

    outcome: str
    failures: str
    cells: str
    d: Rows
    """The seeds' differences (n,), NaN where a seed has none."""


def _asked(endpoints: Sequence[Pairs]) -> Iterator[_Asked]:
    """Yield every combination but for the tests; of those with the same differences the first."""
    seen: list[Rows] = []
    for pairs, (rule, differences) in product(endpoints, FAILURES.items()):
        columns = _complete(pairs)
        for cells, d in _over_cells(pairs, differences(columns), columns):
            if (~np.isnan(d)).sum() > 1 and not any(np.array_equal(d, other, equal_nan=True) for other in seen):
                seen.append(d)
                yield _Asked(pairs.endpoint, rule, cells, d)


def _complete(pairs: Pairs) -> dict[str, Rows]:
    """Return the columns of the pairs, (seeds, cells) each, of the seeds with a pair in every cell."""
    tables = {name: pairs.matrix(pairs.cells, name) for name in COLUMNS}
    whole = ~np.isnan(tables["difference"]).any(axis=1)
    return {name: table[whole] for name, table in tables.items()}


def _over_cells(pairs: Pairs, D: Rows, columns: dict[str, Rows]) -> Iterator[tuple[str, Rows]]:
    """Yield what is taken of the cells, in words, and each seed's difference."""
    failed = np.any((columns["failed_baseline"] > 0) | (columns["failed_arm"] > 0), axis=0)
    yield "mean over all cells", _by_seed(D, np.mean)
    yield "median over all cells", _by_seed(D, np.median)
    if failed.any() and not failed.all():
        yield "cells without a failure", _by_seed(D[:, ~failed], np.mean)
    if REFERENCE_SETTING in pairs.cells:
        yield "the tutorial's cell", D[:, pairs.cells.index(REFERENCE_SETTING)]


def _by_seed(D: Rows, over: Callable[[Rows], Any]) -> Rows:
    """Return (seeds,) what ``over`` makes of each row without its NaN; NaN where nothing is left."""
    left = (row[~np.isnan(row)] for row in D)
    return zero_rounding_noise([float(over(row)) if len(row) else math.nan for row in left])


def _scores(d: Rows, how: str) -> Rows:
    scores, there = np.full(len(d), math.nan), ~np.isnan(d)
    scores[there] = TESTS[how][2](d[there])
    return scores


def _specification(asked: _Asked, how: str, alpha: float) -> Specification:
    make_test, make_interval, _ = TESTS[how]
    d = asked.d[~np.isnan(asked.d)]
    test, interval = make_test(d), make_interval(d, 1 - alpha)
    rejected = len(d) >= seeds_to_reach(alpha) and test.pvalue <= alpha
    finds = "undecided" if not rejected else "better" if interval.estimate > 0 else "worse"
    return Specification(asked.outcome, asked.failures, asked.cells, how, len(d), interval, test, finds)
