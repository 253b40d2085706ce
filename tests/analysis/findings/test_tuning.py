"""A tuned study with planted gains: what tuning takes away, what it adds and what it chose are what was planted."""

import itertools
import math
from pathlib import Path

import numpy as np
import optuna
import pytest
from scipy import stats

from analysis.findings import trials as of_trials
from analysis.findings.results import analyse
from analysis.findings.tuning import EQUAL, LISTED, ONE, Tuned, tuned
from analysis.records.tables import load
from study.spec.factors import REFERENCE_SETTING, Cell
from study.spec.runs import Run
from tests.analysis.planted import (
    TUNED_GAINS,
    TUNING_GAINS,
    UNTUNED_GAINS,
    Accuracy,
    in_gains,
    on_a_cliff,
    on_a_hill,
    plant_tuned,
    points,
)

BEFORE, AFTER, BASELINE = (np.array(gains) / 360 for gains in (UNTUNED_GAINS, TUNED_GAINS, TUNING_GAINS))
TRIED = points(24)


def made(path: Path, **options: object) -> Tuned:
    given = {"accuracy": in_gains, "trial": on_a_hill, "tried": TRIED, **options}
    study = load(plant_tuned(path, **given))  # type: ignore[arg-type]
    (found,) = tuned(study, 0.05, 0.002)
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    return made(tmp_path_factory.mktemp("results") / "s", trial=on_a_cliff)


def t_ends(d: np.ndarray) -> tuple[float, float]:
    return stats.t.interval(0.95, len(d) - 1, d.mean(), stats.sem(d))


# --- the runs


def test_tuned_the_arms_differ_by_what_was_planted(found: Tuned) -> None:
    after = found.after
    assert after.interval.estimate == pytest.approx(AFTER.mean())
    assert (after.interval.low, after.interval.high) == pytest.approx(t_ends(AFTER))
    assert after.test is not None
    assert after.test.pvalue == pytest.approx(stats.ttest_1samp(AFTER, 0).pvalue)
    assert (after.n_runs, after.interval.n, found.verdict, found.reason) == (8, 8, "better", None)
    assert after.mean_baseline == pytest.approx(np.mean([290 + 12 + k for k in range(8)]) / 360 + BASELINE.mean())
    assert after.mean_arm == pytest.approx(after.mean_baseline + AFTER.mean())
    assert found.before.interval.estimate == pytest.approx(BEFORE.mean())


def test_the_pairs_are_both_arms_scores_of_every_seed(found: Tuned) -> None:
    of_baseline = np.array([290 + 12 + k for k in range(8)]) / 360 + BASELINE
    assert (found.pairs.cell, found.pairs.seeds) == (None, list(range(8)))
    assert found.pairs.of_baseline == pytest.approx(of_baseline)
    assert found.pairs.of_arm == pytest.approx(of_baseline + AFTER)
    assert found.pairs.differences == pytest.approx(AFTER)
    assert found.pairs.learned == [True] * 8


def test_one_search_claims_its_two_configurations_over_its_seeds(found: Tuned) -> None:
    assert (found.scope, found.unit, len(found.searches)) == (ONE, "seeds", 1)
    assert found.searches[0].chosen == found.chosen
    assert found.searches[0].after == found.after


def test_what_tuning_adds_to_each_arm_and_takes_away_is_by_seed(found: Tuned) -> None:
    expected = {"no_bn": BASELINE, "bn": BASELINE + AFTER - BEFORE}
    assert [gain.arm for gain in found.gains] == ["no_bn", "bn"]
    for gain in found.gains:
        assert gain.interval.estimate == pytest.approx(expected[gain.arm].mean())
        assert (gain.interval.low, gain.interval.high) == pytest.approx(t_ends(expected[gain.arm]))
    of_baseline, of_arm = (gain.interval.estimate for gain in found.gains)
    assert found.taken_away.estimate == pytest.approx(of_baseline - of_arm)
    left = found.before.interval.estimate - found.after.interval.estimate
    assert found.taken_away.estimate == pytest.approx(left)
    assert (found.taken_away.low, found.taken_away.high) == pytest.approx(t_ends(BEFORE - AFTER))
    assert found.taken_away_test is not None
    assert found.taken_away_test.pvalue == pytest.approx(stats.ttest_1samp(BEFORE - AFTER, 0).pvalue)


