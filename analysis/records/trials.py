"""The trials of tuning, read and checked: ``trials.parquet`` as a matrix of scores for each search and arm."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.errors import AnalysisError
from analysis.records.cells import cell_at, rows_in
from analysis.records.tables import StudyData
from study.errors import StudyError
from study.spec.checks import listed
from study.spec.factors import REFERENCE_SETTING, Cell
from study.spec.history import DIVERGED, OK
from study.spec.tuning.trial_design import TrialDesign
from study.store.study_folder import Folder
from study.tuning import trials_table
from study.tuning.space import Space, params
from study.tuning.trials_table import SEARCH

KEY = ["arm", "trial", "seed"]
UNIFORM = "sobol"
"""The sampler that does not learn."""
ROUNDING = 1e-12
"""Scores that differ by less are equal: they are means of counts over images."""


@dataclass(frozen=True)
class Trials:
    """Every arm's trials of one search, in its order."""

    search: int
    """Its number, from 1."""
    space: Space
    sampler: str
    n_held_out: int
    """Number of images that score."""
    configurations: Mapping[str, pd.DataFrame]
    """A table by arm: trial, the levels of the space's factors, n_diverged (seeds), pruned."""
    by_seed: Mapping[str, NDArray[np.float64]]
    """Accuracy on the held-out images by arm, (seeds, trials); the worst there is where a seed diverged."""

    def scores(self, arm: str) -> NDArray[np.float64]:
        """Return the score of each trial (trials,), as the search got it."""
        return np.asarray(self.by_seed[arm].mean(axis=0))

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The lowest and the highest level of the space, by factor."""
        return {field.name: getattr(self.space, field.name) for field in fields(self.space)}

    @property
    def names(self) -> dict[str, str]:
        """Optuna's names of the factors, which it has in the order of the space."""
        return dict(zip(self.ranges, self.space.distributions, strict=True))

    def cells(self, arm: str) -> list[Cell]:
        """Return the configurations that were tried."""
        table, key = self.configurations[arm], [*self.ranges]
        return [cell_at(key, values) for values in zip(*(table[name].tolist() for name in key), strict=True)]

    def params(self, arm: str) -> list[dict[str, Any]]:
        """Return the configurations as Optuna had them."""
        return [params(cell) for cell in self.cells(arm)]

    def complete(self, arm: str) -> NDArray[np.float64]:
        """Return the accuracies (seeds, trials) of the trials that trained to the end."""
        return self.by_seed[arm][:, ~self.configurations[arm].pruned.to_numpy(bool)]

    def best(self, arm: str, cell: Cell) -> int | None:
        """Return the row of the trial that chose this configuration; None where none of it was best among those that
        trained to the end. Which of equal ones was taken is up to the search: its sums may be rounded otherwise."""
        table = self.configurations[arm]
        scores = np.where(table.pruned, -1.0, self.scores(arm))
        same = table.index.isin(rows_in(table, cell, [*self.ranges]).index)
        rows = np.flatnonzero(same & (scores >= scores.max() - ROUNDING))
        return int(rows[0]) if len(rows) else None

    @property
    def uniform(self) -> bool:
        """Whether the trials lie over the space as chance would have it, the same for all arms and all trained to the
        end: what they say of the space then holds for other searches too."""
        return self.sampler == UNIFORM and not any(table.pruned.any() for table in self.configurations.values())


def load_trials(study: StudyData) -> list[Trials]:
    """Return the trials of each search, none where the study was not tuned; refuse a table that is not what it should
    be."""
    if not study.design.tuned:
        return []
    try:
        table = trials_table.read(Folder(study.path)).to_pandas(use_threads=False)
        tuning = study.manifest.get("tuning", {})
        space, sampler = Space.parse(tuning["space"]), str(tuning["sampler"])
    except (FileNotFoundError, KeyError):
        raise AnalysisError(f"{study.path} has a tuned cell and no trials; its study.tune command makes them") from None
    except (StudyError, OSError, ValueError) as error:
        raise AnalysisError(f"{study.path / 'trials.parquet'} cannot be read: {error}") from None
    by_search = _by_search(table, study)
    n_held_out = TrialDesign.of(study.design).data.n_test
    for of_search in by_search.values():
        _check(of_search, study, space, sampler, n_held_out)
    if any(REFERENCE_SETTING not in study.common_cells(arm, study.baseline) for arm in study.design.arms):
        raise AnalysisError(f"{study.path} has a tuned cell and not the setting that nobody tuned beside it")
    factors = [field.name for field in fields(space)]
    found = []
    for search, of_search in by_search.items():
        matrices = _matrices(of_search.sort_values(KEY, ignore_index=True), factors, study.design.epochs)
        found.append(Trials(search, space, sampler, n_held_out, *matrices))
        _check_chosen(found[-1], study)
    return found


