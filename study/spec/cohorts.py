"""Plan first: which runs are missing, and in which cohorts they train.

A cohort is a matter of speed: one batch size, some seeds and rates, all arms, in lockstep. Cohorts hold
whole pairs and come seed by seed, so that a stop leaves pairs and not halves. Knows no torch.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from study.spec.design import Design, Run

LANES = 30  # runs of an arm at once: fewer pay more for each operation (results/LOG.md)


@dataclass(frozen=True)
class Cohort:
    """Runs trained together: the product arms x lrs x seeds at one batch size."""

    batch_size: int
    arms: tuple[str, ...]
    lrs: tuple[float, ...]
    seeds: tuple[int, ...]

    @property
    def runs(self) -> list[Run]:
        """In the order of the stacked arrays: arm, then seed, then rate."""
        keys = product(self.arms, self.seeds, self.lrs)
        return [Run(self.batch_size, lr, seed, arm) for arm, seed, lr in keys]


def missing_runs(design: Design, done: Iterable[Run]) -> list[Run]:
    """The runs of the grid that can be trained and are not done."""
    finished = set(done)
    return [run for run in design.runs if run.applicable and run not in finished]


def cohorts(missing: Iterable[Run], workers: int = 1) -> list[Cohort]:
    """Cover the missing runs, each once, by cohorts; enough of them for every worker to have one.

    >>> runs = Design("digits", lrs=(0.01,), seeds=(0, 1, 2), batch_sizes=(32,)).runs
    >>> [cohort.seeds for cohort in cohorts(runs, workers=2)]
    [(0, 1), (2,)]
    """
    planned = [
        Cohort(batch_size, arms, lrs, seeds)
        for (batch_size, arms, all_lrs), all_seeds in _blocks(missing).items()
        for lrs in _chunks(all_lrs, LANES)
        for seeds in _chunks(all_seeds, min(LANES // len(lrs), -(-len(all_seeds) // workers)))
    ]
    return sorted(planned, key=lambda cohort: (cohort.seeds, cohort.batch_size, cohort.lrs, cohort.arms))


def shard(design: Design, part: int, of: int) -> set[Run]:
    """The runs of the ``part``-th (from 1) of ``of`` equal parts of the grid.

    They follow from the design alone, so that processes which start at different times agree.
    """
    whole = cohorts(missing_runs(design, done=()), workers=of)
    return {run for cohort in whole[part - 1 :: of] for run in cohort.runs}


def _blocks(missing: Iterable[Run]) -> dict[tuple[int, tuple[str, ...], tuple[float, ...]], tuple[int, ...]]:
    """Seeds by (batch size, arms, lrs), where every seed lacks exactly that product of arms and lrs."""
    arms_of: dict[tuple[int, int, float], list[str]] = defaultdict(list)
    for run in sorted(missing):
        arms_of[run.batch_size, run.seed, run.lr].append(run.arm)
    lrs_of: dict[tuple[int, tuple[str, ...], int], list[float]] = defaultdict(list)
    for (batch_size, seed, lr), arms in arms_of.items():
        lrs_of[batch_size, tuple(arms), seed].append(lr)
    seeds_of: dict[tuple[int, tuple[str, ...], tuple[float, ...]], list[int]] = defaultdict(list)
    for (batch_size, arms_key, seed), lrs in lrs_of.items():
        seeds_of[batch_size, arms_key, tuple(lrs)].append(seed)
    return {block: tuple(seeds) for block, seeds in seeds_of.items()}


def _chunks(values: tuple, size: int) -> list[tuple]:
    return [values[start : start + size] for start in range(0, len(values), size)]
