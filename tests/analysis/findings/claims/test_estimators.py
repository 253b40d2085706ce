"""What is estimated of a row, against numbers by hand or by another library."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.findings.claims.estimates import Auc, Binary, BySeed, Estimate, Exact, Prediction
from analysis.findings.claims.estimators import ESTIMATORS
from analysis.findings.claims.from_studies import at_rate_of_the_others, mode_points, slope
from analysis.records.claims import ClaimsData, NotRunYet
from study.spec.claims.experiments import DEPTHS
from study.spec.claims.rows import OTHERS, ROWS, SEEDS
from study.spec.runs import Run
from tests.analysis.claims_study import CLAIMED, MNIST, SMALL, cats_known, ledger_of

QUIET = replace(CLAIMED, noise=0.0)


@pytest.fixture(autouse=True, scope="module")
def _cats() -> Iterator[None]:
    with cats_known():
        yield


@pytest.fixture(scope="module")
def claimed() -> ClaimsData:
    return ledger_of(CLAIMED)


def values(key: str, **options: Any) -> list[float]:
    found = ESTIMATORS[key](ledger_of(**{"world": QUIET} | options))
    assert isinstance(found, BySeed)
    return found.values.tolist()


@pytest.mark.parametrize("key", ROWS)
def test_an_estimate_fits_the_family_of_its_row_and_has_its_seeds(key: str, claimed: ClaimsData) -> None:
    found = ESTIMATORS[key](claimed)
    kinds: dict[str, tuple[type[Estimate], ...]] = {SEEDS: (BySeed,), OTHERS: (BySeed, Prediction, Auc, Binary)}
    assert isinstance(found, kinds.get(ROWS[key].family, (Auc, Exact)))
    if ROWS[key].family == SEEDS:
        assert isinstance(found, BySeed)
        assert {*found.values.index} >= {*claimed.seeds}


TRUE = {
    "2a-bn": -6.0,
    "3a-bn": 0.88,
    "3b-weak": 3.0,
    "5a": 0.03,
    "5b-relu": 0.1,
    "7a": np.log(0.03 / 0.125),
    "7b": np.log(0.003 / 0.05),
    "7c-tanh": np.log(0.2 / 0.4),
    "7d-gradient": np.log(0.9 / 0.4),
    "7d-tanh": -3.0,
    "6a-relu": np.polyfit(np.log2(DEPTHS), [95.0, 93.0, 11.0], 1)[0],
    "6b-relu": -np.polyfit(np.log2(DEPTHS), [95.0, 93.0, 11.0], 1)[0],
    "6d-tanh": 1.0,
    "9b-tanh-10": -1.0,
    "10a": 0.0,
    "12b": 0.0,
    "12d": 97.8 - 95.55,
    "15a": 97.8 - 95.55,
    "15c": 2.0,
    "15d": 2.0,
    "16": -900.0,
    "18-bn": 0.3,
    "18-gap": 0.0,
}


@pytest.mark.parametrize("key", TRUE)
def test_what_was_planted_is_found(key: str) -> None:
    assert values(key) == pytest.approx([TRUE[key]] * len(values(key)))


def test_the_spread_is_held_against_the_law_of_chance() -> None:
    """Layers whose logarithms grow by 0.03 each around 0.125, which is 1 / sqrt(64)."""
    assert values("4") == pytest.approx([np.exp(0.03 * (np.arange(1, 11) - 5.5)).mean() - 1] * 10)


def test_a_slope_is_least_squares() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(4, 3)), columns=np.log2(DEPTHS))
    by_hand = [np.polyfit(np.log2(DEPTHS), row, 1)[0] for row in table.to_numpy()]
    assert slope(table).tolist() == pytest.approx(by_hand)


def test_a_rate_is_chosen_by_the_other_seeds() -> None:
    """The first column is best over all, and on the others than the first seed the second is."""
    scores = pd.DataFrame({0.001: [9.0, 1.0, 1.0], 0.01: [2.0, 2.0, 2.0]}, index=[0, 1, 2])
    assert at_rate_of_the_others(scores).tolist() == [2.0, 1.0, 1.0]


def test_each_arm_has_its_own_rate() -> None:
    def score(key: str, run: Run, _: float) -> float:
        best = {"bn": 0.003, "no_bn": 0.001}[run.arm]
        return 90.0 - 5 * (run.cell.lr != best) - 20 * (run.arm == "bn")

    assert values("15d", score=score) == [-20.0] * 10


def test_the_rank_correlation_is_spearmans(claimed: ClaimsData) -> None:
    found = ESTIMATORS["2b-bn"](claimed)
    accuracy = mode_points(claimed, "bn", "running")
    of_seed = claimed.measured("shift-size", "shift", arm="bn", seed=3).set_index("condition").value
    names = [column for column in accuracy if column[1] > 0]
    by_hand = stats.spearmanr(
        [of_seed[f"{name}_{severity}"] for name, severity in names], accuracy.loc[3, names]
    ).statistic
    assert isinstance(found, BySeed)
    assert found.values[3] == pytest.approx(by_hand)


def change_of(**where: Any) -> Any:
    """Return what sets the value of some rows."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        inside = np.logical_and.reduce([table[name] == value for name, value in where.items() if name != "value"])
        return table.assign(value=table.value.mask(inside, where["value"]))

    return change


