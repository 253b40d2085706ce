"""A study's tables, read and checked: the only crossing from what trains to what concludes.

A run that diverged is an outcome and scores chance; what has no records, or says two things of one run, is named.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.errors import AnalysisError
from analysis.records.cells import cell_key, levels, pair_key, run_key
from analysis.records.checks import check
from analysis.records.claims import MAIN_STUDY, ClaimsData, Readers, read_ledger, read_table
from study.errors import StudyError, quote
from study.spec.arms import DEFAULT_ARMS, default_baseline
from study.spec.checks import nearest
from study.spec.commands import report_on, train_into
from study.spec.design import Design
from study.spec.factors import FACTORS, Cell, Level, in_words
from study.spec.history import DIVERGED, NOT_APPLICABLE
from study.spec.runs import Run
from study.store import inference_tables
from study.store.atomic import make_subfolder, write_atomically
from study.store.claims_manifest import is_ledger
from study.store.manifest import Manifest, baseline_of
from study.store.scores import LAST_EPOCHS, last_epochs
from study.store.study_folder import Folder

ENDPOINTS = {
    "last3": "mean test accuracy of the last three epochs",
    "final": "test accuracy of the last epoch",
}
PRIMARY = "last3"

_WHY = {None: "has no records", NOT_APPLICABLE: "cannot be trained"}


@dataclass(frozen=True)
class StudyData:
    """A study's records, checked: one row per (run, epoch, split), no metric missing without a status."""

    path: Path
    manifest: Manifest
    design: Design
    records: pd.DataFrame
    runs: pd.DataFrame
    """A row per run of the grid; the records are of the same runs."""
    tuned: "StudyData | None" = None
    """The runs of the tuned cell alone, where there is one."""
    named_baseline: str | None = None
    """The baseline of this analysis, where it is named; one of the design's arms."""
    whole: "StudyData | None" = None
    """The study of which this is a slice; None of a whole one."""
    at: Mapping[str, Level] = field(default_factory=dict)
    """Of a slice, the level of each factor that it has one of."""
    claims: ClaimsData | None = None
    """The ledger whose main sub-study this is; its name and place are the ledger's."""

    @property
    def name(self) -> str:
        return str(self.manifest["study_id"]) if self.claims is None else self.claims.name

    @property
    def place(self) -> Path:
        """The folder of its report."""
        return self.path if self.claims is None else self.claims.path

    @property
    def at_words(self) -> list[str]:
        """A slice's levels as the command takes them, such as ``depth=2``."""
        return [f"{key}={FACTORS[key].show(level)}" for key, level in self.at.items()]

    @property
    def where(self) -> str:
        """A slice's levels in words, such as ``depth 2, activation tanh``; nothing of a whole study."""
        return ", ".join(f"{FACTORS[key].label} {FACTORS[key].show(level)}" for key, level in self.at.items())

    @property
    def title(self) -> str:
        """The study's name, and of a slice where it is."""
        return f"{self.name} at {self.where}" if self.at else self.name

    @property
    def all_failed(self) -> bool:
        """Whether there are runs and not one of them learned."""
        return bool(len(self.outcomes)) and bool(self.outcomes.failed.all())

    @property
    def last_epochs(self) -> range:
        """The epochs over which the primary endpoint is the mean."""
        return last_epochs(self.design)

    @property
    def chance(self) -> float:
        """The accuracy of guessing: one class of all, or always the largest where classes are not of equal size."""
        return self.design.data.chance

    @property
    def guessing_loss(self) -> float:
        """The loss, in nats, of who gives every class the same probability."""
        return -math.log(1 / self.design.data.n_classes)

    @property
    def learning_threshold(self) -> float:
        """The final test accuracy from which a run counts as having learned: a ninth of the way from guessing to all
        right, 20 % of ten classes, 56 % of two and 87 % of two of which one has 85 %."""
        return (1 + 8 * self.chance) / 9

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest accuracy that there can be."""
        return 0.0, 1.0

    @property
    def cell_key(self) -> list[str]:
        """The columns of a cell in every table."""
        return cell_key(self.design)

    @property
    def cells(self) -> list[Cell]:
        """Every cell of the grid, in order."""
        return self.design.cells

    @property
    def endpoints(self) -> dict[str, str]:
        """Descriptions of the endpoints by key, the primary one first."""
        return {name: f"{text} (a diverged run scores chance)" for name, text in ENDPOINTS.items()}

    @property
    def units(self) -> str:
        """Name of the independent units."""
        return "seeds"

    @property
    def treatments(self) -> list[str]:
        """The arms that are compared with the baseline; none in a study of one arm."""
        return [arm for arm in self.design.arms if arm != self.baseline] if len(self.design.arms) > 1 else []

    @property
    def baseline(self) -> str:
        """The arm that the others are compared with: as this analysis names it, else the study; that of the studies by
        default where there is one arm."""
        return self.named_baseline or self.own_baseline

    @property
    def own_baseline(self) -> str:
        """The baseline of the study, whatever this analysis names."""
        return baseline_of(self.manifest) if len(self.design.arms) > 1 else default_baseline(DEFAULT_ARMS)

    @property
    def changed_baseline(self) -> str | None:
        """The baseline of this analysis, where it is not the study's."""
        return None if self.baseline == self.own_baseline else self.baseline

    def against(self, baseline: str | None) -> "StudyData":
        """Return the study with another baseline, or as it is for None; an AnalysisError where it is no arm of it."""
        if baseline is None:
            return self
        arms = self.design.arms
        if baseline not in arms:
            near = nearest(baseline, arms) or arms[0]
            raise AnalysisError(
                f"baseline {quote(baseline)}: {self.path} has the arms {', '.join(arms)}; name one of them:"
                f" {report_on(self.path, '--baseline', near)}"
            )
        return replace(self, named_baseline=baseline, tuned=self.tuned and self.tuned.against(baseline))

    @property
    def trained(self) -> pd.DataFrame:
        """The records of the runs that could be trained."""
        return self.records[self.records.status != NOT_APPLICABLE]

    def common_cells(self, arm: str, baseline: str) -> list[Cell]:
        """Return the planned cells in which both can be trained, in order."""
        possible = [
            {run.cell for run in self.design.grid if run.arm == name and run.applicable} for name in (arm, baseline)
        ]
        return sorted(set.intersection(*possible))

    def cell(self, cell: Cell) -> Cell:
        """Return ``cell``, which says its levels of all the study's factors."""
        return cell.saying(self.cell_key)

    def accuracy_curves(self, arm: str, cells: Sequence[Cell], diverged: float | None = None) -> NDArray[np.float64]:
        """Return test accuracy (seeds, cells, epochs from 1) by the design's seeds: ``diverged``, or chance, from where
        a run diverged; NaN where there is no run."""
        filled = self._test_accuracy.fillna(self.chance if diverged is None else diverged)
        seeds, key = self.design.seeds, self.cell_key
        wanted = pd.MultiIndex.from_tuples(
            [(*levels(cell, key), seed, arm) for seed in seeds for cell in cells], names=run_key(self.design)
        )
        return filled.reindex(wanted).to_numpy(float).reshape(len(seeds), len(cells), filled.shape[1])

    def unpaired(self, arm: str, baseline: str) -> list[str]:
        """Return every planned pair that is not one, with the reason."""
        status = self.runs.set_index(run_key(self.design)).status.to_dict()
        reasons = []
        for run in (run for run in self.design.grid if run.arm == arm):
            at = (*levels(run.cell, self.cell_key), run.seed)
            states = [(name, status.get((*at, name))) for name in (arm, baseline)]
            missing = [f"{name} {_WHY[state]}" for name, state in states if state in _WHY]
            if missing:
                reasons.append(f"{in_words(run.cell)}, seed {run.seed}: {' and '.join(missing)}")
        return reasons

    def correctness(self, arm: str, cell: Cell) -> NDArray[np.float32]:
        """Return a matrix (seeds, test images) by the design's seeds: 1 where the last epoch's network predicted the
        label, 0 where not; chance where the run diverged, NaN where there is none."""
        n_test = self.design.data.n_test
        correct = np.full((len(self.design.seeds), n_test), np.nan, np.float32)
        packed = self._packed.get((arm, *levels(cell, self.cell_key)), {})
        for row, seed in enumerate(self.design.seeds):
            bits = packed.get(seed)
            if bits is not None:
                correct[row] = np.unpackbits(np.frombuffer(bits, np.uint8), count=n_test)
            elif seed in packed:
                correct[row] = self.chance
        return correct

    @cached_property
    def _packed(self) -> dict[tuple[Any, ...], dict[int, bytes | None]]:
        """The bits of ``test_correct`` of every run that was trained, by arm and levels and then by seed; None where it
        diverged."""
        by_cell: dict[tuple[Any, ...], dict[int, bytes | None]] = {}
        trained = self.runs[self.runs.status != NOT_APPLICABLE]
        columns = (trained[name] for name in ("arm", *pair_key(self.design), "test_correct"))
        for *at, seed, bits in zip(*columns, strict=True):
            by_cell.setdefault(tuple(at), {})[seed] = bits
        return by_cell

    @cached_property
    def _test_accuracy(self) -> pd.DataFrame:
        """Runs x trained epochs, NaN from where a run diverged: ``check`` has seen that nothing else leaves a gap."""
        test = self.trained[self.trained.split == "test"]
        by_run = test.pivot(index=run_key(self.design), columns="epoch", values="accuracy")
        return by_run.drop(columns=0, errors="ignore")

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """One row per run that was trained: key, endpoints, ``diverged``, ``failed``.

        A diverged run scores chance on every endpoint. ``failed`` is diverged, or a final test accuracy below the
        learning threshold: a run may have a finite loss and one class for every image.
        """
        key = run_key(self.design)
        table = self.runs[self.runs.status != NOT_APPLICABLE][[*key, "status"]].set_index(key)
        table["diverged"] = table.status == DIVERGED
        trained = self._test_accuracy.reindex(table.index)
        for endpoint, last in (("final", 1), ("last3", LAST_EPOCHS)):
            values = trained.iloc[:, -last:].mean(axis=1)
            table[endpoint] = values.mask(table.diverged, self.chance)
        table["failed"] = table.diverged | (table.final < self.learning_threshold)
        return table.drop(columns="status").reset_index()


