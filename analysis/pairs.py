"""Records to paired differences, by key: the only crossing from what trains to what concludes.

Joined by (batch size, learning rate, seed), never by position. What has no partner is named.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis import AnalysisError
from study import BASELINE
from study.design import Design, Run
from study.errors import StudyError
from study.folder import Folder, Manifest
from study.history import DIVERGED, NOT_APPLICABLE, OK

CELL = ["batch_size", "lr"]
KEY = [*CELL, "seed"]
RUN = [*KEY, "arm"]

ENDPOINTS = {
    "last3": "mean test accuracy of the last three epochs",
    "final": "test accuracy of the last epoch",
}
PRIMARY = "last3"


@dataclass(frozen=True)
class Study:
    """A study's records, checked: one row per (run, epoch, split), no metric missing without a status."""

    path: Path
    manifest: Manifest
    design: Design
    records: pd.DataFrame
    runs: pd.DataFrame

    @property
    def name(self) -> str:
        return str(self.manifest["study_id"])

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / self.design.facts.n_classes

    @property
    def contenders(self) -> list[str]:
        """The arms that are compared with the baseline; none where the baseline was not trained."""
        return [arm for arm in self.design.arms if arm != BASELINE] if BASELINE in self.design.arms else []

    @property
    def trained(self) -> pd.DataFrame:
        """The records of the runs that could be trained."""
        return self.records[self.records.status != NOT_APPLICABLE]

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """One row per run that was trained: key, endpoints, ``diverged``, ``failed``.

        A diverged run scores chance on every endpoint. ``failed`` is diverged, or answering the test
        images after the last epoch worse than twice chance: it may have a finite loss and one class
        for every image.
        """
        test = self.trained[self.trained.split == "test"]
        table = self.runs[self.runs.status != NOT_APPLICABLE][[*RUN, "status"]].set_index(RUN)
        accuracy = test.pivot(index=RUN, columns="epoch", values="accuracy").reindex(table.index)
        table["diverged"] = table.status == DIVERGED
        trained = accuracy.drop(columns=0, errors="ignore")
        for endpoint, last in (("final", 1), ("last3", 3)):
            values = trained.iloc[:, -last:].mean(axis=1, skipna=False)
            table[endpoint] = values.mask(table.diverged, self.chance)
        table["failed"] = table.diverged | (table.final < 2 * self.chance)
        return table.drop(columns="status").reset_index()


@dataclass(frozen=True)
class Pairs:
    """The pairs of one arm and the baseline on one endpoint.

    ``table`` has a row per pair: the key, the scores ``of_baseline`` and ``of_arm``, ``difference``, and for
    both sides ``diverged`` and ``failed``. ``cells`` are the planned ones in which both arms can be trained.
    ``unpaired`` says of every planned run without a partner why.
    """

    arm: str
    baseline: str
    endpoint: str
    table: pd.DataFrame
    cells: list[tuple[int, float]]
    unpaired: list[str]

    def cell(self, batch_size: int, lr: float) -> pd.DataFrame:
        return self.table[(self.table.batch_size == batch_size) & (self.table.lr == lr)]

    @property
    def complete(self) -> pd.DataFrame:
        """The rows of the seeds that have a pair in every one of ``cells``."""
        n_pairs = self.table.groupby("seed").difference.transform("size")
        return self.table[n_pairs == len(self.cells)]


def load(path: Path) -> Study:
    """The study in the folder ``path``; an AnalysisError says what is wrong with it."""
    folder = Folder(path)
    try:
        manifest = folder.read_manifest()
        if manifest is None:
            raise AnalysisError(f"{path} holds no study (no manifest.json); run python -m study.run first")
        design = Design.from_dict(manifest["design"])
        records = folder.read("records").to_pandas(use_threads=False)
        runs = folder.read("runs").to_pandas(use_threads=False)
    except StudyError as error:
        raise AnalysisError(str(error)) from None
    check(records, runs, manifest["study_id"], design)
    return Study(path, manifest, design, records, runs)


