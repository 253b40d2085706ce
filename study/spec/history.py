"""What the training of a cohort leaves behind: losses and counts by run, epoch and split.

Plain numpy, so that the engines which write it and the tables which store it need not know each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "test")
OK, DIVERGED, NOT_APPLICABLE = "ok", "diverged", "not_applicable"


@dataclass(frozen=True)
class History:
    """The trainings of a cohort, runs in the cohort's order; epoch 0 is the untrained network."""

    loss: NDArray[np.float64]
    """(runs, epochs + 1, splits) mean cross-entropy, nats per image."""
    n_correct: NDArray[np.int64]
    """(runs, epochs + 1, splits) images of the split answered correctly."""
    finite: NDArray[np.bool_]
    """(runs, epochs + 1) whether every weight and running average was finite."""
    test_correct: NDArray[np.bool_]
    """(runs, n_test) which test images the network of the last epoch answered correctly."""
    n_steps: int
    """Updates of a run in the whole training."""
    weights: Sequence[Mapping[str, NDArray[np.float32]]] = ()
    """The trained networks by run: tensors by their names in torch.nn, and the cumulative statistics."""

    @property
    def first_bad_epoch(self) -> list[int | None]:
        """The first epoch with a weight or a loss that is not finite, by run; None where there is none."""
        bad = ~(self.finite & np.isfinite(self.loss).all(axis=-1))
        return [int(epochs.argmax()) if epochs.any() else None for epochs in bad]
