"""Oracles: quadrature, bets made one by one, simulation."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, stats

from analysis.stats.evalues import e_process, sign_e_process
from tests.analysis.stats.test_paired_tests import SLEEP

samples = st.lists(st.integers(-300, 300).map(lambda k: k / 100), min_size=1, max_size=30)


@pytest.mark.parametrize(("c2", "expected"), [(0.25, 22.9179849029), (1.0, 25.4751378589), (4.0, 11.880537603)])
def test_e_process_on_the_sleep_data(c2: float, expected: float) -> None:
    assert e_process(SLEEP, c2)[-1] == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("c2", [0.25, 1.0, 4.0])
def test_e_process_is_the_likelihood_ratio_averaged_over_effects_and_spreads(c2: float) -> None:
    """Effects d_z ~ N(0, 1 / c2) against d_z = 0, both with the spread's prior d sigma / sigma, by quadrature."""
    d = np.array([0.4, -0.3, 1.1, 0.9])

    def likelihood(log_sd: float, d_z: float) -> float:
        sd = math.exp(log_sd)
        return float(np.exp(-0.5 * np.square(d / sd - d_z).sum()) / sd ** len(d))

    def mixture(log_sd: float, d_z: float) -> float:
        return likelihood(log_sd, d_z) * float(stats.norm.pdf(d_z, scale=1 / math.sqrt(c2)))

    wide = 9 / math.sqrt(c2)
    above = integrate.dblquad(mixture, -wide, wide, -6, 10)[0]
    below = integrate.quad(likelihood, -6, 10, args=(0.0,))[0]
    assert e_process(d, c2)[-1] == pytest.approx(above / below, rel=1e-6)


@given(samples, st.sampled_from([1e-200, 1e-3, 100.0, 1e150]), st.sampled_from([0.25, 1.0, 4.0]))
def test_e_process_knows_no_unit_and_no_direction(d: list[float], unit: float, c2: float) -> None:
    assert e_process(unit * np.array(d), c2) == pytest.approx(e_process(d, c2), rel=1e-9)
    assert e_process(-np.array(d), c2) == pytest.approx(e_process(d, c2), rel=1e-12)
    assert sign_e_process(-np.array(d)) == pytest.approx(sign_e_process(d), rel=1e-9)


@given(samples, samples)
@pytest.mark.parametrize("process", [e_process, sign_e_process])
def test_later_seeds_change_no_earlier_evidence(
    process: Callable[[object], NDArray], first: list[float], then: list[float]
) -> None:
    assert process([*first, *then])[: len(first)] == pytest.approx(process(first), rel=1e-9)


@given(samples)
def test_sign_e_process_is_the_wealth_of_a_bettor_on_signs(d: list[float]) -> None:
    """Start with 1; before each difference stake on "positive" the share (k + 1/2) / (m + 1), at even odds."""
    wealth, k, m, path = 1.0, 0, 0, []
    for value in d:
        if value:
            share = (k + 0.5) / (m + 1)
            wealth *= 2 * (share if value > 0 else 1 - share)
            k, m = k + (value > 0), m + 1
        path.append(wealth)
    assert sign_e_process(d) == pytest.approx(path, rel=1e-9)


def test_no_difference_so_far_is_no_evidence() -> None:
    for process in (e_process, sign_e_process):
        assert process([]).shape == (0,)
        assert process(np.zeros(4)).tolist() == [1, 1, 1, 1]
        assert process([0.0, 0.0, 1.0])[:2].tolist() == [1, 1]
        assert process([-3.0])[0] == pytest.approx(1.0)


def test_evidence_beyond_the_largest_float_is_infinite_and_none_is_nan() -> None:
    for process in (e_process, sign_e_process):
        evidence = process(np.ones(3000))
        assert evidence[-1] == math.inf
        assert (np.diff(evidence[:50]) > 0).all()
    assert not np.isnan(e_process(np.full(3000, 0.1), c2=1e-20)).any()


@pytest.mark.parametrize("c2", [0.0, -1.0, math.nan])
def test_a_c2_that_is_no_precision_is_refused(c2: float) -> None:
    with pytest.raises(ValueError, match=f"c2 is {c2}: give a positive number"):
        e_process(SLEEP, c2)


def at_most(share: float, repeats: int) -> float:
    """The share and 3.3 standard errors of its Monte-Carlo estimate."""
    return share + 3.3 * math.sqrt(share * (1 - share) / repeats)


@pytest.mark.slow
def test_peeking_with_t_rejects_a_fifth_of_null_studies_and_the_e_processes_a_twentieth() -> None:
    """4,000 studies without an effect, a look after each of the seeds 3 to 20. Peeking is the negative control."""
    repeats, seeds = 4000, 20
    d = np.random.default_rng(1939).normal(size=(repeats, seeds))
    rejected = [stats.ttest_1samp(d[:, :n], 0.0, axis=1).pvalue <= 0.05 for n in range(3, seeds + 1)]
    assert np.any(rejected, axis=0).mean() > 0.20
    for process in (e_process, sign_e_process):
        ever = np.mean([process(row).max() >= 20 for row in d])
        assert 0.005 < ever <= at_most(0.05, repeats)


@pytest.mark.slow
def test_the_sign_e_process_holds_for_skewed_differences_of_median_zero() -> None:
    repeats = 4000
    d = np.random.default_rng(1976).exponential(size=(repeats, 40)) - math.log(2)
    assert np.mean([sign_e_process(row).max() >= 20 for row in d]) <= at_most(0.05, repeats)
