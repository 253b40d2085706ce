"""What parts 1 and 8 must say of tuning: of the tuned cell, of the trials, and of the best cells of a grid."""

import functools
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from tests.analysis.report.oracle.arithmetic import (
    clopper_pearson,
    concluded,
    constant,
    no_spread,
    paired_t,
    snapped,
    t_interval,
)
from tests.analysis.report.oracle.records import TIPPING, Oracle, Tipping, tipping_at, tipping_text
from tests.analysis.report.oracle.robustness import mcnemar
from tests.analysis.report.oracle.spelling import (
    CHANCE,
    NO_NUMBER,
    POINTS,
    SHARE,
    SIDE,
    Cell,
    Expected,
    Floats,
    Interval,
    Row,
    either,
    estimate,
    estimates,
    p_text,
    percent,
    place,
    places_of,
    points,
    seeds,
    spellings,
    trials,
    unsigned,
)

ARMS = ("no_bn", "bn")
UNTUNED = (32, 0.01)
TOLERANCE = 4
"""Standard errors of a quantile of the page's 9,999 resamples, which follow from a hash of the data; those here are
others and four times as many."""
DRAWS, MORE_DRAWS = 9_999, 39_996


def chosen_by(o: Oracle) -> dict[int, dict[str, Cell]]:
    """By search and arm what was chosen; nothing where an arm was not tuned."""
    manifest = json.loads((o.of.folder / "manifest.json").read_text("utf-8"))
    chosen: dict[int, dict[str, Cell]] = defaultdict(dict)
    for one in manifest["design"].get("tuned", ()):
        chosen[one.get("search", 1)][one["arm"]] = (one["batch_size"], one["lr"])
    return chosen if chosen and set(ARMS) <= chosen[1].keys() else {}


def say_tuned(o: Oracle, say: Expected) -> None:
    chosen = chosen_by(o)
    if not chosen:
        return
    manifest = json.loads((o.of.folder / "manifest.json").read_text("utf-8"))
    table = pd.read_parquet(o.of.folder / "trials.parquet")
    made = Trials(table[table.search == 1] if "search" in table else table, o.of.epochs)
    _runs(o, say, Searches(o, chosen))
    if manifest["tuning"]["sampler"] == "sobol" and not made.stopped:
        _budgets(o, say, made)
        _breadths(o, say, made)
    _on_the_trials(o, say, made)
    _every_trial(o, say, made, manifest["tuning"]["sampler"])
    n_trials, n_seeds = (max(map(len, sides)) for sides in (made.tried.values(), [made.by_seed("bn")]))
    epochs = "1 epoch" if o.of.epochs == 1 else f"{o.of.epochs} epochs"
    say.say("tuned", f"Each arm had {trials(n_trials)} of {seeds(n_seeds)} and {epochs} in the same space")
    if len(chosen) > 1:
        say.say("tuned", f"All this was done {len(chosen)} times, with other points and other seeds.")
        say.say("tuned", "are those of search 1")


# --- the runs of the tuned cell, and those of the same seeds that nobody tuned


class Searches:
    """By arm and seed the scores at what each search chose for its seeds, and at the untuned setting; and their means
    over the unit: seeds of one search, else searches."""

    def __init__(self, o: Oracle, chosen: dict[int, dict[str, Cell]]):
        self.o, self.chosen, self.n = o, chosen, len(chosen)
        self.untuned = {arm: _scores(o, arm, UNTUNED) for arm in ARMS}
        self.tuned = {
            arm: {
                seed: score
                for search, at in chosen.items()
                for seed, score in _scores(o, arm, at[arm]).items()
                if self.search_of(seed) == search
            }
            for arm in ARMS
        }

    def search_of(self, seed: int) -> int:
        return 1 + (seed - min(self.o.of.seeds)) // 1_000_000 if self.n > 1 else 1

    @property
    def unit(self) -> str:
        return "seeds" if self.n == 1 else "searches"

    @property
    def is_a_list(self) -> bool:
        return 1 < self.n < 6

    def by_unit(self, values: dict[int, float]) -> Floats:
        """The values of seeds, or their means over the seeds of each search."""
        if self.n == 1:
            return np.array([values[seed] for seed in sorted(values)])
        searches = sorted({self.search_of(seed) for seed in values})
        return np.array([np.mean([v for k, v in values.items() if self.search_of(k) == s]) for s in searches])

    def less(self, of: dict[int, float], than: dict[int, float], these: Iterable[int]) -> Floats:
        """``of`` less ``than``, by unit."""
        return snapped(self.by_unit({seed: of[seed] - than[seed] for seed in these}))

    def interval(self, d: Floats) -> Interval:
        found = t_interval(d, self.o.level)
        return found if self.n == 1 or len(d) >= 6 else Interval(found.estimate, n=len(d))

    def p(self, d: Floats) -> str:
        return p_text(paired_t(d)) if self.n == 1 or len(d) >= 6 else NO_NUMBER

    def failed(self, arm: str, seed: int) -> bool:
        """Whether the tuned run diverged or ended below the learning threshold."""
        size, lr = self.chosen[self.search_of(seed)][arm]
        table = self.o.of.records
        at = (table.arm == arm) & (table.batch_size == size) & (table.lr == lr) & (table.seed == seed)
        last = table[at & (table.split == "test") & (table.epoch == self.o.of.epochs)].iloc[0]
        return last.status == "diverged" or bool(last.accuracy < 2 * CHANCE)

    @property
    def n_missing(self) -> int:
        begun = {seed for arm in ARMS for seed in self.tuned[arm]}
        return sum(seed not in self.tuned[arm] for arm in ARMS for seed in begun)


