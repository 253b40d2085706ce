"""The parquet contract: schemas, rows from what a training leaves behind, and what it takes to commit them. No torch.

**What a cohort commits.** A *part*: a row per run with its epochs nested inside, so that a run and its records cannot
come apart. One immutable file,

    parts/<unit id>-<first 32 hex of the sha256 of its bytes>.parquet

The unit id is the sha256 of everything that the numbers follow from; the footer repeats it and counts the runs. No
times, hosts or process ids stand in it: the same work has the same name, and a part written twice is one.

Beside the numbers each row says how it came about (``MADE_BY``): the engine; the environment, a digest that
``manifest.json`` spells out under ``environments``; the file of its network and that file's sha256. No table shows
these columns, and two parts that differ in them alone agree.

**In which order.** The networks (``weights/<unit id>.safetensors``, see ``weights.py``) first, then the part; each
written under a temporary name that nobody reads, flushed to the disk, renamed, and its folder flushed. The rename of
the part is the commit.

**What counts as done.** A run that stands in a part whose bytes match its name. Any other part is set aside in
``quarantine/``, never deleted, and its runs are trained again. Two parts that disagree on a run are an error.

**What a reader may see.** ``runs.parquet`` is the parts without their epochs, ``records.parquet`` the epochs unnested:
the sorted union of the parts, written in the same way, so a reader sees the old table or the new one. They can be made
again at any time; parts are never deleted, and the tables are never the only copy. (A program that merges parts may
delete only what a durable merged part holds.) ``labels.parquet`` has the labels of the test images, once a study.

**Versions.** This program writes schema version 2 and reads 1 too, whose tables and parts have ``epoch``,
``first_bad_epoch``, ``severity`` and ``layer`` in 8 or 16 bits, whose parts lack ``MADE_BY``, and which has a file a
network. A command that adds to a folder of version 1 writes its tables and its manifest as version 2; its parts and its
networks stay as they are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from study.errors import StudyError
from study.spec.design import Design
from study.spec.factors import FACTORS
from study.spec.history import DIVERGED, NOT_APPLICABLE, OK, SPLITS, History
from study.spec.runs import Run

SCHEMA_VERSION = 2
OLDEST_VERSION = 1
"""The oldest version that is read."""

Column = tuple[str, pa.DataType]
TYPES = {int: pa.int32(), float: pa.float64(), str: pa.string()}
"""Column types of the levels of a factor, by kind."""
STUDY_ID: list[Column] = [("study_id", pa.string())]
RUN: list[Column] = [
    ("run_id", pa.string()),
    ("pair_id", pa.string()),
    ("arm", pa.string()),
    ("seed", pa.int32()),
]
EPOCH: list[Column] = [
    ("epoch", pa.int32()),
    ("split", pa.string()),
    ("loss", pa.float64()),
    ("accuracy", pa.float64()),
    ("n_correct", pa.int32()),
    ("n_examples", pa.int32()),
    ("status", pa.string()),
]
OUTCOME: list[Column] = [
    ("status", pa.string()),
    ("first_bad_epoch", pa.int32()),
    ("n_steps", pa.int32()),
    ("n_parameters", pa.int32()),
    ("test_correct", pa.binary()),
]
MADE_BY: list[Column] = [
    ("engine", pa.string()),
    ("environment", pa.string()),
    ("network_file", pa.string()),
    ("network_sha256", pa.string()),
]
"""How a row of a part came about; null in parts of version 1. ``network_file`` is null where the run diverged or the
command kept no networks."""
HISTORY: list[Column] = [("history", pa.list_(pa.struct(EPOCH)))]
LABELS: list[Column] = [("index", pa.int32()), ("label", pa.int32())]
"""A test image by its place, which is that of its bit in ``test_correct``, and its class."""


def key_columns(columns: Iterable[str]) -> list[Column]:
    """Return the key of a run in tables with these ``columns``: its ids, the factors that every study has, and those
    that are among the columns."""
    named = {*columns}
    factors = [factor for factor in FACTORS.values() if factor.always or factor.key in named]
    return [*RUN, *((factor.key, TYPES[factor.kind]) for factor in factors)]


def keyed(*parts: Sequence[Column], first: Sequence[Column] = STUDY_ID) -> Callable[[Iterable[str]], pa.Schema]:
    """Return the function from the names of a table's columns to its schema: ``first``, the key, then ``parts``."""
    return lambda columns: pa.schema([*first, *key_columns(columns), *(column for part in parts for column in part)])


