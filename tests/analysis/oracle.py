"""What a report must print, recomputed from the parquet files by other means: numpy, scipy and pandas alone.

Nothing of ``analysis`` is imported, so that a number on the page and a number here agree only where both are right.
Reference sets are enumerated, never drawn: all 2^n patterns of signs, all subsets. Where a number lies on the edge
between two roundings both spellings are right; ``either`` marks them and ``pattern`` reads the mark.
"""

import functools
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special, stats

Floats = NDArray[np.float64]
Cell = tuple[int, float]
Row = dict[str, Any]
"""By head of a column the text of its cell, or what makes the text of the row that was found."""

NO_NUMBER = "–"
CHANCE = 0.1
"""Every data set has ten classes."""
EDGE = 1e-9
"""Numbers nearer than this to the edge between two roundings, in the unit in which they are printed, may fall to
either side."""
VERDICTS = {
    "better": "it helps",
    "worse": "it hurts",
    "better, by less than the margin": "it helps, by less than the margin that matters",
    "worse, by less than the margin": "it hurts, by less than the margin that matters",
    "equivalent": "any difference is smaller than the margin that matters",
    "inconclusive": "the data do not decide",
    "not testable": "there are too few pairs, or differences without spread, for a test",
}
SIDE = {"bn": "with BN", "no_bn": "without BN"}
DATA = {"mnist": "MNIST", "digits": "scikit-learn's digits"}
ENDPOINTS = {"last3": "last three epochs", "final": "last epoch"}
IN_ALL_CELLS = {"batch size": "all", "rate": "all"}


@dataclass
class ExpectedTable:
    """A table by the cells that name its rows, which stand under ``keys``."""

    keys: Sequence[str]
    rows: dict[tuple[str, ...], Row]


@dataclass
class Expected:
    """All that a page may claim: tables by name, and by part the phrases in its words and in its drawings."""

    tables: dict[str, ExpectedTable] = field(default_factory=dict)
    prose: dict[str, list[str]] = field(default_factory=dict)
    drawn: dict[str, list[str]] = field(default_factory=dict)

    def table(self, name: str, keys: Sequence[str], rows: Iterable[Row]) -> None:
        by_key = {tuple(str(row[key]) for key in keys): row for row in rows}
        self.tables[name] = ExpectedTable(keys, by_key)

    def say(self, part: str, *phrases: str) -> None:
        self.prose.setdefault(part, []).extend(phrases)


def either(texts: Iterable[str]) -> str:
    """One text, or the mark for several spellings of a number on an edge."""
    known = sorted(set(texts))
    return known[0] if len(known) == 1 else f"⟦{'¦'.join(known)}⟧"


def pattern(text: str) -> str:
    """The regular expression of a text that may hold marks of ``either``."""
    parts = re.split("⟦(.*?)⟧", text)
    spellings = ["|".join(map(re.escape, part.split("¦"))) for part in parts]
    return "".join(f"(?:{part})" if i % 2 else re.escape(parts[i]) for i, part in enumerate(spellings))


class Interval(NamedTuple):
    estimate: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0


class Unit(NamedTuple):
    scale: float
    signed: bool
    after: str = ""


POINTS, SHARE, NUMBER, SIZE = Unit(100, True), Unit(100, False, " %"), Unit(1, True), Unit(1, False)


def places_of(half: float) -> int:
    """Two significant digits of the half width, one where its leading three are 355 to 949 (Particle Data Group)."""
    if not math.isfinite(half) or half <= 0:
        return 2
    mantissa, exponent = f"{half:.2e}".split("e")
    leading = int(mantissa.replace(".", ""))
    return min(max((1 if leading < 355 else 0) - int(exponent), 0), 4)


def spellings(value: float, places: int, unit: Unit, edge: float = EDGE) -> set[str]:
    """The number in its unit, without what comes after it; zero has no sign where others do."""
    sign = "+" if unit.signed else ""
    near = [unit.scale * value + nudge for nudge in (-edge, 0, edge)]
    texts = {f"{number:{sign}.{places}f}" for number in near if unit.signed or number >= 0 or unit.scale * value < 0}
    return {text[1:] if unit.signed and float(text) == 0 else text for text in texts}


def all_places(found: Interval, unit: Unit) -> set[int]:
    """Of an interval; it has no width where its ends are equal but for rounding."""
    flat = found.high - found.low <= 1e-12 * max(abs(found.low), abs(found.high))
    half = 0.0 if flat else unit.scale * (found.high - found.low) / 2
    return {places_of(half * nudge) for nudge in (1 - EDGE, 1, 1 + EDGE)}


def estimates(found: Interval | None, unit: Unit = POINTS, edge: float = EDGE) -> list[str]:
    """Every right spelling of an estimate with its interval, or without where there is none."""
    if found is None or math.isnan(found.estimate):
        return [NO_NUMBER]
    if not math.isfinite(found.low) or not math.isfinite(found.high):
        return [text + unit.after for text in spellings(found.estimate, 2, unit, edge)]
    return [
        f"{value}{unit.after} [{low}, {high}]"
        for places in all_places(found, unit)
        for value, low, high in itertools.product(*(spellings(number, places, unit, edge) for number in found[:3]))
    ]


def estimate(found: Interval | None, unit: Unit = POINTS, edge: float = EDGE) -> str:
    return either(estimates(found, unit, edge))


def ends(found: Interval | None) -> str:
    """The interval of points alone."""
    if found is None or not math.isfinite(found.low) or not math.isfinite(found.high):
        return NO_NUMBER
    return either(
        f"[{low}, {high}]"
        for places in all_places(found, POINTS)
        for low, high in itertools.product(*(spellings(number, places, POINTS) for number in found[1:3]))
    )


def points(fraction: float | None, places: int = 2) -> str:
    return NO_NUMBER if fraction is None or math.isnan(fraction) else either(spellings(fraction, places, POINTS))


def unsigned(text: str) -> str:
    return text.replace("+", "")


def percent(fraction: float, places: int = 2) -> str:
    return NO_NUMBER if math.isnan(fraction) else either(t + " %" for t in spellings(fraction, places, SHARE))


def decimals(value: float, places: int = 2) -> str:
    return NO_NUMBER if math.isnan(value) else either(spellings(value, places, SIZE))


def p_text(p: float) -> str:
    if math.isnan(p):
        return NO_NUMBER
    near = (p * (1 - EDGE), p, p * (1 + EDGE))
    return either("< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}" for p in near)


class Exact(NamedTuple):
    """A p-value that is a share of all patterns; no pattern: no p."""

    extreme: int = 0
    total: int = 0

    @property
    def p(self) -> float:
        return self.extreme / self.total if self.total else math.nan

    @property
    def text(self) -> str:
        if not self.total:
            return NO_NUMBER
        shown = "< 0.001" if self.p < 0.001 else f"{self.p:.3f}" if self.p < 0.1 else f"{self.p:.2f}"
        return f"{self.extreme}/{self.total} {shown if shown.startswith('<') else f'= {shown}'}"


def p_equals(text: str) -> str:
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def seeds(n: int) -> str:
    return "1 seed" if n == 1 else f"{n:,} seeds"


def level_text(level: float) -> str:
    return f"{round(100 * level, 6):g} %"


def rate(lr: float) -> str:
    return np.format_float_positional(lr, trim="-")


def where(cell: Cell) -> dict[str, str]:
    return {"batch size": str(cell[0]), "rate": rate(cell[1])}


def place(cell: Cell | None) -> str:
    return "all cells" if cell is None else f"batch size {cell[0]}, rate {rate(cell[1])}"


@functools.cache
def signs(n: int) -> Floats:
    """All 2^n patterns of signs: (patterns, n)."""
    if n > 16:
        raise NotImplementedError("beyond 16 pairs the page draws patterns at random; this oracle enumerates")
    return np.array(list(itertools.product((1.0, -1.0), repeat=n))).reshape(2**n, n)


def snapped(d: Any) -> Floats:
    """Exactly zero where numbers cancel but for rounding; what stands here are fractions of at most 10,000 images."""
    d = np.asarray(d, dtype=np.float64)
    return np.where(np.abs(d) < 1e-12, 0.0, d)


def over(rows: Floats) -> Floats:
    """The mean of each row (of a seed over its cells)."""
    return rows.mean(axis=1) if rows.size else np.empty(0)


