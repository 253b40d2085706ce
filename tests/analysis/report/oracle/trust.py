"""What the part "How sure" must say of completeness, other analyses and noise."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

from tests.analysis.report.oracle.arithmetic import (
    at_least,
    hodges_lehmann,
    no_spread,
    paired_t,
    sign_flip,
    sign_flip_interval,
    signs,
    snapped,
    t_interval,
    wilcoxon,
)
from tests.analysis.report.oracle.records import Oracle, Records
from tests.analysis.report.oracle.spelling import (
    CHANCE,
    EDGE,
    ENDPOINTS,
    IN_ALL_CELLS,
    NO_NUMBER,
    SIDE,
    Exact,
    Expected,
    Floats,
    Interval,
    Row,
    decimals,
    either,
    estimate,
    level_text,
    p_equals,
    p_text,
    percent,
    points,
    seeds,
    where,
)


def say_completeness(o: Oracle, say: Expected) -> None:
    of = o.of
    counted = {
        arm: [
            [
                len(of.seeds),
                len(known := [of.status[key] for seed in of.seeds if (key := (arm, *cell, seed)) in of.status]),
                int((of.failed[arm] & ~of.diverged[arm])[:, i].sum()),
                known.count("diverged"),
                known.count("not_applicable"),
                len(of.seeds) - len(known),
            ]
            for i, cell in enumerate(of.cells)
        ]
        for arm in of.arms
    }
    heads = ("planned", "done", "failed to learn", "diverged", "not applicable", "missing")

    def row(place: Mapping[str, str], arm: str, counts: Sequence[int]) -> Row:
        return {**place, "arm": SIDE[arm]} | {head: f"{n:,}" for head, n in zip(heads, counts, strict=True)}

    totals = [row(IN_ALL_CELLS, arm, np.sum(counts, axis=0)) for arm, counts in counted.items()]
    cells = [row(where(cell), arm, counted[arm][i]) for arm in of.arms for i, cell in enumerate(of.cells)]
    say.table("completeness", ("batch size", "rate", "arm"), [*totals, *cells])


@dataclass
class Analysis:
    """One way to ask of the same records."""

    choices: tuple[str, str, str, str]
    d: Floats
    interval: Interval
    p: float
    p_text: str
    scores: Floats
    """What the test adds up, 0 for a seed that is left out, in units of the root of the sum of squares."""
    finds: str


HEADS = ("settings, accuracy", "failures", "test")
IN_WORDS = {
    "as they ended": "failures as they ended",
    "a failed run scores 0": "failures score 0",
    "pairs in which both learn": "both runs learned",
    "pairs in which neither diverged": "neither run diverged",
    "mean over all cells": "mean over all settings",
    "median over all cells": "median over all settings",
    "cells without a failure": "settings without failures",
    "the tutorial's cell": "the tutorial's setting",
    "t": "t test",
    "sign-flip": "sign-flip test",
    "Wilcoxon": "Wilcoxon test",
}


def analyses_of(o: Oracle) -> list[Analysis]:
    """Every combination of choices; of those that leave the same differences the first."""
    found, seen = [], []
    for endpoint, failures, cells, d in _differences(o):
        if np.count_nonzero(~np.isnan(d)) < 2 or any(np.array_equal(d, other, equal_nan=True) for other in seen):
            continue
        seen.append(d)
        found += [_analysis(o, (endpoint, failures, cells, how), d) for how in ("t", "sign-flip", "Wilcoxon")]
    return found


def _differences(o: Oracle) -> Iterator[tuple[str, str, str, Floats]]:
    of, whole = o.of, o.of.complete(o.of.common)
    failed, gone = ({arm: flags[arm][whole][:, of.common] for arm in of.arms} for flags in (of.failed, of.diverged))
    sound = ~(failed["bn"] | failed["no_bn"]).any(axis=0)
    at = [of.cells[i] for i in of.common]
    for endpoint in ("last3", "final"):
        d = of.difference(endpoint)[whole][:, of.common]
        y, x = (np.where(failed[arm], 0.0, of.score[endpoint][arm][whole][:, of.common]) for arm in ("bn", "no_bn"))
        rules = {
            "as they ended": d,
            "a failed run scores 0": y - x,
            "pairs in which both learn": np.where(failed["bn"] | failed["no_bn"], np.nan, d),
            "pairs in which neither diverged": np.where(gone["bn"] | gone["no_bn"], np.nan, d),
        }
        for rule, D in rules.items():
            name = endpoint_name(o, endpoint)
            yield name, rule, "mean over all cells", _left(D, np.mean)
            yield name, rule, "median over all cells", _left(D, np.median)
            if sound.any() and not sound.all():
                yield name, rule, "cells without a failure", _left(D[:, sound], np.mean)
            if (32, 0.01) in at:
                yield name, rule, "the tutorial's cell", D[:, at.index((32, 0.01))]


def endpoint_name(o: Oracle, endpoint: str) -> str:
    """As a study of so many epochs can call it."""
    return ENDPOINTS[endpoint] if o.of.epochs > 2 or endpoint == "final" else SHORT_STUDIES[o.of.epochs]


SHORT_STUDIES = {1: "only epoch", 2: "last two epochs"}


def _left(D: Floats, over: Callable[[Floats], Any]) -> Floats:
    return snapped([over(row[~np.isnan(row)]) if not np.isnan(row).all() else np.nan for row in D])


def _analysis(o: Oracle, choices: tuple[str, str, str, str], given: Floats) -> Analysis:
    there = ~np.isnan(given)
    d, scores = given[there], np.zeros(len(given))
    if choices[-1] == "Wilcoxon":
        test, interval = wilcoxon(d), hodges_lehmann(d, o.level)
        p, text = test.p, test.text
        sizes = np.round(np.abs(d) / (np.abs(d).max() or 1.0), 9)
        ranks = np.where(sizes > 0, stats.rankdata(sizes) - np.count_nonzero(sizes == 0), 0)
        scores[there] = np.sign(d) * ranks
    else:
        interval = (t_interval if choices[-1] == "t" else sign_flip_interval)(d, o.level)
        p = paired_t(d) if choices[-1] == "t" else sign_flip(d).p
        text = p_text(p) if choices[-1] == "t" else sign_flip(d).text
        scores[there] = d
    told = len(d) >= o.seeds_to_reach and p <= o.alpha
    finds = ("better" if interval.estimate > 0 else "worse") if told else "undecided"
    length = math.sqrt((scores**2).sum())
    return Analysis(choices, d, interval, p, text, scores / length if length else scores, finds)


def joint_of(o: Oracle, analyses: Sequence[Analysis]) -> Exact:
    """All patterns of the seeds' signs, each in every analysis at once: how often is the median as far from zero?"""
    z = np.column_stack([one.scores for one in analyses])
    medians = np.median(signs(len(z)) @ z, axis=1)
    return Exact(at_least(medians, float(np.median(z.sum(axis=0))), len(z)), 2 ** len(z))


