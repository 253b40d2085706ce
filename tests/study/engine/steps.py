"""Lockstep beside the plain loop of torch.nn, in float64 step by step."""

from collections.abc import Callable, Collection, Mapping

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from study.data.dataset import Dataset
from study.data.images import ImageBatch
from study.data.variants import variant
from study.engine import optimisers, random_streams, reference
from study.engine.lockstep.layers import Stack
from study.engine.lockstep.optimiser import by_run
from study.engine.lockstep.stacks import Lockstep
from study.spec.cohorts import Cohort
from study.spec.design import Design


@torch.no_grad()
def steps_equal_torchs(design: Design, cohort: Cohort, data: Dataset, n_steps: int = 12, atol: float = 1e-12) -> None:
    """Assert that every parameter of every run is that of torch.nn with autograd, after each step."""
    team = Lockstep(design, cohort, data.train.images.dtype, torch.device("cpu"))
    references = [reference.train(design, run, data) for run in cohort.runs]
    n, batch_size = len(data.train.labels), cohort.batch_size
    orders = torch.stack([random_streams.image_order(seed, 1, n)[: n_steps * batch_size] for seed in cohort.seeds])
    rows = orders.view(len(orders), n_steps, batch_size).transpose(0, 1)
    for of_step, images in zip(rows, data.train.pixels.batches(rows), strict=True):
        team.step(images, data.train.labels[of_step])
        ours = [stack.state_dict(i) for stack in team.stacks for i in range(len(cohort.runs) // len(cohort.arms))]
        for state, training in zip(ours, references, strict=True):
            with torch.enable_grad():
                network, _ = next(training)
            for name, expected in network.state_dict().items():
                torch.testing.assert_close(state[name], expected, rtol=0, atol=atol)


@torch.no_grad()
def a_step_equals_torchs(
    design: Design, cohort: Cohort, data: Dataset, at: Collection[int] = (1, 10, 100), rtol: float = 1e-12
) -> None:
    """Assert that a step from the same state is that of torch.nn with autograd and torch.optim: at the steps ``at``, of
    every run and parameter, within ``rtol`` of the largest number, the gradient is autograd's, and where the optimiser
    of torch.optim takes that gradient, the parameter is its.

    Apart, since Adam divides a gradient by its own size, and with it the rounding of one that is nearly zero. Left out
    are the gradients of biases in front of batch norm, which are nothing but rounding.
    """
    data = variant(data, cohort.cell)
    team = Lockstep(design, cohort, data.train.images.dtype, torch.device("cpu"))
    n, batch_size, step = len(data.train.labels), cohort.batch_size, 0
    for epoch in range(1, max(at) // (n // batch_size) + 2):
        orders = torch.stack([random_streams.image_order(seed, epoch, n) for seed in cohort.seeds])
        rows = orders[:, : n // batch_size * batch_size].unflatten(1, (-1, batch_size)).transpose(0, 1)
        for of_step, images in zip(rows, data.train.pixels.batches(rows), strict=True):
            step += 1
            if step not in at:
                team.step(images, data.train.labels[of_step])
                continue
            twins = [_twin(design, team, stack, i, step - 1) for stack, i in _slots(team)]
            gradients = _step_and_tell(team, images, data.train.labels[of_step])
            for k, ((stack, i), (network, optimiser)) in enumerate(zip(_slots(team), twins, strict=True)):
                own = of_step[i // len(cohort.cells)]
                with torch.enable_grad():
                    cross_entropy(network(data.train.images[own]), data.train.labels[own]).backward()
                _assert_close(gradients[k], {name: p.grad for name, p in network.named_parameters()}, network, rtol)
                for name, parameter in network.named_parameters():
                    parameter.grad = gradients[k][name]
                optimiser.step()
                _assert_close(stack.state_dict(i), dict(network.named_parameters()), None, rtol)
            if step == max(at):
                return


def _step_and_tell(team: Lockstep, images: ImageBatch, labels: Tensor) -> list[dict[str, Tensor]]:
    """Take a step; returns each run's gradients, in the cohort's order, before the optimiser has them."""
    gradients: list[dict[str, Tensor]] = []

    def telling(stack: Stack, step: Callable[[], None]) -> Callable[[], None]:
        def tell_and_step() -> None:
            gradients.extend(stack.gradients(i) for i in range(len(_slots(team)) // len(team.stacks)))
            step()

        return tell_and_step

    with pytest.MonkeyPatch.context() as patch:
        for stack in team.stacks:
            patch.setattr(stack.parameters, "step", telling(stack, stack.parameters.step))
        team.step(images, labels)
    return gradients


def _slots(team: Lockstep) -> list[tuple[Stack, int]]:
    """Return each run's stack and place in it, in the cohort's order."""
    n_runs = len(team.cohort.seeds) * len(team.cohort.cells)
    return [(stack, i) for stack in team.stacks for i in range(n_runs)]


def _twin(
    design: Design, team: Lockstep, stack: Stack, i: int, n_steps: int
) -> tuple[reference.Network, torch.optim.Optimizer]:
    """Return torch.nn's network in the state of a run, and torch.optim's optimiser in that of its optimiser."""
    run = team.cohort.runs[team.stacks.index(stack) * len(_slots(team)) // len(team.stacks) + i]
    network = reference.Network(design, run).double()
    network.load_state_dict(stack.state_dict(i), strict=False)
    parameters = stack.parameters
    optimiser = optimisers.twin(parameters.rule, network.parameters(), run.cell.lr)
    kept = [stack._as_torch(i, by_run(first), parameters._named(others)) for first, others in parameters.kept]
    names = {1: ("momentum_buffer",), 2: ("exp_avg", "exp_avg_sq"), 0: ()}[len(kept)]
    for name, parameter in network.named_parameters() if n_steps else ():
        state = {key: tensors[name] for key, tensors in zip(names, kept, strict=True)}
        optimiser.state[parameter] = state | ({"step": torch.tensor(float(n_steps))} if len(kept) == 2 else {})
    return network, optimiser


def _assert_close(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor | None], normed: reference.Network | None, rtol: float
) -> None:
    """``normed``: a network whose biases in front of norms are left out."""
    in_front = [f"linears.{i}.bias" for i in range(len(normed.norms))] if normed else []
    for name, expected in theirs.items():
        if name not in in_front:
            assert expected is not None
            within = rtol * float(expected.abs().max())
            torch.testing.assert_close(
                ours[name], expected.detach(), rtol=0, atol=within, msg=lambda m, n=name: f"{n}: {m}"
            )