def constant(d: Floats) -> bool:
    return bool(np.ptp(d) <= 1e-10 * np.abs(d).max())


def t_interval(d: Floats, level: float) -> Interval:
    n = len(d)
    if n < 2:
        return Interval(float(d[0]) if n else math.nan, n=n)
    mean = float(np.mean(d))
    if constant(d):
        return Interval(mean, mean, mean, n)
    low, high = stats.t.interval(level, n - 1, mean, stats.sem(d))
    return Interval(mean, float(low), float(high), n)


def paired_t(d: Floats) -> float:
    if len(d) < 2 or constant(d):
        return 1.0 if len(d) > 1 and not d.any() else math.nan
    return float(stats.ttest_1samp(d, 0.0).pvalue)


def no_spread(d: Floats) -> str | None:
    """Why there is no test of the mean."""
    if len(d) < 2:
        return f"{len(d)} pair{'' if len(d) == 1 else 's'}: no estimate of the spread"
    if constant(d):
        return f"all differences are {'equal' if d.any() else 'zero'}: the spread is zero"
    return None


def equivalence(d: Floats, margin: float) -> float:
    if no_spread(d):
        return math.nan
    above = stats.ttest_1samp(d, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(d, margin, alternative="less").pvalue
    return float(max(above, below))


def at_least(sums: Floats, observed: float, size: float) -> int:
    """How many of the sums are as far from zero as the observed one, but for rounding."""
    return int(np.count_nonzero(np.abs(sums) >= abs(observed) - 1e-9 * size))


def sign_flip(d: Floats) -> Exact:
    if len(d) < 2:
        return Exact()
    return Exact(at_least(signs(len(d)) @ d, d.sum(), np.abs(d).sum()), 2 ** len(d))


def wilcoxon(d: Floats) -> Exact:
    """Signed ranks, zeros dropped, middle ranks for ties, over all patterns of signs; infinity is the largest."""
    moved = d[d != 0]
    if len(moved) < 2:
        return Exact()
    sizes = np.abs(moved)
    largest = sizes[np.isfinite(sizes)].max(initial=0.0) or 1.0
    ranks = stats.rankdata(np.round(sizes / largest, 9))
    return Exact(at_least(signs(len(moved)) @ ranks, np.sign(moved) @ ranks, ranks.sum()), 2 ** len(moved))


def sizes_of_t(sums: Floats, n_of: NDArray, squares: Floats) -> Floats:
    """|t| of columns with these sums, numbers and sums of squares; infinite without spread, 0 for zeros."""
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (squares - sums**2 / n_of) / (n_of - 1)
        t = np.abs(sums) / n_of / np.sqrt(np.maximum(variance, 0) / n_of)
    return np.where(squares == 0, 0.0, np.where(variance <= 1e-12 * squares / n_of, np.inf, t))


def all_t(D: Floats) -> tuple[Floats, Floats]:
    """|t| of every column of ``D`` as it is, (m,), and under all patterns of signs of its rows, (patterns, m)."""
    n_of, filled = np.count_nonzero(~np.isnan(D), axis=0), np.nan_to_num(D)
    squares = (filled**2).sum(0)
    return sizes_of_t(filled.sum(0), n_of, squares), sizes_of_t(signs(len(D)) @ filled, n_of, squares)


def max_t(D: Floats) -> list[Exact]:
    """Step-down max-T of the columns of ``D`` (seeds, cells), NaN where there is no pair."""
    testable = [j for j in range(D.shape[1]) if np.count_nonzero(~np.isnan(D[:, j])) >= 2]
    observed, flipped = all_t(D[:, testable])
    order = sorted(range(len(testable)), key=lambda j: -observed[j])
    found, most = [Exact()] * D.shape[1], 0
    for step, j in enumerate(order):
        largest = flipped[:, order[step:]].max(axis=1)
        most = max(most, int(np.count_nonzero(largest >= observed[j] * (1 - 1e-9))))
        found[testable[j]] = Exact(most, 2 ** len(D))
    return found


def sup_t(D: Floats, level: float) -> list[Interval]:
    """mean +- c s / sqrt(n), c the smallest |t| that the largest under changed signs of the centred rows stays within
    with probability ``level``; from five pairs a column on."""
    columns = [column[~np.isnan(column)] for column in D.T]
    usable = [j for j, column in enumerate(columns) if len(column) >= 5 and not constant(column)]
    critical = math.nan
    if usable:
        centred = D[:, usable] - [columns[j].mean() for j in usable]
        largest = np.sort(all_t(centred)[1].max(axis=1))
        critical = float(largest[math.ceil(level * len(largest) - 1e-9) - 1])
    found = []
    for j, column in enumerate(columns):
        mean = float(column.mean()) if len(column) else math.nan
        half = critical * float(stats.sem(column)) if j in usable else 0.0 if len(column) >= 5 else math.nan
        found.append(Interval(mean, mean - half, mean + half, len(column)))
    return found


def holm(p: Sequence[float]) -> list[float]:
    """Step-down; a cell without a p counts as a test all the same."""
    adjusted, largest = [math.nan] * len(p), 0.0
    for step, i in enumerate(sorted((i for i in range(len(p)) if not math.isnan(p[i])), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - step) * p[i]))
        adjusted[i] = largest
    return adjusted


def hodges_lehmann(d: Floats, level: float) -> Interval:
    """The median of the Walsh averages, and those that the exact signed-rank test leaves (R's wilcox.test)."""
    n = len(d)
    if n == 0:
        return Interval(math.nan)
    walsh = np.sort([(d[i] + d[j]) / 2 for i in range(n) for j in range(i, n)])
    rank_sums = (signs(n) > 0) @ np.arange(1, n + 1)
    k = next(k for k in itertools.count() if np.count_nonzero(rank_sums <= k) / 2**n >= (1 - level) / 2 * (1 - EDGE))
    if k == 0:
        return Interval(float(np.median(walsh)), n=n)
    return Interval(float(np.median(walsh)), float(walsh[k - 1]), float(walsh[-k]), n)


def sign_flip_interval(d: Floats, level: float) -> Interval:
    """The k-th smallest and largest mean of all subsets, k = floor(alpha/2 2^n) (Hartigan 1969)."""
    n = len(d)
    k = math.floor((1 - level) / 2 * 2**n * (1 + EDGE))
    if k == 0:
        return Interval(float(d.mean()) if n else math.nan, n=n)
    subsets = [kept for kept in signs(n) > 0 if kept.any()]
    means = np.sort([d[kept].mean() for kept in subsets])
    return Interval(float(d.mean()), float(means[k - 1]), float(means[-k]), n)


@functools.cache
def chi_over_root(df: int) -> Floats:
    """20,000 equally likely values of chi / sqrt(df)."""
    return np.asarray(np.sqrt(stats.chi2.ppf((np.arange(20_000) + 0.5) / 20_000, df) / df))


def noncentral_t(t: float, df: int, delta: float) -> float:
    """P(T <= t) of T = (Z + delta) / (chi / sqrt(df)), the mean of P(Z <= t s - delta) over s."""
    return float(special.ndtr(t * chi_over_root(df) - delta).mean())


def hedges(d: Floats, level: float) -> Interval:
    """g_z, with the noncentralities under which |t| would be at either end of its law."""
    m = len(d) - 1
    if no_spread(d) or m < 2:
        return Interval(math.nan)
    j = math.exp(math.lgamma(m / 2) - math.lgamma((m - 1) / 2)) / math.sqrt(m / 2)
    d_z, root = float(d.mean() / d.std(ddof=1)), math.sqrt(len(d))
    t = abs(d_z) * root
    low, high = (
        optimize.brentq(lambda delta, p=p: noncentral_t(t, m, delta) - p, -9 - t, 9 + 9 * t)
        for p in ((1 + level) / 2, (1 - level) / 2)
    )
    low, high = (low, high) if d_z > 0 else (-high, -low)
    return Interval(j * d_z, j * low / root, j * high / root)


def clopper_pearson(k: int, n: int, level: float) -> Interval:
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, k, n - k + 1)) if k else 0.0
    high = float(stats.beta.isf(tail, k + 1, n - k)) if k < n else 1.0
    return Interval(k / n, low, high, n)


def verdict(p: float, reason: str | None, mean: float, inner: Interval, alpha: float, margin: float) -> str:
    if reason or math.isnan(p):
        return "not testable"
    negligible = -margin < inner.low and inner.high < margin
    if p > alpha:
        return "equivalent" if negligible else "inconclusive"
    side = "better" if mean > 0 else "worse"
    return f"{side}, by less than the margin" if negligible else side