def _runs(o: Oracle, say: Expected, made: Searches) -> None:
    pairs = [sorted(set.intersection(*map(set, sides.values()))) for sides in (made.tuned, made.untuned)]
    every = sorted({*pairs[0]} & {*pairs[1]})
    after = made.less(made.tuned["bn"], made.tuned["no_bn"], pairs[0])
    before = made.less(made.untuned["bn"], made.untuned["no_bn"], pairs[1])
    whole = made.less(made.untuned["bn"], made.untuned["no_bn"], every)
    away = snapped(whole - made.less(made.tuned["bn"], made.tuned["no_bn"], every))
    gains = {f"gain from tuning, {SIDE[arm]}": made.less(made.tuned[arm], made.untuned[arm], every) for arm in ARMS}
    gains["gap untuned less gap tuned"] = away
    said, _ = tuned_verdict(o, made, after)
    tipping = tipping_text(tuned_tipping(o, made, said, pairs[0]))
    own = [_place(made.chosen[1][arm]) if made.n == 1 else "each search its own" for arm in ARMS]
    rows = [
        _pair_row(made, "both tuned", own, made.tuned, pairs[0]) | {"verdict": said, TIPPING: tipping},
        _pair_row(made, "both untuned", [place(UNTUNED)] * 2, made.untuned, pairs[1])
        | {"verdict": NO_NUMBER, TIPPING: NO_NUMBER},
        *(_gain_row(made, what, d) for what, d in gains.items()),
    ]
    say.table("tuned-bn", ("what",), rows)
    if made.n > 1:
        say.table("searches-bn", ("search",), [_search_row(o, made, s, pairs[0]) for s in sorted(made.chosen)])
    _say_pairs(say, made, after, before, pairs[0])
    line = _gap(o, made, before, after, away, whole)
    say.say("whole", line)
    say.say("tuned", line)


def _say_pairs(say: Expected, made: Searches, after: Floats, before: Floats, these: Sequence[int]) -> None:
    """The paired figure: its headline, its text with every unit, and of one search its table."""
    if not these:
        return
    tuned, untuned = ("" if not len(d) else either(_without_ends(made.interval(d))) for d in (after, before))
    ahead = f"After tuning both, the gap is {tuned} points"
    say.say("tuned", f"{ahead} (untuned {untuned})" if untuned else ahead)
    sides = [made.by_unit({seed: made.tuned[arm][seed] for seed in these}) for arm in ARMS]
    numbers = these if made.n == 1 else sorted({made.search_of(seed) for seed in these})
    one = "seed" if made.n == 1 else "search"
    each = [f"{one} {k}: {percent(a)} to {percent(b)}" for k, a, b in zip(numbers, *sides, strict=True)]
    said = "; ".join([*each[:20], *([f"and {len(each) - 20} more"] if len(each) > 20 else [])])
    say.say("tuned", f"{said}. Mean difference {estimate(made.interval(after))} points.")
    if made.n > 1:
        return
    rows = [
        {"seed": str(k), "without BN": percent(a), "with BN": percent(b), "difference, points": points(d)}
        for k, a, b, d in zip(numbers, *sides, after, strict=True)
    ]
    say.table("tuned-pairs-bn", ("seed",), rows)


