"""What the first screen, the whole answer and the pairs must say: parts, what would change them, every seed."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tests.analysis.report.oracle.arithmetic import clopper_pearson, t_interval, upper_limit
from tests.analysis.report.oracle.best import best_of
from tests.analysis.report.oracle.records import ARMS, Contrast, Oracle, Tipping
from tests.analysis.report.oracle.seeds import seeds_needed
from tests.analysis.report.oracle.spelling import (
    DATA,
    SHARE,
    SIDE,
    Cell,
    Expected,
    Interval,
    either,
    ends,
    estimate,
    estimates,
    level_text,
    percent,
    place,
    points,
    seeds,
    sentence,
    spellings,
    two_digits,
    unsigned,
    where,
)
from tests.analysis.report.oracle.trust import specification_sentence


def say_answer(o: Oracle, say: Expected) -> None:
    if o.whole.n < o.seeds_to_reach:
        smallest = f"the exact test cannot fall below p = {min(1, 2 / 2**o.whole.n):g}"
        say.say("answer", f"Only {seeds(o.whole.n)} with a pair in every setting: {smallest}")
    every = [*_parts(o)]
    for part in every:
        say.say("whole", *part.said(o))
        say.say("answer", *part.on_its_card(o), *part.to_copy(o))
    say.say("whole", *_learning(o), *_what_would_change_it(o))
    leading = next((part for part in every if not math.isnan(part.difference.estimate)), None)
    if leading:
        say.say("answer", *_how_sure(o, leading), next(leading.said(o)))
    if leading and leading.verdict == "mixed":
        counts = Counter(cell.verdict.split(",")[0] for cell in o.in_cells)
        tally = f"better in {counts['better']}, worse in {counts['worse']} of {len(o.in_cells)} settings"
        for where_said in ("answer", "header"):
            say.say(where_said, tally)


@dataclass
class Part:
    """One question's answer."""

    place: str
    means: Sequence[float]
    difference: Interval
    texts: list[str]
    """Every right spelling of the difference and its interval."""
    inner: Interval
    n_better: int
    verdict: str
    reason: str | None
    tipping: Tipping | None
    bounds: tuple[float, float] | None = None
    n_missing: int = 0
    best: str = ""
    """Where each arm is at its best."""
    unit: str = "seeds"
    is_mean: bool = False
    panel: str = ""
    """What it is called where its pairs are drawn."""
    pairs: Sequence[tuple[int, float, float]] = ()
    """Number of the unit, baseline and arm."""

    def said(self, o: Oracle) -> Iterator[str]:
        place, n = sentence(self.place), self.counted
        if math.isnan(self.difference.estimate):
            alone = "one seed has no others to choose its settings"
            none = alone if self.difference.n else "no seed has the pairs that it takes"
            why = self.reason if self.verdict == "counts alone" else none
            yield f"{place}, no difference on {DATA[o.of.dataset]} is given: {why}."
            return
        found = self.tipping
        qualified = found is not None and found.limit > found.rate
        yield either(
            f"{place}, {self._claim(o, text.split(' ')[0], qualified)}. {self._evidence(o, text)}."
            for text in self.texts
        ) + (f" {_tipping(found)}" if found and qualified else "")
        yield from filter(None, [self.best, f"Better with BN in {self.n_better} of {n}."])
        if self.reason:
            yield f"{sentence(self.reason)}."
        if self.bounds:
            between = " and ".join(map(points, self.bounds))
            pairs = "missing pair" if self.n_missing == 1 else f"{self.n_missing} missing pairs"
            whatever = f"Whatever the {pairs} would have shown"
            yield f"{whatever}, the difference lies between {between} points."
        if found and not qualified:
            yield _tipping(found)
        if self.is_mean:
            yield from _made_of(o)

    def _claim(self, o: Oracle, size: str, qualified: bool) -> str:
        """What the verdict makes of the difference."""
        name, margin = "batch normalisation", f"{100 * o.margin:g} points"
        accuracy = f"test accuracy on {DATA[o.of.dataset]}"
        kind, *small = self.verdict.split(", by less")
        counts = Counter(cell.verdict.split(",")[0] for cell in o.in_cells)
        verb = {"better": ("raises", "raised"), "worse": ("lowers", "lowered")}.get(kind, ("", ""))[qualified]
        less, seen = f", less than the margin of {margin}" if small else "", " in the runs seen" if qualified else ""
        several = " in every setting" if self.is_mean and len(o.in_cells) > 1 else ""
        changed = f"{name} {verb} {accuracy} by {size.lstrip('+-')} points{less}{seen}"
        return {
            "better": changed,
            "worse": changed,
            "equivalent": f"{name} changes {accuracy}{several} by less than the margin of {margin}",
            "mixed": f"{name} is better in {counts['better']} and worse in {counts['worse']} of {len(o.in_cells)}"
            f" settings: {size} points on average",
            "inconclusive": f"the data do not decide whether {name} changes {accuracy}: the difference is {size}"
            " points",
            "description": f"{accuracy} differs by {size} points with {name}: a description, not a verdict",
            "withheld": f"runs are missing, so there is no verdict on {name}: the complete pairs differ by {size}"
            " points",
        }[kind]

    def _evidence(self, o: Oracle, text: str) -> str:
        sides = f"Accuracy was {percent(self.means[0])} without BN and {percent(self.means[1])} with BN"
        level, interval = o.level, text.partition(" ")[2]
        if self.verdict == "equivalent":
            level, interval = 1 - 2 * o.alpha, ends(self.inner)
        within = f"{level_text(level)} interval of the difference {interval}, " if interval else ""
        return f"{sides}; {within}{self.counted}"

    def on_its_card(self, o: Oracle) -> Iterator[str]:
        """The interval, and in how many pairs the arm is better."""
        if math.isnan(self.difference.estimate):
            return
        interval = either(text.partition(" ")[2] for text in self.texts)
        yield from [f"{level_text(o.level)} interval {interval}"] if interval else []
        yield f"better in {self.n_better} of {self.counted}"

    def to_copy(self, o: Oracle) -> Iterator[str]:
        """The row of a LaTeX table; of the first part the sentence is that of the answer."""
        if math.isnan(self.difference.estimate):
            return
        means = " & ".join(percent(mean).removesuffix(" %") for mean in self.means)
        found = either(" ".join(f"${part}$" for part in text.split(" ", 1)) for text in self.texts)
        yield f"{means} & {found} & {self.counted}"

    @property
    def counted(self) -> str:
        n = self.difference.n
        return seeds(n) if self.unit == "seeds" else f"{n} {self.unit}"


