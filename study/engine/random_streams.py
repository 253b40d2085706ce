"""Every random number of a training, from a stream named by its cause.

A stream is addressed by (seed, cause, index): initial weights, noise and dropout by layer, the order of the images by
epoch. Arms, learning rates and batch sizes are not part of the address, so they share the stream:
that is what makes two runs of a seed a pair. torch's global generator is never used.
"""

import hashlib

import torch
from torch import Tensor

from study.spec.constants import initial_bound


def generator(seed: int, cause: str, index: int) -> torch.Generator:
    """Return a fresh CPU generator at the start of the stream (seed, cause, index).

    >>> a, b = generator(0, "order", 1), generator(0, "order", 1)
    >>> torch.equal(torch.rand(3, generator=a), torch.rand(3, generator=b))
    True
    """
    name = f"{seed}/{cause}/{index}".encode()
    state = int.from_bytes(hashlib.sha256(name).digest()[:8], "big")
    return torch.Generator().manual_seed(state)


def initial_linear(seed: int, layer: int, n_in: int, n_out: int) -> tuple[Tensor, Tensor]:
    """Return weight (n_in, n_out) and bias (n_out,), uniform on +-1/sqrt(n_in) as in torch.nn.Linear.

    Drawn in float32 whatever the training's dtype, so that every dtype starts from the same point.
    """
    stream = generator(seed, "init", layer)
    bound = initial_bound(n_in)
    weight = torch.rand(n_out, n_in, generator=stream).mul_(2 * bound).sub_(bound)
    bias = torch.rand(n_out, generator=stream).mul_(2 * bound).sub_(bound)
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
