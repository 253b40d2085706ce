"""The data of a cell: fewer training images, wrong labels, standardised features; the data set itself where a cell has
none of these.

All are the same for every seed and arm. What is drawn comes from streams of its own and is nested: the first 1,000
images are among the first 10,000, and a label that is wrong at a share of 0.1 is as wrong at 0.2. Test labels are never
touched. A further factor of the data is a function in ``STEPS``.
"""

import threading
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from study.data.dataset import Dataset, Split
from study.data.streams import generator
from study.spec.factors import ALL_IMAGES, FACTORS, MAX_VARIANTS, Cell

CHUNK = 10_000  # images that are scaled at a time, in float64
_making = threading.Lock()


def variant(data: Dataset, cell: Cell) -> Dataset:
    """Return the data on which the runs of a cell train and are tested; ``data`` where the cell has nothing of its own.

    It is made once and kept.
    """
    own = {key: cell[key] for key in STEPS if cell[key] not in (FACTORS[key].default[0], _natural(key, data))}
    if not own:
        return data
    key = tuple(own.items())
    with _making:  # threads share what one of them makes
        if key not in data.variants:
            made = data
            for name in own:
                made = STEPS[name](data, made, cell)
            while len(data.variants) >= MAX_VARIANTS:
                del data.variants[next(iter(data.variants))]
            data.variants[key] = made
        return data.variants[key]


def unscaled(data: Dataset, cell: Cell) -> Dataset:
    """Return the data of a cell before features are scaled, as corruptions of images take them."""
    return variant(data, cell.but(scale=FACTORS["scale"].default[0]))


def scaling(data: Dataset, cell: Cell) -> Callable[[Tensor], Tensor]:
    """Return what maps images (n, features) to those that the networks of a cell take."""
    return SCALINGS[cell.scale](unscaled(data, cell).train.images)


def _natural(key: str, data: Dataset) -> int | None:
    return len(data.train.labels) if key == "n_train" else None


# --- which training images, with which labels


def stratified_order(labels: Tensor) -> Tensor:
    """Return a permutation (n,) of images with ``labels`` (n,), of which every beginning has the classes in their
    shares, within one image a class.

    The i-th image of a class of n_c, in the order of a draw, stands at (i + 1/2) / n_c of the way.
    """
    drawn = torch.randperm(len(labels), generator=generator(0, "training images", 0))
    members = one_hot(labels.cpu()[drawn])
    rank, n_c = (members.cumsum(0) * members).sum(1), members.sum(0)[labels.cpu()[drawn]]
    return drawn[((rank - 0.5) / n_c).argsort(stable=True)]


def _rows(data: Dataset, cell: Cell) -> Tensor:
    """Return the rows of a cell's training images, in the file's order."""
    if cell.n_train == ALL_IMAGES:
        return torch.arange(len(data.train.labels))
    return stratified_order(data.train.labels)[: cell.n_train].sort().values


def _fewer(data: Dataset, made: Dataset, cell: Cell) -> Dataset:
    rows = _rows(data, cell).to(made.train.labels.device)
    return replace(made, train=Split(made.train.images[rows], made.train.labels[rows]))


def _mislabelled(data: Dataset, made: Dataset, cell: Cell) -> Dataset:
    """Give the share ``label_noise`` of the training images another class, each of the others being as likely."""
    labels, rows = made.train.labels.cpu(), _rows(data, cell)
    n, n_classes = len(data.train.labels), int(data.train.labels.max()) + 1
    first = torch.rand(n, generator=generator(0, "label noise", 0))[rows].argsort(stable=True)
    wrong = first[: round(cell.label_noise * len(rows))]
    steps = torch.randint(1, max(2, n_classes), (n,), generator=generator(0, "label noise", 1))[rows]
    labels = labels.index_put((wrong,), (labels[wrong] + steps[wrong]) % n_classes)
    return replace(made, train=replace(made.train, labels=labels.to(made.train.labels.device)))


# --- at which scale


def _standard(images: Tensor) -> Callable[[Tensor], Tensor]:
    """Return (x - mean) / sd by feature, with mean and biased sd over ``images`` (n, features) in float64; a feature
    that is constant there becomes 0."""
    ours = images.cpu()
    mean = ours.mean(0, dtype=torch.float64)
    squares = [(some.double() - mean).square_().sum(0) for some in torch.split(ours, CHUNK)]
    constant = ours.amin(0) == ours.amax(0)
    sd = (torch.stack(squares).sum(0) / len(ours)).sqrt_().masked_fill_(constant, torch.inf)

    def standardised(x: Tensor) -> Tensor:
        own_mean, own_sd = mean.to(x.device), sd.to(x.device)
        return torch.cat([((some.double() - own_mean) / own_sd).to(x.dtype) for some in torch.split(x, CHUNK)])

    return standardised


SCALINGS: dict[str, Callable[[Tensor], Callable[[Tensor], Tensor]]] = {
    "none": lambda images: lambda x: x,
    "standard": _standard,
}
"""From the training images to a map of images, by the levels of the factor ``scale``."""


def _scaled(data: Dataset, made: Dataset, cell: Cell) -> Dataset:
    scale = SCALINGS[cell.scale](made.train.images)
    train, test = (Split(scale(split.images), split.labels) for split in (made.train, made.test))
    return replace(made, train=train, test=test)


STEPS: dict[str, Callable[[Dataset, Dataset, Cell], Dataset]] = {
    "n_train": _fewer,
    "label_noise": _mislabelled,
    "scale": _scaled,
}
"""(the data set, what the steps before have made of it, the cell) -> what it becomes, by factor, in this order."""
