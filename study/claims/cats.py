"""The cat protocol: what is done at test to a background that was tied to the group of the classes in training.

The "cats", the upper half of the classes, have a background of some level in training, the "dogs" none, as the data
sets of ``study.spec.datasets.TIED`` are registered. A variant is a function of the plain test images.
"""

from dataclasses import dataclass

from torch import Tensor

from study.data.backgrounds import by_group
from study.spec.datasets import DATASETS, DatasetSpec, Tied


@dataclass(frozen=True)
class Variant:
    """Backgrounds at test, as multiples of the level that the cats have in training."""

    cats: float
    dogs: float = 0.0


VARIANTS = {
    "same": Variant(1),
    "absent": Variant(0),
    "half": Variant(0.5),
    "brighter": Variant(3),
    "everywhere": Variant(1, 1),
    "swapped": Variant(0, 1),
}
"""By condition."""


def registered(base: DatasetSpec, suffix: str) -> DatasetSpec:
    """Return the data set that is made of another one's images, such as ``mnist-cats`` of ``mnist`` and ``cats``."""
    return DATASETS[f"{base.key}-{suffix}"]


def level_of(tied: DatasetSpec) -> float:
    """Return the level of the background in training, 0 to 1."""
    assert isinstance(tied.source, Tied)
    return tied.source.background


def under(condition: str, images: Tensor, labels: Tensor, tied: DatasetSpec) -> Tensor:
    """Return plain images (n, features) with labels (n,) as they are tested under a key of VARIANTS."""
    variant, level = VARIANTS[condition], level_of(tied)
    return by_group(images, labels, tied.first_cat, variant.cats * level, variant.dogs * level)
