"""Oracles: statsmodels' TTestPower and R's power.t.test, quadrature, simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from analysis.stats.intervals import t_interval
from analysis.stats.paired_tests import sign_flip
from analysis.stats.power import (
    HALF_WIDTHS_AT,
    attainable_p,
    paired_t_power,
    plan,
    real_seeds_needed,
    seeds_needed,
    seeds_to_reach,
    smallest_detectable,
    upper_sd,
)
from tests.analysis.stats.test_paired_tests import SLEEP


@pytest.mark.parametrize(("n", "expected"), [(5, 0.401389917371795), (10, 0.803096856632722), (20, 0.988591294778776)])
def test_power_at_d_z_1_is_that_of_statsmodels(n: int, expected: float) -> None:
    assert paired_t_power(1.0, n) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("target", "d_z", "expected"),
    [
        (0.8, 0.3, 89.1493647204583),
        (0.8, 0.5, 33.3671311843178),
        (0.8, 0.8, 14.3027645581294),
        (0.8, 1.0, 9.93785094105438),
        (0.8, 1.5, 5.68614209774574),
        (0.8, 2.0, 4.22071858501904),
        (0.9, 0.5, 43.9954806984148),
        (0.9, 1.0, 12.5854596778074),
    ],
)
def test_real_seeds_needed_is_that_of_statsmodels(target: float, d_z: float, expected: float) -> None:
    """Their solver stops within 1.5e-7 of the root; ours must stand on it."""
    seeds = real_seeds_needed(d_z, power=target)
    assert seeds == pytest.approx(expected, rel=2e-7)
    assert paired_t_power(d_z, seeds) == pytest.approx(target, abs=1e-12)
    assert seeds_needed(d_z, power=target) == math.ceil(expected)


def test_real_seeds_needed_is_that_of_r() -> None:
    """R: power.t.test(delta = 0.5, power = 0.8, type = "paired") prints n = 33.36713."""
    assert f"{real_seeds_needed(0.5):.5f}" == "33.36713"


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (3, 3.264044),
        (4, 2.127949),
        (5, 1.681997),
        (6, 1.434545),
        (8, 1.156035),
        (10, 0.996002),
        (12, 0.888654),
        (15, 0.778023),
        (20, 0.660442),
        (30, 0.529236),
    ],
)
def test_smallest_detectable_is_that_of_statsmodels(n: int, expected: float) -> None:
    """To their six decimals; at n = 10 their solver's last one is 0.6 of a unit too high."""
    assert smallest_detectable(n) == pytest.approx(expected, abs=7e-7)


@pytest.mark.parametrize("n", [2, 3, 6, 20, 200])
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.2])
@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0, 5.0, 8.0, 11.0])
def test_power_is_the_integral_over_the_estimated_spread(n: int, alpha: float, shift: float) -> None:
    """P(|Z + shift| > critical s) given s, averaged over s^2 ~ chi2_{n-1} / (n-1), by quadrature."""
    critical, df = stats.t.ppf(1 - alpha / 2, n - 1), n - 1

    def rejects(s: float) -> float:
        given_s = special.ndtr(shift - critical * s) + special.ndtr(-shift - critical * s)
        return float(given_s * stats.chi.pdf(s * math.sqrt(df), df) * math.sqrt(df))

    edges = [0.0, *sorted((shift / critical + step / critical) for step in range(-9, 10)), 0.5, 1.0, 2.0, 9.0]
    edges = sorted({edge for edge in edges if 0 <= edge <= 9})
    total = sum(integrate.quad(rejects, low, high)[0] for low, high in itertools.pairwise(edges))
    assert paired_t_power(shift / math.sqrt(n), n, alpha) == pytest.approx(total, abs=1e-9)


@given(st.integers(0, 300).map(lambda k: k / 100), st.integers(2, 200), st.sampled_from([0.001, 0.01, 0.05, 0.1]))
def test_power_rises_with_n_and_with_d_z_and_knows_no_sign(d_z: float, n: int, alpha: float) -> None:
    power = paired_t_power(d_z, n, alpha)
    assert alpha - 1e-12 <= power <= 1 + 1e-12
    assert paired_t_power(d_z, n + 1, alpha) >= power - 1e-12
    assert paired_t_power(d_z + 0.1, n, alpha) >= power - 1e-12
    assert paired_t_power(-d_z, n, alpha) == power


@given(st.integers(2, 300), st.sampled_from([0.001, 0.05]), st.sampled_from([0.3, 0.8, 0.9, 0.99]))
def test_smallest_detectable_is_detected_with_that_power_by_n_seeds_and_no_fewer(n: int, alpha: float, target: float):
    d_z = smallest_detectable(n, alpha, target)
    assert paired_t_power(d_z, n, alpha) == pytest.approx(target, abs=1e-12)
    assert seeds_needed(d_z, alpha, target) == n