class Records:
    """A study's runs as arrays (seeds, cells) by arm: scores with chance where a run diverged, NaN where there is no
    run."""

    def __init__(self, folder: Path):
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        design = manifest["design"]
        self.folder, self.name, self.dataset = folder, manifest["study_id"], design["dataset"]
        self.epochs, self.hidden, self.arms = design["epochs"], design["hidden"], design["arms"]
        self.seeds, self.sizes, self.lrs = (sorted(design[name]) for name in ("seeds", "batch_sizes", "lrs"))
        self.cells: list[Cell] = list(itertools.product(self.sizes, self.lrs))
        self.records = pd.read_parquet(folder / "records.parquet")
        self.runs = pd.read_parquet(folder / "runs.parquet")
        self.status = self._by_run("status")
        self.answers = self._by_run("test_correct")
        self.n_test = int(self.records[self.records.split == "test"].n_examples.max())
        self.common = [i for i, (size, _) in enumerate(self.cells) if size > 1]
        self._arrays()

    def _by_run(self, column: str) -> dict[tuple[str, int, float, int], Any]:
        names = ("arm", "batch_size", "lr", "seed", column)
        rows = zip(*(self.runs[name] for name in names), strict=True)
        return {(arm, size, lr, seed): value for arm, size, lr, seed, value in rows}

    def _arrays(self) -> None:
        """``curve[arm]`` (seeds, cells, epochs 1 to the last) with NaN from a divergence on, and what follows."""
        shape = (len(self.seeds), len(self.cells))
        self.there = {arm: np.zeros(shape, bool) for arm in self.arms}
        self.diverged = {arm: np.zeros(shape, bool) for arm in self.arms}
        self.curve = {arm: np.full((*shape, self.epochs), np.nan) for arm in self.arms}
        at = {key: i for i, key in enumerate(itertools.product(self.seeds, self.cells))}
        for (arm, size, lr, seed), status in self.status.items():
            place = np.unravel_index(at[seed, (size, lr)], shape)
            self.there[arm][place] = status != "not_applicable"
            self.diverged[arm][place] = status == "diverged"
        tested = self.records[(self.records.split == "test") & (self.records.epoch > 0)]
        columns = (tested[name] for name in ("arm", "batch_size", "lr", "seed", "epoch", "accuracy"))
        for arm, size, lr, seed, epoch, accuracy in zip(*columns, strict=True):
            self.curve[arm][(*np.unravel_index(at[seed, (size, lr)], shape), epoch - 1)] = accuracy
        self.paired = np.logical_and.reduce([self.there[arm] for arm in self.arms])
        self.score = {
            endpoint: {arm: self._score(arm, last) for arm in self.arms}
            for endpoint, last in (("last3", 3), ("final", 1))
        }
        self.failed = {
            arm: self.there[arm] & (self.diverged[arm] | (self.score["final"][arm] < 2 * CHANCE)) for arm in self.arms
        }

    def _score(self, arm: str, last: int) -> Floats:
        scores = self.curve[arm][:, :, -last:].mean(axis=2)
        return np.where(self.there[arm], np.where(self.diverged[arm], CHANCE, scores), np.nan)

    def filled(self, arm: str) -> Floats:
        """Curves in which a diverged run scores chance from there on."""
        curve = self.curve[arm]
        return np.where(np.isnan(curve) & self.there[arm][:, :, None], CHANCE, curve)

    def complete(self, cells: Sequence[int]) -> NDArray[np.bool_]:
        """Which seeds have a pair in each of the cells; none where there is no cell."""
        return self.paired[:, cells].all(axis=1) & bool(len(cells))

    def difference(self, endpoint: str = "last3") -> Floats:
        """(seeds, cells), NaN where there is no pair."""
        of = self.score[endpoint]
        return np.where(self.paired, snapped(of["bn"] - of["no_bn"]), np.nan)

    def matrix(self, endpoint: str = "last3") -> Floats:
        """The differences of the seeds with any pair."""
        return self.difference(endpoint)[self.paired.any(axis=1)]

    def by_seed(self, endpoint: str = "last3", cells: Sequence[int] | None = None) -> Floats:
        """Mean differences over the cells, of the seeds with a pair in each."""
        cells = self.common if cells is None else cells
        return snapped(over(self.difference(endpoint)[self.complete(cells)][:, cells]))

    @property
    def grid(self) -> NDArray[np.bool_] | None:
        """The seeds with a pair in every cell of the design; None where a cell cannot be."""
        return self.complete(self.common) if len(self.common) == len(self.cells) else None


@dataclass
class Contrast:
    """Arm minus baseline over all cells (``cell`` None) or in one: what the page says of it."""

    cell: Cell | None
    d: Floats
    sides: Sequence[Floats]
    n_runs: int
    failed: Sequence[int]
    diverged: Sequence[int]
    ci: Interval
    joint: Interval | None = None
    max_t: Exact = field(default_factory=Exact)
    holm: float = math.nan
    verdict: str = "not testable"
    reason: str | None = None

    @property
    def n(self) -> int:
        return len(self.d)

    @property
    def mean(self) -> float:
        return float(self.d.mean()) if self.n else math.nan

    @property
    def where(self) -> dict[str, str]:
        return IN_ALL_CELLS if self.cell is None else where(self.cell)

    @property
    def failures(self) -> str:
        return f"{self.failed[0]} | {self.failed[1]} of {self.n_runs}"


