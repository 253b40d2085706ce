"""What part 5 must say: each arm on its own, failures, rates."""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from tests.analysis.report.oracle.arithmetic import clopper_pearson, no_spread, sign_flip, snapped, t_interval, wilcoxon
from tests.analysis.report.oracle.records import Oracle, Records
from tests.analysis.report.oracle.spelling import (
    CHANCE,
    IN_ALL_CELLS,
    NO_NUMBER,
    NUMBER,
    SHARE,
    SIDE,
    SIZE,
    Expected,
    Floats,
    Interval,
    Row,
    either,
    ends,
    estimate,
    estimates,
    level_text,
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
                {
                    "setting": place(cell),
                    "arm": SIDE[arm],
                    "n": str(n),
                    "test accuracy": accuracy,
                    "failed": f"{n_failed} of {n}",
                    "of these diverged": str(int(of.diverged[arm][:, i].sum())),
                    "share that fails": estimate(clopper_pearson(n_failed, n, o.level), SHARE),
                }
            )
            say.say("robustness", f"{place(cell)}, {SIDE[arm]}: {accuracy}, {n_failed} of {n} failed")
    say.table("robustness", ("setting", "arm"), rows)
    counted = [(int(of.failed[arm][of.there[arm]].sum()), int(of.there[arm].sum()), SIDE[arm]) for arm in of.arms]
    say.say("robustness", _failed_runs(sorted(counted, key=lambda one: one[0] / one[1], reverse=True)))


def _failed_runs(counted: Sequence[tuple[int, int, str]]) -> str:
    """The headline of two arms, that with more failures first."""
    (more, n_more, worse), (less, n_less, better) = counted
    if more + less in (0, n_more + n_less):
        return f"All {n_more + n_less} runs {'failed' if more else 'learned'}"
    rest = f"{less} of {n_less} {better}" if less else f"none {better}"
    return f"{more} of {n_more} run{'s' if n_more > 1 else ''} {worse} failed, {rest}"


