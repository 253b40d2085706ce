"""The ablation's parquet contract: schemas, what is committed, what is done. Imports no torch.

A group of networks commits its rows of the tables under one condition, and is done when they stand in all of them.
A part is named by the sha256 of its bytes, so one that is damaged is seen, left aside, and made again.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from study.errors import UsageError
from study.spec.design import Design
from study.store import untrusted_parquet as parquet
from study.store.schemas import KEYS, SCHEMA_VERSION, STUDY_ID, in_order
from study.store.study_folder import Folder, encode, inside, remove_left_behind, write_atomically

Row = Mapping[str, Any]

SCHEMAS = {
    "statistics": pa.schema(
        [
            *KEYS,
            ("inference", pa.string()),
            ("layer", pa.int8()),
            ("rms_mean_error", pa.float64()),
            ("rms_log_var_error", pa.float64()),
        ]
    ),
    "swaps": pa.schema(
        [
            *KEYS,
            ("eval_batch_size", pa.int32()),
            ("n_swapped", pa.int32()),
            ("mean_change", pa.float64()),
            ("value_change", pa.float64()),
            ("logit_change", pa.float64()),
            ("flip_rate", pa.float64()),
        ]
    ),
    "compositions": pa.schema(
        [
            *KEYS,
            ("eval_batch_size", pa.int32()),
            ("any_flip", pa.float64()),
            ("mates_share", pa.float64()),
        ]
    ),
    "ablation": pa.schema(
        [
            *KEYS,
            ("epoch", pa.int16()),
            ("inference", pa.string()),
            ("eval_batch_size", pa.int32()),
            ("order", pa.string()),
            ("shift", pa.string()),
            ("severity", pa.int8()),
            ("loss", pa.float64()),
            ("accuracy", pa.float64()),
            ("n_correct", pa.int32()),
            ("n_examples", pa.int32()),
            ("ece", pa.float64()),
            ("n_flips", pa.int32()),
            ("degenerate", pa.bool_()),
            ("last_batch", pa.int32()),
        ]
    ),
}
"""By table, in the order in which a group commits."""

ORDER = ("batch_size", "lr", "seed", "arm")


class Store:
    """``ablation/`` in a study's folder, and the tables that are its parts' union."""

    def __init__(self, study: Path):
        self.study, self.parts = study, study / "ablation"

    def clear(self) -> None:
        """Remove what killed commands left behind; for a command that is alone with the ablation."""
        remove_left_behind(self.parts, "*")

    def commit(self, rows: Mapping[str, Iterable[Row]]) -> None:
        """The rows of one group under one condition, by table; a table may have none."""
        inside(self.study, "ablation")
        for name, schema in SCHEMAS.items():
            table = pa.Table.from_pylist([dict(row) for row in rows.get(name, ())], schema=schema)
            if len(table):
                content = encode(table)
                digest = hashlib.sha256(content).hexdigest()[:32]
                write_atomically(self.parts / f"{name}-{digest}.parquet", content)

    def read(self, name: str) -> pa.Table:
        """The rows of a table's sound parts, each once."""
        parts = [
            part for path in sorted(self.parts.glob(f"{name}-*.parquet")) if (part := _read_part(path)) is not None
        ]
        return pa.concat_tables([SCHEMAS[name].empty_table(), *parts])

    def done(self) -> set[tuple[str, str, int]]:
        """(run_id, shift, severity) of what is committed, with batch norm's clean rows in all tables."""
        table = self.read("ablation")
        columns = (table[name].to_pylist() for name in ("run_id", "shift", "severity", "arm"))
        whole = set.intersection(*(set(self.read(name)["run_id"].to_pylist()) for name in SCHEMAS))
        return {
            (run_id, *condition)
            for run_id, *condition, arm in zip(*columns, strict=True)
            if arm != "bn" or condition[0] != "clean" or run_id in whole
        }

    def compact(self, study_id: str, design: Design) -> None:
        """Write the tables: the rows of the design's runs, sorted by key and then by what was evaluated.

        Tables that say it already are left alone.
        """
        planned = {design.run_id(run) for run in design.runs}
        contents = {}
        for name, schema in SCHEMAS.items():
            table = _distinct(self.read(name), planned)
            columns = [(column, "ascending") for column in (*ORDER, *_further_keys(schema))]
            named = in_order(table, columns).add_column(0, "study_id", pa.repeat(study_id, len(table)))
            metadata = {"study.schema_version": str(SCHEMA_VERSION), "study.study_id": study_id}
            contents[name] = encode(named.replace_schema_metadata(metadata))
        folder = Folder(self.study)
        with folder.exclusively():
            folder.write_tables(contents)


def read_table(study: Path, name: str) -> pa.Table | None:
    """A table of a study as ``compact`` wrote it, None where there is none; a UsageError where it cannot be read."""
    path, schema = study / f"{name}.parquet", pa.schema([*STUDY_ID, *SCHEMAS[name]])
    try:
        return Folder(study).read_table(name, schema)
    except FileNotFoundError:
        return None
    except parquet.Refused as refused:
        raise UsageError(f"{path} cannot be read: {refused}. Remove it and run study.ablate.") from None


def _further_keys(schema: pa.Schema) -> list[str]:
    known = ("shift", "severity", "inference", "order", "eval_batch_size", "n_swapped", "layer")
    return [name for name in known if name in schema.names]


def _distinct(table: pa.Table, planned: set[str]) -> pa.Table:
    """The rows of planned runs, each (run, trial) once: a group that was stopped after a part commits it again."""
    keys = ["run_id", *_further_keys(table.schema)]
    seen: dict[tuple[Any, ...], int] = {}
    for row, key in enumerate(zip(*(table[name].to_pylist() for name in keys), strict=True)):
        if key[0] in planned:
            seen.setdefault(key, row)
    return table.take(pa.array(seen.values(), pa.int64()))


def _read_part(path: Path) -> pa.Table | None:
    name, _, promised = path.stem.partition("-")
    try:
        content = parquet.file_bytes(path)
        if hashlib.sha256(content).hexdigest()[:32] != promised:
            return None
        return parquet.read_bytes(content, SCHEMAS[name]).replace_schema_metadata()
    except (parquet.Refused, FileNotFoundError):
        return None