class Oracle:
    """Every claim of the page of one study."""

    def __init__(self, folder: Path, alpha: float, margin: float, compare: Path | None):
        self.of, self.alpha, self.margin, self.level = Records(folder), alpha, margin, 1 - alpha
        self.other = None if compare is None else Records(compare)
        self.seeds_to_reach = next(n for n in itertools.count(1) if 2 / 2**n <= alpha)
        self.contrasts = {endpoint: self._contrasts(endpoint) for endpoint in ENDPOINTS}
        self.whole, *self.in_cells = self.contrasts["last3"]
        self.d = self.whole.d
        self.shown = (32, 0.01) if (32, 0.01) in self.of.cells else self.of.cells[len(self.of.cells) // 2]

    def _contrasts(self, endpoint: str) -> list[Contrast]:
        """Over all cells, then in each of the grid."""
        of, d = self.of, self.of.by_seed(endpoint)
        complete = of.complete(of.common)
        mask = complete[:, None] & np.isin(np.arange(len(of.cells)), of.common)
        sides = [of.score[endpoint][arm][complete][:, of.common] for arm in ("no_bn", "bn")]
        whole = self._contrast(None, d, (over(sides[0]), over(sides[1])), mask)
        whole.reason = no_spread(d)
        inner = t_interval(d, 1 - 2 * self.alpha)
        whole.verdict = verdict(paired_t(d), whole.reason, whole.mean, inner, self.alpha, self.margin)
        return [whole, *self._in_cells(endpoint)]

    def _contrast(self, cell: Cell | None, d: Floats, sides: Sequence[Floats], mask: NDArray) -> Contrast:
        of, arms = self.of, ("no_bn", "bn")
        failed, diverged = ([int(flags[arm][mask].sum()) for arm in arms] for flags in (of.failed, of.diverged))
        return Contrast(cell, d, sides, int(mask.sum()), failed, diverged, t_interval(d, self.level))

    def _in_cells(self, endpoint: str) -> list[Contrast]:
        of, D = self.of, self.of.matrix(endpoint)
        joint, inner, tests = sup_t(D, self.level), sup_t(D, 1 - 2 * self.alpha), max_t(D)
        found = []
        for i, cell in enumerate(of.cells):
            mask = np.zeros_like(of.paired)
            mask[of.paired[:, i], i] = True
            sides = [of.score[endpoint][arm][mask] for arm in ("no_bn", "bn")]
            one = self._contrast(cell, of.difference(endpoint)[mask], sides, mask)
            few = f"{one.n} pairs: the exact test needs {self.seeds_to_reach}" if one.n < self.seeds_to_reach else None
            one.reason = no_spread(one.d) or few
            one.joint, one.max_t = joint[i], tests[i]
            one.verdict = verdict(tests[i].p, one.reason, one.mean, inner[i], self.alpha, self.margin)
            found.append(one)
        for one, p in zip(found, holm([sign_flip(one.d).p for one in found]), strict=True):
            one.holm = p
        return found

    def expected(self) -> Expected:
        """Part by part, in the order of the page."""
        found = Expected()
        parts = (
            _answer, _seed_by_seed, _effects, _slopes, _curves, _claims, _gaps, _robustness, _failures, _largest, _best,
            _times, _inference, _compared, _completeness, _sensitivity, _noise, _swaps_of_labels, _plan, _all_cells,
        )  # fmt: skip
        pairs_alone = (_gaps, _failures, _noise)
        for part in parts:
            if self.of.common or part not in pairs_alone:
                part(self, found)
        return found


@functools.cache
def expectation(folder: Path, alpha: float, margin: float, compare: Path | None) -> Expected:
    return Oracle(folder, alpha, margin, compare).expected()


def _answer(o: Oracle, say: Expected) -> None:
    whole, n = o.whole, o.whole.n
    if n < o.seeds_to_reach:
        smallest = f"the exact test cannot fall below p = {min(1, 2 / 2**n):g}"
        say.say("header", f"Only {seeds(n)} with a pair in every cell: {smallest}")
    if n > 1:
        flip = p_equals(sign_flip(o.d).text)
        t = f"Paired t test over {seeds(n)}: {p_equals(p_text(paired_t(o.d)))}."
        say.say("answer", f"{t} Exact sign-flip test, {seeds(n)}: {flip}.")
        say.say("answer", either(_headline(o, text) for text in estimates(whole.ci)))
    say.say("answer", _by_cell(o), *_what_would_change_it(o))


def _headline(o: Oracle, text: str) -> str:
    size, interval = text.split(" ", 1)
    whole, k = o.whole, len(o.of.common)
    cells = "in the one cell" if k == 1 else f"averaged over the {k} cells"
    why = f"it cannot be tested, since {whole.reason}" if whole.reason else VERDICTS[whole.verdict]
    return (
        f"test accuracy differs by {size} points from that with no batch normalisation ({level_text(o.level)} interval"
        f" {interval}, {seeds(whole.n)}), {cells} of this design on {DATA[o.of.dataset]}: here {why}."
    )


def _by_cell(o: Oracle) -> str:
    counts = Counter(cell.verdict for cell in o.in_cells)
    tally = ", ".join(f"{said} in {count}" for said, count in sorted(counts.items(), key=lambda item: -item[1]))
    if sum(cell.n > 0 for cell in o.in_cells) < 2 or set(counts) == {"not testable"}:
        return f"By cell: {tally}."
    smallest, largest = _extremes(o)
    exploratory = "" if paired_t(o.d) <= o.alpha else " Exploratory, since the test over all cells did not reject."
    return (
        f"Of {len(o.in_cells)} cells, tested together (step-down max-T): {tally}.{exploratory} The difference runs"
        f" from {points(smallest.mean)} points ({place(smallest.cell)}) to {points(largest.mean)} points"
        f" ({place(largest.cell)})."
    )


def _extremes(o: Oracle) -> tuple[Contrast, Contrast]:
    known = [cell for cell in o.in_cells if cell.n]
    return min(known, key=lambda cell: cell.mean), max(known, key=lambda cell: cell.mean)


def _what_would_change_it(o: Oracle) -> Iterator[str]:
    whole, (stated, *ways) = o.whole, _ways(o)
    if whole.verdict == "not testable":
        return
    others = [way for way in ways if way.verdict != stated.verdict]
    if not others:
        yield f"{len(ways)} others of the same records give the same verdict."
    for way in others:
        yield f"{way.what} gives {estimate(way.interval)} points, {seeds(way.n)}: {VERDICTS[way.verdict]}."
    sizes = [f"{estimate(way.interval)} points for {way.what}" for way in ways if not way.same and way.n]
    if sizes:
        yield f"Another grid would change the size: {'; '.join(sizes)}."
    least = float(stats.t.isf(o.alpha / 2, whole.n - 1) * stats.sem(o.d))
    yield either(
        f"the paired t test rejects where the mean difference is at least {small.lstrip('+')} points in size; it is"
        f" {ours}."
        for places in all_places(whole.ci, POINTS)
        for small in spellings(least, places, POINTS)
        for ours in spellings(whole.mean, places, POINTS)
    )
    if whole.verdict == "inconclusive":
        needed, margin = seeds_needed(o.margin / float(o.d.std(ddof=1)), o.alpha), unsigned(points(o.margin))
        yield f"{needed:,} are needed to detect the margin of {margin} points with 80 % power, and there are {whole.n}."


def _seed_by_seed(o: Oracle, say: Expected) -> None:
    of, rows = o.of, []
    if not o.whole.n:
        return
    scopes: list[tuple[Cell | None, list[int]]] = [(None, of.common), *((of.cells[i], [i]) for i in of.common)]
    for cell, columns in scopes:
        there = of.complete(columns)
        a, b = (of.score["last3"][arm][there][:, columns].mean(1) for arm in ("no_bn", "bn"))
        rows += [
            (IN_ALL_CELLS if cell is None else where(cell))
            | {
                "seed": str(seed),
                "without BN": percent(x),
                "with BN": percent(y),
                "difference, points": points(y - x),
            }
            for seed, x, y in zip(np.array(of.seeds)[there], a, b, strict=True)
        ]
    say.table("pairs-bn", ("batch size", "rate", "seed"), rows)
    ahead = int((o.d > 0).sum())
    mean = estimate(o.whole.ci)
    say.say("seeds", f"Better with BN in {ahead} of {seeds(o.whole.n)}: the mean difference is {mean} points")
    shown = next(cell for cell in o.in_cells if cell.cell == o.shown)
    panels = [o.whole, *([shown] if len(o.in_cells) > 1 and shown.n else [])]
    say.say("seeds", *(_panel(panel, rows) for panel in panels))


def _panel(panel: Contrast, rows: Sequence[Row]) -> str:
    at = [row for row in rows if panel.where.items() <= row.items()]
    pairs = "; ".join(f"seed {row['seed']}: {row['without BN']} to {row['with BN']}" for row in at)
    return f"In {place(panel.cell)}, without BN to with BN: {pairs}. Mean {estimate(panel.ci)} points."


def _effects(o: Oracle, say: Expected) -> None:
    if not any(cell.n for cell in o.in_cells):
        return
    rows = [
        cell.where
        | {
            "n": str(cell.n),
            "difference, points [all cells at once]": estimate(cell.joint),
            "p, step-down max-T": cell.max_t.text,
            "failed without | with": cell.failures,
            "verdict": cell.verdict,
        }
        for cell in o.in_cells
    ]
    say.table("effect-bn", ("batch size", "rate"), rows)
    known = [cell for cell in o.in_cells if cell.n]
    better, worse = (sum(cell.verdict.startswith(side) for cell in known) for side in ("better", "worse"))
    low, high = (points(cell.mean) for cell in _extremes(o))
    tally = f"Better in {better}, worse in {worse} of {len(known)} cells"
    if all(cell.verdict == "not testable" for cell in known):
        tally = "No cell can be tested"
    say.say("map", f"{tally}: from {low} to {high} points")
    say.say("map", *(f"{place(cell.cell)}: {estimate(cell.joint)} points{_failed(cell)}" for cell in o.in_cells))
    say.drawn["map"] = [text for cell in o.in_cells if (text := ends(cell.joint)) != NO_NUMBER]


def _failed(cell: Contrast) -> str:
    if not any(cell.failed):
        return ""
    return f" ({cell.failed[0]} without and {cell.failed[1]} with of {cell.n_runs} failed)"


def _slopes(o: Oracle, say: Expected) -> None:
    fitted = _fits(o.of)
    if not fitted:
        return
    rows, phrases, joint = [], [], max_t(np.column_stack(list(fitted.values())))
    for ((name, unit), slope), test in zip(fitted.items(), joint, strict=True):
        size = estimate(t_interval(slope, o.level))
        phrases.append(f"{size} points {unit}")
        rows.append({
            "slope of the difference": f"{name}, {unit}",
            "n": str(len(slope)),
            "estimate, points": size,
            "p, paired t": p_text(paired_t(slope)),
            "p, sign-flip": sign_flip(slope).text,
            "p, all slopes together (step-down max-T)": test.text,
        })  # fmt: skip
    say.table("slopes-bn", ("slope of the difference",), rows)
    say.say("map", f"How the difference changes over the grid: {'; '.join(phrases)}.")


def _fits(of: Records) -> dict[tuple[str, str], Floats]:
    """By term its slope in each seed's least-squares fit of 1, log2 batch size, log10 rate and their product, the
    factors centred; a factor with one level has none."""
    if of.grid is None or not of.grid.any():
        return {}
    x = np.log2([size for size, _ in of.cells]) - np.mean(np.log2(of.sizes))
    z = np.log10([lr for _, lr in of.cells]) - np.mean(np.log10(of.lrs))
    terms = {
        ("batch size", "per doubling of the batch size"): x,
        ("rate", "per tenfold rate"): z,
        ("batch size x rate", "per doubling of the batch size and tenfold rate"): x * z,
    }
    terms = {name: term for name, term in terms.items() if np.abs(term).max() > 1e-9}
    design = np.column_stack([np.ones(len(of.cells)), *terms.values()])
    fitted = np.linalg.lstsq(design, of.difference()[of.grid].T, rcond=None)[0][1:]
    return dict(zip(terms, snapped(fitted), strict=True))


def _curve_rows(o: Oracle, cell: Cell, arm: str, split: str, metric: str) -> list[Row]:
    """The mean over the seeds that have not diverged by then, with the band of the whole curve."""
    rows = o.of.records
    rows = rows[(rows.arm == arm) & (rows.batch_size == cell[0]) & (rows.lr == cell[1]) & (rows.split == split)]
    rows = rows[rows.status != "not_applicable"]
    if rows.empty:
        return []
    table = rows.pivot(index="seed", columns="epoch", values=metric)
    unit = SIZE if metric == "loss" else SHARE
    return [
        where(cell)
        | {
            "arm": SIDE[arm],
            "split": split,
            "metric": metric,
            "epoch": str(epoch),
            "n": str(band.n),
            "mean [band]": estimate(band, unit),
        }
        for epoch, band in zip(table.columns, sup_t(table.to_numpy(float), o.level), strict=True)
    ]


def _curves(o: Oracle, say: Expected) -> None:
    keys = ("batch size", "rate", "arm", "split", "metric", "epoch")
    each = [
        _curve_rows(o, o.shown, arm, split, metric)
        for arm in ("bn", "no_bn")
        for split in ("test", "train")
        for metric in ("loss", "accuracy")
    ]
    say.table("curves", keys, itertools.chain(*each))
    last = [rows[-1] for rows in each if rows]
    tested = [row for row in last if (row["metric"], row["split"]) == ("accuracy", "test")]
    accuracy = " and ".join(f"{row['mean [band]']} {row['arm']}" for row in tested)
    say.say("curves", f"At {place(o.shown)} test accuracy ends at {accuracy}")
    say.say("curves", f"After the last epoch: {'; '.join(map(_last, last))}.")
    if len(o.of.cells) > 1:
        _curves_by_cell(o, say, keys)


def _last(row: Row) -> str:
    split = {"train": "training", "test": "test"}[row["split"]]
    return f"{split} {row['metric']} {row['arm']} {row['mean [band]']}, {row['n']} seeds"


def _curves_by_cell(o: Oracle, say: Expected, keys: Sequence[str]) -> None:
    each = {
        (cell, arm): rows
        for cell in o.of.cells
        for arm in ("bn", "no_bn")
        if (rows := _curve_rows(o, cell, arm, "test", "accuracy"))
    }
    say.table("by-cell", keys, itertools.chain(*each.values()))
    ends = [f"{place(cell)}, {_last(rows[-1])}" for (cell, _), rows in each.items()]
    say.say("curves", f"After the last epoch: {'; '.join(ends)}.")
    means = {}
    for cell, arm in each:
        final = o.of.curve[arm][:, o.of.cells.index(cell), -1]
        if np.isfinite(final).any():
            means[cell, arm] = round(float(final[np.isfinite(final)].mean()), 12)
    if means:
        cell, arm = max(means, key=lambda key: means[key])
        best = f"{each[cell, arm][-1]['mean [band]']} {SIDE[arm]}"
        say.say("curves", f"The best mean after the last epoch is {best}, at {place(cell)}")


def _claims(o: Oracle, say: Expected) -> None:
    """The tutorial's two numbers against where one more run would lie."""
    of, cell = o.of, (32, 0.01)
    if (of.dataset, of.epochs, of.hidden) != ("mnist", 10, [32, 32]) or cell not in of.cells:
        return
    rows = []
    for arm, claimed in (("no_bn", 0.9555), ("bn", 0.978)):
        final = of.score["final"][arm][:, of.cells.index(cell)]
        final = final[~np.isnan(final)]
        n, mean = len(final), float(final.mean())
        half = float(stats.t.isf(o.alpha / 2, n - 1) * final.std(ddof=1) * math.sqrt(1 + 1 / n))
        ours, inside = Interval(mean, mean - half, mean + half, n), abs(claimed - mean) <= half
        rows.append({
            "arm": SIDE[arm],
            "tutorial, one run": percent(claimed),
            "our seeds": str(n),
            "ours, mean [where one more run would lie]": estimate(ours, SHARE),
            "inside": "yes" if inside else "no",
        })  # fmt: skip
        say.say(
            "curves",
            f"The tutorial reports {percent(claimed)} {SIDE[arm]}, {'inside' if inside else 'outside'} of where one"
            f" more run of ours would lie: {estimate(ours, SHARE)} (prediction interval, {n} seeds).",
        )
    say.table("tutorial", ("arm",), rows)


def _gaps(o: Oracle, say: Expected) -> None:
    of, rows, said = o.of, [], ""
    d = np.where(of.paired[:, :, None], snapped(of.filled("bn") - of.filled("no_bn")), np.nan)
    scopes: list[tuple[Cell | None, list[int]]] = [(None, of.common), *((of.cells[i], [i]) for i in of.common)]
    for cell, columns in scopes:
        table = snapped(d[:, columns].mean(axis=1)[of.complete(columns)])
        bands = sup_t(table, o.level) if len(table) else [Interval(math.nan)] * of.epochs
        rows += [
            (IN_ALL_CELLS if cell is None else where(cell))
            | {
                "epoch": str(epoch),
                "n": str(len(table)),
                "difference [this epoch alone]": estimate(t_interval(table[:, epoch - 1], o.level)),
                "[all epochs at once]": ends(band),
            }
            for epoch, band in enumerate(bands, 1)
        ]
        if len(table) and cell in (None, o.shown) and not said:
            said = "Over all cells" if cell is None else f"At {place(cell)}"
            early, late = (estimate(bands[i]) for i in (0, -1))
            say.say(
                "curves",
                f"{said} the difference is {early} points after epoch 1 and {late} after epoch {of.epochs}",
            )
    if said:
        say.table("gap-bn", ("batch size", "rate", "epoch"), rows)


def _robustness(o: Oracle, say: Expected) -> None:
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


def _failures(o: Oracle, say: Expected) -> None:
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


def _largest(o: Oracle, say: Expected) -> None:
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


def _best(o: Oracle, say: Expected) -> None:
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


def _times(o: Oracle, say: Expected) -> None:
    of, thresholds = o.of, (0.9, 0.95, 0.97)
    complete = of.complete(of.common)
    if not complete.any():
        return
    curves = [of.curve[arm][complete][:, of.common] for arm in ("no_bn", "bn")]
    pairs = {
        t: tuple(np.array([[_first(run, t) for run in row] for row in side]) for side in curves) for t in thresholds
    }
    reached = [t for t in thresholds if np.isfinite(pairs[t]).any()]
    restricted = {t: [np.minimum(side, of.epochs) for side in pairs[t]] for t in reached}
    d = {t: snapped((b - a).mean(axis=1)) for t, (a, b) in restricted.items()}
    joint = dict(zip(reached, max_t(np.column_stack(list(d.values()))) if reached else [], strict=True))
    rows = [_time_row(t, pairs[t], d.get(t), joint.get(t, Exact()), o.level) for t in thresholds]
    say.table("times-bn", ("test accuracy",), rows)
    shares = [
        {"test accuracy": percent(t, 0), "epoch": str(epoch)}
        | {
            SIDE[arm]: percent(float((side <= epoch).mean()))
            for arm, side in zip(("no_bn", "bn"), pairs[t], strict=True)
        }
        for t in thresholds
        for epoch in range(1, of.epochs + 1)
    ]
    say.table("reached-bn", ("test accuracy", "epoch"), shares)


def _first(curve: Floats, threshold: float) -> float:
    """The first epoch at the threshold; infinite where there is none or the run diverges."""
    if np.isnan(curve).any():
        return math.inf
    return next((epoch for epoch, accuracy in enumerate(curve, 1) if accuracy >= threshold), math.inf)


def _time_row(threshold: float, pair: Sequence[Floats], d: Floats | None, joint: Exact, level: float) -> Row:
    a, b = pair
    medians = [float(np.median(side)) for side in pair]
    counts = [int(np.isfinite(side).sum()) for side in pair]
    return {
        "test accuracy": percent(threshold, 0),
        "reached without | with": f"{counts[0]} | {counts[1]} of {a.size}",
        "median epoch without | with": " | ".join(f"{m:g}" if math.isfinite(m) else "not reached" for m in medians),
        "seeds": str(len(a)),
        "difference, epochs": NO_NUMBER if d is None else estimate(t_interval(d, level), NUMBER),
        "p, sign-flip": NO_NUMBER if d is None else sign_flip(d).text,
        "p, all thresholds together (step-down max-T)": joint.text,
        "pairs faster | tied | slower with": f"{(b < a).sum()} | {(b == a).sum()} | {(b > a).sum()}",
    }


NAMES = {
    "running": "running averages",
    "cumulative_last": "averages over the last epoch",
    "cumulative_all": "averages over the whole training",
    "precise": "averages over batches with the final weights",
    "population": "exact statistics of all training images",
    "batch": "statistics of the test batch",
    "mean_only": "mean of the test batch, running variance",
    "var_only": "variance of the test batch, running mean",
}
Trial = tuple[str, int | None, str | None]
"""A way to predict: statistics, images in the test batch, their order."""
RUNNING: Trial = ("running", None, None)


@dataclass
class Way:
    """A way to predict under one condition."""

    trial: Trial
    shift: str
    severity: int
    accuracy: float
    loss: float
    ece: float
    flips: float
    degenerate: bool
    running: Interval
    p_running: Exact
    without: Interval | None = None
    p_without: Exact = field(default_factory=Exact)

    @property
    def clean(self) -> bool:
        return (self.shift, self.severity) == ("clean", 0)

    @property
    def name(self) -> str:
        inference, size, order = self.trial
        what = NAMES.get(inference)
        if inference.startswith("blend"):
            what = f"test batch blended with running averages (worth {inference.split('_')[1]} images)"
        if inference.startswith("layer"):
            what = f"statistics of the test batch in layer {int(inference.split('_')[1]) + 1} alone"
        if size is None:
            return str(what)
        return f"{what}, {'all images at once' if size >= 10_000 else f'batches of {size}'}, {order}"

    @property
    def condition(self) -> str:
        return self.shift.replace("_", " ") + (f" {self.severity}" if self.severity else "")


def _inference(o: Oracle, say: Expected) -> None:
    if not (o.of.folder / "ablation.parquet").is_file():
        return
    table = pd.read_parquet(o.of.folder / "ablation.parquet")
    ways = [
        way
        for (shift, severity), rows in grouped(table, "shift", "severity")
        for way in _under(o, shift, severity, rows)
    ]
    clean = [way for way in ways if way.clean]
    _clean_ways(say, clean)
    _swaps(o, say)
    _compositions(o, say)
    _statistics(o, say)
    _ledger(o, say, ways)
    changed = [way for way in ways if not way.clean and way.trial != RUNNING]
    if changed:
        _all_ways(say, ways)
        most = max(changed, key=lambda way: abs(way.running.estimate))
        size = estimate(most.running)
        say.say("inference", f"The largest change: {size} points under {most.condition}, by {most.name}")


def grouped(table: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, pd.DataFrame]]:
    """The rows by their values in the columns, none of which is one too, in the table's order."""
    return iter(table.groupby(list(columns), sort=False, dropna=False))


