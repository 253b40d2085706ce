"""A study's folder: what is committed in it, what is done, and the tables made of that. Imports no torch.

How it is written, and what may be relied on after a crash, is the commit protocol in ``study.records``.
"""

import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from study import parquet
from study.design import Design, Run, digest
from study.errors import EnvironmentFault, UsageError
from study.plan import Cohort
from study.records import (
    PART_SCHEMA,
    RECORDS_SCHEMA,
    RUNS_SCHEMA,
    SCHEMA_VERSION,
    not_applicable_table,
    records_of,
    unite,
)


def unit_id(design: Design, cohort: Cohort, data_sha256: str, engine: str) -> str:
    """sha256 of what a cohort's numbers follow from: equal ids are the same work."""
    runs = [design.run_id(run) for run in cohort.runs]
    return digest(
        {
            "schema_version": SCHEMA_VERSION,
            "engine": engine,
            "training": design.training,
            "data": data_sha256,
            "runs": runs,
        }
    )


class Manifest(TypedDict):
    """What ``manifest.json`` says of the study, and of the command that last worked on it."""

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
    """kind (cpu or cuda), name, workers, and engine but in studies of before it had a name."""
    timings: dict[str, float]
    earlier: list[dict[str, Any]]
    """The fields SESSION of the commands before."""
    looks: NotRequired[list[dict[str, Any]]]
    """What reports have shown of the study so far: who adds seeds after a look must say so."""


SESSION = ("argv", "versions", "git", "device", "timings")