def tuned_verdict(o: Oracle, made: Searches, after: Floats) -> tuple[str, str | None]:
    """The verdict, and why there is none."""
    n = len(after)
    if made.n_missing:
        return "withheld", f"{made.n_missing} tuned run{' has' if made.n_missing == 1 else 's have'} no records"
    if made.is_a_list:
        return "description", f"{n} searches: an interval for equal tuning needs 6"
    if n < o.seeds_to_reach:
        unit = made.unit.removesuffix("s") if n == 1 else made.unit
        return "description", f"{n} {unit}: a verdict needs {o.seeds_to_reach}"
    why = no_spread(after)
    wide, inner = t_interval(after, o.level), t_interval(after, 1 - 2 * o.alpha)
    return concluded(wide, inner, o.alpha, o.margin, why, None), why


def tuned_tipping(o: Oracle, made: Searches, verdict: str, seeds: Sequence[int]) -> Tipping | None:
    if not verdict.startswith(("better", "worse")):
        return None
    mine, other = ("bn", "no_bn") if verdict.startswith("better") else ("no_bn", "bn")
    failed = np.array([made.failed(mine, seed) for seed in seeds])
    own = np.array([made.tuned[mine][seed] for seed in seeds])
    rival = float(np.mean([made.tuned[other][seed] for seed in seeds]))
    return tipping_at(mine, own[~failed].mean(), rival, failed, o.alpha)


def _scores(o: Oracle, arm: str, cell: Cell) -> dict[int, float]:
    """By seed the mean test accuracy of the last three epochs; chance where the run diverged."""
    table = o.of.records
    at = (table.arm == arm) & (table.batch_size == cell[0]) & (table.lr == cell[1])
    last = table[at & (table.split == "test") & (table.epoch > max(0, o.of.epochs - 3))]
    wide = last.pivot(index="seed", columns="epoch", values="accuracy")
    gone = {seed for seed in wide.index if o.of.status[arm, *cell, seed] == "diverged"}
    return {int(seed): CHANCE if seed in gone else float(row.mean()) for seed, row in wide.iterrows()}


def _pair_row(
    made: Searches, what: str, at: Sequence[str], of: dict[str, dict[int, float]], these: Sequence[int]
) -> Row:
    means = [float(made.by_unit({seed: of[arm][seed] for seed in these}).mean()) if these else math.nan for arm in ARMS]
    return _gain_row(made, what, made.less(of["bn"], of["no_bn"], these)) | {
        "setting without BN": at[0],
        "setting with BN": at[1],
        "without BN": percent(means[0]),
        "with BN": percent(means[1]),
    }


def _place(cell: Cell) -> str:
    return place((cell[0], float(f"{cell[1]:.3g}")))


def _gain_row(made: Searches, what: str, d: Floats) -> Row:
    heads = ("setting without BN", "setting with BN", "without BN", "with BN", "verdict", TIPPING)
    return dict.fromkeys(heads, NO_NUMBER) | {
        "what": what,
        made.unit: str(len(d)),
        "difference, points": estimate(made.interval(d)),
        "p, paired t": made.p(d) if len(d) != 1 else NO_NUMBER,
    }


def _search_row(o: Oracle, made: Searches, search: int, these: Sequence[int]) -> Row:
    """A search by itself, over its own seeds."""
    own = [seed for seed in these if made.search_of(seed) == search]
    of = {arm: np.array([made.tuned[arm][seed] for seed in own]) for arm in ARMS}
    return {
        "search": str(search),
        "difference, points": estimate(t_interval(snapped(of["bn"] - of["no_bn"]), o.level)),
        **{SIDE[arm]: percent(float(of[arm].mean()) if own else math.nan) for arm in ARMS},
        **{f"setting {SIDE[arm]}": _place(made.chosen[search][arm]) for arm in ARMS},
    }


