"""A few images of the cat protocol, for a figure: in training, and under each variant of the test images."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from study.claims import cats
from study.data.backgrounds import by_group
from study.data.dataset import Dataset, Split
from study.spec.claims.experiments import STRONG
from study.spec.datasets import DATASETS, DatasetSpec

TRAINING = "training"
"""The condition of the training images."""
OF_A_GROUP = 3


@dataclass(frozen=True)
class Picture:
    """A row of ``pictures.parquet``."""

    condition: str
    """TRAINING, or a key of ``cats.VARIANTS``."""
    index: int
    """Place in the file of training or test images."""
    label: int
    pixels: tuple[float, ...]
    """(features,), 0 to 1."""


def pictures(data: DatasetSpec, images: Dataset) -> list[Picture]:
    """Return the first image of each of three classes of dogs and three of cats, under every condition; none of a data
    set of which no cats are registered. ``images`` are the plain ones."""
    if f"{data.key}-{STRONG}" not in DATASETS:
        return []
    tied = cats.registered(data, STRONG)
    found = [*_training(images.train, tied)]
    rows = _rows(images.test, tied)
    labels = images.test.labels[rows]
    for condition in cats.VARIANTS:
        shown = cats.under(condition, images.test.images[rows], labels, tied)
        found += _pictures(condition, rows, Split(shown, labels))
    return found


def _training(train: Split, tied: DatasetSpec) -> Iterator[Picture]:
    rows = _rows(train, tied)
    labels = train.labels[rows]
    return _pictures(
        TRAINING, rows, Split(by_group(train.images[rows], labels, tied.first_cat, cats.level_of(tied)), labels)
    )


def _rows(split: Split, tied: DatasetSpec) -> list[int]:
    """Return the rows of the images to be shown, dogs first."""
    first: dict[int, int] = {}
    for row, label in enumerate(split.labels.tolist()):
        first.setdefault(label, row)
    groups = ([row for label, row in first.items() if (label >= tied.first_cat) is cat] for cat in (False, True))
    return [row for group in groups for row in islice(group, OF_A_GROUP)]


def _pictures(condition: str, rows: list[int], shown: Split) -> Iterator[Picture]:
    for row, label, pixels in zip(rows, shown.labels.tolist(), shown.images.tolist(), strict=True):
        yield Picture(condition, row, label, tuple(pixels))
