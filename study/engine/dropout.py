"""Dropout: a training step leaves out a share p of an image's hidden units, and scales the others by 1 / (1 - p).

Srivastava et al. 2014, in the form of torch.nn.Dropout, which leaves predictions as they are. The masks are drawn from
the stream (seed, "dropout", layer), which all arms and rates of a seed share: with a larger p, more units are left out.
"""

import torch
from torch import Tensor, nn

from study.engine import random_streams

CAUSE = "dropout"


def drawn(stream: torch.Generator, batch: int, width: int) -> Tensor:
    """Return numbers (batch, width) uniform on [0, 1) for the next step; a unit whose own is below p is left out."""
    return torch.rand(batch, width, generator=stream)


def factor(numbers: Tensor, p: float) -> Tensor:
    """Return what units are multiplied by, 0 or 1 / (1 - p)."""
    return (numbers >= p).to(numbers) / (1 - p)


class Twin(nn.Module):
    """The dropout of one run, by autograd."""

    def __init__(self, p: float, seed: int, layer: int):
        super().__init__()
        self.p, self.stream = p, random_streams.layer_noise(seed, layer, CAUSE)

    def forward(self, h: Tensor) -> Tensor:
        return h * factor(drawn(self.stream, *h.shape).to(h), self.p) if self.training else h
