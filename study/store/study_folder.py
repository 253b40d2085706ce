"""A study's folder: what is committed in it, what is done, and the tables made of that. Imports no torch.

How it is written, and what may be relied on after a crash, is the commit protocol in ``study.store.schemas``.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock

from study.errors import EnvironmentFault, UsageError
from study.spec import commands
from study.spec.cohorts import Cohort
from study.spec.design import Design, digest
from study.spec.runs import Run
from study.store import parts
from study.store.atomic import make_subfolder, remove_stale_files, write_atomically
from study.store.manifest import Manifest, read_manifest
from study.store.schemas import (
    HISTORY,
    MADE_BY,
    SCHEMA_VERSION,
    explode_epochs,
    for_reading,
    labels_schema,
    labels_table,
    merge_parts,
    names_of,
    not_applicable_table,
    part_schema,
    records_schema,
    runs_schema,
    whole_part_schema,
    with_nulls,
)
from study.store.untrusted_parquet import Expected, InvalidFile

JOURNAL = "tuning.journal"
"""File of the trials of a tuning, where no database has them."""


def unit_id(design: Design, cohort: Cohort, data_sha256: str, engine: str) -> str:
    """Return the sha256 of what a cohort's numbers follow from: equal ids are the same work.

    Of an arm that is not one of the program's the id has the values, since its key is the user's.
    """
    inputs = {
        "schema_version": SCHEMA_VERSION,
        "engine": engine,
        "training": design.training,
        "data": data_sha256,
        "runs": [design.run_id(run) for run in cohort.runs],
    }
    own = [arm.to_dict() for arm in design.own_arms if arm.key in cohort.arms]
    return digest(inputs | ({"own_arms": own} if own else {}))


def newest_first(studies: Path, holding: str = ".") -> list[Path]:
    """Return the manifests of the studies under ``studies`` that have a folder ``holding``, the newest first."""
    manifests = [path for path in studies.glob("*/manifest.json") if (path.parent / holding).is_dir()]
    return sorted(manifests, key=lambda path: path.stat().st_mtime, reverse=True)


class Folder:
    """The folder of one study, ``<out>/<study id>/``."""

    def __init__(self, path: Path):
        self.path = path
        self.parts = path / "parts"
        self.manifest = path / "manifest.json"

    def prepare(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        make_subfolder(self.path, "parts")

    def lock(self) -> FileLock:
        """Return the lock of what all shards share; held while the manifest and the tables are read and written."""
        return FileLock(self.path / ".writing")

    def clear(self) -> None:
        """Remove temporary files and shared images of killed commands; for a command that is alone with the study."""
        for folder in (self.parts, self.path / "weights"):
            remove_stale_files(folder, "*")
        for shared in self.path.glob(".data-*-of-*"):
            shutil.rmtree(shared)

    # --- manifest

    def read_manifest(self) -> Manifest | None:
        """Return the manifest, None where there is none yet; a UsageError where it is not ours to read."""
        return read_manifest(self.manifest)

    def own_manifest(self) -> Manifest:
        """Return the manifest that this command has written; an EnvironmentFault where somebody has removed it."""
        manifest = self.read_manifest()
        if manifest is None:
            raise EnvironmentFault(f"{self.manifest} has vanished while this command was at work; restore it.")
        return manifest

    def write_manifest(self, manifest: Manifest) -> None:
        text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(self.manifest, text.encode() + b"\n")

    def design(self) -> Design | None:
        """Return the study's design so far, None for a new study."""
        manifest = self.read_manifest()
        return None if manifest is None else Design.from_dict(manifest["design"])

    def touch(self) -> None:
        """Make this the study that was asked for last: the one that ``analysis.report`` takes."""
        os.utime(self.manifest)

    # --- parts

    def commit(self, unit: str, table: pa.Table) -> Path:
        """Make the rows of a cohort part of the study, durably; doing it twice is doing it once."""
        metadata = {"study.unit_id": unit, "study.n_runs": str(len(table))}
        return parts.write(self.parts, unit, table.replace_schema_metadata(metadata))

    def has_runs(self) -> bool:
        """Whether runs were ever committed, sound or not."""
        return bool(self._part_files()) or (self.path / "quarantine").exists()

    def read_parts(self) -> list[pa.Table]:
        """Return every sound part; the others are left alone."""
        return [*parts.read_all(self.parts, "*.parquet", _read_part)]

    def quarantine(self) -> list[Path]:
        """Move the parts whose bytes do not match their names to ``quarantine/``; returns where they are now."""
        damaged = [path for path in self._part_files() if _read_part(path) is None]
        for path in damaged:
            path.rename(make_subfolder(self.path, "quarantine") / path.name)
        return [self.path / "quarantine" / path.name for path in damaged]

    def _part_files(self) -> list[Path]:
        return sorted(self.parts.glob("*.parquet"))

    def done(self, design: Design) -> set[Run]:
        """Return the runs of ``design`` that stand in sound parts; a StudyError where two parts disagree."""
        ids = {design.run_id(run): run for run in design.runs}
        runs = merge_parts(self.read_parts(), design).column("run_id").to_pylist()
        return {ids[run_id] for run_id in runs if run_id in ids}

    # --- tables

    def check_not_archived(self) -> None:
        """Refuse a folder whose tables hold trained runs and which has no parts: nobody could restore them."""
        tables = self.path / "runs.parquet"
        if not self.has_runs() and tables.exists() and pc.any(pc.greater(self.read("runs")["n_steps"], 0)).as_py():
            raise UsageError(
                f"{commands.shown_path(self.path)} holds the tables of a finished study without its parts, as studies"
                " are shipped. Nothing is written there; choose another --study-id."
            )

    def compact(self) -> None:
        """Write ``records.parquet`` and ``runs.parquet``: a pure function of the study's design and its parts.

        Tables that hold these bytes already are left alone. The last of several shards to get here reads the
        parts of all.
        """
        with self.lock():
            manifest = self.own_manifest()
            study_id, design = manifest["study_id"], Design.from_dict(manifest["design"])
            table = merge_parts([*self.read_parts(), not_applicable_table(design)], design)
            planned = pa.array([design.run_id(run) for run in design.runs])
            table = table.filter(pc.is_in(table["run_id"], planned))
            metadata = {
                "study.digest": design.digest,
                "study.design": json.dumps(design.to_dict(), sort_keys=True),
            }
            runs = table.drop_columns(names_of([*MADE_BY, *HISTORY]))
            tables = {"runs": runs, "records": explode_epochs(table, design)}
            self.write_tables(
                {name: parts.encode(for_reading(rows, study_id, metadata)) for name, rows in tables.items()}
            )

    def write_tables(self, contents: Mapping[str, bytes]) -> None:
        """Write the tables whose bytes differ, then their digests into the manifest; the caller holds ``lock``.

        A process killed in between leaves a table that no reader takes, until the same command makes them agree.
        """
        remove_stale_files(self.path, "manifest.json")
        digests = parts.write_tables(self.path, contents)
        manifest = self.own_manifest()
        tables = manifest.get("tables", {}) | digests
        current: Manifest = {**manifest, "schema_version": SCHEMA_VERSION, "tables": tables}
        if current != manifest:
            self.write_manifest(current)

    @property
    def lacks_labels(self) -> bool:
        return not (self.path / "labels.parquet").exists()

    def write_labels(self, labels: Iterable[int]) -> None:
        """Write ``labels.parquet``, the classes of the test images."""
        with self.lock():
            table = labels_table(labels, self.own_manifest()["study_id"])
            self.write_tables({"labels": parts.encode(table)})

    def read_table(self, name: str, schema: Expected) -> pa.Table:
        """Return a table as it was written; an InvalidFile where it is another, a FileNotFoundError where absent."""
        manifest = self.read_manifest()
        promised = None if manifest is None else manifest.get("tables", {}).get(name)
        return parts.read_table(self.path / f"{name}.parquet", promised, schema)

    def read(self, name: str) -> pa.Table:
        """Return the table records, runs or labels; a UsageError where it is absent or not what was written."""
        path = self.path / f"{name}.parquet"
        try:
            return self.read_table(name, SCHEMAS[name])
        except FileNotFoundError:
            raise UsageError(f"{path} does not exist. {self._maker()}") from None
        except InvalidFile as error:
            raise UsageError(
                f"{path} cannot be read: {error}. If parts/ is there, repeat the study's own command to make it again."
            ) from None

    def _maker(self) -> str:
        """Return a sentence on what makes a table that is absent."""
        if self.manifest.exists():
            return "Repeat the study's own command to make it; manifest.json names it."
        return f"Train a study first: {commands.train_into(self.path)}"


SCHEMAS: dict[str, Callable[[Iterable[str]], pa.Schema]] = {
    "records": records_schema,
    "runs": runs_schema,
    "labels": labels_schema,
}


def _read_part(path: Path) -> pa.Table | None:
    """Return the rows of a part with all columns, None where its bytes or its footer are not those that its name
    promises."""
    table = parts.read(path, part_schema)
    if table is None:
        return None
    metadata, n_runs = table.schema.metadata or {}, str(len(table)).encode()
    unit = path.stem.partition("-")[0].encode()
    sound = metadata.get(b"study.unit_id") == unit and metadata.get(b"study.n_runs", n_runs) == n_runs
    return with_nulls(table, whole_part_schema(table.column_names)) if sound else None