def test_the_share_that_is_tuning_has_the_roots_of_fieller_s_quadratic(found: Tuned) -> None:
    away, t2 = BEFORE - AFTER, stats.t.ppf(0.975, 7) ** 2 / 8
    cov = np.cov(away, BEFORE)
    by_hand = np.roots([
        BEFORE.mean() ** 2 - t2 * cov[1, 1],
        -2 * (away.mean() * BEFORE.mean() - t2 * cov[0, 1]),
        away.mean() ** 2 - t2 * cov[0, 0],
    ])  # fmt: skip
    assert found.share is not None
    assert found.share.estimate == pytest.approx(away.mean() / BEFORE.mean())
    assert [found.share.low, found.share.high] == pytest.approx(sorted(by_hand))


def test_gains_are_of_the_seeds_that_have_all_four_runs(tmp_path: Path) -> None:
    found = made(tmp_path / "s", tried=points(4), lost={Run(REFERENCE_SETTING, seed=2, arm="bn")})
    left = np.delete(np.arange(8), 2)
    assert (found.after.interval.n, found.before.interval.n, found.taken_away.n) == (8, 7, 7)
    assert found.taken_away.estimate == pytest.approx((BEFORE - AFTER)[left].mean())


def test_where_both_searches_chose_the_untuned_setting_tuning_takes_nothing_away(tmp_path: Path) -> None:
    tried = [REFERENCE_SETTING, *points(3)]
    found = made(tmp_path / "s", tried=tried, trial=lambda arm, at, k: 0.9 if at == REFERENCE_SETTING else 0.5)
    assert found.after.interval.estimate == found.before.interval.estimate
    assert found.share is not None
    assert (found.taken_away.estimate, found.share.estimate) == (0, 0)


# --- several searches


def by_search(*gains: int) -> Accuracy:
    """What batch norm gains, tuned, in each search, in images of 360; an image more in every other seed."""

    def accuracy(run: Run, epoch: int) -> float:
        tuned, of_arm = run.cell != REFERENCE_SETTING, run.arm == "bn"
        gain = gains[run.seed // 1_000_000] + run.seed % 2 if tuned else 20 + run.seed // 1_000_000
        return (300 + of_arm * gain) / 360

    return accuracy


def several(path: Path, *gains: int, **options: object) -> Tuned:
    given = {"tried": points(4), "seeds": range(4), "n_searches": len(gains), **options}
    return made(path, accuracy=by_search(*gains), **given)


GAINS = (6, 9, 5, 8, 10, 4)


def test_from_six_searches_on_the_unit_is_the_search(tmp_path: Path) -> None:
    found, d = several(tmp_path / "s", *GAINS), (np.array(GAINS) + 0.5) / 360
    assert (found.scope, found.unit, found.verdict) == (EQUAL, "searches", "better")
    assert (found.after.interval.n, found.after.n_runs) == (6, 24)
    assert found.after.interval.estimate == pytest.approx(d.mean())
    assert (found.after.interval.low, found.after.interval.high) == pytest.approx(t_ends(d))
    assert found.after.mean_arm - found.after.mean_baseline == pytest.approx(d.mean())
    whole = (20 + np.arange(6)) / 360
    assert (found.taken_away.low, found.taken_away.high) == pytest.approx(t_ends(whole - d))
    assert found.share is not None
    assert found.share.estimate == pytest.approx((whole - d).mean() / whole.mean())
    assert [one.after.interval.estimate for one in found.searches] == pytest.approx(d)
    assert {one.after.interval.n for one in found.searches} == {4}
    assert len({chosen.cell for one in found.searches for chosen in one.chosen}) > 6


def test_the_pairs_of_several_searches_are_means_over_the_seeds_of_each(tmp_path: Path) -> None:
    lost = {Run(in_search_3, seed=2_000_001, arm="bn") for in_search_3 in points(4, seed=2)}
    found = several(tmp_path / "s", *GAINS, lost=lost)
    d = (np.array(GAINS) + 0.5) / 360
    d[2] = (GAINS[2] + 1 / 3) / 360
    assert found.pairs.seeds == [1, 2, 3, 4, 5, 6]
    assert found.pairs.of_baseline == pytest.approx([300 / 360] * 6)
    assert found.pairs.of_arm == pytest.approx(300 / 360 + d)
    assert found.pairs.differences == pytest.approx(d)
    assert np.mean(found.pairs.of_arm) == pytest.approx(found.after.mean_arm)


def test_a_search_of_which_a_run_failed_did_not_learn(tmp_path: Path) -> None:
    def failing(run: Run, epoch: int) -> float | None:
        failed = run.seed == 3_000_001 and run.cell != REFERENCE_SETTING and run.arm == "bn"
        return None if failed and epoch else by_search(*GAINS)(run, epoch)

    found = made(tmp_path / "s", accuracy=failing, tried=points(4), seeds=range(4), n_searches=6)
    assert found.pairs.learned == [search != 4 for search in range(1, 7)]


@pytest.mark.parametrize("n", [2, 5])
def test_a_few_searches_are_listed_without_an_interval_or_a_verdict(n: int, tmp_path: Path) -> None:
    found = several(tmp_path / "s", *GAINS[:n])
    assert (found.scope, found.verdict) == (LISTED, "description")
    assert found.after.interval.estimate == pytest.approx(np.mean(GAINS[:n]) / 360 + 0.5 / 360)
    assert found.reason == f"{n} searches: an interval for equal tuning needs 6"
    for interval in (found.after.interval, found.taken_away, *(gain.interval for gain in found.gains)):
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)
    assert (found.after.test, found.share) == (None, None)
    assert all(math.isfinite(one.after.interval.low) for one in found.searches)


