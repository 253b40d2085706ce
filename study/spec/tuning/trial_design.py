"""The design of trials: a sixth of the training images is held out, and scores them in the place of the test images."""

from dataclasses import dataclass, fields, replace
from typing import Self

from study.spec.datasets import DatasetSpec
from study.spec.design import Design

HELD_OUT = 6
"""Divisor of the training images: of 60,000 images 10,000, as many as MNIST has to test."""


@dataclass(frozen=True)
class TrialDesign(Design):
    """A design whose runs train on what is not held out and are tested on what is."""

    @classmethod
    def of(cls, design: Design) -> Self:
        """Return ``design`` on these images, without its tuned cell."""
        return cls(**{field.name: getattr(design, field.name) for field in fields(Design) if field.name != "tuned"})

    @property
    def data(self) -> DatasetSpec:
        whole = super().data
        n_held_out = whole.n_train // HELD_OUT
        return replace(whole, n_train=whole.n_train - n_held_out, n_test=n_held_out)
