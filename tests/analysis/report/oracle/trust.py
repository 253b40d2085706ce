"""What part 9 must say of completeness, other analyses and noise."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tests.analysis.report.oracle.arithmetic import (
    hodges_lehmann,
    no_spread,
    paired_t,
    sign_flip,
    sign_flip_interval,
    snapped,
    t_interval,
    verdict,
    wilcoxon,
)
from tests.analysis.report.oracle.records import Oracle, Records
from tests.analysis.report.oracle.spelling import (
    CHANCE,
    EDGE,
    IN_ALL_CELLS,
    NO_NUMBER,
    SIDE,
    Expected,
    Floats,
    Interval,
    Row,
    decimals,
    either,
    estimate,
    p_text,
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
    """One way to ask of the same records, and whether for the same quantity."""

    what: str
    n: int
    interval: Interval
    test: str
    p: str
    verdict: str
    same: bool = True


def ways_of(o: Oracle) -> list[Analysis]:
    of, whole = o.of, o.whole
    grid = of.difference()[of.complete(of.common)][:, of.common]
    stated = Analysis("as stated", whole.n, whole.ci, "paired t", p_text(paired_t(o.d)), whole.verdict)
    asked: list[tuple[str, Floats, str, bool]] = [
        ("sign-flip test instead of t", o.d, "sign-flip", True),
        ("Wilcoxon's test, Hodges-Lehmann shift", o.d, "Wilcoxon signed-rank", True),
        ("the last epoch instead of the last three", of.by_seed("final"), "paired t", True),
        (
            "the median over the cells instead of the mean",
            snapped(np.median(grid, axis=1)) if grid.size else o.d,
            "paired t",
            False,
        ),
    ]
    bad = (of.failed["bn"] | of.failed["no_bn"]) & of.paired
    sound = [i for i in of.common if not bad[:, i].any()]
    if 0 < len(sound) < len(of.common):
        means = of.by_seed(cells=sound)
        asked.append((f"only the {len(sound)} cells in which no run failed", means, "paired t", False))
    gone = (of.diverged["bn"] | of.diverged["no_bn"]) & of.paired
    if gone.any():
        left = [row[~np.isnan(row)] for row in np.where(gone, np.nan, of.difference())]
        survivors = snapped([row.mean() for row in left if len(row)])
        asked.append(("only pairs of which neither diverged", survivors, "paired t", False))
    if len(o.d) > 3:
        asked.append(("without the seed that speaks most for the answer", _weakest(o.d), "paired t", True))
    return [stated, *(_asked(o, *one) for one in asked)]


def _weakest(d: Floats) -> Floats:
    """Less the seed without which |t| is smallest."""
    left = [np.delete(d, i) for i in range(len(d))]
    return min(left, key=lambda of: abs(of.mean()) / of.std(ddof=1) if of.std(ddof=1) > 1e-13 else math.inf)


def _asked(o: Oracle, what: str, d: Floats, how: str, same: bool) -> Analysis:
    make: Callable[[Floats, float], Interval]
    if how == "paired t":
        p, text, reason, make = paired_t(d), p_text(paired_t(d)), no_spread(d), t_interval
    else:
        test, make = (sign_flip, sign_flip_interval) if how == "sign-flip" else (wilcoxon, hodges_lehmann)
        p, text, reason = test(d).p, test(d).text, None
    found, inner = make(d, o.level), make(d, 1 - 2 * o.alpha)
    said = verdict(p, reason, found.estimate, inner, o.alpha, o.margin)
    return Analysis(what, len(d), found, how, text, said, same)


def say_sensitivity(o: Oracle, say: Expected) -> None:
    if not o.whole.n:
        return
    ways = ways_of(o)
    rows = [
        {
            "analysis": way.what,
            "n": str(way.n),
            "difference, points": estimate(way.interval),
            "test": way.test,
            "p, by the test named": way.p,
            "verdict": way.verdict,
        }
        for way in ways
    ]
    say.table("sensitivity-bn", ("analysis",), rows)
    say.say("trust", *(f"{way.what}: {estimate(way.interval)} ({way.verdict})" for way in ways))


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
    gain = rows[0]["pairing gain"]
    if gain != NO_NUMBER:
        say.say(
            "trust",
            f"Over all cells pairing was worth {gain} times as many seeds (correlation of the arms over seeds:"
            f" {rows[0]['correlation']}, {seeds(o.whole.n)}).",
        )


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
        "sd over seeds, points": decimals(100 * sd_seeds),
        "sd over test images": decimals(100 * sd_images),
        "sd over the last epochs, without | with": " | ".join(decimals(100 * sd) for sd in epochs),
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