def over_cells(rows: pd.DataFrame, column: str) -> pd.Series:
    """Means over the cells by seed, of the seeds with a network in each."""
    return rows.pivot(index="seed", columns=["batch_size", "lr"], values=column).dropna().mean(axis=1)


def _under(o: Oracle, shift: str, severity: int, rows: pd.DataFrame) -> list[Way]:
    """All ways under one condition; they are tested together."""
    groups: dict[Trial, pd.DataFrame] = {}
    for (inference, size, order), group in grouped(rows, "inference", "eval_batch_size", "order"):
        groups[inference, None if pd.isna(size) else int(size), None if pd.isna(order) else order] = group
    scores = {trial: over_cells(group, "accuracy") for trial, group in groups.items()}
    base = scores.pop(("none", None, None), None)
    if RUNNING not in scores:
        return []
    d = pd.DataFrame({i: one - scores[RUNNING] for i, one in enumerate(scores.values())})
    tests = max_t(d.to_numpy(float))
    ways = [
        _way(trial, (shift, severity), groups[trial], t_interval(d[i].dropna().to_numpy(float), o.level), tests[i])
        for i, trial in enumerate(scores)
    ]
    if base is None:
        return ways
    d = pd.DataFrame({i: one - base.reindex(d.index) for i, one in enumerate(scores.values())})
    against = [t_interval(d[i].dropna().to_numpy(float), o.level) for i in d]
    joint = max_t(d.to_numpy(float))
    return [replace(way, without=against[i], p_without=joint[i]) for i, way in enumerate(ways)]