@given(st.floats(0.02, 20), st.sampled_from([0.001, 0.05]), st.sampled_from([0.3, 0.8, 0.99]))
def test_seeds_needed_is_the_least(d_z: float, alpha: float, target: float) -> None:
    seeds = seeds_needed(d_z, alpha, target)
    assert seeds is not None
    assert seeds >= 2
    assert paired_t_power(d_z, seeds, alpha) >= target - 1e-12
    assert seeds == 2 or paired_t_power(d_z, seeds - 1, alpha) < target
    assert seeds_needed(-d_z, alpha, target) == seeds


def test_effects_beyond_measure_have_an_answer() -> None:
    assert seeds_needed(0.0) is None
    assert real_seeds_needed(0.0) == math.inf
    assert seeds_needed(math.nan) is None
    assert seeds_needed(1e-300) is None
    assert seeds_needed(math.inf) == seeds_needed(1e6) == 2
    of_the_z_test = ((stats.norm.isf(0.025) + stats.norm.ppf(0.8)) / 1e-9) ** 2
    assert real_seeds_needed(1e-9) == pytest.approx(of_the_z_test, rel=1e-5)
    assert paired_t_power(math.inf, 3) == paired_t_power(1e6, 3) == 1


def test_with_fewer_than_2_seeds_there_is_no_power() -> None:
    for n in (0, 1):
        assert math.isnan(paired_t_power(1.0, n))
        assert math.isnan(smallest_detectable(n))
        assert math.isnan(upper_sd(1.0, n))
    assert math.isnan(paired_t_power(math.nan, 5))


def test_levels_that_are_none_are_refused() -> None:
    for alpha in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match=f"alpha is {alpha}: give a number between 0 and 1"):
            paired_t_power(1.0, 5, alpha)
        with pytest.raises(ValueError, match=f"alpha is {alpha}"):
            seeds_to_reach(alpha)
    for target in (0.05, 1.0, math.nan):
        with pytest.raises(ValueError, match=f"power is {target}: give a number between alpha = 0.05 and 1"):
            seeds_needed(1.0, power=target)
        with pytest.raises(ValueError, match=f"power is {target}"):
            smallest_detectable(5, power=target)


@pytest.mark.parametrize("n", range(2, 13))
def test_attainable_p_is_what_the_sign_flip_test_gives_when_all_seeds_agree(n: int) -> None:
    assert attainable_p(n) == sign_flip(np.arange(1, n + 1)).pvalue


def test_attainable_p_is_at_most_1() -> None:
    assert attainable_p(0) == attainable_p(1) == 1


@pytest.mark.parametrize(("alpha", "expected"), [(0.5, 2), (0.1, 5), (0.0625, 5), (0.05, 6), (0.01, 8), (0.001, 11)])
def test_seeds_to_reach_a_level(alpha: float, expected: int) -> None:
    assert seeds_to_reach(alpha) == expected
    assert attainable_p(expected) <= alpha < attainable_p(expected - 1)


def test_upper_sd_is_above_the_estimate_and_its_limit_on_the_variance_is_a_quantile() -> None:
    """Chi2 with 2 degrees of freedom is exponential, its 20 % quantile -2 log 0.8: by hand for n = 3."""
    assert upper_sd(1.0, 3) == pytest.approx(math.sqrt(2 / (-2 * math.log(0.8))), rel=1e-12)
    assert upper_sd(3.0, 12) == pytest.approx(3 * upper_sd(1.0, 12), rel=1e-12)
    assert upper_sd(1.0, 5) > upper_sd(1.0, 50) > 1
    assert upper_sd(1.0, 5, confidence=0.95) > upper_sd(1.0, 5)


def test_the_plan_of_the_sleep_data_agrees_with_its_parts() -> None:
    planned = plan(SLEEP, margin=1.0)
    assert planned.sd == pytest.approx(1.22999548327987, rel=1e-12)
    assert (planned.n, planned.attainable_p, planned.seeds_to_reach) == (10, 2 / 1024, 6)
    assert planned.power_at_margin == paired_t_power(1.0 / planned.sd, 10)
    assert paired_t_power(planned.smallest_detectable / planned.sd, 10) == pytest.approx(0.8)
    assert planned.upper_sd == upper_sd(planned.sd, 10)
    assert planned.seeds_needed == seeds_needed(1.0 / planned.sd) == 14
    assert planned.seeds_needed_upper == seeds_needed(1.0 / planned.upper_sd) == 22
    interval = t_interval(SLEEP)
    assert dict(planned.half_widths)[10] == pytest.approx((interval.high - interval.low) / 2)
    assert [n for n, _ in planned.half_widths] == list(HALF_WIDTHS_AT)
    assert planned.reason is None


