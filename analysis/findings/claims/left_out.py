"""What the tutorial's loader leaves out of the test: the last incomplete batch."""

from dataclasses import dataclass

import numpy as np

from analysis.records.tables import StudyData


@dataclass(frozen=True)
class LeftOut:
    """The effect of the test images that the tutorial leaves out, on runs of ours."""

    n_images: int
    """Images left out, of ``n_test``."""
    n_test: int
    n_runs: int
    largest: float
    """Largest absolute change of the accuracy of a run (a fraction), over all runs."""


def left_out(study: StudyData) -> LeftOut | None:
    """Return the effect of leaving out the last incomplete batch; None where every batch is complete or no run is."""
    n_test, changes, n_images = study.design.data.n_test, [], 0
    for cell in study.cells:
        kept = n_test // cell.batch_size * cell.batch_size
        n_images = max(n_images, n_test - kept)
        for arm in study.design.arms:
            correct = study.correctness(arm, cell).astype(float)
            correct = correct[~np.isnan(correct).any(1)]
            changes += [] if kept in (0, n_test) else list(abs(correct[:, :kept].mean(1) - correct.mean(1)))
    return LeftOut(n_images, n_test, len(changes), float(max(changes))) if changes else None
