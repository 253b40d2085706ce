"""Rules that a value must keep, each with a sentence that quotes it and gives a valid choice."""

import difflib
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from study.errors import UsageError, describe_value, quote, truncate

WHOLE = re.compile(r"[+-]?[0-9]{1,100}")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
"""Numbers in plain digits: Python would also take 1_000 and full-width digits."""


def check_distinct(option: str, values: Sequence[Any]) -> None:
    """Refuse an empty list, and one that has a value twice."""
    if not values:
        raise UsageError(f"{option}: the list is empty; give at least one value")
    counts = Counter(value for value in values if isinstance(value, Hashable))
    repeated = sorted((value for value, n in counts.items() if n > 1), key=str)
    if repeated:
        raise UsageError(f"{option} {listed(values)}: {listed(repeated)} is given twice; give each value once")


def check_whole(option: str, values: Iterable[int], low: int, high: int, what: str) -> None:
    """Refuse a value that is no whole number from ``low`` to ``high``, of which there are ``what``."""
    for value in values:
        if type(value) is not int or not low <= value <= high:  # True is no number
            raise UsageError(f"{option} {describe_value(value)}: give a whole number from {low} to {high} {what}")


def check_at_most(what: str, n: int, limit: int, unit: str) -> None:
    """Refuse ``n`` above ``limit``."""
    if n > limit:
        raise UsageError(f"{what}: these are {n:,} {unit}; give at most {limit:,}")


def check_known(what: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name that is not one of ``known``, offering the nearest."""
    names = list(known)
    if not isinstance(name, str):
        raise UsageError(f"{what} {describe_value(name)} is not a name; choose from: {', '.join(names)}")
    if name not in names:
        near = nearest(name, names)
        hint = f" (did you mean {near}?)" if near else ""
        raise UsageError(f"{what} {truncate(name)!r} is unknown{hint}; choose from: {', '.join(names)}")


def nearest(name: str, known: Iterable[str], cutoff: float = 0.4) -> str | None:
    """Return the one of ``known`` that looks most like ``name``, None where none does; 1 is equal, 0 is anything."""
    near = difflib.get_close_matches(truncate(name), list(known), n=1, cutoff=cutoff)
    return near[0] if near else None


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: ``1 seed``, ``3 seeds``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def listed(values: Iterable[Any]) -> str:
    """Return the values as a sentence lists them, the first of them if they are many."""
    return truncate(format_value([quote(value) if isinstance(value, str) else value for value in [*values][:20]]), 200)


def format_value(value: Any) -> str:
    """Return a value or a list of values as a sentence shows it, however large they are.

    >>> format_value([0, 1, 2, 3]), format_value([1, 10**30, 2, 3])
    ('0 to 3', '1 1000000000000000000000000000000 2 3')
    """
    if not isinstance(value, list | tuple):
        return str(value)
    whole = all(isinstance(item, int) for item in value)
    if whole and len(value) > 3 and all(b - a == 1 for a, b in pairwise(value)):
        return f"{value[0]} to {value[-1]}"
    return " ".join(map(str, value))
