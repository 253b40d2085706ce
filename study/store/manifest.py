"""``manifest.json``: its fields, and how it is read when anybody may have written it.

A regular file of bounded size, JSON without NaN or a field named twice, and in every field what belongs there. Its
texts are shown and are never a path: the folder of a study is the one that was asked for, whatever its manifest says.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from study.errors import EnvironmentFault, UsageError, describe_value, truncate
from study.spec.analysis_rule import DECISIONS
from study.spec.arms import KEY, default_baseline
from study.spec.design import Design
from study.store.schemas import OLDEST_VERSION, SCHEMA_VERSION
from study.store.untrusted_parquet import MAX_LENGTH, InvalidFile, file_bytes

MAX_BYTES = 2**24
MAX_NUMBER = sys.float_info.max


class Manifest(TypedDict):
    """The fields of ``manifest.json``: on the study, and on the command that last worked on it."""

    schema_version: int
    study_id: str
    design: dict[str, Any]
    digest: str
    data: dict[str, Any]
    """name, sha256 by file, notice (why it is not the data set that was wanted, or null)."""
    argv: str
    versions: dict[str, str]
    git: dict[str, Any]
    device: dict[str, Any]
    """kind (cpu or cuda), name, workers, engine but in studies of before it had a name, and the form of the images that
    the kernel took (first_layer)."""
    timings: dict[str, float]
    date: NotRequired[str]
    """The day (UTC) on which the command began to train; absent in studies of before it was kept."""
    processor: NotRequired[str]
    """Absent in schema version 1, as the four that follow."""
    compiler: NotRequired[dict[str, str]]
    """name and version of what built the kernel; absent where torch trained."""
    environment: NotRequired[str]
    """A key of ``environments``."""
    numerics: NotRequired[dict[str, str]]
    """The numerics digests of the command's machine by name (``study.engine.numerics``)."""
    networks: NotRequired[bool]
    """False where the command was to keep no networks; absent: kept."""
    earlier: list[dict[str, Any]]
    """The fields SESSION of the commands before."""
    looks: NotRequired[list[dict[str, Any]]]
    """The interim analyses that reports have shown so far: who adds seeds after a look must say so."""
    tables: NotRequired[dict[str, str]]
    """The sha256 of each table that was written; absent in studies of before it was kept."""
    analysis_rule: NotRequired[dict[str, Any]]
    """The fields of ``study.spec.analysis_rule.FixedRule``; absent where none was fixed before the first run."""
    baseline: NotRequired[str]
    """The arm that the others are compared with; absent where it is ``default_baseline``."""
    tuning: NotRequired[dict[str, Any]]
    """The search configuration with which ``study.tune`` chose the configurations of the tuned cell."""
    environments: NotRequired[dict[str, dict[str, Any]]]
    """By digest, what the rows of parts name: versions, processor, its instructions, device, compiler."""
    first_numerics: NotRequired[dict[str, dict[str, str]]]
    """By engine, the numerics digests of the machine that first trained, or evaluated, such a network."""
    mixed_numerics: NotRequired[list[dict[str, Any]]]
    """Work that a machine of other digests did all the same: work (what it did), environment, numerics."""


SESSION = (
    "argv", "versions", "git", "device", "timings", "date", "processor", "compiler", "environment", "numerics",
    "networks",
)  # fmt: skip


def session_of(manifest: Manifest) -> dict[str, Any]:
    """Return what the manifest says of the command that last worked on the study."""
    return {name: manifest[name] for name in SESSION if name in manifest}  # type: ignore[literal-required]


def baseline_of(manifest: Mapping[str, Any]) -> str:
    """Return the arm with which a study compares the others."""
    return str(manifest.get("baseline") or default_baseline(manifest["design"]["arms"]))


def read_manifest(path: Path) -> Manifest | None:
    """Return the manifest, None where there is none yet; a UsageError where it is not ours to read, an EnvironmentFault
    where it is damaged or the machine does not give it."""
    try:
        values = _json(file_bytes(path, MAX_BYTES))
        _check_version(path, values)
        _check_fields(values)
    except FileNotFoundError:
        return None
    except InvalidFile as error:
        raise UsageError(f"{path} {error}. Restore it or move it away.") from None
    except (OSError, ValueError) as error:
        raise EnvironmentFault(
            f"{path} cannot be read: {truncate(str(error), 300)}. Restore it or move it away."
        ) from None
    return cast(Manifest, values)


