"""Every optimiser, weight decay, activation and depth. Oracle: torch.nn with autograd and torch.optim in float64."""

from itertools import product

import pytest
import torch

from study.data.dataset import Dataset
from study.engine import costs, optimisers, registry
from study.engine.lockstep.optimiser import Parameters
from study.errors import UsageError
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.factors import ACTIVATIONS, OPTIMIZERS, Cell
from tests.study.engine.steps import a_step_equals_torchs

DECAYS, DEPTHS = (0.0, 0.01), (1, 2, 5, 10)
FAST = {
    ("adam", 0.0, "sigmoid", 2),
    ("adam", 0.01, "relu", 5),
    ("adamw", 0.01, "tanh", 2),
    ("sgd", 0.01, "tanh", 10),
    ("sgd", 0.0, "relu", 1),
    ("momentum", 0.01, "sigmoid", 2),
    ("momentum", 0.0, "relu", 5),
}
CASES = [
    pytest.param(*case, marks=[] if case in FAST else [pytest.mark.slow])
    for case in product(OPTIMIZERS, DECAYS, ACTIVATIONS, DEPTHS)
]


def test_every_level_of_the_factor_has_its_rule() -> None:
    assert tuple(optimisers.OPTIMISERS) == OPTIMIZERS


@pytest.mark.parametrize(("optimizer", "weight_decay", "activation", "depth"), CASES)
def test_a_step_is_that_of_torch_from_the_same_state(
    optimizer: str, weight_decay: float, activation: str, depth: int, digits64: Dataset
) -> None:
    """At two rates, whose steps are one; 20 units are padded to whole vectors."""
    levels = {"optimizer": optimizer, "weight_decay": weight_decay, "activation": activation, "depth": depth}
    cells = tuple(Cell(32, lr, width=20, **levels) for lr in (0.01, 0.03))
    vary = {key: (level,) for key, level in (levels | {"width": 20}).items()}
    design = Design("digits", ("bn", "no_bn"), (32,), (0.01, 0.03), (0, 1), vary=vary)
    a_step_equals_torchs(design, Cohort(cells, ("bn", "no_bn"), (0, 1)), digits64)


@pytest.mark.parametrize(("optimizer", "theirs"), [("adam", "adamw"), ("momentum", "sgd"), ("sgd", "adam")])
def test_another_optimiser_is_seen(
    optimizer: str, theirs: str, digits64: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    twins = {key: rule.twin for key, rule in optimisers.OPTIMISERS.items()}
    monkeypatch.setattr(
        optimisers, "twin", lambda rule, of, lr: twins[theirs](of, lr=lr, weight_decay=rule.weight_decay)
    )
    cell = Cell(64, 0.01, optimizer=optimizer, weight_decay=0.1)
    vary = {"optimizer": (optimizer,), "weight_decay": (0.1,)}
    design = Design("digits", ("no_bn",), (64,), (0.01,), (0,), vary=vary)
    with pytest.raises(AssertionError):
        a_step_equals_torchs(design, Cohort((cell,), ("no_bn",), (0,)), digits64, at=(1, 3))


def test_an_optimiser_that_stacks_do_not_know_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(optimisers.OPTIMISERS, "sgd", optimisers.Optimiser(torch.optim.Rprop))
    monkeypatch.setattr(registry, "STACK_OPTIMISERS", ("adam",))
    design = Design("digits", vary={"optimizer": ("adam", "sgd")})
    with pytest.raises(UsageError, match="it does not know the optimiser sgd"):
        registry.choose("torch", design, "cpu", tf32=False, of_study=None)
    assert registry.choose("auto", design, "cpu", tf32=False, of_study=None) == (registry.PLAIN, None)
    assert registry.likely_costs("auto", design, "cpu", None) is costs.PLAIN
    assert registry.why(registry.PLAIN, design, "cpu", None) == "the one that knows the optimiser sgd"
    of_torch = registry.why_another_study(design, "torch-2/cpu/float32")
    assert of_torch == "its runs were trained by the torch engine, which does not know the optimiser sgd"
    assert registry.why_another_study(design, registry.PLAIN) is None
    assert registry.why_another_study(Design("digits"), "torch-2/cpu/float32") is None


def test_the_optimisers_of_stacks_are_those_that_have_a_step() -> None:
    assert {*registry.STACK_OPTIMISERS} == {key for key, rule in optimisers.OPTIMISERS.items() if rule.step}


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_units_that_pad_a_vector_stay_zero_under_every_rule(decay: float) -> None:
    for optimiser in optimisers.OPTIMISERS.values():
        lrs = torch.tensor([[0.1, 0.2]])
        parameters = Parameters((3, 32), {"linears.0.bias": (1, 32)}, lrs, optimisers.Rule(optimiser, decay))
        parameters.first[..., :5] = 1.0
        for _ in range(3):
            parameters.d_first = torch.zeros_like(parameters.first)
            parameters.step()
        assert not parameters.first[..., 5:].any()
        assert bool((parameters.first[..., :5] < 1).all()) is (decay > 0)
