"""Oracles: all patterns of signs spelled out, and the size of the test under exchangeable labels."""

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis.stats.paired_tests import sign_flip, wilcoxon
from analysis.stats.secondary.specification_curves import joint_sign_flip, signed_ranks

tables = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(0.4, 1, (7, 5)))


@given(tables)
def test_the_reference_set_flips_each_seed_in_all_analyses_at_once(scores: np.ndarray) -> None:
    z = scores / np.sqrt((scores**2).sum(0))
    patterns = np.array(list(itertools.product((1, -1), repeat=7)))
    medians = np.abs(np.median(patterns @ z, axis=1))
    found = joint_sign_flip(scores)
    assert found.n_extreme == np.count_nonzero(medians >= abs(np.median(z.sum(0))) - 1e-9)
    assert found.n_total == 128


@given(tables)
def test_of_one_analysis_it_is_that_analysis_s_own_test(scores: np.ndarray) -> None:
    d = scores[:, 0]
    assert joint_sign_flip(d[:, None]).pvalue == sign_flip(d).pvalue
    assert joint_sign_flip(signed_ranks(d)[:, None]).pvalue == wilcoxon(d).pvalue


@given(tables, st.permutations(range(7)), st.permutations(range(5)))
def test_it_knows_no_order_no_side_and_no_unit(scores: np.ndarray, seeds: list[int], analyses: list[int]) -> None:
    there = joint_sign_flip(scores)
    assert joint_sign_flip(scores[seeds][:, analyses]).pvalue == there.pvalue
    assert joint_sign_flip(-scores).pvalue == there.pvalue
    assert joint_sign_flip(scores * [1e-300, 1e-170, 1, 1e170, 1e300]).pvalue == there.pvalue


def test_analyses_that_agree_by_copying_are_no_more_evidence_than_one() -> None:
    d = np.random.default_rng(2).normal(0.5, 1, 9)
    assert joint_sign_flip(np.column_stack([d] * 50)).pvalue == sign_flip(d).pvalue


def test_beyond_16_seeds_the_patterns_are_drawn_by_the_data() -> None:
    scores = np.random.default_rng(3).normal(0.3, 1, (20, 4))
    found = joint_sign_flip(scores)
    assert found.n_total == 100_000
    assert found == joint_sign_flip(scores)


def test_analyses_of_copied_data_err_as_often_as_is_said() -> None:
    """No effect, skewed seeds of symmetric labels: 30 analyses, of which some reject far more often than the joint."""
    rng, studies, n = np.random.default_rng(4), 400, 8
    rejected = any_rejected = 0
    for _ in range(studies):
        d = rng.exponential(size=(n, 3)) * rng.choice([-1, 1], (n, 1))
        scores = np.column_stack([d, d.mean(1), np.median(d, 1), *(signed_ranks(column) for column in d.T)])
        rejected += joint_sign_flip(scores).pvalue <= 0.05
        any_rejected += any(joint_sign_flip(column[:, None]).pvalue <= 0.05 for column in scores.T)
    assert rejected / studies <= 0.05 + 3.3 * math.sqrt(0.05 * 0.95 / studies)
    assert any_rejected / studies > 0.08


def test_a_seed_that_some_leave_out_counts_in_the_others_and_nothing_is_no_test() -> None:
    scores = np.array([[1.0, 2.0], [2.0, math.nan], [3.0, 1.0], [math.nan, math.nan]])
    assert joint_sign_flip(scores).n == 3
    assert str(joint_sign_flip([[1.0]]).reason) == "1 seed, 1 analyses: no test"
    assert math.isnan(joint_sign_flip(np.empty((5, 0))).pvalue)
    assert joint_sign_flip(np.zeros((6, 2))).pvalue == 1


def test_signed_ranks_are_those_of_wilcoxon_s_test() -> None:
    d = np.array([3.0, -1.0, 0.0, 1.0, 2.0 + 1e-14, 2.0])
    assert signed_ranks(d).tolist() == [5, -1.5, 0, 1.5, 3.5, 3.5]
    assert signed_ranks(d)[d > 0].sum() == wilcoxon(d).statistic
