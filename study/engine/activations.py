"""The activations between the linear layers of a network, each a value that all of torch's code reads."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from study.spec.factors import Cell

VECTOR = 32
"""Numbers that torch takes at once, at most: two vectors of AVX-512."""


@dataclass(frozen=True)
class Activation:
    """An elementwise function h = f(z) whose derivative follows from its value."""

    key: str
    apply: Callable[[Tensor], Tensor]
    apply_: Callable[[Tensor], Tensor]
    """``apply`` in place."""
    backward: Callable[[Tensor, Tensor], Tensor]
    """(dL/dh, h) -> dL/dz."""
    keeps_zero: bool = True
    """Whether f(0) = 0, so that the units that pad a vector stay zero."""
    whole_vectors: bool = False
    """Whether numbers beyond the last whole vector of a tensor are rounded otherwise, so that their bits depend on what
    lies beside them."""

    def by_row(self, z: Tensor) -> Tensor:
        """Return f(z) of z (..., width), whose bits do not depend on the other rows."""
        width, rest = z.shape[-1], -z.shape[-1] % VECTOR
        if not self.whole_vectors or not rest:
            return self.apply(z)
        return self.apply(pad(z, (0, rest)))[..., :width].contiguous()


RELU = Activation("relu", torch.relu, torch.relu_, lambda d_h, h: torch.ops.aten.threshold_backward(d_h, h, 0))
TANH = Activation("tanh", torch.tanh, torch.tanh_, torch.ops.aten.tanh_backward)
SIGMOID = Activation(
    "sigmoid",
    torch.sigmoid,
    torch.sigmoid_,
    torch.ops.aten.sigmoid_backward,
    keeps_zero=False,
    whole_vectors=True,
)
ACTIVATIONS = {activation.key: activation for activation in (RELU, TANH, SIGMOID)}


def for_cell(cell: Cell) -> Activation:
    """Return the activation of the networks of a cell."""
    return ACTIVATIONS[cell.activation]
