"""Plan first: which runs are missing, and in which cohorts they train.

A cohort is a matter of speed: cells that differ in factors that stack, such as the rate, some seeds, all arms, in
lockstep. Cohorts hold whole pairs and come seed by seed, so that a stop leaves pairs and not halves. Knows no torch.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Self

from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run

MAX_RUNS_PER_STACK = 30
"""Runs of an arm at once: with fewer, each operation costs more a run (results/LOG.md)."""


@dataclass(frozen=True)
class Cohort:
    """Runs trained together: the product arms x seeds x cells, where the cells differ in factors that stack alone."""

    cells: tuple[Cell, ...]
    arms: tuple[str, ...]
    seeds: tuple[int, ...]

    @classmethod
    def whole(cls, design: Design) -> Self:
        """Return all runs of a grid whose cells stack."""
        return cls(tuple(design.cells), tuple(design.arms), tuple(design.seeds))

    @property
    def runs(self) -> list[Run]:
        """Its runs in the order of the stacked arrays: arm, then seed, then cell."""
        keys = product(self.arms, self.seeds, self.cells)
        return [Run(cell, seed=seed, arm=arm) for arm, seed, cell in keys]

    @property
    def cell(self) -> Cell:
        """The first cell: its levels of factors that do not stack are those of all cells."""
        return self.cells[0]

    @property
    def batch_size(self) -> int:
        return int(self.cell.batch_size)

    @property
    def lrs(self) -> tuple[float, ...]:
        return tuple(cell.lr for cell in self.cells)


def missing_runs(design: Design, done: Iterable[Run]) -> list[Run]:
    """Return the runs of the grid that can be trained and are not done."""
    finished = set(done)
    return [run for run in design.runs if run.applicable and run not in finished]


def cohorts(missing: Iterable[Run], workers: int = 1, most: int = MAX_RUNS_PER_STACK) -> list[Cohort]:
    """Cover the missing runs, each once, by cohorts of at most so many runs of an arm; enough of them for every worker
    to have one.

    >>> runs = Design("digits", lrs=(0.01,), seeds=(0, 1, 2), batch_sizes=(32,)).runs
    >>> [cohort.seeds for cohort in cohorts(runs, workers=2)]
    [(0, 1), (2,)]
    """
    planned = [
        Cohort(cells, arms, seeds)
        for (all_cells, arms), all_seeds in _blocks(missing).items()
        for cells in _chunks(all_cells, most)
        for seeds in _chunks(all_seeds, min(most // len(cells), -(-len(all_seeds) // workers)))
    ]
    return sorted(planned, key=lambda cohort: (cohort.seeds, cohort.cells, cohort.arms))


def shard(design: Design, part: int, n_parts: int) -> set[Run]:
    """Return the runs of the ``part``-th (from 1) of ``n_parts`` equal parts of the grid.

    They follow from the design alone, so that processes which start at different times agree.
    """
    whole = cohorts(missing_runs(design, done=()), workers=n_parts)
    return {run for cohort in whole[part - 1 :: n_parts] for run in cohort.runs}


def _blocks(missing: Iterable[Run]) -> dict[tuple[tuple[Cell, ...], tuple[str, ...]], tuple[int, ...]]:
    """Return seeds by (cells, arms), where every seed lacks exactly that product of cells and arms."""
    arms_of: dict[tuple[Cell, int], list[str]] = defaultdict(list)
    for run in sorted(missing):
        arms_of[run.cell, run.seed].append(run.arm)
    cells_of: dict[tuple[tuple[object, ...], tuple[str, ...], int], list[Cell]] = defaultdict(list)
    for (cell, seed), arms in arms_of.items():
        cells_of[cell.shape, tuple(arms), seed].append(cell)
    seeds_of: dict[tuple[tuple[Cell, ...], tuple[str, ...]], list[int]] = defaultdict(list)
    for (_, arms_key, seed), cells in cells_of.items():
        seeds_of[tuple(cells), arms_key].append(seed)
    return {block: tuple(seeds) for block, seeds in seeds_of.items()}


def _chunks(values: tuple, size: int) -> list[tuple]:
    return [values[start : start + size] for start in range(0, len(values), size)]
