"""From the numbers of a row to its verdict: the rules, each a value that a manifest holds.

A rule is fixed before anything is trained. It compares the interval of a quantity with the region that the claim
names: ``supported`` where the interval lies in the region, ``contradicted`` where it lies outside, else ``undecided``.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from study.errors import UsageError, describe_value
from study.spec.checks import check_known

MAX_BOUND = 1e9
SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
EXACT, NOT_ASKED = "exact", "not asked"
VERDICTS = (SUPPORTED, CONTRADICTED, REPRODUCED, NOT_REPRODUCED, EXACT, UNDECIDED, NOT_ASKED)
"""The verdicts of a row."""
MIXED = "mixed"
"""The verdict of a claim whose rows do not agree."""
MOST_FAILED = 0.05
"""Share of runs that fail beyond which those that learn do not speak for one more run: no number is reproduced."""


def _above(bound: float, low: float, high: float) -> str:
    return SUPPORTED if low > bound else CONTRADICTED if high < bound else UNDECIDED


def _below(bound: float, low: float, high: float) -> str:
    return _above(-bound, -high, -low)


def _within(bound: float, low: float, high: float) -> str:
    if -bound < low and high < bound:
        return SUPPORTED
    return CONTRADICTED if low > bound or high < -bound else UNDECIDED


def _exact(bound: float, low: float, high: float) -> str:
    return EXACT if -bound <= low and high <= bound else CONTRADICTED


def _reported(bound: float, low: float, high: float) -> str:
    return REPRODUCED if low <= bound <= high else NOT_REPRODUCED


REGIONS: dict[str, Callable[[float, float, float], str]] = {
    "above": _above,
    "below": _below,
    "within": _within,
    "exact": _exact,
    "reported": _reported,
}
"""By kind of rule: (bound, low, high) -> verdict. ``within`` is -bound to bound; of ``exact`` low and high are the
smallest and the largest value seen; of ``reported`` the interval is the prediction interval of one more run."""


@dataclass(frozen=True)
class Rule:
    """The region of a claim: ``kind``, a key of REGIONS, and ``bound``, in the unit of its row.

    >>> Rule("above", 0.2).verdict(0.3, 0.5), Rule("within", 0.2).verdict(-0.1, 0.3), Rule("exact").verdict(0, 0)
    ('supported', 'undecided', 'exact')
    """

    kind: str
    bound: float = 0.0

    def __post_init__(self) -> None:
        check_known("rule", self.kind, REGIONS)
        if type(self.bound) not in (int, float) or not abs(self.bound) <= MAX_BOUND:
            raise UsageError(f"the bound of a rule is {describe_value(self.bound)}; give a finite number, such as 0.2")
        if self.kind in ("within", "exact") and self.bound < 0:
            raise UsageError(f"the bound of the rule {self.kind} is {self.bound}; give a number from 0")

    def verdict(self, low: float, high: float) -> str:
        """Return the verdict of an interval; ``undecided`` where it has no ends."""
        return UNDECIDED if math.isnan(low) or math.isnan(high) else REGIONS[self.kind](self.bound, low, high)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "bound": self.bound}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the rule of a manifest; a UsageError where it is none."""
        if not isinstance(values, Mapping) or {*values} != {"kind", "bound"}:
            raise UsageError(f"a rule is {describe_value(values)}; give an object with kind and bound")
        return cls(**values)


def of_claim(verdicts: Iterable[str]) -> str:
    """Return the verdict of a claim from its rows'. A row that was not asked does not count beside one that was.

    >>> of_claim(["supported", "not asked"]), of_claim(["contradicted", "supported"])
    ('supported', 'mixed')
    """
    kinds = {*verdicts} - {NOT_ASKED}
    return MIXED if len(kinds) > 1 else next(iter(kinds), NOT_ASKED)
