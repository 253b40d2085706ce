"""The cat protocol: what is done at test to a background that was tied to the group of the classes in training.

The "cats", the upper half of the classes, have a background of some level in training, the "dogs" none, as the data
sets of ``study.spec.datasets.TIED`` are registered. A variant is a function of the plain test images.
"""

from dataclasses import dataclass

from torch import Tensor

from study.data.backgrounds import by_group
from study.spec.claims.experiments import STUDIES
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


def trained_on(study: str, data: DatasetSpec) -> DatasetSpec:
    """Return the data set of a key of STUDIES, whose backgrounds are tied, where that of the command is ``data``."""
    return DATASETS[STUDIES[study].data(data)]


def under(condition: str, images: Tensor, labels: Tensor, tied: DatasetSpec) -> Tensor:
    """Return plain images (n, features) with labels (n,) as they are tested under a key of VARIANTS; ``same`` are those
    of training too."""
    assert isinstance(tied.source, Tied)
    variant, level = VARIANTS[condition], tied.source.background
    return by_group(images, labels, tied.first_cat, variant.cats * level, variant.dogs * level)
