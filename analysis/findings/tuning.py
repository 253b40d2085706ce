"""Tuned against tuned: what is left of the difference once both arms had the same budget.

A search chooses a configuration for each arm; fresh seeds of both, on test images of which the choice knew nothing,
are pairs that differ in the arm and in what was chosen. Another search chooses other configurations, so a claim on
equal tuning has the search for its unit: seeds of one search are a sample of its two configurations alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.findings.family import conclude
from analysis.findings.tipping import Side, Tipping, tipping
from analysis.findings.trials import (
    Budget,
    Chosen,
    GoodRegion,
    Importance,
    Trial,
    chosen,
    expected_best_of,
    good_regions,
    importances,
    tried,
)
from analysis.records.cells import rows_in
from analysis.records.pairs import join, zero_rounding_noise
from analysis.records.scores import Scores, scores_of
from analysis.records.tables import PRIMARY, StudyData
from analysis.records.trials import Trials, load_trials
from analysis.stats.intervals import Interval, fieller, t_interval
from analysis.stats.multiple_tests import bonferroni_level
from analysis.stats.paired_tests import Test, paired_t
from analysis.stats.tuning.cross_fitting import CrossFit, crossfit
from analysis.stats.tuning.tuning_curves import BestDifference, expected_best_difference
from study.spec.factors import REFERENCE_SETTING

Differences = NDArray[np.float64]

MIN_SEARCHES = 6
"""Searches from which on there is an interval for equal tuning."""
ONE, LISTED, EQUAL = "these two configurations", "listed", "equal tuning"
"""What is claimed: of one search, of a few, of MIN_SEARCHES or more."""
SIDES = ("of_baseline", "of_arm")


@dataclass(frozen=True)
class Gap:
    """Arm minus baseline over pairs of fresh seeds: all pairs, failures as they ended."""

    mean_baseline: float
    mean_arm: float
    n_runs: int
    """Runs behind each side."""
    n_failed_baseline: int
    n_failed_arm: int
    n_better: int
    """Units in which the arm is better."""
    interval: Interval
    """Over the unit: no ends where searches are listed."""
    test: Test | None
    """The t test that the interval inverts; None where searches are listed."""


@dataclass(frozen=True)
class Search:
    """One search: its two configurations, tuned and untuned, over its own fresh seeds."""

    search: int
    chosen: list[Chosen]
    """The baseline's, then the arm's."""
    after: Gap
    before: Gap


@dataclass(frozen=True)
class TuningGain:
    """Gain of an arm by tuning: tuned minus untuned, by unit."""

    arm: str
    interval: Interval
    test: Test | None


@dataclass(frozen=True)
class Tuned:
    """One arm against the baseline, both tuned."""

    arm: str
    baseline: str
    space: Mapping[str, tuple[float, float]]
    """The lowest and the highest level that there was to choose, by factor."""
    n_held_out: int
    """Images that scored the trials."""
    scope: str
    """ONE, LISTED or EQUAL."""
    unit: str
    """``seeds`` of one search, else ``searches``."""
    after: Gap
    """Both tuned; over the unit."""
    pairs: Scores
    """Both arms' scores, tuned, of every unit: what ``after`` is made of."""
    inner: Interval
    """The 1 - 2 alpha interval of ``after``: within the margin, the arms are equivalent."""
    verdict: str
    """A key of ``family.VERDICTS``: whether the interval of ``after`` excludes 0."""
    reason: str | None
    """Why there is no verdict."""
    tipping: Tipping | None
    """None where neither arm is better."""
    n_missing: int
    """Tuned runs without records, of seeds that the other arm has."""
    before: Gap
    """Both at the reference setting, which nobody tuned, of the same seeds."""
    taken_away: Interval
    """Reduction by tuning: untuned difference less tuned difference."""
    taken_away_test: Test | None
    share: Interval | None
    """The reduction as a share of the untuned difference; None where it lies outside of 0 to 1, or has no bounds."""
    gains: list[TuningGain]
    searches: list[Search]
    chosen: list[Chosen]
    """What search 1 chose: the baseline's, then the arm's. All that follows is of search 1."""
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


