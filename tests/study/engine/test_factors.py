"""What the engines make of the factors: grouping never shows, the kernel is as torch, chance is shared as asked."""

from dataclasses import replace

import numpy as np
import pytest

from study.data.dataset import Dataset
from study.engine import random_streams, registry
from study.engine.kernel.training import Training as KernelTraining
from study.engine.lockstep.training import TrainerFactory, Training, train_together
from study.errors import StudyError, UsageError
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.factors import Cell, Level
from study.spec.history import History
from tests.study.engine.test_grouping import bits

ARMS = ("bn", "no_bn")
ENGINES = pytest.mark.parametrize("make", [Training, KernelTraining], ids=["torch", "kernel"])
OWN_LEVELS: list[dict[str, Level]] = [
    {"activation": "sigmoid", "width": 20},
    {"activation": "tanh", "depth": 5, "width": 17},
    {"optimizer": "adamw", "weight_decay": 0.01},
    {"optimizer": "adam", "weight_decay": 0.01, "width": 5},
    {"optimizer": "sgd", "weight_decay": 0.01},
    {"optimizer": "momentum", "activation": "sigmoid", "width": 33},
    {"init": "kaiming", "depth": 3},
    {"n_train": 500, "label_noise": 0.2, "scale": "standard"},
]
BY_LEVELS = pytest.mark.parametrize("levels", OWN_LEVELS, ids=lambda levels: "-".join(map(str, levels.values())))


def design_of(levels: dict[str, Level], **other) -> Design:  # type: ignore[no-untyped-def]
    vary = {key: (level,) for key, level in levels.items()}
    return Design("digits", ARMS, (50,), (0.001, 0.01, 0.1), (0, 1, 2), **({"epochs": 1, "vary": vary} | other))


def cohort_of(levels: dict[str, Level], arms=ARMS, lrs=(0.001, 0.01, 0.1), seeds=(0, 1, 2)) -> Cohort:  # type: ignore[no-untyped-def]
    return Cohort(tuple(Cell(50, lr, **levels) for lr in lrs), tuple(arms), tuple(seeds))


def trained(design: Design, cohort: Cohort, data: Dataset, make: TrainerFactory = Training) -> History:
    (history,) = train_together(design, [cohort], data, make=make)
    return history


@BY_LEVELS
def test_a_run_has_the_same_bits_alone_and_beside_others(levels: dict[str, Level], digits: Dataset) -> None:
    design, whole = design_of(levels), cohort_of(levels)
    together = bits([whole], [trained(design, whole, digits)])
    for part in (
        cohort_of(levels, ("bn",), (0.01,), (1,)),
        cohort_of(levels, ("no_bn",), (0.1,), (2,)),
        cohort_of(levels, ARMS, (0.001, 0.1), (0, 2)),
    ):
        for run, found in bits([part], [trained(design, part, digits)]).items():
            assert found == together[run], run


# --- the kernel


def test_the_kernel_trains_what_changes_none_of_its_arithmetic() -> None:
    mine = {"depth": (2, 10), "width": (16,), "init": ("xavier",), "n_train": (600,), "label_noise": (0.2,)}
    assert registry.why_no_kernel(Design("digits", vary=mine | {"scale": ("standard",)}), "cpu") is None
    for key, level in (("activation", "tanh"), ("optimizer", "sgd"), ("weight_decay", 0.1)):
        design = Design("digits", vary={key: (level,)})
        assert registry.why_no_kernel(design, "cpu") == f"the kernel does not know the factor {key}"
        with pytest.raises(StudyError, match=f"--engine kernel: the kernel does not know the factor {key}"):
            registry.choose("kernel", design, "cpu", tf32=False, of_study=None)


