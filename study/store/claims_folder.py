"""A ledger's folder: what is measured for it, committed unit by unit, and the tables made of that. Imports no torch.

A unit of a probe is a part as of a study (``study.store.schemas``), which is there whole or not at all, and whose name
is the sha256 of its bytes; its footer names the unit, and the digest of what the ledger fixed before its first run.
``measurements.parquet`` and ``pictures.parquet`` are a pure function of the parts.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock, Timeout

from study.errors import EnvironmentFault, StudyError, UsageError
from study.spec.claims.fixed import Fixed
from study.spec.commands import claims_into, shown_path
from study.spec.design import digest
from study.store import parts
from study.store.claims_manifest import LEDGER_VERSION, LedgerManifest, fixed_of, read_ledger_manifest
from study.store.manifest import Manifest
from study.store.parts_folder import PartsFolder
from study.store.schemas import Column, ascending, sort_rows

MEASUREMENTS, PICTURES = "measurements", "pictures"
COLUMNS: dict[str, list[Column]] = {
    MEASUREMENTS: [
        ("experiment", pa.string()),
        ("measure", pa.string()),
        ("condition", pa.string()),
        ("arm", pa.string()),
        ("mode", pa.string()),
        ("seed", pa.int32()),
        ("layer", pa.int16()),
        ("step", pa.int32()),
        ("value", pa.float64()),
        ("n", pa.int32()),
    ],
    PICTURES: [
        ("condition", pa.string()),
        ("index", pa.int32()),
        ("label", pa.int16()),
        ("pixels", pa.list_(pa.float32())),
    ],
}
"""Columns of a table; of a part they are those of its table."""
SCHEMAS = {name: pa.schema(columns) for name, columns in COLUMNS.items()}
KEYS = {name: [column for column, kind in columns if not pa.types.is_list(kind)] for name, columns in COLUMNS.items()}
"""What the rows are sorted by: all that can be compared."""
FIXED, UNIT, N_ROWS = b"ledger.fixed", b"ledger.unit", b"ledger.n_rows"
BEGUN = "begun"
"""The unit without rows that is committed first."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """A committed unit."""

    unit: str
    """Such as ``speed/bn-3``: the experiment first."""
    fixed: str
    """The digest of what the ledger had fixed."""
    rows: pa.Table

    @property
    def table(self) -> str:
        return _table_of(self.rows.column_names)


class ClaimsFolder(PartsFolder[LedgerManifest, Part]):
    """The folder of one ledger, whose parts are the rows of units."""

    version, shared_images = LEDGER_VERSION, ".data-*"

    @property
    def studies(self) -> Path:
        """The folder of its studies, each under its key."""
        return self.path / "studies"

    @contextmanager
    def sole_worker(self) -> Iterator[None]:
        """Hold the folder for the time of a ``with`` block; an EnvironmentFault where another process has it."""
        self.prepare()
        try:
            with FileLock(self.path / ".lock", timeout=0):
                self.clear()
                yield
        except Timeout:
            raise EnvironmentFault(
                f"another process is at work on {shown_path(self.path)}. Wait for it, or choose another --study-id."
            ) from None

    def check_not_archived(self) -> None:
        """Refuse a folder that has tables and no parts: nobody could restore them."""
        if not self.has_parts() and self.table(MEASUREMENTS).exists():
            raise UsageError(
                f"{shown_path(self.path)} holds the tables of a finished ledger without its parts, as ledgers are"
                " shipped. Nothing is written there; choose another --study-id."
            )

    # --- manifest

    def read_manifest(self) -> LedgerManifest | None:
        return read_ledger_manifest(self.manifest)

    def fixed(self) -> Fixed | None:
        """Return what was fixed before the first run, None of a new ledger; a UsageError where parts or tables were
        made under something else."""
        manifest = self.read_manifest()
        if manifest is None:
            return None
        fixed = fixed_of(manifest)
        self.check_parts(fixed)
        return fixed

    def lacks_manifest(self) -> bool:
        """Whether sound parts are there without the manifest under which they were made."""
        return self.read_manifest() is None and any(True for _ in self.sound_parts())

    def check_parts(self, fixed: Fixed) -> None:
        """Refuse parts that were made under something else than ``fixed``."""
        for _, part in self.sound_parts():
            self._check_fixed(part.fixed, fixed, f"part {part.unit}")

    def check_bound(self) -> None:
        """Refuse a manifest to which no part and no table is bound, and one that says something else than they do: its
        rules may have been written after looking."""
        fixed, manifest = self.fixed(), self.read_manifest()
        named = manifest.get("tables", {}) if manifest else {}
        tables = [name for name in SCHEMAS if name in named or self.table(name).exists()]
        for name in tables:
            self.read(name)
        if fixed is not None and not tables and not any(True for _ in self.sound_parts()):
            raise UsageError(
                f"{self.manifest} has no part and no table made under its rules, so nothing says that they were fixed"
                " before the first run. Restore parts/, or choose another --study-id."
            )

    def check_data(self, study: Manifest | None) -> None:
        """Refuse a manifest that names other images than that of a study of the ledger does."""
        manifest = self.read_manifest()
        if manifest is None or study is None or study["data"]["name"] != manifest["data"]["name"]:
            return
        if study["data"]["sha256"] != manifest["data"]["sha256"]:
            raise UsageError(
                f"{self.manifest} names other images in data.sha256 than those on which its study {study['study_id']}"
                " was trained. Restore it, or choose another --study-id."
            )

    def _check_fixed(self, found: str, fixed: Fixed, what: str) -> None:
        if found != fixed.digest:
            has = "has" if self.manifest.exists() else "is lost, and this command asks for"
            raise UsageError(
                f"{self.manifest} {has} other rows, rules, alpha or experiments than those under which its {what} was"
                " made: they are fixed before the first run. Restore it, or choose another --study-id."
            )

    # --- parts

    def commit(self, unit: str, fixed: Fixed, rows: Iterable[Row], table: str = MEASUREMENTS) -> None:
        """Commit the rows of a unit, durably; doing it twice is doing it once."""
        whole = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMAS[table])
        facts = {FIXED: fixed.digest, UNIT: unit, N_ROWS: str(len(whole))}
        parts.write(self.parts, unit_id(fixed.digest, unit), whole.replace_schema_metadata(facts))

    def read_parts(self, fixed: Fixed) -> list[Part]:
        """Return every sound part, by the name of its unit; a UsageError where one was made under something else, a
        StudyError where two disagree on a unit."""
        found: dict[str, Part] = {}
        for path, part in self.sound_parts():
            self._check_fixed(part.fixed, fixed, f"part {part.unit}")
            if found.setdefault(part.unit, part) is not part:
                raise StudyError(
                    f"two parts of {shown_path(self.path)} hold {part.unit}: measured on different machines? Move one"
                    f" of them ({path.name}) out of parts/ and repeat the command."
                )
        return [found[unit] for unit in sorted(found)]

    def done(self, fixed: Fixed) -> set[str]:
        """Return the units of sound parts; errors as of ``read_parts``."""
        return {part.unit for part in self.read_parts(fixed)}

    def read_part(self, path: Path) -> Part | None:
        table = parts.read(path, lambda columns: SCHEMAS[_table_of(columns)])
        if table is None:
            return None
        facts = {key: value.decode("utf-8", "replace") for key, value in (table.schema.metadata or {}).items()}
        part = Part(facts.get(UNIT, ""), facts.get(FIXED, ""), table)
        named = path.stem.partition("-")[0] == unit_id(part.fixed, part.unit)
        return part if named and facts.get(N_ROWS) == str(len(table)) else None

    # --- tables

    def compact(self) -> None:
        """Write the tables: the rows of the parts, sorted. Tables that hold these bytes already are left alone."""
        fixed = fixed_of(self.own_manifest())
        found, facts = self.read_parts(fixed), {FIXED: fixed.digest, b"ledger.schema_version": str(LEDGER_VERSION)}
        contents = {}
        for name, schema in SCHEMAS.items():
            rows = [part.rows.replace_schema_metadata() for part in found if part.table == name]
            table = sort_rows(pa.concat_tables([schema.empty_table(), *rows]), ascending(*KEYS[name]))
            contents[name] = parts.encode(table.replace_schema_metadata(facts))
        self.write_tables(contents)

    def read(self, name: str) -> pa.Table:
        """Return the table measurements or pictures; a UsageError where it is absent or not what was written."""
        manifest, table = self.own_manifest(), self.read_or_refuse(name, SCHEMAS[name])
        made_under = (table.schema.metadata or {}).get(FIXED, b"").decode("ascii", "replace")
        self._check_fixed(made_under, fixed_of(manifest), f"table {name}")
        return table

    def how_to_make(self) -> str:
        return f"Make it: {claims_into(self.path)}"

    def how_to_repeat(self) -> str:
        return f"make it again: {claims_into(self.path)}"


def unit_id(fixed: str, unit: str) -> str:
    """Return the sha256 of what a unit's rows follow from: the beginning of its part's name."""
    return digest({"ledger_version": LEDGER_VERSION, "fixed": fixed, "unit": unit})


def _table_of(columns: Iterable[str]) -> str:
    return PICTURES if "pixels" in {*columns} else MEASUREMENTS
