"""The parameters of a stack of runs and the optimiser that moves them all in one step.

**A learning rate per run from one Adam.** Adam multiplies its rate with a step that follows from the
gradients alone (Kingma & Ba 2015, algorithm 1). So what is stored is u = w / lr, and Adam is handed dL/dw
with a rate of 1: u moves by that step, hence w = lr u by lr times it. One step then serves every rate.
The same holds of every rule in ``engine.optimisers``; weight decay, which w itself is part of, knows each rate.
"""

from collections.abc import Mapping, Sequence
from math import prod

import torch
from torch import Tensor

from study.engine.optimisers import OPTIMISERS, Rule

ADAM = Rule(OPTIMISERS["adam"])
ALIGNMENT = 64  # elements; every parameter starts at the same alignment whatever the stack holds


class Parameters:
    """The first layer's weight, which is nearly all, and the others in one flat buffer.

    ``first`` (S, features, R, width) is u, and whoever multiplies by it scales the product. ``values[name]``
    (S R, rows, columns) is w of each of the others, valid since the last ``refresh``.
    """

    def __init__(self, first: Sequence[int], others: Mapping[str, tuple[int, int]], lrs: Tensor, rule: Rule = ADAM):
        """Take the shapes of one run's parameters, and ``lrs`` (S, R), whose dtype and device all tensors have."""
        self.rule = rule
        n_seeds, n_rates = lrs.shape
        n_features, width = first
        self.scale = lrs.reshape(-1, 1, 1).contiguous()
        self.first = lrs.new_zeros(n_seeds, n_features, n_rates, width)
        self.d_first = torch.zeros_like(self.first)
        self.shapes = {name: (n_seeds * n_rates, *shape) for name, shape in others.items()}
        self.sizes = [-(-prod(shape) // ALIGNMENT) * ALIGNMENT for shape in self.shapes.values()]
        self._stored, self._d_stored, self._values = (lrs.new_zeros(sum(self.sizes)) for _ in range(3))
        self._scales = torch.ones_like(self._stored)
        for view in self._named(self._scales).values():
            view.copy_(self.scale.expand_as(view))
        self.stored, self.gradients, self.values = map(self._named, (self._stored, self._d_stored, self._values))
        self.moved = [self.first, self._stored]
        self.rates = [lrs[:, None, :, None], self._scales]
        self.kept = [[torch.zeros_like(tensor) for tensor in self.moved] for _ in range(rule.optimiser.n_kept)]
        self.n_steps = [lrs.new_zeros((), dtype=torch.float32) for _ in self.moved]

    def _named(self, buffer: Tensor) -> dict[str, Tensor]:
        pieces = zip(self.shapes.items(), torch.split(buffer, self.sizes), strict=True)
        return {name: piece[: prod(shape)].view(shape) for (name, shape), piece in pieces}

    def assign(self, name: str, value: Tensor) -> None:
        """Set w of one of the others; ``value`` broadcasts to (S R, rows, columns)."""
        self.stored[name].copy_(value.to(self.scale) / self.scale)

    def assign_first(self, value: Tensor) -> None:
        """Set w (S R, features, width) of the first weight."""
        stored = value.to(self.scale) / self.scale
        self.first.copy_(stored.view(len(self.first), -1, *stored.shape[1:]).transpose(1, 2))

    def first_value(self) -> Tensor:
        """Return w (S R, features, width) of the first weight, a new tensor."""
        return by_run(self.first) * self.scale

    def refresh(self) -> None:
        """Set ``values`` to w = lr u."""
        torch.mul(self._stored, self._scales, out=self._values)

    def step(self) -> None:
        """Take one step on ``d_first`` and ``gradients``."""
        optimiser, d_w = self.rule.optimiser, [self.d_first, self._d_stored]
        assert optimiser.step is not None, "registry.STACK_OPTIMISERS says which a stack takes"
        if self.rule.weight_decay:
            decayed = self.moved if optimiser.decoupled else d_w
            sign = -1 if optimiser.decoupled else 1
            for tensor, u, lr in zip(decayed, self.moved, self.rates, strict=True):
                tensor.addcmul_(u, lr, value=sign * self.rule.weight_decay)  # lr u is w
        optimiser.step(self.moved, d_w, self.kept, self.n_steps)


def by_run(first: Tensor) -> Tensor:
    """Return a tensor in the shape of the first weight, (S, features, R, width), as (S R, features, width)."""
    return first.transpose(1, 2).flatten(0, 1)
