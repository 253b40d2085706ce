"""Paired differences of a study's records, joined by cell and seed, never by position; what has no partner is named."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.records.cells import levels, rows_in
from study.spec.factors import Cell


class Scored(Protocol):
    """Scores of several arms by cell and seed: a study's, or a frame's."""

    @property
    def baseline(self) -> str: ...

    @property
    def treatments(self) -> list[str]:
        """The arms that are compared with the baseline."""
        ...

    @property
    def cells(self) -> list[Cell]: ...

    @property
    def cell_key(self) -> list[str]:
        """The columns of a cell."""
        ...

    @property
    def outcomes(self) -> pd.DataFrame:
        """A row per run: the columns of the cell, ``seed``, ``arm``, a column an endpoint, ``diverged``, ``failed``."""
        ...

    @property
    def endpoints(self) -> dict[str, str]:
        """Descriptions of the endpoints by key, the primary one first."""
        ...

    @property
    def units(self) -> str:
        """Name of the independent units."""
        ...

    @property
    def chance(self) -> float | None:
        """The score of guessing, where it is known."""
        ...

    @property
    def limits(self) -> tuple[float, float] | None:
        """The worst and the best score that there can be, where they are known."""
        ...

    def common_cells(self, arm: str, baseline: str) -> list[Cell]:
        """Return the cells in which both can be trained, in order."""
        ...


@dataclass(frozen=True)
class Pairs:
    """The pairs of one arm and the baseline on one endpoint.

    ``table`` has a row per pair: the key, the scores ``of_baseline`` and ``of_arm``, ``difference``, and for
    both sides ``diverged`` and ``failed``. ``cells`` are the planned ones in which both arms can be trained.
    ``missing`` has a row per pair that a seed lacks in one of them though it was begun, that is has a run of either arm
    in any of them: of both sides the score, NaN where there is no run, and whether a run that there is ``diverged`` or
    ``failed``.
    """

    arm: str
    baseline: str
    endpoint: str
    what: str
    """Description of the endpoint."""
    units: str
    table: pd.DataFrame
    cells: list[Cell]
    cell_key: list[str]
    missing: pd.DataFrame
    chance: float | None
    """The score of guessing, which a run that collapses has; None where it is not known."""
    limits: tuple[float, float] | None
    """The worst and the best score that there can be; None where they are not known."""

    def cell(self, cell: Cell) -> pd.DataFrame:
        """Return the pairs of a cell."""
        return rows_in(self.table, cell, self.cell_key)

    def matrix(self, cells: Sequence[Cell], column: str = "difference") -> NDArray[np.float64]:
        """Return a column as (seeds, cells), seeds in order, with NaN where there is no pair."""
        seeds = sorted(set(self.table.seed))
        columns = [self.cell(cell).set_index("seed")[column].reindex(seeds).to_numpy(float) for cell in cells]
        return np.column_stack(columns) if columns else np.empty((len(seeds), 0))

    def rows(self, cells: Sequence[Cell]) -> NDArray[np.float64]:
        """Return the differences (seeds, cells) of the seeds that have a pair in each of ``cells``."""
        table = self.matrix(cells)
        return np.asarray(table[~np.isnan(table).any(1)])

    def filled(self, of_baseline: float, of_arm: float) -> "Pairs":
        """Return the pairs with what is missing in its place: runs that learn, with these scores."""
        scores = {"of_baseline": of_baseline, "of_arm": of_arm}
        known = self.missing.fillna(scores).assign(difference=_differences)
        table = pd.concat([self.table, known[self.table.columns]]) if len(known) else self.table
        ordered = table.sort_values([*self.cell_key, "seed"], ignore_index=True)
        return replace(self, table=ordered, missing=self.missing.iloc[:0])

    @property
    def complete(self) -> pd.DataFrame:
        """The rows of the seeds that have a pair in every one of ``cells``."""
        n_pairs = self.table.groupby("seed").difference.transform("size")
        return self.table[n_pairs == len(self.cells)]


def zero_rounding_noise(differences: ArrayLike, sizes: ArrayLike = 1.0) -> NDArray[np.float64]:
    """Return the differences, exactly zero where scores of these ``sizes`` cancel but for rounding, lest noise have a
    sign.

    Accuracies are counts over images: no mean of a few epochs and cells differs from another by less than 1e-12.
    """
    d = np.asarray(differences, dtype=np.float64)
    return np.where(np.abs(d) < 1e-12 * np.asarray(sizes), 0.0, d)


def _differences(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return arm minus baseline of every row."""
    return zero_rounding_noise(table.of_arm - table.of_baseline, table[["of_arm", "of_baseline"]].abs().max(axis=1))


def over_cells(D: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean (seeds,) of each row of ``D`` (seeds, cells) less rounding noise; none where there is no cell."""
    return zero_rounding_noise(D.mean(1)) if D.shape[1] else np.empty(0)


def pair(study: Scored, arm: str, endpoint: str, baseline: str | None = None) -> Pairs:
    """Join the runs of ``arm`` and the baseline, or another arm in its place, by cell and seed."""
    other = study.baseline if baseline is None else baseline
    key, cells = [*study.cell_key, "seed"], study.common_cells(arm, other)
    return Pairs(
        arm=arm,
        baseline=other,
        endpoint=endpoint,
        what=study.endpoints[endpoint],
        units=study.units,
        table=join(study, arm, endpoint, key, other),
        cells=cells,
        cell_key=study.cell_key,
        missing=_missing(study, arm, endpoint, cells, other),
        chance=study.chance,
        limits=study.limits,
    )


def _missing(study: Scored, arm: str, endpoint: str, cells: Sequence[Cell], baseline: str) -> pd.DataFrame:
    """Return the pairs that a begun seed lacks, as ``Pairs.missing`` has them."""
    key, flags = [*study.cell_key, "seed"], ["diverged", "failed"]
    outcomes, of = study.outcomes, {"baseline": baseline, "arm": arm}
    sides = {side: outcomes[outcomes.arm == one] for side, one in of.items()}
    known = [
        runs.set_index(key)[[endpoint, *flags]].rename(columns={endpoint: "of"}).add_suffix(f"_{side}")
        for side, runs in sides.items()
    ]
    seeds = sorted(set().union(*(runs.seed for runs in sides.values())))
    rows = [(*levels(cell, study.cell_key), seed) for cell in cells for seed in seeds]
    begun = pd.DataFrame(rows, columns=key).set_index(key).index
    table = pd.concat(known, axis=1).reindex(begun) if len(begun) else pd.concat(known, axis=1).iloc[:0]
    lacking = table[table[["of_baseline", "of_arm"]].isna().any(axis=1)].reset_index()
    return lacking.assign(**{f"{flag}_{side}": lacking[f"{flag}_{side}"].eq(True) for flag in flags for side in of})


def join(study: Scored, arm: str, endpoint: str, key: list[str], baseline: str | None = None) -> pd.DataFrame:
    """Return the ``table`` of pairs whose runs have equal values in ``key``, sorted by it; of another arm in the place
    of the baseline, where one is named."""
    columns = [*key, endpoint, "diverged", "failed"]
    of_baseline, of_arm = (
        study.outcomes.loc[study.outcomes.arm == name, columns].rename(columns={endpoint: "of"})
        for name in (study.baseline if baseline is None else baseline, arm)
    )
    table = of_baseline.merge(of_arm, on=key, suffixes=("_baseline", "_arm"), validate="one_to_one")
    table["difference"] = _differences(table)
    return table.sort_values(key, ignore_index=True)