def _gap(o: Oracle, made: Searches, before: Floats, after: Floats, away: Floats, whole: Floats) -> str:
    """What tuning made of the gap: narrower, wider, or of the other sign."""
    taken, gap = made.interval(away), float(before.mean())
    told = (
        f"Untuned ({place(UNTUNED)}), the gap is {estimate(made.interval(before))} points."
        f" After tuning both, the gap is {either(_without_ends(made.interval(after)))} points"
    )
    left, n = gap - taken.estimate, len(away)
    if taken.low <= 0 <= taken.high or not taken.estimate:
        change = f"no clear change ({estimate(_turned(taken))})"
    elif gap * left < 0:
        change = "it has changed its sign"
    else:
        size = unsigned(estimate(taken if taken.estimate > 0 else _turned(taken)))
        share = fieller(away, whole, o.level)
        is_share = share is not None and 0 <= share.estimate <= 1 and not made.is_a_list and n > 1
        narrower = abs(left) < abs(gap)
        change = f"tuning {'narrowed' if narrower else 'widened'} it by {size}"
        change += f", which is {estimate(share, SHARE)} of it" if narrower and is_share else ""
    if made.n > 1:
        return f"{told}: {change}. These are means over {n} searches."
    return (
        f"{told}: {change}. This is one search ({seeds(n)}); another would choose other settings. A claim about"
        " equal tuning needs 6 searches."
    )


def _without_ends(found: Interval) -> list[str]:
    return [text.partition(" ")[0] for text in estimates(found)]


def _turned(found: Interval) -> Interval:
    return Interval(-found.estimate, -found.high, -found.low, found.n)


def fieller(y: Floats, x: Floats, level: float) -> Interval | None:
    """The ratios r, on either side of that of the means, from which on t rejects that y - r x has mean zero; None where
    it does not reject that x has."""
    if no_spread(x) or paired_t(x) >= 1 - level:
        return None
    ratio = float(y.mean() / x.mean())
    if constant(y - ratio * x) or np.abs(y - ratio * x).max() < 1e-12:
        return Interval(ratio, ratio, ratio, len(y))

    def excess(r: float) -> float:
        return float(stats.ttest_1samp(y - r * x, 0).pvalue) - (1 - level)

    far = 1.0
    while excess(ratio - far) > 0 or excess(ratio + far) > 0:
        far *= 2
    low, high = (optimize.brentq(excess, ratio, ratio + side * far, xtol=1e-13) for side in (-1, 1))
    return Interval(ratio, float(low), float(high), len(y))


# --- the trials


@dataclass
class Tried:
    """An arm's trial."""

    trial: int
    cell: Cell
    accuracies: Sequence[float]
    """By seed; 0 where it diverged."""
    n_diverged: int
    pruned: bool

    @property
    def score(self) -> float:
        return float(np.mean(self.accuracies))


class Trials:
    """By arm what was tried, in the order of the search."""

    def __init__(self, table: pd.DataFrame, epochs: int):
        self.tried: dict[str, list[Tried]] = {arm: [] for arm in ARMS}
        for (arm, trial, size, lr), rows in table.groupby(["arm", "trial", "batch_size", "lr"]):
            accuracies = rows.sort_values("seed").accuracy.fillna(0).tolist()
            n_diverged, stopped = int((rows.status == "diverged").sum()), bool((rows.epoch < epochs).all())
            self.tried[str(arm)].append(Tried(int(trial), (int(size), float(lr)), accuracies, n_diverged, stopped))

    def scores(self, arm: str) -> Floats:
        return np.array([tried.score for tried in self.tried[arm]])

    def by_seed(self, arm: str) -> Floats:
        """(seeds, trials) of those that were not stopped."""
        return np.array([tried.accuracies for tried in self.tried[arm] if not tried.pruned]).T

    @property
    def stopped(self) -> bool:
        return any(tried.pruned for arm in ARMS for tried in self.tried[arm])


def _every_trial(o: Oracle, say: Expected, made: Trials, sampler: str) -> None:
    rows = [
        {
            "arm": SIDE[arm],
            "trial": str(tried.trial),
            "setting": _place(tried.cell),
            "score": percent(tried.score),
            "seeds that diverged": str(tried.n_diverged),
            "stopped early": "yes" if tried.pruned else "no",
        }
        for arm in ARMS
        for tried in made.tried[arm]
    ]
    say.table("trials-bn", ("arm", "trial"), rows)
    say.say("tuned", *(_best_words(arm, made.tried[arm]) for arm in ARMS), _trials_headline(made, sampler))


def _trials_headline(made: Trials, sampler: str) -> str:
    """Shares of good settings where the trials cover the space and each arm's best one learns; else the best ones."""
    best = {arm: max(one.score for one in made.tried[arm] if not one.pruned) for arm in ARMS}
    several = len(made.tried["bn"]) > 1
    if several and sampler == "sobol" and not made.stopped and min(best.values()) >= 2 * CHANCE:
        good = [float(np.mean(made.scores(arm) >= best[arm] - 0.01 - 1e-12)) for arm in ARMS]
        return f"Good settings: {percent(good[1], 0)} with BN, {percent(good[0], 0)} without BN"
    return f"Best trial: {percent(best['bn'], 1)} with BN, {percent(best['no_bn'], 1)} without BN"


