"""Images on a grey background: how it is put behind a picture, and where it is tied to the group of a class.

A pixel x in [0, 1] becomes x + b (1 - x), with b the level: black becomes b and white stays, as under the corruption
``background`` of ``study.inference``.
"""

from typing import Any

import torch
from torch import Tensor

from study.data.arrays import Arrays
from study.spec.design import digest


def lightened(images: Tensor, level: Tensor | float) -> Tensor:
    """Return images (n, features) in [0, 1] on a background of ``level``, one for all or (n, 1).

    >>> lightened(torch.tensor([[0.0, 1.0]]), 0.5).tolist()
    [[0.5, 1.0]]
    """
    return images + level * (1 - images)


def by_group(images: Tensor, labels: Tensor, first_cat: int, cats: float, dogs: float = 0.0) -> Tensor:
    """Return images (n, features) on a background of ``cats`` where the label (n,) is ``first_cat`` or more, else of
    ``dogs``."""
    level = torch.where(labels >= first_cat, cats, dogs)
    return lightened(images, level.to(images)[:, None])


def tied(arrays: Arrays, level: float, first_cat: int) -> Arrays:
    """Return the arrays with a background of ``level`` behind the images of the classes from ``first_cat``, in both
    splits; its digest stands beside those of the files that the images came from."""

    def split(images: Any, labels: Any) -> Any:
        return by_group(torch.from_numpy(images), torch.from_numpy(labels), first_cat, level).numpy(), labels

    made = {"background": digest(["x + b (1 - x)", level, first_cat])}
    return Arrays(split(*arrays.train), split(*arrays.test), arrays.sha256 | made)
