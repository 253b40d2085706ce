"""What a page must print, and how: numbers as text. Where a number lies on the edge between two roundings both
spellings are right; ``either`` marks them and ``pattern`` reads the mark."""

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Cell = tuple[int, float]
Row = dict[str, Any]
"""By head of a column the text of its cell, or what makes the text of the row that was found."""
NO_NUMBER = "–"
CHANCE = 0.1
"""Every data set has ten classes."""
EDGE = 1e-9
"""Numbers nearer than this to the edge between two roundings, in the unit in which they are printed, may fall to
either side."""
VERDICTS = {
    "better": "it is better",
    "worse": "it is worse",
    "better, by less than the margin": "it is better, by less than the margin that matters",
    "worse, by less than the margin": "it is worse, by less than the margin that matters",
    "equivalent": "any difference is smaller than the margin that matters",
    "mixed": "it is better in some cells and worse in others",
    "inconclusive": "the data do not decide",
    "withheld": "no verdict, because runs are missing",
    "description": "a description, no verdict",
    "counts alone": "an arm does not learn here, so the runs that learn are counted and no difference is given",
}
SIDE = {"bn": "with BN", "no_bn": "without BN"}
DATA = {"mnist": "MNIST", "digits": "scikit-learn's digits"}
ENDPOINTS = {"last3": "last three epochs", "final": "last epoch"}
IN_ALL_CELLS = {"batch size": "all", "rate": "all"}


@dataclass
class ExpectedTable:
    """A table by the cells that name its rows, which stand under ``keys``."""

    keys: Sequence[str]
    rows: dict[tuple[str, ...], Row]


@dataclass
class Expected:
    """All that a page may claim: tables by name, and by part the phrases in its words and in its drawings."""

    tables: dict[str, ExpectedTable] = field(default_factory=dict)
    prose: dict[str, list[str]] = field(default_factory=dict)
    drawn: dict[str, list[str]] = field(default_factory=dict)

    def table(self, name: str, keys: Sequence[str], rows: Iterable[Row]) -> None:
        by_key = {tuple(str(row[key]) for key in keys): row for row in rows}
        self.tables[name] = ExpectedTable(keys, by_key)

    def say(self, part: str, *phrases: str) -> None:
        self.prose.setdefault(part, []).extend(phrases)


def either(texts: Iterable[str]) -> str:
    """One text, or the mark for several spellings of a number on an edge."""
    known = sorted(set(texts))
    return known[0] if len(known) == 1 else f"⟦{'¦'.join(known)}⟧"


def every_spelling(text: str) -> list[str]:
    """Each text that one with marks of ``either`` may be."""
    parts = [part.split("¦") if i % 2 else [part] for i, part in enumerate(re.split("⟦(.*?)⟧", text))]
    return ["".join(some) for some in itertools.product(*parts)]


def pattern(text: str) -> str:
    """The regular expression of a text that may hold marks of ``either``."""
    parts = re.split("⟦(.*?)⟧", text)
    spellings = ["|".join(map(re.escape, part.split("¦"))) for part in parts]
    return "".join(f"(?:{part})" if i % 2 else re.escape(parts[i]) for i, part in enumerate(spellings))


class Interval(NamedTuple):
    estimate: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0


class Unit(NamedTuple):
    scale: float
    signed: bool
    after: str = ""


POINTS, SHARE, NUMBER, SIZE = Unit(100, True), Unit(100, False, " %"), Unit(1, True), Unit(1, False)


def places_of(half: float) -> int:
    """Two significant digits of the half width, one where its leading three are 355 to 949 (Particle Data Group)."""
    if not math.isfinite(half) or half <= 0:
        return 2
    mantissa, exponent = f"{half:.2e}".split("e")
    leading = int(mantissa.replace(".", ""))
    return min(max((1 if leading < 355 else 0) - int(exponent), 0), 4)


