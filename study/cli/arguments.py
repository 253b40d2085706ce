"""A command line as one frozen value, for every command: what is no text and no number is refused before it is one.

Python takes 1_000, full-width digits, 1e400 (infinity) and 1e-400 (zero) for numbers. Here they are not.
"""

import math
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import tyro

from study.errors import UsageError, quote, truncate
from study.spec.checks import NUMBER, WHOLE

T = TypeVar("T")

MAX_LENGTH = 4096
"""Characters of an argument: no path is longer."""
RULES = {int: "a whole number in the digits 0 to 9, such as 10", float: "a number in the digits 0 to 9, such as 0.01"}


def read(options: type[T], argv: Sequence[str] | None, prog: str) -> T:
    """The dataclass ``options`` as ``argv``, or else the process's own, has it; a SystemExit(2) or UsageError."""
    words = sys.argv[1:] if argv is None else list(argv)
    for word in words:
        check_text(word)
    for option, word, kind in _values(options, words):
        check_numeral(option, word, kind)
    return tyro.cli(options, args=words, prog=prog)


def check_text(word: str) -> None:
    """Refuse what can be no name of a file and can stand in no manifest."""
    if len(word) > MAX_LENGTH:
        raise UsageError(f"{quote(word)}: this argument has {len(word)} characters; give at most {MAX_LENGTH}")
    if not word.isascii() and any("\ud800" <= character <= "\udfff" for character in word):
        raise UsageError(f"{truncate(word)!r}: this argument is not UTF-8; write it in UTF-8, such as results")
    if "\0" in word:
        raise UsageError(f"{truncate(word)!r}: this argument holds a NUL; leave it out, as in results")


def check_numeral(option: str, word: str, kind: type) -> None:
    """Refuse what is no number of the kind in plain digits, or one that floats cannot hold."""
    match = (WHOLE if kind is int else NUMBER).fullmatch(word)
    if not match:
        raise UsageError(f"{option} {quote(word)}: give {RULES[kind]}")
    if kind is float and (math.isinf(float(word)) or (float(word) == 0 and re.search("[1-9]", match[1]))):
        raise UsageError(f"{option} {truncate(word)} would be read as {float(word)}: give a number such as 0.01")


def _values(options: type, words: Sequence[str]) -> Iterator[tuple[str, str, type]]:
    """Each value of an option that asks for numbers, with the option and the kind of number."""
    hints, option, many = get_type_hints(options), "", False
    kind: Any = None
    for word in words:
        value: str | None = word
        if word.startswith("--"):
            option, given, value = word.partition("=")
            hint = hints.get(option[2:].replace("-", "_"))
            many = get_origin(hint) is tuple
            kind = get_args(hint)[0] if many else hint
            value = value if given else None
        if value is not None and value != "-h" and kind in RULES:
            yield option, value, kind
            kind = kind if many else None
