"""Values of a study that many tests write."""

from collections.abc import Sequence

from study.spec.cohorts import Cohort
from study.spec.factors import Cell


def cohort_of(batch_size: int, arms: Sequence[str], lrs: Sequence[float], seeds: Sequence[int]) -> Cohort:
    """Return the cohort of a batch size at several rates."""
    return Cohort(tuple(Cell(batch_size, lr) for lr in lrs), tuple(arms), tuple(seeds))