def _check_fields(values: dict[str, Any]) -> None:
    missing = sorted(MANIFEST.missing("", values))
    if missing:
        raise InvalidFile(f"lacks {', '.join(missing[:20])}")
    fault = next(MANIFEST.faults("", values), None)
    if fault is not None:
        raise InvalidFile(fault)
    try:
        arms = Design.from_dict(values["design"]).arms
    except UsageError as error:
        raise InvalidFile(f"has a design that cannot be: {error}") from None
    given = {"baseline": values.get("baseline", arms[0])}
    given |= {f"looks[{i}].arm": look["arm"] for i, look in enumerate(values.get("looks", ()))}
    for field_name, arm in given.items():
        if arm not in arms:
            raise InvalidFile(f"has {describe_value(arm)} as {field_name}; one of {', '.join(arms)} belongs there")


def _json(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number)
    except RecursionError:
        raise InvalidFile("is nested deeper than any manifest") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise InvalidFile(f"has the field {describe_value(name)} twice; a manifest has each once")
        values[name] = value
    return values


def _no_number(constant: str) -> float:
    raise InvalidFile(f"holds {constant}, which is not a JSON number; a manifest has null there")


def _check_version(path: Path, values: Any) -> None:
    if not isinstance(values, dict):
        raise InvalidFile(f"holds {describe_value(values)}; a manifest is an object")
    version = values.get("schema_version")
    read = f"{OLDEST_VERSION} to {SCHEMA_VERSION}"
    if type(version) is not int:
        raise InvalidFile(f"has schema version {describe_value(version)}, this program reads {read}")
    versions = f"(schema {describe_value(version)}, this one reads {read})"
    if version > SCHEMA_VERSION:
        raise UsageError(f"{path} was made by a newer program {versions}: update it, or choose another --study-id.")
    if version < OLDEST_VERSION:
        raise UsageError(
            f"{path} was made by an older program {versions}: read it with that one, or train it again under another"
            " --study-id."
        )


# --- kinds of values


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


def _or_null(kind: Kind) -> Kind:
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

COMPILER = Fields({"name": TEXT, "version": TEXT})
COMMANDS = Fields(
    {
        "argv": COMMAND,
        "versions": Named(TEXT),
        "git": Fields({"commit": _or_null(TEXT), "dirty": _or_null(BOOLEAN)}),
        "device": Fields(
            {"kind": DEVICE, "name": TEXT, "workers": WHOLE},
            {"engine": TEXT, "first_layer": Fields({"form": TEXT, "microseconds_of_an_image": Named(NUMBER)})},
        ),
        "timings": Named(NUMBER),
    },
    {
        "date": DATE,
        "processor": TEXT,
        "compiler": COMPILER,
        "environment": NAME,
        "numerics": Named(TEXT),
        "networks": BOOLEAN,
    },
)
"""Kinds of the fields SESSION."""
ENVIRONMENT = Fields(
    {"versions": Named(TEXT), "processor": TEXT, "instructions": TEXT, "device": TEXT}, {"compiler": COMPILER}
)
MIXED = Fields({"work": TEXT, "environment": NAME, "numerics": Named(TEXT)})
LOOK = Fields(
    {
        "arm": ARM,
        "alpha": ALPHA,
        "seeds": WHOLE,
        "mean_diff": _or_null(DIFFERENCE),
        "p_t": _or_null(NUMBER),
        "p_sign_flip": _or_null(NUMBER),
    },
    {"sign_e_value": _or_null(NUMBER), "e_value": _or_null(NUMBER), "baseline": ARM, "at": TEXT},
)
"""Kinds of the fields of ``analysis.findings.looks.Look``."""
RULE = Fields({"rule": DECISION, "alpha": ALPHA, "margin": MARGIN, "date": DATE})
TUNING = Fields(
    {
        "trials": WHOLE,
        "space": TEXT,
        "epochs": WHOLE,
        "first_seed": WHOLE,
        "n_seeds": WHOLE,
        "sampler": TEXT,
        "sampler_seed": WHOLE,
        "pruner": TEXT,
        "storage": TEXT,
        "optuna": TEXT,
    },
    {"searches": WHOLE},
)
MANIFEST = Fields(
    {
        "schema_version": VERSION,
        "study_id": NAME,
        "design": OBJECT,
        "digest": TEXT,
        "data": Fields({"name": TEXT, "sha256": Named(TEXT), "notice": _or_null(TEXT)}),
        **COMMANDS.required,
        "earlier": Each(COMMANDS),
    },
    {
        **COMMANDS.optional,
        "looks": Each(LOOK),
        "tables": Named(TEXT),
        "analysis_rule": RULE,
        "baseline": NAME,
        "tuning": TUNING,
        "environments": Named(ENVIRONMENT),
        "first_numerics": Named(Named(TEXT)),
        "mixed_numerics": Each(MIXED),
    },
)
