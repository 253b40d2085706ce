"""The images that tuning scores on: a sixth of the training images, stratified by class and always the same.

What is left trains the trials. The test images take no part: only the runs that follow the tuning see them.
"""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Self

from study.spec.design import DATASETS, DatasetFacts, Design

if TYPE_CHECKING:  # torch is imported by those who train
    from torch import Tensor

    from study.data.dataset import Dataset

PARTS = 6
"""Of 60,000 images 10,000 are held out, as many as MNIST has to test."""


@dataclass(frozen=True)
class TrialDesign(Design):
    """A design whose runs train on what is not held out and are tested on what is."""

    @classmethod
    def of(cls, design: Design) -> Self:
        """``design`` on these images, without its tuned cell."""
        return cls(**{field.name: getattr(design, field.name) for field in fields(Design) if field.name != "tuned"})

    @property
    def facts(self) -> DatasetFacts:
        facts = DATASETS[self.dataset]
        n_held_out = facts.n_train // PARTS
        return replace(facts, n_train=facts.n_train - n_held_out, n_test=n_held_out)


def hold_out(data: "Dataset") -> "Dataset":
    """``data`` with a sixth of its training images, each class in proportion, in the place of its test images."""
    import numpy as np
    import torch
    from sklearn.model_selection import train_test_split

    from study.data.dataset import Dataset, Split

    labels = data.train.labels.numpy()
    kept, held = train_test_split(
        np.arange(len(labels)), test_size=len(labels) // PARTS, stratify=labels, random_state=0
    )

    def split(rows: "Tensor") -> Split:
        return Split(data.train.images[rows], data.train.labels[rows])

    train, test = (split(torch.from_numpy(np.sort(rows))) for rows in (kept, held))
    return Dataset(data.name, train, test, data.sha256)
