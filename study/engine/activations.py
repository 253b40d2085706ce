"""The activations between the linear layers of a network, each a value that all of torch's code reads."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from study.spec.factors import Cell


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


RELU = Activation("relu", torch.relu, torch.relu_, lambda d_h, h: torch.ops.aten.threshold_backward(d_h, h, 0))
TANH = Activation("tanh", torch.tanh, torch.tanh_, torch.ops.aten.tanh_backward)
SIGMOID = Activation("sigmoid", torch.sigmoid, torch.sigmoid_, torch.ops.aten.sigmoid_backward, keeps_zero=False)
ACTIVATIONS = {activation.key: activation for activation in (RELU, TANH, SIGMOID)}


def for_cell(cell: Cell) -> Activation:
    """Return the activation of the networks of a cell."""
    return ACTIVATIONS[cell.activation]
