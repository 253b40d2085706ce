"""What part 5 must say: each arm on its own, failures, rates."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tests.analysis.report.oracle.arithmetic import clopper_pearson, sign_flip, snapped, t_interval, wilcoxon
from tests.analysis.report.oracle.records import Oracle
from tests.analysis.report.oracle.spelling import (
    IN_ALL_CELLS,
    NO_NUMBER,
    NUMBER,
    SHARE,
    SIDE,
    Expected,
    Floats,
    Interval,
    Row,
    either,
    ends,
    estimate,
    estimates,
    p_equals,
    p_text,
    percent,
    place,
    rate,
    seeds,
    where,
)


def say_robustness(o: Oracle, say: Expected) -> None:
    of, rows = o.of, []
    for i, cell in enumerate(of.cells):
        for arm in ("bn", "no_bn"):
            there = of.there[arm][:, i]
            n, n_failed = int(there.sum()), int(of.failed[arm][:, i].sum())
            if not n:
                continue
            accuracy = estimate(t_interval(of.score["last3"][arm][there, i], o.level), SHARE)
            rows.append(
                where(cell)
                | {
                    "arm": SIDE[arm],
                    "n": str(n),
                    "test accuracy": accuracy,
                    "failed": f"{n_failed} of {n}",
                    "of these diverged": str(int(of.diverged[arm][:, i].sum())),
                    "share that fails": estimate(clopper_pearson(n_failed, n, o.level), SHARE),
                }
            )
            say.say("robustness", f"{place(cell)}, {SIDE[arm]}: {accuracy}, {n_failed} of {n} failed")
    say.table("robustness", ("batch size", "rate", "arm"), rows)


FAILURES = (
    "batch size", "rate", "failed without | with", "diverged without | with", "only without | only with",
    "p, McNemar exact; over all cells sign-flip of counts", "p, McNemar mid-p",
    "difference of the rates, points (Bonett and Price)", "p, worst rank (Wilcoxon)", "survivors only, points",
    "pairs dropped", "bounds, whatever diverged runs scored",
)  # fmt: skip


def say_failures(o: Oracle, say: Expected) -> None:
    of = o.of
    complete = of.complete(of.common)
    mask = complete[:, None] & np.isin(np.arange(len(of.cells)), of.common)
    counts = [np.where(mask, of.failed[arm], 0).sum(1)[complete] for arm in ("no_bn", "bn")]
    test = sign_flip((counts[1] - counts[0]).astype(float))
    survived = np.where(mask & ~of.diverged["bn"] & ~of.diverged["no_bn"], of.difference(), np.nan)
    means = [row[~np.isnan(row)].mean() for row in survived if not np.isnan(row).all()]
    left = t_interval(snapped(means), o.level)
    shared = _failure_cells(o, mask, left)
    rows = [IN_ALL_CELLS | shared | dict.fromkeys((*FAILURES[6:9],), NO_NUMBER) | {FAILURES[5]: test.text}]
    for i in of.common:
        one = np.zeros_like(mask)
        one[of.paired[:, i], i] = True
        rows.append(where(of.cells[i]) | _failures_in(o, one))
    say.table("failures-bn", ("batch size", "rate"), rows)
    if complete.any():
        about = f"(sign-flip test of each seed's counts, {seeds(complete.sum())})"
        say.say("robustness", f"Over all cells: {p_equals(test.text)} {about}")


def _failure_cells(o: Oracle, mask: NDArray, survivors: Interval) -> Row:
    """What all rows have: counts, the survivors, and the mean difference had diverged runs scored 0 or 1."""
    of, arms = o.of, ("no_bn", "bn")
    a, b = (of.failed[arm][mask] for arm in arms)
    gone = [of.diverged[arm][mask] for arm in arms]
    bounds = Interval(math.nan)
    if mask.any():
        x, y = (np.where(lost, np.nan, of.score["last3"][arm][mask]) for arm, lost in zip(arms, gone, strict=True))
        low, high = np.nan_to_num(y, nan=0) - np.nan_to_num(x, nan=1), np.nan_to_num(y, nan=1) - np.nan_to_num(x, nan=0)
        bounds = Interval(0.0, float(low.mean()), float(high.mean()))
    return {
        FAILURES[2]: f"{a.sum()} | {b.sum()} of {mask.sum()}",
        FAILURES[3]: f"{gone[0].sum()} | {gone[1].sum()}",
        FAILURES[4]: f"{(a & ~b).sum()} | {(b & ~a).sum()}",
        FAILURES[9]: estimate(survivors),
        FAILURES[10]: str((gone[0] | gone[1]).sum()),
        FAILURES[11]: ends(bounds),
    }


def _failures_in(o: Oracle, mask: NDArray) -> Row:
    of = o.of
    a, b = (of.failed[arm][mask] for arm in ("no_bn", "bn"))
    gone_a, gone_b = (of.diverged[arm][mask] for arm in ("no_bn", "bn"))
    d, n = of.difference()[mask], int(mask.sum())
    left = t_interval(d[~gone_a & ~gone_b], o.level)
    c_only, b_only = int((a & ~b).sum()), int((b & ~a).sum())
    ranked = np.where(gone_a & gone_b, 0, np.where(gone_b, -np.inf, np.where(gone_a, np.inf, d)))
    exact, mid = mcnemar(c_only, b_only) if n else (math.nan, math.nan)
    return {
        **_failure_cells(o, mask, left),
        FAILURES[5]: p_text(exact),
        FAILURES[6]: p_text(mid),
        FAILURES[7]: estimate(bonett_price(c_only, b_only, n, o.level) if n else None),
        FAILURES[8]: wilcoxon(ranked).text,
    }


def mcnemar(one: int, other: int) -> tuple[float, float]:
    """Exact and mid-p of the pairs of which one alone failed, against a fair coin."""
    if one + other == 0:
        return 1.0, 1.0
    smaller = min(one, other)
    mid = 2 * stats.binom.cdf(smaller, one + other, 0.5) - stats.binom.pmf(smaller, one + other, 0.5)
    return float(stats.binomtest(smaller, one + other).pvalue), min(1.0, float(mid))


def bonett_price(only_baseline: int, only_arm: int, n: int, level: float) -> Interval:
    """Wald's interval after a pair was added to either kind (Bonett and Price 2012), within -1 and 1."""
    p, q = (only_arm + 1) / (n + 2), (only_baseline + 1) / (n + 2)
    half = float(stats.norm.isf((1 - level) / 2)) * math.sqrt((p + q - (p - q) ** 2) / (n + 2))
    return Interval((only_arm - only_baseline) / n, max(-1.0, p - q - half), min(1.0, p - q + half))


