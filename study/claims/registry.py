"""Which module measures which probe? Imported when it measures, since that takes torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from study.claims.measuring import Measure

PROBES_HERE = "study.claims.probes"


@dataclass(frozen=True)
class Entry:
    """The module of a probe, and what a plan says of its time."""

    module: str
    seconds: float
    """Of one unit, on one core of a laptop of these years: for the plan, roughly."""

    def load(self) -> Measure:
        return cast(Measure, import_module(self.module).measure)


Registry = Mapping[str, Entry]


def _here(name: str, seconds: float) -> Entry:
    return Entry(f"{PROBES_HERE}.{name}", seconds)


REGISTRY: Registry = {
    "formulas": _here("formulas", 0.05),
    "repeat": _here("repeat", 10),
    "row-reversal": _here("row_reversal", 1),
    "two-sample": _here("two_sample", 1.5),
    "shift-size": _here("shift_size", 1.5),
    "single-image": _here("single_image", 1.5),
    "cats-answers": _here("cats_answers", 2),
    "cats-weak-answers": _here("cats_answers", 2),
    "speed": _here("speed", 5),
    "drift-relu": _here("drift", 15),
    "drift-relu-slow": _here("drift", 15),
    "drift-tanh": _here("drift", 15),
    "best-epoch": _here("best_epoch", 30),
}
"""By key of ``study.spec.claims.experiments.PROBES``."""
