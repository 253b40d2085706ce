"""The rows over the shared seeds, one family: every p and interval by the same patterns of the seeds' signs.

A row's values less its rule's bound are a column. Its adjusted p is at most alpha exactly where its simultaneous
interval excludes the bound (``analysis.stats.families``). A row whose region lies within two bounds has two columns,
which share their centred values and so cost the family nothing. Where its mean lies inside, the interval of level 1 - 2
alpha decides, that of two one-sided tests (Schuirmann 1987), and p is the larger of theirs; where it lies outside, the
interval of level 1 - alpha. Until all rows of the family have been run there is no verdict.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.findings.claims.judged import WITHIN, Judged, joined, level_of, note_of, of_two_bounds
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
    known = {key: of[np.isfinite(of)] for key, of in values.items()}
    able = [key for key, of in known.items() if attainable_p(len(of)) <= alpha]
    columns = {key: _columns(values[key], rows[key].rule) for key in able}
    levels = [level_of(rows[key], _mean(known[key]), alpha) for key in able for _ in columns[key].T]
    every = np.column_stack([*columns.values()]) if able else np.empty((0, 0))
    members = iter(simultaneous_inference(every, levels))
    withheld = f"its family is not complete: {len(values)} of {size} rows are run" if len(values) < size else ""
    found = {}
    for key in able:
        of_row = [next(members) for _ in columns[key].T]
        found[key] = replace(_judged(rows[key], known[key], columns[key], of_row), withheld=withheld)
    return found | {key: _too_short(of, alpha) for key, of in known.items() if key not in able}


def _columns(values: Floats, rule: Rule) -> Floats:
    """Return the values less each bound of the rule (seeds, bounds), NaN where a seed has none; one that is at a bound
    but for rounding is at it."""
    bounds = (-rule.bound, rule.bound) if rule.kind == WITHIN else (rule.bound,)
    finite = np.where(np.isfinite(values), values, np.nan)
    return np.column_stack([np.round(finite - bound, ROUNDED) for bound in bounds])


def _mean(known: Floats) -> float:
    return math.fsum(known) / len(known)


def _judged(row: Row, known: Floats, columns: Floats, members: Sequence[Member]) -> Judged:
    """Return what is found of a row from its values, its columns and their members of the family."""
    interval, estimate = members[-1].interval, _mean(known)
    n, n_seeds = len(known), len(columns)
    equal = "all values are equal" if np.ptp(known) == 0 else interval.reason
    return Judged(
        estimate=estimate,
        low=estimate - (interval.estimate - interval.low),
        high=estimate + (interval.high - interval.estimate),
        level=interval.level,
        p=_p(row, estimate, simultaneous_inference(columns)),
        p_adjusted=_p(row, estimate, members),
        n=n,
        n_unit=UNIT,
        reason=joined(
            equal,
            f"{n_seeds - n} of {n_seeds} seeds have no value" if n < n_seeds else None,
            note_of(row, estimate),
        ),
    )


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


def _too_short(known: Floats, alpha: float) -> Judged:
    n = len(known)
    floor = f"{n} {'seed' if n == 1 else 'seeds'}: the smallest p is {attainable_p(n):g}"
    reason = f"{floor}, and {seeds_to_reach(alpha)} are needed"
    return Judged(_mean(known) if n else math.nan, n=n, n_unit=UNIT, reason=reason)
