"""How much of a phase's work is done? In units of a cost model: of cohorts that train, of networks evaluated."""

from collections import Counter
from collections.abc import Callable

from study.spec.cohorts import Cohort


class Work:
    """The work of one phase of a command: ``total``, and what is done of it.

    A cohort counts epoch by epoch, and not at all once it has failed.
    """

    def __init__(self, total: float, weight: Callable[[Cohort], float] = lambda cohort: 0.0, epochs: int = 1):
        self.total, self.weight, self.epochs, self.done = total, weight, epochs, 0.0
        self.in_hand: Counter[Cohort] = Counter()

    @property
    def fraction(self) -> float:
        """Share that is done: 1 where there is nothing to do."""
        return min(1.0, self.done / self.total) if self.total > 0 else 1.0

    def epoch(self, cohort: Cohort) -> None:
        self.in_hand[cohort] += 1
        self.done += self.weight(cohort) / self.epochs

    def committed(self, cohort: Cohort) -> None:
        self.done += self.weight(cohort) * (self.epochs - self.in_hand.pop(cohort, 0)) / self.epochs

    def failed(self, cohort: Cohort) -> None:
        self.done -= self.weight(cohort) * self.in_hand.pop(cohort, 0) / self.epochs

    def reach(self, fraction: float) -> None:
        """Count at least this share as done: others may have done some of it."""
        self.done = max(self.done, fraction * self.total)