def tuned(study: StudyData, alpha: float, margin: float) -> list[Tuned]:
    """Return the result of each arm; none for a study that was not tuned, or that has nothing to compare."""
    if study.tuned is None or not study.treatments:
        return []
    searches = load_trials(study)
    return [_tuned(study, study.tuned, searches, arm, alpha, margin) for arm in study.treatments]


def _tuned(
    study: StudyData, runs: StudyData, searches: Sequence[Trials], arm: str, alpha: float, margin: float
) -> Tuned:
    arms, level, trials = (study.baseline, arm), 1 - alpha, searches[0]
    pairs, over = Pairs.of(study, runs, arm), Unit(len(searches), study.design.search_of, level)
    claim = replace(over, n_arms=len(study.treatments))
    after, before = _gap(pairs.tuned, claim), _gap(pairs.untuned, over)
    inner = replace(claim, level=1 - 2 * alpha).interval(over.differences(pairs.tuned))
    whole = over.differences(pairs.four, "difference_untuned")
    reduction = zero_rounding_noise(whole - over.differences(pairs.four, "difference_tuned"))
    verdict, reason = _verdict(after, inner, over, pairs, alpha, margin)
    return Tuned(
        arm=arm,
        baseline=study.baseline,
        space=trials.ranges,
        n_held_out=trials.n_held_out,
        scope=over.scope,
        unit=over.name,
        after=after,
        pairs=scores_of(over.rows(pairs.tuned), unit=over.name),
        inner=inner,
        verdict=verdict,
        reason=reason,
        tipping=_tipping(pairs.tuned, verdict, arms, study.chance, alpha),
        n_missing=pairs.n_missing,
        before=before,
        taken_away=over.interval(reduction),
        taken_away_test=over.test(reduction),
        share=None if over.scope == LISTED else share_of_gap(reduction, whole, level),
        gains=[_gain(pairs, over, one, side) for one, side in zip(arms, SIDES, strict=True)],
        searches=[_search(study, pairs, one, arms, level) for one in searches],
        chosen=[chosen(study, trials, one) for one in arms],
        crossfit=crossfit(trials.complete(study.baseline), trials.complete(arm), level),
        budgets=[expected_best_of(trials, one, level) for one in arms] if trials.uniform else [],
        gap_by_budget=_gap_by_budget(trials, arms, level),
        breadths=good_regions(trials, arms, level) if trials.uniform else [],
        importances=importances(trials, arms),
        trials=[trial for one in arms for trial in tried(study, trials, one)],
    )


def _search(study: StudyData, pairs: "Pairs", trials: Trials, arms: tuple[str, str], level: float) -> Search:
    """Return one search; its intervals are over its own seeds."""
    own, seeds = Unit(1, study.design.search_of, level), study.design.seeds_of(trials.search)
    after, before = (_gap(table[table.seed.isin(seeds)], own) for table in (pairs.tuned, pairs.untuned))
    return Search(trials.search, [chosen(study, trials, arm) for arm in arms], after, before)


def _gap(table: pd.DataFrame, over: "Unit") -> Gap:
    d = over.differences(table)
    of_baseline, of_arm = (float(over.means(table, side).mean()) if len(d) else math.nan for side in SIDES)
    return Gap(
        mean_baseline=of_baseline,
        mean_arm=of_arm,
        n_runs=len(table),
        n_failed_baseline=int(table.failed_baseline.sum()),
        n_failed_arm=int(table.failed_arm.sum()),
        n_better=int((d > 0).sum()),
        interval=over.interval(d),
        test=over.test(d),
    )


def _gain(pairs: "Pairs", over: "Unit", arm: str, side: str) -> TuningGain:
    after, before = (over.means(pairs.four, f"{side}_{what}") for what in ("tuned", "untuned"))
    d = zero_rounding_noise(after - before)
    return TuningGain(arm, over.interval(d), over.test(d))


def _gap_by_budget(trials: Trials, arms: tuple[str, str], level: float) -> BestDifference | None:
    baseline, arm = map(trials.scores, arms)
    return expected_best_difference(baseline, arm, level) if trials.uniform else None


# --- pairs, and the unit over which they are averaged


