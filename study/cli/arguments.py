"""A command line as one frozen value, for every command: what is no text or no number is refused before it is parsed.

Python takes 1_000, full-width digits, 1e400 (infinity) and 1e-400 (zero) for numbers. Here they are not.
"""

import math
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from types import UnionType
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

import tyro

from study.cli import help, version
from study.errors import UsageError, quote, truncate
from study.spec.checks import NUMBER, WHOLE, check_known, nearest
from study.spec.factors import FACTORS, variable

T = TypeVar("T")

MAX_LENGTH = 4096
"""Characters of an argument: no path is longer."""
RULES = {int: "a whole number in the digits 0 to 9, such as 10", float: "a number in the digits 0 to 9, such as 0.01"}
MAX_COLUMNS = 100
"""Columns of a page of help: longer lines are hard to read."""


def read(options: type[T], argv: Sequence[str] | None, prog: str, default: T | None = None) -> T:
    """Return the dataclass of ``argv`` (None: the process's) over ``default``; else a SystemExit or UsageError.

    ``--help`` and ``--version`` are printed, and end in a SystemExit(0).
    """
    words = sys.argv[1:] if argv is None else list(argv)
    for word in words:
        check_text(word)
    if {"-h", "--help"} & {*words}:
        _show(help.page(options, prog, min(MAX_COLUMNS, shutil.get_terminal_size().columns or MAX_COLUMNS)))
    if "--version" in words:
        _show(version.describe())
    for value in _values(options, words, prog):
        convert(*value)  # for its errors: tyro would take more for a number
    over: dict[str, Any] = {} if default is None else {"default": default}  # "none" has another name in each tyro
    return tyro.cli(options, args=words, prog=prog, **over)


def _show(text: str) -> NoReturn:
    sys.stdout.write(f"{text}\n")
    raise SystemExit(0)


def check_text(word: str) -> None:
    """Refuse a text that no file can be named by and no manifest can hold."""
    if len(word) > MAX_LENGTH:
        raise UsageError(f"{quote(word)}: this argument has {len(word)} characters; give at most {MAX_LENGTH}")
    if not word.isascii() and any("\ud800" <= character <= "\udfff" for character in word):
        raise UsageError(f"{truncate(word)!r}: this argument is not UTF-8; write it in UTF-8, such as results")
    if "\0" in word:
        raise UsageError(f"{truncate(word)!r}: this argument holds a NUL; leave it out, as in results")


def given_kind(hint: Any) -> Any:
    """Return the type of what is given for an option, which may be None where it is left out."""
    return get_args(hint)[0] if get_origin(hint) is UnionType else hint


def convert(option: str, word: str, kind: Any) -> Any:
    """Return a value of an option as its type has it; refuse numbers not in plain digits or beyond what floats hold."""
    check_text(word)
    if kind in RULES:
        match = (WHOLE if kind is int else NUMBER).fullmatch(word)
        if not match:
            _refuse_number(option, word, kind)
        if kind is float and (math.isinf(float(word)) or (float(word) == 0 and re.search("[1-9]", match[1]))):
            raise UsageError(f"{option} {truncate(word)} would be read as {float(word)}: give a number such as 0.01")
    elif get_origin(kind) is Literal:
        check_known(option, word, get_args(kind))
    return kind(word) if isinstance(kind, type) else word


def _refuse_number(option: str, word: str, kind: Any) -> NoReturn:
    pieces = [piece.strip() for piece in word.split(",")]
    if len(pieces) > 1 and all((WHOLE if kind is int else NUMBER).fullmatch(piece) for piece in pieces):
        what = "a whole number" if kind is int else "a number"
        raise UsageError(
            f"{option}: {quote(word)!r} is not {what}. Separate values by spaces: {option} {' '.join(pieces)}"
        )
    raise UsageError(f"{option} {quote(word)}: give {RULES[kind]}")


# --- the words of a command line


@dataclass(frozen=True)
class _Option:
    """What may follow an option's name."""

    kind: Any
    many: bool = False

    @property
    def takes_value(self) -> bool:
        return self.kind is not bool


def _known(options: type) -> dict[str, _Option]:
    """Return the options by their names, without dashes in front."""
    hints, known = get_type_hints(options), {}
    for field in fields(options):
        hint, name = given_kind(hints[field.name]), field.name.replace("_", "-")
        many = get_origin(hint) is tuple
        if not help.is_positional(options, field.name):
            known[name] = _Option(get_args(hint)[0] if many else hint, many)
        if hint is bool:
            known[f"no-{name}"] = known[name]
    return known


def _values(options: type, words: Sequence[str], prog: str) -> Iterator[tuple[str, str, Any]]:
    """Yield (option, value, kind) for each value of an option; refuse words that have no place."""
    known, name, open_ = _known(options), "", False
    hints = get_type_hints(options)
    places = [hints[field.name] for field in fields(options) if help.is_positional(options, field.name)]
    option = _Option(str)
    for index, word in enumerate(words):
        value: str | None = word
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            option = _find(known, name, prog)
            value = value if equals else None
            if value is not None and not option.takes_value:
                raise UsageError(f"{quote(name)} takes no value; write {quote(name)} alone")
            open_ = option.takes_value
            if open_ and not option.many and value is None and _ends(words, index + 1):
                raise UsageError(f"{quote(name)}: the value is missing; see {prog} --help")
        if value is None:
            continue
        if open_:
            yield name, value, option.kind
            open_ = option.many
        elif places:
            places = places if get_origin(places[0]) is tuple else places[1:]
        else:
            raise UsageError(f"{quote(word)} belongs to no option; see {prog} --help")


def _find(known: dict[str, _Option], name: str, prog: str) -> _Option:
    wanted = name[2:].replace("_", "-")
    if wanted not in known:
        raise UsageError(f"{quote(name)} is not an option{_hint(known, wanted)}; see {prog} --help")
    return known[wanted]


def _hint(known: dict[str, _Option], wanted: str) -> str:
    """Return what a name that is no option may stand for: a factor's levels, or the nearest option."""
    factor = FACTORS.get(nearest(wanted.replace("-", "_"), variable(), cutoff=0.8) or "")
    if factor is not None and "vary" in known:
        return f": a factor is varied, or set, by {factor.option}LEVEL,LEVEL"
    near = nearest(wanted, known, cutoff=0.6)
    return f" (did you mean --{near}?)" if near else ""


def _ends(words: Sequence[str], index: int) -> bool:
    """Whether no value comes at this place."""
    return index == len(words) or words[index].startswith("--")
