"""How good are the logits of a stack of networks, and how much do they depend on the other images of the batch?

In mode ``BatchStatistics`` an image is normalised by the moments of its batch, so its logits are a function of the
other images. ``swap_sensitivity`` replaces some of these, ``composition_sensitivity`` all of them, many times. Left
out: which mode is used and which statistics, see ``modes``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from study.inference import modes
from study.inference.modes import BatchStatistics, InBatches, Mode

Each = Callable[[Iterable[Any]], Iterator[Any]]

BINS = 15  # of the top probability, equally wide
CHUNK = 2000  # images at a time, in whole batches: four networks' features of them stay in a core's cache


class Predicts(Protocol):
    """L networks that predict n images, z (L, n, ...), of which the first layers' share is known."""

    def logits(self, z: Tensor, mode: Mode | None) -> Tensor:
        """Return the logits (L, n, classes); mode None for networks without statistics to choose."""
        ...

    def units(self, z: Tensor) -> Tensor:
        """Return what the first norm is given of each image, (L, n, units)."""
        ...

    def in_batches(self, z: Tensor, size: int) -> InBatches:
        """Return what whole batches of ``size`` show of their first images."""
        ...


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
    """Return the measures of logits (L, n, classes) on the labels, (n,) or of each network its own (L, n)."""
    if logits.shape[1:-1] != labels.shape[-1:]:
        raise ValueError(f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)}: one label an image")
    by_class = _by_class(logits)
    log_p = by_class.double().log_softmax(-2)
    own = log_p.gather(-2, labels.expand(logits.shape[:-1])[:, None])
    predicted = _first_largest(by_class)
    correct = predicted == labels
    return Measures(-own[:, 0].mean(-1), correct.sum(-1), _calibration_error(log_p.amax(-2).exp(), correct), predicted)


def predicted_labels(logits: Tensor) -> Tensor:
    """Return the class of the largest of logits (..., classes), one past the last class where a logit is NaN."""
    return _first_largest(_by_class(logits))


def _by_class(logits: Tensor) -> Tensor:
    """Return logits (..., classes, n), in which what runs over the classes is a few operations on long rows."""
    return logits.mT.contiguous()


def _first_largest(by_class: Tensor) -> Tensor:
    """Return the argmax over the classes (..., classes, n); torch's own takes 20 times as long."""
    n_classes = by_class.shape[-2]
    from_last = torch.arange(n_classes, 0, -1, dtype=torch.int16, device=by_class.device)[:, None]
    is_largest = by_class == by_class.amax(-2, keepdim=True)  # nowhere in a row with a NaN
    return n_classes - (is_largest * from_last).amax(-2).long()


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
    others = _distinct(n - 1, len(images), size - 1 + n_swapped, generator)
    image = images.cpu()[:, None]
    others += others >= image  # drawn from n - 1 numbers: skip the image's own
    old, new = others.tensor_split([size - 1], 1)
    return torch.stack([torch.cat([image, old], 1), torch.cat([image, old[:, n_swapped:], new], 1)])


def _distinct(n: int, n_rows: int, k: int, generator: torch.Generator) -> Tensor:
    """Return k different numbers below n in every row, (n_rows, k): each is drawn until it is none of those before."""
    drawn = torch.empty(k, n_rows, dtype=torch.int32)
    for i in range(k):
        new = torch.randint(n, (n_rows,), generator=generator, dtype=torch.int32)
        while (taken := (drawn[:i] == new).any(0)).any():
            new[taken] = torch.randint(n, (int(taken.sum()),), generator=generator, dtype=torch.int32)
        drawn[i] = new
    return drawn.T.long()