def test_who_never_reaches_the_accuracy_has_the_whole_epoch() -> None:
    for value in (0.1, np.nan):
        never = change_of(experiment="speed", arm="no_bn", seed=0, value=value)
        assert values("16", change=never)[:2] == [800 - 1800, -900]


def test_a_diverged_run_has_no_time_however_high_it_stood() -> None:
    diverged = change_of(experiment="speed", arm="bn", seed=0, step=1800, value=np.nan)
    assert values("16", change=diverged)[0] == 1800 - 1700


def test_a_run_that_diverged_scores_chance_in_every_mode() -> None:
    def score(key: str, run: Run, planted: float) -> float | None:
        return None if (key, run.arm, run.seed) == ("post", "bn", 4) else planted

    data = ledger_of(QUIET, score=score)
    whole = data.ablation("post")
    lost = (whole.ablation.arm == "bn") & (whole.ablation.seed == 4)
    data._ablations["post"] = replace(whole, ablation=whole.ablation[~lost])
    found = ESTIMATORS["12d"](data)
    assert isinstance(found, BySeed)
    assert found.values[4] == pytest.approx(100 * data.fixed.data.chance - 95.55)
    data._studies["post"] = ledger_of(QUIET).begun("post")
    with pytest.raises(NotRunYet, match="9 of 10 networks of bn"):
        ESTIMATORS["12d"](data)


def diverged_cats(key: str, run: Run, planted: float) -> float | None:
    return None if (key, run.arm, run.seed) == ("cats", "bn", 4) else planted


def test_a_probe_has_no_rows_of_a_network_that_diverged() -> None:
    """It has the accuracy of chance and no share of wrong answers; where it did not diverge, the probe is not done."""

    def without(table: pd.DataFrame) -> pd.DataFrame:
        return table[(table.experiment != "cats-answers") | (table.arm != "bn") | (table.seed != 4)]

    accuracy = values("3b-strong", change=without, score=diverged_cats)
    assert accuracy == pytest.approx([3.0] * 4 + [100 * MNIST.chance - 50] + [3.0] * 5)
    assert np.isnan(values("3a-bn", change=without, score=diverged_cats)[4])
    with pytest.raises(NotRunYet, match="cats-answers has 9 of 10 seeds"):
        values("3b-strong", change=without)


@pytest.mark.parametrize(
    ("key", "lost", "said"),
    [
        ("1a", {"experiment": "two-sample", "seed": 3}, "two-sample has 4 of 5 seeds"),
        ("2b-bn", {"experiment": "shift-size", "condition": "rotate_2"}, "shift-size has 5 of 6 corruptions"),
        ("18-gap", {"experiment": "best-epoch", "seed": 3}, "best-epoch has 11 of 12 seeds"),
    ],
)
def test_a_probe_that_lacks_a_unit_is_not_done(key: str, lost: dict[str, Any], said: str) -> None:
    def without(table: pd.DataFrame) -> pd.DataFrame:
        return table[~np.logical_and.reduce([table[name] == value for name, value in lost.items()])]

    with pytest.raises(NotRunYet, match=said):
        ESTIMATORS[key](ledger_of(change=without))


def test_the_failures_are_of_the_deepest_networks(claimed: ClaimsData) -> None:
    found = ESTIMATORS["6c-tanh"](claimed)
    assert isinstance(found, Binary)
    assert (found.failed_baseline.sum(), found.failed_arm.sum()) == (0, SMALL.seeds)


def test_runs_that_failed_are_left_out_of_a_prediction() -> None:
    def score(key: str, run: Run, planted: float) -> float:
        return 11.0 if run.seed == 2 else planted

    found = ESTIMATORS["14"](ledger_of(score=score))
    assert isinstance(found, Prediction)
    assert (len(found.values), found.n_failed) == (SMALL.runs - 1, 1)
    assert found.values.min() > 90


def test_the_epoch_is_chosen_on_held_out_images_and_the_first_of_equal_ones() -> None:
    alike = change_of(experiment="best-epoch", measure="held_out_accuracy", value=0.9)
    assert values("18-none", change=alike) == pytest.approx([0.3] * SMALL.best_epoch)
    at_the_best = change_of(experiment="best-epoch", measure="held_out_accuracy", step=7, value=0.99)
    assert values("18-none", change=at_the_best) == [0.0] * SMALL.best_epoch
