"""Under which conditions are trained networks evaluated: how are the test images corrupted, or which are selected?

Corruptions in the spirit of MNIST-C (Mu & Gilmer 2019) and ImageNet-C (Hendrycks & Dietterich 2019) at severities
1 (barely visible) to 5 (strong), a background that betrays the class, and class priors. Images are (n, features)
in [0, 1], square pictures row by row, and remain so; nothing is changed in place.

All randomness has one source: noise on image i comes from the stream (0, "shift/<corruption>", i), drawn on the CPU. So
severities, data sets, runs and devices share their draws, and a chunk of the test set gets, on a CPU to the bit, the
noise that it gets in the whole. The rest is deterministic: where MNIST-C draws a direction at random, one is fixed.

Left out: corruptions that need files or libraries (fog, frost, JPEG), and any mixing of two conditions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, cos, isqrt, radians, sin, sqrt

import torch
from torch import Tensor
from torch.nn import functional

from study.engine import random_streams
from study.spec.conditions import CHANGES, SEVERITIES, STRENGTHS
from study.spec.inference_modes import CLEAN

REFERENCE_SIDE = 28
N_CLASSES = 10
IMBALANCE = 100
"""Images of the first class for each one of the last, in the long tail."""


@dataclass(frozen=True)
class Condition:
    """A corruption or a selection of the test images; raises ValueError for an unknown name or severity.

    >>> Condition("rotate", 6)
    Traceback (most recent call last):
    ValueError: severity 6 of 'rotate': choose one of 1, 2, 3, 4, 5
    """

    name: str
    severity: int = 0
    """1 to 5; 0 for conditions that have none."""

    def __post_init__(self) -> None:
        names = (CLEAN[0], *CHANGES)
        if self.name not in names:
            raise ValueError(f"condition {self.name!r}: unknown; choose one of {', '.join(names)}")
        valid = SEVERITIES if self.name in STRENGTHS else (0,)
        if self.severity not in valid:
            choice = ", ".join(map(str, valid))
            raise ValueError(f"severity {self.severity} of {self.name!r}: choose one of {choice}")


def apply(condition: Condition, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return a whole test set, (n, features) and (n,), under ``condition``: (m, features) and (m,), m <= n.

    A condition either selects images (``select_rows``) or corrupts them (``corrupt``).
    """
    if condition.name in _PRIORS:
        rows = select_rows(condition, labels)
        return images[rows], labels[rows]
    return corrupt(condition, images, labels), labels


def select_rows(condition: Condition, labels: Tensor) -> Tensor:
    """Return the indices (m,), ascending, that ``condition`` keeps of a whole test set with ``labels`` (n,)."""
    _check_labels(labels)
    prior = _PRIORS.get(condition.name)
    rows = torch.arange(len(labels)) if prior is None else prior(labels.cpu())
    return rows.to(labels.device)


def corrupt(condition: Condition, images: Tensor, labels: Tensor, first: int = 0) -> Tensor:
    """Return images (n, features) with labels (n,), corrupted; ``first`` is the index of the first in the test set.

    Under the clean condition and the class priors they are returned as they are.
    """
    _check_images(images, labels)
    name = condition.name
    if name not in STRENGTHS:
        return images
    strength = STRENGTHS[name][condition.severity - 1]
    if name == "background":
        return background(images, strength, labels)
    return _NOISES[name](images, strength, first) if name in _NOISES else _FIXED[name](images, strength)


def _check_images(images: Tensor, labels: Tensor) -> None:
    _check_labels(labels)
    shape = tuple(images.shape)
    if len(shape) != 2 or isqrt(shape[1]) ** 2 != shape[1] or not images.is_floating_point():
        raise ValueError(f"images of {images.dtype} {shape}: give floats (n, side * side), such as (10000, 784)")
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images with {len(labels)} labels: give one label for each image")


def _check_labels(labels: Tensor) -> None:
    invalid = labels[(labels < 0) | (labels >= N_CLASSES)]
    if len(invalid):
        raise ValueError(f"label {invalid[0].item()}: choose one of 0 to {N_CLASSES - 1}")


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


def background(images: Tensor, strength: float, labels: Tensor) -> Tensor:
    """Lighten the background in proportion to the class: a black pixel gets its level, a white one stays."""
    level = labels.to(images)[:, None] * (strength / (N_CLASSES - 1))
    return images + level * (1 - images)


def blur_weights(sd: float) -> Tensor:
    """Return (2 r + 1,) float64: a normal distribution of ``sd`` pixels by pixel, truncated at r = ceil(3 sd).

    The integral over a pixel and not the density at its centre, which for a small ``sd`` would be no blur at all.
    """
    radius = ceil(3 * sd)
    edges = torch.arange(-radius, radius + 2, dtype=torch.float64) - 0.5
    weights = torch.erf(edges / (sd * sqrt(2))).diff()
    return weights / weights.sum()


