"""A command line as one frozen value, for every command: what is no text or no number is refused before it is parsed.

Python takes 1_000, full-width digits, 1e400 (infinity) and 1e-400 (zero) for numbers. Here they are not.
"""

import math
import re
import sys
from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import tyro

from study.errors import UsageError, quote, truncate
from study.spec.checks import NUMBER, WHOLE, check_known

T = TypeVar("T")

MAX_LENGTH = 4096
"""Characters of an argument: no path is longer."""
RULES = {int: "a whole number in the digits 0 to 9, such as 10", float: "a number in the digits 0 to 9, such as 0.01"}


def read(options: type[T], argv: Sequence[str] | None, prog: str, default: T | None = None) -> T:
    """Return the dataclass of ``argv`` (None: the process's) over ``default``; else a SystemExit(2) or UsageError."""
    words = sys.argv[1:] if argv is None else list(argv)
    for word in words:
        check_text(word)
    for value in _values(options, words):
        convert(*value)  # for its errors: tyro would take more for a number
    over: dict[str, Any] = {} if default is None else {"default": default}  # "none" has another name in each tyro
    return tyro.cli(options, args=words, prog=prog, **over)


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
            raise UsageError(f"{option} {quote(word)}: give {RULES[kind]}")
        if kind is float and (math.isinf(float(word)) or (float(word) == 0 and re.search("[1-9]", match[1]))):
            raise UsageError(f"{option} {truncate(word)} would be read as {float(word)}: give a number such as 0.01")
    elif get_origin(kind) is Literal:
        check_known(option, word, get_args(kind))
    return kind(word) if isinstance(kind, type) else word


def _values(options: type, words: Sequence[str]) -> Iterator[tuple[str, str, type]]:
    """Yield (option, value, kind of number) for each value of an option that takes numbers."""
    hints, option, many = get_type_hints(options), "", False
    kind: Any = None
    for word in words:
        value: str | None = word
        if word.startswith("--"):
            option, given, value = word.partition("=")
            hint = given_kind(hints.get(option[2:].replace("-", "_")))
            many = get_origin(hint) is tuple
            kind = get_args(hint)[0] if many else hint
            value = value if given else None
        if value is not None and value != "-h" and kind in RULES:
            yield option, value, kind
            kind = kind if many else None
