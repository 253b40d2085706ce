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
    holm,
    max_t,
    no_spread,
    over,
    paired_t,
    sign_flip,
    snapped,
    sup_t,
    t_interval,
    verdict,
)
from tests.analysis.report.oracle.spelling import CHANCE, ENDPOINTS, IN_ALL_CELLS, Cell, Exact, Floats, Interval, where


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
