"""What do the trials of one search say: what it chose, what a budget buys, how much of the space is good, and why.

The scores are on held-out images. Trials of several searches are not one search of more trials, so each is taken by
itself.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.records.tables import StudyData
from analysis.records.trials import Trials
from analysis.stats.intervals import Interval
from analysis.stats.time_to_event import THRESHOLDS
from analysis.stats.tuning.good_regions import RegionDifference, good_region, good_region_difference
from analysis.stats.tuning.tuning_curves import expected_best, expected_best_band
from study.spec.factors import Cell

Scores = NDArray[np.float64]

NEAR = 0.01
"""A trial this much below the best one of its arm is still a good one."""
MIN_TRIALS = 50
"""Below, the best tenth is fewer than the 5 trials that PED-ANOVA's authors ask for."""


@dataclass(frozen=True)
class Chosen:
    """The configuration that the search of an arm chose."""

    arm: str
    cell: Cell
    trial: int
    score: float
    """Score of the best trial on the held-out images, which chose it: too good by as much as luck had a part in it."""
    n_trials: int
    n_seeds: int
    n_diverged: int
    """Number of trials of which a seed diverged."""
    n_pruned: int


@dataclass(frozen=True)
class Trial:
    """A configuration that was tried, and its score on the held-out images."""

    arm: str
    trial: int
    cell: Cell
    score: float
    n_diverged: int
    """Number of seeds."""
    pruned: bool


@dataclass(frozen=True)
class Budget:
    """The expected best score of an arm over the number of its trials, with a band for all of them."""

    arm: str
    expected: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True)
class GoodRegion:
    """Shares of the space above a target: of the trials that reach it."""

    what: str
    target_baseline: float
    target_arm: float
    of_baseline: Interval
    of_arm: Interval
    difference: RegionDifference


@dataclass(frozen=True)
class Importance:
    """Importance of each factor to whether a trial is among the best tenth: shares that add up to 1 (PED-ANOVA)."""

    arm: str
    shares: Mapping[str, float]
    """Shares by factor."""


def chosen(study: StudyData, trials: Trials, arm: str) -> Chosen:
    """Return what a search chose for an arm."""
    cell = chosen_cells(study, trials.search)[arm]
    table, best = trials.configurations[arm], trials.best(arm, cell)
    assert best is not None  # load_trials refuses a study without it
    return Chosen(
        arm=arm,
        cell=cell,
        trial=int(table.trial.iloc[best]),
        score=float(trials.scores(arm)[best]),
        n_trials=len(table),
        n_seeds=len(trials.by_seed[arm]),
        n_diverged=int((table.n_diverged > 0).sum()),
        n_pruned=int(table.pruned.sum()),
    )


def chosen_cells(study: StudyData, search: int) -> dict[str, Cell]:
    """Return the cell that a search chose for each arm."""
    return {one.arm: study.cell(one.cell) for one in study.design.tuned if one.search == search}


def tried(study: StudyData, trials: Trials, arm: str) -> list[Trial]:
    """Return the trials of an arm, in the order of its search."""
    table, cells = trials.configurations[arm], map(study.cell, trials.cells(arm))
    columns = (table.trial, cells, trials.scores(arm).tolist(), table.n_diverged, table.pruned)
    return [
        Trial(arm, int(trial), cell, score, int(n_diverged), bool(pruned))
        for trial, cell, score, n_diverged, pruned in zip(*columns, strict=True)
    ]


def expected_best_of(trials: Trials, arm: str, level: float) -> Budget:
    """Return what each number of an arm's trials buys."""
    scores = trials.scores(arm)
    low, high = expected_best_band(scores, level)
    return Budget(arm, expected_best(scores).tolist(), low.tolist(), high.tolist())


def good_regions(trials: Trials, arms: tuple[str, str], level: float) -> list[GoodRegion]:
    """Return the shares above accuracies that were fixed before looking, then near the best trial of each arm."""
    scores = trials.scores(arms[0]), trials.scores(arms[1])
    targets = [(f"accuracy of at least {100 * fixed:g} %", (fixed, fixed)) for fixed in THRESHOLDS]
    near = (float(scores[0].max()) - NEAR, float(scores[1].max()) - NEAR)
    targets.append((f"within {100 * NEAR:g} point of the arm's own best trial", near))
    return [_good_region(what, scores, target, level) for what, target in targets]


def _good_region(what: str, scores: tuple[Scores, Scores], targets: tuple[float, float], level: float) -> GoodRegion:
    of_baseline, of_arm = (good_region(side, target, level) for side, target in zip(scores, targets, strict=True))
    difference = good_region_difference(scores[0], scores[1], *targets, level)
    return GoodRegion(what, *targets, of_baseline, of_arm, difference)


def importances(trials: Trials, arms: tuple[str, str]) -> list[Importance]:
    """Return what decides in each arm; nothing where trials are too few or were stopped early."""
    enough = all(len(table) >= MIN_TRIALS and not table.pruned.any() for table in trials.configurations.values())
    return [_importance(trials, arm) for arm in arms] if enough else []


@contextmanager
def _silent_optuna() -> Iterator[None]:
    """Silence Optuna, which logs every study that it makes."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _importance(trials: Trials, arm: str) -> Importance:
    """Return Optuna's importances of a search made again from the table."""
    import optuna

    with warnings.catch_warnings(), _silent_optuna():
        warnings.simplefilter("ignore")  # ExperimentalWarning
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
        for params, value in zip(trials.params(arm), trials.scores(arm).tolist(), strict=True):
            study.add_trial(optuna.create_trial(params=params, distributions=trials.space.distributions, value=value))
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return Importance(arm, {key: float(shares.get(name, 0.0)) for key, name in trials.names.items()})
