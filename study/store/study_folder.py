"""A study's folder: what is committed in it, what is done, and the tables made of that. Imports no torch.

How it is written, and what may be relied on after a crash, is the commit protocol in ``study.store.schemas``.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock

from study.errors import UsageError
from study.spec import commands
from study.spec.cohorts import Cohort
from study.spec.design import Design, digest
from study.spec.runs import Run
from study.store import parts
from study.store.manifest import Manifest, read_manifest
from study.store.parts_folder import PartsFolder
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


class Folder(PartsFolder[Manifest, pa.Table]):
    """The folder of one study, whose parts are the rows of cohorts."""

    version, shared_images = SCHEMA_VERSION, ".data-*-of-*"

    def lock(self) -> FileLock:
        """Return the lock of what all shards share; held while the manifest and the tables are read and written."""
        return FileLock(self.path / ".writing")

    # --- manifest

    def read_manifest(self) -> Manifest | None:
        return read_manifest(self.manifest)

    def design(self) -> Design | None:
        """Return the study's design so far, None for a new study."""
        manifest = self.read_manifest()
        return None if manifest is None else Design.from_dict(manifest["design"])

    # --- parts

    def commit(self, unit: str, table: pa.Table) -> Path:
        """Make the rows of a cohort part of the study, durably; doing it twice is doing it once."""
        metadata = {"study.unit_id": unit, "study.n_runs": str(len(table))}
        return parts.write(self.parts, unit, table.replace_schema_metadata(metadata))

    def read_part(self, path: Path) -> pa.Table | None:
        """Return the rows of a part with all columns, None where it is damaged."""
        table = parts.read(path, part_schema)
        if table is None:
            return None
        metadata, n_runs = table.schema.metadata or {}, str(len(table)).encode()
        unit = path.stem.partition("-")[0].encode()
        sound = metadata.get(b"study.unit_id") == unit and metadata.get(b"study.n_runs", n_runs) == n_runs
        return with_nulls(table, whole_part_schema(table.column_names)) if sound else None

    def read_parts(self) -> list[pa.Table]:
        """Return every sound part."""
        return [part for _, part in self.sound_parts()]

    def done(self, design: Design) -> set[Run]:
        """Return the runs of ``design`` that stand in sound parts; a StudyError where two parts disagree."""
        ids = {design.run_id(run): run for run in design.runs}
        runs = merge_parts(self.read_parts(), design).column("run_id").to_pylist()
        return {ids[run_id] for run_id in runs if run_id in ids}

    # --- tables

    def check_not_archived(self) -> None:
        """Refuse a folder whose tables hold trained runs and which has no parts: nobody could restore them."""
        tables = self.table("runs")
        if not self.has_parts() and tables.exists() and pc.any(pc.greater(self.read("runs")["n_steps"], 0)).as_py():
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

    @property
    def lacks_labels(self) -> bool:
        """Whether ``labels.parquet`` is absent or damaged."""
        try:
            self.read("labels")
        except UsageError:
            return True
        return False

    def write_labels(self, labels: Iterable[int]) -> None:
        """Write ``labels.parquet``, the classes of the test images."""
        with self.lock():
            table = labels_table(labels, self.own_manifest()["study_id"])
            self.write_tables({"labels": parts.encode(table)})

    def read(self, name: str) -> pa.Table:
        """Return the table records, runs or labels; a UsageError where it is absent or not what was written."""
        return self.read_or_refuse(name, SCHEMAS[name])

    def how_to_make(self) -> str:
        if self.manifest.exists():
            return "Repeat the study's own command to make it; manifest.json names it."
        return f"Train a study first: {commands.train_into(self.path)}"

    def how_to_repeat(self) -> str:
        return "repeat the study's own command to make it again"


SCHEMAS: dict[str, Callable[[Iterable[str]], pa.Schema]] = {
    "records": records_schema,
    "runs": runs_schema,
    "labels": labels_schema,
}
