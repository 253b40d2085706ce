"""Reversed rows leave every batch the same images: where a class changes, rounding did it, through the bias."""

import pytest
import torch
from torch import Tensor

from study.claims.probes.row_reversal import ARMS, measure, of_run, trained
from study.spec.claims.experiments import PROBES, STUDIES, Extent
from study.spec.design import Design
from study.spec.runs import Run
from tests.study.claims.probes.conftest import DIGITS, TWO_SEEDS, ContextOf

DESIGN = Design("digits", arms=ARMS, seeds=(0, 1), batch_sizes=(32,), lrs=(0.01,))
STEPS = 60
"""More than an epoch of digits has."""


def run_of(arm: str, seed: int = 0) -> Run:
    return next(run for run in DESIGN.grid if (run.arm, run.seed) == (arm, seed))


def reverse(rows: Tensor) -> Tensor:
    return rows.flip(1)


def test_rows_of_every_arm_mode_and_seed(extent: Extent, context_of: ContextOf) -> None:
    rows = [
        row
        for unit in PROBES["row-reversal"].units(DIGITS, extent)
        for row in measure(unit, context_of("row-reversal"))
    ]
    found = {(row.arm, row.mode, row.seed) for row in rows}
    assert found == {(arm, mode, seed) for arm in ARMS for mode in ("running", "population") for seed in (0, 1)}
    assert {(row.measure, row.n) for row in rows} == {("flips", DIGITS.n_test)}
    assert not [row for row in rows if row.value and (row.arm, row.mode) != ("bn", "running")]


def test_the_cells_are_the_tutorials() -> None:
    assert {run.cell for run in DESIGN.grid} == {*STUDIES["post"].design(DIGITS, TWO_SEEDS).cells}


def test_reversed_batches_hold_the_same_images(context_of: ContextOf) -> None:
    """Of every step of the training, through more than an epoch."""
    seen: list[Tensor] = []

    def watched(rows: Tensor) -> Tensor:
        seen.extend((rows, reverse(rows)))
        return reverse(rows)

    trained(DESIGN, run_of("bn"), context_of("row-reversal").images, STEPS, watched)
    an_epoch = DIGITS.n_train // 32
    assert [rows.shape for rows in seen] == [(an_epoch, 32)] * 4
    for rows, reversed_rows in zip(seen[::2], seen[1::2], strict=True):
        assert len({*rows.flatten().tolist()}) == an_epoch * 32
        assert torch.equal(reversed_rows.sort(1).values, rows.sort(1).values)
        assert not torch.equal(reversed_rows, rows)


@pytest.mark.parametrize("arm", ARMS)
def test_the_same_order_gives_the_same_bits(arm: str, context_of: ContextOf) -> None:
    context = context_of("row-reversal")
    states = [trained(DESIGN, run_of(arm), context.images, STEPS, lambda rows: rows) for _ in range(2)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_other_batches_are_seen(context_of: ContextOf) -> None:
    """Planted: an image moves into the next batch."""
    rows = of_run(
        DESIGN, run_of("bn_no_bias"), context_of("row-reversal"), lambda rows: rows.flatten().roll(1).view_as(rows)
    )
    assert min(row.value for row in rows) > 0


def test_it_is_the_bias_that_rounding_moves(context_of: ContextOf) -> None:
    images, run = context_of("row-reversal").images, run_of("bn")
    one, other = (trained(DESIGN, run, images, STEPS, order) for order in (lambda rows: rows, reverse))
    change = {name: (one[name] - other[name]).abs().max().item() for name in one}
    assert min(change[f"linears.{i}.bias"] for i in (0, 1)) > 0.01
    assert max(value for name, value in change.items() if name.endswith("weight")) < 0.001
