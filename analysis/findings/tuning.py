"""Tuned against tuned: what is left of the difference once both arms had the same budget, and what a budget yields.

The tuned cell's pairs are runs of one seed that differ in the arm and in the configuration that its search chose; they
are fresh seeds and test images, of which the choice knew nothing. The scores of the searches are on held-out images.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.findings import contrasts
from analysis.findings.contrasts import Contrast
from analysis.records.cells import levels, rows_in
from analysis.records.pairs import Pairs, join, zero_rounding_noise
from analysis.records.tables import ENDPOINTS, PRIMARY, StudyData
from analysis.records.trials import Trials, load_trials
from analysis.stats.cross_fitting import CrossFit, crossfit
from analysis.stats.good_regions import RegionDifference, good_region, good_region_difference
from analysis.stats.intervals import Interval, fieller, t_interval
from analysis.stats.paired_tests import Test, sign_flip
from analysis.stats.time_to_event import THRESHOLDS
from analysis.stats.tuning_curves import BestDifference, expected_best, expected_best_band, expected_best_difference
from study.spec.factors import REFERENCE_SETTING, Cell, in_words, rounded

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
class TuningGain:
    """Gain of an arm by tuning: tuned minus untuned, by seed."""

    arm: str
    interval: Interval
    sign_flip: Test


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


@dataclass(frozen=True)
class Tuned:
    """One arm against the baseline, both tuned."""

    arm: str
    baseline: str
    space: Mapping[str, tuple[float, float]]
    """The lowest and the highest level that there was to choose, by factor."""
    n_held_out: int
    """Images that scored the trials."""
    chosen: list[Chosen]
    """The baseline's, then the arm's."""
    contrasts: list[Contrast]
    """Contrasts of the tuned cell, one an endpoint."""
    untuned: Contrast
    """The contrast at the reference setting, which nobody tuned, of the same seeds."""
    taken_away: Interval
    """Reduction by tuning: untuned difference less tuned difference, by seed."""
    taken_away_test: Test
    share: Interval
    """Proportion explained: the reduction by tuning as a share of the untuned difference."""
    gains: list[TuningGain]
    crossfit: CrossFit
    """Cross-fit on the trials: both choose on all seeds but one and are scored on that."""
    budgets: list[Budget]
    """Empty, as are the next two, where the trials followed a sampler that learns or a pruner."""
    gap_by_budget: BestDifference | None
    breadths: list[GoodRegion]
    importances: list[Importance]
    """Empty where trials are too few or were stopped early."""
    trials: list[Trial]
    """Trials of both arms, in the order of their searches."""

    @property
    def primary(self) -> Contrast:
        return next(contrast for contrast in self.contrasts if contrast.endpoint == PRIMARY)


def tuned(study: StudyData, grid: Sequence[Contrast], alpha: float, margin: float) -> list[Tuned]:
    """Return the result of each arm, none for a study that was not tuned; ``grid`` are the study's contrasts."""
    trials = load_trials(study)
    if trials is None or study.tuned is None:
        return []
    return [_tuned(study, study.tuned, trials, grid, arm, alpha, margin) for arm in study.treatments]


def _tuned(
    study: StudyData, runs: StudyData, trials: Trials, grid: Sequence[Contrast], arm: str, alpha: float, margin: float
) -> Tuned:
    arms, level = (study.baseline, arm), 1 - alpha
    both = _with_and_without_tuning(study, runs, arm)
    before, after = both["untuned"].to_numpy(float), both["tuned"].to_numpy(float)
    reduction = zero_rounding_noise(before - after)
    scores = trials.scores(study.baseline), trials.scores(arm)
    return Tuned(
        arm=arm,
        baseline=study.baseline,
        space=trials.ranges,
        n_held_out=trials.n_held_out,
        chosen=[_chosen(study, trials, one) for one in arms],
        contrasts=[_contrast(runs, arm, endpoint, alpha, margin) for endpoint in ENDPOINTS],
        untuned=contrasts.by_cell(grid, arm)[REFERENCE_SETTING],
        taken_away=t_interval(reduction, level),
        taken_away_test=sign_flip(reduction),
        share=fieller(reduction, before, level),
        gains=[_gain(both, one, level) for one in arms],
        crossfit=crossfit(trials.complete(study.baseline), trials.complete(arm), level),
        budgets=[_expected_best(trials, one, level) for one in arms] if trials.uniform else [],
        gap_by_budget=expected_best_difference(*scores, level) if trials.uniform else None,
        breadths=_good_regions(trials, arms, level) if trials.uniform else [],
        importances=_importances(trials, arms),
        trials=[trial for one in arms for trial in _trials(study, trials, one)],
    )