class Folder:
    """The folder of one study, ``<out>/<study id>/``."""

    def __init__(self, path: Path):
        self.path = path
        self.parts = path / "parts"
        self.manifest = path / "manifest.json"

    def prepare(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        inside(self.path, "parts")

    def exclusively(self) -> FileLock:
        """For the moment of reading and writing what all shards share: the manifest and the tables."""
        return FileLock(self.path / ".writing")

    # --- manifest

    def read_manifest(self) -> Manifest | None:
        """The manifest, None where there is none yet; a UsageError where it is not ours to read."""
        try:
            manifest = json.loads(self.manifest.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise EnvironmentFault(f"{self.manifest} cannot be read: {error}. Restore it or move it away.") from None
        version = manifest.get("schema_version") if isinstance(manifest, dict) else None
        if version != SCHEMA_VERSION:
            raise UsageError(
                f"{self.manifest} has schema version {version!r}, this program reads {SCHEMA_VERSION};"
                " choose another --study-id."
            )
        missing = [*Manifest.__required_keys__ - manifest.keys(), *_missing_facts(manifest)]
        if missing:
            raise UsageError(f"{self.manifest} lacks {', '.join(sorted(missing))}. Restore it or move it away.")
        return cast(Manifest, manifest)

    def write_manifest(self, manifest: Manifest) -> None:
        text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(self.manifest, text.encode() + b"\n")

    def design(self) -> Design | None:
        """The study's design so far, None for a new study."""
        manifest = self.read_manifest()
        return None if manifest is None else Design.from_dict(manifest["design"])

    def touch(self) -> None:
        """Make this the study that was asked for last: the one that ``analysis.report`` takes."""
        os.utime(self.manifest)

    # --- parts

    def commit(self, unit: str, table: pa.Table) -> Path:
        """Make the rows of a cohort part of the study, durably; doing it twice is doing it once."""
        content = encode(table.replace_schema_metadata({"study.unit_id": unit, "study.n_runs": n_runs(table)}))
        path = self.parts / f"{unit}-{hashlib.sha256(content).hexdigest()[:32]}.parquet"
        if not path.exists():
            write_atomically(path, content)
        return path

    def read_parts(self) -> list[pa.Table]:
        """Every sound part; the others are left alone."""
        tables = map(_read_part, self._part_files())
        return [table for table in tables if table is not None]

    def quarantine(self) -> list[Path]:
        """Move the parts whose bytes do not match their names to ``quarantine/``; returns where they are now."""
        damaged = [path for path in self._part_files() if _read_part(path) is None]
        for path in damaged:
            path.rename(inside(self.path, "quarantine") / path.name)
        return [self.path / "quarantine" / path.name for path in damaged]

    def _part_files(self) -> list[Path]:
        return sorted(self.parts.glob("*.parquet"))

    def done(self, design: Design) -> set[Run]:
        """The runs of ``design`` that stand in sound parts; a StudyError where two parts disagree."""
        ids = {design.run_id(run): run for run in design.runs}
        runs = unite(self.read_parts()).column("run_id").to_pylist()
        return {ids[run_id] for run_id in runs if run_id in ids}

    # --- tables

    def check_not_shipped(self) -> None:
        """Refuse a folder whose tables hold trained runs and which has no parts: nobody could restore them."""
        tables = self.path / "runs.parquet"
        without_parts = not self._part_files() and not (self.path / "quarantine").exists()
        if without_parts and tables.exists() and pc.any(pc.greater(self.read("runs")["n_steps"], 0)).as_py():
            raise UsageError(
                f"{self.path} holds the tables of a finished study without its parts (a shipped one?)."
                " Nothing is written there; choose another --study-id."
            )

    def compact(self) -> None:
        """Write ``records.parquet`` and ``runs.parquet``: a pure function of the study's design and its parts.

        Tables that say it already are left alone. The last of several shards to get here has seen the
        parts of all.
        """
        with self.exclusively():
            manifest = self.read_manifest()
            assert manifest is not None, "a study has a manifest before it has parts"
            study_id, design = manifest["study_id"], Design.from_dict(manifest["design"])
            table = unite([*self.read_parts(), not_applicable_table(design)])
            planned = pa.array([design.run_id(run) for run in design.runs])
            table = table.filter(pc.is_in(table["run_id"], planned))
            self._write_table("runs", table.drop_columns("history"), study_id, design)
            self._write_table("records", records_of(table), study_id, design)

    def _write_table(self, name: str, table: pa.Table, study_id: str, design: Design) -> None:
        named = table.add_column(0, "study_id", pa.repeat(study_id, len(table)))
        metadata = {
            "study.schema_version": str(SCHEMA_VERSION),
            "study.study_id": study_id,
            "study.digest": design.digest,
            "study.design": json.dumps(design.to_dict(), sort_keys=True),
        }
        path, content = self.path / f"{name}.parquet", encode(named.replace_schema_metadata(metadata))
        if not path.exists() or path.read_bytes() != content:
            write_atomically(path, content)

    def read(self, name: str) -> pa.Table:
        """The table ``name`` (records or runs); a UsageError where it is absent or of another schema."""
        path = self.path / f"{name}.parquet"
        try:
            return parquet.read_file(path, {"records": RECORDS_SCHEMA, "runs": RUNS_SCHEMA}[name])
        except FileNotFoundError:
            raise UsageError(f"{path} does not exist; run python -m study.run first") from None
        except parquet.Refused as refused:
            raise UsageError(
                f"{path} cannot be read: {refused}. Where parts/ is there, the study's own command makes it again."
            ) from None


def _missing_facts(manifest: dict[str, Any]) -> list[str]:
    """The fields that are missing one level down."""
    promised = {"data": ("name", "sha256", "notice"), "device": ("kind", "name", "workers"), "git": ("commit", "dirty")}
    missing = []
    for field, names in promised.items():
        facts = manifest.get(field)
        present = facts.keys() if isinstance(facts, dict) else ()
        missing += [f"{field}.{name}" for name in names if name not in present]
    return missing


def _read_part(path: Path) -> pa.Table | None:
    """The rows of a part, None where its bytes are not those that its name promises."""
    unit, _, promised = path.stem.partition("-")
    try:
        content = parquet.file_bytes(path)
        if hashlib.sha256(content).hexdigest()[:32] != promised:
            return None
        table = parquet.read_bytes(content, PART_SCHEMA)
    except (parquet.Refused, FileNotFoundError):
        return None
    facts = table.schema.metadata or {}
    sound = facts.get(b"study.unit_id") == unit.encode() and facts.get(b"study.n_runs", n_runs(table)) == n_runs(table)
    return table if sound else None


def n_runs(table: pa.Table) -> bytes:
    """As a part's metadata has it."""
    return str(len(table)).encode()


def inside(study: Path, name: str) -> Path:
    """The folder ``name`` of a study, made if need be; a link is refused, since it may lead out of the study."""
    path = study / name
    if path.is_symlink():
        raise UsageError(f"{path} is a link: nothing is written through it. Put a folder in its place.")
    path.mkdir(exist_ok=True)
    return path


def encode(table: pa.Table) -> bytes:
    """Parquet bytes that depend on the rows alone: fixed settings, one chunk a column."""
    buffer = io.BytesIO()
    pq.write_table(
        table.combine_chunks(),
        buffer,
        compression="zstd",
        version="2.6",
        row_group_size=1 << 20,
        use_dictionary=True,
        write_statistics=True,
    )
    return buffer.getvalue()


def write_atomically(path: Path, content: bytes) -> None:
    """All of ``content`` under ``path`` or nothing: temporary name, flush, rename, flush of the folder."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with _environment_faults(path):
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)


def _flush_folder(path: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there, and the rename is journalled
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _environment_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be written: {error.strerror or error}."
            " What was committed is safe; the same command goes on when this is mended."
        ) from error
