"""How many trials may every arm spend on its tuning, and over which space?"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from study.errors import UsageError
from study.spec.checks import check_known
from study.spec.design import MAX_SEED
from study.tuning.search import PRUNERS, SAMPLERS
from study.tuning.space import DEFAULT, Space

MAX_TRIALS = 10_000
MAX_SEEDS = 1_000
FIRST_SEED = 2**30
"""The first seed of every trial; no run of a study has seeds from here on."""


@dataclass(frozen=True)
class Budget:
    """The number of trials of each arm, and the space and sampler that all arms share."""

    trials: int = 64
    seeds: int = 3
    """Seeds of each trial, whose score is their mean."""
    space: Space = field(default_factory=lambda: Space.parse(DEFAULT))
    sampler: str = "sobol"
    sampler_seed: int = 0
    pruner: str = "none"
    trial_batch_size: int = 16
    """Trials of each arm that are asked for together and train together."""
    storage: str | None = None
    """The URL of a database for the trials; None: a journal in the study's folder."""

    def __post_init__(self) -> None:
        for option, value, limit in (
            ("--trials", self.trials, MAX_TRIALS),
            ("--tune-seeds", self.seeds, MAX_SEEDS),
            ("--at-once", self.trial_batch_size, MAX_TRIALS),
        ):
            if not 1 <= value <= limit:
                raise UsageError(f"{option} {value}: give a whole number from 1 to {limit}")
        check_known("--sampler", self.sampler, SAMPLERS)
        check_known("--pruner", self.pruner, PRUNERS)
        if not 0 <= self.sampler_seed <= MAX_SEED:
            raise UsageError(f"--sampler-seed {self.sampler_seed}: give a whole number from 0 to {MAX_SEED}")

    @property
    def trial_seeds(self) -> tuple[int, ...]:
        return tuple(range(FIRST_SEED, FIRST_SEED + self.seeds))


def check_fresh(seeds: Sequence[int]) -> None:
    """Refuse seeds of runs that are those of trials."""
    if max(seeds) >= FIRST_SEED:
        raise UsageError(f"--first-seed {min(seeds)}: seeds from {FIRST_SEED} on are the trials'; give a lower one")