def specification_sentence(o: Oracle) -> str | None:
    """None where no analysis can be made."""
    analyses = analyses_of(o)
    if not analyses:
        return None
    better, worse, undecided = _tally(analyses)
    low, high = (points(choose(one.interval.estimate for one in analyses)) for choose in (min, max))
    reach = f"Every estimate is {low} points." if low == high else f"Their estimates run from {low} to {high} points."
    return (
        f"Of {len(analyses)} analyses of both arms at the same settings, {better} find higher accuracy with BN, {worse}"
        f" lower accuracy and {undecided} are undecided, each at a significance level of {level_text(o.alpha)}. {reach}"
        f" {_joint_sentence(o, analyses)}"
    )


def _joint_sentence(o: Oracle, analyses: Sequence[Analysis]) -> str:
    p, n = p_equals(joint_of(o, analyses).text), seeds(len(analyses[0].scores))
    return f"One sign-flip test of all of them together gives {p} ({n})."


def _tally(analyses: Sequence[Analysis]) -> list[int]:
    return [sum(one.finds == finds for one in analyses) for finds in ("better", "worse", "undecided")]


def say_specifications(o: Oracle, say: Expected) -> None:
    sentence, analyses = specification_sentence(o), analyses_of(o)
    if sentence is None:
        return
    rows = [
        {
            **_choices_in_words(o, one),
            "n": str(len(one.d)),
            "difference, points": estimate(one.interval),
            "p, from that test": one.p_text,
            "finds": one.finds,
        }
        for one in analyses
    ]
    say.table("specifications-bn", [*_choices_in_words(o, analyses[0])], rows)
    say.say("trust", sentence, _joint_sentence(o, analyses), _headline(analyses))


