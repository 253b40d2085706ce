"""The oracle of the first record and of the last one is the evaluation of a training."""

from dataclasses import replace
from pathlib import Path

import pytest

from study.claims.measuring import Context
from study.claims.probes import speed
from study.data.dataset import Dataset
from study.engine.lockstep import training
from study.spec.arms import DEFAULT_ARMS
from study.spec.claims.experiments import PROBES, QUICK
from study.spec.datasets import DATASETS
from study.spec.design import Design
from tests.study.values import cohort_of

N_SEEDS = 3


def context(data: Dataset, n_seeds: int = N_SEEDS, **other) -> Context:
    extent = replace(QUICK, seeds=n_seeds)
    return Context(DATASETS["digits"], extent, data, Path(), PROBES["speed"].settings, **other)


@pytest.mark.parametrize("arm", DEFAULT_ARMS)
def test_the_records_begin_and_end_with_those_of_a_training(arm: str, both: Dataset) -> None:
    rows = speed.measure(arm, context(both))
    seeds = tuple(range(N_SEEDS))
    cohort = cohort_of(32, (arm,), (0.01,), seeds)
    history = training.train(Design("digits", arms=(arm,), seeds=seeds, epochs=1), cohort, both)
    found = {(row.seed, row.step): row.value for row in rows}
    for seed in seeds:
        correct = [found[seed, step] * 360 for step in (0, 44)]
        assert correct == pytest.approx(history.n_correct[seed, :, 1].tolist())
        assert found[seed, 22] not in (found[seed, 0], found[seed, 44])


def test_an_epoch_of_digits_has_a_record_every_other_step(digits: Dataset) -> None:
    rows = speed.measure("bn", context(digits))
    assert [row.step for row in rows if row.seed == 1] == [*range(0, 45, 2)]
    assert {(row.measure, row.arm, row.n) for row in rows} == {("accuracy", "bn", 360)}


def test_the_arms_are_not_exchanged(digits: Dataset) -> None:
    """On these images batch norm has learnt more after half an epoch, with every seed."""
    assert PROBES["speed"].units(DATASETS["digits"], QUICK) == ("bn", "no_bn")
    bn, none = ({r.seed: r.value for r in speed.measure(arm, context(digits)) if r.step == 22} for arm in DEFAULT_ARMS)
    assert all(bn[seed] > none[seed] for seed in range(N_SEEDS))


def test_a_seed_s_rows_do_not_depend_on_the_other_seeds(digits: Dataset) -> None:
    one, three = (speed.measure("bn", context(digits, n_seeds=n)) for n in (1, 3))
    assert one == [row for row in three if row.seed == 0]


def test_a_measurement_ends_where_it_is_told_to(digits: Dataset) -> None:
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        speed.measure("bn", context(digits, check_cancelled=stop))