FAILURES = (
    "batch size", "rate", "failed without | with", "diverged without | with", "only without | only with",
    "p, exact McNemar (total: sign-flip of counts)", "p, McNemar mid-p",
    "difference of the failure rates, points (Bonett and Price)", "p, worst rank (Wilcoxon)",
    "difference where neither run diverged, points", "pairs left out there",
    "bounds for any score of diverged runs, points",
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
    if complete.sum() > 1:
        over = " over all settings" if len(of.cells) > 1 else ""
        about = f"The sign-flip test of each seed's number of failures{over} gives {p_equals(test.text)}"
        say.say("robustness", f"{about} ({seeds(complete.sum())}).")


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
        FAILURES[2]: f"{a.sum()} | {b.sum()} of {mask.sum()}" if mask.sum() else NO_NUMBER,
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


Level = tuple[str, float]
"""What a run does that ends at an accuracy or above it, and the accuracy."""


def levels_of(of: Records) -> list[Level]:
    means = [np.nanmean(of.score["final"][arm][:, i]) for arm in of.arms for i in range(len(of.cells))
             if of.there[arm][:, i].any()]  # fmt: skip
    learning = CHANCE + (1 - CHANCE) / 9
    of_best = [(f"reaches {k} % of the best mean", k / 100 * max(means)) for k in (90, 99)]
    return [("learns", learning), *(level for level in of_best if level[1] > learning)]


def say_shares(o: Oracle, say: Expected) -> None:
    of, rows = o.of, []
    for arm in of.arms:
        there, final = of.there[arm], of.score["final"][arm]
        n_runs, n_seeds = int(there.sum()), int(there.any(axis=1).sum())
        for what, least in levels_of(of):
            k = int((final[there] >= least).sum())
            rows.append({
                "a run": what,
                "accuracy, at least": percent(least, 1),
                "arm": SIDE[arm],
                "runs": f"{k} of {n_runs}",
                "seeds": str(n_seeds),
                "share of the runs [limits by seed]": estimate(_by_seed(k / n_runs, n_seeds, o.level), SHARE),
            })  # fmt: skip
            say.say("robustness", f"{SIDE[arm]}, {percent(least, 1)} or above: {k} of {n_runs}")
    say.table("accuracy-shares", ("a run", "arm"), rows)
    what, least = levels_of(of)[min(1, len(levels_of(of)) - 1)]
    found = {row["arm"]: row["runs"].replace(" of ", "/") for row in rows if row["a run"] == what}
    runs = ", ".join(f"{k} run{'' if k.endswith('/1') else 's'} {side}" for side, k in found.items())
    say.say("robustness", f"Reaching {percent(least, 1)}: {runs}")


def _by_seed(share: float, n: int, level: float) -> Interval:
    """Between the probabilities of which one tail each is left: an incomplete beta function, k no whole number."""
    k, tail = share * n, (1 - level) / 2

    def end(a: float, b: float, p: float) -> float:
        return float(optimize.brentq(lambda x: special.betainc(a, b, x) - p, 0.0, 1.0, xtol=1e-15))

    low = end(k, n - k + 1, tail) if share > 0 else 0.0
    high = end(k + 1, n - k, 1 - tail) if share < 1 else 1.0
    return Interval(share, low, high, n)


def say_usable(o: Oracle, say: Expected) -> None:
    of = o.of
    if of.grid is None or not of.grid.any() or len(of.lrs) < 2:
        return
    rows = []
    for level in levels_of(of)[:2]:
        largest = {arm: _largest(of, arm, level[1]) for arm in ("no_bn", "bn")}
        every = {arm: [i for seed in largest[arm] for i in seed] for arm in largest}
        rows += [
            {"a run": level[0], "up to rate": rate(of.lrs[i - 1]) if i else "none"}
            | {SIDE[arm]: percent(every[arm].count(i) / len(every[arm])) for arm in every}
            for i in range(len(of.lrs) + 1)
        ]
        say.say("robustness", _about_usable(o, level, largest, every))
    tolerated = _tolerated(o, levels_of(of)[0])
    if tolerated:
        say.say("robustness", tolerated)
    say.table("usable-bn", ("a run", "up to rate"), rows)


def _largest(of: Records, arm: str, least: float) -> list[list[int]]:
    """By seed and batch size, which rate is the largest at which a run ends there or above: from 1 on, 0 for none."""
    final = of.score["final"][arm][of.grid].reshape(-1, len(of.sizes), len(of.lrs))
    return [[max((i + 1 for i, end in enumerate(row) if end >= least), default=0) for row in seed] for seed in final]


def _about_usable(
    o: Oracle, level: Level, largest: Mapping[str, list[list[int]]], every: Mapping[str, list[int]]
) -> str:
    lrs, n_runs = o.of.lrs, len(every["bn"])
    about = f"A run {level[0]} if it ends at {percent(level[1], 1)} or more."
    none = {arm: every[arm].count(0) for arm in every}
    if any(none.values()):
        sides = f"{none['no_bn']} without BN and {none['bn']} with BN"
        never = "have no such run at any learning rate that we tried."
        return f"{about} No ratio is given: of {n_runs} (seeds x batch sizes) per arm, {sides} {never}"
    if min(every[arm].count(len(lrs)) for arm in every) == n_runs:
        top = f"Such runs reach the highest learning rate that we tried, {rate(lrs[-1])}, without BN and with BN."
        return f"{about} {top}"
    shift = _shift(o, largest)
    ratio, ends = _ratio(o, shift)
    interval = f" [{', '.join(ends)}]" if ends else ""
    return (
        f"{about} The highest learning rate with such a run is {ratio}{interval} times as high with BN as without BN"
        f" (geometric mean).{_above(o, every)} Sign-flip test, {seeds(len(shift))}: {p_equals(sign_flip(shift).text)}."
    )


def _tolerated(o: Oracle, level: Level) -> str | None:
    """The sentence in sight, of runs that learn; None where there is no ratio."""
    largest = {arm: _largest(o.of, arm, level[1]) for arm in ("no_bn", "bn")}
    every = {arm: [i for seed in largest[arm] for i in seed] for arm in largest}
    at_the_top = [every[arm].count(len(o.of.lrs)) == len(every[arm]) for arm in every]
    if any(every[arm].count(0) for arm in every) or all(at_the_top):
        return None
    shift = _shift(o, largest)
    ratio, ends = _ratio(o, shift)
    interval = f"{level_text(o.level)} interval {' to '.join(ends)}, " if ends else ""
    return (
        f"Batch normalisation tolerates learning rates {ratio} times as high as training without BN"
        f" ({interval}{seeds(len(shift))}).{_above(o, every)}"
    )


def _shift(o: Oracle, largest: Mapping[str, list[list[int]]]) -> Floats:
    """By seed, the mean over the batch sizes of the arm's largest rate above the baseline's, in powers of ten."""
    pairs, lrs = zip(largest["no_bn"], largest["bn"], strict=True), o.of.lrs
    return snapped([np.mean([math.log10(lrs[b - 1] / lrs[a - 1]) for a, b in zip(*two, strict=True)]) for two in pairs])


def _ratio(o: Oracle, shift: Floats) -> tuple[str, list[str]]:
    """Ratio and ends of the interval, none without spread; rounded as an interval is."""
    ends = [10**end for end in t_interval(shift, o.level)[:3]]
    if no_spread(shift):
        return f"{ends[0]:.3g}", []
    ratio, low, high = re.fullmatch(r"(.*) \[(.*), (.*)\]", estimate(Interval(*ends), SIZE)).groups()  # type: ignore
    return ratio, [low, high]


def _above(o: Oracle, every: Mapping[str, list[int]]) -> str:
    reached = any(every[arm].count(len(o.of.lrs)) for arm in every)
    return f" We tried none above {rate(o.of.lrs[-1])}." if reached else ""


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
            "shift, powers of ten (bootstrap over seeds)": shown,
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