def _by_search(table: pd.DataFrame, study: StudyData) -> dict[int, pd.DataFrame]:
    """Return the rows of each search, which are all of search 1 where no column says of which they are."""
    path, n_searches = study.path / "trials.parquet", study.design.n_searches
    if SEARCH not in table:
        table = table.assign(**{SEARCH: 1})
    if table.empty:
        raise AnalysisError(f"{path}: it is empty")
    found = sorted(table[SEARCH].unique().tolist())
    if found != [*range(1, n_searches + 1)]:
        raise AnalysisError(
            f"{path}: the tuned cell is of {n_searches} searches, the trials are of {listed(found)}; the same"
            " study.tune command makes them agree"
        )
    return {search: table[table[SEARCH] == search].reset_index(drop=True) for search in found}


def _check_chosen(trials: Trials, study: StudyData) -> None:
    for chosen in study.design.tuned:
        if chosen.search == trials.search and trials.best(chosen.arm, chosen.cell) is None:
            raise AnalysisError(
                f"the tuned cell is not what the trials of {chosen.arm} chose; the same study.tune command makes them"
                " agree"
            )


def _matrices(
    table: pd.DataFrame, factors: list[str], epochs: int
) -> tuple[dict[str, pd.DataFrame], dict[str, NDArray[np.float64]]]:
    """Return configurations and scores by arm. A trial was stopped early where it ended before the last of the
    ``epochs``: if all its seeds diverged, no status says so."""
    configurations: dict[str, pd.DataFrame] = {}
    by_seed: dict[str, NDArray[np.float64]] = {}
    for arm, of_arm in table.groupby("arm"):
        accuracy = of_arm.accuracy.fillna(0.0).to_numpy()
        n_seeds = of_arm.seed.nunique()
        by_seed[str(arm)] = accuracy.reshape(-1, n_seeds).T
        configurations[str(arm)] = of_arm.groupby("trial", as_index=False).agg(
            **{name: (name, "first") for name in factors},
            n_diverged=("status", lambda status: int((status == DIVERGED).sum())),
            pruned=("epoch", lambda epoch: bool((epoch < epochs).any())),
        )
    return configurations, by_seed


def _check(table: pd.DataFrame, study: StudyData, space: Space, sampler: str, n_held_out: int) -> None:
    """Refuse what no tuning of this design writes; the message names the first rule that is broken."""
    rules = (*_arm_rules(table, study), *_space_rules(table, space, sampler), *_row_rules(table, study, n_held_out))
    for rule, holds in rules:
        if not np.all(holds):
            raise AnalysisError(f"{study.path / 'trials.parquet'}: {rule}")


def _arm_rules(table: pd.DataFrame, study: StudyData) -> Iterator[tuple[str, Any]]:
    """Yield the rules that both arms' searches keep together, and whether they are kept."""
    numbers = [sorted(of_arm.trial.unique()) for _, of_arm in table.groupby("arm")]
    seeds = table.groupby(["arm", "trial"]).seed.agg(tuple)
    yield "it holds rows of another study", table.study_id == study.manifest["study_id"]
    yield "it lacks an arm, or has a foreign one", {*table.arm} == {*study.design.arms}
    yield "it holds rows twice", ~table.duplicated(KEY)
    yield "the trials of an arm are not numbered from 0", all(n == [*range(len(n))] for n in numbers)
    yield "not every trial has the same seeds", len({*seeds}) == 1


def _space_rules(table: pd.DataFrame, space: Space, sampler: str) -> Iterator[tuple[str, Any]]:
    """Yield the rules of configurations."""
    factors = [field.name for field in fields(space)]
    yield "a trial has two configurations", table.groupby(["arm", "trial"])[[*factors, "epoch"]].nunique() == 1
    yield "a configuration lies outside of the space", [table[name].map(partial(space.holds, name)) for name in factors]
    if sampler == UNIFORM:
        same = table.groupby("trial")[factors].nunique() == 1
        alike = table.groupby("arm").trial.nunique().nunique() == 1
        yield "the arms have different points, which the sampler sobol never gives them", np.all(same) and alike


def _row_rules(table: pd.DataFrame, study: StudyData, n_held_out: int) -> Iterator[tuple[str, Any]]:
    """Yield the rules of each row by itself."""
    ok, n_epochs = table[table.status != DIVERGED], study.design.epochs
    metrics = table.loc[table.status == DIVERGED, ["accuracy", "loss", "n_correct"]]
    yield "a status is none of ok, diverged and pruned", table.status.isin((OK, DIVERGED, trials_table.PRUNED))
    yield "n_examples is not what is held out", table.n_examples == n_held_out
    yield "an epoch lies outside of the tuning", table.epoch.between(1, n_epochs)
    yield "a status does not go with its epoch", (ok.epoch < n_epochs) == (ok.status == trials_table.PRUNED)
    yield "n_correct lies outside of 0 to n_examples", ok.n_correct.between(0, n_held_out)
    yield "accuracy is not n_correct over n_examples", ok.accuracy == ok.n_correct / n_held_out
    yield "there is a metric though the seed diverged", metrics.isna()
