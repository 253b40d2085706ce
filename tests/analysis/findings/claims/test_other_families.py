"""Rows of other units: p-values by hand, Holm over the family, intervals at its Bonferroni level."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.findings.claims.estimates import Auc, Binary, BySeed, Estimate, Exact, Prediction
from analysis.findings.claims.judged import entry
from analysis.findings.claims.other_families import judge, judge_alone
from study.spec.claims.rows import OTHERS, ROWS
from study.spec.claims.rules import EXACT, REPRODUCED, SUPPORTED, UNDECIDED

RUNS = np.array([95.1, 95.6, 95.2, 95.9, 95.4, 95.5, 95.0, 95.7])
GAINS = np.array([1.4, 1.9, 1.1, 2.2, 1.6, 1.5])
FAMILY: dict[str, Estimate] = {
    "13": Prediction(RUNS, 0),
    "14": Prediction(RUNS + 1.2, 0),
    "15b": BySeed(pd.Series(GAINS)),
    "18-gap": BySeed(pd.Series(GAINS - GAINS.mean())),
    "6c-relu": Binary(np.zeros(10, bool), np.arange(10) < 9),
}


def p_of_one_more(runs: np.ndarray, reported: float) -> float:
    n = len(runs)
    return float(2 * stats.t.sf(abs(reported - runs.mean()) / (runs.std(ddof=1) * math.sqrt(1 + 1 / n)), n - 1))


def test_holm_over_the_family_by_hand() -> None:
    found = judge(FAMILY, ROWS, 0.05, 11)
    inside = max(
        stats.ttest_1samp(GAINS - GAINS.mean(), off, alternative=side).pvalue
        for off, side in ((-0.2, "greater"), (0.2, "less"))
    )
    alone = {
        "13": p_of_one_more(RUNS, 95.55),
        "14": p_of_one_more(RUNS + 1.2, 97.8),
        "15b": float(stats.ttest_1samp(GAINS, 0.2).pvalue),
        "18-gap": float(inside),
        "6c-relu": 2 / 2**9,
    }
    assert {key: of.p for key, of in found.items()} == pytest.approx(alone)
    adjusted, largest = {}, 0.0
    for i, (key, p) in enumerate(sorted(alone.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (11 - i) * p))
        adjusted[key] = largest
    assert {key: of.p_adjusted for key, of in found.items()} == pytest.approx(adjusted)


def test_intervals_have_the_bonferroni_level_of_the_familys_size() -> None:
    narrow, wide = (judge({"15b": FAMILY["15b"]}, ROWS, 0.05, size)["15b"] for size in (1, 11))
    error = GAINS.std(ddof=1) / math.sqrt(6)
    for found, alpha in ((narrow, 0.05), (wide, 0.05 / 11)):
        half = stats.t.ppf(1 - alpha / 2, 5) * error
        assert (found.low, found.high) == pytest.approx((GAINS.mean() - half, GAINS.mean() + half))
    assert narrow.level == wide.level == 0.95


@pytest.mark.parametrize("size", [1, 11])
def test_a_reported_number_is_reproduced_exactly_where_its_p_is_above_the_adjusted_level(size: int) -> None:
    for reported in np.linspace(94.0, 97.0, 61):
        found = judge({"13": Prediction(RUNS + 95.55 - reported, 0)}, ROWS, 0.05, size)["13"]
        assert (entry(ROWS["13"], found, 0.05).verdict == REPRODUCED) == (found.p >= 0.05 / size)


@pytest.mark.parametrize("n", [0, 1])
def test_no_run_predicts_none(n: int) -> None:
    found = judge({"13": Prediction(RUNS[:n], 3)}, ROWS, 0.05, 1)["13"]
    assert entry(ROWS["13"], found, 0.05).verdict == UNDECIDED
    assert found.reason.endswith(f"3 of {n + 3} runs failed to learn and are left out")


def auc(value: float, p: float = 0.0001) -> Auc:
    """Of five splits, given out of order."""
    off = np.array([0.02, -0.01, 0.0, 0.01, -0.02])
    return Auc(value + off, 0.004 + np.abs(off), np.full(5, p), 1000)


def test_the_interval_of_an_auc_is_the_median_splits() -> None:
    found = judge({"1a": auc(0.56)}, ROWS, 0.05, 1)["1a"]
    half = stats.norm.ppf(0.975) * 0.004
    assert (found.low, found.estimate, found.high) == pytest.approx((0.56 - half, 0.56, 0.56 + half))
    assert found.p == 0.0002


def test_a_control_is_judged_alone_by_two_one_sided_tests() -> None:
    found = judge_alone({"1c-test": auc(0.003)}, ROWS, 0.05)["1c-test"]
    assert found.p == found.p_adjusted == pytest.approx(stats.norm.sf(0.017 / 0.004))
    assert found.high - found.low == pytest.approx(2 * stats.norm.ppf(0.95) * 0.004)
    assert entry(ROWS["1c-test"], found, 0.05).verdict == SUPPORTED


def test_an_identity_has_no_p() -> None:
    found = judge_alone({"8": Exact(np.array([1e-13, 1e-11]), "formulas", largest=True)}, ROWS, 0.05)["8"]
    assert (found.estimate, found.low, found.high, found.n) == (1e-11, 1e-13, 1e-11, 2)
    assert math.isnan(found.p_adjusted)
    assert entry(ROWS["8"], found, 0.05).verdict == EXACT


@pytest.mark.slow
def test_a_family_of_pure_noise_has_a_verdict_no_more_often_than_alpha() -> None:
    rng, n, alpha = np.random.default_rng(30), 400, 0.05
    rows = {key: row for key, row in ROWS.items() if row.family == OTHERS}

    def at_the_bound(key: str) -> Estimate:
        bound = rows[key].rule.bound
        draw: dict[str, Callable[[], Estimate]] = {
            "reported": lambda: Prediction(bound - rng.normal() + rng.normal(size=20), 0),
            "above": lambda: BySeed(pd.Series(bound + rng.normal(size=30))),
            "within": lambda: BySeed(pd.Series(bound + rng.normal(size=40) / 5)),
        }
        if key.startswith("6c"):
            return Binary(rng.random(10) < 0.5, rng.random(10) < 0.5)
        return draw[rows[key].rule.kind]()

    hits = 0
    for _ in range(n):
        found = judge({key: at_the_bound(key) for key in rows if key not in ("1a", "1b")}, rows, alpha, len(rows))
        verdicts = {entry(rows[key], of, alpha).verdict for key, of in found.items()}
        hits += bool(verdicts - {UNDECIDED, REPRODUCED})
    assert hits / n <= alpha + 3.3 * math.sqrt(alpha * (1 - alpha) / n)
