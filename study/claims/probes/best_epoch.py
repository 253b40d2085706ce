"""By how much does it flatter to choose the best epoch on the test images?

Trainings at the tutorial's setting on five sixths of the training images; the others, as many as MNIST has to test, are
held out. Measures, by arm, seed and epoch (``step``): ``held_out_accuracy`` and ``test_accuracy``, shares of n images.
Which epoch is best, and how far the two choices lie apart, the analysis says.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from study.claims.measuring import Context, Measured
from study.data.dataset import Dataset, Split
from study.data.held_out import hold_out
from study.engine import devices, registry
from study.spec.claims.experiments import STUDIES
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.tuning.trial_design import TrialDesign


def measure(unit: str, context: Context) -> Sequence[Measured]:
    first, last = map(int, unit.split("-"))
    design, data = _design(context, range(first, last + 1)), with_held_out(context.images)
    cohort, n_test = Cohort.whole(design), len(context.images.test.labels)
    rows = []
    for epoch, correct in enumerate(by_epoch(design, cohort, data, context), start=1):
        for run, own in zip(cohort.runs, correct, strict=True):
            for name, of in (("held_out_accuracy", own[:-n_test]), ("test_accuracy", own[-n_test:])):
                rows.append(Measured(name, float(of.mean()), arm=run.arm, seed=run.seed, step=epoch, n=len(of)))
    return rows


def _design(context: Context, seeds: Sequence[int]) -> Design:
    return TrialDesign.of(replace(STUDIES["post"].design(context.data, context.extent), seeds=seeds))


def with_held_out(data: Dataset) -> Dataset:
    """Return a data set that trains on what is not held out, and tests on the held-out images and then the test images.

    A training's bits do not depend on what it is tested on.
    """
    parted = hold_out(data)
    held_out, test = parted.test, data.test
    both = Split(torch.cat([held_out.images, test.images]), torch.cat([held_out.labels, test.labels]))
    return Dataset(data.name, parted.train, both, data.sha256)


def by_epoch(design: Design, cohort: Cohort, data: Dataset, context: Context) -> list[NDArray[np.bool_]]:
    """Train a cohort by the fastest engine; return of each epoch which test images are correct (runs, n)."""
    numerics, _ = registry.choose("auto", design, "cpu", tf32=False, of_study=None)
    devices.prepare(numerics)
    correct = []
    with torch.no_grad():
        trainer = registry.trainer_factory(numerics, context.check_cancelled)(design, cohort, data)
        for epoch in range(1, design.epochs + 1):
            trainer.epoch(epoch)
            trainer.evaluate()
            context.check_cancelled()
            correct.append(trainer.history().test_correct)
    return correct