def test_a_plan_keeps_the_level_and_the_power_it_was_given() -> None:
    planned = plan(SLEEP, 1.0, alpha=0.01, power=0.9)
    assert (planned.margin, planned.alpha, planned.power, planned.seeds_to_reach) == (1.0, 0.01, 0.9, 8)
    assert planned.power_at_margin == paired_t_power(1.0 / planned.sd, 10, 0.01)
    assert planned.smallest_detectable == smallest_detectable(10, 0.01, 0.9) * planned.sd
    assert planned.seeds_needed == seeds_needed(1.0 / planned.sd, 0.01, 0.9)
    assert planned.seeds_needed_upper == seeds_needed(1.0 / planned.upper_sd, 0.01, 0.9)
    interval = t_interval(SLEEP, 0.99)
    assert dict(planned.half_widths)[10] == pytest.approx((interval.high - interval.low) / 2)


def test_a_plan_in_another_unit_is_the_same_plan() -> None:
    one, other = plan(SLEEP, 1.0), plan(100 * SLEEP, 100.0)
    assert (one.seeds_needed, one.seeds_needed_upper) == (other.seeds_needed, other.seeds_needed_upper)
    assert one.power_at_margin == pytest.approx(other.power_at_margin)
    assert 100 * one.smallest_detectable == pytest.approx(other.smallest_detectable)
    assert [100 * width for _, width in one.half_widths] == pytest.approx([width for _, width in other.half_widths])


@pytest.mark.parametrize(
    ("d", "sd", "reason"),
    [
        ([], math.nan, "0 pairs: no estimate of the spread"),
        ([0.4], math.nan, "1 pairs: no estimate of the spread"),
        ([0.0] * 6, 0.0, "all differences are equal: the spread is zero"),
        ([0.1 + 0.2] * 6, 0.0, "all differences are equal: the spread is zero"),
    ],
)
def test_a_plan_without_a_spread_says_why_and_has_no_numbers(d: list[float], sd: float, reason: str) -> None:
    planned = plan(d, margin=0.1)
    assert planned.reason == reason
    assert planned.sd == pytest.approx(sd, nan_ok=True)
    assert (planned.n, planned.seeds_needed, planned.seeds_needed_upper) == (len(d), None, None)
    numbers = (planned.upper_sd, planned.power_at_margin, planned.smallest_detectable)
    assert np.isnan([*numbers, *dict(planned.half_widths).values()]).all()


@pytest.mark.parametrize("margin", [0.0, -0.1, math.nan])
def test_a_plan_without_a_margin_says_why_and_keeps_what_needs_none(margin: float) -> None:
    planned, full = plan(SLEEP, margin), plan(SLEEP, 1.0)
    assert planned.reason == f"the margin is {margin:g}: no number of seeds detects a difference that is not above zero"
    assert (planned.seeds_needed, planned.seeds_needed_upper) == (None, None)
    assert math.isnan(planned.power_at_margin)
    assert (planned.sd, planned.upper_sd, planned.half_widths) == (full.sd, full.upper_sd, full.half_widths)
    assert planned.smallest_detectable == full.smallest_detectable


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 5, 10, 20])
@pytest.mark.parametrize("d_z", [0.0, 0.3, 0.8, 1.5])
def test_power_is_how_often_the_t_test_rejects(d_z: float, n: int) -> None:
    """40,000 studies of normal differences, scipy's paired t test of each."""
    repeats = 40_000
    d = np.random.default_rng([n, int(10 * d_z)]).normal(d_z, 1.0, (repeats, n))
    rejected = np.mean(stats.ttest_1samp(d, 0.0, axis=1).pvalue <= 0.05)
    expected = paired_t_power(d_z, n)
    assert abs(rejected - expected) <= 3.3 * math.sqrt(expected * (1 - expected) / repeats)


@pytest.mark.slow
def test_a_study_planned_by_the_upper_sd_has_its_power_in_80_of_100_cases() -> None:
    repeats, n = 40_000, 6
    sds = np.random.default_rng(1995).normal(size=(repeats, n)).std(axis=1, ddof=1)
    covered = np.mean(upper_sd(1.0, n) * sds >= 1.0)
    assert abs(covered - 0.8) <= 3.3 * math.sqrt(0.8 * 0.2 / repeats)
