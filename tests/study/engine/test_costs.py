from dataclasses import replace

import pytest

from study.engine import costs, devices, registry
from study.spec.cohorts import Cohort, cohorts, missing_runs
from study.spec.design import Design
from study.spec.factors import Cell, Level
from tests.study.values import cohort_of

DESIGN = Design("mnist")
PLAN = cohorts(missing_runs(DESIGN, ()), workers=2)


MODELS = pytest.mark.parametrize("model", [costs.TORCH, costs.KERNEL], ids=["torch", "kernel"])


@MODELS
def test_work_is_counted_by_hand(model: costs.CostModel) -> None:
    """Runs pay for themselves; the price of calling an arm's operations is shared."""
    one = model.work(DESIGN, cohort_of(32, ("bn",), (0.1,), (0,)))
    two = model.work(DESIGN, cohort_of(32, ("bn",), (0.1, 0.2), (0,)))
    steps, parameters = 10 * 1875, 26_506 + 128
    images = steps * (32 + model.cost_per_run_step) + model.cost_per_evaluated_image * 11 * 70_000
    assert one == parameters * (images + steps * model.cost_per_arm_step)
    assert two - one == pytest.approx(parameters * images)


@MODELS
def test_time_is_that_of_the_busiest_worker(model: costs.CostModel) -> None:
    total = sum(model.work(DESIGN, cohort) for cohort in PLAN)
    alone = model.seconds(DESIGN, PLAN, 1, throughput=total) - model.start_seconds
    both = model.seconds(DESIGN, PLAN, 2, throughput=total) - model.start_seconds
    assert alone == pytest.approx(1)
    assert 0.5 <= both < 0.8


def test_an_engine_has_its_cost_model_by_its_name() -> None:
    assert costs.for_engine(registry.KERNEL) is costs.KERNEL
    assert costs.for_engine(devices.numerics_id("cpu", tf32=False)) is costs.TORCH


@MODELS
def test_memory_grows_by_worker_and_stays_under_the_limit_of_the_default_study(model: costs.CostModel) -> None:
    assert model.memory(DESIGN, PLAN, 1) < model.memory(DESIGN, PLAN, 2) < 2.5e9


def test_threads_share_what_every_process_has_of_its_own() -> None:
    assert costs.KERNEL.memory(DESIGN, PLAN, 2) + costs.inference_bytes(DESIGN, 2) < 1.5e9
    more, more_processes = (p.memory(DESIGN, PLAN, 8) - p.memory(DESIGN, PLAN, 2) for p in (costs.KERNEL, costs.TORCH))
    assert more < more_processes - 6 * costs.PROCESS_BYTES + 1


# --- by hand

MADE_UP = costs.CostModel("made-up-", 7, 11, 0.5, 13, 30, throughput_per_flop=2, start_seconds=3, in_threads=False)
DIGITS = Design("digits", batch_sizes=(100,), lrs=(0.1, 0.2, 0.3), seeds=(0, 1), epochs=3)
WITHOUT = 64 * 32 + 32 + 32 * 32 + 32 + 32 * 10 + 10
WITH = WITHOUT + 2 * 32 + 2 * 32
"""Parameters of a network, without batch norm and with it."""


def of_digits(n_seeds: int, arms: tuple[str, ...] = ("bn", "no_bn")) -> Cohort:
    return cohort_of(100, arms, DIGITS.lrs, range(n_seeds))


def test_work_is_that_of_steps_and_evaluations_of_every_run_and_of_calling_every_arm() -> None:
    steps = 3 * 14
    trained, moved = steps * 100, steps * 7
    evaluated = 0.5 * (1 + 3) * (1437 + 360)
    of_runs, of_arm = 2 * 3 * (trained + moved + evaluated), steps * 11
    assert MADE_UP.work(DIGITS, of_digits(2)) == (WITH + WITHOUT) * (of_runs + of_arm)
    assert MADE_UP.work(DIGITS, of_digits(2, ("no_bn",))) == WITHOUT * (of_runs + of_arm)