def _parts(o: Oracle) -> Iterator[Part]:
    found = best_of(o)
    if found:
        yield Part(**found)
    setting = next((cell for cell in o.in_cells if cell.cell == (32, 0.01)), None)
    if setting:
        given = ", in pairs in which both arms learn" if setting.n and sum(setting.failed) else ""
        yield _of(o, setting, f"at the tutorial's setting ({place(setting.cell)}){given}", "Tutorial's setting")
    if not setting or len(o.in_cells) > 1:
        n = len(o.in_cells)
        at = "in the one setting" if n == 1 else f"averaged over the {n} settings"
        yield _of(o, o.whole, at, f"Mean of {'the one setting' if n == 1 else f'{n} settings'}")


def _of(o: Oracle, one: Contrast, at: str, panel: str) -> Part:
    means = [float(side.mean()) if one.n else math.nan for side in one.sides]
    inner, better = t_interval(one.d, 1 - 2 * o.alpha), int((one.d > 0).sum())
    return Part(
        at, means, one.shown, estimates(one.shown), inner, better, one.verdict, one.reason, one.tipping, one.bounds,
        one.n_missing, is_mean=one.cell is None, panel=panel, pairs=_pairs(o, one.cell),
    )  # fmt: skip


def _pairs(o: Oracle, cell: Cell | None) -> list[tuple[int, float, float]]:
    """Every seed with a pair: in the cell, or the mean over all cells."""
    of = o.of
    columns = of.common if cell is None else [of.cells.index(cell)]
    there = of.complete(columns)
    a, b = (of.score["last3"][arm][there][:, columns].mean(1) for arm in ("no_bn", "bn"))
    return [*zip(np.array(of.seeds)[there], a, b, strict=True)]


