"""How good the answers of a stack of networks are, and how much of an answer comes from the other images of its batch.

In mode ``BatchStatistics`` an image is normalised by the moments of its batch, so its logits are a function of its
batch mates. ``swap`` exchanges some of the mates of an image, ``compositions`` all of them, many times. Left out: which
mode is used and which statistics, see ``modes``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from study.inference.modes import BatchStatistics, Networks, logits

Each = Callable[[Iterable[Any]], Iterator[Any]]

BINS = 15  # of the top probability, equally wide
CHUNK = 10_000  # images at a time, in whole batches


@dataclass(frozen=True)
class Measures:
    loss: Tensor
    """(L,) float64, nats per image."""
    n_correct: Tensor
    """(L,) int64."""
    ece: Tensor
    """(L,) float64, expected calibration error: |accuracy - confidence| by bin, weighted by its images."""
    predicted: Tensor
    """(L, n) int64, the class of the largest logit; one past the last class where a logit is NaN."""


def measure(answers: Tensor, labels: Tensor) -> Measures:
    """Measures of logits (L, n, classes) on the labels (n,)."""
    if answers.shape[1:-1] != labels.shape:
        raise ValueError(f"logits {tuple(answers.shape)} and labels {tuple(labels.shape)}: one label an image")
    log_p = answers.double().log_softmax(-1)
    own = log_p.gather(-1, labels[None, :, None].expand(len(log_p), -1, 1))
    predicted = predicted_labels(answers)
    correct = predicted == labels
    return Measures(
        -own[..., 0].mean(-1), correct.sum(-1), _calibration_error(log_p.amax(-1).exp(), correct), predicted
    )


def predicted_labels(answers: Tensor) -> Tensor:
    """Logits (..., classes) -> the class of the largest; where one is NaN no class is, and it is one past the last."""
    return answers.argmax(-1).masked_fill_(answers.isnan().any(-1), answers.shape[-1])


def _calibration_error(confidence: Tensor, correct: Tensor) -> Tensor:
    """(L,) of confidence and correct (L, n); the k-th bin is (k / 15, (k + 1) / 15], as in Guo et al. 2017."""
    bins = ((confidence * BINS).ceil().long() - 1).clamp(0, BINS - 1)
    surplus = confidence.new_zeros(len(bins), BINS).scatter_add(-1, bins, correct.double() - confidence)
    return surplus.abs().sum(-1) / bins.shape[-1]


@dataclass(frozen=True)
class Flags:
    degenerate: bool
    """A batch of one image occurs: it has no variance, and its answer does not depend on it."""
    last: int
    """Images in the last batch."""


def flags(n: int, size: int) -> Flags:
    """What ``Batch(size)`` does with n images.

    >>> flags(10_000, 64)
    Flags(degenerate=False, last=16)
    >>> flags(9, 4)
    Flags(degenerate=True, last=1)
    """
    if n < 1 or size < 1:
        raise ValueError(f"{n} images in batches of {size}; both are 1 or more")
    last = n % size or size
    return Flags(last == 1, last)


@dataclass(frozen=True)
class Swap:
    """What changes for an image when mates of its batch are replaced; all (L,) float64, over all images asked for."""

    mean: Tensor
    """Rms change of the first layer's batch mean, over units, in standard deviations of the unit over all images
    (n - 1): sqrt(2 k) / m in expectation. NaN where a unit of the network is constant."""
    value: Tensor
    """Rms change of the image's own x_hat in the first layer, over units."""
    logit: Tensor
    """Rms change of the image's logits, over classes."""
    flips: Tensor
    """Share of images whose class changes."""