@pytest.mark.parametrize(
    ("n_seeds", "workers", "seconds"),
    [((3, 1, 1), 1, 5), ((3, 1, 1), 2, 3), ((1, 1, 3), 2, 4), ((2, 2, 2), 2, 4), ((1, 2, 3), 5, 3), ((), 2, 0)],
)
def test_cohorts_go_in_order_to_the_idle_worker(n_seeds: tuple[int, ...], workers: int, seconds: float) -> None:
    """A second a seed, where an arm costs nothing to call."""
    model = costs.KERNEL
    throughput = model.work(DIGITS, of_digits(1))
    found = model.seconds(DIGITS, [of_digits(n) for n in n_seeds], workers, throughput)
    assert found == pytest.approx(model.start_seconds + seconds)


def test_inference_modes_cost_test_images_of_the_networks_with_batch_norm_shared_by_the_workers() -> None:
    plan = [of_digits(2), of_digits(1, ("no_bn",)), of_digits(1, ("bn",))]
    found = MADE_UP.inference_seconds(DIGITS, plan, workers=4, throughput=100)
    assert found == pytest.approx(3 * (2 + 1) * (13 + 30 / 3) * 360 * WITH / 100 / 4)


def bytes_of(n_seeds: int) -> float:
    """Of a cohort's parameters, gradient and two moments, features four times, batch; numbers of four bytes."""
    features = 4 * (32 + 32 + 10) * 100
    return 4 * (3 * n_seeds * (4 * (WITH + WITHOUT) + 2 * features) + n_seeds * 100 * 64)


def test_memory_is_the_data_and_the_largest_cohort_of_every_worker_and_a_torch_of_every_process() -> None:
    data, plan = 4 * (1437 + 360) * 64, [of_digits(1), of_digits(3), of_digits(2)]
    assert costs.cohort_bytes(DIGITS, of_digits(3)) == bytes_of(3)
    assert MADE_UP.memory(DIGITS, plan, 5) == 600e6 + data + 5 * (600e6 + bytes_of(3))
    assert replace(MADE_UP, in_threads=True).memory(DIGITS, plan, 5) == 600e6 + 2 * data + 5 * bytes_of(3)
    assert MADE_UP.memory(DIGITS, [], 1) == 600e6 + data + 600e6


# --- of factors


def test_work_follows_depth_width_and_the_number_of_images() -> None:
    def work(**levels: int) -> float:
        design = replace(DIGITS, vary={key: (level,) for key, level in levels.items()})
        return MADE_UP.work(design, Cohort((Cell(100, 0.1, **levels),), ("no_bn",), (0,)))

    assert work(depth=2, width=32) == MADE_UP.work(DIGITS, cohort_of(100, ("no_bn",), (0.1,), (0,)))
    assert work(depth=5) / work() == (WITHOUT + 3 * (32 * 32 + 32)) / WITHOUT
    steps, evaluated = 3 * 7, 0.5 * (1 + 3) * (700 + 360)
    assert work(n_train=700) == WITHOUT * (steps * 100 + steps * 7 + evaluated + steps * 11)


def test_memory_counts_the_images_that_cells_have_of_their_own() -> None:
    def more(**vary: tuple[Level, ...]) -> float:
        return costs.variant_bytes(replace(DIGITS, vary=vary))

    assert more(label_noise=(0, 0.2), depth=(2, 5), n_train=(1437,)) == 0
    assert more(n_train=(700, 1437)) == 4 * 700 * 64
    assert more(scale=("none", "standard"), n_train=(700, 1437)) == 4 * (700 + 700 + 360 + 1437 + 360) * 64
    assert more(n_train=(100, 200, 300, 400, 500, 600)) == 4 * (300 + 400 + 500 + 600) * 64
    grown = replace(DIGITS, vary={"n_train": (700, 1437)})
    assert MADE_UP.memory(grown, [], 3) - MADE_UP.memory(DIGITS, [], 3) == 3 * 4 * 700 * 64
