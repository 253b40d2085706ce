"""A small study with planted outcomes, in which cells, arms, seeds and epochs all differ, so that a number drawn in the
place of another is seen. Everything that these tests know of a cell is here."""

from typing import Any

import numpy as np

from study.spec.checks import in_full
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run

ALPHA, MARGIN = 0.05, 0.002
BASELINE, ARM = "no_bn", "bn"
SIZES, LRS, SEEDS = (32, 64), (0.001, 0.01, 0.1), tuple(range(6))
CELLS = tuple(Cell(size, lr) for size in SIZES for lr in LRS)
DESIGN = Design("digits", batch_sizes=SIZES, lrs=LRS, seeds=SEEDS, epochs=4)
CHANCE = 0.1
DIVERGING = Cell(32, 0.1)
"""Where two runs of the baseline do."""


def cell(of: Any) -> Cell:
    """Of a run, a curve, a trial, a contrast; None where that is over all cells."""
    return of.cell


def size(of: Any) -> int:
    return cell(of).batch_size


def rate(of: Any) -> float:
    return cell(of).lr


def show(lr: float) -> str:
    """A rate as a reader sees it."""
    return in_full(lr)


def accuracy(run: Run, epoch: int) -> float | None:
    """On 360 test images."""
    k = CELLS.index(cell(run))
    if (run.arm, cell(run)) == (BASELINE, DIVERGING) and run.seed in (1, 4) and epoch > 2:
        return None
    gain = k - 2 + (7 * run.seed + k * k) % 5 if run.arm == ARM else 0
    return (282 + 14 * epoch + k + 3 * run.seed % 7 + gain) / 360


def primary(arm: str, at: Cell) -> np.ndarray:
    """The mean of the last three epochs in a cell, by seed; chance where the run diverged."""
    scores = [[accuracy(Run(at, seed=seed, arm=arm), epoch) for epoch in (2, 3, 4)] for seed in SEEDS]
    return np.array([CHANCE if None in last else np.mean(last) for last in scores])


def over_cells(arm: str) -> np.ndarray:
    """The mean over the cells, by seed."""
    return np.mean([primary(arm, at) for at in CELLS], axis=0)
