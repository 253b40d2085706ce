"""The parquet contract: what a study's folder holds, what is committed, what is done. Imports no torch.

**Commit protocol.** The unit of work is a cohort. It commits one immutable file,

    parts/<unit id>-<first 32 hex of the sha256 of its bytes>.parquet

with a row per run and the run's epochs nested inside, so that the runs and their records cannot come
apart. The unit id is the sha256 of everything that the numbers follow from. A part is written under a
temporary name, flushed to disk, then renamed: the rename is the commit. The same work writes the same
name, so committing twice is committing once. No times, hosts or process ids stand in it.

**Done** is a run that stands in a part whose bytes match its name. Any other part is set aside in
``quarantine/`` and its runs are trained again. The tables are the sorted union of the parts and can be
made again from them at any time; the parts are never deleted.
"""

import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from study import SPLITS
from study.design import Design, Run, digest
from study.errors import EnvironmentFault, StudyError, UsageError
from study.history import DIVERGED, NOT_APPLICABLE, OK, History
from study.plan import Cohort

SCHEMA_VERSION = 1

KEYS = [
    ("run_id", pa.string()),
    ("pair_id", pa.string()),
    ("arm", pa.string()),
    ("seed", pa.int32()),
    ("batch_size", pa.int32()),
    ("lr", pa.float64()),
]
EPOCH = [
    ("epoch", pa.int16()),
    ("split", pa.string()),
    ("loss", pa.float64()),
    ("accuracy", pa.float64()),
    ("n_correct", pa.int32()),
    ("n_examples", pa.int32()),
    ("status", pa.string()),
]
OUTCOME = [
    ("status", pa.string()),
    ("first_bad_epoch", pa.int16()),
    ("n_steps", pa.int32()),
    ("n_parameters", pa.int32()),
    ("test_correct", pa.binary()),
]
STUDY_ID = [("study_id", pa.string())]
RECORDS_SCHEMA = pa.schema(STUDY_ID + KEYS + EPOCH)
RUNS_SCHEMA = pa.schema(STUDY_ID + KEYS + OUTCOME)
PART_SCHEMA = pa.schema([*KEYS, *OUTCOME, ("history", pa.list_(pa.struct(EPOCH)))])

SORT = [(name, "ascending") for name in ("batch_size", "lr", "seed", "arm")]


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


def part_table(design: Design, runs: Sequence[Run], history: History) -> pa.Table:
    """A row per run, its epochs nested: what a cohort commits."""
    bad = history.first_bad_epoch
    rows = [
        _keys(design, run)
        | {
            "status": OK if bad[i] is None else DIVERGED,
            "first_bad_epoch": bad[i],
            "n_steps": history.n_steps,
            "n_parameters": design.n_parameters(run.arm),
            "test_correct": np.packbits(history.test_correct[i]).tobytes(),
            "history": list(_epochs(design, history.loss[i], history.n_correct[i], bad[i])),
        }
        for i, run in enumerate(runs)
    ]
    return pa.Table.from_pylist(rows, schema=PART_SCHEMA)


def _keys(design: Design, run: Run) -> dict[str, Any]:
    return {
        "run_id": design.run_id(run),
        "pair_id": design.pair_id(run),
        "arm": run.arm,
        "seed": run.seed,
        "batch_size": run.batch_size,
        "lr": run.lr,
    }


def _epochs(design: Design, loss: np.ndarray, n_correct: np.ndarray, first_bad: int | None) -> Iterator[dict[str, Any]]:
    """Rows of one run from arrays (epochs + 1, splits); null metrics from the first bad epoch on."""
    for epoch in range(len(loss)):
        diverged = first_bad is not None and epoch >= first_bad
        for i, (split, n_examples) in enumerate(zip(SPLITS, _n_examples(design), strict=True)):
            correct = int(n_correct[epoch, i])
            metrics = (None, None, None) if diverged else (float(loss[epoch, i]), correct / n_examples, correct)
            status = DIVERGED if diverged else OK
            yield dict(zip(_EPOCH_NAMES, (epoch, split, *metrics, n_examples, status), strict=True))


_EPOCH_NAMES = [name for name, _ in EPOCH]


def _n_examples(design: Design) -> tuple[int, int]:
    return design.facts.n_train, design.facts.n_test


def not_applicable_table(design: Design) -> pa.Table:
    """Rows, with null metrics, for the runs of the grid that cannot be trained."""
    rows = []
    for run in design.runs:
        if run.applicable:
            continue
        null = {"loss": None, "accuracy": None, "n_correct": None, "status": NOT_APPLICABLE}
        epochs = [
            {"epoch": epoch, "split": split, "n_examples": n_examples} | null
            for epoch in range(design.epochs + 1)
            for split, n_examples in zip(SPLITS, _n_examples(design), strict=True)
        ]
        rows.append(
            _keys(design, run)
            | {
                "status": NOT_APPLICABLE,
                "first_bad_epoch": None,
                "n_steps": 0,
                "n_parameters": design.n_parameters(run.arm),
                "test_correct": None,
                "history": epochs,
            }
        )
    return pa.Table.from_pylist(rows, schema=PART_SCHEMA)


