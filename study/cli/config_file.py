"""``--config``: the options of a command in a TOML file, each as its command line would take it."""

import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args, get_origin, get_type_hints

from study.cli import arguments
from study.errors import UsageError, describe_value, truncate
from study.spec import arms
from study.spec.arms import Arm
from study.spec.checks import check_known
from study.store.untrusted_parquet import InvalidFile, file_bytes

OWN_ARMS = "own-arms"
"""The table of a file that spells out arms."""
CONFIG_BYTES = 10**6
"""Bytes of a TOML file that are read."""
MAX_DOTS = 1000
"""Dots of a TOML file between two commas or line ends: the time to read ``a.a.a.a = 1`` grows with their square."""


class Configurable(Protocol):
    """Options that a file may give."""

    @property
    def config(self) -> Path | None: ...


T = TypeVar("T", bound=Configurable)


def read(options: type[T], argv: Sequence[str], prog: str) -> T:
    """Return the options of the command line over those of its ``--config``, if it has one."""
    given = arguments.read(options, argv, prog)
    if given.config is None:
        return given
    values = _toml(given.config)
    own = _own_arms(given.config, values) if OWN_ARMS in values and hasattr(options, "arms") else []
    read = arguments.read(options, argv, prog, _from_file(options, given.config, values))
    for arm in own:
        if arm.key not in getattr(read, "arms", ()):
            raise UsageError(
                f"--config {given.config}: the arm {arm.key} is spelled out and not compared; add it:"
                f" --arms {' '.join([*getattr(read, 'arms', ()), arm.key])}"
            )
    return read


def _own_arms(path: Path, values: dict[str, Any]) -> list[Arm]:
    """Return the arms that a file spells out, a table each, such as ``[own-arms.slow]``, now known; they leave the
    ``values``."""
    tables = values.pop(OWN_ARMS)
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise UsageError(f'--config {path}: spell out an arm so: {OWN_ARMS}.mine = {{norm = "batch", momentum = 0.01}}')
    try:
        own = [Arm.from_dict({**table, "key": key}) for key, table in tables.items()]
        arms.register(own)
    except UsageError as error:
        raise UsageError(f"--config {path}: {error}") from None
    return own


def _from_file(options: type[T], path: Path, given: dict[str, Any]) -> T:
    """Return the options of a TOML file, the others as by default."""
    hints = get_type_hints(options)
    known = {field.name.replace("_", "-"): hints[field.name] for field in fields(options) if field.name != "config"}  # type: ignore[arg-type]
    values = {}
    for key, value in given.items():
        option, negated = key.replace("_", "-"), False
        if known.get(option.removeprefix("no-")) is bool and option not in known:
            option, negated = option.removeprefix("no-"), True
        check_known(f"--config {path}:", option, sorted(known))
        try:
            converted = _converted(option, value, known[option])
        except UsageError as error:
            raise UsageError(f"--config {path}: {error}") from None
        values[option.replace("-", "_")] = not converted if negated else converted
    return options(**values)


def _toml(path: Path) -> dict[str, Any]:
    """Return the values of a regular file of bounded size, or of the one that a link leads to."""
    try:
        content = file_bytes(Path(os.path.realpath(path)), CONFIG_BYTES)
        if any(piece.count(b".") > MAX_DOTS for piece in re.split(rb"[,\n]", content)):
            raise InvalidFile(f"it has a name of more than {MAX_DOTS} parts")
        return tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path}: {error.strerror}") from None
    except InvalidFile as error:
        raise UsageError(f"--config {path}: {error}; give a file of options such as seeds = 10") from None
    except RecursionError:
        raise UsageError(f"--config {path} is nested too deeply; give options such as seeds = 10") from None
    except ValueError as error:
        raise UsageError(f"--config {path} is not TOML: {truncate(str(error), 200)}") from None


def _converted(option: str, value: Any, hint: Any) -> Any:
    """Return a value of TOML as the type of its option has it; a UsageError where it is none."""
    if hint is bool:
        if isinstance(value, bool):
            return value
        raise UsageError(f"{option} = {describe_value(value)}: give true or false")
    is_list, items = get_origin(hint) is tuple, value if isinstance(value, list) else [value]
    if isinstance(value, list) and not is_list:
        raise UsageError(f"{option} is a list: give one value, without brackets")
    for item in items:
        if not _is_plain(item):
            raise UsageError(f"{option} = {describe_value(item)}: give a number or a text, or a list of these")
    if len({isinstance(item, str) for item in items}) > 1:
        both = f"{describe_value(items[0])}, {describe_value(items[1])}"
        raise UsageError(f"{option} = {both}: give a list of numbers or a list of texts")
    kind = get_args(hint)[0] if is_list else arguments.given_kind(hint)
    converted = tuple(arguments.convert(f"--{option}", str(item), kind) for item in items)
    return converted if is_list else converted[0]


def _is_plain(item: object) -> bool:
    """Whether a value of TOML could be one argument of a command line."""
    if isinstance(item, str):
        return not item.startswith("--")
    return isinstance(item, float) or (type(item) is int and abs(item) < 10**100)
