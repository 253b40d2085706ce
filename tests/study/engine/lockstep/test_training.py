"""The oracle is the plain torch.nn loop (reference.py): as a whole in float64, step by step in float32."""

import math
import statistics

import pytest
import torch

from study.data import dataset
from study.engine import reference
from study.engine.lockstep import training
from study.engine.lockstep.epochs import EagerEpoch
from study.engine.lockstep.evaluation import evaluate
from study.engine.lockstep.layers import Stack
from study.engine.lockstep.stacks import Lockstep
from study.spec.design import Design
from study.spec.runs import Run
from tests.study.values import a_third_of, cohort_of

ARMS = ("bn", "no_bn")
N_STEPS = 200
CPU = torch.device("cpu")


def design_of(batch_size: int, lrs: tuple[float, ...], seeds: tuple[int, ...], **other) -> Design:
    epochs = math.ceil(N_STEPS / (1437 // batch_size))
    return Design("digits", batch_sizes=(batch_size,), lrs=lrs, seeds=seeds, **({"epochs": epochs} | other))


@torch.no_grad()
def lockstep(design: Design, images: dataset.Dataset) -> tuple[Lockstep, torch.Tensor]:
    """All runs of a design with one batch size, and the loss of every step (steps, runs)."""
    cohort = cohort_of(design.batch_sizes[0], ARMS, design.lrs, design.seeds)
    team = Lockstep(design, cohort, images.train.images.dtype, CPU)
    losses = []
    step, team.step = team.step, lambda *batch: (step(*batch), losses.append(team.losses()))  # type: ignore[func-returns-value, method-assign]
    for epoch in range(1, design.epochs + 1):
        EagerEpoch(team, images.train).run(training.image_orders(design.seeds, epoch, cohort, images))
    return team, torch.stack(losses)


def errors(design: Design, images: dataset.Dataset, exact: dataset.Dataset, running_means: bool = True) -> list[float]:
    """By run, the largest error of a loss or of a tensor of the last step; ``exact`` is what the oracle trains on.

    Errors are relative to a tensor's largest entry. A bias before batch norm has no gradient but rounding,
    which Adam divides by its own size: it walks at random, by the rate a step, and the running mean follows it
    some ten steps behind. So that bias is not compared, and the running mean is, less the bias and at a tenth,
    where the precision lets it.
    """
    team, losses = lockstep(design, images)
    assert len(losses) >= N_STEPS
    lanes = range(len(design.lrs) * len(design.seeds))
    states = [stack.state_dict(lane) for stack in team.stacks for lane in lanes]
    found = []
    for index, run in enumerate(team.cohort.runs):
        steps = list(reference.train(design, run, exact))
        expected = torch.stack([loss for _, loss in steps])
        of_losses = ((losses[:, index] - expected) / expected).abs().max().item()
        found.append(max(of_losses, error_of_tensors(states[index], steps[-1][0].state_dict(), running_means)))
    return found


def error_of_tensors(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], running_means: bool) -> float:
    worst = 0.0
    for name, tensor in ours.items():
        kind, layer, what = name.split(".")
        walk = f"linears.{layer}.bias"
        if what == "running_mean":
            error = 0.1 * running_means * ((tensor - ours[walk]) - (theirs[name] - theirs[walk])).abs().max()
        elif kind == "linears" and what == "bias" and f"norms.{layer}.bias" in theirs:
            continue
        else:
            error = (tensor - theirs[name]).abs().max() / theirs[name].abs().max()
        worst = max(worst, float(error))
    return worst


@pytest.mark.parametrize("batch_size", [7, pytest.param(32, marks=pytest.mark.slow), 100])
def test_lockstep_equals_the_torch_nn_loop_in_float64(batch_size: int, both64: dataset.Dataset) -> None:
    """Weights, losses and running variances to 1e-9 relative after 200 steps."""
    assert max(errors(design_of(batch_size, (1e-3, 1e-2), (0, 5)), both64, both64)) <= 1e-9


@pytest.mark.parametrize("batch_size", [32, pytest.param(100, marks=pytest.mark.slow)])
def test_most_float32_runs_stay_with_the_float64_loop(batch_size: int, both: dataset.Dataset) -> None:
    """Weights and losses to 1e-5 after 200 steps at a rate of 0.001, for at least half of the runs. The others
    forked: once rounding changes the sign of a pre-activation, two correct loops part for good, torch's own
    float32 from its float64 too. So every step is compared from the same state below."""
    design = design_of(batch_size, (1e-3,), tuple(range(6)))
    exact = both.to("cpu", torch.float64)
    assert statistics.median(errors(design, both, exact, running_means=False)) <= 1e-5


@pytest.mark.parametrize(
    ("hidden", "batch_size", "lr", "arm"),
    a_third_of([(32,), (32, 32), (32,) * 5], [7, 32, 100, 512], [1e-3, 1e-1], ARMS),
)
@torch.no_grad()
def test_every_step_equals_float64_from_the_same_state(
    hidden: tuple[int, ...], batch_size: int, lr: float, arm: str, both: dataset.Dataset
) -> None:
    """Teacher forcing, over 100 steps: the gradients of one float32 step against float64 autograd from the same
    state (1e-5 of the largest, or of 0.1: softmax minus one has an error of 6e-8 however small it is), the
    running averages, and Adam's step against its formula (Kingma & Ba 2015, algorithm 1). Left out are the
    gradients of a step in which a unit stands on the kink of its ReLU, where either slope is right."""
    design = design_of(batch_size, (lr, 0.5 * lr), (1, 2), hidden=hidden)
    cohort = cohort_of(batch_size, (arm,), design.lrs, design.seeds)
    team = Lockstep(design, cohort, torch.float32, CPU)
    network = reference.Network(design, Run(batch_size, lr, seed=1, arm=arm)).double()
    adam, kinks = AdamFormula(team.stacks[0]), Kinks(network)
    for epoch in range(1, math.ceil(100 / design.steps_per_epoch(cohort.cell)) + 1):
        rows = training.image_orders(design.seeds, epoch, cohort, both).unflatten(1, (-1, batch_size)).transpose(0, 1)
        for images, own in zip(both.train.pixels.batches(rows), rows, strict=True):
            network.load_state_dict({k: v.double() for k, v in team.stacks[0].state_dict(0).items()}, strict=False)
            with torch.enable_grad():
                network.zero_grad()
                inputs = both.train.images[own[0]].double()
                torch.nn.functional.cross_entropy(network(inputs), both.train.labels[own[0]]).backward()
            team.step(images, both.train.labels[own])
            if not kinks.any():
                assert_gradients_agree(team.stacks[0].gradients(0), network)
            assert_averages_agree(team.stacks[0], network)
            adam.assert_stepped()
    assert kinks.share() < 0.5


class Kinks:
    """Whether a pre-activation of the last forward pass was within float32's rounding of zero."""

    def __init__(self, network: reference.Network):
        self.near: list[bool] = []
        self.steps: list[bool] = []
        for layer in network.norms or network.linears[:-1]:
            layer.register_forward_hook(self._look)

    def _look(self, layer: torch.nn.Module, inputs: object, z: torch.Tensor) -> None:
        self.near.append(bool((z.abs().amin() < 1e-6 * z.abs().amax()).item()))

    def any(self) -> bool:
        self.steps.append(any(self.near))
        self.near.clear()
        return self.steps[-1]

    def share(self) -> float:
        return sum(self.steps) / len(self.steps)


def assert_gradients_agree(ours: dict[str, torch.Tensor], network: reference.Network) -> None:
    theirs = {name: parameter.grad for name, parameter in network.named_parameters()}
    largest = max(gradient.abs().max() for gradient in theirs.values())
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        assert (gradient.double() - theirs[name]).abs().max() <= 1e-5 * max(largest, 0.1), name


def assert_averages_agree(stack: Stack, network: reference.Network) -> None:
    """Relative to the largest entry and to the spread of what was averaged."""
    for norm, theirs in zip(stack.norms, network.norms, strict=True):
        spread = theirs.running_var.max()
        assert (norm.kept.running_mean[0, 0] - theirs.running_mean).abs().max() <= 1e-5 * spread.sqrt()
        assert (norm.kept.running_var[0, 0] - theirs.running_var).abs().max() <= 1e-5 * spread


class AdamFormula:
    """Algorithm 1 of the paper in float64, given the gradients that the stack had."""

    def __init__(self, stack: Stack):
        self.parameters = stack.parameters
        self.t, self.m, self.v = 0, torch.zeros(()), torch.zeros(())
        self.before = self._stored()

    def _stored(self) -> torch.Tensor:
        return torch.cat([self.parameters.first.flatten(), *map(torch.flatten, self.parameters.stored.values())])

    def _gradient(self) -> torch.Tensor:
        return torch.cat([self.parameters.d_first.flatten(), *map(torch.flatten, self.parameters.gradients.values())])

    def assert_stepped(self) -> None:
        gradient, after = self._gradient().double(), self._stored()
        self.t += 1
        self.m, self.v = 0.9 * self.m + 0.1 * gradient, 0.999 * self.v + 0.001 * gradient**2
        step = (self.m / (1 - 0.9**self.t)) / ((self.v / (1 - 0.999**self.t)).sqrt() + 1e-8)
        ulp = 2**-23 * self.before.abs().max()  # of u = w / lr, which the step of about 1 is taken from
        assert (self.before.double() - after.double() - step).abs().max() <= 1e-5 + ulp
        self.before = after


def test_the_same_call_twice_gives_the_same_bits(both: dataset.Dataset) -> None:
    design = design_of(64, (1e-2,), (0,), epochs=1)
    cohort = cohort_of(64, ARMS, design.lrs, design.seeds)
    once, again = (training.train(design, cohort, both) for _ in range(2))
    assert once.loss.tobytes() == again.loss.tobytes()


def test_a_diverging_run_is_an_outcome_with_its_first_bad_epoch(both: dataset.Dataset) -> None:
    design = design_of(32, (1e-2, 1e20), (0,), epochs=3)
    history = training.train(design, cohort_of(32, ("no_bn",), design.lrs, design.seeds), both)
    assert history.first_bad_epoch == [None, 1]
    assert history.loss[0, 3, 1] < 0.5


def test_the_untrained_network_is_epoch_0_and_equal_for_the_arms_but_for_batch_norm(digits: dataset.Dataset) -> None:
    """At its start batch norm predicts with mean 0 and variance 1: x / sqrt(1 + eps), hardly a change."""
    design = design_of(64, (1e-2,), (0,), epochs=1)
    history = training.train(design, cohort_of(64, ARMS, design.lrs, design.seeds), digits)
    assert history.loss[0, 0] == pytest.approx(history.loss[1, 0], rel=1e-4)
    assert history.loss[0, 0, 0] == pytest.approx(math.log(10), rel=0.05)


def test_evaluation_equals_the_reference_on_every_image(both64: dataset.Dataset) -> None:
    design = design_of(64, (1e-2,), (0,), epochs=1)
    team, _ = lockstep(design, both64)
    for arm, stack in zip(ARMS, team.stacks, strict=True):
        *_, (network, _) = reference.train(design, Run(64, 1e-2, seed=0, arm=arm), both64)
        for split in (both64.train, both64.test):
            loss, correct = evaluate(stack.predictor(), split.pixels, split.labels)
            expected = reference.evaluate(network, split.images, split.labels)
            assert correct.shape == (1, len(split.labels))
            assert (loss.item(), int(correct.sum())) == (pytest.approx(expected[0], rel=1e-6), expected[1])


def test_the_last_incomplete_batch_is_dropped_and_the_seeds_have_their_own_orders(digits: dataset.Dataset) -> None:
    order = training.image_orders((0, 1), 1, cohort_of(100, ARMS, (0.1,), (0, 1)), digits)
    assert order.shape == (2, 1400)
    assert [len(own.unique()) for own in order] == [1400, 1400]
    assert not torch.equal(order[0], order[1])
