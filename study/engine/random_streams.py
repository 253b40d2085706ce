"""Every random number of a training, from a stream named by its cause.

A stream is addressed by (seed, cause, index): initial weights, noise and dropout by layer, the order of the images by
epoch. Arms, learning rates and batch sizes are not part of the address, so they share the stream:
that is what makes two runs of a seed a pair. torch's global generator is used by a user's own modules alone, which
draw from it whatever one does: each time from the start of a stream, and it is given back as it was.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from study.data import streams
from study.spec.constants import INITS
from study.spec.design import Design
from study.spec.runs import Run

generator = streams.generator
"""A fresh CPU generator at the start of the stream (seed, cause, index)."""


@contextmanager
def global_generator(seed: int, cause: str, index: int) -> Iterator[None]:
    """Have torch's global generator at the start of the stream (seed, cause, index) inside a ``with`` block, and as it
    was after it; of one thread at a time, since a process has one.

    >>> with global_generator(0, "modules", 0):
    ...     a = torch.rand(3)
    >>> torch.equal(a, torch.rand(3, generator=generator(0, "modules", 0)))
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(generator(seed, cause, index).initial_seed())
        yield


def initial_weights(design: Design, run: Run, layer: int) -> tuple[Tensor, Tensor]:
    """Return the weight (n_in, n_out) and the bias (n_out,) with which a linear layer of a run begins."""
    n_in, n_out = design.widths_in(run.cell)[layer : layer + 2]
    seed, cause = design.weights_seed(run.seed), design.init_cause(run.arm)
    return initial_linear(seed, layer, n_in, n_out, run.cell.init, cause)


def initial_linear(
    seed: int, layer: int, n_in: int, n_out: int, init: str = "torch", cause: str = "init"
) -> tuple[Tensor, Tensor]:
    """Return weight (n_in, n_out) and bias (n_out,), uniform within the bounds of ``init``, a key of INITS.

    Drawn in float32 whatever the training's dtype, so that every dtype starts from the same point; each ``init`` scales
    the same draws.
    """
    stream, rule = generator(seed, cause, layer), INITS[init]
    bound, bias_bound = rule.weight(n_in, n_out), rule.bias(n_in)
    weight = torch.rand(n_out, n_in, generator=stream).mul_(2 * bound).sub_(bound)
    bias = torch.rand(n_out, generator=stream).mul_(2 * bias_bound).sub_(bias_bound)
    return weight.T.contiguous(), bias


def layer_noise(seed: int, layer: int, cause: str) -> torch.Generator:
    """Return the stream of what a hidden layer draws anew in every training step: "noise" or "dropout", from a CPU
    generator on every device."""
    return generator(seed, cause, layer)


def image_order(seed: int, epoch: int, n_images: int) -> Tensor:
    """Return the permutation (n_images,) in which the images are visited in ``epoch`` (1 is the first)."""
    return torch.randperm(n_images, generator=generator(seed, "order", epoch))


def test_order(seed: int, n_images: int) -> Tensor:
    """Return the permutation (n_images,) in which test images are put into batches where their order is shuffled."""
    return torch.randperm(n_images, generator=generator(seed, "test order", 0))
