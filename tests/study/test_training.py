"""Two oracles: the plain torch.nn loop (reference.py), and the same runs grouped in another way."""

import math
from pathlib import Path

import pytest
import torch

from study import data, reference, training
from study.design import Design, Run
from study.evaluation import evaluate
from study.history import History
from study.plan import Cohort

ARMS = ("bn", "no_bn")
N_STEPS = 200


def design_of(batch_size: int, lrs: tuple[float, ...], seeds: tuple[int, ...], **other) -> Design:
    epochs = math.ceil(N_STEPS / (1437 // batch_size))
    return Design("digits", batch_sizes=(batch_size,), lrs=lrs, seeds=seeds, **({"epochs": epochs} | other))


@torch.no_grad()
def lockstep(design: Design, images: data.Dataset) -> tuple[training.Lockstep, torch.Tensor]:
    """All runs of a design with one batch size, and the loss of every step (steps, arms, R, S)."""
    cohort = Cohort(design.batch_sizes[0], ARMS, design.lrs, design.seeds)
    team = training.Lockstep(design, cohort, images.train.images.dtype)
    losses = [
        team.step(*training.gather(images.train, rows))
        for epoch in range(1, design.epochs + 1)
        for rows in training.batches(cohort, epoch, len(images.train.labels))
    ]
    return team, torch.stack(losses)


def assert_equals_reference(design: Design, images: data.Dataset, rtol: float, mean_atol: float) -> None:
    team, losses = lockstep(design, images)
    assert len(losses) >= N_STEPS
    for a, arm in enumerate(ARMS):
        for r, lr in enumerate(design.lrs):
            for s, seed in enumerate(design.seeds):
                steps = list(reference.train(design, Run(design.batch_sizes[0], lr, seed, arm), images))
                expected = torch.stack([loss for _, loss in steps])
                torch.testing.assert_close(losses[:, a, r, s], expected, rtol=rtol, atol=0)
                theirs = steps[-1][0].state_dict()
                assert_tensors_agree(team.stacks[a].state_dict(r, s), theirs, rtol, mean_atol)


def assert_tensors_agree(
    ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], rtol: float, mean_atol: float
) -> None:
    """Relative to each tensor's largest entry, but for what follows rounding.

    A bias before batch norm has no gradient but rounding, which Adam divides by its own size: it walks at
    random, by the rate a step, and the running mean follows it some ten steps behind. So that bias is not
    compared, and the running mean is, less the bias, to ``mean_atol``.
    """
    for name, tensor in ours.items():
        kind, layer, what = name.split(".")
        before_norm = f"norms.{layer}.bias" in theirs
        if what == "running_mean":
            walk = f"linears.{layer}.bias"
            torch.testing.assert_close(tensor - ours[walk], theirs[name] - theirs[walk], rtol=0, atol=mean_atol)
        elif not (kind == "linears" and what == "bias" and before_norm):
            scale = theirs[name].abs().max().item()
            torch.testing.assert_close(tensor, theirs[name], rtol=0, atol=rtol * scale)


@pytest.mark.parametrize("batch_size", [7, 32, 100])
def test_lockstep_equals_the_torch_nn_loop_in_float64(batch_size: int, digits64: data.Dataset) -> None:
    """Weights, losses and running variances to 1e-9 relative after 200 steps."""
    assert_equals_reference(design_of(batch_size, (1e-3, 1e-2), (0, 5)), digits64, rtol=1e-9, mean_atol=1e-8)


@pytest.mark.parametrize("batch_size", [32, 100])
def test_lockstep_equals_the_torch_nn_loop_in_float32(batch_size: int, digits: data.Dataset) -> None:
    """To 1e-3 at a rate of 0.001: a float32 sum of 64 terms has an error of some 1e-6, Adam divides small
    gradients by their own size, and 200 steps add up. At rates of 0.01 and more two correct float32 loops
    part for good once a pre-activation changes its sign (torch's own float32 from its float64 too), so
    those are compared step by step below."""
    assert_equals_reference(design_of(batch_size, (1e-3,), (0, 5)), digits, rtol=1e-3, mean_atol=0.02)


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("lr", [1e-3, 1e-1])
@pytest.mark.parametrize("batch_size", [7, 32, 512])
@torch.no_grad()
def test_every_step_equals_float64_from_the_same_state(
    arm: str, lr: float, batch_size: int, digits: data.Dataset
) -> None:
    """Teacher forcing: at each of 100 steps, the float32 gradients against float64 autograd from the same
    weights (1e-5 of the largest, or of 0.1: softmax minus one has an error of 6e-8 however small it is), and
    Adam's step against its formula (Kingma & Ba 2015, algorithm 1)."""
    design = design_of(batch_size, (lr, 0.5 * lr), (1, 2))
    cohort = Cohort(batch_size, (arm,), design.lrs, design.seeds)
    team = training.Lockstep(design, cohort)
    stack = team.stacks[0]
    network = reference.Network(design, Run(batch_size, lr, 1, arm)).double()
    rows = [r for epoch in range(1, 99) for r in training.batches(cohort, epoch, 1437)][:100]
    m, v = torch.zeros_like(stack.flat).double(), torch.zeros_like(stack.flat).double()
    for t, indices in enumerate(rows, start=1):
        images, labels = training.gather(digits.train, indices)
        state = {name: tensor.double() for name, tensor in stack.state_dict(0, 0).items()}
        network.load_state_dict(state, strict=False)
        with torch.enable_grad():
            network.zero_grad()
            torch.nn.functional.cross_entropy(network(images[0].double()), labels[0]).backward()
        before = stack.flat.double()
        team.step(images, labels)
        theirs = [layer.weight.grad for layer in network.linears] + [layer.weight.grad for layer in network.norms]
        ours = [layer.d_weight[0, 0].T for layer in stack.linears] + [layer.d_gamma[0, 0, 0] for layer in stack.norms]
        largest = max(gradient.abs().max() for gradient in theirs)
        for own, expected in zip(ours, theirs, strict=True):
            assert (own.double() - expected).abs().max() <= 1e-5 * max(largest, 0.1)
        gradient = stack.d_flat.double()
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        step = (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        ulp = 2**-23 * before.abs().max()  # of u = w / lr, which the step of about 1 is taken from
        assert (before - stack.flat.double() - step).abs().max() <= 1e-5 + ulp


def histories(design: Design, cohort: Cohort, images: data.Dataset) -> dict[Run, tuple[bytes, ...]]:
    """The bits of each run's history."""
    history = training.train(design, cohort, images)
    return {run: bits(history, index) for index, run in enumerate(cohort.runs)}


def bits(history: History, run: int) -> tuple[bytes, ...]:
    arrays = (history.loss, history.n_correct, history.finite, history.test_correct)
    return tuple(array[run].tobytes() for array in arrays)


ALL_LRS, ALL_SEEDS = (1e-3, 1e-2, 1e-1, 1e3), tuple(range(5))


@pytest.mark.parametrize("hidden", [(32, 32), (33, 5, 17), (2,)])
@pytest.mark.parametrize("batch_size", [7, 32, 512])
def test_grouping_never_shows(hidden: tuple[int, ...], batch_size: int, digits: data.Dataset) -> None:
    """Alone, with other rates, other seeds, the other arm, or beside a run that diverges: the same bits."""
    design = design_of(batch_size, ALL_LRS, ALL_SEEDS, epochs=2, hidden=hidden)
    together = histories(design, Cohort(batch_size, ARMS, ALL_LRS, ALL_SEEDS), digits)
    for arms, lrs, seeds in (
        (ARMS, (1e-3,), (0,)),
        (("no_bn",), (1e-2, 1e3), (3, 4)),
        (("bn",), (1e-1,), (2,)),
        (ARMS, (1e-1, 1e3), (4,)),
        (ARMS, (1e-3, 1e-2, 1e-1), (1, 2, 3)),
    ):
        for run, found in histories(design, Cohort(batch_size, arms, lrs, seeds), digits).items():
            assert found == together[run], run


@pytest.mark.parametrize("batch_size", [32, 512])
def test_grouping_never_shows_on_mnist(batch_size: int, mnist_dir: Path) -> None:
    mnist = data.load("mnist", mnist_dir)
    some = data.Dataset("mnist", data.Split(*(t[:4096] for t in vars(mnist.train).values())), mnist.test, {})
    design = Design("mnist", batch_sizes=(batch_size,), seeds=(0, 1), epochs=1)
    together = histories(design, Cohort(batch_size, ARMS, design.lrs, (0, 1)), some)
    alone = histories(design, Cohort(batch_size, ("bn",), (0.01,), (1,)), some)
    for run, found in alone.items():
        assert found == together[run]


def test_the_same_call_twice_gives_the_same_bits(digits: data.Dataset) -> None:
    design = design_of(64, (1e-2,), (0,), epochs=1)
    cohort = Cohort(64, ARMS, design.lrs, design.seeds)
    once, again = (histories(design, cohort, digits) for _ in range(2))
    assert once == again


def test_a_diverging_run_is_an_outcome_with_its_first_bad_epoch(digits: data.Dataset) -> None:
    design = design_of(32, (1e-2, 1e20), (0,), epochs=3)
    history = training.train(design, Cohort(32, ("no_bn",), design.lrs, design.seeds), digits)
    assert history.first_bad_epoch == [None, 1]
    assert history.loss[0, 3, 1] < 0.5


def test_the_untrained_network_is_epoch_0_and_equal_for_the_arms_but_for_batch_norm(digits: data.Dataset) -> None:
    """At its start batch norm predicts with mean 0 and variance 1: x / sqrt(1 + eps), hardly a change."""
    design = design_of(64, (1e-2,), (0,), epochs=1)
    history = training.train(design, Cohort(64, ARMS, design.lrs, design.seeds), digits)
    assert history.loss[0, 0] == pytest.approx(history.loss[1, 0], rel=1e-4)
    assert history.loss[0, 0, 0] == pytest.approx(math.log(10), rel=0.05)


def test_evaluation_equals_the_reference_on_every_image(digits64: data.Dataset) -> None:
    design = design_of(64, (1e-2,), (0,), epochs=1)
    team, _ = lockstep(design, digits64)
    for arm, stack in zip(ARMS, team.stacks, strict=True):
        *_, (network, _) = reference.train(design, Run(64, 1e-2, 0, arm), digits64)
        for split in (digits64.train, digits64.test):
            loss, correct = evaluate(stack.affine(), split.images, split.labels)
            expected = reference.evaluate(network, split.images, split.labels)
            assert correct.shape == (1, 1, len(split.labels))
            assert (loss.item(), int(correct.sum())) == (pytest.approx(expected[0], rel=1e-6), expected[1])


def test_the_last_incomplete_batch_is_dropped_and_the_seeds_have_their_own_orders() -> None:
    rows = training.batches(Cohort(100, ARMS, (0.1,), (0, 1)), 1, 1437)
    assert [tuple(r.shape) for r in rows] == [(2, 100)] * 14
    visited = torch.cat(rows, dim=1)
    assert len(visited[0].unique()) == 1400
    assert not torch.equal(visited[0], visited[1])
