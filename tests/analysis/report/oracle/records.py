"""A study's parquet files as arrays, and its contrasts."""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.analysis.report.oracle.arithmetic import (
    concluded,
    holm,
    no_spread,
    one_family,
    over,
    sign_flip,
    snapped,
    t_interval,
    upper_limit,
)
from tests.analysis.report.oracle.spelling import (
    CHANCE,
    ENDPOINTS,
    IN_ALL_CELLS,
    NO_NUMBER,
    Cell,
    Exact,
    Floats,
    Interval,
    place,
    two_digits,
    where,
)

ARMS = ("no_bn", "bn")
TIPPING = "collapses that reverse it | excluded above"
"""The head of a column that stands beside every verdict."""


class Records:
    """A study's runs as arrays (seeds, cells) by arm: scores with chance where a run diverged, NaN where there is no
    run."""

    def __init__(self, folder: Path):
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        design = manifest["design"]
        self.folder, self.name, self.dataset = folder, manifest["study_id"], design["dataset"]
        self.epochs, self.hidden, self.arms = design["epochs"], design["hidden"], design["arms"]
        self.is_tuned = bool(design.get("tuned"))
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
            if (size, lr) not in self.cells:  # a run of the tuned cell alone
                continue
            place = np.unravel_index(at[seed, (size, lr)], shape)
            self.there[arm][place] = status != "not_applicable"
            self.diverged[arm][place] = status == "diverged"
        tested = self.records[(self.records.split == "test") & (self.records.epoch > 0)]
        columns = (tested[name] for name in ("arm", "batch_size", "lr", "seed", "epoch", "accuracy"))
        for arm, size, lr, seed, epoch, accuracy in zip(*columns, strict=True):
            if (size, lr) in self.cells:
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

    def setting(self, cell: Cell | None) -> str:
        """What a row is called; the total of several settings, or of the pairs of one."""
        return "all pairs" if cell is None and len(self.cells) == 1 else place(cell)

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
    seeds: NDArray[np.int_]
    """Of the differences."""
    bounds: tuple[float, float] | None = None
    n_missing: int = 0
    joint: Interval | None = None
    p: Exact = field(default_factory=Exact)
    holm: float = math.nan
    verdict: str = "description"
    reason: str | None = None
    tipping: "Tipping | None" = None

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
        return f"{self.failed[0]} | {self.failed[1]} of {self.n_runs}" if self.n_runs else NO_NUMBER

    @property
    def shown(self) -> Interval:
        return self.joint or self.ci


@dataclass
class Tipping:
    """The share of an arm's runs whose collapse brings it down to the other's, and what seeds without one exclude."""

    arm: str
    rate: float
    n_failed: int
    n: int
    limit: float


