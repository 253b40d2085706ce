import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.stats.null_calibration import BOOTSTRAP_PERMUTATIONS, PERMUTATIONS, type_i_error_rates

tables = st.lists(st.lists(st.integers(-5, 9), min_size=2, max_size=2), min_size=6, max_size=7)


@given(tables)
@settings(max_examples=15)
def test_exact_methods_never_exceed_their_level_whatever_the_table(table: list[list[int]]) -> None:
    for rate in type_i_error_rates(table, 0.05):
        if rate.method in ("sign-flip over the grid", "Wilcoxon over the grid", "any cell, step-down max-T"):
            assert rate.size <= 0.05


def test_the_size_of_the_t_test_is_that_of_all_swaps_by_hand() -> None:
    d = np.random.default_rng(0).lognormal(size=8)
    p = [stats.ttest_1samp(d * signs, 0).pvalue for signs in itertools.product((1, -1), repeat=8)]
    rate = next(rate for rate in type_i_error_rates(d[:, None], 0.05) if rate.method == "paired t over the grid")
    assert rate.size == np.mean(np.array(p) <= 0.05)
    assert (rate.low, rate.high, rate.every_swap) == (rate.size, rate.size, True)


def test_beyond_ten_seeds_swaps_are_drawn_from_the_data_and_the_size_has_an_interval() -> None:
    D = np.random.default_rng(1).normal(0.5, 1, (12, 2))
    one, other = type_i_error_rates(D, 0.1), type_i_error_rates(D[::-1], 0.1)
    assert one == other
    assert all(rate.low <= rate.size <= rate.high and not rate.every_swap for rate in one)
    assert {rate.n_swaps for rate in one} == {PERMUTATIONS, BOOTSTRAP_PERMUTATIONS}


@pytest.mark.parametrize("shape", [(1, 3), (0, 3), (5, 0)])
def test_where_there_is_nothing_to_swap_there_is_no_size(shape: tuple[int, int]) -> None:
    assert type_i_error_rates(np.ones(shape), 0.05) == []
