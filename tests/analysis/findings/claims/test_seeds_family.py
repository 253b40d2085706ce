"""One family over the seeds: against a count of all patterns by hand, at the bounds, and on pure noise."""

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.findings.claims.judged import entry
from analysis.findings.claims.seeds_family import judge
from study.spec.claims.rows import ROWS, SEEDS, Row
from study.spec.claims.rules import CONTRADICTED, SUPPORTED, UNDECIDED

Floats = NDArray[np.float64]
ROWS_OF_SEEDS = {key: row for key, row in ROWS.items() if row.family == SEEDS}
THREE = {key: ROWS[key] for key in ("15a", "12c", "6a-relu")}
"""Rules: above 0.2, within 0.2, below -0.2."""
VALUES = {
    "15a": np.array([1.2, 0.8, 1.5, 0.4, 0.9, 1.1, 1.3]),
    "12c": np.array([0.05, -0.1, 0.1, 0.02, -0.03, 0.08, -0.06]),
    "6a-relu": np.array([-0.2, 0.4, 0.1, -0.5, 0.3, -0.1, 0.2]),
}


def t_of(table: Floats) -> Floats:
    return np.asarray(table.mean(0) / (table.std(0, ddof=1) / math.sqrt(len(table))))


def largest_by_hand(columns: Floats) -> Floats:
    centred = columns - columns.mean(0)
    signs = itertools.product((1.0, -1.0), repeat=len(columns))
    return np.array([np.abs(t_of(centred * np.array(pattern)[:, None])).max() for pattern in signs])


def test_p_and_interval_are_those_of_all_patterns_by_hand() -> None:
    largest = np.sort(largest_by_hand(np.column_stack([*VALUES.values()])))
    n, total = 7, 1 + 2**7

    def two_sided(values: Floats, bound: float) -> float:
        return float((1 + (largest >= abs(t_of(values[:, None] - bound)[0]) * (1 - 1e-10)).sum()) / total)

    found = judge(VALUES, THREE, 0.05, 3)
    assert found["15a"].p_adjusted == two_sided(VALUES["15a"], 0.2)
    assert found["6a-relu"].p_adjusted == two_sided(VALUES["6a-relu"], -0.2)
    within = VALUES["12c"]
    assert found["12c"].p_adjusted == max(two_sided(within, -0.2), two_sided(within, 0.2)) / 2
    for key, alpha in {"15a": 0.05, "12c": 0.1}.items():
        # the smallest |t| that at most alpha of the patterns and the observed one reach
        critical = largest[-1 - (math.floor(alpha * total) - 1)]
        values = VALUES[key]
        half = critical * values.std(ddof=1) / math.sqrt(n)
        assert (found[key].low, found[key].high) == pytest.approx((values.mean() - half, values.mean() + half))
        assert found[key].level == 1 - alpha


def test_a_row_in_a_larger_family_has_a_larger_p_and_a_wider_interval() -> None:
    alone, together = (judge({key: VALUES[key] for key in keys}, THREE, 0.05, 1) for keys in (["15a"], THREE))
    assert together["15a"].p_adjusted >= alone["15a"].p_adjusted
    assert together["15a"].p == alone["15a"].p == alone["15a"].p_adjusted
    assert together["15a"].high - together["15a"].low > alone["15a"].high - alone["15a"].low


def noise(rng: np.random.Generator, row: Row, off: float = 0.0, n: int = 10) -> Floats:
    """Values around a bound of a row's rule, or ``off`` standard deviations above."""
    size = 0.3 * abs(row.rule.bound) or 1.0
    bound = row.rule.bound * (rng.choice([-1, 1]) if row.rule.kind == "within" else 1)
    return np.asarray(bound + size * (rng.normal(size=n) + off))


@pytest.mark.parametrize("key", ROWS_OF_SEEDS)
def test_values_that_cross_the_bound_turn_the_verdict(key: str) -> None:
    row, rng = ROWS_OF_SEEDS[key], np.random.default_rng(0)
    size = 0.01 * abs(row.rule.bound) or 1.0
    steps = size * rng.normal(size=10)

    def verdict(middle: float) -> str:
        return entry(row, judge({key: middle + steps}, {key: row}, 0.05, 1)[key], 0.05).verdict

    outside, inside = {
        "above": (row.rule.bound - 50 * size, row.rule.bound + 50 * size),
        "below": (row.rule.bound + 50 * size, row.rule.bound - 50 * size),
        "within": (1.5 * row.rule.bound, 0.0),
    }[row.rule.kind]
    assert (verdict(outside), verdict(inside), verdict(row.rule.bound - steps.mean())) == (
        CONTRADICTED,
        SUPPORTED,
        UNDECIDED,
    )


@pytest.mark.parametrize("seed", range(20))
def test_an_adjusted_p_is_at_most_alpha_exactly_where_the_interval_excludes_the_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = ["15a", "12c", "6a-relu", "4", "16"]
    values = {key: noise(rng, ROWS[key], off=rng.uniform(-2, 2)) for key in keys}
    for key, found in judge(values, ROWS, 0.05, len(keys)).items():
        decided = entry(ROWS[key], found, 0.05).verdict != UNDECIDED
        assert (found.p_adjusted <= 0.05) == decided


@pytest.mark.parametrize(("value", "verdict"), [(1.0, SUPPORTED), (0.0, CONTRADICTED), (0.2, UNDECIDED)])
def test_values_without_a_spread_have_an_interval_without_width_and_the_smallest_p(value: float, verdict: str) -> None:
    found = judge({"15a": np.full(10, value), "12d": VALUES["15a"].repeat(2)[:10]}, ROWS, 0.05, 2)["15a"]
    assert found.low == found.estimate == found.high == value
    assert found.p_adjusted == (1.0 if value == 0.2 else 1 / (1 + 2**10))
    assert "all values are equal" in found.reason
    assert entry(ROWS["15a"], found, 0.05).verdict == verdict


def test_infinity_is_no_value() -> None:
    found = judge({"15a": np.array([*VALUES["15a"], np.inf])}, ROWS, 0.05, 1)["15a"]
    assert (found.n, found.reason) == (7, "1 of 8 seeds have no value")


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_a_ledger_of_pure_noise_has_a_verdict_no_more_often_than_alpha(shared: float) -> None:
    """All rows lie at a bound; a share of their noise is common to them."""
    rng, n, alpha = np.random.default_rng(30), 400, 0.05

    def any_verdict(values: Mapping[str, Floats]) -> bool:
        found = judge(values, ROWS_OF_SEEDS, alpha, len(values))
        return any(entry(ROWS[key], of, alpha).verdict != UNDECIDED for key, of in found.items())

    hits = 0
    for _ in range(n):
        common = shared * rng.normal(size=10)
        hits += any_verdict(
            {key: noise(rng, row) + common * (0.3 * abs(row.rule.bound) or 1.0) for key, row in ROWS_OF_SEEDS.items()}
        )
    assert hits / n <= alpha + 3.3 * math.sqrt(alpha * (1 - alpha) / n)


def test_a_wide_row_within_two_bounds_is_contradicted_no_more_often_than_alpha() -> None:
    """A true value inside the region, with an interval many times as wide: both sides would contradict."""
    rng = np.random.default_rng(0)
    found = [judge({"12b": rng.normal(0, 30, 10)}, ROWS, 0.05, 1)["12b"] for _ in range(400)]
    contradicted = sum(entry(ROWS["12b"], one, 0.05).verdict == CONTRADICTED for one in found)
    assert contradicted / 400 <= 0.05 + 3.3 * (0.05 * 0.95 / 400) ** 0.5