def gaussian_blur(images: Tensor, sd: float) -> Tensor:
    """Blur with ``sd`` in pixels of 28; black beyond the edge.

    A sum of shifted pictures: a matrix product or a library's convolution rounds by the size of the chunk.
    """
    pictures = _pictures(images)
    side = pictures.shape[-1]
    weights = blur_weights(sd * side / REFERENCE_SIDE).tolist()
    radius = len(weights) // 2
    for dim, margin in ((-1, (radius, radius)), (-2, (0, 0, radius, radius))):
        padded = functional.pad(pictures, margin)
        pictures = torch.zeros_like(pictures)
        for start, weight in enumerate(weights):
            pictures += padded.narrow(dim, start, side) * weight
    return pictures.flatten(1).clamp_(0, 1)


def rotate(images: Tensor, degrees: float) -> Tensor:
    """Rotate counterclockwise about the centre."""
    c, s = cos(radians(degrees)), sin(radians(degrees))
    return _warp(images, ((c, -s, 0), (s, c, 0)))


def translate(images: Tensor, distance: float) -> Tensor:
    """Move to the right and down, by ``distance`` pixels of 28 each."""
    offset = -2 * distance / REFERENCE_SIDE  # a picture reaches from -1 to 1
    return _warp(images, ((1, 0, offset), (0, 1, offset)))


def scale(images: Tensor, factor: float) -> Tensor:
    """Scale to ``factor`` times the size, about the centre."""
    return _warp(images, ((1 / factor, 0, 0), (0, 1 / factor, 0)))


def shear(images: Tensor, slope: float) -> Tensor:
    """Shear to the right about the centre, like italics."""
    return _warp(images, ((1, slope, 0), (0, 1, 0)))


def _warp(images: Tensor, source: tuple[tuple[float, ...], ...]) -> Tensor:
    """Resample bilinearly, black beyond the edge; ``source`` (2, 3) maps an output place (x, y, 1) to its source."""
    pictures = _pictures(images)
    theta = torch.tensor(source, dtype=torch.float64)[None]
    grid = functional.affine_grid(theta, [1, *pictures.shape[1:]], align_corners=False).to(images)
    grid = grid.expand(len(images), -1, -1, -1)
    warped = functional.grid_sample(pictures, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return warped.flatten(1).clamp_(0, 1)


def _pictures(images: Tensor) -> Tensor:
    """Return images (n, features) as (n, 1, side, side)."""
    side = isqrt(images.shape[1])
    return images.reshape(-1, 1, side, side)


def _long_tail(labels: Tensor) -> Tensor:
    """Return the rows of classes whose sizes fall geometrically from 1 to 1/IMBALANCE: the largest that the labels
    allow, at least 1 each.

    Rows are evenly spaced among those of a class: its first ones would come from one half of the file.
    """
    members = [(labels == c).nonzero()[:, 0] for c in range(N_CLASSES)]
    shares = [IMBALANCE ** (-c / (N_CLASSES - 1)) for c in range(N_CLASSES)]
    head = min((len(rows) / share for rows, share in zip(members, shares, strict=True) if len(rows)), default=0)
    sizes = [min(len(rows), max(1, round(head * share))) for rows, share in zip(members, shares, strict=True)]
    kept = [rows[torch.arange(size) * len(rows) // size] for rows, size in zip(members, sizes, strict=True) if size]
    return torch.cat([torch.empty(0, dtype=torch.int64), *kept]).sort().values


_NOISES: dict[str, Callable[[Tensor, float, int], Tensor]] = {
    noise.__name__: noise for noise in (gaussian_noise, shot_noise, impulse_noise)
}
_FIXED: dict[str, Callable[[Tensor, float], Tensor]] = {
    fixed.__name__: fixed
    for fixed in (brightness, contrast, gain, gaussian_blur, rotate, translate, scale, shear, invert)
}
_PRIORS: dict[str, Callable[[Tensor], Tensor]] = {
    "long_tail": _long_tail,
    "five_classes": lambda labels: (labels < 5).nonzero()[:, 0],
    "one_class": lambda labels: (labels == 0).nonzero()[:, 0],
    "first_half": lambda labels: torch.arange(len(labels) // 2),
    "second_half": lambda labels: torch.arange(len(labels) // 2, len(labels)),
}

CONDITIONS: tuple[Condition, ...] = (
    Condition(*CLEAN),
    *(Condition(name, severity) for name in STRENGTHS for severity in SEVERITIES),
    *(Condition(name) for name in CHANGES if name not in STRENGTHS),
)