def _choices_in_words(o: Oracle, one: Analysis) -> Row:
    """The first three columns; of one setting nothing is said to be over settings."""
    endpoint, failures, cells, how = one.choices
    alone = len(o.of.cells) == 1
    what = endpoint if alone else f"{IN_WORDS[cells]}, {endpoint}"
    return {"accuracy" if alone else HEADS[0]: what, HEADS[1]: IN_WORDS[failures], HEADS[2]: IN_WORDS[how]}


def _headline(analyses: Sequence[Analysis]) -> str:
    n, (better, worse, _) = len(analyses), _tally(analyses)
    counts = sorted([(better, "higher"), (worse, "lower")], key=lambda count: -count[0])
    if counts[0][0] == 0:
        return f"Not one of {n} analyses reaches a verdict"
    if counts[0][0] == n:
        return f"All {n} analyses find {counts[0][1]} accuracy with BN"
    other = f"{counts[1][0] or 'none'} {counts[1][1]}"
    return f"{counts[0][0]} of {n} analyses find {counts[0][1]} accuracy with BN, {other}"


def say_next_pair(o: Oracle, say: Expected) -> None:
    """The middle half of the seeds' differences, and the chance that the next pair is worse."""
    if not o.whole.n:
        return
    rows = [IN_ALL_CELLS | _next_row(o, o.d)]
    D = o.of.difference()
    rows += [where(o.of.cells[i]) | _next_row(o, D[o.of.paired[:, i], i]) for i in o.of.common]
    say.table("next-pair-bn", ("batch size", "rate"), rows)
    first, n = rows[0], o.whole.n
    why = no_spread(o.d)
    chance = first[NEXT[1]].replace("< ", "below ")
    predicted = f"If differences are normal, the probability that the next pair is worse with BN is {chance}."
    if why:
        predicted = f"No probability that the next pair is worse follows from these differences ({why})."
    so_far = f"So far {first[NEXT[2]]} {'pair was' if n == 1 else 'pairs were'} worse"
    if (o.d < 0).all():
        so_far += "."
    else:
        so_far += f"; that excludes only probabilities above {first[NEXT[3]]}, whatever the distribution."
    over = " over all settings" if len(o.of.cells) > 1 else ""
    say.say(
        "trust",
        f"The interquartile mean (of the middle half of the seeds){over} is {first[NEXT[0]]} points. {predicted}"
        f" {so_far}",
    )


NEXT = (
    "interquartile mean difference, points", "P(next pair is worse), normal differences", "worse pairs",
    "P(worse), upper limit for any distribution",
)  # fmt: skip


def _next_row(o: Oracle, d: Floats) -> Row:
    n, k = len(d), int((d < 0).sum())
    p = math.nan
    if not no_spread(d):
        p = float(stats.t.sf(d.mean() / (d.std(ddof=1) * math.sqrt(1 + 1 / n)), n - 1))
    texts = (estimate(_interquartile(d, o.level)), p_text(p), f"{k} of {n}", percent(_limit(k, n, o.alpha), 0))
    return {"n": str(n)} | dict(zip(NEXT, texts, strict=True))


