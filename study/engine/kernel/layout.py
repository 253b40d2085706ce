"""Where a network's parameters lie in the kernel's flat arrays, and how they are read and written there.

Layer by layer: weight (in, out), bias (out,), and under batch norm gamma and beta (out,) of a hidden layer; the
running averages likewise, mean and variance by norm. Every width is padded to whole lines of LINE floats with units
that are zero and stay zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LINE = 16
"""Floats of a line of the cache, as in vector.h."""

Floats = NDArray[np.float32]
Place = tuple[int, tuple[int, ...], tuple[int, ...]]
"""A tensor's first index, its padded shape, its own shape."""


def padded(width: int) -> int:
    """Return a width padded to whole lines.

    >>> padded(10), padded(32)
    (16, 32)
    """
    return -(-width // LINE) * LINE


def aligned(n: int, dtype: type = np.float32) -> NDArray:
    """Return zeros (n,) that begin a line of the cache, as the kernel's vectors must."""
    size = np.dtype(dtype).itemsize
    memory = np.zeros(n * size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + n * size].view(dtype)


@dataclass(frozen=True)
class Layout:
    """The places of all parameters and statistics of networks of one shape."""

    widths: tuple[int, ...]
    """Features, hidden units by layer, classes."""
    batch_norm: bool

    @cached_property
    def padded_widths(self) -> tuple[int, ...]:
        return tuple(map(padded, self.widths))

    @cached_property
    def parameters(self) -> Mapping[str, Place]:
        """Return the place of each parameter, by the names of torch.nn."""
        places: dict[str, Place] = {}
        end = 0
        for index, (own, whole) in enumerate(zip(pairwise(self.widths), pairwise(self.padded_widths), strict=True)):
            shapes = {f"linears.{index}.weight": (whole, own), f"linears.{index}.bias": (whole[1:], own[1:])}
            if self.batch_norm and index < len(self.widths) - 2:
                shapes |= {f"norms.{index}.{what}": (whole[1:], own[1:]) for what in ("weight", "bias")}
            for name, (shape, own_shape) in shapes.items():
                places[name] = (end, shape, own_shape)
                end += int(np.prod(shape))
        return places

    @cached_property
    def n_parameters(self) -> int:
        """Return the length of the parameters' array, padding included."""
        start, shape, _ = self.parameters[f"linears.{len(self.widths) - 2}.bias"]
        return start + shape[0]

    @cached_property
    def statistics(self) -> Mapping[str, Place]:
        """Return the places of each norm's mean and variance: ``norms.0.mean``, ``norms.0.var``, ..."""
        places: dict[str, Place] = {}
        end = 0
        for index, (own, whole) in enumerate(zip(self.widths[1:-1], self.padded_widths[1:-1], strict=True)):
            for what in ("mean", "var") if self.batch_norm else ():
                places[f"norms.{index}.{what}"] = (end, (whole,), (own,))
                end += whole
        return places

    @cached_property
    def n_statistics(self) -> int:
        return sum(shape[0] for _, shape, _ in self.statistics.values())


def view(array: NDArray, place: Place) -> NDArray:
    """Return the tensor at ``place`` without its padding; writing to it writes to ``array``."""
    start, shape, own = place
    whole = array[start : start + int(np.prod(shape))].reshape(shape)
    return whole[tuple(slice(n) for n in own)]
