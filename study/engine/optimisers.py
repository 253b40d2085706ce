"""The rules by which parameters move: each a value that the stacked optimiser and torch.optim both read.

A stack stores u = w / lr (``lockstep.optimiser``), so its rules take steps at a rate of 1: w moves by lr times as much.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam

from study.spec.constants import ADAM, MOMENTUM
from study.spec.factors import Cell

Tensors = Sequence[Tensor]
Step = Callable[[Tensors, Tensors, Sequence[Tensors], Tensors], None]
"""A function that moves u by one step: (u, dL/dw, what the rule keeps of each, the numbers of steps so far)."""


@dataclass(frozen=True)
class Optimiser:
    """A rule of torch.optim."""

    twin: Callable[..., torch.optim.Optimizer]
    """(parameters, lr, weight_decay) -> torch.optim's optimiser."""
    step: Step | None = None
    """None of an optimiser that is none of ``registry.STACK_OPTIMISERS``."""
    n_kept: int = 0
    """Tensors as large as the parameters that it keeps between steps."""
    decoupled: bool = False
    """Whether weight decay shrinks w itself by lr weight_decay w (Loshchilov & Hutter 2019, algorithm 2) or is part of
    the gradient, weight_decay w (of an L2 penalty)."""


@dataclass(frozen=True)
class Rule:
    """An optimiser and its weight decay, of all parameters, as by default in torch."""

    optimiser: Optimiser
    weight_decay: float = 0.0


def _adam(u: Tensors, d_w: Tensors, kept: Sequence[Tensors], n_steps: Tensors) -> None:
    """Kingma & Ba 2015, algorithm 1."""
    first, second = kept
    adam(
        [*u], [*d_w], [*first], [*second], [], [*n_steps],
        lr=1.0, beta1=ADAM.beta1, beta2=ADAM.beta2, eps=ADAM.eps,
        weight_decay=0.0, amsgrad=False, maximize=False, fused=True,
    )  # fmt: skip


def _sgd(u: Tensors, d_w: Tensors, kept: Sequence[Tensors], n_steps: Tensors) -> None:
    for own, gradient in zip(u, d_w, strict=True):
        own.sub_(gradient)


def _momentum(u: Tensors, d_w: Tensors, kept: Sequence[Tensors], n_steps: Tensors) -> None:
    """Polyak 1964 in torch's form: v = momentum v + dL/dw, then u - v."""
    for own, gradient, velocity in zip(u, d_w, kept[0], strict=True):
        own.sub_(velocity.mul_(MOMENTUM).add_(gradient))


def _adam_twin(kind: Callable[..., torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    return lambda parameters, **settings: kind(parameters, betas=(ADAM.beta1, ADAM.beta2), eps=ADAM.eps, **settings)


OPTIMISERS = {
    "adam": Optimiser(_adam_twin(torch.optim.Adam), _adam, 2),
    "adamw": Optimiser(_adam_twin(torch.optim.AdamW), _adam, 2, decoupled=True),
    "sgd": Optimiser(torch.optim.SGD, _sgd),
    "momentum": Optimiser(lambda parameters, **of: torch.optim.SGD(parameters, momentum=MOMENTUM, **of), _momentum, 1),
}
"""By the levels of the factor ``optimizer``."""


def twin(rule: Rule, parameters: Iterable[Tensor], lr: float) -> torch.optim.Optimizer:
    """Return torch.optim's optimiser for one run."""
    return rule.optimiser.twin(parameters, lr=lr, weight_decay=rule.weight_decay)


def for_cell(cell: Cell) -> Rule:
    """Return the rule of the runs of a cell."""
    return Rule(OPTIMISERS[cell.optimizer], cell.weight_decay)