def test_seeds_of_one_choice_do_not_stand_for_searches(tmp_path: Path) -> None:
    """Searches disagree, the seeds of each do not: by seed the difference would be sure, by search it is not."""
    gains = (12, -10, 11, -9, 13, -8)
    found = several(tmp_path / "s", *gains)
    assert found.verdict == "inconclusive"
    d = np.repeat(gains, 4) + np.tile([0, 1, 0, 1], 6)
    by_seed = t_ends(d / 360)
    assert found.after.interval.high - found.after.interval.low > 1.8 * (by_seed[1] - by_seed[0])


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((6, 9, 5, 8, 10, 4), "better"),
        ((-6, -9, -5, -8, -10, -4), "worse"),
        ((6, -9, 5, -8, 10, -4), "inconclusive"),
        ((0, -1, 0, -1, 0, -1), "equivalent"),
    ],
)
def test_the_verdict_is_whether_the_interval_excludes_zero_or_lies_within_the_margin(
    gains: tuple[int, ...], verdict: str, tmp_path: Path
) -> None:
    folder = plant_tuned(
        tmp_path / "s", by_search(*gains), on_a_hill, points(4), seeds=range(4), n_searches=6
    )  # fmt: skip
    (found,) = tuned(load(folder), 0.05, 0.003)
    assert found.verdict == verdict
    interval = found.after.interval
    assert (interval.low <= 0 <= interval.high) == (verdict in ("inconclusive", "equivalent"))
    assert (max(-found.inner.low, found.inner.high) < 0.003) == (verdict == "equivalent")


def test_no_share_is_given_where_tuning_widened_the_gap_or_turned_it_round(tmp_path: Path) -> None:
    for name, gains in (("wider", (30, 33, 29, 32, 34, 28)), ("turned", (-6, -9, -5, -8, -10, -4))):
        assert several(tmp_path / name, *gains).share is None


def test_there_is_no_verdict_while_a_tuned_run_is_missing(tmp_path: Path) -> None:
    folder = several_missing(tmp_path / "s")
    (found,) = tuned(load(folder), 0.05, 0.002)
    assert (found.n_missing, found.verdict) == (1, "withheld")
    assert found.reason == "1 tuned run has no records"
    assert found.after.n_runs == 23