def load(path: Path) -> StudyData:
    """Return the study in the folder ``path``, of a ledger that of the tutorial's setting with the ledger in it; raise
    an AnalysisError that says what is wrong with it."""
    return _of_ledger(path) if is_ledger(path) else _load(path)


def _of_ledger(path: Path) -> StudyData:
    """Return the main sub-study of a ledger."""

    def study(key: str) -> StudyData | None:
        folder = path / "studies" / key
        found = _load(folder) if (folder / "records.parquet").exists() else None
        if found is not None and ledger.is_another(key, found.design):
            raise AnalysisError(
                f"{folder} is another study than the ledger fixed before its first run. Move it away and make it again:"
                f" {ledger.command}"
            )
        return found

    ledger = read_ledger(path, Readers(study, load_ablation, partial(read_table, path)))
    main = ledger.begun(MAIN_STUDY)
    if main is None:
        raise AnalysisError(
            f"{path} has no runs of the tutorial's setting yet, beside which its rows stand. To go on: {ledger.command}"
        )
    return replace(main, claims=ledger)


def _load(path: Path) -> StudyData:
    folder = Folder(path)
    try:
        manifest = folder.read_manifest()
        if manifest is None:
            raise AnalysisError(f"{path} holds no study (no manifest.json). To train it: {train_into(path)}")
        design = Design.from_dict(manifest["design"])
        records = folder.read("records").to_pandas(use_threads=False)
        runs = folder.read("runs").to_pandas(use_threads=False)
    except (StudyError, OSError) as error:
        raise AnalysisError(str(error)) from None
    check(records, runs, manifest["study_id"], design)

    def subset(planned: Sequence[Run]) -> StudyData:
        ids = {design.run_id(run) for run in planned}
        both = (table[table.run_id.isin(ids)].reset_index(drop=True) for table in (records, runs))
        return StudyData(path, manifest, design, *both)

    grid = subset(design.grid)
    return replace(grid, tuned=subset(design.tuned_runs)) if design.tuned else grid


