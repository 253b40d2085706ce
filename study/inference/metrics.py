"""How good are the logits of a stack of networks, and how much do they depend on the other images of the batch?

In mode ``BatchStatistics`` an image is normalised by the moments of its batch, so its logits are a function of the
other images. ``swap_sensitivity`` replaces some of these, ``composition_sensitivity`` all of them, many times. Left
out: which mode is used and which statistics, see ``modes``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from study.inference import modes
from study.inference.modes import BatchStatistics, Networks

Each = Callable[[Iterable[Any]], Iterator[Any]]

BINS = 15  # of the top probability, equally wide
CHUNK = 10_000  # images at a time, in whole batches


@dataclass(frozen=True)
class Measures:
    """Loss, accuracy, calibration and predicted labels of L networks."""

    loss: Tensor
    """(L,) float64, nats per image."""
    n_correct: Tensor
    """(L,) int64."""
    ece: Tensor
    """(L,) float64, expected calibration error: |accuracy - confidence| by bin, weighted by its images."""
    predicted: Tensor
    """(L, n) int64, the class of the largest logit; one past the last class where a logit is NaN."""


def measure(logits: Tensor, labels: Tensor) -> Measures:
    """Return the measures of logits (L, n, classes) on the labels (n,)."""
    if logits.shape[1:-1] != labels.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)}: one label an image")
    log_p = logits.double().log_softmax(-1)
    own = log_p.gather(-1, labels[None, :, None].expand(len(log_p), -1, 1))
    predicted = predicted_labels(logits)
    correct = predicted == labels
    return Measures(
        -own[..., 0].mean(-1), correct.sum(-1), _calibration_error(log_p.amax(-1).exp(), correct), predicted
    )


def predicted_labels(logits: Tensor) -> Tensor:
    """Return the class of the largest of logits (..., classes), one past the last class where a logit is NaN."""
    return logits.argmax(-1).masked_fill_(logits.isnan().any(-1), logits.shape[-1])


def _calibration_error(confidence: Tensor, correct: Tensor) -> Tensor:
    """Return the calibration error (L,) of confidence and correct (L, n).

    The k-th bin is (k / 15, (k + 1) / 15], as in Guo et al. 2017.
    """
    bins = ((confidence * BINS).ceil().long() - 1).clamp(0, BINS - 1)
    surplus = confidence.new_zeros(len(bins), BINS).scatter_add(-1, bins, correct.double() - confidence)
    return surplus.abs().sum(-1) / bins.shape[-1]


@dataclass(frozen=True)
class Flags:
    """Properties of consecutive batches that their size alone decides."""

    degenerate: bool
    """Whether a batch of one image occurs: it has no variance, and its logits do not depend on the image."""
    last: int
    """Images in the last batch."""


def flags(n: int, size: int) -> Flags:
    """Return the flags of ``BatchStatistics(size)`` on n images.

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
class SwapSensitivity:
    """Batch-swap sensitivity: what changes for an image when others of its batch are replaced; all (L,) float64, over
    all images asked for."""

    mean: Tensor
    """Rms change of the first layer's batch mean, over units, in standard deviations of the unit over all images
    (n - 1): sqrt(2 k) / m in expectation. NaN where a unit of the network is constant."""
    value: Tensor
    """Rms change of the image's own x_hat in the first layer, over units."""
    logit: Tensor
    """Rms change of the image's logits, over classes."""
    flips: Tensor
    """Share of images whose class changes."""


