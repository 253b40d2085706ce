"""Under which conditions are trained networks evaluated: how are the test images corrupted, or which are selected?

Corruptions in the spirit of MNIST-C (Mu & Gilmer 2019) and ImageNet-C (Hendrycks & Dietterich 2019) at severities
1 (barely visible) to 5 (strong), a background that betrays the class, and class priors. Images are (n, features)
in [0, 1], pictures of any size and number of channels, and remain so; nothing is changed in place.

All randomness has one source: noise on image i comes from the stream (0, "shift/<corruption>", i), drawn on the CPU. So
severities, data sets, runs and devices share their draws, and a chunk of the test set gets, on a CPU to the bit, the
noise that it gets in the whole. The rest is deterministic: where MNIST-C draws a direction at random, one is fixed.

Left out: corruptions that need files or libraries (fog, frost, JPEG), and any mixing of two conditions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, cos, isqrt, prod, radians, sin, sqrt
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from study.data.backgrounds import lightened
from study.engine import random_streams
from study.spec.datasets import DatasetSpec
from study.spec.inference.conditions import STRENGTHS, Condition

REFERENCE_SIDE = 28
IMBALANCE = 100
"""Images of the first class for each one of the last, in the long tail."""


@dataclass(frozen=True)
class Form:
    """What must be known of a test set to change it."""

    n_classes: int = 10
    image: tuple[int, ...] | None = None
    """Channels, height and width; None of square pictures of one channel."""

    @classmethod
    def of(cls, data: DatasetSpec) -> Self:
        """Return the form of a data set; to what is only selected, an example of a table has channels alone."""
        return cls(data.n_classes, data.image or (data.n_features, 1, 1))

    def pictures(self, images: Tensor) -> Tensor:
        """Return images (n, features) as (n, channels, height, width)."""
        side = isqrt(images.shape[1])
        return images.reshape(-1, *(self.image or (1, side, side)))


GREY_SQUARES = Form()


def apply(condition: Condition, images: Tensor, labels: Tensor, form: Form = GREY_SQUARES) -> tuple[Tensor, Tensor]:
    """Return a whole test set, (n, features) and (n,), under ``condition``: (m, features) and (m,), m <= n.

    A condition either selects images (``select_rows``) or corrupts them (``corrupt``).
    """
    if condition.name in _PRIORS:
        rows = select_rows(condition, labels, form.n_classes)
        return images[rows], labels[rows]
    return corrupt(condition, images, labels, form=form), labels


def select_rows(condition: Condition, labels: Tensor, n_classes: int = 10) -> Tensor:
    """Return the indices (m,), ascending, that ``condition`` keeps of a whole test set with ``labels`` (n,)."""
    _check_labels(labels, n_classes)
    prior = _PRIORS.get(condition.name)
    rows = torch.arange(len(labels)) if prior is None else prior(labels.cpu(), n_classes)
    return rows.to(labels.device)


def corrupt(condition: Condition, images: Tensor, labels: Tensor, first: int = 0, form: Form = GREY_SQUARES) -> Tensor:
    """Return images (n, features) with labels (n,), corrupted; ``first`` is the index of the first in the test set.

    Under the clean condition and the class priors they are returned as they are.
    """
    _check_images(images, labels, form)
    name = condition.name
    if name not in STRENGTHS:
        return images
    strength = STRENGTHS[name][condition.severity - 1]
    if name == "background":
        return background(images, strength, labels, form.n_classes)
    if name in _GEOMETRIC:
        return _GEOMETRIC[name](images, strength, form)
    return _NOISES[name](images, strength, first) if name in _NOISES else _FIXED[name](images, strength)


def _check_images(images: Tensor, labels: Tensor, form: Form) -> None:
    _check_labels(labels, form.n_classes)
    shape = tuple(images.shape)
    whole = len(shape) == 2 and shape[1] == (prod(form.image) if form.image else isqrt(shape[1]) ** 2)
    if not whole or not images.is_floating_point():
        raise ValueError(f"images of {images.dtype} {shape}: give floats (n, side * side), such as (10000, 784)")
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images with {len(labels)} labels: give one label for each image")


def _check_labels(labels: Tensor, n_classes: int) -> None:
    invalid = labels[(labels < 0) | (labels >= n_classes)]
    if len(invalid):
        raise ValueError(f"label {invalid[0].item()}: choose one of 0 to {n_classes - 1}")


def _drawn(name: str, first: int, rows: Tensor, draw: Callable[[Tensor, torch.Generator], Tensor]) -> Tensor:
    """Return ``rows`` (n, features) on the CPU, each overwritten by ``draw`` from its image's own stream."""
    for index, row in enumerate(rows, start=first):
        draw(row, random_streams.generator(0, f"shift/{name}", index))
    return rows


