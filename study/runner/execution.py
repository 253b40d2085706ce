"""Where, by what and for how long is a study trained? Nothing here changes a number on the same engine."""

import time
from dataclasses import dataclass
from typing import Literal

from study.engine.machine import cores
from study.engine.registry import Engine
from study.errors import UsageError


@dataclass(frozen=True)
class Execution:
    """The options of a command line that a library call needs, as values."""

    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:1``."""
    engine: Engine = "auto"
    tf32: bool = False
    workers: int | None = None
    """Threads or processes; None or 0: one for each core."""
    max_seconds: float | None = None
    """Seconds of training after which it stops; the same call goes on."""
    on_error: Literal["continue", "stop"] = "continue"
    shard: tuple[int, int] = (1, 1)
    """(i, n): the i-th of n parts of the plan."""
    inference: bool = True
    """Whether a complete study's networks are evaluated on the clean test images, as far as a report shows them."""
    networks: bool = True
    """Whether trained networks are kept, which inference modes need."""
    mixed_numerics: bool = False
    """Whether a machine that computes with other bits than the study's does so all the same."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 0:
            raise UsageError(f"--workers {self.workers}: give 1 or more, or 0 for one per core")

    @property
    def n_workers(self) -> int:
        return self.workers or cores()

    @property
    def evaluates(self) -> bool:
        """Whether the networks of what is trained are evaluated at the end."""
        return self.inference and self.networks

    @property
    def shard_suffix(self) -> str:
        """The end of the names of files that belong to one shard; a whole study is shard 1 of 1."""
        part, of = self.shard
        return f"-{part}-of-{of}"

    def deadline(self) -> float | None:
        """Return the ``time.monotonic()`` at which work that begins now has to stop."""
        return None if self.max_seconds is None else time.monotonic() + self.max_seconds