def spellings(value: float, places: int, unit: Unit, edge: float = EDGE) -> set[str]:
    """The number in its unit, without what comes after it; zero has no sign where others do."""
    sign = "+" if unit.signed else ""
    near = [unit.scale * value + nudge for nudge in (-edge, 0, edge)]
    texts = {f"{number:{sign}.{places}f}" for number in near if unit.signed or number >= 0 or unit.scale * value < 0}
    return {text[1:] if unit.signed and float(text) == 0 else text for text in texts}


def all_places(found: Interval, unit: Unit) -> set[int]:
    """Of an interval; it has no width where its ends are equal but for rounding."""
    flat = found.high - found.low <= 1e-12 * max(abs(found.low), abs(found.high))
    half = 0.0 if flat else unit.scale * (found.high - found.low) / 2
    return {places_of(half * nudge) for nudge in (1 - EDGE, 1, 1 + EDGE)}


def estimates(found: Interval | None, unit: Unit = POINTS, edge: float = EDGE) -> list[str]:
    """Every right spelling of an estimate with its interval, or without where there is none."""
    if found is None or math.isnan(found.estimate):
        return [NO_NUMBER]
    if not math.isfinite(found.low) or not math.isfinite(found.high):
        return [text + unit.after for text in spellings(found.estimate, 2, unit, edge)]
    return [
        f"{value}{unit.after} [{low}, {high}]"
        for places in all_places(found, unit)
        for value, low, high in itertools.product(*(spellings(number, places, unit, edge) for number in found[:3]))
    ]


def estimate(found: Interval | None, unit: Unit = POINTS, edge: float = EDGE) -> str:
    return either(estimates(found, unit, edge))


def ends(found: Interval | None) -> str:
    """The interval of points alone."""
    if found is None or not math.isfinite(found.low) or not math.isfinite(found.high):
        return NO_NUMBER
    return either(
        f"[{low}, {high}]"
        for places in all_places(found, POINTS)
        for low, high in itertools.product(*(spellings(number, places, POINTS) for number in found[1:3]))
    )


def points(fraction: float | None, places: int = 2) -> str:
    return NO_NUMBER if fraction is None or math.isnan(fraction) else either(spellings(fraction, places, POINTS))


def unsigned(text: str) -> str:
    return text.replace("+", "")


def percent(fraction: float, places: int = 2) -> str:
    return NO_NUMBER if math.isnan(fraction) else either(t + " %" for t in spellings(fraction, places, SHARE))


def decimals(value: float, places: int = 2) -> str:
    return NO_NUMBER if math.isnan(value) else either(spellings(value, places, SIZE))


def p_text(p: float) -> str:
    if math.isnan(p):
        return NO_NUMBER
    near = (p * (1 - EDGE), p, p * (1 + EDGE))
    return either("< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}" for p in near)


class Exact(NamedTuple):
    """A p-value that is a share of all patterns; no pattern: no p."""

    extreme: int = 0
    total: int = 0

    @property
    def p(self) -> float:
        return self.extreme / self.total if self.total else math.nan

    @property
    def text(self) -> str:
        if not self.total:
            return NO_NUMBER
        shown = "< 0.001" if self.p < 0.001 else f"{self.p:.3f}" if self.p < 0.1 else f"{self.p:.2f}"
        return f"{self.extreme}/{self.total} {shown if shown.startswith('<') else f'= {shown}'}"


def p_equals(text: str) -> str:
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def seeds(n: int) -> str:
    return "1 seed" if n == 1 else f"{n:,} seeds"


def two_digits(share: float) -> str:
    """A share in percent, with two significant digits."""
    near = (share * (1 - EDGE), share, share * (1 + EDGE))
    return either(f"{float(f'{100 * one:.1e}'):g} %" for one in near)


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n:,} trials"


def level_text(level: float) -> str:
    return f"{round(100 * level, 6):g} %"


def rate(lr: float) -> str:
    return np.format_float_positional(lr, trim="-")


def where(cell: Cell) -> dict[str, str]:
    return {"batch size": str(cell[0]), "rate": rate(cell[1])}


def place(cell: Cell | None) -> str:
    return "all settings" if cell is None else f"batch size {cell[0]}, rate {rate(cell[1])}"