def test_layers_of_a_cell_have_the_bits_of_the_same_layers_by_hidden(digits: Dataset) -> None:
    cell = {"depth": 4, "width": 20}
    by_cell = trained(design_of(cell), cohort_of(cell), digits, KernelTraining)
    by_hidden = trained(design_of({}, hidden=(20,) * 4), cohort_of({}), digits, KernelTraining)
    assert by_cell.loss.tobytes() == by_hidden.loss.tobytes()
    assert by_cell.test_correct.tobytes() == by_hidden.test_correct.tobytes()


@pytest.mark.parametrize("levels", [{"depth": 4, "width": 20, "init": "kaiming"}, OWN_LEVELS[-1], {"init": "xavier"}])
def test_the_kernel_trains_on_what_torch_trains_on(levels: dict[str, Level], digits: Dataset) -> None:
    design, cohort = design_of(levels), cohort_of(levels, lrs=(0.001,))
    theirs, ours = (trained(design, cohort, digits, make) for make in (Training, KernelTraining))
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-3)
    assert ours.n_steps == theirs.n_steps == design.n_train_in(cohort.cell) // 50


# --- chance


def test_what_a_seed_varies_is_part_of_ids_where_it_is_not_all(digits: Dataset) -> None:
    plain = design_of({})
    assert "seed_of" not in plain.to_dict()
    others = [
        plain,
        design_of({}, seed_of="order"),
        design_of({}, seed_of="weights"),
        design_of({}, unpaired_init=True),
    ]
    assert len({design.digest for design in others}) == len({design.run_id(design.runs[0]) for design in others}) == 4
    assert all(Design.from_dict(design.to_dict()) == design for design in others)
    with pytest.raises(UsageError, match="seed_of: the study has both, the command asks for order"):
        others[1].check_extends(plain)


@ENGINES
def test_where_the_order_alone_varies_runs_start_alike_and_part(make: TrainerFactory, digits: Dataset) -> None:
    both, order = (trained(design_of({}, seed_of=of), cohort_of({}), digits, make) for of in ("both", "order"))
    untrained, final = order.loss[:, 0].reshape(2, 3, 3, 2), order.loss[:, -1].reshape(2, 3, 3, 2)
    assert (untrained == untrained[:, :1]).all()
    assert len(np.unique(final[0, :, 1, 0])) == 3
    assert (order.loss.reshape(2, 3, 3, 2, 2)[:, 0] == both.loss.reshape(2, 3, 3, 2, 2)[:, 0]).all()  # of seed 0


@ENGINES
def test_where_the_weights_alone_vary_runs_see_the_batches_of_seed_0(
    make: TrainerFactory, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = trained(design_of({}, seed_of="weights"), cohort_of({}), digits, make)
    both = trained(design_of({}), cohort_of({}), digits, make)
    assert (weights.loss[:, 0] == both.loss[:, 0]).all()
    assert (weights.loss[:, -1] != both.loss[:, -1]).any()
    drawn = random_streams.image_order
    monkeypatch.setattr(random_streams, "image_order", lambda seed, epoch, n: drawn(0, epoch, n))
    assert trained(design_of({}), cohort_of({}), digits, make).loss.tobytes() == weights.loss.tobytes()


@ENGINES
def test_unpaired_arms_start_from_weights_of_their_own_and_the_baseline_from_those_it_had(
    make: TrainerFactory, digits: Dataset
) -> None:
    design = replace(design_of({}), arms=("bn", "layer", "no_bn"))
    arms = ("layer", "no_bn") if make is Training else ("bn", "no_bn")
    paired, unpaired = (
        trained(replace(design, unpaired_init=own), cohort_of({}, arms, (0.01,)), digits, make).loss[:, :, 0]
        for own in (False, True)
    )
    assert (paired[3:] == unpaired[3:]).all()  # of no_bn
    assert (paired[:3, 0] != unpaired[:3, 0]).all()
    assert len({design.init_cause(arm) for arm in design.arms}) == 1
    assert len({replace(design, unpaired_init=True).init_cause(arm) for arm in design.arms}) == 3
