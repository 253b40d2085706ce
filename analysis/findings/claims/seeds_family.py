"""The rows over the shared seeds, one family: every p and interval by the same patterns of the seeds' signs.

A row's values less its rule's bound are a column. Its adjusted p is at most alpha exactly where its simultaneous
interval excludes the bound (``analysis.stats.families``). A row whose region lies within two bounds has two columns,
which share their centred values and so cost the family nothing. Where its mean lies inside, the interval of level 1 - 2
alpha decides, that of two one-sided tests (Schuirmann 1987), and p is the larger of theirs; where it lies outside, the
interval of level 1 - alpha. Until all rows of the family have been run there is no verdict.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.findings.claims.judged import WITHIN, Judged, joined, level_of, note_of, of_two_bounds, undecided
from analysis.stats.families import Member, simultaneous_inference
from analysis.stats.power import attainable_p, seeds_to_reach
from analysis.stats.sign_flips import MAX_PATTERNS, is_exact
from study.spec.claims.rows import Row
from study.spec.claims.rules import Rule

Floats = NDArray[np.float64]
UNIT = "seeds"
ROUNDED = 12
"""Decimal places of a value, in the row's unit."""


def judge(values: Mapping[str, Floats], rows: Mapping[str, Row], alpha: float, size: int) -> dict[str, Judged]:
    """Return what is found of each row by key.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (seeds,)
        By the key of a row, in its unit and in the order of the seeds; NaN where a seed has none.
    rows : mapping of str to Row
        The same rows.
    alpha : float
        The probability of any false verdict in the family, at most.
    size : int
        Rows that the family will have; where ``values`` are fewer, the entries say so.
    """
    finite = {key: np.where(np.isfinite(of), of, np.nan) for key, of in values.items()}
    short = {key: of for key, of in finite.items() if attainable_p(int(np.isfinite(of).sum())) > alpha}
    columns = {key: _columns(of, rows[key].rule) for key, of in finite.items() if key not in short}
    level = {key: level_of(rows[key], _mean(finite[key]), alpha) for key in columns}
    members = {one: _members(columns, one) for one in {*level.values()}}
    partial = f"its family is not complete: {len(values)} of {size} rows are run" if len(values) < size else ""
    found = {key: _judged(rows[key], finite[key], members[level[key]][key], partial) for key in columns}
    return found | {key: _too_short(of, alpha) for key, of in short.items()}


def _columns(values: Floats, rule: Rule) -> list[Floats]:
    """Return the values less each bound of the rule; one that is at a bound but for rounding is at it."""
    bounds = (-rule.bound, rule.bound) if rule.kind == WITHIN else (rule.bound,)
    return [np.round(values - bound, ROUNDED) for bound in bounds]


def _members(columns: Mapping[str, Sequence[Floats]], level: float) -> dict[str, list[Member]]:
    """Return the members of each row, of one family of all columns."""
    table = np.column_stack([column for of in columns.values() for column in of])
    members = iter(simultaneous_inference(table, level))
    return {key: [next(members) for _ in of] for key, of in columns.items()}


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return math.fsum(known) / len(known)


def _judged(row: Row, values: Floats, members: Sequence[Member], partial: str) -> Judged:
    alone = [simultaneous_inference(column[:, None])[0] for column in _columns(values, row.rule)]
    interval, estimate = members[-1].interval, _mean(values)
    n, n_seeds = int(np.isfinite(values).sum()), len(values)
    lacking = f"{n_seeds - n} of {n_seeds} seeds have no value" if n < n_seeds else None
    return Judged(
        estimate,
        estimate - (interval.estimate - interval.low),
        estimate + (interval.high - interval.estimate),
        interval.level,
        _p(row, estimate, alone),
        _p(row, estimate, members),
        n,
        UNIT,
        joined(_spread(values) or interval.reason, lacking, note_of(row, estimate)),
        partial,
    )


def _spread(values: Floats) -> str:
    known = values[np.isfinite(values)]
    return "all values are equal" if len(known) > 1 and np.ptp(known) == 0 else ""


def _p(row: Row, estimate: float, members: Sequence[Member]) -> float:
    """Return the p of the row's bound, or of its two bounds."""
    pvalues = [*map(_two_sided, members)]
    if len(members) == 1:
        return pvalues[0]
    inwards = (members[0].interval.estimate > 0, members[1].interval.estimate < 0)
    one_sided = (p / 2 if inside else 1 - p / 2 for p, inside in zip(pvalues, inwards, strict=True))
    return of_two_bounds(row, estimate, max(one_sided))


def _two_sided(member: Member) -> float:
    """Return a member's p; where all its values are equal and not 0, no pattern reaches them but their own."""
    n, no_spread = member.interval.n, math.isnan(member.test.pvalue) and member.interval.low == member.interval.high
    return 1 / (1 + (2**n if is_exact(n) else MAX_PATTERNS)) if no_spread else member.test.pvalue


def _too_short(values: Floats, alpha: float) -> Judged:
    known = values[np.isfinite(values)]
    n = len(known)
    floor = f"{n} {'seed' if n == 1 else 'seeds'}: the smallest p is {attainable_p(n):g}"
    return undecided(
        float(known.mean()) if n else math.nan, n, UNIT, f"{floor}, and {seeds_to_reach(alpha)} are needed"
    )