def _how_sure(o: Oracle, first: Part) -> Iterator[str]:
    """The interval that decides, and what would reverse the difference."""
    if math.isnan(first.difference.estimate) or first.verdict in ("withheld", "description"):
        return
    texts = (text.partition(" ")[2] for text in first.texts)
    level, interval = o.level, either(texts)
    if first.verdict == "equivalent":
        level, interval = 1 - 2 * o.alpha, ends(first.inner)
    yield f"The {level_text(level)} interval is {interval} points from {first.counted}."
    if first.tipping:
        yield _tipping(first.tipping)


def _tipping(found: Tipping) -> str:
    if not found.rate:
        return f"Not better {SIDE[found.arm]} once its failures count as they ended."
    if found.rate > 0.995:
        return f"Only a collapse of nearly every run {SIDE[found.arm]} would reverse this."
    runs = f"more than {two_digits(found.rate)} of the runs {SIDE[found.arm]} collapse"
    return f"The difference vanishes if {runs}; {_excluded(found)}."


def _excluded(found: Tipping) -> str:
    share = "nothing" if found.limit >= 1 else f"only shares above {two_digits(found.limit)}"
    if not found.n_failed:
        return f"{seeds(found.n)} without a failed run rule{'s' if found.n == 1 else ''} out {share}"
    return (
        f"{found.n_failed} of {seeds(found.n)} with a failed run rule{'s' if found.n_failed == 1 else ''} out {share}"
    )


def _made_of(o: Oracle) -> Iterator[str]:
    """Where the mean comes from, and what the cells say."""
    D = o.of.difference()[o.of.complete(o.of.common)][:, o.of.common]
    total = float(D.sum())
    levels = [
        (name, at, k) for name, at in (("batch size", 0), ("rate", 1)) for k in sorted({c[at] for c in o.of.cells})
    ]
    several = [level for level in levels if len({cell[level[1]] for cell in o.of.cells}) > 1]
    if several and total:
        shares = {
            level: float(np.nansum(D[:, [i for i, cell in enumerate(o.of.cells) if cell[level[1]] == level[2]]]))
            / total
            for level in several
        }
        (name, at, level), most = max(shares.items(), key=lambda item: item[1])
        where_from = where((int(level), 0.1) if at == 0 else (1, level))[name]
        says = f"{either(spellings(most, 0, SHARE))} % of it comes from {name} {where_from}."
        yield says if round(100 * most) <= 100 else "Differences of opposite signs cancel in it."
    if len(o.in_cells) > 1:
        counts = Counter(cell.verdict.split(",")[0] for cell in o.in_cells)
        said = {"description": "no verdict"}
        known = [verdict for verdict in counts if verdict != "counts alone"]
        tally = ", ".join(f"{said.get(verdict, verdict)} in {counts[verdict]}" for verdict in known)
        if counts["counts alone"]:
            tally = ", ".join(filter(None, [tally, f"an arm does not learn in {counts['counts alone']}"]))
        yield f"Of {len(o.in_cells)} settings, tested together with the mean: {tally}."
    spreads = [float(cell.d.std(ddof=1)) if cell.n > 1 else math.nan for cell in (o.whole, *o.in_cells)]
    if o.whole.verdict in ("inconclusive", "equivalent") and not any(map(math.isnan, spreads)):
        needed = max(_for_equivalence(sd, o) for sd in spreads)
        yield (
            f"With this spread and no true difference, {seeds(needed)} would put every setting's interval and the"
            f" mean's within {100 * o.margin:g} points."
        )


