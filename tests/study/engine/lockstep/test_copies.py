"""A copy passes on and learns what the networks in training do, and draws noise of its own."""

import pytest
import torch

from study.data.dataset import Dataset
from study.engine.lockstep import training
from study.engine.lockstep.copies import StackCopy, state_of
from study.engine.lockstep.stacks import Lockstep
from study.spec.design import Design
from tests.study.values import cohort_of

SEEDS, LRS, BATCH = (0, 3), (1e-3, 1e-2), 128


@pytest.fixture(params=["no_bn", "bn", "bn_no_bias", "layer", "noisy"])
def design(request: pytest.FixtureRequest) -> Design:
    arm = request.param
    return Design("digits", arms=(arm,), batch_sizes=(BATCH,), lrs=LRS, seeds=SEEDS, hidden=(20, 33, 7))


@torch.no_grad()
def test_a_copy_has_the_gradients_of_the_step_that_was_taken(design: Design, both: Dataset) -> None:
    """In every bit, but for an arm that draws, whose copy draws other noise."""
    cohort = cohort_of(BATCH, design.arms, LRS, SEEDS)
    copy, compared = StackCopy(design, cohort, both.train.images), []

    class Comparing:
        def before(self, step, lockstep, images, labels) -> None:
            self.state = state_of(lockstep.stacks[0])

        def after(self, step, lockstep, images, labels) -> None:
            copy.put(self.state)
            theirs = [lockstep.stacks[0].parameters.gradients[f"linears.{i}.weight"].flatten(1) for i in (1, 2, 3)]
            compared.append(all(map(torch.equal, copy.gradients(images, labels), theirs)))

    training.first_steps(design, cohort, both, 4, Comparing())
    assert compared == [design.arms != ("noisy",)] * 4


@torch.no_grad()
def test_one_layer_is_put_with_its_norm_and_no_other(design: Design, digits: Dataset) -> None:
    cohort = cohort_of(BATCH, design.arms, LRS, SEEDS)
    copy = StackCopy(design, cohort, digits.train.images)
    begin = state_of(copy.stack)
    copy.put({name: tensor + 1 for name, tensor in begin.items()}, layer=1)
    changed = {name for name, tensor in state_of(copy.stack).items() if not torch.equal(tensor, begin[name])}
    assert changed == {name for name in begin if name.split(".")[1] == "1"}


def test_a_copy_draws_from_streams_of_its_own(digits: Dataset) -> None:
    design = Design("digits", arms=("noisy",), batch_sizes=(BATCH,), lrs=LRS, seeds=SEEDS)
    cohort = cohort_of(BATCH, design.arms, LRS, SEEDS)
    (live,) = Lockstep(design, cohort, torch.float32, torch.device("cpu")).stacks
    copied = StackCopy(design, cohort, digits.train.images).stack
    own, others = (
        {stream.initial_seed() for norm in stack.norms for stream in norm.draws.streams.values()}  # type: ignore[attr-defined]
        for stack in (live, copied)
    )
    assert len(own) == len(others) == 4
    assert not own & others