def swap_sensitivity(networks: Predicts, z: Tensor, drawn: Tensor, each: Each = iter) -> SwapSensitivity:
    """Return what changes between the two batches of each pair: ``drawn`` (L, 2, q, size) are, of each network, rows
    of its z (L, n, width).

    ``each`` iterates over the parts of the work, and may end it.
    """
    chunks = _pieces(drawn)
    units = networks.units(z)
    sd = ((units - units.mean(1, keepdim=True)).square_().sum(1, keepdim=True) / (units.shape[1] - 1)).sqrt()
    parts = [_changes(networks, z, sd, pair.to(z.device)) for pair in each(chunks)]
    mean, value, logit, flips = torch.cat(parts, -1).mean(-1)
    return SwapSensitivity(mean.sqrt(), value.sqrt(), logit.sqrt(), flips)


def swap_flips(networks: Predicts, z: Tensor, drawn: Tensor, mode: Mode, each: Each = iter) -> Tensor:
    """Return of how many images (L,) the class changes between the two batches of each pair when ``mode`` predicts;
    all as for ``swap_sensitivity``."""
    flips = torch.zeros(len(z), dtype=torch.int64, device=z.device)
    for pair in each(_pieces(drawn)):
        batches = modes.take(z, pair.to(z.device).flatten(1, 2)).flatten(1, 2)
        before, after = predicted_labels(networks.logits(batches, mode)[:, :: pair.shape[-1]]).chunk(2, 1)
        flips += (before != after).sum(1)
    return flips


def _pieces(drawn: Tensor) -> Sequence[Tensor]:
    return torch.split(drawn, max(1, CHUNK // drawn.shape[-1]), dim=2)


def _changes(networks: Predicts, z: Tensor, sd: Tensor, pair: Tensor) -> Tensor:
    """Return (4, L, q): squared changes of mean, value and logit, and whether the class flips, by image."""
    size = pair.shape[-1]
    batches = modes.take(z, pair.flatten(1, 2))
    means, values, logits = networks.in_batches(batches.flatten(1, 2), size)
    halves = [one.chunk(2, 1) for one in (means / sd, values, logits)]
    squares = [(a - b).double().square().flatten(2).mean(-1) for a, b in halves]
    before, after = predicted_labels(logits).chunk(2, 1)
    return torch.stack([*squares, (before != after).double()])


@dataclass(frozen=True)
class CompositionSensitivity:
    """Batch-composition sensitivity, over random compositions of the batches; (L,) float64."""

    any_flip: Tensor
    """Share of images that do not have the same class in all of them."""
    within_image_share: Tensor
    """Share of the variance of logits, over images and compositions, that is within an image (1 - ICC); summed over
    classes. NaN where logits are NaN or do not vary."""


def composition_sensitivity(
    networks: Predicts, z: Tensor, size: int, generators: Sequence[torch.Generator], n_compositions: int = 32,
    each: Each = iter,
) -> CompositionSensitivity:  # fmt: skip
    """Return how the predictions of n images, z (L, n, width), vary over ``n_compositions`` random batches of ``size``,
    which are drawn by the ``generators`` of the L networks.

    The variance between images is that of their means less its sampling error, as in a one-way analysis of variance
    with random effects. ``each`` iterates over the compositions, and may end the work.
    """
    if not 1 <= size <= z.shape[1] or n_compositions < 2:
        raise ValueError(f"{n_compositions} compositions of {z.shape[1]} images in {size}s; two at least, size <= n")
    draws = (_composed_logits(networks, z, size, generators) for _ in each(range(n_compositions)))
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


def _composed_logits(networks: Predicts, z: Tensor, size: int, generators: Sequence[torch.Generator]) -> Tensor:
    """Return logits (L, n, classes), float64, of all images in random batches.

    The last batch is padded with images of the first, whose second logits are dropped.
    """
    n = z.shape[1]
    orders = torch.stack([torch.randperm(n, generator=generator) for generator in generators]).to(z.device)
    rows = torch.cat([orders, orders[:, : -n % size]], 1)
    whole_batches = torch.split(rows, max(1, CHUNK // size) * size, dim=1)
    mode = BatchStatistics(size)
    logits = torch.cat([networks.logits(modes.take(z, chunk), mode) for chunk in whole_batches], 1)
    places = torch.empty_like(orders).scatter_(1, orders, torch.arange(n, device=z.device).expand_as(orders))
    return modes.take(logits, places).double()
