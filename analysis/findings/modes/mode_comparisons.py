"""What the sentences on inference modes are chosen by: two ways to predict on the same images, and which is better.

A rule asks for several comparisons; those on the test images as they are form one family, and those under the other
conditions another, whose simultaneous intervals decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from analysis.findings.family import is_negligible
from analysis.stats.intervals import Interval, simultaneous
from analysis.stats.power import seeds_to_reach
from study.spec.inference.modes import CLEAN

OUTCOMES = ("better", "worse", "within", "undecided", "too few")
"""What the interval of a comparison says: that it lies on one side of zero, within the margin, on both sides of zero,
or that there are too few seeds for any."""


class Way(NamedTuple):
    """A way to predict; ``size`` 0 is all images in one batch."""

    inference: str
    size: int | None = None
    order: str | None = None


RUNNING, NO_NORM = Way("running"), Way("none")


@dataclass(frozen=True)
class Rule:
    """A question about ways to predict: each of ``ways`` against another."""

    key: str
    ways: tuple[Way, ...]
    against: Way = RUNNING
    shifted: bool = False
    """Whether it is asked under every condition but the clean one."""


RULES = (
    Rule("small", tuple(Way("batch", size, "shuffled") for size in (8, 32))),
    Rule("large", tuple(Way("batch", size, "shuffled") for size in (128, 512, 0))),
    Rule("sorted", (Way("batch", 32, "sorted"),), Way("batch", 32, "shuffled")),
    Rule("saved", tuple(Way(name) for name in ("population", "precise", "cumulative_last", "cumulative_all"))),
    Rule("no norm", (RUNNING, Way("cumulative_all")), NO_NORM),
    Rule("shifted", (Way("batch", 128, "shuffled"),), shifted=True),
)


@dataclass(frozen=True)
class Compared:
    """One way to predict minus another in accuracy, on the same images."""

    rule: str
    way: Way
    against: Way
    shift: str
    severity: int
    interval: Interval
    """Simultaneous over the family; ``n`` counts the seeds with both."""
    outcome: str
    """One of OUTCOMES."""


def compare_all(
    rules: Sequence[Rule], of_arm: pd.DataFrame, of_baseline: pd.DataFrame, alpha: float, margin: float
) -> list[Compared]:
    """Return the comparisons of all rules that the rows, of one cell of either arm, have both sides of."""
    scores = _scores(pd.concat([of_arm, of_baseline]))
    conditions = list(dict.fromkeys(key[:2] for key in scores))
    return [
        compared
        for shifted in (False, True)
        for compared in _family(
            [
                (rule, way, condition)
                for rule in rules
                for condition in conditions
                for way in rule.ways
                if rule.shifted == shifted == (condition != CLEAN)
                and {(*condition, way), (*condition, rule.against)} <= scores.keys()
            ],
            scores,
            alpha,
            margin,
        )
    ]


Key = tuple[str, int, Way]


def _scores(rows: pd.DataFrame) -> dict[Key, pd.Series]:
    """Return accuracies by seed, by condition and way."""
    keys = ["shift", "severity", "inference", "eval_batch_size", "order"]
    found = {}
    grouped: Any = rows.groupby(keys, dropna=False, sort=False)
    for (shift, severity, inference, size, order), of_way in grouped:
        accuracy = of_way.set_index("seed").accuracy
        way = Way(str(inference), None if pd.isna(size) else int(size), None if pd.isna(order) else str(order))
        found[str(shift), int(severity), way] = accuracy
        if way.size == of_way.n_examples.iloc[0]:
            found[str(shift), int(severity), way._replace(size=0)] = accuracy
    return found


def _family(
    asked: Sequence[tuple[Rule, Way, tuple[str, int]]], scores: dict[Key, pd.Series], alpha: float, margin: float
) -> list[Compared]:
    if not asked:
        return []
    columns = [scores[(*at, way)] - scores[(*at, rule.against)] for rule, way, at in asked]
    table = pd.concat(columns, axis=1).to_numpy(float)
    outer, inner = (simultaneous(table, level) for level in (1 - alpha, 1 - 2 * alpha))
    return [
        Compared(rule.key, way, rule.against, *at, wide, _outcome(wide, narrow, alpha, margin))
        for (rule, way, at), wide, narrow in zip(asked, outer, inner, strict=True)
    ]


def _outcome(interval: Interval, inner: Interval, alpha: float, margin: float) -> str:
    """Return what an interval says; within the margin, where ``inner`` (1 - 2 alpha) is, nothing else matters."""
    if interval.n < seeds_to_reach(alpha) or not interval.low <= interval.high:
        return "too few"
    if is_negligible(inner, None, margin):
        return "within"
    if interval.low > 0 or interval.high < 0:
        return "better" if interval.low > 0 else "worse"
    return "undecided"