class Folder:
    """The folder of one study, ``<out>/<study id>/``."""

    def __init__(self, path: Path):
        self.path = path
        self.parts = path / "parts"
        self.manifest = path / "manifest.json"

    @property
    def study_id(self) -> str:
        return self.path.name

    @property
    def has_tables(self) -> bool:
        return all((self.path / f"{name}.parquet").exists() for name in ("records", "runs"))

    def prepare(self) -> None:
        self.parts.mkdir(parents=True, exist_ok=True)

    # --- manifest

    def read_manifest(self) -> dict[str, Any] | None:
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
        return manifest

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(self.manifest, text.encode() + b"\n")

    # --- parts

    def commit(self, unit: str, table: pa.Table) -> Path:
        """Make the rows of a cohort part of the study, durably; doing it twice is doing it once."""
        content = _encode(table.replace_schema_metadata({"study.unit_id": unit}))
        path = self.parts / f"{unit}-{hashlib.sha256(content).hexdigest()[:32]}.parquet"
        if not path.exists():
            write_atomically(path, content)
        return path

    def read_parts(self) -> list[pa.Table]:
        """Every sound part; one whose bytes do not match its name is moved to ``quarantine/``."""
        sound = []
        for path in sorted(self.parts.glob("*.parquet")):
            table = _read_part(path)
            if table is None:
                self._set_aside(path)
            else:
                sound.append(table)
        return sound

    def _set_aside(self, path: Path) -> None:
        quarantine = self.path / "quarantine"
        quarantine.mkdir(exist_ok=True)
        path.rename(quarantine / path.name)

    @property
    def quarantined(self) -> list[str]:
        return sorted(path.name for path in (self.path / "quarantine").glob("*"))

    def done(self, design: Design) -> set[Run]:
        """The runs of ``design`` that stand in sound parts, and a check that no two parts disagree."""
        ids = {design.run_id(run): run for run in design.runs}
        runs = unite(self.read_parts()).column("run_id").to_pylist()
        return {ids[run_id] for run_id in runs if run_id in ids}

    # --- tables

    def check_own_tables(self) -> None:
        """Refuse to write over tables whose parts are not here: a study that was shipped or pruned."""
        if self.has_tables and not any(self.parts.glob("*.parquet")):
            raise UsageError(
                f"{self.path} holds the tables of a finished study without its parts (a shipped one?)."
                " Nothing is written there; choose another --study-id."
            )

    def compact(self, design: Design) -> None:
        """Write ``records.parquet`` and ``runs.parquet``: a pure function of the design and the parts.

        One process at a time: the last of several shards to get here has seen the parts of all.
        """
        with FileLock(self.path / ".compacting"):
            table = unite([*self.read_parts(), not_applicable_table(design)])
            planned = pa.array([design.run_id(run) for run in design.runs])
            table = table.filter(pc.is_in(table["run_id"], planned))
            self._write_table("runs", table.drop_columns("history"), design)
            self._write_table("records", _records(table), design)

    def _write_table(self, name: str, table: pa.Table, design: Design) -> None:
        named = table.add_column(0, "study_id", pa.repeat(self.study_id, len(table)))
        metadata = {
            "study.schema_version": str(SCHEMA_VERSION),
            "study.study_id": self.study_id,
            "study.digest": design.digest,
            "study.design": json.dumps(design.to_dict(), sort_keys=True),
        }
        write_atomically(self.path / f"{name}.parquet", _encode(named.replace_schema_metadata(metadata)))

    def read(self, name: str) -> pa.Table:
        """The table ``name`` (records or runs); a UsageError where it is absent or of another schema."""
        path = self.path / f"{name}.parquet"
        schema = {"records": RECORDS_SCHEMA, "runs": RUNS_SCHEMA}[name]
        try:
            table = pq.read_table(path, memory_map=False)
        except FileNotFoundError:
            raise UsageError(f"{path} does not exist; run python -m study.run first") from None
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"{path} is not a parquet file that can be read: {error}") from None
        if not table.schema.equals(schema):
            raise UsageError(f"{path} has the columns {table.schema.names}; expected {schema.names} in their types")
        return table


def unite(parts: Iterable[pa.Table]) -> pa.Table:
    """The parts' rows, each run once, sorted by key; the same run with other numbers is a StudyError."""
    table = pa.concat_tables([PART_SCHEMA.empty_table(), *(part.replace_schema_metadata() for part in parts)])
    rows: dict[str, int] = {}
    for row, run_id in enumerate(table.column("run_id").to_pylist()):
        first = rows.setdefault(run_id, row)
        if first != row and not table.slice(first, 1).equals(table.slice(row, 1)):
            raise StudyError(
                f"two parts hold different numbers for {run_id}: trained on different machines or versions?"
                " Move one of them out of parts/ and run again."
            )
    return table.take(pa.array(rows.values(), pa.int64())).sort_by(SORT)


def _records(table: pa.Table) -> pa.Table:
    """One row per run, epoch and split, from the nested epochs."""
    history = table["history"].combine_chunks()
    epochs = pa.Table.from_struct_array(pc.list_flatten(history))
    keys = table.select([name for name, _ in KEYS]).take(pc.list_parent_indices(history))
    for field in epochs.schema:
        keys = keys.append_column(field, epochs[field.name])
    return keys


def _read_part(path: Path) -> pa.Table | None:
    """The rows of a part, None where its bytes are not those that its name promises."""
    unit, _, promised = path.stem.partition("-")
    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    if hashlib.sha256(content).hexdigest()[:32] != promised:
        return None
    table = pq.read_table(io.BytesIO(content))
    own_unit = (table.schema.metadata or {}).get(b"study.unit_id", b"").decode()
    return table if own_unit == unit and table.schema.equals(PART_SCHEMA) else None


def _encode(table: pa.Table) -> bytes:
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