def check(records: pd.DataFrame, runs: pd.DataFrame, study_id: str, design: Design) -> None:
    """Refuse tables that do not say one thing about each run of the design; the error names the rows."""
    if records.empty:
        raise AnalysisError("the records are empty: no run has been committed yet; run python -m study.run again")
    foreign = sorted({*records.study_id.unique(), *runs.study_id.unique()} - {study_id})
    if foreign:
        raise AnalysisError(f"the tables of {study_id!r} hold rows of other studies: {', '.join(foreign)}")
    for name, table, key in (("records", records, [*RUN, "epoch", "split"]), ("runs", runs, RUN)):
        twice = table[table.duplicated(key)]
        if len(twice):
            raise AnalysisError(f"{name} holds rows twice: {_name(twice.iloc[0], key)} and {len(twice) - 1} more")
    lost = records[(records.status == OK) & (records.accuracy.isna() | records.loss.isna())]
    if len(lost):
        where = _name(lost.iloc[0], [*RUN, "epoch", "split"])
        raise AnalysisError(f"a metric is missing though the status is ok: {where} and {len(lost) - 1} more")
    _check_together(records, runs, design)


def _check_together(records: pd.DataFrame, runs: pd.DataFrame, design: Design) -> None:
    """Every run has all its records, and is one of the design's."""
    n_records = records.groupby("run_id").size().reindex(runs.run_id, fill_value=0)
    planned = {design.run_id(run) for run in design.runs}
    wrong = [
        *n_records.index[n_records != 2 * (design.epochs + 1)],
        *sorted({*records.run_id} - {*runs.run_id}),
        *sorted({*runs.run_id} - planned),
    ]
    if wrong:
        raise AnalysisError(
            f"records.parquet, runs.parquet and manifest.json do not belong together: {wrong[0]} and"
            f" {len(wrong) - 1} more runs differ; the same study.run command again makes them agree"
        )


def pair(study: Study, arm: str, endpoint: str, baseline: str = BASELINE) -> Pairs:
    """Join the runs of ``arm`` and ``baseline`` by (batch size, learning rate, seed)."""
    columns = [*KEY, endpoint, "diverged", "failed"]
    of_baseline, of_arm = (
        study.outcomes.loc[study.outcomes.arm == name, columns].rename(columns={endpoint: "of"})
        for name in (baseline, arm)
    )
    table = of_baseline.merge(of_arm, on=KEY, suffixes=("_baseline", "_arm"), validate="one_to_one")
    table["difference"] = table.of_arm - table.of_baseline
    table = table.sort_values(KEY, ignore_index=True)
    possible = [
        {(r.batch_size, r.lr) for r in study.design.runs if r.arm == a and r.applicable} for a in (arm, baseline)
    ]
    cells = sorted(set.intersection(*possible))
    return Pairs(arm, baseline, endpoint, table, cells, _unpaired(study, arm, baseline))


def _unpaired(study: Study, arm: str, baseline: str) -> list[str]:
    """Every planned pair that is not one, with the reason."""
    status = study.runs.set_index(RUN).status.to_dict()
    reasons = []
    for run in study.design.runs:
        if run.arm != arm:
            continue
        partner = Run(run.batch_size, run.lr, run.seed, baseline)
        found = [(side.arm, status.get((side.batch_size, side.lr, side.seed, side.arm))) for side in (run, partner)]
        missing = [f"{name} {_WHY[what]}" for name, what in found if what in _WHY]
        if missing:
            cell = f"batch size {run.batch_size}, rate {run.lr:g}, seed {run.seed}"
            reasons.append(f"{cell}: {' and '.join(missing)}")
    return reasons


_WHY = {None: "has no records", NOT_APPLICABLE: "cannot be trained"}


def _name(row: pd.Series, key: list[str]) -> str:
    return ", ".join(f"{column} {row[column]}" for column in key)
