"""A hidden layer of a stack: what a normalisation or dropout has to know of it, and what it draws in every step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from study.engine import random_streams
from study.engine.lockstep.optimiser import Parameters


@dataclass(frozen=True)
class HiddenLayer:
    """The hidden layer ``index`` of the L = S R runs of a stack; its vectors are ``padded`` from ``width`` units."""

    parameters: Parameters
    index: int
    width: int
    padded: int
    seeds: Sequence[int] = ()
    """The seed of each of the S rows of runs."""
    of: str = ""
    """What stands in front of the causes of what it draws: nothing of networks in training."""

    def full(self, value: float) -> Tensor:
        """Return a tensor (L, 1, padded) in the dtype and on the device of the parameters."""
        return self.parameters.scale.new_full((len(self.parameters.scale), 1, self.padded), value)

    def draws(self, cause: str, draw: Callable[[torch.Generator, int, int], Tensor]) -> "Draws":
        """Return what the layer draws for a cause: ``draw`` of (stream, batch, width) is (..., batch, width)."""
        return Draws(self, cause, draw)


class Draws:
    """What chance draws for the images of a layer in every step, from a stream of each seed: arms and rates share it.

    A seed's numbers are drawn in float32 for the layer's own units, whatever the padding, the dtype and the other runs.
    """

    def __init__(self, layer: HiddenLayer, cause: str, draw: Callable[[torch.Generator, int, int], Tensor]):
        self.layer, self.draw = layer, draw
        cause = f"{layer.of}{cause}"
        self.streams = {seed: random_streams.layer_noise(seed, layer.index, cause) for seed in layer.seeds}

    def next(self, batch: int) -> Tensor:
        """Return the numbers of the next step, (..., batch, L, padded); padding is zero."""
        scale, width = self.layer.parameters.scale, self.layer.width
        drawn = {seed: self.draw(stream, batch, width) for seed, stream in self.streams.items()}
        rows = torch.stack([drawn[seed] for seed in self.layer.seeds], -2).to(scale)  # (..., batch, S, width)
        every = rows.new_zeros(*rows.shape[:-1], len(scale) // rows.shape[-2], self.layer.padded)
        every[..., :width] = rows[..., None, :]
        return every.flatten(-3, -2)