def several_missing(path: Path) -> Path:
    """Six searches, of which a tuned run has no records."""
    whole = load(plant_tuned(path.with_name("whole"), by_search(*GAINS), on_a_hill, points(4), seeds=range(4),
                             n_searches=6))  # fmt: skip
    lost = next(run for run in whole.design.tuned_runs if run.arm == "bn")
    return plant_tuned(
        path, by_search(*GAINS), on_a_hill, points(4), seeds=range(4), n_searches=6, lost={lost}
    )  # fmt: skip


# --- the trials


def scores(arm: str) -> np.ndarray:
    """(seeds, trials), as counted."""
    rows = [[on_a_cliff(arm, at, k) for at in TRIED] for k in range(3)]
    return np.array([[0 if score is None else round(239 * score) / 239 for score in row] for row in rows])


@pytest.mark.parametrize(("i", "arm"), [(0, "no_bn"), (1, "bn")])
def test_the_chosen_trial_is_the_best_by_the_mean_of_its_seeds(i: int, arm: str, found: Tuned) -> None:
    chosen, means = found.chosen[i], scores(arm).mean(axis=0)
    assert (chosen.arm, chosen.trial, chosen.score) == (arm, means.argmax(), pytest.approx(means.max()))
    assert chosen.cell == TRIED[chosen.trial]
    n_diverged = sum(any(on_a_cliff(arm, at, k) is None for k in range(3)) for at in TRIED)
    assert (chosen.n_trials, chosen.n_seeds, chosen.n_diverged, chosen.n_pruned) == (24, 3, n_diverged, 0)
    assert n_diverged > 1
    mine = [trial for trial in found.trials if trial.arm == arm]
    assert [trial.score for trial in mine] == pytest.approx(means)


def test_the_trials_by_themselves_are_cross_fitted_over_their_seeds(found: Tuned) -> None:
    folds = []
    for k in range(3):
        others = [i for i in range(3) if i != k]
        a, b = (scores(arm)[k, scores(arm)[others].mean(axis=0).argmax()] for arm in ("no_bn", "bn"))
        folds.append(b - a)
    assert found.crossfit.interval.estimate == pytest.approx(np.mean(folds))
    assert found.crossfit.naive == pytest.approx(scores("bn").mean(0).max() - scores("no_bn").mean(0).max())


def test_budgets_run_from_the_mean_to_the_best_of_each_arm(found: Tuned) -> None:
    for budget, arm in zip(found.budgets, ("no_bn", "bn"), strict=True):
        means = scores(arm).mean(axis=0)
        pairs = [max(pair) for pair in itertools.combinations(means, 2)]
        assert (budget.arm, len(budget.expected)) == (arm, 24)
        assert [budget.expected[i] for i in (0, 1, -1)] == pytest.approx([means.mean(), np.mean(pairs), means.max()])
        assert all(
            low <= best <= high for low, best, high in zip(budget.low, budget.expected, budget.high, strict=True)
        )
    assert found.gap_by_budget is not None
    assert found.gap_by_budget.up_to == 6
    assert found.gap_by_budget.estimates[0] == pytest.approx(scores("bn").mean() - scores("no_bn").mean())


def test_breadths_are_shares_of_the_trials_that_reach_a_target(found: Tuned) -> None:
    a, b = (scores(arm).mean(axis=0) for arm in ("no_bn", "bn"))
    targets = [(0.9, 0.9), (0.95, 0.95), (0.97, 0.97), (a.max() - 0.01, b.max() - 0.01)]
    for breadth, (of_a, of_b) in zip(found.breadths, targets, strict=True):
        assert breadth.of_baseline.estimate == (a >= of_a).mean()
        assert breadth.of_arm.estimate == (b >= of_b).mean()
        assert breadth.difference is not None
        assert breadth.difference.n_only_arm == ((a < of_a) & (b >= of_b)).sum()
        assert breadth.difference.n_only_baseline == ((a >= of_a) & (b < of_b)).sum()
    assert 0 < found.breadths[0].of_baseline.estimate < found.breadths[0].of_arm.estimate < 1