def _best_words(arm: str, tried: Sequence[Tried]) -> str:
    best = max((one for one in tried if not one.pruned), key=lambda one: (one.score, -one.trial))
    n_diverged, n_pruned = (
        sum(map(bool, flags)) for flags in zip(*((t.n_diverged, t.pruned) for t in tried), strict=True)
    )
    failed = f", {n_diverged} of {trials(len(tried))} diverged" if n_diverged else ""
    stopped = f", {n_pruned} of {trials(len(tried))} stopped early" if n_pruned else ""
    found = f"{percent(best.score)} at {_place(best.cell)}{failed}{stopped}"
    return f"{SIDE[arm]} the best of {trials(len(tried))} has {found}"


# --- budgets


def _budgets(o: Oracle, say: Expected, made: Trials) -> None:
    scores = [made.scores(arm) for arm in ARMS]
    expected, bands = [expected_best(side) for side in scores], [band(side, o.level) for side in scores]
    budgets = [2**k for k in range(11) if 2**k <= min(map(len, scores))]
    gaps = dict.fromkeys(budgets, NO_NUMBER) | _gaps(*scores, expected, o.level)
    rows = [
        {"trials": f"{b:,}", "difference, points": gaps[b]}
        | {
            SIDE[arm]: estimate(Interval(expected[i][b - 1], *(float(end[b - 1]) for end in bands[i])), SHARE)
            for i, arm in enumerate(ARMS)
        }
        for b in budgets
    ]
    say.table("budget-bn", ("trials",), rows)
    first = next((b for b, score in enumerate(expected[0], 1) if score >= expected[1][0]), None)
    n = len(expected[0])
    told = {1: "does no better with BN than without BN", None: f"with BN beats the best of {n} without BN"}
    if n == 1 and first is None:
        told[None] = "does better with BN than without BN"
    say.say("tuned", f"One trial {told.get(first, f'with BN matches the best of {first} without BN')}")
    for arm, best in zip(ARMS, expected, strict=True):
        every = ", ".join(f"{percent(best[b - 1])} after {b}" for b in (2**k for k in range(11)) if b <= len(best))
        say.say("tuned", f"{SIDE[arm]} {every}")


def expected_best(scores: Floats) -> list[float]:
    """The mean of the best over all subsets of b, by its formula: sum of C(i-1, b-1) / C(n, b) x_(i)."""
    x, n = np.sort(scores), len(scores)
    weights = ([Fraction(math.comb(i, b - 1), math.comb(n, b)) for i in range(n)] for b in range(1, n + 1))
    return [float(np.array([float(w) for w in of_budget]) @ x) for of_budget in weights]


def band(scores: Floats, level: float) -> tuple[Floats, Floats]:
    """For every budget the ends of the expected best of the distribution functions that lie between the limits of the
    ordered uniform numbers: 1 - integral of F^b over [0, 1]; the estimate is within."""
    x, n = np.sort(scores), len(scores)
    lowest, highest = limits(n, level)
    widths = np.diff([0.0, *x, 1.0])
    most, least = np.append(highest, 1.0), np.insert(lowest, 0, 0.0)
    b = np.arange(1, n + 1)[:, None]
    best = np.array(expected_best(scores))
    low, high = (1 - (F**b) @ widths for F in (most, least))
    return np.minimum(low, best), np.maximum(high, best)


@functools.cache
def limits(n: int, level: float) -> tuple[Floats, Floats]:
    """Between which n ordered uniform numbers all lie with probability ``level``: beta quantiles of one tail each."""
    i = np.arange(1, n + 1)

    def of(tail: float) -> tuple[Floats, Floats]:
        return stats.beta.ppf(tail, i, n + 1 - i), stats.beta.isf(tail, i, n + 1 - i)

    def excess(log_tail: float) -> float:
        return all_within(*of(math.exp(log_tail))) - level

    bonferroni = math.log((1 - level) / (2 * n))
    return of(math.exp(optimize.brentq(excess, bonferroni - 0.1, math.log((1 - level) / 2) + 0.1, xtol=1e-12)))


