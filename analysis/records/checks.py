"""Do a study's tables say one thing, which can be, about each run of its design? Anybody may have written them."""

from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.errors import AnalysisError
from analysis.records.cells import cell_key, levels, run_key
from study.errors import quote
from study.spec.design import Design
from study.spec.history import DIVERGED, NOT_APPLICABLE, OK, SPLITS

NAMES = ["run_id", "pair_id"]


def check(records: pd.DataFrame, runs: pd.DataFrame, study_id: str, design: Design) -> None:
    """Refuse tables that do not say one thing, which can be, about each run of the design; the error names the rows."""
    if records.empty:
        raise AnalysisError(
            "the records are empty: no run has been committed yet. Repeat the command that trains the study."
        )
    for name, table, key in (("records", records, _record_key(design)), ("runs", runs, run_key(design))):
        lacking = [column for column in key if column not in table]
        if lacking:
            raise AnalysisError(f"{name} has no column {lacking[0]}, which the design has levels of")
        _refuse(f"{name} has a key missing", table, key, table[["study_id", *NAMES, *key, "status"]].isna().any(axis=1))
        foreign = sorted({*table.study_id.unique()} - {study_id})
        if foreign:
            raise AnalysisError(
                f"the tables of {study_id!r} hold rows of other studies: {', '.join(map(quote, foreign[:5]))}"
            )
        _refuse(f"{name} holds rows twice", table, key, table.duplicated(key))
        wrong = ~table.status.isin((OK, DIVERGED, NOT_APPLICABLE))
        _refuse(f"{name} has a status that is none of ok, diverged and not_applicable", table, [*key, "status"], wrong)
    _check_metrics(records, design)
    _check_together(records, runs, design)
    _check_runs(runs, design)
    _check_outcomes(records, runs, design)


def _check_metrics(records: pd.DataFrame, design: Design) -> None:
    """Refuse a record, taken by itself, outside of the design's epochs and splits or with numbers that cannot be."""
    n_train = records.n_train if "n_train" in records else design.data.n_train
    n_examples = pd.Series(np.where(records.split == "train", n_train, design.data.n_test), records.index)
    ok, metrics = records.status == OK, records[["loss", "accuracy", "n_correct"]]
    rules = {
        f"an epoch lies outside of 0 to {design.epochs}": ~records.epoch.between(0, design.epochs),
        "a split is neither train nor test": ~records.split.isin(SPLITS),
        "n_examples is not what the data set has": records.n_examples != n_examples,
        "a metric is missing though the status is ok": ok & metrics.isna().any(axis=1),
        "there is a metric though the status is not ok": ~ok & metrics.notna().any(axis=1),
        "the loss is not finite though the status is ok": ok & ~np.isfinite(records.loss),
        "n_correct lies outside of 0 to n_examples": ok & ~records.n_correct.between(0, records.n_examples),
        "accuracy is not n_correct over n_examples": ok & (records.accuracy != records.n_correct / records.n_examples),
    }
    for rule, wrong in rules.items():
        _refuse(rule, records, _record_key(design), wrong)


def _check_together(records: pd.DataFrame, runs: pd.DataFrame, design: Design) -> None:
    """Refuse a run that lacks records or is none of the design's."""
    n_records = records.groupby("run_id").size().reindex(runs.run_id, fill_value=0)
    planned = {design.run_id(run) for run in design.runs}
    wrong = [
        *n_records.index[n_records != 2 * (design.epochs + 1)],
        *sorted({*records.run_id} - {*runs.run_id}),
        *sorted({*runs.run_id} - planned),
    ]
    if wrong:
        raise AnalysisError(
            f"records.parquet, runs.parquet and manifest.json do not belong together: {quote(wrong[0])} and"
            f" {len(wrong) - 1} more runs differ; the same study.run command again makes them agree"
        )
    _refuse_others_keys("records", records, runs, run_key(design))


def _check_runs(runs: pd.DataFrame, design: Design) -> None:
    """Refuse a run, taken by itself, without the design's key or without what its status says that it has."""
    key, cell = run_key(design), cell_key(design)
    size = cache(design.n_parameters)
    rows = [
        (
            *levels(run.cell, cell), run.seed, run.arm, design.run_id(run), design.pair_id(run),
            run.applicable, size(run.arm, run.cell),
        )
        for run in design.runs
    ]  # fmt: skip
    planned = pd.DataFrame(rows, columns=[*key, *NAMES, "applicable", "n_parameters"])
    _refuse_others_keys("runs", runs, planned, key)
    of_run = planned.set_index("run_id").loc[runs.run_id]
    applicable, n_parameters = of_run.applicable.to_numpy(), of_run.n_parameters.to_numpy()
    diverged, bad = runs.status == DIVERGED, runs.first_bad_epoch
    n_bytes = np.where(runs.status == OK, -(-design.data.n_test // 8), -1)
    rules = {
        "not_applicable does not go with the run": (runs.status == NOT_APPLICABLE) == applicable,
        "the first bad epoch is not one of a run that diverged": np.where(
            diverged, ~bad.between(0, design.epochs), bad.notna()
        ),
        "n_steps is below zero or missing": ~(runs.n_steps >= 0),
        "n_parameters is not what the design has": runs.n_parameters != n_parameters,
        "test_correct is not a bit for each test image of a run that is ok": n_bytes
        != runs.test_correct.map(lambda bits: len(bits) if isinstance(bits, bytes) else -1),
    }
    for rule, wrong in rules.items():
        _refuse(rule, runs, key, wrong)


def _check_outcomes(records: pd.DataFrame, runs: pd.DataFrame, design: Design) -> None:
    """Refuse records that do not say what the row of their run says."""
    run = runs.set_index("run_id").loc[records.run_id]
    bad = records.epoch.to_numpy() >= run.first_bad_epoch.fillna(np.inf).to_numpy(float)
    status = np.where(run.status == NOT_APPLICABLE, NOT_APPLICABLE, np.where(bad, DIVERGED, OK))
    key = _record_key(design)
    _refuse("a record has another status than its run", records, key, records.status != status)
    last = records[(records.epoch == design.epochs) & (records.split == "test") & (records.status == OK)]
    packed = last.run_id.map(runs.set_index("run_id").test_correct)
    n_correct = [int(np.bitwise_count(np.frombuffer(bits, np.uint8)).sum()) for bits in packed]
    _refuse("test_correct has another count than the last epoch", last, key, last.n_correct != n_correct)


def _record_key(design: Design) -> list[str]:
    return [*run_key(design), "epoch", "split"]


def _refuse_others_keys(name: str, table: pd.DataFrame, known: pd.DataFrame, key: list[str]) -> None:
    """Refuse a row that says of its run_id another pair, arm, seed or level of a factor than ``known`` does."""
    rows = known.set_index("run_id").loc[table.run_id]
    differs = [table[column].to_numpy() != rows[column].to_numpy() for column in (*key, "pair_id")]
    _refuse(f"{name} has a run_id that belongs to another key", table, [*key, "run_id"], np.any(differs, axis=0))


def _refuse(what: str, table: pd.DataFrame, key: list[str], wrong: ArrayLike) -> None:
    rows = table[np.asarray(wrong, dtype=bool)]
    if len(rows):
        where = ", ".join(f"{column} {quote(str(rows.iloc[0][column]))}" for column in key)
        raise AnalysisError(f"{what}: {where} and {len(rows) - 1} more")
