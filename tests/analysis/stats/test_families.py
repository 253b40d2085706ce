"""One family, one inversion: an adjusted p is at most alpha exactly where its interval excludes 0."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.stats.families import simultaneous_inference

D = np.array(
    [[1.2, 0.3, -0.2], [0.8, -0.1, 0.4], [1.5, 0.6, 0.1], [0.4, 0.2, -0.5], [0.9, -0.4, 0.3], [1.1, 0.5, -0.1]]
)


def t_of(table: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(table.mean(0) / (table.std(0, ddof=1) / math.sqrt(len(table))))


def brute_force(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest |t| under every pattern of signs of the centred rows."""
    centred = table - table.mean(0)
    signs = itertools.product((1.0, -1.0), repeat=len(table))
    return np.array([np.abs(t_of(centred * np.array(pattern)[:, None])).max() for pattern in signs])


def drawn(n: int, m: int, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, m)) + rng.normal(size=(n, 1)) + rng.uniform(-1, 2, m)


@pytest.mark.parametrize("seed", range(5))
def test_p_counts_the_centred_patterns_that_are_at_least_as_large_and_the_observed_one(seed: int) -> None:
    table = drawn(7, 3, seed)
    largest = brute_force(table)
    for member, t in zip(simultaneous_inference(table), t_of(table), strict=True):
        assert member.test.statistic == pytest.approx(t)
        assert (member.test.n_extreme, member.test.n_total) == (1 + int((largest >= abs(t)).sum()), 1 + 2**7)
        assert member.test.pvalue == member.test.n_extreme / member.test.n_total > 0


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_the_interval_is_the_inversion_of_the_test(level: float) -> None:
    """By brute force: a mean is inside exactly where its p is above 1 - level."""
    table = drawn(7, 2, 3)
    inside = [member.interval for member in simultaneous_inference(table, level)]
    for i, interval in enumerate(inside):
        for mean in np.linspace(interval.low - 0.5, interval.high + 0.5, 60):
            moved = table.copy()
            moved[:, i] -= mean
            p = simultaneous_inference(moved, level)[i].test.pvalue
            assert (p > 1 - level) == (interval.low < mean < interval.high)


@given(st.integers(5, 12), st.integers(1, 4), st.integers(0, 10_000), st.sampled_from([0, 1]))
def test_no_verdict_contradicts_the_interval_beside_it(n: int, m: int, seed: int, places: int) -> None:
    table = drawn(n, m, seed)
    table = np.round(table, 1) if places else table
    for member in simultaneous_inference(table):
        excludes = member.interval.low > 0 or member.interval.high < 0
        assert math.isnan(member.test.pvalue) or (member.test.pvalue <= 0.05) == excludes


def test_five_pairs_can_reach_no_level_below_their_patterns() -> None:
    member = simultaneous_inference(drawn(5, 1, 0), level=0.99)[0]
    assert (member.interval.low, member.interval.high) == (-math.inf, math.inf)
    assert member.interval.reason == "5 pairs: the exact test has no 99 % interval"


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (1e160, 1e-170), (1e300, 1e-300)])
def test_the_unit_of_a_column_is_nothing(a: float, b: float) -> None:
    column = drawn(10, 1, 7)
    plain = simultaneous_inference(np.hstack([column, column]))
    scaled = simultaneous_inference(np.hstack([column * a, column * b]))
    assert [member.test.pvalue for member in scaled] == [member.test.pvalue for member in plain]
    for member, unit in zip(scaled, (a, b), strict=True):
        assert member.interval.low / unit == pytest.approx(plain[0].interval.low)


def test_swapped_arms_mirror_and_other_orders_of_seeds_and_cells_change_nothing() -> None:
    for n in (8, 20):  # all patterns, random ones
        table = drawn(n, 3, 1)
        plain = simultaneous_inference(table)
        for i, member in enumerate(simultaneous_inference(-table)):
            assert (member.interval.low, member.interval.high) == (-plain[i].interval.high, -plain[i].interval.low)
            assert member.test.pvalue == plain[i].test.pvalue
        shuffled = simultaneous_inference(table[::-1, ::-1])
        assert [member.test.pvalue for member in shuffled[::-1]] == [member.test.pvalue for member in plain]


def test_members_lack_seeds_and_spread_on_their_own() -> None:
    table = np.column_stack([drawn(8, 1, 2)[:, 0], np.full(8, 0.5), np.zeros(8), np.full(8, np.nan)])
    table[0, 0] = np.nan
    found = simultaneous_inference(table)
    assert found[0].test.n == 7
    assert found[0].test.pvalue == simultaneous_inference(table[:, :1])[0].test.pvalue
    assert [member.test.reason for member in found[1:]] == [
        "all differences are equal: the spread is zero",
        "all differences are zero: the spread is zero",
        "0 pairs: no estimate of the spread",
    ]
    assert (found[1].interval.low, found[1].interval.high) == (0.5, 0.5)
    assert all(math.isnan(member.test.pvalue) for member in found[1:])


def test_beyond_16_seeds_the_patterns_are_drawn_and_the_observed_one_counts() -> None:
    member = simultaneous_inference(drawn(30, 2, 0) + 5)[0]
    assert (member.test.n_extreme, member.test.n_total) == (1, 100_000)


@pytest.mark.parametrize("bad", [[1.0, 2.0], [[1.0], [math.inf]]])
def test_what_is_no_table_of_differences_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match=r"row per seed|finite"):
        simultaneous_inference(bad)  # type: ignore[arg-type]