def all_within(low: Floats, high: Floats) -> float:
    """How many of n uniform numbers lie below t is a binomial Markov chain (Friedrich & Schellhaas 1998): its law from
    limit to limit, without the counts that break one."""
    n, counts = len(low), np.arange(len(low) + 1)
    law, now = (counts == 0).astype(float), 0.0
    for t in np.unique([*low, *high]):
        steps = stats.binom.pmf(counts[None, :] - counts[:, None], n - counts[:, None], (t - now) / (1 - now))
        law, now = law @ steps, t
        least, most = int((high <= t).sum()), int((low < t).sum())  # by now so many have come, and no more
        law = np.where((counts >= least) & (counts <= most), law, 0.0)
    return float(law.sum())


def _gaps(baseline: Floats, arm: Floats, expected: Sequence[Sequence[float]], level: float) -> dict[int, str]:
    """By budget, the difference with its band; up to a quarter of at least 20 trials there is one."""
    n = len(arm)
    found = {b: points(expected[1][b - 1] - expected[0][b - 1]) for b in range(1, n + 1)}
    if n < 20:
        return found
    error = _standard_errors(baseline, arm, np.ones((1, n)), n // 4)[1][0]
    lows_highs = _critical(baseline, arm, level)
    for b, s in enumerate(error, 1):
        gap = expected[1][b - 1] - expected[0][b - 1]
        if not np.isfinite(lows_highs).all():
            continue
        few, many = (c * s for c in lows_highs)
        found[b] = either(within(gap, (gap - many, gap - few), (gap + few, gap + many)))
    return found


def _critical(baseline: Floats, arm: Floats, level: float) -> tuple[float, float]:
    """What the quantile of the largest |t| over the budgets may be: of resampled trials, each with its own error."""
    n, rng = len(arm), np.random.default_rng(0)
    truth = _plug_in(baseline, arm, np.ones((1, n)), n // 4)[0]
    largest = []
    for _ in range(MORE_DRAWS // 1111):
        copies = rng.multinomial(n, np.full(n, 1 / n), 1111).astype(float)
        found, error = _standard_errors(baseline, arm, copies, n // 4)
        gap = np.where(np.abs(found - truth) < 1e-12, 0.0, np.abs(found - truth))
        with np.errstate(divide="ignore", invalid="ignore"):
            largest.append(np.where(gap > 0, gap / np.where(error < 1e-12, 0.0, error), 0.0).max(axis=1))
    return quantiles(np.concatenate(largest), level)


def _plug_in(baseline: Floats, arm: Floats, copies: Floats, n_budgets: int) -> Floats:
    """(resamples, budgets): difference of the expected best of b draws with replacement."""
    return np.column_stack([
        sum(
            sign * _integral(side, copies, lambda F, b=b: F**b)
            for sign, side in ((-1, arm), (1, baseline))
        ) + arm.max() - baseline.max()
        for b in range(1, n_budgets + 1)
    ])  # fmt: skip


def _integral(side: Floats, copies: Floats, of: Callable[[Floats], Floats]) -> Floats:
    """(resamples,): the integral of a function of the resampled distribution function, from the least score to the
    largest."""
    order = np.argsort(side, kind="stable")
    F = np.cumsum(copies[:, order], axis=1)[:, :-1] / copies.shape[1]
    return of(F) @ np.diff(side[order])


def _standard_errors(baseline: Floats, arm: Floats, copies: Floats, n_budgets: int) -> tuple[Floats, Floats]:
    """(resamples, budgets) twice: the difference without replacement, and its error by the influence of each trial,
    -b integral of F^(b-1) (1[x <= t] - F)."""
    n = len(arm)
    found, error = np.empty((len(copies), n_budgets)), np.empty((len(copies), n_budgets))
    for b in range(1, n_budgets + 1):
        pulls, values = [], []
        for side in (baseline, arm):
            order = np.argsort(side, kind="stable")
            x, F = side[order], np.cumsum(copies[:, order], axis=1)[:, :-1] / n
            choose = np.prod([np.maximum(n * F - k, 0) / (n - k) for k in range(b)], axis=0)
            values.append(x[-1] - choose @ np.diff(x))
            slopes = b * F ** (b - 1) * np.diff(x)
            above = np.hstack([np.cumsum(slopes[:, ::-1], axis=1)[:, ::-1], np.zeros((len(copies), 1))])
            pull = np.empty_like(copies)
            pull[:, order] = (slopes * F).sum(axis=1, keepdims=True) - above
            pulls.append(pull)
        found[:, b - 1] = values[1] - values[0]
        error[:, b - 1] = np.sqrt((copies * (pulls[1] - pulls[0]) ** 2).sum(axis=1)) / n
    return found, error


# --- how much of the space is good


def _breadths(o: Oracle, say: Expected, made: Trials) -> None:
    scores = [made.scores(arm) for arm in ARMS]
    targets = [(f"accuracy of at least {round(100 * t)} %", (t, t)) for t in (0.9, 0.95, 0.97)]
    near = "within 1 point of the arm's own best trial"
    targets.append((near, (scores[0].max() - 0.01, scores[1].max() - 0.01)))
    rows = []
    for what, target in targets:
        good = [side >= least - 1e-12 for side, least in zip(scores, target, strict=True)]
        shares = [clopper_pearson(int(side.sum()), len(side), o.level) for side in good]
        rows.append({"good": what, **_difference_of_shares(o, good)} | {
            f"share of settings {SIDE[arm]}": estimate(share, SHARE) for arm, share in zip(ARMS, shares, strict=True)
        })  # fmt: skip
    say.table("breadth-bn", ("good",), rows)


def _difference_of_shares(o: Oracle, good: Sequence[NDArray[np.bool_]]) -> Row:
    baseline, arm = (int((one & ~other).sum()) for one, other in (good, good[::-1]))
    return {
        "difference, points": estimate(tango(arm, baseline, len(good[0]), o.level)),
        "p, McNemar": p_text(mcnemar(baseline, arm)[0]),
    }


def tango(plus: int, minus: int, n: int, level: float) -> Interval:
    """The differences of paired shares from which the observed one is z standard errors away, the shares being the
    likeliest under them (Tango 1998)."""
    z = float(stats.norm.isf((1 - level) / 2))

    def likeliest(d: float) -> float:
        """The share of ``minus``, where the likelihood has no slope."""

        def slope(q: float) -> float:
            return plus / (q + d) + minus / q - 2 * (n - plus - minus) / (1 - 2 * q - d)

        low, high = max(0.0, -d) + 1e-15, (1 - d) / 2 - 1e-15
        if slope(low) <= 0:
            return low
        return float(optimize.brentq(slope, low, high, xtol=1e-16)) if slope(high) < 0 else high

    def excess(d: float, side: int) -> float:
        variance = n * (2 * likeliest(d) + d * (1 - d))
        return side * (n * d - (plus - minus)) - z * math.sqrt(max(variance, 0.0))

    at = (plus - minus) / n
    ends = [
        float(side)
        if abs(at - side) < 1e-12
        else float(optimize.brentq(excess, at + side * 1e-9, side * (1 - 1e-12), args=(side,), xtol=1e-14))
        for side in (-1, 1)
    ]
    return Interval(at, *ends, n)


# --- chosen on all seeds but one, scored on that


def say_best_cell(o: Oracle, say: Expected) -> None:
    """Of a study that nobody tuned: both arms in their best cells of the grid."""
    of = o.of
    if (of.folder / "trials.parquet").exists() or len(of.common) < 2 or not of.complete(of.common).any():
        return
    there = of.complete(of.common)
    scores = [of.score["last3"][arm][there][:, of.common] for arm in ARMS]
    n, row, agree = int(there.sum()), {}, []
    for arm, side in zip(ARMS, scores, strict=True):
        best, (chosen, own) = best_configuration(side.sum(axis=0), n), held_out(side, np.ones((1, n)))
        agree.append(percent(float(np.mean(chosen[0] == best)) if n > 1 else math.nan, 0))
        row |= {f"best setting {SIDE[arm]}": place(of.cells[of.common[best]]), SIDE[arm]: percent(float(own.mean()))}
    difference = either(cross_fitted(*scores, o.level)[0])
    row |= {"seeds": f"{n:,}", "difference, points": difference, "choices that agree without | with": " | ".join(agree)}
    say.table("best-cell-bn", ("seeds",), [row])
    if n == 1:
        say.say("tuned", "One seed cannot both choose each arm's setting and score it")
    else:
        say.say("tuned", f"With each arm in its best setting, the gap is {difference} points ({seeds(n)}, each scored")


def _on_the_trials(o: Oracle, say: Expected, made: Trials) -> None:
    scores = [made.by_seed(arm) for arm in ARMS]
    naive = float(np.diff([side.mean(axis=0).max() for side in scores])[0])
    n = len(scores[0])
    if n == 1:
        say.say("tuned", f"chosen and scored on the same seed, the tuned arms differ by {points(naive)} points.")
        return
    why = f" (no interval: {seeds(n)}: too few to resample, the fewest are 6)" if n < 6 else ""
    say.say(
        "tuned",
        f"the tuned arms differ by {either(cross_fitted(*scores, o.level)[0])} points on held-out images{why}."
        f" Chosen and scored on the same seeds it would be {points(naive)}.",
    )


def cross_fitted(baseline: Floats, arm: Floats, level: float) -> tuple[list[str], Interval]:
    """Every spelling of what is cross-fitted, and one such interval."""
    mean, lows, highs = cross_fitted_ends(baseline, arm, level)
    if math.isnan(lows[0]):
        return estimates(Interval(mean)), Interval(mean, n=len(baseline))
    found = Interval(mean, sum(lows) / 2, sum(highs) / 2, len(baseline))
    return within(mean, lows, highs), found


def cross_fitted_ends(
    baseline: Floats, arm: Floats, level: float
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """The mean over seeds of the score by the choice of the others, and what the ends may be: from the lower to the
    higher of those of Student's interval and of the percentiles of resampled seeds."""
    n = len(baseline)
    folds = held_out(arm, np.ones((1, n)))[1][0] - held_out(baseline, np.ones((1, n)))[1][0]
    mean = float(folds.mean())
    if n < 6:
        return mean, (math.nan, math.nan), (math.nan, math.nan)
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), MORE_DRAWS)
    copies = drawn[(drawn < n).all(axis=1)].astype(float)
    means = (copies * (held_out(arm, copies)[1] - held_out(baseline, copies)[1])).sum(axis=1) / n
    by_t = t_interval(folds, level)
    low, high = (quantiles(means, tail) for tail in ((1 - level) / 2, (1 + level) / 2))
    lows, highs = [min(by_t.low, end) for end in low], [max(by_t.high, end) for end in high]
    return mean, (lows[0], lows[1]), (highs[0], highs[1])


def best_configuration(sums: Floats, n: int) -> NDArray[np.intp]:
    """Of configurations in the last axis; of equal ones the first."""
    return np.asarray((sums >= sums.max(axis=-1, keepdims=True) - 1e-12 * n).argmax(axis=-1))


def held_out(side: Floats, copies: Floats) -> tuple[NDArray[np.intp], Floats]:
    """(resamples, seeds) twice: what the others choose, all copies of the seed held out; and the seed's score of it."""
    if len(side) < 2:
        return np.zeros(copies.shape, int), np.full(copies.shape, math.nan)
    total = copies @ side
    chosen = np.column_stack(
        [best_configuration(total - np.outer(copies[:, k], row), len(side)) for k, row in enumerate(side)]
    )
    return chosen, np.take_along_axis(side, chosen.T, axis=1).T


# --- what others drew


def quantiles(drawn: Floats, level: float) -> tuple[float, float]:
    """What the ``level`` quantile of the page's draws may be."""
    slack, ordered = TOLERANCE * math.sqrt(level * (1 - level) / DRAWS), np.sort(drawn)
    low, high = (min(max(level + side * slack, 0.0), 1.0) for side in (-1, 1))
    return float(ordered[int(low * (len(ordered) - 1))]), float(ordered[math.ceil(high * (len(ordered) - 1))])


def within(value: float, lows: tuple[float, float], highs: tuple[float, float]) -> list[str]:
    """Every spelling, in points, of an estimate whose ends lie in these ranges."""
    halves = [100 * (highs[i] - lows[1 - i]) / 2 for i in (0, 1)]
    texts = []
    for places in range(places_of(halves[1]), places_of(halves[0]) + 1):
        sides = [list(_between(100 * ends[0], 100 * ends[1], places)) for ends in (lows, highs)]
        texts += [
            f"{size} [{low}, {high}]"
            for size in spellings(value, places, POINTS)
            for low in sides[0]
            for high in sides[1]
        ]
    return texts


def _between(low: float, high: float, places: int) -> Iterator[str]:
    """Every number with so many decimals to which one of the range is rounded."""
    step = 10.0**-places
    for k in range(math.floor(low / step - 0.5 + 1e-9), math.ceil(high / step + 0.5 - 1e-9) + 1):
        if low - 0.5 * step - 1e-9 <= k * step <= high + 0.5 * step + 1e-9:
            text = f"{k * step:+.{places}f}"
            yield text[1:] if float(text) == 0 else text
