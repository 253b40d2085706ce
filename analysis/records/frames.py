"""Anybody's scores as pairs: a DataFrame with a row per unit, arm and cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.errors import AnalysisError
from analysis.records.cells import Levels, levels
from study.spec.checks import in_full
from study.spec.factors import Cell, Factor, in_words

RESERVED = ("seed", "arm", "diverged", "failed")
"""Columns of every table of runs."""


@dataclass(frozen=True)
class FrameData:
    """Scores of two arms or more by unit and cell: as much of a study as paired differences need."""

    table: pd.DataFrame
    """Columns: the factors, ``seed`` (the unit), ``arm``, and the outcome under its own name."""
    factors: Mapping[str, Factor]
    baseline: str
    treatments: list[str]
    outcome: str
    unit: str
    chance: float | None = None
    """The score of guessing, which a run that collapses has; None where it is not known."""
    limits: tuple[float, float] | None = None
    """The worst and the best score that there can be; None where they are not known."""

    @property
    def endpoints(self) -> dict[str, str]:
        """The one endpoint by key, with its description."""
        return {self.outcome: self.outcome}

    @property
    def units(self) -> str:
        """Name of the independent units."""
        return f"{self.unit}s"

    @property
    def cell_key(self) -> list[str]:
        return [*self.factors]

    @property
    def outcomes(self) -> pd.DataFrame:
        """A row per run; it failed where it ended below the learning threshold, a ninth of the way from guessing to the
        best possible score, if both are known."""
        failed: pd.Series | bool = False
        if self.chance is not None and self.limits is not None:
            failed = self.table[self.outcome] < self.chance + (self.limits[1] - self.chance) / 9
        return self.table.assign(diverged=False, failed=failed)

    @cached_property
    def cells(self) -> list[Cell]:
        """Every combination of levels that has a row, in order."""
        return sorted(map(self._cell, self._levels(self.table)))

    def _cell(self, values: Levels) -> Cell:
        named = zip(self.factors.items(), values, strict=True)
        return Cell.of(self.factors, {key: factor.kind(value) for (key, factor), value in named})

    def common_cells(self, arm: str, baseline: str) -> list[Cell]:
        """Return the cells in which both arms have a row."""
        trained = [self._levels(self.table[self.table.arm == name]) for name in (arm, baseline)]
        return [cell for cell in self.cells if all(levels(cell, self.cell_key) in known for known in trained)]

    def _levels(self, table: pd.DataFrame) -> set[Levels]:
        """Return the levels of every cell with a row in ``table``: without factors, of one cell that says none."""
        return set(zip(*(table[name] for name in self.cell_key), strict=True)) if self.cell_key else {()}

    def unpaired(self, arm: str, baseline: str) -> list[str]:
        """Return every run of either arm without its partner."""
        key = [*self.cell_key, "seed"]
        both = self.table[self.table.arm.isin((arm, baseline))]
        single = both[~both.duplicated(key, keep=False)]
        rows = zip(single[key].itertuples(index=False), single.arm, strict=True)
        return [
            f"{in_words(self._cell(at[:-1]))}, {self.unit} {at[-1]}: {baseline if name == arm else arm} has no row"
            for at, name in ((tuple(row), name) for row, name in rows)
        ]


def from_frame(
    frame: pd.DataFrame,
    *,
    unit: str,
    arm: str,
    baseline: str,
    factors: Sequence[str],
    outcome: str,
    chance: float | None = None,
    limits: tuple[float, float] | None = None,
) -> FrameData:
    """Take anybody's scores, a row per unit, arm and cell.

    Parameters
    ----------
    frame
        The scores; no value missing, no run twice.
    unit
        The column of the independent unit, such as the seed.
    arm
        The column of what is compared.
    baseline
        The value of ``arm`` that every other one is compared with.
    factors
        The columns that are varied beside arm and unit.
    outcome
        The column of the score; more is better. A failed run has the score that it is to count with.
    chance
        The score of guessing: with it every "better" says how rare a collapse to it would have to be.
    limits
        The worst and the best score possible: they bound the difference where a run is missing. Without them there is
        no verdict on differences with a run missing. With both, runs that end less than a ninth of the way from
        ``chance`` to the best count as failed.

    Returns
    -------
    FrameData
        For ``analysis.contrasts``.

    Raises
    ------
    AnalysisError
        Where a column is absent, a value missing or a run there twice; the text names the row.
    """
    wanted = [*factors, unit, arm, outcome]
    absent = [name for name in wanted if name not in frame]
    if absent:
        raise AnalysisError(f"the frame has no column {absent[0]!r}; it has {', '.join(map(str, frame.columns))}")
    taken = [name for name in (*factors, outcome) if name in RESERVED]
    if taken:
        raise AnalysisError(
            f"a factor or the outcome is called {taken[0]!r}, which has a meaning here; rename the column"
        )
    table = frame[wanted].rename(columns={unit: "seed", arm: "arm"}).reset_index(drop=True)
    table = table.assign(**{name: _levels(table[name]) for name in factors})
    _check(table, [*factors, "seed", "arm"], outcome)
    table[outcome] = _scores(table[outcome])
    arms = [*dict.fromkeys(table.arm)]
    if baseline not in arms or len(arms) < 2:
        raise AnalysisError(f"the baseline is {baseline!r} and the arms are {', '.join(map(str, arms))}; give two arms")
    values = {name: _factor(name, table[name]) for name in factors}
    treatments = [name for name in arms if name != baseline]
    return FrameData(table, values, baseline, treatments, outcome, unit, chance, limits)


def _check(table: pd.DataFrame, key: list[str], outcome: str) -> None:
    missing = table[table.isna().any(axis=1)]
    if len(missing):
        raise AnalysisError(
            f"{len(missing)} rows have a value missing, the first is row {missing.index[0]}; give {outcome!r} the score"
            " that a failed run counts with, and every row its key"
        )
    duplicates = table[table.duplicated(key)]
    if len(duplicates):
        at = ", ".join(f"{name} {duplicates.iloc[0][name]}" for name in key)
        raise AnalysisError(f"{len(duplicates)} rows stand twice, the first is {at}; give one row a run")


def _levels(column: "pd.Series") -> "pd.Series":
    """Return the levels of a factor as its cells have them: numbers, and everything else by its text."""
    return column if pd.api.types.is_numeric_dtype(column) else column.astype(object).map(str, na_action="ignore")


def _scores(column: "pd.Series") -> "pd.Series":
    """Return the scores as floats; an AnalysisError where one is no finite number."""
    scores = pd.to_numeric(column, errors="coerce").astype(float)
    wrong = column[~np.isfinite(scores)]
    if len(wrong):
        raise AnalysisError(
            f"row {wrong.index[0]} has the score {wrong.iloc[0]!r}; give {column.name!r} a number in every row, of a"
            " failed run the one that it counts with"
        )
    return scores


def _factor(name: str, column: "pd.Series") -> Factor:
    """Return a factor that is called as its column is."""
    label = name.replace("_", " ")
    if not pd.api.types.is_numeric_dtype(column):
        return Factor(name, str, label, label, tuple(sorted({*column})), _accept, field=name)
    kind = int if pd.api.types.is_integer_dtype(column) else float
    return Factor(name, kind, label, label, (0,), _accept, show=in_full if kind is float else str, field=name)


def _accept(asked: str, level: object, data: object) -> None:
    pass
