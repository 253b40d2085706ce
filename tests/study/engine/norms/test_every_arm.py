"""Every arm, stacked, is its form in torch.nn or in its paper: a step from the same state, in float64.

Whole trajectories part by rounding, so each step is compared after both have been given the state before it.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import pytest
import torch

from study.data.dataset import Dataset
from study.engine import activations, random_streams, reference
from study.engine.lockstep import hidden, training
from study.engine.lockstep.evaluation import evaluate
from study.engine.lockstep.hidden import HiddenLayer
from study.engine.lockstep.layers import Drop, Predictor, Stack
from study.engine.lockstep.stacks import Lockstep
from study.engine.norms import noisy, renorm
from study.engine.norms.averages import Averages
from study.engine.random_streams import generator
from study.spec.arms import ARMS, BUILT_IN, Arm
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.norms import CUMULATIVE, NORM_KINDS, Norm
from study.spec.runs import Run
from study.store import weights

GROUPS = {"ghost": 16, "group": 2}
AFTER = [
    Arm(f"{kind}_after_", norm=Norm(kind, GROUPS.get(kind), "after"), dropout=0.1) for kind in NORM_KINDS
]  # with dropout, which then stands behind the norm
PLAIN = [
    Arm(f"{kind}_plain_", norm=Norm(kind, GROUPS.get(kind), gamma=False, beta=False, bias=False)) for kind in NORM_KINDS
]
SHIFTED = [Arm(f"{kind}_shift_", norm=Norm(kind, GROUPS.get(kind), gamma=False, beta=True)) for kind in NORM_KINDS]
AVERAGED = [
    Arm(f"{kind}_all_", norm=Norm(kind, GROUPS.get(kind), momentum=CUMULATIVE))
    for kind, of_kind in NORM_KINDS.items()
    if of_kind.statistics
]
EVERY = (*BUILT_IN, *AFTER, *PLAIN, *SHIFTED, *AVERAGED)
ACTIVATIONS = ("relu", "sigmoid", "tanh")
DEPTHS = ((36,), (32, 20), (20, 8, 36, 32, 20))
"""Widths of hidden layers, most of which are padded."""
COMPARED = (1, 10, 100)
BATCH = 32


def cases() -> Iterator[object]:
    """Every arm in every shape; fast is one shape of each arm, in turn, so that each two of the axes meet."""
    shapes = list(product(ACTIVATIONS, DEPTHS))
    for i, arm in enumerate(EVERY):
        for j, (activation, widths) in enumerate(shapes):
            marks = [] if j == i % len(shapes) else [pytest.mark.slow]
            yield pytest.param(arm, activation, widths, marks=marks, id=f"{arm.key}-{activation}-{len(widths)}")


def setting(arm: Arm, activation: str, hidden: tuple[int, ...]) -> tuple[Design, Cohort]:
    """Two seeds at two rates."""
    vary = {} if activation == "relu" else {"activation": (activation,)}
    design = Design("digits", (arm,), (BATCH,), (0.01, 0.003), (1, 2), epochs=3, hidden=hidden, vary=vary)
    cells = tuple(Cell(BATCH, lr, activation=activation) for lr in design.lrs)
    return design, Cohort(cells, (arm.key,), design.seeds)


@pytest.mark.parametrize(("arm", "activation", "hidden"), [*cases()])
@torch.no_grad()
def test_a_step_is_that_of_torch_from_the_same_state(
    arm: Arm, activation: str, hidden: tuple[int, ...], digits64: Dataset
) -> None:
    """Gradients, relative to the largest of the network, and running averages to 1e-12; then the evaluation."""
    design, cohort = setting(arm, activation, hidden)
    team = Lockstep(design, cohort, torch.float64, torch.device("cpu"))
    (stack,) = team.stacks
    network, images = reference.Network(design, Run(cohort.cell, seed=1, arm=arm.key)).double(), digits64.train
    for step, (batch, rows) in enumerate(batches(cohort, digits64), start=1):
        if step in COMPARED:
            missing = network.load_state_dict(stack.state_dict(0), strict=False).missing_keys
            assert {name.rpartition(".")[2] for name in missing} <= {"num_batches_tracked"}
        network.train()
        with torch.set_grad_enabled(step in COMPARED):  # what is not compared still draws, and counts its batches
            network.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(images.images[rows[0]]), images.labels[rows[0]])
            if step in COMPARED:
                torch.autograd.backward(loss)
        team.step(batch, images.labels[rows])
        if step in COMPARED:
            assert_equal_steps(stack.gradients(0), network, stack.state_dict(0))
        if step == COMPARED[-1]:
            break
    assert_predicts(team, network, digits64)


def batches(cohort: Cohort, data: Dataset) -> Iterator[tuple[object, torch.Tensor]]:
    """Yield images and their rows (S, batch), step by step, for three epochs."""
    n = len(data.train.labels)
    for epoch in (1, 2, 3):
        order = training.image_orders(cohort.seeds, epoch, cohort, data)
        assert torch.equal(order[0], random_streams.image_order(cohort.seeds[0], epoch, n)[: order.shape[1]])
        rows = order.unflatten(1, (-1, BATCH)).transpose(0, 1)
        yield from zip(data.train.pixels.batches(rows), rows, strict=True)


def assert_equal_steps(
    gradients: dict[str, torch.Tensor], network: reference.Network, state: dict[str, torch.Tensor]
) -> None:
    theirs = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert gradients.keys() == theirs.keys()
    largest = max(gradient.abs().max() for gradient in theirs.values())
    for name, gradient in gradients.items():
        assert (gradient - theirs[name]).abs().max() <= 1e-12 * largest, name
    for name, expected in network.state_dict().items():
        if "running" in name:
            assert (state[name] - expected).abs().max() <= 1e-12 * expected.abs().max(), name


def assert_predicts(team: Lockstep, network: reference.Network, data: Dataset) -> None:
    (stack,) = team.stacks
    network.load_state_dict(stack.state_dict(0), strict=False)
    loss, correct = evaluate(stack.predictor(), data.test.pixels, data.test.labels)
    expected = reference.evaluate(network, data.test.images, data.test.labels)
    assert loss[0].item() == pytest.approx(expected[0], rel=1e-11)
    assert int(correct[0].sum()) == expected[1]


BY_ITSELF = [
    pytest.param(arm, activation, id=f"{arm.key}-{activation}", marks=[pytest.mark.slow] if j != i % 2 else [])
    for i, arm in enumerate((*BUILT_IN, AFTER[0], PLAIN[1]))
    for j, activation in enumerate(("sigmoid", "relu", "tanh"))
]


@pytest.mark.parametrize(("arm", "activation"), BY_ITSELF)
def test_a_run_has_the_same_bits_alone_and_among_others(arm: Arm, activation: str, digits: Dataset) -> None:
    """Losses, answers and every tensor that is kept, in layers that are padded."""
    design, whole = setting(arm, activation, (36, 8))
    alone = Cohort(whole.cells[1:], whole.arms, whole.seeds[1:])
    together, single = (training.train(design, cohort, digits) for cohort in (whole, alone))
    assert together.loss[3].tobytes() == single.loss[0].tobytes()
    assert together.test_correct[3].tobytes() == single.test_correct[0].tobytes()
    assert {name: value.tobytes() for name, value in together.weights[3].items()} == {
        name: value.tobytes() for name, value in single.weights[0].items()
    }
    shapes = weights.shapes(design, arm.key, whole.cell)
    assert {name: value.shape for name, value in single.weights[0].items()} == shapes
    n_learnt = sum(value.size for name, value in single.weights[0].items() if name.endswith(("weight", "bias")))
    assert n_learnt == design.n_parameters(arm.key)


def test_a_gpus_slots_give_the_bits_of_a_cpus(digits: Dataset) -> None:
    """Thirty rows of one run each, many of them of one seed, share what a seed draws."""
    for arm in (Arm("both_", norm=Norm("noisy"), dropout=0.3), Arm("ghosts_", norm=Norm("ghost", 8, "after"))):
        design, cohort = setting(arm, "relu", (20, 8))
        made = [Lockstep(design, cohort, torch.float32, torch.device("cpu"), fixed) for fixed in (False, True)]
        with torch.no_grad():
            for lockstep in made:
                seeds = Cohort(cohort.cells, cohort.arms, lockstep.slots.seeds)
                for step, (batch, rows) in enumerate(batches(seeds, digits)):
                    if step < 5:
                        lockstep.step(batch, digits.train.labels[rows])
        ours, theirs = (lockstep.losses() for lockstep in made)
        assert ours.numpy().tobytes() == theirs.numpy().tobytes()


def test_all_arms_and_rates_of_a_seed_share_what_is_drawn_and_seeds_and_layers_do_not(digits64: Dataset) -> None:
    arms = (Arm("less_", dropout=0.2), Arm("more_", norm=Norm("layer"), dropout=0.5))
    design = Design("digits", arms, (BATCH,), (0.01, 0.003), (1, 2), hidden=(20, 20))
    cells = tuple(Cell(BATCH, lr) for lr in design.lrs)
    team = Lockstep(design, Cohort(cells, design.arms, design.seeds), torch.float64, torch.device("cpu"))
    drops = [[layer for layer in stack.layers if isinstance(layer, Drop)] for stack in team.stacks]
    with torch.no_grad():
        images, rows = next(batches(Cohort(cells, design.arms, design.seeds), digits64))
        team.step(images, digits64.train.labels[rows])
    less, more = ([layer.factor[..., :20] > 0 for layer in of] for of in drops)
    assert (less[0] | ~more[0]).all()  # who stays at a half stays at a fifth
    assert torch.equal(less[0][:, 0], less[0][:, 1])  # the rates of seed 1
    assert not torch.equal(less[0][:, 0], less[0][:, 2])
    assert not torch.equal(less[0][:, 0], less[1][:, 0])
    assert less[0].double().mean() == pytest.approx(0.8, abs=0.05)
    assert drops[0][0].factor.unique().tolist() == [0, 1 / 0.8]


def units_that_pad_learn(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(activations.ACTIVATIONS, "sigmoid", replace(activations.SIGMOID, keeps_zero=True))


def padding_is_normalised(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HiddenLayer, "__init__", _padded(HiddenLayer.__init__))


def _padded(init: Callable[..., None]) -> Callable[..., None]:
    return lambda self, parameters, index, width, padded, *of: init(self, parameters, index, padded, padded, *of)


def the_norm_stands_before(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stack, "after", False)


def the_norm_is_folded_through_the_activation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Predictor, "hidden", lambda self, layer, z, runs: self.activation.apply_(self.norms[layer].predict(z, runs))
    )


def ghosts_are_averaged_in_reverse(patch: pytest.MonkeyPatch) -> None:
    move = Averages.move
    patch.setattr(Averages, "move", lambda self, mean, var: move(self, mean.flip(0), var.flip(0)))


def the_noise_is_another(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hidden.random_streams, "layer_noise", lambda seed, layer, cause: generator(seed + 1, cause, layer))
    patch.setattr(
        noisy, "random_streams", SimpleNamespace(layer_noise=lambda s, layer, cause: generator(s, cause, layer))
    )


def a_gradient_flows_through_the_correction(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(renorm, "d_normalise", lambda d, z, mean, inverse_sd: d * inverse_sd)


@pytest.mark.parametrize(
    ("plant", "arm", "activation"),
    [
        (units_that_pad_learn, "no_bn", "sigmoid"),
        (padding_is_normalised, "layer", "relu"),
        (padding_is_normalised, "rms", "tanh"),
        (the_norm_stands_before, "bn_after", "relu"),
        (the_norm_is_folded_through_the_activation, "layer_after", "relu"),
        (ghosts_are_averaged_in_reverse, "ghost_8", "relu"),
        (the_noise_is_another, "noisy", "relu"),
        (a_gradient_flows_through_the_correction, "renorm", "relu"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_comparison_sees_what_is_wrong(
    plant: Callable[[pytest.MonkeyPatch], None],
    arm: str,
    activation: str,
    digits64: Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        test_a_step_is_that_of_torch_from_the_same_state(ARMS[arm], activation, (20, 8), digits64)


@pytest.mark.parametrize("arm", ["noisy", "dropout_0.2"])
def test_the_bits_see_a_stream_that_runs_share(arm: str, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """One generator for all seeds, as torch's global one would be."""
    shared = torch.Generator().manual_seed(0)
    monkeypatch.setattr(hidden, "random_streams", SimpleNamespace(layer_noise=lambda seed, layer, cause: shared))
    with pytest.raises(AssertionError):
        test_a_run_has_the_same_bits_alone_and_among_others(ARMS[arm], "relu", digits)
