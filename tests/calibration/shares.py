"""How often something is said of planted studies, with its Monte-Carlo error, and how often it may or must be.

A share is accepted within 4 of its errors, as one of a family of checks.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

ALLOWED_ERRORS = 4
Kind = Literal["answer", "control", "other rule"]
"""What the analysis says; a rule that must fail as it should; one that stands beside it for comparison."""


@dataclass(frozen=True)
class Claim:
    """Something that is said of studies, and the share of them of which it may be said."""

    says: str
    of: Callable[[Any], float]
    """1 or True of a study where it is said, 0 where not, or a share."""
    at_least: float = 0.0
    at_most: float = 1.0
    kind: Kind = "answer"


@dataclass(frozen=True)
class Share:
    """How often a claim was made, in how many studies."""

    what: str
    size: int
    claim: Claim
    values: Sequence[float] = field(repr=False)

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def share(self) -> float:
        return float(np.mean(self.values))

    @property
    def error(self) -> float:
        """Standard error; where all studies agree, as if one did not."""
        return max(float(np.std(self.values)), math.sqrt((self.n - 1) / self.n**2)) / math.sqrt(self.n)

    @property
    def accepted(self) -> bool:
        room = ALLOWED_ERRORS * self.error
        return self.claim.at_least - room <= self.share <= self.claim.at_most + room


class Measured(Protocol):
    @property
    def what(self) -> str: ...

    @property
    def size(self) -> int:
        """Seeds, or searches, of a study."""
        ...

    def measure(self, repeats: int) -> list[Share]:
        """Return the share of every claim among that many studies."""
        ...
