"""How many trials may every arm spend on its tuning, over which space, and how often is the tuning repeated?"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from study.errors import UsageError
from study.spec.checks import check_known
from study.spec.design import MAX_SEED
from study.spec.tuning.searches import MAX_SEARCHES, TRIAL_SEEDS_APART, final_seeds
from study.tuning.search import PRUNERS, SAMPLERS
from study.tuning.space import DEFAULT, Space

MAX_TRIALS = 10_000
MAX_SEEDS = TRIAL_SEEDS_APART
FIRST_SEED = 2**30
"""The first seed of every trial of search 1; no run of a study has seeds from here on."""


@dataclass(frozen=True)
class Budget:
    """The number of trials of each arm in a search, and the space and sampler that all arms share."""

    trials: int = 64
    searches: int = 1
    """Independent searches, each with seeds and points of its own."""
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
            ("--searches", self.searches, MAX_SEARCHES),
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
    def numbers(self) -> range:
        """The numbers of the searches."""
        return range(1, self.searches + 1)

    def trial_seeds(self, search: int) -> tuple[int, ...]:
        """Return the seeds of each trial of a search."""
        first = FIRST_SEED + TRIAL_SEEDS_APART * (search - 1)
        return tuple(range(first, first + self.seeds))

    def sampler_seed_of(self, search: int) -> int:
        """Return the seed of a search's sampler: that of the budget in search 1, one that follows from both beyond."""
        if search == 1:
            return self.sampler_seed
        return int.from_bytes(hashlib.sha256(f"{self.sampler_seed}/search {search}".encode()).digest()[:4], "big") // 2

    def final_seeds(self, seeds: Sequence[int]) -> tuple[int, ...]:
        """Return the fresh seeds of all searches, from those of search 1; refuse seeds that are those of trials."""
        every = final_seeds(seeds, self.searches)
        if max(every) >= FIRST_SEED:
            repeated = f" --searches {self.searches}" if self.searches > 1 else ""
            raise UsageError(
                f"--first-seed {min(seeds)}{repeated}: seeds from {FIRST_SEED} on are for trials; give a lower one"
            )
        return every