def pairs(n: int, size: int, n_swapped: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Each of ``images`` (q,) in two batches of ``size`` that differ in ``n_swapped`` mates: rows (2, q, size) of n
    images, its own first in both.

    All mates and their replacements are drawn without replacement, by a generator on the CPU.
    """
    if not 0 <= n_swapped < size or size + n_swapped > n:
        raise ValueError(f"{n_swapped} mates swapped in batches of {size} from {n} images; k < size and size + k <= n")
    if not (images.numel() and images.min() >= 0 and images.max() < n):
        raise ValueError(f"images are {images.tolist()}; rows from 0 to {n - 1}, one at least")
    n_others = size - 1 + n_swapped
    others = torch.stack([torch.randperm(n - 1, generator=generator)[:n_others] for _ in images])
    image = images.cpu()[:, None]
    others += others >= image  # numbers without the image's own
    old, new = others.tensor_split([size - 1], 1)
    return torch.stack([torch.cat([image, old], 1), torch.cat([image, old[:, n_swapped:], new], 1)])


def swap(networks: Networks, z: Tensor, drawn: Tensor, each: Each = iter) -> Swap:
    """What changes between the two batches of each of the ``pairs`` (2, q, size), rows of z (L, n, width).

    ``each`` goes through the parts of the work, and may end it.
    """
    sd = z.std(1, keepdim=True)
    some = torch.split(drawn, max(1, CHUNK // drawn.shape[-1]), dim=1)
    parts = [_changes(networks, z, sd, pair.to(z.device)) for pair in each(some)]
    mean, value, logit, flips = torch.cat(parts, -1).mean(-1)
    return Swap(mean.sqrt(), value.sqrt(), logit.sqrt(), flips)


def _changes(networks: Networks, z: Tensor, sd: Tensor, pair: Tensor) -> Tensor:
    """(4, L, q): squared changes of mean, value and logit, and whether the class flips, by image."""
    batch, shape = BatchStatistics(pair.shape[-1]), pair.shape[1:]
    both = [z[:, rows.flatten()] for rows in pair]
    means = [torch.unflatten(some, 1, shape).mean(2) / sd for some in both]
    values = [batch.normalise(0, some)[:, :: shape[-1]] for some in both]
    answers = [logits(networks, some, batch)[:, :: shape[-1]] for some in both]
    squares = [(a - b).double().square().mean(-1) for a, b in (means, values, answers)]
    flipped = predicted_labels(answers[0]) != predicted_labels(answers[1])
    return torch.stack([*squares, flipped.double()])


@dataclass(frozen=True)
class Compositions:
    """Over random compositions of the batches; (L,) float64."""

    any_flip: Tensor
    """Share of images that do not have the same class in all of them."""
    mates_share: Tensor
    """Share of the variance of logits, over images and compositions, that is within an image; summed over classes.
    NaN where logits are NaN or do not vary."""


def compositions(
    networks: Networks, z: Tensor, size: int, generator: torch.Generator, n_compositions: int = 32, each: Each = iter
) -> Compositions:
    """All n images of z (L, n, width) in batches of ``size``, composed anew by chance ``n_compositions`` times.

    The variance between images is that of their means less what chance puts there, as in a one-way analysis of
    variance with random effects. ``each`` goes through the compositions, and may end the work.
    """
    if not 1 <= size <= z.shape[1] or n_compositions < 2:
        raise ValueError(f"{n_compositions} compositions of {z.shape[1]} images in {size}s; two at least, size <= n")
    draws = (_composed(networks, z, size, generator) for _ in each(range(n_compositions)))
    mean = next(draws)
    before, squares = predicted_labels(mean), torch.zeros_like(mean)
    flipped = torch.zeros_like(before, dtype=torch.bool)
    for count, answers in enumerate(draws, start=2):  # Welford 1962
        flipped |= predicted_labels(answers) != before
        delta = answers - mean
        mean += delta / count
        squares += delta * (answers - mean)
    within = squares.sum(-1).mean(-1) / (n_compositions - 1)
    between = (mean.var(1).sum(-1) - within / n_compositions).clamp(min=0)
    return Compositions(flipped.double().mean(-1), within / (within + between))


def _composed(networks: Networks, z: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Logits (L, n, classes), float64, of all images in random batches.

    The last batch is filled up with images of the first, whose second answers are dropped.
    """
    n = z.shape[1]
    order = torch.randperm(n, generator=generator)
    rows = torch.cat([order, order[: -n % size]]).to(z.device)
    parts = list(_in_batches(networks, z, size, rows))
    answers = torch.cat(parts, 1)[:, :n]
    return torch.empty_like(answers).index_copy_(1, rows[:n], answers)


def _in_batches(networks: Networks, z: Tensor, size: int, rows: Tensor) -> Iterator[Tensor]:
    """Logits (L, some, classes) of the images at ``rows``, whole batches at a time."""
    for some in torch.split(rows, max(1, CHUNK // size) * size):
        yield logits(networks, z[:, some], BatchStatistics(size)).double()