records_schema, runs_schema = keyed(EPOCH), keyed(OUTCOME)


def part_schema(columns: Iterable[str]) -> pa.Schema:
    """Return the schema of a part with these columns, of which ``MADE_BY`` may be absent."""
    named = {*columns}
    made_by = [column for column in MADE_BY if column[0] in named]
    return keyed(OUTCOME, made_by, HISTORY, first=())(named)


def whole_part_schema(factors: Iterable[str]) -> pa.Schema:
    """Return the schema of a part of these factors as this program writes it."""
    return part_schema([*factors, *names_of(MADE_BY)])


def labels_schema(columns: Iterable[str] = ()) -> pa.Schema:
    return pa.schema(LABELS)


def names_of(columns: Iterable[Column]) -> list[str]:
    return [name for name, _ in columns]


def with_nulls(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with all columns of ``schema``, in its order: those that it lacks are null."""
    for field in schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table.select(schema.names)


def factor_keys(design: Design) -> list[str]:
    """Return the columns of a cell, in order."""
    return [factor.key for factor in design.factors]


def ascending(*columns: str) -> list[tuple[str, str]]:
    """Return the keys that pyarrow sorts by."""
    return [(column, "ascending") for column in columns]


def order_of_runs(design: Design) -> list[tuple[str, str]]:
    """Return the keys by which every table of a study is sorted first."""
    return ascending(*factor_keys(design), "seed", "arm")


def part_table(
    design: Design, runs: Sequence[Run], history: History, made_by: Sequence[Mapping[str, str | None]] = ()
) -> pa.Table:
    """Return the part of a cohort: one row for each of ``runs``, in the history's order, with its ``made_by``."""
    rows = []
    for i, (run, bad) in enumerate(zip(runs, history.first_bad_epoch, strict=True)):
        epochs = _epochs(design, run, history.loss[i], history.n_correct[i], bad, DIVERGED)
        status = OK if bad is None else DIVERGED
        test_correct = np.packbits(history.test_correct[i]).tobytes() if bad is None else None
        row = _row(design, run, status, bad, history.n_steps, test_correct, epochs)
        rows.append(row | dict(made_by[i]) if made_by else row)
    return pa.Table.from_pylist(rows, schema=whole_part_schema(factor_keys(design)))


def not_applicable_table(design: Design) -> pa.Table:
    """Return rows like a part's, with null metrics, for the runs that cannot be trained."""
    nothing = np.zeros((design.epochs + 1, len(SPLITS)))
    rows = [
        _row(design, run, NOT_APPLICABLE, None, 0, None, _epochs(design, run, nothing, nothing, 0, NOT_APPLICABLE))
        for run in design.runs
        if not run.applicable
    ]
    return pa.Table.from_pylist(rows, schema=whole_part_schema(factor_keys(design)))


def _row(
    design: Design,
    run: Run,
    status: str,
    first_bad_epoch: int | None,
    n_steps: int,
    test_correct: bytes | None,
    epochs: Iterable[dict[str, Any]],
) -> dict[str, Any]:
    return keys_of(design, run) | {
        "status": status,
        "first_bad_epoch": first_bad_epoch,
        "n_steps": n_steps,
        "n_parameters": design.n_parameters(run.arm, run.cell),
        "test_correct": test_correct,
        "history": list(epochs),
    }


def keys_of(design: Design, run: Run) -> dict[str, Any]:
    """Return the values of ``key_columns`` of a run."""
    return {
        "run_id": design.run_id(run),
        "pair_id": design.pair_id(run),
        "arm": run.arm,
        "seed": run.seed,
        **{key: run.cell[key] for key in factor_keys(design)},
    }


def _epochs(
    design: Design, run: Run, loss: np.ndarray, n_correct: np.ndarray, first_bad: int | None, bad_status: str
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one run from arrays (epochs + 1, splits); null metrics from the first bad epoch on."""
    n_examples = (design.n_train_in(run.cell), design.data.n_test)
    for epoch, i in np.ndindex(loss.shape):
        row = {"epoch": epoch, "split": SPLITS[i], "n_examples": n_examples[i]}
        if first_bad is not None and epoch >= first_bad:
            yield row | {"loss": None, "accuracy": None, "n_correct": None, "status": bad_status}
        else:
            correct = int(n_correct[epoch, i])
            measured = {"loss": float(loss[epoch, i]), "accuracy": correct / n_examples[i], "n_correct": correct}
            yield row | measured | {"status": OK}


def merge_parts(parts: Iterable[pa.Table], design: Design) -> pa.Table:
    """Return the parts' rows, each run once, sorted by key; the same run with other numbers is a StudyError, whoever
    made them."""
    table = concat_rows(parts, whole_part_schema(factor_keys(design)))
    numbers = table.drop_columns(names_of(MADE_BY))
    rows: dict[str, int] = {}
    for row, run_id in enumerate(table.column("run_id").to_pylist()):
        first = rows.setdefault(run_id, row)
        if first != row and not numbers.slice(first, 1).equals(numbers.slice(row, 1)):
            raise StudyError(
                f"two parts hold different numbers for {run_id}: trained on different machines or versions?"
                " Move one of them out of parts/ and run again."
            )
    return sort_rows(table.take(pa.array(rows.values(), pa.int64())), order_of_runs(design))


def concat_rows(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    """Return the rows of the tables that have these columns; those of a study of other factors are left alone."""
    same = (table.replace_schema_metadata() for table in tables if table.column_names == schema.names)
    return pa.concat_tables([schema.empty_table(), *same])


def sort_rows(table: pa.Table, keys: Sequence[tuple[str, str]]) -> pa.Table:
    """Return ``table`` sorted; not by Table.sort_by, which starts threads that can abort a process at its exit."""
    return table.take(pc.sort_indices(table, sort_keys=keys))


def explode_epochs(table: pa.Table, design: Design) -> pa.Table:
    """Return one row per run, epoch and split, from the nested epochs."""
    history = table["history"].combine_chunks()
    epochs = pa.Table.from_struct_array(pc.list_flatten(history))
    names = [name for name, _ in key_columns(factor_keys(design))]
    records = table.select(names).take(pc.list_parent_indices(history))
    for field in epochs.schema:
        records = records.append_column(field, epochs[field.name])
    return sort_rows(records, [*order_of_runs(design), *ascending("epoch", "split")])


def for_reading(table: pa.Table, study_id: str, metadata: Mapping[str, str] | None = None) -> pa.Table:
    """Return a table for readers: the study's name in front, and in the metadata the version of the schema."""
    named = table.add_column(0, "study_id", pa.repeat(study_id, len(table)))
    return named.replace_schema_metadata(table_facts(study_id) | dict(metadata or {}))


def labels_table(labels: Iterable[int], study_id: str) -> pa.Table:
    """Return ``labels.parquet``: the test images' labels in their order."""
    values = [*labels]
    table = pa.table([pa.array(range(len(values))), pa.array(values, pa.int64())], names_of(LABELS))
    return table.cast(labels_schema()).replace_schema_metadata(table_facts(study_id))


def table_facts(study_id: str) -> dict[str, str]:
    """Return what the metadata of every table say."""
    return {"study.schema_version": str(SCHEMA_VERSION), "study.study_id": study_id}
