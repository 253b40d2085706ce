"""``manifest.json`` of a ledger of claims: what was fixed before the first run, and the command that last worked on it.

Read as strictly as that of a study (``study.store.manifest``): anybody may have written it.
"""

from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from study.errors import StudyError, UsageError
from study.spec.claims.fixed import Fixed
from study.store.kinds import (
    ALPHA,
    NAME,
    OBJECT,
    TEXT,
    VERSION,
    Each,
    Fields,
    Kind,
    Named,
    check_kinds,
    check_object,
    or_null,
)
from study.store.manifest import COMMANDS, LEDGER, check_kind, check_version, read_checked
from study.store.untrusted_parquet import InvalidFile

LEDGER_VERSION = 1


class LedgerManifest(TypedDict):
    """The fields of a ledger's ``manifest.json``."""

    kind: str
    schema_version: int
    study_id: str
    dataset: str
    """With the four that follow, what was fixed: ``study.spec.claims.fixed.Fixed``."""
    extent: dict[str, Any]
    alpha: float
    rows: list[dict[str, Any]]
    experiments: dict[str, str]
    begun: str
    """The day (UTC) on which it was fixed."""
    data: dict[str, Any]
    """name, sha256 by file, notice (why it is not the data set that was wanted, or null)."""
    argv: str
    versions: dict[str, str]
    git: dict[str, Any]
    device: dict[str, Any]
    timings: dict[str, float]
    """Seconds of each experiment that the command worked on."""
    date: str
    processor: str
    earlier: list[dict[str, Any]]
    """The fields SESSION of the commands before."""
    tables: NotRequired[dict[str, str]]
    """The sha256 of each table."""


SESSION = ("argv", "versions", "git", "device", "timings", "date", "processor")
_SESSION = {name: (COMMANDS.required | COMMANDS.optional)[name] for name in SESSION}
KINDS = Fields(
    {
        "kind": Kind(LEDGER, lambda value: value == LEDGER),
        "schema_version": VERSION,
        "study_id": NAME,
        "dataset": NAME,
        "extent": OBJECT,
        "alpha": ALPHA,
        "rows": Kind("a list of rows", lambda value: isinstance(value, list) and len(value) <= 1000),
        "experiments": Named(TEXT),
        "begun": _SESSION["date"],
        "data": Fields({"name": TEXT, "sha256": Named(TEXT), "notice": or_null(TEXT)}),
        **_SESSION,
        "earlier": Each(Fields(_SESSION)),
    },
    {"tables": Named(TEXT)},
)


def read_ledger_manifest(path: Path) -> LedgerManifest | None:
    """Return the manifest, None where there is none yet; errors as of ``manifest.read_manifest``."""
    return cast(LedgerManifest | None, read_checked(path, _check))


def fixed_of(manifest: LedgerManifest) -> Fixed:
    """Return what a ledger has fixed."""
    return Fixed.from_dict(manifest)


def session_of(manifest: LedgerManifest) -> dict[str, Any]:
    """Return what the manifest says of the command that last worked on the ledger."""
    return {name: manifest[name] for name in SESSION}  # type: ignore[literal-required]


def _check(path: Path, values: Any) -> None:
    check_object(values)
    if "kind" not in values and "design" in values:
        raise UsageError(f"{path} is that of a study, not of a ledger of claims. Choose another --study-id.")
    check_kind(values)
    if "kind" in values:
        check_version(path, values, LEDGER_VERSION, LEDGER_VERSION)
    check_kinds(KINDS, values)
    try:
        Fixed.from_dict(values)
    except UsageError as error:
        raise InvalidFile(f"fixes what cannot be: {error}") from None


def is_ledger(path: Path) -> bool:
    """Whether the folder ``path`` is that of a ledger; not where nobody can read its manifest."""
    try:
        found = read_checked(path / "manifest.json", lambda _, values: None)
    except StudyError:
        return False
    return isinstance(found, dict) and found.get("kind") == LEDGER
