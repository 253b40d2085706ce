"""The images that tuning scores on: a sixth of the training images, stratified by class and always the same.

What is left trains the trials. The test images take no part: only the runs that follow the tuning see them.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from torch import Tensor

from study.data.dataset import Dataset, Split
from study.errors import UsageError
from study.spec.tuning.trial_design import HELD_OUT


def _check(name: str, counts: NDArray[np.int64], n_held_out: int) -> None:
    """Refuse classes that cannot be in both parts."""
    if counts.min() < 2 or n_held_out < len(counts):
        raise UsageError(
            f"--dataset {name}: its smallest class has {counts.min()} of {counts.sum()} training examples, and tuning"
            f" holds out {n_held_out} of all with each class among them and among the rest; give more, or use study.run"
        )


def hold_out(data: Dataset) -> Dataset:
    """Return ``data`` with a sixth of its training images, stratified by class, in the place of its test images."""
    labels = data.train.labels.numpy()
    _check(data.name, np.bincount(labels), len(labels) // HELD_OUT)
    kept, held = train_test_split(
        np.arange(len(labels)), test_size=len(labels) // HELD_OUT, stratify=labels, random_state=0
    )

    def split(rows: Tensor) -> Split:
        return Split(data.train.images[rows], data.train.labels[rows])

    train, test = (split(torch.from_numpy(np.sort(rows))) for rows in (kept, held))
    return Dataset(data.name, train, test, data.sha256)
