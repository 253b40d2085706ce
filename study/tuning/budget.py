"""How many trials may every arm spend on its tuning, and over which space?"""

from dataclasses import dataclass, field

from study.tuning.space import DEFAULT, Space

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

    @property
    def trial_seeds(self) -> tuple[int, ...]:
        return tuple(range(FIRST_SEED, FIRST_SEED + self.seeds))
