"""A study's folder: what is committed in it, what is done, and the tables made of that. Imports no torch.

How it is written, and what may be relied on after a crash, is the commit protocol in ``study.store.schemas``.
"""

import hashlib
import io
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from study.errors import EnvironmentFault, UsageError
from study.spec.cohorts import Cohort
from study.spec.design import Design, Run, digest
from study.store import manifest as manifest_module
from study.store import untrusted_parquet as parquet
from study.store.manifest import Manifest
from study.store.schemas import (
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

    def clear(self) -> None:
        """Remove what killed commands left behind in training; for a command that is alone with the study."""
        for folder in (self.parts, self.path / "weights"):
            remove_left_behind(folder, "*")
        for shared in self.path.glob(".data-*-of-*"):
            shutil.rmtree(shared)

    # --- manifest

    def read_manifest(self) -> Manifest | None:
        """The manifest, None where there is none yet; a UsageError where it is not ours to read."""
        return manifest_module.read(self.manifest)

    def own_manifest(self) -> Manifest:
        """The manifest of a study at work, which wrote one: an EnvironmentFault where somebody has removed it."""
        manifest = self.read_manifest()
        if manifest is None:
            raise EnvironmentFault(f"{self.manifest} has vanished while this command was at work; restore it.")
        return manifest

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
            manifest = self.own_manifest()
            study_id, design = manifest["study_id"], Design.from_dict(manifest["design"])
            table = unite([*self.read_parts(), not_applicable_table(design)])
            planned = pa.array([design.run_id(run) for run in design.runs])
            table = table.filter(pc.is_in(table["run_id"], planned))
            contents = {
                "runs": _encode_table(table.drop_columns("history"), study_id, design),
                "records": _encode_table(records_of(table), study_id, design),
            }
            self.write_tables(contents)

    def write_tables(self, contents: Mapping[str, bytes]) -> None:
        """Write the tables that do not say it already, then their digests into the manifest; to be called exclusively.

        A process killed in between leaves a table that no reader takes, until the same command makes them agree.
        """
        remove_left_behind(self.path, "manifest.json", *(f"{name}.parquet" for name in contents))
        for name, content in contents.items():
            path = self.path / f"{name}.parquet"
            if not path.exists() or path.read_bytes() != content:
                write_atomically(path, content)
        manifest = self.own_manifest()
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        tables = manifest.get("tables", {}) | digests
        if tables != manifest.get("tables"):
            self.write_manifest({**manifest, "tables": tables})

    def read_table(self, name: str, schema: pa.Schema) -> pa.Table:
        """The table as it was written; a Refused where it is another, a FileNotFoundError where there is none."""
        content = parquet.file_bytes(self.path / f"{name}.parquet")
        manifest = self.read_manifest()
        promised = None if manifest is None else manifest.get("tables", {}).get(name)
        if promised not in (None, hashlib.sha256(content).hexdigest()):
            raise parquet.Refused("its sha256 is not the one in manifest.json: it was changed, or a command was killed")
        return parquet.read_bytes(content, schema)

    def read(self, name: str) -> pa.Table:
        """The table ``name`` (records or runs); a UsageError where it is absent or not what was written."""
        path = self.path / f"{name}.parquet"
        try:
            return self.read_table(name, {"records": RECORDS_SCHEMA, "runs": RUNS_SCHEMA}[name])
        except FileNotFoundError:
            raise UsageError(f"{path} does not exist; run python -m study.run first") from None
        except parquet.Refused as refused:
            raise UsageError(
                f"{path} cannot be read: {refused}. Where parts/ is there, the study's own command makes it again."
            ) from None


def _encode_table(table: pa.Table, study_id: str, design: Design) -> bytes:
    named = table.add_column(0, "study_id", pa.repeat(study_id, len(table)))
    metadata = {
        "study.schema_version": str(SCHEMA_VERSION),
        "study.study_id": study_id,
        "study.digest": design.digest,
        "study.design": json.dumps(design.to_dict(), sort_keys=True),
    }
    return encode(named.replace_schema_metadata(metadata))


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
    if not path.is_dir():
        path.mkdir(exist_ok=True)
        _flush_folder(study)
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


TOKEN = "[0-9a-f]" * 16
"""At the end of a temporary name."""


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


def remove_left_behind(folder: Path, *names: str) -> None:
    """The temporary files of processes that were killed while they wrote ``names``, which nobody else may write now."""
    for name in names if not folder.is_symlink() else ():
        for temporary in folder.glob(f".{name}.{TOKEN}"):
            temporary.unlink()


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