def _limit(k: int, n: int, alpha: float) -> float:
    """The probability under which k or fewer of n happen with probability alpha."""
    if k == n:
        return 1.0 if n else math.nan
    return float(optimize.brentq(lambda p: stats.binom.cdf(k, n, p) - alpha, 0.0, 1.0, xtol=1e-15))


def _interquartile(d: Floats, level: float) -> Interval:
    """Of four copies of each the quarters cut off; Student's with the jackknife's error and half of the seeds."""

    def middle(d: Floats) -> float:
        return float(np.sort(np.repeat(d, 4))[len(d) : 3 * len(d)].mean())

    n = len(d)
    if n < 6:
        return Interval(middle(d) if n else math.nan, n=n)
    left = np.array([middle(np.delete(d, i)) for i in range(n)])
    error = math.sqrt((n - 1) ** 2 / n * left.var(ddof=1))
    half = 0.0 if no_spread(d) else float(stats.t.isf((1 - level) / 2, n / 2 - 1)) * error
    return Interval(middle(d), middle(d) - half, middle(d) + half, n)


def say_seed_noise(o: Oracle, say: Expected) -> None:
    """Of either arm the deviation over seeds, that of its answers to single images, and what is left."""
    of, rows = o.of, []
    for i, cell in enumerate(of.cells):
        for arm in of.arms:
            x = answers_of(of, arm, i)
            x = x[~np.isnan(x).any(axis=1)]
            if not len(x):
                continue
            variances = _variances(x)
            sds = [decimals(100 * math.sqrt(variance)) for variance in variances]
            heads = ("SD over seeds, points", "SD of binomial test noise, points", "remaining SD, points")
            rows.append(where(cell) | {"arm": SIDE[arm], "n": str(len(x)), **dict(zip(heads, sds, strict=True))})
    say.table("seed-noise", ("batch size", "rate", "arm"), rows)


def _variances(x: Floats) -> tuple[float, float, float]:
    """Over seeds, of the mean over the images; of single images, in that mean; the first less the second."""
    if len(x) < 2:
        return math.nan, math.nan, math.nan
    of_mean = float(np.cov(x.mean(axis=1)))
    noise = float(((x - x.mean(axis=0)) ** 2).sum()) / (len(x) - 1) / x.shape[1] ** 2
    return of_mean, noise, max(0.0, of_mean - noise)


def say_noise(o: Oracle, say: Expected) -> None:
    of, answered = o.of, [_answered(o.of, i) for i in o.of.common]
    single = 1e-5  # the page averages the cells' answers in single precision
    rows = [IN_ALL_CELLS | _noise_row(o, of.common, np.mean(answered, axis=0), single)]
    gone = of.diverged["bn"] | of.diverged["no_bn"]
    rows += [
        where(of.cells[i]) | _noise_row(o, [i], c, single if gone[:, i].any() else EDGE)
        for i, c in zip(of.common, answered, strict=True)
    ]
    say.table("noise-bn", ("batch size", "rate"), rows)
    gain, rho = rows[0]["pairing gain"], rows[0]["correlation"]
    if gain != NO_NUMBER:
        over = " over all settings" if len(of.cells) > 1 else ""
        alike = "" if rho == NO_NUMBER else f", at a correlation of {rho} between the arms"
        say.say("trust", f"Pairing {seeds(o.whole.n)} was worth {gain} times as many{over}{alike}.")


