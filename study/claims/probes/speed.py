"""How fast does a network learn? Test accuracy within the first epoch, at the tutorial's setting.

Measure ``accuracy``: share of all test images, batch norm by its running averages, before the first step (``step`` 0)
and every so many steps: ``every`` of the settings, or fewer where an epoch would have less than AT_LEAST records.
"""

from collections.abc import Sequence

from torch import Tensor

from study.claims.measuring import Context, Measured
from study.data.images import ImageBatch
from study.engine.lockstep.evaluation import evaluate
from study.engine.lockstep.stacks import Lockstep
from study.engine.lockstep.training import first_steps
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.factors import REFERENCE_GRID

AT_LEAST = 18


def measure(unit: str, context: Context) -> Sequence[Measured]:
    seeds = range(context.extent.seeds)
    design = Design(context.data, arms=(unit,), seeds=seeds, epochs=1, **REFERENCE_GRID)  # type: ignore[arg-type]
    cohort = Cohort.whole(design)
    n_steps = design.steps_per_epoch(cohort.cell)
    measuring = Measuring(cohort, context, interval(n_steps, context.settings["every"]))
    first_steps(design, cohort, context.images, n_steps, measuring)
    return measuring.rows


def interval(n_steps: int, every: int) -> int:
    """Return the steps from one record to the next in an epoch of ``n_steps``.

    >>> interval(1875, 100), interval(44, 100)
    (100, 2)
    """
    return max(1, min(every, n_steps // AT_LEAST))


class Measuring:
    """An observer of the training of one arm: the rows measured so far."""

    def __init__(self, cohort: Cohort, context: Context, every: int):
        self.cohort, self.context, self.every = cohort, context, every
        self.rows: list[Measured] = []

    def before(self, step: int, lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None:
        if step == 1:
            self._add(0, lockstep)

    def after(self, step: int, lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None:
        if step % self.every == 0:
            self._add(step, lockstep)

    def _add(self, step: int, lockstep: Lockstep) -> None:
        self.context.check_cancelled()
        (stack,), test = lockstep.stacks, self.context.images.test
        correct = evaluate(stack.predictor(), test.pixels, test.labels)[1]
        (arm,), n = self.cohort.arms, len(test.labels)
        for seed, n_correct in zip(self.cohort.seeds, correct.sum(-1).tolist(), strict=True):
            self.rows.append(Measured("accuracy", n_correct / n, arm=arm, seed=seed, step=step, n=n))
