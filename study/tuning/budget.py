"""What every arm may spend on its tuning, and on what."""

from dataclasses import dataclass, field

from study.tuning.space import DEFAULT, Space

FIRST_SEED = 2**30
"""Of the trials: seeds that no run of a study has."""


@dataclass(frozen=True)
class Budget:
    """Trials of each arm, in one space, by one sampler."""

    trials: int = 64
    seeds: int = 3
    """Of each trial, whose score is their mean."""
    space: Space = field(default_factory=lambda: Space.parse(DEFAULT))
    sampler: str = "sobol"
    sampler_seed: int = 0
    pruner: str = "none"
    at_once: int = 16
    """Trials of each arm that are asked for at once and train together."""
    storage: str | None = None
    """The URL of a database for the trials; None: a journal in the study's folder."""

    @property
    def trial_seeds(self) -> tuple[int, ...]:
        return tuple(range(FIRST_SEED, FIRST_SEED + self.seeds))
