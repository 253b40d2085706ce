"""A study's tables, read and checked: the only crossing from what trains to what concludes.

A run that diverged is an outcome and scores chance; what has no records, or says two things of one run, is named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import AnalysisError
from study import BASELINE, ablation_tables
from study.design import Design
from study.errors import StudyError
from study.folder import Folder, Manifest, inside, write_atomically
from study.history import DIVERGED, NOT_APPLICABLE, OK

CELL = ["batch_size", "lr"]
KEY = [*CELL, "seed"]
RUN = [*KEY, "arm"]

ENDPOINTS = {
    "last3": "mean test accuracy of the last three epochs",
    "final": "test accuracy of the last epoch",
}
PRIMARY = "last3"

_WHY = {None: "has no records", NOT_APPLICABLE: "cannot be trained"}


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
    def baseline(self) -> str:
        return BASELINE

    @property
    def trained(self) -> pd.DataFrame:
        """The records of the runs that could be trained."""
        return self.records[self.records.status != NOT_APPLICABLE]

    def common_cells(self, arm: str, baseline: str) -> list[tuple[int, float]]:
        """The planned cells in which both can be trained, in order."""
        possible = [
            {(run.batch_size, run.lr) for run in self.design.runs if run.arm == name and run.applicable}
            for name in (arm, baseline)
        ]
        return sorted(set.intersection(*possible))

    def accuracy_curves(
        self, arm: str, cells: Sequence[tuple[int, float]], diverged: float | None = None
    ) -> NDArray[np.float64]:
        """Test accuracy (seeds, cells, epochs from 1) by the design's seeds; ``diverged``, or chance, from where a run
        diverged; NaN where there is no run."""
        filled = self._test_accuracy.fillna(self.chance if diverged is None else diverged)
        seeds = self.design.seeds
        wanted = pd.MultiIndex.from_tuples([(*cell, seed, arm) for seed in seeds for cell in cells], names=RUN)
        return filled.reindex(wanted).to_numpy(float).reshape(len(seeds), len(cells), filled.shape[1])

    def unpaired(self, arm: str, baseline: str) -> list[str]:
        """Every planned pair that is not one, with the reason."""
        status = self.runs.set_index(RUN).status.to_dict()
        reasons = []
        for run in (run for run in self.design.runs if run.arm == arm):
            found = [(name, status.get((run.batch_size, run.lr, run.seed, name))) for name in (arm, baseline)]
            missing = [f"{name} {_WHY[what]}" for name, what in found if what in _WHY]
            if missing:
                cell = f"batch size {run.batch_size}, rate {run.lr:g}, seed {run.seed}"
                reasons.append(f"{cell}: {' and '.join(missing)}")
        return reasons

    def answered(self, arm: str, cell: tuple[int, float]) -> NDArray[np.float32]:
        """(seeds, test images) by the design's seeds: 1 where the last epoch's network answered right, 0 where not;
        NaN where there is no run or it diverged."""
        n_test = self.design.facts.n_test
        found = np.full((len(self.design.seeds), n_test), np.nan, np.float32)
        packed = self._packed.get((arm, *cell), {})
        for row, seed in enumerate(self.design.seeds):
            bits = packed.get(seed)
            if bits is not None:
                found[row] = np.unpackbits(np.frombuffer(bits, np.uint8), count=n_test)
        return found

    @cached_property
    def _packed(self) -> dict[tuple[str, int, float], dict[int, bytes | None]]:
        """The answers of every run, by arm and cell and then by seed."""
        by_cell: dict[tuple[str, int, float], dict[int, bytes | None]] = {}
        columns = (self.runs[name] for name in ("arm", *KEY, "test_correct"))
        for arm, batch_size, lr, seed, bits in zip(*columns, strict=True):
            by_cell.setdefault((arm, batch_size, lr), {})[seed] = bits
        return by_cell

    @cached_property
    def _test_accuracy(self) -> pd.DataFrame:
        """Runs x trained epochs, NaN from where a run diverged: ``check`` has seen that nothing else leaves a gap."""
        test = self.trained[self.trained.split == "test"]
        return test.pivot(index=RUN, columns="epoch", values="accuracy").drop(columns=0, errors="ignore")

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """One row per run that was trained: key, endpoints, ``diverged``, ``failed``.

        A diverged run scores chance on every endpoint. ``failed`` is diverged, or answering the test
        images after the last epoch worse than twice chance: it may have a finite loss and one class
        for every image.
        """
        table = self.runs[self.runs.status != NOT_APPLICABLE][[*RUN, "status"]].set_index(RUN)
        table["diverged"] = table.status == DIVERGED
        trained = self._test_accuracy.reindex(table.index)
        for endpoint, last in (("final", 1), ("last3", 3)):
            values = trained.iloc[:, -last:].mean(axis=1)
            table[endpoint] = values.mask(table.diverged, self.chance)
        table["failed"] = table.diverged | (table.final < 2 * self.chance)
        return table.drop(columns="status").reset_index()


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


@dataclass(frozen=True)
class Ablation:
    """What ``study.ablate`` found: one table each, of the runs that it evaluated."""

    ablation: pd.DataFrame
    swaps: pd.DataFrame
    compositions: pd.DataFrame
    statistics: pd.DataFrame


def load_ablation(study: Study) -> Ablation | None:
    """None where ``study.ablate`` has not been there; an AnalysisError where a table is not what it should be."""
    found = [
        ablation_tables.read_table(study.path, name) for name in ("ablation", "swaps", "compositions", "statistics")
    ]
    if found[0] is None:
        return None
    return Ablation(*(pd.DataFrame() if table is None else table.to_pandas(use_threads=False) for table in found))


def write(study: Study, files: Mapping[str, bytes]) -> None:
    """Each file into the study's folder, under its name and whole, or not at all."""
    try:
        for name, content in files.items():
            path = study.path / name
            if path.parent != study.path:
                inside(study.path, path.parent.name)
            write_atomically(path, content)
    except (StudyError, OSError) as error:
        raise AnalysisError(str(error)) from None


def record_looks(study: Study, looks: list[dict[str, Any]]) -> None:
    """Keep in the manifest what was seen of the study so far; nothing is written where nothing is new."""
    if study.manifest.get("looks", []) == looks:
        return
    folder = Folder(study.path)
    try:
        with folder.exclusively():
            manifest = folder.read_manifest()
            if manifest is not None and manifest.get("looks", []) != looks:
                folder.write_manifest({**manifest, "looks": looks})
    except (StudyError, OSError) as error:
        raise AnalysisError(f"the look could not be recorded in {study.path}: {error}") from None


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


def _name(row: pd.Series, key: list[str]) -> str:
    return ", ".join(f"{column} {row[column]}" for column in key)
