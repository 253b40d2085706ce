"""How do the arms of a study stand against one another? All pairs of them in every setting, as one family.

Without it each of the pairs would be told apart at alpha, and among 16 arms that are alike some six of 120 pairs would
be "different". The family covers every setting, so the setting in which the arms are ranked may be chosen afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from analysis.findings.family import Member, joint_family, samples
from analysis.records.cells import rows_in
from analysis.records.pairs import pair
from analysis.records.tables import PRIMARY, StudyData
from study.spec.factors import Cell


@dataclass(frozen=True)
class RankedArm:
    """An arm in the setting in which the arms are ranked."""

    arm: str
    n_runs: int
    n_failed: int
    accuracy: float
    """Mean over the runs on the primary endpoint, failures as they ended."""


@dataclass(frozen=True)
class AllPairs:
    """Every pair of arms on the primary endpoint."""

    cell: Cell
    """The best setting that all arms have: where the mean over the arms of their accuracy is largest."""
    ranked: list[RankedArm]
    """The arms in that setting, the most accurate first."""
    n_pairs: int
    """Pairs of arms."""
    members: list[Member]
    """By pair: over all settings, then in each; the baseline and then the arms, each minus every one before it."""

    def at(self, arm: str, other: str) -> tuple[Member, int]:
        """Return the member of two arms in the setting of the ranking, and the sign that makes it ``arm`` minus
        ``other``."""
        return next(
            (member, 1 if member.arm == arm else -1)
            for member in self.members
            if member.cell == self.cell and {member.arm, member.baseline} == {arm, other}
        )

    @property
    def in_setting(self) -> list[Member]:
        """The members in the setting of the ranking, a pair each."""
        return [member for member in self.members if member.cell == self.cell]


def all_pairs(study: StudyData, alpha: float, margin: float) -> AllPairs | None:
    """Return the comparison of all pairs of arms; None where there are fewer than three arms, or no setting that all
    have."""
    arms = [study.baseline, *study.treatments]
    cell = _best_common(study, arms) if len(arms) > 2 else None
    if cell is None:
        return None
    every = [pair(study, arm, PRIMARY, other) for other, arm in combinations(arms, 2)]
    members = joint_family([(pairs, samples(pairs, study.cells, alpha)) for pairs in every], alpha, margin)
    ranked = sorted((_ranked(study, arm, cell) for arm in arms), key=lambda one: -one.accuracy)
    return AllPairs(cell, ranked, len(every), [member for of_pair in members for member in of_pair])


def _best_common(study: StudyData, arms: Sequence[str]) -> Cell | None:
    """Return the setting with the largest mean over the arms, of those in which each has a run; of equals the first."""
    rows = study.outcomes
    means = {}
    for cell in study.cells:
        by_arm = rows_in(rows, cell, study.cell_key).groupby("arm")[PRIMARY].mean()
        if {*arms} <= {*by_arm.index}:
            means[cell] = float(by_arm[sorted(arms)].mean())  # in one order, whatever the baseline
    return max(means, key=means.__getitem__, default=None)


def _ranked(study: StudyData, arm: str, cell: Cell) -> RankedArm:
    runs = rows_in(study.outcomes, cell, study.cell_key)
    runs = runs[runs.arm == arm]
    return RankedArm(arm, len(runs), int(runs.failed.sum()), float(runs[PRIMARY].mean()))