def test_a_mean_that_is_the_target_but_for_rounding_reaches_it(tmp_path: Path) -> None:
    """Of MNIST's counts: 0.8999, 0.9 and 0.9001 average 0.9, and to less in floating point."""
    from analysis.stats.tuning.good_regions import good_region

    short = float(np.nextafter(0.9, 0))
    assert good_region([short, 0.9, 0.8], 0.9).estimate == pytest.approx(2 / 3)
    assert good_region([0.8999, 0.9, 0.8], 0.9).estimate == pytest.approx(1 / 3)


@pytest.mark.parametrize("options", [{"sampler": "tpe"}, {"pruned": {("no_bn", 3)}}], ids=["tpe", "pruned"])
def test_trials_that_learnt_or_were_stopped_say_nothing_of_the_space(options: dict, tmp_path: Path) -> None:
    found = made(tmp_path / "s", **options)
    assert found.gap_by_budget is None
    assert found.budgets == []
    assert found.breadths == []
    assert found.crossfit.interval.estimate > 0


def test_a_stopped_trial_is_no_choice_however_well_it_stood(tmp_path: Path) -> None:
    """Its score is of an earlier epoch."""
    best = int(np.argmax([on_a_hill("bn", at, 0) for at in TRIED]))
    whole = made(tmp_path / "whole", tried=TRIED[:best] + TRIED[best + 1 :])
    stopped = made(tmp_path / "stopped", tried=TRIED, pruned={("bn", best), ("no_bn", best)})
    assert stopped.crossfit.differences == whole.crossfit.differences


# --- importances


def by_rate(arm: str, at: Cell, k: int) -> float:
    return 0.9 - 0.1 * abs(math.log10(at.lr) + 2)


def by_size(arm: str, at: Cell, k: int) -> float:
    return 0.9 - 0.05 * abs(math.log2(at.batch_size) - 6) - 1e-4 * k


@pytest.mark.parametrize(("trial", "what"), [(by_rate, "lr"), (by_size, "batch_size")])
def test_the_factor_that_alone_decides_a_planted_score_has_the_importance(
    trial: object, what: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And Optuna says nothing, whatever it is told to say elsewhere."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.DEBUG)
    try:
        found = made(tmp_path / "s", tried=points(64), trial=trial)
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
    finally:
        optuna.logging.set_verbosity(before)
    assert [importance.arm for importance in found.importances] == ["no_bn", "bn"]
    for importance in found.importances:
        assert importance.shares[what] > 0.9
        assert sum(importance.shares.values()) == pytest.approx(1)
    assert capfd.readouterr() == ("", "")


def test_optuna_gets_its_voice_back_where_the_importance_fails() -> None:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.DEBUG)
    try:
        with pytest.raises(ZeroDivisionError), of_trials._silent_optuna():
            1 / (optuna.logging.get_verbosity() - optuna.logging.ERROR)
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
    finally:
        optuna.logging.set_verbosity(before)


def test_few_trials_or_pruned_ones_tell_no_importance(found: Tuned, tmp_path: Path) -> None:
    assert found.importances == []
    assert made(tmp_path / "s", tried=points(50), pruned={("bn", 0)}).importances == []


@pytest.mark.parametrize("arm", ["bn", "no_bn"])
def test_one_arm_that_was_tuned_has_nothing_to_be_compared_with(arm: str, tmp_path: Path) -> None:
    study = load(plant_tuned(tmp_path / "s", in_gains, on_a_hill, points(4), arms=(arm,)))
    assert tuned(study, 0.05, 0.002) == []


def test_a_study_that_nobody_tuned_is_not_tuned_and_the_tuned_cell_is_no_part_of_the_grid(tmp_path: Path) -> None:
    study = load(plant_tuned(tmp_path / "s", in_gains, on_a_hill, points(4)))
    every = analyse(study, 0.05, 0.002)
    assert {c.cell for c in every.contrasts} == {None, REFERENCE_SETTING}
    assert [one.arm for one in every.tuned] == ["bn"]
    assert every.of_arms["bn"].best_cell is None