def _way(trial: Trial, condition: tuple[str, int], rows: pd.DataFrame, running: Interval, test: Exact) -> Way:
    accuracy, loss, ece = (float(rows[name].mean()) for name in ("accuracy", "loss", "ece"))
    flips, degenerate = float((rows.n_flips / rows.n_examples).mean()), bool(rows.degenerate.any())
    return Way(trial, *condition, accuracy, loss, ece, flips, degenerate, running, test)


def _clean_ways(say: Expected, clean: Sequence[Way]) -> None:
    rows = [
        {
            "way to predict": way.name + (" (degenerate)" if way.degenerate else ""),
            "n": str(way.running.n),
            "accuracy": percent(way.accuracy),
            "against running averages, points": estimate(way.running),
            "p, all ways together (step-down max-T)": way.p_running.text,
            "against no BN, points": estimate(way.without),
            "p against no BN, likewise": way.p_without.text,
            "loss": decimals(way.loss),
            "calibration error": percent(way.ece),
            "class differs from exact statistics": percent(way.flips),
        }
        for way in clean
    ]
    say.table("modes-clean", ("way to predict",), rows)
    fair = [way for way in clean if way.trial[2] in (None, "shuffled")]
    kept = [way for way in fair if way.trial[0] in NAMES or "blend" in way.trial[0]]
    calibration = [
        {
            "way to predict": way.name,
            "n": str(way.running.n),
            "calibration error": percent(way.ece),
            "loss, nats per image": decimals(way.loss),
        }
        for way in kept
    ]
    say.table("calibration", ("way to predict",), calibration)


def _all_ways(say: Expected, ways: Sequence[Way]) -> None:
    every = [
        {
            "condition": way.shift,
            "severity": str(way.severity),
            "way": way.trial[0],
            "batch": NO_NUMBER if way.trial[1] is None else f"{way.trial[1]:,}",
            "order": way.trial[2] or NO_NUMBER,
            "n": str(way.running.n),
            "accuracy": percent(way.accuracy),
            "against running averages, points": estimate(way.running),
            "p, step-down max-T in the condition": way.p_running.text,
            "against no BN, points": estimate(way.without),
            "p against no BN, likewise": way.p_without.text,
        }
        for way in ways
    ]
    say.table("modes", ("condition", "severity", "way", "batch", "order"), every)


