"""Rules that a value must keep, each with a sentence that quotes it and gives a valid choice."""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from study.errors import UsageError, describe_value, quote, truncate

if TYPE_CHECKING:
    from study.spec.datasets import DatasetSpec

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


# --- levels of a factor

Check = Callable[[str, Any, "DatasetSpec"], None]
"""A function that refuses a wrong level: (its option, the level, the data set)."""


def check_batch_size(option: str, size: Any, data: "DatasetSpec") -> None:
    check_whole(option, (size,), 1, data.n_train, f"{data.noun}s, as {data.key} has")


def check_n_train(option: str, n: Any, data: "DatasetSpec") -> None:
    check_whole(option, (n,), 1, data.n_train, f"training {data.noun}s, as {data.key} has")


def check_rate(option: str, lr: Any, data: "DatasetSpec") -> None:
    if not isinstance(lr, int | float) or not 1e-30 <= lr <= 1e30:  # NaN neither; engines store weights over rates
        raise UsageError(
            f"{option} {describe_value(lr)}: a learning rate is a finite number above 0 (1e-30 to 1e30), such as 0.01"
        )


def check_decay(option: str, decay: Any, data: "DatasetSpec") -> None:
    if not isinstance(decay, int | float) or not 0 <= decay <= 1e30:
        raise UsageError(
            f"{option} {describe_value(decay)}: a weight decay is a finite number from 0 (none) to 1e30, such as 0.0001"
        )


def check_share(option: str, share: Any, data: "DatasetSpec") -> None:
    if not isinstance(share, int | float) or not 0 <= share < 1:
        raise UsageError(
            f"{option} {describe_value(share)}: give the share of training labels that are wrong, from 0 (none) to"
            " below 1, such as 0.2"
        )


def whole(high: int, what: str) -> Check:
    """Return the check of a factor whose levels are whole numbers from 1 to ``high``, of which there are ``what``."""
    return lambda option, number, data: check_whole(option, (number,), 1, high, what)


def one_of(names: Sequence[str]) -> Check:
    """Return the check of a factor whose levels are names."""
    return lambda option, name, data: check_known(option, name, names)


def in_full(number: float) -> str:
    """Return a number without an exponent as far as that can be read: 0.001, never 1e-03."""
    return f"{number:.12f}".rstrip("0") if 1e-6 <= number < 1 else f"{number:g}"


def in_ids(prefix: str) -> Callable[[float], str]:
    """Return the function from a number to its text in an id, such as ``lr1e-02``."""

    def tag(number: float) -> str:
        mantissa, exponent = f"{number:e}".split("e")
        return f"{prefix}{mantissa.rstrip('0').rstrip('.')}e{exponent}"

    return tag
