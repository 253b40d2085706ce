"""Grouping never shows: a run's history has the same bits whatever trains beside it."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from study.data import dataset
from study.engine.lockstep import training
from study.engine.lockstep.epochs import CudaGraphEpoch, EagerEpoch
from study.engine.lockstep.stacks import Lockstep
from study.spec.cohorts import MAX_RUNS_PER_STACK, Cohort
from study.spec.design import Design
from study.spec.history import History
from study.spec.runs import Run
from tests.study.values import cohort_of

ARMS = ("bn", "no_bn")
ALL_LRS, ALL_SEEDS = (1e-3, 1e-2, 1e-1, 1e3), tuple(range(5))  # a rate of 1000 diverges
PARTS = (
    (ARMS, (1e-3,), (0,)),
    (("no_bn",), (1e-2, 1e3), (3, 4)),
    (("bn",), (1e-1,), (2,)),
    (ARMS, (1e-1, 1e3), (4,)),
    (ARMS, (1e-3, 1e-2, 1e-1), (1, 2, 3)),
)
"""Alone, with other rates, other seeds, the other arm, beside a run that diverges."""

Bits = dict[Run, tuple[bytes, ...]]


def bits(cohorts: Iterable[Cohort], histories: Iterable[History]) -> Bits:
    return {
        run: tuple(
            array[index].tobytes() for array in (history.loss, history.n_correct, history.finite, history.test_correct)
        )
        for cohort, history in zip(cohorts, histories, strict=True)
        for index, run in enumerate(cohort.runs)
    }


def trained(design: Design, cohort: Cohort, images: dataset.Dataset) -> Bits:
    return bits([cohort], [training.train(design, cohort, images)])


def design_of(batch_size: int, **other) -> Design:
    return Design("digits", batch_sizes=(batch_size,), lrs=ALL_LRS, seeds=ALL_SEEDS, **({"epochs": 2} | other))


def assert_parts_equal_the_whole(design: Design, images: dataset.Dataset, parts=PARTS) -> None:
    batch_size = design.batch_sizes[0]
    together = trained(design, cohort_of(batch_size, ARMS, design.lrs, design.seeds), images)
    for part in parts:
        for run, found in trained(design, cohort_of(batch_size, *part), images).items():
            assert found == together[run], run


@pytest.mark.parametrize(("hidden", "batch_size"), [((32, 32), 7), ((33, 5, 17), 32), ((33, 5, 17), 512), ((1,), 32)])
def test_a_part_of_the_grid_has_the_bits_of_the_whole(
    hidden: tuple[int, ...], batch_size: int, both: dataset.Dataset
) -> None:
    assert_parts_equal_the_whole(design_of(batch_size, hidden=hidden), both)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [(32, 32), (64,), (13, 29), (2, 3, 4), (16,) * 10])
@pytest.mark.parametrize("batch_size", [2, 3, 17, 100, 128, 333, 1000])
def test_a_part_of_the_grid_has_the_bits_of_the_whole_at_odd_sizes(
    hidden: tuple[int, ...], batch_size: int, both: dataset.Dataset
) -> None:
    assert_parts_equal_the_whole(design_of(batch_size, hidden=hidden, epochs=1), both)


@pytest.mark.parametrize("batch_size", [32, pytest.param(512, marks=pytest.mark.slow)])
def test_a_part_of_the_grid_has_the_bits_of_the_whole_on_mnist(batch_size: int, mnist_dir: Path) -> None:
    mnist = dataset.load("mnist", mnist_dir)
    some = dataset.Dataset("mnist", dataset.Split(mnist.train.images[:4096], mnist.train.labels[:4096]), mnist.test, {})
    design = Design("mnist", batch_sizes=(batch_size,), seeds=tuple(range(10)), epochs=1)
    assert_parts_equal_the_whole(design, some, parts=[(("bn",), (0.01,), (1,)), (ARMS, (0.001, 0.1), (3, 9))])


def test_cohorts_side_by_side_have_the_bits_of_each_alone(both: dataset.Dataset) -> None:
    design = design_of(64)
    cohorts = [
        cohort_of(64, ARMS, (1e-2, 1e3), (0, 1)),
        cohort_of(64, ARMS, (1e-1,), (4,)),
        cohort_of(64, ("bn",), ALL_LRS, (2,)),
    ]
    together = bits(cohorts, training.train_together(design, cohorts, both))
    for cohort in cohorts:
        assert trained(design, cohort, both).items() <= together.items()


@torch.no_grad()
def test_what_a_gpu_replays_is_what_a_cpu_does_step_by_step(digits: dataset.Dataset) -> None:
    """Slots of one shape, a static order and a place that moves on the device, here without a graph: equal bits."""
    design = design_of(100)
    cohort = cohort_of(100, ARMS, (1e-2, 1e3), (3, 4))
    fixed, shared = (Lockstep(design, cohort, torch.float32, torch.device("cpu"), fixed) for fixed in (True, False))
    assert [len(stack.parameters.scale) for stack in fixed.stacks] == [MAX_RUNS_PER_STACK, MAX_RUNS_PER_STACK]
    passes = CudaGraphEpoch(fixed, digits.train, warm_up_copy=lambda: fixed), EagerEpoch(shared, digits.train)
    for epoch in (1, 2):
        for lockstep, one_pass in zip((fixed, shared), passes, strict=True):
            one_pass.run(training.image_orders(lockstep.slots.seeds, epoch, cohort, digits))
        ours, theirs = (training.Snapshot(lockstep, digits) for lockstep in (fixed, shared))
        assert ours.loss.tobytes() == theirs.loss.tobytes()
        assert ours.test_correct.tobytes() == theirs.test_correct.tobytes()
    assert passes[0].unrolled == 14


@pytest.mark.parametrize(("n_images", "unrolled"), [(1437, 14), (70, 7), (101 * 10, 1)])
def test_a_graph_holds_as_many_steps_as_divide_the_epoch(n_images: int, unrolled: int, digits: dataset.Dataset) -> None:
    batch_size = {1437: 100, 70: 10, 1010: 10}[n_images]
    split = dataset.Split(digits.train.images[:n_images], digits.train.labels[:n_images])
    cohort = cohort_of(batch_size, ("bn",), (0.01,), (0,))
    lockstep = Lockstep(design_of(batch_size), cohort, torch.float32, torch.device("cpu"))
    assert CudaGraphEpoch(lockstep, split, warm_up_copy=lambda: lockstep).unrolled == unrolled