def _noise_row(o: Oracle, cells: Sequence[int], c: Floats, edge: float) -> Row:
    c = c[~np.isnan(c).any(axis=1)]
    these, new, sd_seeds, sd_images = _two_way(c, o.level)
    there = o.of.complete(cells)
    last = [o.of.filled(arm)[there][:, cells].mean(axis=1)[:, -3:] for arm in ("no_bn", "bn")]
    gain, rho = _pairing(*(side.mean(axis=1) for side in last))
    many = there.any() and o.of.epochs > 1
    epochs = [math.sqrt(side.var(axis=1, ddof=1).mean()) if many else math.nan for side in last]
    return {
        "n": str(len(c)),
        "these test images, points": estimate(these, edge=edge),
        "new test images, points": estimate(new, edge=edge),
        "SD over seeds, points": decimals(100 * sd_seeds),
        "SD over test images, points": decimals(100 * sd_images),
        "SD over the last epochs, points, without | with": " | ".join(decimals(100 * sd) for sd in epochs),
        "pairing gain": decimals(gain),
        "correlation": _correlation(rho),
    }


def _correlation(rho: float) -> str:
    return NO_NUMBER if math.isnan(rho) else either(f"{rho + nudge:.2f}" for nudge in (-EDGE, 0, EDGE))


def _answered(of: Records, i: int) -> Floats:
    """(seeds, images): 1 where the arm alone was right after the last epoch, -1 where the baseline alone was."""
    return answers_of(of, "bn", i) - answers_of(of, "no_bn", i)


def answers_of(of: Records, arm: str, i: int) -> Floats:
    """(seeds, images): 1 where a run was right after the last epoch, 0 where not, chance where it diverged."""
    found = np.full((len(of.seeds), of.n_test), np.nan)
    for row, seed in enumerate(of.seeds):
        bits = of.answers.get((arm, *of.cells[i], seed))
        if isinstance(bits, bytes):
            found[row] = np.unpackbits(np.frombuffer(bits, np.uint8))[: of.n_test]
        elif of.diverged[arm][row, i]:
            found[row] = CHANCE
    return found


def _two_way(c: Floats, level: float) -> tuple[Interval, Interval, float, float]:
    """Intervals of the mean for these images and for new ones, and the deviations by seeds and images: the table of
    a two-way layout without replicates."""
    S, N = c.shape
    these = t_interval(snapped(c.mean(axis=1)), level)
    if S < 2:
        return these, Interval(these.estimate), math.nan, math.nan
    mean, of_seeds, of_images = c.mean(), c.mean(axis=1, keepdims=True), c.mean(axis=0, keepdims=True)
    parts = (of_seeds - mean) * np.ones_like(c), (of_images - mean) * np.ones_like(c), c - of_seeds - of_images + mean
    sums, dfs = [(part**2).sum() for part in parts], (S - 1, N - 1, (S - 1) * (N - 1))
    seed, image, rest = (ss / df if ss > 1e-13 * (c**2).sum() else 0.0 for ss, df in zip(sums, dfs, strict=True))
    deviations = math.sqrt(max(0.0, seed - rest) / N), math.sqrt(max(0.0, image - rest) / (S * N))
    if seed + image == 0:
        return these, Interval(mean, mean, mean), *deviations
    rest = rest if seed + image > rest else 0.0
    total = seed + image - rest
    df = total**2 / sum(ms**2 / df for ms, df in zip((seed, image, rest), dfs, strict=True))
    half = float(stats.t.isf((1 - level) / 2, max(df, min(S, N) - 1))) * math.sqrt(total / (S * N))
    return these, Interval(mean, mean - half, mean + half), *deviations


def _pairing(a: Floats, b: Floats) -> tuple[float, float]:
    """Variance without pairs over that with, and the correlation of the arms."""
    if len(a) < 3:
        return math.nan, math.nan
    flat = [bool(np.ptp(x) <= 1e-10) for x in (a, b, b - a)]
    rho = math.nan if flat[0] or flat[1] else float(np.corrcoef(a, b)[0, 1])
    gain = math.nan if flat[2] else float((a.var(ddof=1) + b.var(ddof=1)) / (b - a).var(ddof=1))
    return gain, rho