def gaussian_noise(images: Tensor, sd: float, first: int = 0) -> Tensor:
    """Add normal noise of ``sd``, clipped: on a black pixel half of it is lost."""
    rows = torch.empty(images.shape)
    noise = _drawn("gaussian_noise", first, rows, lambda row, stream: row.normal_(generator=stream))
    return (images + sd * noise.to(images)).clamp_(0, 1)


def shot_noise(images: Tensor, photons: float, first: int = 0) -> Tensor:
    """Draw Poisson counts with mean ``photons`` at a white pixel, divided by ``photons`` and clipped."""
    rates = (images.float() * photons).cpu()
    counts = _drawn("shot_noise", first, rates, lambda row, stream: row.copy_(torch.poisson(row, generator=stream)))
    return (counts.to(images) / photons).clamp_(0, 1)


def impulse_noise(images: Tensor, share: float, first: int = 0) -> Tensor:
    """Turn a ``share`` of the pixels black or white, evenly; a pixel stays turned as the share grows."""
    rows = torch.empty(images.shape)
    u = _drawn("impulse_noise", first, rows, lambda row, stream: row.uniform_(generator=stream))
    black, white = (mask.to(images.device) for mask in (u < share / 2, u >= 1 - share / 2))
    return images.masked_fill(black, 0).masked_fill_(white, 1)


def brightness(images: Tensor, amount: float) -> Tensor:
    """Add ``amount`` to every pixel, clipped."""
    return (images + amount).clamp_(0, 1)


def contrast(images: Tensor, remains: float) -> Tensor:
    """Shrink each image's deviations from its own mean to the share that ``remains``."""
    mean = images.mean(1, keepdim=True)
    return ((images - mean) * remains + mean).clamp_(0, 1)


def gain(images: Tensor, factor: float) -> Tensor:
    """Multiply by ``factor``: linear, so that a normalisation by the batch's own moments undoes it."""
    return (images * factor).clamp_(0, 1)


def invert(images: Tensor, share: float) -> Tensor:
    """Return (1 - share) x + share (1 - x)."""
    return images * (1 - 2 * share) + share


def background(images: Tensor, strength: float, labels: Tensor, n_classes: int = 10) -> Tensor:
    """Lighten the background in proportion to the class: a black pixel gets its level, a white one stays."""
    level = labels.to(images)[:, None] * (strength / (n_classes - 1))
    return lightened(images, level)


def blur_weights(sd: float) -> Tensor:
    """Return (2 r + 1,) float64: a normal distribution of ``sd`` pixels by pixel, truncated at r = ceil(3 sd).

    The integral over a pixel and not the density at its centre, which for a small ``sd`` would be no blur at all.
    """
    radius = ceil(3 * sd)
    edges = torch.arange(-radius, radius + 2, dtype=torch.float64) - 0.5
    weights = torch.erf(edges / (sd * sqrt(2))).diff()
    return weights / weights.sum()


def gaussian_blur(images: Tensor, sd: float, form: Form = GREY_SQUARES) -> Tensor:
    """Blur with ``sd`` in pixels of 28; black beyond the edge.

    A sum of shifted pictures: a matrix product or a library's convolution rounds by the size of the chunk.
    """
    pictures = form.pictures(images)
    for dim in (-1, -2):
        side = pictures.shape[dim]
        weights = blur_weights(sd * side / REFERENCE_SIDE).tolist()
        radius = len(weights) // 2
        padded = functional.pad(pictures, (radius, radius) if dim == -1 else (0, 0, radius, radius))
        pictures = torch.zeros_like(pictures)
        for start, weight in enumerate(weights):
            pictures += padded.narrow(dim, start, side) * weight
    return pictures.flatten(1).clamp_(0, 1)