def _for_equivalence(sd: float, o: Oracle) -> int:
    n = o.seeds_to_reach
    while stats.t.isf(o.alpha, n - 1) * sd / math.sqrt(n) >= o.margin:
        n += 1
    return n


def _learning(o: Oracle) -> Iterator[str]:
    of, every = o.of, True
    for i in of.common:
        there = of.paired[:, i]
        counts = [int((there & ~of.failed[arm][:, i]).sum()) for arm in ARMS]
        n = int(there.sum())
        if min(counts) == n:
            continue
        every = False
        shares = [estimate(clopper_pearson(k, n, o.level), SHARE) for k in counts]
        sides = [f"{k} of {n} runs {SIDE[arm]} ({share})" for arm, k, share in zip(ARMS, counts, shares, strict=True)]
        yield f"At {place(of.cells[i])}: {' and '.join(sides)} learn."
    if every:
        n = int(of.paired.any(axis=1).sum())
        limit = upper_limit(0, n, o.alpha)
        which = "run that has its partner" if o.whole.n_missing else "run of both arms"
        yield f"Every {which} learned; {_excluded(Tipping('bn', 0, 0, n, limit))}."


def extremes_of(o: Oracle) -> tuple[Contrast, Contrast]:
    known = [cell for cell in o.in_cells if cell.n]
    return min(known, key=lambda cell: cell.mean), max(known, key=lambda cell: cell.mean)


def _what_would_change_it(o: Oracle) -> Iterator[str]:
    whole, n_seeds = o.whole, int(o.of.paired.any(axis=1).sum())
    if n_seeds < o.seeds_to_reach:
        yield f"More seeds: a verdict at {level_text(o.alpha)} needs at least {o.seeds_to_reach}."
    else:
        yield specification_sentence(o) or ""
    if whole.n < o.seeds_to_reach or (len(o.in_cells) == 1 and o.in_cells[0].cell == (32, 0.01)):
        return
    if whole.verdict == "inconclusive":
        needed, margin = seeds_needed(o.margin / float(o.d.std(ddof=1)), o.alpha), unsigned(points(o.margin))
        yield f"{needed:,} detect a mean difference of {margin} points with 80 % power; there are {whole.n}."


TUNED = "Both arms tuned"


def say_seed_by_seed(o: Oracle, say: Expected) -> None:
    of = o.of
    drawn = [part for part in _parts(o) if part.pairs and not math.isnan(part.difference.estimate)]
    for where_drawn, every in (
        ("answer", drawn[:1]),
        ("seeds", drawn if len(drawn) > 1 and drawn[0].panel != TUNED else []),
    ):
        say.say(where_drawn, *map(_panel, every))
        if every:
            say.say(where_drawn, f"Better with BN in {every[0].n_better} of {every[0].counted}: ")
    if o.whole.n:
        rows = [
            {
                "setting": of.setting(cell),
                "seed": str(seed),
                "without BN": percent(x),
                "with BN": percent(y),
                "difference, points": points(y - x),
            }
            for cell in (None, *(of.cells[i] for i in of.common))
            for seed, x, y in _pairs(o, cell)
        ]
        say.table("pairs-bn", ("setting", "seed"), rows)


def _panel(part: Part) -> str:
    one = {"seeds": "seed", "searches": "search"}[part.unit]
    pairs = "; ".join(f"{one} {n}: {percent(x)} to {percent(y)}" for n, x, y in part.pairs[:20])
    more = f"; and {len(part.pairs) - 20} more" if len(part.pairs) > 20 else ""
    found = either(part.texts)
    return f"{part.panel}, without BN to with BN: {pairs}{more}. Mean difference {found} points."