# --- the runs


def chosen_cells(study: StudyData) -> dict[str, Cell]:
    """Return the cell that tuning chose for each arm."""
    return {chosen.arm: study.cell(chosen.cell) for chosen in study.design.tuned}


def tuned_pairs(runs: StudyData, arm: str, endpoint: str) -> Pairs:
    """Return the pairs of the tuned cell, which has the arm's configuration for its name."""
    cell = chosen_cells(runs)[arm]
    table = join(runs, arm, endpoint, ["seed"])
    for key, level in zip(runs.cell_key, levels(cell, runs.cell_key), strict=True):
        table[key] = level
    what = runs.endpoints[endpoint]
    return Pairs(
        arm,
        runs.baseline,
        endpoint,
        what,
        runs.units,
        table,
        [cell],
        runs.cell_key,
        missing=table.iloc[:0],
        chance=runs.chance,
        limits=runs.limits,
    )


def _contrast(runs: StudyData, arm: str, endpoint: str, alpha: float, margin: float) -> Contrast:
    contrast, *_ = contrasts.of_pairs(tuned_pairs(runs, arm, endpoint), [], alpha, margin)
    settings = {arm: f"{arm} at {in_words(rounded(cell))}" for arm, cell in chosen_cells(runs).items()}
    return replace(
        contrast,
        estimand=f"mean over {runs.units} of {settings[arm]} minus {settings[runs.baseline]},"
        f" {runs.endpoints[endpoint]}",
    )


def _with_and_without_tuning(study: StudyData, runs: StudyData, arm: str) -> pd.DataFrame:
    """Return each arm's score tuned and untuned, and the differences, by seed, of the seeds that have all four runs."""

    def scores(table: pd.DataFrame, name: str, what: str) -> "pd.Series[float]":
        return table[table.arm == name].set_index("seed")[PRIMARY].rename(f"{what} {name}")

    untuned = rows_in(study.outcomes, REFERENCE_SETTING, study.cell_key)
    kinds = {"untuned": untuned, "tuned": runs.outcomes}
    columns = [scores(runs_of, name, what) for what, runs_of in kinds.items() for name in (study.baseline, arm)]
    table = pd.concat(columns, axis=1, join="inner").sort_index()
    for what in kinds:
        table[what] = zero_rounding_noise(table[f"{what} {arm}"] - table[f"{what} {study.baseline}"])
    return table


def _gain(both: pd.DataFrame, arm: str, level: float) -> TuningGain:
    d = zero_rounding_noise(both[f"tuned {arm}"] - both[f"untuned {arm}"])
    return TuningGain(arm, t_interval(d, level), sign_flip(d))


# --- the trials


def _chosen(study: StudyData, trials: Trials, arm: str) -> Chosen:
    cell = chosen_cells(study)[arm]
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


def _trials(study: StudyData, trials: Trials, arm: str) -> list[Trial]:
    table, cells = trials.configurations[arm], map(study.cell, trials.cells(arm))
    columns = (table.trial, cells, trials.scores(arm).tolist(), table.n_diverged, table.pruned)
    return [
        Trial(arm, int(trial), cell, score, int(n_diverged), bool(pruned))
        for trial, cell, score, n_diverged, pruned in zip(*columns, strict=True)
    ]


def _expected_best(trials: Trials, arm: str, level: float) -> Budget:
    scores = trials.scores(arm)
    low, high = expected_best_band(scores, level)
    return Budget(arm, expected_best(scores).tolist(), low.tolist(), high.tolist())


def _good_regions(trials: Trials, arms: tuple[str, str], level: float) -> list[GoodRegion]:
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


def _importances(trials: Trials, arms: tuple[str, str]) -> list[Importance]:
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
