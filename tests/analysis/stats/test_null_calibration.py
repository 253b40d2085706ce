import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.stats import null_calibration as aa

tables = st.lists(st.lists(st.integers(-5, 9), min_size=2, max_size=2), min_size=6, max_size=7)


@given(tables)
@settings(max_examples=15, deadline=None)
def test_exact_methods_never_exceed_their_level_whatever_the_table(table: list[list[int]]) -> None:
    for size in aa.sizes(table, 0.05):
        if size.method in ("sign-flip over the grid", "Wilcoxon over the grid", "any cell, step-down max-T"):
            assert size.size <= 0.05


def test_the_size_of_the_t_test_is_that_of_all_swaps_by_hand() -> None:
    d = np.random.default_rng(0).lognormal(size=8)
    p = [stats.ttest_1samp(d * signs, 0).pvalue for signs in itertools.product((1, -1), repeat=8)]
    found = next(size for size in aa.sizes(d[:, None], 0.05) if size.method == "paired t over the grid")
    assert found.size == np.mean(np.array(p) <= 0.05)
    assert (found.low, found.high, found.every_swap) == (found.size, found.size, True)


def test_beyond_ten_seeds_swaps_are_drawn_from_the_data_and_the_size_has_an_interval() -> None:
    D = np.random.default_rng(1).normal(0.5, 1, (12, 2))
    one, other = aa.sizes(D, 0.1), aa.sizes(D[::-1], 0.1)
    assert one == other
    assert all(size.low <= size.size <= size.high and not size.every_swap for size in one)
    assert {size.n_swaps for size in one} == {aa.SWAPS, aa.BOOTSTRAPPED}


@pytest.mark.parametrize("shape", [(1, 3), (0, 3), (5, 0)])
def test_where_there_is_nothing_to_swap_there_is_no_size(shape: tuple[int, int]) -> None:
    assert aa.sizes(np.ones(shape), 0.05) == []