def say_largest(o: Oracle, say: Expected) -> None:
    of = o.of
    if of.grid is None or not of.grid.any():
        return
    shape, lrs = (int(of.grid.sum()), len(of.sizes), len(of.lrs)), of.lrs
    step = lrs[1] / lrs[0] if len(lrs) > 1 else 10.0
    rates = [lrs[0] / step, *lrs]
    largest = {}
    for arm in ("no_bn", "bn"):
        failed = of.failed[arm][of.grid].reshape(shape)
        largest[arm] = [[max((i + 1 for i in range(len(lrs)) if not row[i]), default=0) for row in of] for of in failed]
    shift = snapped([
        np.mean([math.log10(rates[b] / rates[a]) for a, b in zip(*pair, strict=True)])
        for pair in zip(largest["no_bn"], largest["bn"], strict=True)
    ])  # fmt: skip
    every = {arm: [i for seed in largest[arm] for i in seed] for arm in largest}
    rows = [
        {"largest usable rate": rate(lrs[i - 1]) if i else "none"}
        | {SIDE[arm]: percent(every[arm].count(i) / len(every[arm])) for arm in every}
        for i in range(len(rates))
    ]
    say.table("largest-bn", ("largest usable rate",), rows)
    say.say(
        "robustness",
        f"The largest usable rate, with BN against without BN: {estimate(t_interval(shift, o.level), NUMBER)} powers of"
        f" ten (sign-flip test, {seeds(len(shift))}: {p_equals(sign_flip(shift).text)}).",
    )


def say_best(o: Oracle, say: Expected) -> None:
    of = o.of
    if of.grid is None or not of.grid.any():
        return
    rows = []
    for size in of.sizes:
        cells = [of.cells.index((size, lr)) for lr in of.lrs]
        scores = [of.score["last3"][arm][of.grid][:, cells] for arm in ("no_bn", "bn")]
        tied = [_tied(side.mean(0)) for side in scores]
        best = [of.lrs[which[0]] for which in tied]
        shift, n = math.log10(best[1] / best[0]), len(scores[0])
        shown = estimate(Interval(shift), NUMBER) if n < 6 else _resampled_shifts(scores, of.lrs, shift, o.alpha)
        rows.append({
            "batch size": str(size),
            "best rate without BN": rate(best[0]),
            "best rate with BN": rate(best[1]),
            "n": str(n),
            "shift, powers of ten (seeds resampled, choice repeated)": shown,
            "ties": _ties(tied),
        })  # fmt: skip
    say.table("best-bn", ("batch size",), rows)


def _tied(means: Floats) -> list[int]:
    return [int(i) for i in np.flatnonzero(means >= means.max() - 1e-11)]


def _ties(tied: Sequence[Sequence[int]]) -> str:
    sides = zip(tied, ("the baseline", "the arm"), strict=True)
    said = [f"{len(which)} rates are equally good for {side}" for which, side in sides if len(which) > 1]
    return f"{' and '.join(said)}: the smallest is taken" if said else NO_NUMBER


def _resampled_shifts(scores: Sequence[Floats], lrs: Sequence[float], shift: float, alpha: float) -> str:
    """The page's resamples follow from a hash of the data; here others are drawn, and an end may be any shift between
    the quantiles that 9,999 draws are sure to keep to (five standard errors)."""
    n, draws = len(scores[0]), 9_999
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), draws) / n
    means = [weights @ side for side in scores]
    chosen = [np.log10(lrs)[(side >= side.max(axis=1, keepdims=True) - 1e-11).argmax(axis=1)] for side in means]
    shifts = np.sort(np.round(chosen[1] - chosen[0], 9))
    slack = 5 * math.sqrt(2 * alpha / 2 * (1 - alpha / 2) / draws)
    low, high = (
        np.unique(shifts[max(0, int(draws * (tail - slack))) : int(draws * (tail + slack)) + 1])
        for tail in (alpha / 2, 1 - alpha / 2)
    )
    every = (Interval(shift, float(a), float(b)) for a in low for b in high)
    return either(text for interval in every for text in estimates(interval, NUMBER))