@dataclass(frozen=True)
class Pairs:
    """The pairs of one arm and the baseline by seed, as ``join`` gives them."""

    tuned: pd.DataFrame
    untuned: pd.DataFrame
    """At the reference setting."""
    four: pd.DataFrame
    """Both, of the seeds that have all four runs."""
    n_missing: int
    """Tuned runs without records, of seeds that one of the two arms has."""

    @classmethod
    def of(cls, study: StudyData, runs: StudyData, arm: str) -> Self:
        tuned = join(runs, arm, PRIMARY, ["seed"])
        everywhere = join(study, arm, PRIMARY, [*study.cell_key, "seed"])
        untuned = rows_in(everywhere, REFERENCE_SETTING, study.cell_key).reset_index(drop=True)
        four = untuned.merge(tuned, on="seed", suffixes=("_untuned", "_tuned"))
        seeds = [{*of_arm.seed} for name, of_arm in runs.outcomes.groupby("arm") if name in (arm, runs.baseline)]
        return cls(tuned, untuned, four, len(set.union(*seeds)) * 2 - sum(map(len, seeds)) if seeds else 0)


@dataclass(frozen=True)
class Unit:
    """What differences are averaged over: seeds of one search, else searches."""

    n_searches: int
    search_of: Callable[[int], int]
    """The search of a seed."""
    level: float
    n_arms: int = 1
    """Arms for which the intervals hold together, by Bonferroni's level; p-values are adjusted likewise."""

    @property
    def scope(self) -> str:
        return ONE if self.n_searches == 1 else LISTED if self.n_searches < MIN_SEARCHES else EQUAL

    @property
    def name(self) -> str:
        return "seeds" if self.n_searches == 1 else "searches"

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a row a unit, whose number stands under ``seed``: of each seed, or the means over each search's."""
        if self.n_searches == 1 or table.empty:
            return table
        return table.groupby(table.seed.map(self.search_of)).mean(numeric_only=True).drop(columns="seed").reset_index()

    def means(self, table: pd.DataFrame, column: str) -> Differences:
        """Return the values of a column, one a unit."""
        return self.rows(table)[column].to_numpy(float)

    def differences(self, table: pd.DataFrame, column: str = "difference") -> Differences:
        return zero_rounding_noise(self.means(table, column))

    def interval(self, d: Differences) -> Interval:
        """Return mean and t interval of ``d`` (n,), one a unit; no ends where there are too few searches."""
        whole = replace(t_interval(d, bonferroni_level(self.level, self.n_arms)), level=self.level)
        if self._suffice(d):
            return whole
        few = f"{whole.n} searches: an interval for equal tuning needs {MIN_SEARCHES}"
        return replace(whole, low=math.nan, high=math.nan, reason=few)

    def test(self, d: Differences) -> Test | None:
        """Return the t test of ``d``, None where there is no interval."""
        if not self._suffice(d):
            return None
        alone = paired_t(d)
        return alone if self.n_arms == 1 else replace(alone, pvalue=min(self.n_arms * alone.pvalue, 1.0))

    def _suffice(self, d: Differences) -> bool:
        return self.n_searches == 1 or len(d) >= MIN_SEARCHES


# --- what is claimed


def _verdict(
    after: Gap, inner: Interval, over: Unit, pairs: Pairs, alpha: float, margin: float
) -> tuple[str, str | None]:
    """Return the verdict, and why there is none."""
    if pairs.n_missing:
        return "withheld", f"{pairs.n_missing} tuned run{' has' if pairs.n_missing == 1 else 's have'} no records"
    if over.scope == LISTED:
        return "description", after.interval.reason
    return conclude(after.interval, inner, None, alpha, margin, over.name)


def _tipping(table: pd.DataFrame, verdict: str, arms: tuple[str, str], chance: float, alpha: float) -> Tipping | None:
    if not verdict.startswith(("better", "worse")):
        return None
    side: Side = "arm" if verdict.startswith("better") else "baseline"
    return tipping(table, side, arms[side == "arm"], chance, alpha)


def share_of_gap(reduction: Differences, whole: Differences, level: float) -> Interval | None:
    """Return the reduction as a share of the whole gap, with Fieller's interval; None where tuning widened the gap or
    turned it round, or where the gap is not told from zero."""
    share = fieller(reduction, whole, level)
    return share if share.reason is None and 0 <= share.estimate <= 1 else None