def rotate(images: Tensor, degrees: float, form: Form = GREY_SQUARES) -> Tensor:
    """Rotate counterclockwise about the centre; a picture that is not square is taken for one that is stretched."""
    c, s = cos(radians(degrees)), sin(radians(degrees))
    return _warp(form.pictures(images), ((c, -s, 0), (s, c, 0)))


def translate(images: Tensor, distance: float, form: Form = GREY_SQUARES) -> Tensor:
    """Move to the right and down, by ``distance`` pixels of 28 each."""
    offset = -2 * distance / REFERENCE_SIDE  # a picture reaches from -1 to 1
    return _warp(form.pictures(images), ((1, 0, offset), (0, 1, offset)))


def scale(images: Tensor, factor: float, form: Form = GREY_SQUARES) -> Tensor:
    """Scale to ``factor`` times the size, about the centre."""
    return _warp(form.pictures(images), ((1 / factor, 0, 0), (0, 1 / factor, 0)))


def shear(images: Tensor, slope: float, form: Form = GREY_SQUARES) -> Tensor:
    """Shear to the right about the centre, like italics."""
    return _warp(form.pictures(images), ((1, slope, 0), (0, 1, 0)))


def _warp(pictures: Tensor, source: tuple[tuple[float, ...], ...]) -> Tensor:
    """Return pictures (n, channels, height, width) as images, resampled bilinearly, black beyond the edge; ``source``
    (2, 3) maps an output place (x, y, 1) to its source."""
    theta = torch.tensor(source, dtype=torch.float64)[None]
    grid = functional.affine_grid(theta, [1, *pictures.shape[1:]], align_corners=False).to(pictures)
    grid = grid.expand(len(pictures), -1, -1, -1)
    warped = functional.grid_sample(pictures, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return warped.flatten(1).clamp_(0, 1)


def _long_tail(labels: Tensor, n_classes: int) -> Tensor:
    """Return the rows of classes whose sizes fall geometrically from 1 to 1/IMBALANCE: the largest that the labels
    allow, at least 1 each.

    Rows are evenly spaced among those of a class: its first ones would come from one half of the file.
    """
    members = [(labels == c).nonzero()[:, 0] for c in range(n_classes)]
    shares = [IMBALANCE ** (-c / (n_classes - 1)) for c in range(n_classes)]
    head = min((len(rows) / share for rows, share in zip(members, shares, strict=True) if len(rows)), default=0)
    sizes = [min(len(rows), max(1, round(head * share))) for rows, share in zip(members, shares, strict=True)]
    kept = [rows[torch.arange(size) * len(rows) // size] for rows, size in zip(members, sizes, strict=True) if size]
    return torch.cat([torch.empty(0, dtype=torch.int64), *kept]).sort().values


_NOISES: dict[str, Callable[[Tensor, float, int], Tensor]] = {
    noise.__name__: noise for noise in (gaussian_noise, shot_noise, impulse_noise)
}
_FIXED: dict[str, Callable[[Tensor, float], Tensor]] = {
    fixed.__name__: fixed for fixed in (brightness, contrast, gain, invert)
}
_GEOMETRIC: dict[str, Callable[[Tensor, float, Form], Tensor]] = {
    change.__name__: change for change in (gaussian_blur, rotate, translate, scale, shear)
}
"""Changes that need to know which pixels are neighbours."""
_PRIORS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "long_tail": _long_tail,
    "five_classes": lambda labels, n_classes: (labels < (n_classes + 1) // 2).nonzero()[:, 0],
    "one_class": lambda labels, n_classes: (labels == 0).nonzero()[:, 0],
    "first_half": lambda labels, n_classes: torch.arange(len(labels) // 2),
    "second_half": lambda labels, n_classes: torch.arange(len(labels) // 2, len(labels)),
}
