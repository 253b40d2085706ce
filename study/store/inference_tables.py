"""The parquet contract of the inference modes: schemas, what is committed, what is done. Imports no torch.

A group of networks commits evaluation by evaluation (``study.spec.inference.modes``), the rows of one table each. A
part is named by the sha256 of its bytes, so one that is damaged is noticed, left aside, and made again; and so is a
part without ``draw_seed``, whose batches were one draw for all networks.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from study.errors import UsageError
from study.spec import commands
from study.spec.design import Design
from study.spec.inference.modes import Evaluation, is_main
from study.store import parts
from study.store.atomic import make_subfolder, remove_stale_files
from study.store.schemas import (
    Column,
    ascending,
    concat_rows,
    factor_keys,
    for_reading,
    keyed,
    names_of,
    order_of_runs,
    sort_rows,
    with_nulls,
)
from study.store.study_folder import Folder
from study.store.untrusted_parquet import InvalidFile

Row = Mapping[str, Any]

COLUMNS: dict[str, list[Column]] = {
    "statistics": [
        ("inference", pa.string()),
        ("layer", pa.int32()),
        ("rms_mean_error", pa.float64()),
        ("rms_log_var_error", pa.float64()),
    ],
    "swaps": [
        ("eval_batch_size", pa.int32()),
        ("n_swapped", pa.int32()),
        ("draw_seed", pa.int32()),
        ("mean_change", pa.float64()),
        ("value_change", pa.float64()),
        ("logit_change", pa.float64()),
        ("flip_rate", pa.float64()),
        ("n_images", pa.int32()),
        ("running_flips", pa.int32()),
    ],
    "compositions": [
        ("eval_batch_size", pa.int32()),
        ("draw_seed", pa.int32()),
        ("any_flip", pa.float64()),
        ("mates_share", pa.float64()),
    ],
    "ablation": [
        ("epoch", pa.int32()),
        ("inference", pa.string()),
        ("eval_batch_size", pa.int32()),
        ("order", pa.string()),
        ("shift", pa.string()),
        ("severity", pa.int32()),
        ("loss", pa.float64()),
        ("accuracy", pa.float64()),
        ("n_correct", pa.int32()),
        ("n_examples", pa.int32()),
        ("ece", pa.float64()),
        ("n_flips", pa.int32()),
        ("degenerate", pa.bool_()),
        ("last_batch", pa.int32()),
    ],
}
"""Columns beside the key of a run, by table."""
LATER: dict[str, int | None] = {"draw_seed": 0, "n_images": None, "running_flips": None}
"""Columns that the tables of an earlier program lack, and what they would hold there: its batches were one draw, of
seed 0, for all networks."""
MADE_BY: list[Column] = [("network_sha256", pa.string()), ("arithmetic", pa.string())]
"""How a row of a part came about: the sha256 of the file that its network was read from, and by which arithmetic
(``study.inference.modes.arithmetic``). No table shows these columns; null in parts of schema version 1."""
EVALUATED = ("shift", "severity", "inference", "order", "eval_batch_size", "n_swapped", "layer")
"""Columns that name what was evaluated of a run: with them, the key of a row is complete."""


class Store:
    """The folder ``ablation/`` of a study, and the tables that are the union of its parts."""

    def __init__(self, study: Path):
        self.study, self.parts = study, study / "ablation"

    def clear(self) -> None:
        """Remove the temporary files of killed commands; for a command that is alone with this folder."""
        remove_stale_files(self.parts, "*")

    def commit(
        self, rows: Mapping[str, Iterable[Row]], design: Design, made_by: Mapping[str, Row] | None = None
    ) -> None:
        """Commit the rows of one group, by table, a table may have none; ``made_by`` has MADE_BY by run_id."""
        make_subfolder(self.study, "ablation")
        for name in COLUMNS:
            whole = [dict(row) | dict((made_by or {}).get(row["run_id"], {})) for row in rows.get(name, ())]
            table = pa.Table.from_pylist(whole, schema=_part_schema(name)(_whole(design)))
            if len(table):
                parts.write(self.parts, name, table)

    def read(self, name: str, design: Design) -> pa.Table:
        """Return the rows of a table's sound parts, each once, with all columns of a part."""
        schema = _part_schema(name)

        def read(path: Path) -> pa.Table | None:
            table = parts.read(path, schema)
            return table and with_nulls(table, schema([*table.column_names, *names_of(MADE_BY)]))

        return concat_rows(parts.read_all(self.parts, f"{name}-*.parquet", read), schema(_whole(design)))

    def done(self, design: Design) -> set[tuple[str, Evaluation]]:
        """Return what is committed, by run_id."""
        asked = ("run_id", "shift", "severity", "inference", "eval_batch_size", "order", "n_examples")
        ways = self.read("ablation", design)
        rows = zip(*(ways[name].to_pylist() for name in asked), strict=True)
        done = {
            (run_id, Evaluation("ablation", shift, severity, further=not is_main(*way)))
            for run_id, shift, severity, *way in rows
        }
        for name in COLUMNS.keys() - {"ablation"}:
            done |= {(run_id, Evaluation(name)) for run_id in self.read(name, design)["run_id"].to_pylist()}
        return done

    def compact(self, study_id: str, design: Design) -> None:
        """Write the tables: the rows of the design's runs, sorted by key and then by what was evaluated.

        Tables that hold these bytes already are left alone.
        """
        planned = {design.run_id(run) for run in design.runs}
        contents = {}
        for name in COLUMNS:
            table = _distinct(self.read(name, design), planned).drop_columns(names_of(MADE_BY))
            order = [*order_of_runs(design), *ascending(*_evaluated(table.column_names))]
            contents[name] = parts.encode(for_reading(sort_rows(table, order), study_id))
        folder = Folder(self.study)
        with folder.lock():
            folder.write_tables(contents)


