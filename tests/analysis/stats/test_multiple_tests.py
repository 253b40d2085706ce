"""Oracles: enumeration by hand, scipy, published tables."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.stats import sign_flips
from analysis.stats.intervals import sign_flip_interval
from analysis.stats.multiple_tests import holm, max_t
from analysis.stats.paired_tests import paired_t, sign_flip
from tests.analysis.stats.test_paired_tests import samples

TABLE = [[1.2, 0.3, -0.2], [0.8, -0.1, 0.4], [1.5, 0.6, 0.1], [0.4, 0.2, -0.5], [0.9, -0.4, 0.3], [1.1, 0.5, -0.1]]

tables = st.integers(2, 4).flatmap(
    lambda m: st.lists(st.lists(st.integers(-40, 40), min_size=m, max_size=m), min_size=3, max_size=7)
)


def test_max_t_on_the_table_of_six_seeds() -> None:
    tests = max_t(TABLE)
    assert [test.statistic for test in tests] == pytest.approx([6.39944850565036, 1.19311751800261, 0], abs=1e-12)
    assert [(test.n_extreme, test.n_total) for test in tests] == [(2, 64), (30, 64), (64, 64)]
    raw = [sign_flip(column).n_extreme for column in zip(*TABLE, strict=True)]
    assert raw == [2, 20, 64]
    means = np.mean(TABLE, axis=1)
    assert paired_t(means).statistic == pytest.approx(4.06318027686001, rel=1e-12)
    assert paired_t(means).pvalue == pytest.approx(0.00969873929943417, rel=1e-12)


@given(tables)
def test_max_t_is_the_step_down_enumeration_by_scipy_s_t(table: list[list[int]]) -> None:
    """Every pattern of signs, t by exact sums: t^2 orders as sum^2 / (n sum of squares)."""
    D = np.array(table)
    n, m = D.shape
    squares = (D**2).sum(0)

    def statistic(signs: tuple[int, ...]) -> list[float]:
        sums = (np.array(signs) @ D) ** 2
        return [int(a) / (n * int(b)) if b else 0.0 for a, b in zip(sums, squares, strict=True)]

    observed = statistic((1,) * n)
    order = sorted(range(m), key=lambda i: -observed[i])
    flipped = [statistic(signs) for signs in itertools.product((1, -1), repeat=n)]
    counts, largest = {}, 0
    for place, cell in enumerate(order):
        left = order[place:]
        largest = max(largest, sum(max(t[i] for i in left) >= observed[cell] - 1e-12 for t in flipped))
        counts[cell] = largest
    assert [test.n_extreme for test in max_t(D)] == [counts[i] for i in range(m)]


@given(tables, st.randoms(use_true_random=False))
def test_max_t_knows_no_order_of_seeds_or_cells_nor_which_arm_is_which(table: list[list[int]], random) -> None:
    D = np.array(table, float)
    rows, columns = (random.sample(range(k), k) for k in D.shape)
    one = [test.n_extreme for test in max_t(D)]
    assert [test.n_extreme for test in max_t(D[rows])] == one
    assert [test.n_extreme for test in max_t(D[:, columns])] == [one[i] for i in columns]
    assert [test.n_extreme for test in max_t(-D)] == one


@given(samples)
def test_one_cell_needs_no_adjustment_and_more_never_help(d: list[float]) -> None:
    assert max_t(np.array(d)[:, None])[0].n_extreme == sign_flip(d).n_extreme
    D = np.column_stack([d, d[::-1]])
    raw = [sign_flip(column).n_extreme or 0 for column in D.T]
    assert all((test.n_extreme or 0) >= alone for test, alone in zip(max_t(D), raw, strict=True))


def test_beyond_16_seeds_one_cell_of_max_t_is_the_sign_flip_test() -> None:
    d = np.random.default_rng(0).normal(0.3, 1, 40)
    assert max_t(d[:, None])[0].pvalue == sign_flip(d).pvalue
    assert max_t(d[::-1, None])[0].pvalue == sign_flip(-d).pvalue


def test_beyond_16_seeds_max_t_knows_no_order_either() -> None:
    D = np.random.default_rng(1).normal(0.4, 1, (20, 3)).round(2)
    one, other = max_t(D), max_t(-D[::-1, [2, 0, 1]])
    assert [test.pvalue for test in other] == [one[2].pvalue, one[0].pvalue, one[1].pvalue]


def test_cells_without_pairs_have_no_p_and_short_ones_their_own_n() -> None:
    D = np.array(TABLE)
    D[:5, 1] = np.nan
    D[0, 2] = np.nan
    first, none, third = max_t(D)
    assert (first.n, first.n_extreme, none.n, third.n) == (6, 2, 1, 5)
    assert none.reason == "1 pairs: no test"
    assert third.statistic == pytest.approx(stats.ttest_1samp(D[1:, 2], 0).statistic)


def test_constant_cells_are_as_extreme_as_their_pattern_and_zero_cells_never() -> None:
    D = np.column_stack([np.full(6, 0.3), np.zeros(6), [0.1, -0.1, 0.2, 0.3, -0.2, 0.1]])
    constant, zero, _ = max_t(D)
    assert (constant.n_extreme, zero.n_extreme) == (2, 64)


@pytest.mark.parametrize("columns", [1, 25])
def test_random_signs_give_the_p_of_all_signs(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    D = np.random.default_rng(7).normal(0.45, 1, (12, columns))
    exact, exact_ends = max_t(D), sign_flip_interval(D[:, 0])
    monkeypatch.setattr(sign_flips, "MAX_EXACT_UNITS", 0)
    for truth, drawn in zip(exact, max_t(D), strict=True):
        assert drawn.n_total == 100_000
        assert drawn.pvalue == pytest.approx(truth.pvalue, abs=5 * math.sqrt(truth.pvalue / 1e5))
    ends = sign_flip_interval(D[:, 0])
    assert (ends.low, ends.high) == pytest.approx((exact_ends.low, exact_ends.high), abs=0.02)


def test_holm_s_oracles() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005, 0.20]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.2])
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    bh_1995 = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
        1,
    ]  # fmt: skip
    adjusted = [0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278, 0.278, 0.278, 0.3213]
    assert holm(bh_1995)[:9] == pytest.approx(adjusted)
    with_gap = holm([0.01, math.nan, 0.02])
    assert with_gap[[0, 2]] == pytest.approx([0.03, 0.04])
    assert math.isnan(with_gap[1])


def test_no_p_is_nought_or_odd_or_below_the_floor() -> None:
    rng = np.random.default_rng(4)
    for n in (6, 9, 12):
        for test in [sign_flip(rng.normal(3, 1, n)), *max_t(rng.normal(3, 1, (n, 4)))]:
            assert test.n_extreme is not None
            assert test.n_extreme % 2 == 0
            assert test.pvalue >= 2 / 2**n