def _ledger(o: Oracle, say: Expected, ways: Sequence[Way]) -> None:
    """Which statistics to use when, in phrases."""
    by_trial = {way.trial: way for way in ways if way.clean}
    shuffled = {way.trial[1] or 0: way for way in by_trial.values() if way.trial[::2] == ("batch", "shuffled")}
    small = [f"{_against(shuffled[size])} in shuffled batches of {size}" for size in (8, 32) if size in shuffled]
    close = [size for size, way in shuffled.items() if abs(way.running.estimate) < 0.001]
    names = ("population", "precise", "cumulative_last", "cumulative_all")
    trained = [by_trial[name, None, None] for name in names if (name, None, None) in by_trial]
    tried = [way for way in ways if not way.clean and way.trial[:2] == ("batch", 128)]
    helped, hurt = (_significant(tried, side, o.alpha) for side in (1, -1))
    phrases = {
        f"those of the test batch change accuracy by {' and '.join(small)};": bool(small),
        f"From batches of {min(close, default=0)} on the test batch is within a tenth of a point of the running"
        f" averages ({_against(shuffled[min(close)]) if close else ''}).": bool(close),
        f"Against the running averages: {'; '.join(f'{way.name} {_against(way)}' for way in trained)}.": bool(trained),
        f"of {len(tried)} conditions the statistics of shuffled test batches of 128 are better than the running"
        f" averages in {helped} and worse in {hurt} (step-down max-T within each condition).": bool(tried),
    }
    say.say("inference", *(phrase for phrase, there in phrases.items() if there))


def _against(way: Way) -> str:
    return f"{estimate(way.running)} points"


def _significant(tried: Sequence[Way], side: int, alpha: float) -> str:
    """How many conditions, and the largest change among them."""
    found = [way for way in tried if way.p_running.p <= alpha and side * way.running.estimate > 0]
    if not found:
        return "0"
    most = max(found, key=lambda way: abs(way.running.estimate))
    return f"{len(found)} (most: {most.condition}, {_against(most)})"


def _swaps(o: Oracle, say: Expected) -> None:
    """One image in two batches."""
    table = pd.read_parquet(o.of.folder / "swaps.parquet")
    rows = [
        {
            "batch": f"{size:,}",
            "replaced": f"{k:,}",
            "n": str(group.seed.nunique()),
            "batch mean moves, sd": _over_seeds(o, group, "mean_change", SIZE),
            "expected": decimals(math.sqrt(2 * k) / size, 3),
            "own value moves, sd": _over_seeds(o, group, "value_change", SIZE),
            "logits move": _over_seeds(o, group, "logit_change", SIZE),
            "class flips": _over_seeds(o, group, "flip_rate", SHARE),
        }
        for (size, k), group in grouped(table, "eval_batch_size", "n_swapped")
    ]
    say.table("swaps", ("batch", "replaced"), rows)
    shown = next((row for row in rows if (row["batch"], row["replaced"]) == ("8", "2")), rows[0])
    companions = f"With {shown['replaced']} of {shown['batch']} companions replaced"
    say.say("inference", f"{companions}, {shown['class flips']} change class")


def _compositions(o: Oracle, say: Expected) -> None:
    """All test images in 32 random compositions of the batches."""
    table = pd.read_parquet(o.of.folder / "compositions.parquet")
    rows = [
        {
            "batch": f"{size:,}",
            "n": str(group.seed.nunique()),
            "images whose class ever flips": _over_seeds(o, group, "any_flip", SHARE),
            "share of logit variance from companions": _over_seeds(o, group, "mates_share", SHARE),
        }
        for (size,), group in grouped(table, "eval_batch_size")
    ]
    say.table("compositions", ("batch",), rows)


def _over_seeds(o: Oracle, rows: pd.DataFrame, column: str, unit: Unit) -> str:
    return estimate(t_interval(over_cells(rows, column).to_numpy(float), o.level), unit)


def _statistics(o: Oracle, say: Expected) -> None:
    table = pd.read_parquet(o.of.folder / "statistics.parquet")
    rows, worst = [], (-1.0, "")
    for (inference, layer), group in grouped(table, "inference", "layer"):
        mean, log_var = (
            t_interval(over_cells(group, name).to_numpy(float), o.level)
            for name in ("rms_mean_error", "rms_log_var_error")
        )
        error = estimate(mean, SIZE)
        rows.append({
            "statistic": NAMES[inference],
            "layer": str(layer + 1),
            "n": str(group.seed.nunique()),
            "error of the mean, sd": error,
            "error of the log variance": estimate(log_var, SIZE),
        })  # fmt: skip
        said = f"{NAMES[inference]}, by {error} standard deviations in layer {layer + 1}"
        worst = max(worst, (mean.estimate, f"Farthest from the exact mean are {said}"))
    say.table("statistics", ("statistic", "layer"), rows)
    say.say("inference", worst[1])


def _compared(o: Oracle, say: Expected) -> None:
    if o.other is None:
        return
    here, there = o.of, o.other
    cells = [cell for cell in (here.cells[i] for i in here.common) if cell in [there.cells[i] for i in there.common]]
    columns = [[study.cells.index(cell) for cell in cells] for study in (here, there)]
    complete = [study.complete(at) for study, at in zip((here, there), columns, strict=True)]
    tables = [
        dict(zip(np.array(study.seeds)[rows], study.difference()[rows][:, at], strict=True))
        for study, at, rows in zip((here, there), columns, complete, strict=True)
    ]
    common = sorted(set(tables[0]) & set(tables[1]))
    d = snapped([tables[0][seed] - tables[1][seed] for seed in common]).reshape(len(common), len(cells))
    means = snapped(d.mean(1))
    sides = [t_interval(snapped([row.mean() for row in table.values()]), o.level) for table in tables]
    found: list[tuple[Any, ...]] = [(None, *sides, t_interval(means, o.level), p_text(paired_t(means)))]
    for i, (difference, test) in enumerate(zip(sup_t(d, o.level), max_t(d), strict=True)):
        alone = (
            t_interval(study.difference()[study.paired[:, at[i]], at[i]], o.level)
            for study, at in zip((here, there), columns, strict=True)
        )
        found.append((cells[i], *alone, difference, test.text))
    say.table("compared-bn", ("batch size", "rate"), (_compared_row(*one) for one in found))
    say.say(
        "compared",
        f"Over the common cells the difference is {estimate(sides[0])} points here and {estimate(sides[1])} there",
        *(f"{place(cell)}: {estimate(a)} here, {estimate(b)} there" for cell, a, b, *_ in found),
    )


def _compared_row(cell: Cell | None, here: Interval, there: Interval, difference: Interval, p: str) -> Row:
    return (IN_ALL_CELLS if cell is None else where(cell)) | {
        "this study, points": estimate(here),
        "n": str(here.n),
        "the other, points": estimate(there),
        "n (2)": str(there.n),
        "this minus the other [cells: all at once]": estimate(difference),
        "p, all cells: paired t; cells: step-down max-T": p,
        "common seeds": str(difference.n),
    }


def _completeness(o: Oracle, say: Expected) -> None:
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


def _ways(o: Oracle) -> list[Analysis]:
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


def _sensitivity(o: Oracle, say: Expected) -> None:
    if not o.whole.n:
        return
    ways = _ways(o)
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


def _noise(o: Oracle, say: Expected) -> None:
    of, answered = o.of, [_answered(o.of, i) for i in o.of.common]
    single = 1e-5  # the page averages the cells' answers in single precision
    rows = [IN_ALL_CELLS | _noise_row(o, of.common, np.mean(answered, axis=0), single)]
    rows += [where(of.cells[i]) | _noise_row(o, [i], c, EDGE) for i, c in zip(of.common, answered, strict=True)]
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
    found = np.full((len(of.seeds), of.n_test), np.nan)
    for row, seed in enumerate(of.seeds):
        packed = [of.answers.get((arm, *of.cells[i], seed)) for arm in ("bn", "no_bn")]
        bits = [np.unpackbits(np.frombuffer(one, np.uint8))[: of.n_test] for one in packed if isinstance(one, bytes)]
        if len(bits) == 2:
            found[row] = bits[0].astype(float) - bits[1]
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


def _swaps_of_labels(o: Oracle, say: Expected) -> None:
    """A/A: every method on every swap of labels; half of them do, since a swap and its mirror say the same."""
    of = o.of
    D = of.difference()[of.complete(of.common)][:, of.common]
    if len(D) < 2:
        return
    n = len(D)
    if n > 10:
        raise NotImplementedError("beyond 10 seeds the page draws swaps at random; this oracle takes all")
    swaps = [pattern for pattern in signs(n) if pattern[-1] > 0]
    methods: dict[str, Callable[[Floats], bool]] = {
        "paired t over the grid": lambda D: paired_t(D.mean(1)) <= o.alpha,
        "sign-flip over the grid": lambda D: sign_flip(D.mean(1)).p <= o.alpha,
        "Wilcoxon over the grid": lambda D: wilcoxon(snapped(D.mean(1))).p <= o.alpha,
        "any cell, step-down max-T": lambda D: any(test.p <= o.alpha for test in max_t(D)),
        "any cell, t uncorrected": lambda D: any(not constant(x) and paired_t(x) <= o.alpha for x in D.T),
    }
    rows = [
        _size_row(D, method, str(k := sum(rejects(D * swap[:, None]) for swap in swaps)), percent(k / len(swaps)), 1)
        for method, rejects in methods.items()
    ]
    head = f"size (wanted: at most {level_text(o.alpha)})"
    say.table("sizes-bn", ("method",), ({head: row.pop("size"), **row} for row in (*rows, _bootstrap_row(D, o.alpha))))