def _part_schema(name: str) -> Callable[[Iterable[str]], pa.Schema]:
    """Return the function from the columns of a part of this table to its schema; MADE_BY may be absent."""

    def schema(columns: Iterable[str]) -> pa.Schema:
        named = {*columns}
        made_by = [column for column in MADE_BY if column[0] in named]
        return keyed(COLUMNS[name], made_by, first=())(named)

    return schema


def _whole(design: Design) -> list[str]:
    """Return the columns of a part of the design that tables may lack."""
    return [*factor_keys(design), *names_of(MADE_BY)]


def read_table(study: Path, name: str) -> pa.Table | None:
    """Return a table as ``compact`` wrote it, None where there is none; a UsageError where it cannot be read."""

    def as_found(columns: Iterable[str]) -> pa.Schema:
        named = {*columns, *(column for column, _ in COLUMNS[name] if column not in LATER)}
        return keyed([column for column in COLUMNS[name] if column[0] in named])(columns)

    try:
        return _completed(Folder(study).read_table(name, as_found), name)
    except FileNotFoundError:
        return None
    except InvalidFile as error:
        path = study / f"{name}.parquet"
        raise UsageError(
            f"{path} cannot be read: {error}. Remove it, then evaluate again: {commands.evaluate(study)}"
        ) from None


def _completed(table: pa.Table, name: str) -> pa.Table:
    """Return a table with the columns that it lacks where an earlier program made it."""
    for column, kind in COLUMNS[name]:
        if column not in table.column_names:
            table = table.append_column(column, pa.repeat(pa.scalar(LATER[column], kind), len(table)))
    return table


def _evaluated(columns: Iterable[str]) -> list[str]:
    present = {*columns}
    return [name for name in EVALUATED if name in present]


def _distinct(table: pa.Table, planned: set[str]) -> pa.Table:
    """Return the rows of planned runs, each (run, evaluation) once: a group that was stopped after a part commits it
    again."""
    names = ["run_id", *_evaluated(table.column_names)]
    seen: dict[tuple[Any, ...], int] = {}
    for row, key in enumerate(zip(*(table[name].to_pylist() for name in names), strict=True)):
        if key[0] in planned:
            seen.setdefault(key, row)
    return table.take(pa.array(seen.values(), pa.int64()))
