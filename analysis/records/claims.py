"""A ledger's records, as ``study.claims`` made them: its sub-studies and its measurements, each read when it is asked
for and once.

What has not been run to its end raises ``NotRunYet``, which says how much of it there is; what is damaged raises an
AnalysisError as the records of any study do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.errors import AnalysisError
from study.errors import StudyError
from study.spec.claims.experiments import EXPERIMENTS, PROBES, Extent, Study
from study.spec.claims.fixed import Fixed
from study.spec.claims.rows import Row
from study.spec.commands import claims_into
from study.spec.datasets import PREFERRED, DatasetSpec
from study.spec.design import Design
from study.store.claims_folder import MEASUREMENTS, PICTURES, SCHEMAS, ClaimsFolder
from study.store.claims_manifest import fixed_of

if TYPE_CHECKING:  # its ``load`` makes what stands here
    from analysis.records.tables import Ablation, StudyData

MAIN_STUDY = "post"
"""The sub-study of the tutorial's own setting, which a report of the ledger shows beside it."""


class NotRunYet(AnalysisError):
    """An experiment of a ledger has not been run, or not to its end: ``what`` says how far."""

    def __init__(self, what: str = ""):
        super().__init__(f"not run yet: {what}" if what else "not run yet")


@dataclass(frozen=True)
class Readers:
    """How the records of a ledger are read."""

    study: Callable[[str], "StudyData | None"]
    """From its key, a sub-study; None where there is none yet."""
    ablation: Callable[["StudyData"], "Ablation | None"]
    """The tables of the inference modes of a sub-study."""
    table: Callable[[str], pd.DataFrame]
    """From its name, MEASUREMENTS or PICTURES, a table of all probes; without rows where there is none yet."""


@dataclass(frozen=True)
class ClaimsData:
    """A ledger: what was fixed before its first run, and the records so far."""

    path: Path
    name: str
    fixed: Fixed
    """Data set, extent, alpha and rows, of the manifest."""
    readers: Readers
    _studies: dict[str, "StudyData | None"] = field(default_factory=dict, repr=False, compare=False)
    _ablations: dict[str, "Ablation | None"] = field(default_factory=dict, repr=False, compare=False)

    @property
    def dataset(self) -> DatasetSpec:
        return self.fixed.data

    @property
    def extent(self) -> Extent:
        return self.fixed.extent

    @property
    def seeds(self) -> range:
        """The seeds that all experiments share."""
        return range(self.fixed.extent.seeds)

    @cached_property
    def measurements(self) -> pd.DataFrame:
        """What the probes measured, a row a value: the columns of ``study.store.claims_folder``; ``seed``, ``layer``,
        ``step`` and ``n`` may be empty."""
        return self.readers.table(MEASUREMENTS)

    @cached_property
    def pictures(self) -> pd.DataFrame:
        """A few images of the cat protocol: condition, index, label, pixels (0 to 1)."""
        return self.readers.table(PICTURES)

    # --- sub-studies

    def begun(self, key: str) -> "StudyData | None":
        """Return a sub-study as far as it was run, None where it was not begun."""
        if key not in self._studies:
            self._studies[key] = self.readers.study(key)
        return self._studies[key]

    def is_another(self, key: str, design: Design) -> bool:
        """Whether a sub-study's design is not the one that the ledger fixed; a tuned one follows from its search."""
        return isinstance(EXPERIMENTS[key], Study) and design.digest != self.fixed.experiments.get(key)

    def study(self, key: str) -> "StudyData | None":
        """Return a sub-study, None where it is absent or lacks runs."""
        try:
            return self.complete(key)
        except NotRunYet:
            return None

    def complete(self, key: str) -> "StudyData":
        """Return a sub-study; raise NotRunYet where it is absent or lacks runs."""
        study = self.begun(key)
        if study is None:
            raise NotRunYet
        known = {*study.runs.run_id, *(study.tuned.runs.run_id if study.tuned else ())}
        n_runs = len(study.design.runs)
        if len(known) < n_runs:
            raise NotRunYet(f"{key} has {len(known)} of {n_runs} runs")
        return study

    def ablation(self, key: str) -> "Ablation":
        """Return the tables of the inference modes of a sub-study; raise NotRunYet where it was not evaluated."""
        if key not in self._ablations:
            self._ablations[key] = self.readers.ablation(self.complete(key))
        found = self._ablations[key]
        if found is None:
            raise NotRunYet(f"the networks of {key} have not been evaluated")
        return found

    # --- probes

    def measured(
        self, experiment: str, measure: str | None = None, seeds: Sequence[int] | None = None, **where: Any
    ) -> pd.DataFrame:
        """Return the rows of a probe that have these values in the columns of ``where``.

        Raises NotRunYet where there are none, and where one of ``seeds`` has none though its network is there.
        """
        table = self.measurements
        wanted = {"experiment": experiment, **({"measure": measure} if measure else {}), **where}
        inside = np.logical_and.reduce([table[name].to_numpy() == value for name, value in wanted.items()])
        rows = table[inside]
        if rows.empty:
            raise NotRunYet
        expected = {*(seeds or ())} - self._diverged(experiment, where.get("arm"))
        lacking = expected - {*rows.seed.dropna().astype(int)}
        if lacking:
            n = len(expected)
            raise NotRunYet(f"{experiment} has {n - len(lacking)} of {n} seeds")
        return rows

    def _diverged(self, experiment: str, arm: str | None) -> set[int]:
        """Return the seeds of which the probe's sub-studies have no network of an arm."""
        runs = [self.complete(key).outcomes for key in PROBES[experiment].of]
        return {int(seed) for of in runs for seed in of.seed[(of.arm == arm) & of.diverged]}

    # --- what is asked

    def why_not(self, row: Row) -> str | None:
        """Return why this data set and extent cannot answer a row, None where they can."""
        return self.fixed.why_not(row)

    def command_for(self, row: Row) -> str:
        """Return what to type for a row that was not asked or has not been run."""
        if self.why_not(row) is None:
            return self.command
        left_out = any(key in self.fixed.extent.left_out for key in row.experiments)
        others = [] if left_out and row.why_not(self.fixed.data) is None else ["--dataset", row.only or PREFERRED]
        return claims_into(self.path.parent / f"{self.path.name}-2", *others)

    @property
    def command(self) -> str:
        """What to type to go on with the ledger."""
        return claims_into(self.path)


def read_ledger(path: Path, readers: Readers) -> ClaimsData:
    """Return the ledger in the folder ``path``; an AnalysisError where it cannot be read."""
    folder = ClaimsFolder(path)
    try:
        manifest = folder.read_manifest()
        folder.check_bound()
    except (StudyError, OSError) as error:
        raise AnalysisError(str(error)) from None
    if manifest is None:
        raise AnalysisError(f"{path} holds no ledger (no manifest.json). To make it: {claims_into(path)}")
    return ClaimsData(path, manifest["study_id"], fixed_of(manifest), readers)


def read_table(path: Path, name: str) -> pd.DataFrame:
    """Return a table in the folder of a ledger, without rows where nothing has been measured yet."""
    try:
        found = ClaimsFolder(path).read(name) if (path / f"{name}.parquet").exists() else SCHEMAS[name].empty_table()
    except (StudyError, OSError) as error:
        raise AnalysisError(str(error)) from None
    return found.to_pandas(use_threads=False)