def swap_pairs(n: int, size: int, n_swapped: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Return two batches of ``size`` for each of ``images`` (q,) that differ in ``n_swapped`` other images: rows
    (2, q, size) of n images, its own first in both.

    All other images and their substitutes are drawn without replacement, by a generator on the CPU.
    """
    if not 0 <= n_swapped < size or size + n_swapped > n:
        raise ValueError(f"{n_swapped} mates swapped in batches of {size} from {n} images; k < size and size + k <= n")
    if not (images.numel() and images.min() >= 0 and images.max() < n):
        raise ValueError(f"images are {images.tolist()}; rows from 0 to {n - 1}, one at least")
    n_others = size - 1 + n_swapped
    others = torch.stack([torch.randperm(n - 1, generator=generator)[:n_others] for _ in images])
    image = images.cpu()[:, None]
    others += others >= image  # drawn from n - 1 numbers: skip the image's own
    old, new = others.tensor_split([size - 1], 1)
    return torch.stack([torch.cat([image, old], 1), torch.cat([image, old[:, n_swapped:], new], 1)])


def swap_sensitivity(networks: Networks, z: Tensor, drawn: Tensor, each: Each = iter) -> SwapSensitivity:
    """Return what changes between the two batches of each pair: ``drawn`` (2, q, size) are rows of z (L, n, width).

    ``each`` iterates over the parts of the work, and may end it.
    """
    sd = z.std(1, keepdim=True)
    chunks = torch.split(drawn, max(1, CHUNK // drawn.shape[-1]), dim=1)
    parts = [_changes(networks, z, sd, pair.to(z.device)) for pair in each(chunks)]
    mean, value, logit, flips = torch.cat(parts, -1).mean(-1)
    return SwapSensitivity(mean.sqrt(), value.sqrt(), logit.sqrt(), flips)


def _changes(networks: Networks, z: Tensor, sd: Tensor, pair: Tensor) -> Tensor:
    """Return (4, L, q): squared changes of mean, value and logit, and whether the class flips, by image."""
    batch, shape = BatchStatistics(pair.shape[-1]), pair.shape[1:]
    both = [z[:, rows.flatten()] for rows in pair]
    means = [torch.unflatten(one, 1, shape).mean(2) / sd for one in both]
    values = [batch.normalise(0, one)[:, :: shape[-1]] for one in both]
    logits = [modes.logits(networks, one, batch)[:, :: shape[-1]] for one in both]
    squares = [(a - b).double().square().mean(-1) for a, b in (means, values, logits)]
    flipped = predicted_labels(logits[0]) != predicted_labels(logits[1])
    return torch.stack([*squares, flipped.double()])


@dataclass(frozen=True)
class CompositionSensitivity:
    """Batch-composition sensitivity, over random compositions of the batches; (L,) float64."""

    any_flip: Tensor
    """Share of images that do not have the same class in all of them."""
    within_image_share: Tensor
    """Share of the variance of logits, over images and compositions, that is within an image (1 - ICC); summed over
    classes. NaN where logits are NaN or do not vary."""


def composition_sensitivity(
    networks: Networks, z: Tensor, size: int, generator: torch.Generator, n_compositions: int = 32, each: Each = iter
) -> CompositionSensitivity:
    """Return how the predictions of n images, z (L, n, width), vary over ``n_compositions`` random batches of ``size``.

    The variance between images is that of their means less its sampling error, as in a one-way analysis of variance
    with random effects. ``each`` iterates over the compositions, and may end the work.
    """
    if not 1 <= size <= z.shape[1] or n_compositions < 2:
        raise ValueError(f"{n_compositions} compositions of {z.shape[1]} images in {size}s; two at least, size <= n")
    draws = (_composed_logits(networks, z, size, generator) for _ in each(range(n_compositions)))
    mean = next(draws)
    before, squares = predicted_labels(mean), torch.zeros_like(mean)
    flipped = torch.zeros_like(before, dtype=torch.bool)
    for count, logits in enumerate(draws, start=2):  # Welford 1962
        flipped |= predicted_labels(logits) != before
        delta = logits - mean
        mean += delta / count
        squares += delta * (logits - mean)
    within = squares.sum(-1).mean(-1) / (n_compositions - 1)
    between = (mean.var(1).sum(-1) - within / n_compositions).clamp(min=0)
    return CompositionSensitivity(flipped.double().mean(-1), within / (within + between))


def _composed_logits(networks: Networks, z: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Return logits (L, n, classes), float64, of all images in random batches.

    The last batch is padded with images of the first, whose second logits are dropped.
    """
    n = z.shape[1]
    order = torch.randperm(n, generator=generator)
    rows = torch.cat([order, order[: -n % size]]).to(z.device)
    whole_batches = torch.split(rows, max(1, CHUNK // size) * size)
    mode = BatchStatistics(size)
    logits = torch.cat([modes.logits(networks, z[:, chunk], mode).double() for chunk in whole_batches], 1)[:, :n]
    return torch.empty_like(logits).index_copy_(1, rows[:n], logits)