def _size_row(D: Floats, method: str, rejected: str, size: str | Callable[[Row], str], step: int) -> Row:
    n, n_swaps = len(D), len(range(0, 2 ** (len(D) - 1), step))
    of = f"{n_swaps}{', all there are' if step == 1 else ' drawn'}"
    return {"method": method, "seeds": str(n), "rejected": rejected, "of swaps": of, "size": size}


def _bootstrap_row(D: Floats, alpha: float) -> Row:
    """Resampled, so its count may be any from the swaps that other draws surely reject to those that they may reject;
    size and interval must be those of the count that the page prints."""
    patterns = _canonical_swaps(D)
    step = math.ceil(len(patterns) / 100)
    used = patterns[::step]
    tails = [_bootstrap_tail((D * pattern[:, None]).mean(1)) for pattern in used]
    slack = 5 * math.sqrt(2 * alpha / 2 * (1 - alpha / 2) / 9_999)
    surely, possibly = (sum(tail <= alpha / 2 + side * slack for tail in tails) for side in (-1, 1))

    def size(row: Row) -> str:
        k = int(row["rejected"].replace(",", ""))
        return percent(k / len(used)) if step == 1 else estimate(clopper_pearson(k, len(used), 0.95), SHARE)

    counts = either(str(k) for k in range(surely, possibly + 1))
    return _size_row(D, "bootstrap-t interval over the grid", counts, size, step)


def _canonical_swaps(D: Floats) -> Floats:
    """The signs of rows that the page takes in turn: it sorts the rows by the sizes in them, makes no sum negative,
    and counts up in binary; here the rows stay where they are."""
    n, sizes = len(D), np.sort(np.abs(D), axis=1)
    order = np.lexsort(sizes.T[::-1])
    counted = 1 - 2 * (np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1)
    found = np.empty(counted.shape)
    found[:, order] = counted * np.where(D[order].sum(1) < 0, -1, 1)
    return found


def _bootstrap_tail(d: Floats) -> float:
    """The share of resampled t at least as far out as the observed one, on its side."""
    if len(d) < 6 or constant(d):
        return 1.0
    drawn = d[np.random.default_rng(0).integers(0, len(d), (9_999, len(d)))]
    gap, error = drawn.mean(1) - d.mean(), drawn.std(1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(error > 1e-13, gap / error, np.sign(gap) * np.inf)
    observed = d.mean() / d.std(ddof=1)
    return float(np.mean(t >= observed if observed > 0 else t <= observed))


def power(d_z: float, n: int, alpha: float) -> float:
    """Of the paired t test, both tails."""
    critical, away = float(stats.t.isf(alpha / 2, n - 1)), abs(d_z) * math.sqrt(n)
    return 1 - noncentral_t(critical, n - 1, away) + noncentral_t(-critical, n - 1, away)


def seeds_needed(d_z: float, alpha: float) -> int:
    """The fewest seeds with 80 % power: between a half that is too few and a double that is enough."""
    enough = 2
    while power(d_z, enough, alpha) < 0.8:
        enough *= 2
    few = enough // 2
    while enough - few > 1:
        middle = (enough + few) // 2
        few, enough = (few, middle) if power(d_z, middle, alpha) >= 0.8 else (middle, enough)
    return max(2, enough)


def _plan(o: Oracle, say: Expected) -> None:
    d, n, alpha = o.d, len(o.d), o.alpha
    answers = {f"smallest p that the exact sign-flip test of {seeds(n)} can give": p_text(min(1.0, 2 / 2**n))}
    questions = (
        "power of the paired t test to see a difference of the margin",
        "difference that is seen with 80 % power",
        "seeds needed to see the margin with 80 % power",
        "the same, at the upper 80 % limit of the spread",
    )
    answers |= dict(zip(questions, [NO_NUMBER] * 4 if no_spread(d) else _planned(d, o), strict=True))
    for k in (5, 10, 20, 50, 100):
        half = math.nan if no_spread(d) else float(stats.t.isf(alpha / 2, k - 1)) * d.std(ddof=1) / math.sqrt(k)
        answers[f"half width of the interval at {k} seeds"] = _in_points(half)
    if n:
        for name, value in (("Gaussian mixture", _gaussian_evidence(d)), ("signs alone", _sign_evidence(d))):
            answers[f"e-value after {seeds(n)}, {name} (evidence from {1 / alpha:g} on)"] = _e_value(value)
    say.table("plan-bn", ("question",), ({"question": key, "answer": text} for key, text in answers.items()))


def _planned(d: Floats, o: Oracle) -> list[str]:
    n, sd = len(d), float(d.std(ddof=1))
    upper = sd * math.sqrt((n - 1) / stats.chi2.ppf(0.2, n - 1))
    detectable = optimize.brentq(lambda d_z: power(d_z, n, o.alpha) - 0.8, 0.0, 100.0)
    return [
        percent(power(o.margin / sd, n, o.alpha), 0),
        _in_points(detectable * sd),
        f"{seeds_needed(o.margin / sd, o.alpha):,}",
        f"{seeds_needed(o.margin / upper, o.alpha):,}",
    ]


def _in_points(fraction: float) -> str:
    text = unsigned(points(fraction))
    return text if text == NO_NUMBER else f"{text} points"


def _gaussian_evidence(d: Floats) -> float:
    """sqrt(1/(n + 1)) (1 - S^2 / ((n + 1) V))^(-n/2), S the sum and V the sum of squares (Lai 1976)."""
    n, total, squares = len(d), d.sum(), (d**2).sum()
    return 1.0 if squares == 0 else float(math.sqrt(1 / (n + 1)) * (1 - total**2 / ((n + 1) * squares)) ** (-n / 2))


def _sign_evidence(d: Floats) -> float:
    """2^m B(k + 1/2, m - k + 1/2) / B(1/2, 1/2): k of the m differences that are not zero are positive."""
    k, m = int((d > 0).sum()), int((d != 0).sum())
    return float(2**m * special.beta(k + 0.5, m - k + 0.5) / special.beta(0.5, 0.5))


def _e_value(value: float) -> str:
    near = (value * (1 - EDGE), value, value * (1 + EDGE))
    return either(f"{e:,.0f}" if 100 <= e < 1e9 else f"{e:.3g}" for e in near)


def _all_cells(o: Oracle, say: Expected) -> None:
    rows = [_contrast_row(o, ENDPOINTS[name], one) for name, every in o.contrasts.items() for one in every]
    say.table("contrasts", ("batch size", "rate", "endpoint"), rows)


def _contrast_row(o: Oracle, endpoint: str, one: Contrast) -> Row:
    d, (a, b) = one.d, one.sides
    return one.where | {
        "endpoint": endpoint,
        "n": str(one.n),
        "without BN": percent(float(a.mean()) if one.n else math.nan),
        "with BN": percent(float(b.mean()) if one.n else math.nan),
        "failed without | with": one.failures,
        "difference": estimate(one.ci),
        "[all cells at once]": ends(one.joint),
        "Hodges-Lehmann": estimate(hodges_lehmann(d, o.level)),
        "p, paired t": p_text(paired_t(d)),
        "p, sign-flip": sign_flip(d).text,
        "p, Wilcoxon": wilcoxon(d).text,
        "p, step-down max-T": one.max_t.text,
        "p, sign-flip with Holm": p_text(one.holm),
        "g_z": estimate(hedges(d, o.level), NUMBER),
        "P(with > without)": decimals(float(np.mean((np.sign(d) + 1) / 2)) if one.n else math.nan),
        "p, equivalence (two one-sided t)": p_text(equivalence(d, o.margin)),
        "verdict": one.verdict + (f" ({one.reason})" if one.reason else ""),
    }
