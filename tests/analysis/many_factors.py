"""A study of more factors than a map has axes: two of its own are registered for as long as a test runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from study.spec.design import Design
from study.spec.factors import FACTORS, REFERENCE_SETTING, Factor, Level
from study.spec.runs import Run

SETTLED = ("widths", "optimiser", "weight decay", "first weights", "training images")
TURNS = Factor("turns", int, "turns", "turns", (2, 5, 10), lambda *_: None, settles=SETTLED)
DRAG = Factor("drag", float, "drag", "drag", (0.0, 0.5), lambda *_: None, show="{:g}".format)
"""It has a zero, which no logarithmic axis holds."""
NAMES = ("relu", "tanh")
WOBBLE = (0, 2, 1, 3, 1, 2)


@contextmanager
def registered() -> Iterator[None]:
    """Within, TURNS and DRAG are factors of every cell."""
    with pytest.MonkeyPatch.context() as patch:
        for factor in (TURNS, DRAG):
            patch.setitem(FACTORS, factor.key, factor)
            patch.setitem(REFERENCE_SETTING._levels, factor.key, factor.default[0])
        yield


def design(sizes: tuple[int, ...] = (32,), lrs: tuple[float, ...] = (0.01,), **vary: tuple[Level, ...]) -> Design:
    return Design("digits", batch_sizes=sizes, lrs=lrs, seeds=range(6), epochs=1, vary=tuple(vary.items()))


def gain(cell: Any) -> int:
    """Images of 360 that batch norm gains, less the wobble of the seeds: another number in every cell."""
    place = TURNS.default.index(cell["turns"])
    return 4 + 9 * place + 3 * (cell["activation"] == "tanh") + (cell.lr > 0.01) + (cell.batch_size > 32)


def wobble(cell: Any, seed: int) -> int:
    """What a seed adds to it: other numbers in other cells, and something in all."""
    return WOBBLE[(seed + gain(cell)) % 6] + seed % 3


def score(run: Run, epoch: int) -> float:
    """With ten turns and tanh every second run of the baseline stays at chance."""
    if run.arm == "no_bn" and run.cell["turns"] == 10 and run.cell["activation"] == "tanh" and run.seed % 2:
        return 0.1
    more = gain(run.cell) + wobble(run.cell, run.seed) if run.arm == "bn" else 0
    return (250 + 4 * epoch + 3 * run.seed + more) / 360
