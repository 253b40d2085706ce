"""Every random number of a training, from a stream named by its cause.

A stream is addressed by (seed, cause, index): initial weights by layer, the order of the images by
epoch. Arms, learning rates and batch sizes are not part of the address, so they share the stream:
that is what makes two runs of a seed a pair. torch's global generator is used by a user's own modules alone, which
draw from it whatever one does: each time from the start of a stream, and it is given back as it was.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

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


def initial_linear(seed: int, layer: int, n_in: int, n_out: int) -> tuple[Tensor, Tensor]:
    """Return weight (n_in, n_out) and bias (n_out,), uniform on +-1/sqrt(n_in) as in torch.nn.Linear.

    Drawn in float32 whatever the training's dtype, so that every dtype starts from the same point.
    """
    stream = generator(seed, "init", layer)
    bound = initial_bound(n_in)
    weight = torch.rand(n_out, n_in, generator=stream).mul_(2 * bound).sub_(bound)
    bias = torch.rand(n_out, generator=stream).mul_(2 * bound).sub_(bound)
    return weight.T.contiguous(), bias


def image_order(seed: int, epoch: int, n_images: int) -> Tensor:
    """Return the permutation (n_images,) in which the images are visited in ``epoch`` (1 is the first)."""
    return torch.randperm(n_images, generator=generator(seed, "order", epoch))


def test_order(seed: int, n_images: int) -> Tensor:
    """Return the permutation (n_images,) in which test images are put into batches where their order is shuffled."""
    return torch.randperm(n_images, generator=generator(seed, "test order", 0))
