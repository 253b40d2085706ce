"""The rows over other seeds or units, and counts of failures: p-values by Holm over their family, intervals at its
Bonferroni level; and rows that are judged alone.

A single p is of the hypothesis that the quantity lies at the rule's bound, but for an AUC, whose permutations say that
it is 0.5; there, and for counts of failures, the interval decides only with the adjusted p.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from scipy import stats

from analysis.findings.claims.estimates import Auc, Binary, BySeed, Estimate, Exact, Prediction
from analysis.findings.claims.judged import WITHIN, Judged, joined, level_of, note_of, of_two_bounds
from analysis.stats.binary_outcomes import mcnemar, risk_difference
from analysis.stats.intervals import Interval, prediction, t_interval
from analysis.stats.multiple_tests import bonferroni_level, holm
from analysis.stats.paired_tests import equivalence, paired_t
from study.spec.claims.rows import Row
from study.spec.claims.rules import CONTRADICTED, MOST_FAILED, SUPPORTED

Judge = Callable[[Row, Estimate, float, int], Judged]


def judge(estimates: Mapping[str, Estimate], rows: Mapping[str, Row], alpha: float, size: int) -> dict[str, Judged]:
    """Return what is found of each row of a family of ``size``, of which some may not have been run: they count as
    tests all the same (Holm 1979)."""
    alone = {key: _alone(rows[key], of, alpha, size) for key, of in estimates.items()}
    pvalues = [found.p for found in alone.values()] + [math.nan] * (size - len(alone))
    adjusted = dict(zip(alone, holm(pvalues).tolist(), strict=False))
    return {key: replace(found, p_adjusted=adjusted[key]) for key, found in alone.items()}


def judge_alone(estimates: Mapping[str, Estimate], rows: Mapping[str, Row], alpha: float) -> dict[str, Judged]:
    """Return what is found of rows that are tested alone, or not at all."""
    return {key: _alone(rows[key], of, alpha, 1) for key, of in estimates.items()}


def _alone(row: Row, estimate: Estimate, alpha: float, size: int) -> Judged:
    return _JUDGES[type(estimate)](row, estimate, alpha, size)


def _of(row: Row, interval: Interval, p: float, n_unit: str, alpha: float, reason: str = "") -> Judged:
    level = level_of(row, interval.estimate, alpha)
    why = joined(interval.reason, reason, note_of(row, interval.estimate))
    return Judged(interval.estimate, interval.low, interval.high, level, p, p, interval.n, n_unit, why)


def _paired(row: Row, estimate: BySeed, alpha: float, size: int) -> Judged:
    """By Student's t."""
    values = estimate.values.to_numpy(float)
    known, bound = values[np.isfinite(values)], row.rule.bound
    lacking = f"{len(values) - len(known)} of {len(values)} seeds have no value" if len(known) < len(values) else ""
    mean = float(known.mean()) if len(known) else math.nan
    interval = t_interval(known, bonferroni_level(level_of(row, mean, alpha), size))
    within = row.rule.kind == WITHIN
    p = of_two_bounds(row, mean, equivalence(known, bound).pvalue) if within else paired_t(known - bound).pvalue
    return _of(row, interval, p, "seeds", alpha, lacking)


def _binary(row: Row, estimate: Binary, alpha: float, size: int) -> Judged:
    """By McNemar's exact test and the interval of Bonett & Price (2012)."""
    pairs = estimate.failed_baseline, estimate.failed_arm
    interval = risk_difference(*pairs, bonferroni_level(1 - alpha, size))
    of_either = [int(np.count_nonzero(failed)) for failed in reversed(pairs)]
    counts = f"{of_either[0]} and {of_either[1]} of {interval.n} runs failed"
    judged = _of(row, interval, mcnemar(*pairs).pvalue, "seeds", alpha, counts)
    return replace(judged, tested=(SUPPORTED, CONTRADICTED))


def _auc(row: Row, estimate: Auc, alpha: float, size: int) -> Judged:
    """Of the split with the median AUC, with DeLong's standard error; p is twice the median over splits, which holds
    its level however they depend on one another (van de Wiel, Berkhof & van Wieringen 2009, theorem 1)."""
    middle = int(np.argsort(estimate.auc, kind="stable")[(len(estimate.auc) - 1) // 2])
    auc, se = float(estimate.auc[middle]), float(estimate.se[middle])
    level = level_of(row, auc, alpha)
    half = float(stats.norm.ppf((1 + bonferroni_level(level, size)) / 2)) * se
    interval = Interval("DeLong", estimate.n, auc, auc - half, auc + half, level)
    low, high = float(estimate.auc.min() + estimate.origin), float(estimate.auc.max() + estimate.origin)
    splits = f"{len(estimate.auc)} splits, AUC {low:.3f} to {high:.3f}"
    if row.rule.kind == WITHIN:
        p = float(max(stats.norm.sf((auc + row.rule.bound) / se), stats.norm.cdf((auc - row.rule.bound) / se)))
        return _of(row, interval, of_two_bounds(row, auc, p), "images", alpha, splits)
    p = min(1.0, 2 * float(np.median(estimate.p)))
    judged = _of(row, interval, p, "images", alpha, f"{splits}; p is of an AUC of 0.5")
    return replace(judged, tested=(SUPPORTED,))


def _prediction(row: Row, estimate: Prediction, alpha: float, size: int) -> Judged:
    """By the t interval of one more run (Hahn & Meeker 1991, section 4.8); the rank, whose p cannot be below 1 / (n +
    1), only describes."""
    runs, reported = estimate.values, row.rule.bound
    n = len(runs)
    interval = prediction(runs, bonferroni_level(1 - alpha, size))
    failed = f"{estimate.n_failed} of {n + estimate.n_failed} runs failed to learn and are left out"
    if interval.reason:
        return Judged(
            interval.estimate, n=n, n_unit="runs", reason=joined(interval.reason, failed if estimate.n_failed else None)
        )
    t = (reported - runs.mean()) / (runs.std(ddof=1) * math.sqrt(1 + 1 / n))
    p = 2 * float(stats.t.sf(abs(t), n - 1))
    rank = 1 + min(int((runs < reported).sum()), int((runs > reported).sum()))
    described = f"rank {rank} of {n + 1}, from the nearer end"
    judged = _of(row, interval, p, "runs", alpha, joined(described, failed if estimate.n_failed else None))
    many = (
        f"more than {100 * MOST_FAILED:g} % of the runs failed"
        if estimate.n_failed > MOST_FAILED * (n + estimate.n_failed)
        else ""
    )
    return replace(judged, withheld=many)


def _exact(row: Row, estimate: Exact, alpha: float, size: int) -> Judged:
    """No test: the smallest and the largest value."""
    values = estimate.values
    number = float(values.max() if estimate.largest else values.mean())
    low, high = float(values.min()), float(values.max())
    n_lacking = int(np.isnan(values).sum())
    lacking = f"{n_lacking} of {len(values)} {estimate.n_unit} have no value" if n_lacking else ""
    return Judged(number, low, high, n=len(values), n_unit=estimate.n_unit, reason=lacking)


_JUDGES: Mapping[type, Callable[..., Judged]] = {
    BySeed: _paired,
    Binary: _binary,
    Auc: _auc,
    Prediction: _prediction,
    Exact: _exact,
}
"""By kind of estimate."""
