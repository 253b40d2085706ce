"""A stream of random numbers by its address: whoever draws says for which seed and which cause.

torch's global generator is never used, so that what one cause draws never moves another's numbers.
"""

import hashlib

import torch


def generator(seed: int, cause: str, index: int) -> torch.Generator:
    """Return a fresh CPU generator at the start of the stream (seed, cause, index).

    >>> a, b = generator(0, "order", 1), generator(0, "order", 1)
    >>> torch.equal(torch.rand(3, generator=a), torch.rand(3, generator=b))
    True
    """
    name = f"{seed}/{cause}/{index}".encode()
    state = int.from_bytes(hashlib.sha256(name).digest()[:8], "big")
    return torch.Generator().manual_seed(state)