@dataclass(frozen=True)
class Ablation:
    """The tables of ``study.ablate``, of the runs that it evaluated."""

    ablation: pd.DataFrame
    swaps: pd.DataFrame
    compositions: pd.DataFrame
    statistics: pd.DataFrame


def load_ablation(study: StudyData) -> Ablation | None:
    """Return the tables of ``study.ablate``, None where it never ran; refuse a table that is not what it should be."""
    names = ("ablation", "swaps", "compositions", "statistics")
    try:
        read = [inference_tables.read_table(study.path, name) for name in names]
    except (StudyError, OSError) as error:
        raise AnalysisError(str(error)) from None
    if read[0] is None:
        return None
    return Ablation(*(pd.DataFrame() if table is None else table.to_pandas(use_threads=False) for table in read))


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write each file into a folder, under its name and whole, or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / name
            if path.parent != folder:
                make_subfolder(folder, path.parent.name)
            write_atomically(path, content)
    except (StudyError, OSError) as error:
        raise AnalysisError(str(error)) from None


def make_folder(path: Path, name: str) -> None:
    """Make a folder in a study's; a link is refused, since it may lead out of it."""
    try:
        make_subfolder(path, name)
    except (StudyError, OSError) as error:
        raise AnalysisError(str(error)) from None


def record_looks(study: StudyData, looks: list[dict[str, Any]]) -> None:
    """Record in the manifest what was seen of the study, or of the slice, so far; write nothing where nothing is
    new."""
    if _beside_others(study.manifest, study, looks) == study.manifest.get("looks", []):
        return
    folder = Folder(study.path)
    try:
        with folder.lock():
            manifest = folder.read_manifest()
            if manifest is not None and manifest.get("looks", []) != _beside_others(manifest, study, looks):
                folder.write_manifest({**manifest, "looks": _beside_others(manifest, study, looks)})
    except (StudyError, OSError) as error:
        raise AnalysisError(f"the look could not be recorded in {study.path}: {error}") from None


def _beside_others(manifest: Manifest, study: StudyData, looks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the looks at the whole study, then those at each slice: ``looks`` in the place of this one's."""
    by_slice: dict[str | None, list[dict[str, Any]]] = {None: []}
    for look in manifest.get("looks", []):
        by_slice.setdefault(look.get("at"), []).append(look)
    return [look for of in (by_slice | {study.where or None: looks}).values() for look in of]
