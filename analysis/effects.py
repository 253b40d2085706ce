"""Effect sizes of paired differences: arrays in, small named results out."""

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from analysis.paired import differences, is_constant


@dataclass(frozen=True)
class Effect:
    """A standardised size of a difference."""

    method: str
    n: int
    estimate: float
    reason: str | None = None


def cohen_dz(d: ArrayLike) -> Effect:
    """Mean over standard deviation of the differences (Cohen 1988, section 2.5).

    >>> round(cohen_dz([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]).estimate, 6)
    1.284558
    """
    d = differences(d)
    if len(d) < 2:
        return Effect("d_z", len(d), math.nan, f"{len(d)} pairs: no estimate of the spread")
    if is_constant(d):
        return Effect("d_z", len(d), math.nan, "all differences are equal: the spread is zero")
    return Effect("d_z", len(d), float(d.mean() / d.std(ddof=1)))
