"""Which moments of the training images can ``FixedStatistics`` normalise with?

    stored_statistics   stored while training, by weights that still moved: running or cumulative averages
    precise             averages over batches in train mode, with the final weights
    population          exact moments of all images, the reference for the others

Statistics are a mean and a variance (L, 1, width) by layer, of L networks. Left out: storing them, which training does.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from study.inference.modes import (
    FixedStatistics,
    Moments,
    Networks,
    State,
    Statistics,
    batch_moments,
    first_preactivation,
    layer_counts,
    next_preactivation,
    normalised,
    pre_activations,
    stack_vectors,
)

CHUNK = 2000  # images at a time, whatever their number
KEPT = 2**24  # bytes of first-layer pre-activations a network; beyond, they are computed anew in each pass


def stored_statistics(states: Sequence[State], kind: str) -> Statistics:
    """Return what training stored as ``norms.N.KIND_mean`` and ``norms.N.KIND_var``: "running", ..."""
    _, n_norms = layer_counts(states)
    if not n_norms:
        raise ValueError(f"kind {kind!r} is asked of networks without batch norm")
    return [
        (stack_vectors(states, f"norms.{i}.{kind}_mean"), stack_vectors(states, f"norms.{i}.{kind}_var"))
        for i in range(n_norms)
    ]


def preactivation_batches(networks: Networks, images: Tensor) -> Callable[[int], Iterable[Tensor]]:
    """Return a function of m that gives the first layer's z (L, m, width) of images (n, features), m at a time.

    z is kept between passes if it takes at most ``KEPT`` bytes a network, whatever the number of networks.
    """
    weight, _ = networks.linears[0]
    if len(images) * weight.shape[-1] * weight.element_size() > KEPT:
        return lambda m: (first_preactivation(networks, chunk) for chunk in torch.split(images, m))
    z = first_preactivation(networks, images)
    return lambda m: torch.split(z, m, dim=1)


def whole_batches(z: Callable[[int], Iterable[Tensor]], n: int, size: int) -> Iterator[Tensor]:
    """Yield z (L, k size, width) of the n images in whole batches of ``size``, several at a time; the rest is left."""
    at_once = max(1, CHUNK // size) * size
    left = n - n % size
    for part in z(at_once):
        if left:
            yield part[:, :left]
        left -= min(left, part.shape[1])


def population(networks: Networks, z: Callable[[], Iterable[Tensor]]) -> Statistics:
    """Return exact moments over all images, weights frozen, each layer's inputs normalised with exact moments.

    ``z`` gives the first layer's (L, n_i, width), chunk by chunk and anew for every layer, since a layer's moments
    must be complete before the next one's can begin; the variance is biased, in float64.
    """
    exact: list[Moments] = []
    for layer in range(len(networks.norms)):
        mode = FixedStatistics(exact)
        by_chunk = (pre_activations(networks, chunk, mode) for chunk in z())
        exact.append(pooled(next(islice(zs, layer, None)) for zs in by_chunk))
    return exact


def _moments(z: Tensor) -> Moments:
    """Return mean and biased variance over the images of z (L, ..., m, width), in float64."""
    z = z.double()
    mean = z.mean(-2, keepdim=True)
    return mean, (z - mean).square_().mean(-2, keepdim=True)  # torch.var_mean takes 4 times as long on a CPU


def pooled(parts: Iterable[Tensor]) -> Moments:
    """Return mean and biased variance (L, 1, width) over the images of all parts (L, n_i, width); Chan et al. 1983."""
    n, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for part in parts:
        m = part.shape[1]
        n += m
        part_mean, part_var = _moments(part)
        delta = part_mean - mean
        mean = mean + delta * (m / n)
        squares = squares + m * part_var + delta.square() * (m * (n - m) / n)
    if not n:
        raise ValueError("no images to take moments of")
    return mean, squares / n


def precise(networks: Networks, parts: Iterable[Tensor], size: int) -> Statistics:
    """Return plain averages of the means and UNBIASED variances in train mode, weights frozen, over batches of
    ``size``: ``parts`` are the first layer's z (L, k size, width) of several whole batches each.

    torch.optim.swa_utils.update_bn computes the same with BatchNorm1d's momentum None; here they add up in float64.
    """
    if size < 2:
        raise ValueError(f"batches of {size}; a batch holds 2 images or more")
    n_batches = 0
    sums = [(torch.zeros(()), torch.zeros(())) for _ in networks.norms]
    for z in parts:
        n_here, rest = divmod(z.shape[1], size)
        if rest:
            raise ValueError(f"a part holds {z.shape[1]} images; all hold whole batches of {size}")
        n_batches += n_here
        for layer, (of_means, of_vars) in enumerate(sums):
            batches = torch.unflatten(z, 1, (n_here, size))
            mean, var = batch_moments(batches)
            sums[layer] = of_means + mean.double().sum(1), of_vars + var.double().sum(1)
            if layer + 1 < len(sums):
                z = next_preactivation(networks, layer, normalised(batches, mean, var).flatten(1, 2))
    if not n_batches:
        raise ValueError("no batches to average over")
    unbiased = size / (size - 1)
    return [(mean / n_batches, unbiased * var / n_batches) for mean, var in sums]
