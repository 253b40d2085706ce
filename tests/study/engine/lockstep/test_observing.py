"""An observer that reads changes no bit of a training; one that does not is seen."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from study.data.dataset import Dataset
from study.data.images import ImageBatch
from study.engine.lockstep import training
from study.engine.lockstep.copies import StackCopy, state_of
from study.engine.lockstep.epochs import EagerEpoch
from study.engine.lockstep.evaluation import evaluate
from study.engine.lockstep.observing import Observer
from study.engine.lockstep.stacks import Lockstep
from study.engine.norms.noisy import NoisyBatchNorm
from study.errors import UsageError
from study.spec.cohorts import Cohort
from study.spec.design import Design
from tests.study.values import cohort_of

SEEDS, LRS, BATCH = (0, 3), (1e-3, 1e-2), 128
STEPS = 1437 // BATCH


class Watching:
    """Does ``look`` before and after every step."""

    def __init__(self, look: Callable[[Lockstep, ImageBatch, Tensor], None] = lambda *given: None):
        self.look, self.seen = look, [0]

    def before(self, step: int, lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None:
        self.look(lockstep, images, labels)

    def after(self, step: int, lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None:
        self.look(lockstep, images, labels)
        self.seen.append(step)
        assert lockstep.losses().shape == (len(SEEDS) * len(LRS),)


def design_of(arm: str, **other) -> Design:
    return Design("digits", arms=(arm,), batch_sizes=(BATCH,), lrs=LRS, seeds=SEEDS, **({"epochs": 2} | other))


def cohort_in(design: Design) -> Cohort:
    return cohort_of(BATCH, design.arms, LRS, SEEDS)


def bits(arm: str, data: Dataset, observer: Observer | None) -> list[bytes]:
    """Losses, counts, answers, and every tensor of every network: parameters, running averages, cumulative ones."""
    design = design_of(arm)
    history = training.train(design, cohort_in(design), data, observer=observer)
    arrays = [history.loss, history.n_correct, history.finite, history.test_correct]
    return [array.tobytes() for array in arrays] + [
        name.encode() + tensor.tobytes() for network in history.weights for name, tensor in sorted(network.items())
    ]


def measuring_everything(arm: str, data: Dataset) -> Watching:
    design = design_of(arm)
    copy = StackCopy(design, cohort_in(design), data.train.images)

    def look(lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None:
        (stack,) = lockstep.stacks
        copy.put(state_of(stack))
        copy.passed_on(images)
        copy.gradients(images, labels)
        evaluate(stack.predictor(), data.test.pixels, data.test.labels)

    return Watching(look)


@pytest.mark.parametrize("arm", ["no_bn", "bn", "noisy", "dropout_0.2", "bn_after"])
def test_a_training_that_is_measured_has_every_bit_of_one_that_is_not(arm: str, both: Dataset) -> None:
    observer = measuring_everything(arm, both)
    assert bits(arm, both, observer) == bits(arm, both, None)
    assert observer.seen == [*range(2 * STEPS + 1)]


def draws(lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None:
    for norm in lockstep.stacks[0].norms:
        assert isinstance(norm, NoisyBatchNorm)
        norm.draws.next(BATCH)


def passes(lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None:
    lockstep.stacks[0].forward(images)


def moves_one_bit(lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None:
    lockstep.stacks[0].parameters.first.view(torch.int32)[0, 30, 0, 0] ^= 1


@pytest.mark.parametrize(
    ("arm", "look"),
    [("noisy", draws), ("noisy", passes), ("dropout_0.2", passes), ("bn", passes), ("no_bn", moves_one_bit)],
)
def test_an_observer_that_touches_the_training_is_seen(
    arm: str, look: Callable[[Lockstep, ImageBatch, Tensor], None], digits: Dataset
) -> None:
    assert bits(arm, digits, Watching(look)) != bits(arm, digits, None)


def test_without_an_observer_a_step_is_the_lockstep_s_own(digits: Dataset) -> None:
    design = design_of("bn")
    lockstep = Lockstep(design, cohort_in(design), torch.float32, torch.device("cpu"))
    assert EagerEpoch(lockstep, digits.train).step == lockstep.step
    assert EagerEpoch(lockstep, digits.train, Watching()).step != lockstep.step


@pytest.mark.parametrize("n_steps", [3, STEPS, STEPS + 4])
def test_the_first_steps_are_those_of_a_training(n_steps: int, digits: Dataset) -> None:
    """In every bit of the parameters, within an epoch, at its end and in the next one."""
    design, states, seen = design_of("noisy"), {}, Watching()

    class Keeping(Watching):
        def after(self, step: int, lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None:
            states[step] = state_of(lockstep.stacks[0])

    training.train(design, cohort_in(design), digits, observer=Keeping())
    stopped = training.first_steps(design, cohort_in(design), digits, n_steps, seen)
    state = state_of(stopped.stacks[0])
    assert seen.seen == [*range(n_steps + 1)]
    assert all(torch.equal(state[name], tensor) for name, tensor in states[n_steps].items())
    assert not torch.equal(state["linears.0.weight"], states[n_steps - 1]["linears.0.weight"])


def test_steps_that_a_gpu_replays_are_not_observed(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_stream", lambda data: object())  # as where there is a GPU
    monkeypatch.setattr(training.Training, "_own_stream", lambda trained: nullcontext())
    design = design_of("bn")
    with pytest.raises(UsageError, match=r"an observer was given to a training on cpu, .* leave it out"):
        training.Training(design, cohort_in(design), digits, Watching())
    assert training.Training(design, cohort_in(design), digits).observer is None
