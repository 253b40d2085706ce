"""A few images of the cat protocol, for a figure: in training, and under each variant of the test images."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from study.claims import cats
from study.data.dataset import Dataset, Split
from study.spec.datasets import DatasetSpec

STUDY = "cats"
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
    """Return the first image of each of three classes of dogs and three of cats, under every condition; ``images`` are
    the plain ones of a data set of which cats are registered."""
    tied = cats.trained_on(STUDY, data)
    tested = [picture for condition in cats.VARIANTS for picture in _pictures(condition, condition, images.test, tied)]
    return [*_pictures(TRAINING, "same", images.train, tied), *tested]


def _rows(split: Split, tied: DatasetSpec) -> list[int]:
    """Return the rows of the images to be shown, dogs first."""
    first: dict[int, int] = {}
    for row, label in enumerate(split.labels.tolist()):
        first.setdefault(label, row)
    groups = ([row for label, row in first.items() if (label >= tied.first_cat) is cat] for cat in (False, True))
    return [row for group in groups for row in islice(group, OF_A_GROUP)]


def _pictures(condition: str, variant: str, split: Split, tied: DatasetSpec) -> Iterator[Picture]:
    rows = _rows(split, tied)
    labels = split.labels[rows]
    shown = cats.under(variant, split.images[rows], labels, tied)
    for row, label, pixels in zip(rows, labels.tolist(), shown.tolist(), strict=True):
        yield Picture(condition, row, label, tuple(pixels))
