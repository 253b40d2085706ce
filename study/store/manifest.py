"""``manifest.json``: its fields, and how it is read when anybody may have written it.

A regular file of bounded size, JSON without NaN or a field named twice, and in every field what belongs there. Its
texts are shown and are never a path: the folder of a study is the one that was asked for, whatever its manifest says.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from study.errors import EnvironmentFault, UsageError, describe_value, truncate
from study.spec import commands
from study.spec.arms import default_baseline
from study.spec.design import Design
from study.store.kinds import (
    ALPHA,
    ARM,
    BOOLEAN,
    COMMAND,
    DATE,
    DECISION,
    DEVICE,
    DIFFERENCE,
    MARGIN,
    NAME,
    NUMBER,
    OBJECT,
    TEXT,
    VERSION,
    WHOLE,
    Each,
    Fields,
    Named,
    check_kinds,
    check_object,
    or_null,
)
from study.store.schemas import OLDEST_VERSION, SCHEMA_VERSION
from study.store.untrusted_parquet import InvalidFile, file_bytes

MAX_BYTES = 2**24
LEDGER = "claims"
"""The field ``kind`` of the manifest of a ledger (``study.store.claims_manifest``); that of a study has none."""


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
    return cast(Manifest | None, read_checked(path, _check))


def read_checked(path: Path, check: Callable[[Path, Any], None]) -> dict[str, Any] | None:
    """Return the fields of a manifest of any kind, as ``read_manifest`` does; ``check`` raises an InvalidFile, whose
    text goes on after the path, or a UsageError of its own."""
    try:
        values = _json(file_bytes(path, MAX_BYTES))
        check(path, values)
    except FileNotFoundError:
        return None
    except InvalidFile as error:
        raise UsageError(f"{path} {error}. Restore it or move it away.") from None
    except (OSError, ValueError) as error:
        raise EnvironmentFault(
            f"{path} cannot be read: {truncate(str(error), 300)}. Restore it or move it away."
        ) from None
    return cast(dict[str, Any], values)


def _check(path: Path, values: Any) -> None:
    check_object(values)
    if values.get("kind") == LEDGER:
        raise UsageError(
            f"{path} is that of a ledger of the tutorial's claims, which holds studies and is none. Choose another"
            f" --study-id, or go on with the ledger: {commands.claims_into(path.parent)}"
        )
    check_kind(values)
    check_version(path, values, OLDEST_VERSION, SCHEMA_VERSION)
    _check_fields(values)


def _check_fields(values: dict[str, Any]) -> None:
    check_kinds(MANIFEST, values)
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


def check_kind(values: dict[str, Any]) -> None:
    """Refuse the manifest of a folder of a kind that this program does not know."""
    if values.get("kind", LEDGER) != LEDGER:
        raise InvalidFile(
            f"has {describe_value(values['kind'])} as kind, which this program does not know: that of a ledger has"
            f" {LEDGER!r}, that of a study none"
        )


def check_version(path: Path, values: dict[str, Any], oldest: int, newest: int) -> None:
    """Refuse the manifest of a program that this one cannot read."""
    version = values.get("schema_version")
    read = f"{oldest} to {newest}"
    if type(version) is not int:
        raise InvalidFile(f"has schema version {describe_value(version)}, this program reads {read}")
    versions = f"(schema {describe_value(version)}, this one reads {read})"
    if version > newest:
        raise UsageError(f"{path} was made by a newer program {versions}: update it, or choose another --study-id.")
    if version < oldest:
        raise UsageError(
            f"{path} was made by an older program {versions}: read it with that one, or train it again under another"
            " --study-id."
        )


# --- kinds of its fields

COMPILER = Fields({"name": TEXT, "version": TEXT})
COMMANDS = Fields(
    {
        "argv": COMMAND,
        "versions": Named(TEXT),
        "git": Fields({"commit": or_null(TEXT), "dirty": or_null(BOOLEAN)}),
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
        "mean_diff": or_null(DIFFERENCE),
        "p_t": or_null(NUMBER),
        "p_sign_flip": or_null(NUMBER),
    },
    {"sign_e_value": or_null(NUMBER), "e_value": or_null(NUMBER), "baseline": ARM, "at": TEXT},
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
        "data": Fields({"name": TEXT, "sha256": Named(TEXT), "notice": or_null(TEXT)}),
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
