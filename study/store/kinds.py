"""What may stand in a field of a manifest that anybody may have written: the kinds of its values, checked at once."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from study.errors import describe_value, truncate
from study.spec.analysis_rule import DECISIONS
from study.spec.arms import KEY
from study.store.untrusted_parquet import MAX_LENGTH, InvalidFile

MAX_NUMBER = sys.float_info.max


@dataclass(frozen=True)
class Kind:
    """The kind of one value, and what to call it."""

    description: str
    holds: Callable[[Any], bool]

    def missing(self, name: str, value: Any) -> Iterator[str]:
        """Yield the names of the fields that are not there."""
        return iter(())

    def faults(self, name: str, value: Any) -> Iterator[str]:
        """Yield a sentence for each value that does not belong there."""
        if not self.holds(value):
            yield f"has {describe_value(value)} as {name}; {self.description} belongs there"


@dataclass(frozen=True)
class Fields:
    """The kind of an object with these fields and no others."""

    required: "dict[str, Spec]"
    optional: "dict[str, Spec]" = field(default_factory=dict)

    def missing(self, name: str, value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (_join(name, key) for key in self.required if key not in value)
            for key, spec in (self.required | self.optional).items():
                yield from spec.missing(_join(name, key), value[key]) if key in value else ()

    def faults(self, name: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"has {describe_value(value)} as {name}; an object belongs there"
            return
        known = self.required | self.optional
        for key, item in value.items():
            if key in known:
                yield from known[key].faults(_join(name, key), item)
            else:
                yield f"has the field {describe_value(_join(name, key))}, which this program does not know"


@dataclass(frozen=True)
class Named:
    """The kind of an object with fields of any name."""

    item: "Spec"

    def missing(self, name: str, value: Any) -> Iterator[str]:
        for key, item in value.items() if isinstance(value, dict) else ():
            yield from self.item.missing(_join(name, truncate(key)), item)

    def faults(self, name: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"has {describe_value(value)} as {name}; an object belongs there"
            return
        for key, item in value.items():
            yield from NAME.faults(f"the name of a field in {name}", key)
            yield from self.item.faults(_join(name, truncate(key)), item)


@dataclass(frozen=True)
class Each:
    """The kind of a list."""

    item: Fields

    def missing(self, name: str, value: Any) -> Iterator[str]:
        for i, item in enumerate(value if isinstance(value, list) else ()):
            yield from self.item.missing(f"{name}[{i}]", item)

    def faults(self, name: str, value: Any) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"has {describe_value(value)} as {name}; a list belongs there"
            return
        for i, item in enumerate(value):
            yield from self.item.faults(f"{name}[{i}]", item)


Spec = Kind | Fields | Named | Each


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _is_text(value: Any, most: int) -> bool:
    """Whether a value is a text of bounded length that can be written as UTF-8, without NUL, at which C ends it."""
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _is_shown(value: Any, most: int) -> bool:
    """Whether a value is a text that a terminal may show: no control characters but tabs and line ends."""
    return _is_text(value, most) and all(line.isprintable() for line in value.replace("\t", " ").split("\n"))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= MAX_NUMBER


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def or_null(kind: Kind) -> Kind:
    return Kind(f"{kind.description}, or null,", lambda value: value is None or kind.holds(value))


NAME = Kind(
    f"a name of 1 to {MAX_LENGTH} characters that can be printed",
    lambda value: value != "" and _is_text(value, MAX_LENGTH) and value.isprintable(),
)
TEXT = Kind("a text of at most 10,000 characters that can be printed", lambda value: _is_shown(value, 10_000))
COMMAND = Kind("a text of at most 1,000,000 characters", lambda value: _is_text(value, 1_000_000))
NUMBER = Kind("a number from 0 on", _is_number)
DIFFERENCE = Kind("a number", lambda value: type(value) in (int, float) and abs(value) <= MAX_NUMBER)
ALPHA = Kind("a number between 0 and 0.5", lambda value: _is_number(value) and 0 < value < 0.5)
MARGIN = Kind("a fraction from 0 to below 1", lambda value: _is_number(value) and value < 1)
DATE = Kind("a date such as 2026-11-30", _is_date)
WHOLE = Kind("a whole number from 0 on", lambda value: type(value) is int and 0 <= value < 2**31)
BOOLEAN = Kind("true or false", lambda value: isinstance(value, bool))
DECISION = Kind(f"one of {', '.join(DECISIONS)}", lambda value: isinstance(value, str) and value in DECISIONS)
ARM = Kind("the key of an arm", lambda value: isinstance(value, str) and KEY.fullmatch(value) is not None)
DEVICE = Kind("cpu or cuda", lambda value: value in ("cpu", "cuda"))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
VERSION = Kind("a whole number", lambda value: type(value) is int)


def check_object(values: Any) -> None:
    if not isinstance(values, dict):
        raise InvalidFile(f"holds {describe_value(values)}; a manifest is an object")


def check_kinds(kinds: Fields, values: dict[str, Any]) -> None:
    """Refuse fields that are missing, not known, or hold what does not belong there."""
    missing = sorted(kinds.missing("", values))
    if missing:
        raise InvalidFile(f"lacks {', '.join(missing[:20])}")
    fault = next(kinds.faults("", values), None)
    if fault is not None:
        raise InvalidFile(fault)