class Oracle:
    """Every claim of the page of one study."""

    def __init__(self, folder: Path, alpha: float, margin: float, others: Sequence[Path] = ()):
        self.of, self.alpha, self.margin, self.level = Records(folder), alpha, margin, 1 - alpha
        self.others = [Oracle(other, alpha, margin) for other in others]
        self.seeds_to_reach = next(n for n in itertools.count(1) if 2 / 2**n <= alpha)
        self.contrasts = {endpoint: self._contrasts(endpoint) for endpoint in ENDPOINTS}
        self.whole, *self.in_cells = self.contrasts["last3"]
        self.d = self.whole.d
        self.shown = (32, 0.01) if (32, 0.01) in self.of.cells else self.of.cells[len(self.of.cells) // 2]

    def _contrasts(self, endpoint: str) -> list[Contrast]:
        """Over all cells, then in each of the grid."""
        found = [self._whole(endpoint), *(self._in_cell(endpoint, i) for i in range(len(self.of.cells)))]
        tested = [one for one in found if one.n >= self.seeds_to_reach and not no_spread(one.d)]
        D = np.full((len(self.of.seeds), len(tested)), np.nan)
        for column, one in zip(D.T, tested, strict=True):
            column[one.seeds] = one.d
        for one, (p, joint) in zip(tested, one_family(D, self.alpha), strict=True):
            one.p, one.joint = p, joint
        for one in found:
            self._decide(one, endpoint)
        self._among(found[0], found[1:])
        for one, p in zip(found[1:], holm([sign_flip(one.d).p for one in found[1:]]), strict=True):
            one.holm = p if one.joint else math.nan
        return found

    def _whole(self, endpoint: str) -> Contrast:
        of, d = self.of, self.of.by_seed(endpoint)
        complete = of.complete(of.common)
        mask = complete[:, None] & np.isin(np.arange(len(of.cells)), of.common)
        sides = [over(of.score[endpoint][arm][complete][:, of.common]) for arm in ARMS]
        return self._contrast(None, d, sides, mask, np.flatnonzero(complete), endpoint, of.common)

    def _in_cell(self, endpoint: str, i: int) -> Contrast:
        """Of the pairs in which both learn; of none where a run fails and too few are left."""
        of = self.of
        mask = np.zeros_like(of.paired)
        mask[of.paired[:, i], i] = True
        failed = (of.failed["bn"] | of.failed["no_bn"])[:, i]
        there = of.paired[:, i] & ~failed
        if there.sum() < self.seeds_to_reach and (of.paired[:, i] & failed).any():
            there = np.zeros_like(there)
        sides = [of.score[endpoint][arm][there, i] for arm in ARMS]
        d = of.difference(endpoint)[there, i]
        columns = [i] if i in of.common else []
        return self._contrast(of.cells[i], d, sides, mask, np.flatnonzero(there), endpoint, columns)

    def _contrast(
        self,
        cell: Cell | None,
        d: Floats,
        sides: Sequence[Floats],
        mask: NDArray,
        seeds: NDArray,
        endpoint: str,
        columns: Sequence[int],
    ) -> Contrast:
        of = self.of
        failed, diverged = ([int(flags[arm][mask].sum()) for arm in ARMS] for flags in (of.failed, of.diverged))
        one = Contrast(cell, d, sides, int(mask.sum()), failed, diverged, t_interval(d, self.level), seeds)
        begun = (of.there["bn"] | of.there["no_bn"])[:, of.common].any(axis=1)
        lost = begun[:, None] & ~of.paired
        one.n_missing = int(lost[:, columns].sum())
        if one.n_missing:
            ends = [self._filled(endpoint, lost, worst_arm)[:, columns] for worst_arm in (0.0, 1.0)]
            if cell is not None:
                fails = sum(of.failed[arm] & of.there[arm] for arm in ARMS)[:, columns] > 0
                ends = [np.where(fails, np.nan, end) for end in ends]
            low, high = (float(np.nanmean(end[begun] if cell else end[begun].mean(axis=1))) for end in ends)
            one.bounds = low, high
        return one

    def _filled(self, endpoint: str, lost: NDArray, arm: float) -> Floats:
        """Differences in which the arm's missing runs score ``arm`` and the baseline's the opposite."""
        of = self.of
        a, b = (of.score[endpoint][name] for name in ARMS)
        filled = np.where(of.there["bn"], b, arm) - np.where(of.there["no_bn"], a, 1 - arm)
        return np.where(lost, filled, of.difference(endpoint))

    def _decide(self, one: Contrast, endpoint: str) -> None:
        if not one.n and one.cell and sum(one.failed):
            one.verdict = "counts alone"
            one.reason = f"both arms learn in fewer than {self.seeds_to_reach} of {one.n_runs} pairs"
            return
        inner, why = t_interval(one.d, 1 - 2 * self.alpha), no_spread(one.d)
        one.verdict = concluded(one.shown, inner, self.alpha, self.margin, why, one.bounds)
        if one.n < self.seeds_to_reach:
            one.reason = f"{one.n} pair{'' if one.n == 1 else 's'}: a verdict needs {self.seeds_to_reach}"
        elif why:
            one.reason = why
        elif one.verdict == "withheld":
            one.reason = withheld(one.n_missing)
        if one.verdict.startswith(("better", "worse")):
            columns = self.of.common if one.cell is None else [self.of.cells.index(one.cell)]
            one.tipping = self.tipping(endpoint, columns, one.mean > 0)

    def tipping(self, endpoint: str, columns: Sequence[int], arm_is_better: bool) -> Tipping:
        of = self.of
        mine, other = ("bn", "no_bn") if arm_is_better else ("no_bn", "bn")
        there = of.complete(columns)
        scores, failed = of.score[endpoint][mine][there][:, columns], of.failed[mine][there][:, columns]
        learned, rival = scores[~failed].mean(), of.score[endpoint][other][there][:, columns].mean()
        return tipping_at(mine, learned, rival, failed.any(axis=1), self.alpha)

    def _among(self, whole: Contrast, cells: Sequence[Contrast]) -> None:
        """What the cells leave of the verdict on their mean."""

        def negligible(one: Contrast) -> bool:
            inner = t_interval(one.d, 1 - 2 * self.alpha)
            return one.joint is not None and -self.margin < inner.low and inner.high < self.margin

        everywhere = all(negligible(cell) for cell in cells) and len(cells) == len(self.of.common)
        if not everywhere:
            whole.verdict = whole.verdict.removesuffix(", by less than the margin")
        if whole.verdict in ("equivalent", "inconclusive"):
            sides = {cell.verdict.split(",")[0] for cell in cells}
            mixed = {"better", "worse"} <= sides
            whole.verdict = "mixed" if mixed else "equivalent" if everywhere else "inconclusive"


def tipping_text(found: Tipping | None) -> str:
    return NO_NUMBER if found is None else f"{two_digits(found.rate)} | {two_digits(found.limit)}"


def withheld(n_missing: int) -> str:
    pairs = "1 pair lacks" if n_missing == 1 else f"{n_missing} pairs lack"
    return f"{pairs} a run, which could reverse the difference"


def tipping_at(arm: str, learned: float, rival: float, failed: NDArray, alpha: float) -> Tipping:
    """``failed`` by seed."""
    k, n = int(failed.sum()), len(failed)
    rate = min(1.0, max(0.0, float((learned - rival) / (learned - CHANCE))))
    return Tipping(arm, rate, k, n, upper_limit(k, n, alpha))
