"""No function knows the unit of what it is given, and none says that it has no number without saying why."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis import stats
from analysis.stats import grid
from analysis.stats.scale import rescale, unit_of, without_unit
from analysis.stats.tuning import cross_fitting, tuning_curves

SIZES = (1e-300, 1e-170, 1e-155, 1e155, 1e160, 1e300)
RATES = (0.001, 0.01, 0.1)
DRAWN = np.random.default_rng(11)
D = DRAWN.normal(0.4, 1, (8, 3))
MANY = DRAWN.normal(0.4, 1, (20, 3))  # so many that patterns of signs are drawn
TRIALS = DRAWN.random((24, 2))
FLAGS = DRAWN.random((2, 8)) < 0.4
EPOCHS = DRAWN.random((2, 8, 3, 5))
ABOUT_FAILURES = DRAWN.random((2, 8, 2, 3)) < 0.5
AXES = [grid.Axis("rate", RATES)]

Numbers = tuple[list[Any], list[Any]]
"""What stays as it is when everything given is k times as large, and what is k times as large too."""


def of_interval(interval: stats.intervals.Interval) -> Numbers:
    return [interval.level, interval.reason], [interval.estimate, interval.low, interval.high]


def of_test(test: stats.paired_tests.Test) -> Numbers:
    return [test.statistic, test.pvalue, test.n_extreme, test.reason], []


def together(parts: Iterator[Numbers]) -> Numbers:
    every = list(parts)
    return [x for kept, _ in every for x in kept], [x for _, scaled in every for x in scaled]


def of_two_way(result: stats.variance_components.TwoWay) -> Numbers:
    intervals = (result.this_test_set, result.new_images, result.new_images_conservative)
    kept, scaled = together(map(of_interval, intervals))
    variances = (result.var_seeds, result.var_residual, result.ms_images)
    return [*kept, result.df_new_images], [*scaled, *(result.unit * math.sqrt(one) for one in variances)]


def of_crossfit(result: cross_fitting.CrossFit) -> Numbers:
    kept, scaled = of_interval(result.interval)
    return [*kept, result.best_arm, result.stable_arm], [*scaled, result.naive, *result.differences]


def of_plan(planned: stats.power.Plan) -> Numbers:
    half_widths = [half for _, half in planned.half_widths]
    kept = [planned.power_at_margin, planned.seeds_needed, planned.seeds_needed_upper, planned.reason]
    return kept, [planned.sd, planned.upper_sd, planned.smallest_detectable, *half_widths]


def of_best_difference(result: tuning_curves.BestDifference) -> Numbers:
    return [result.reason], [*result.estimates, *result.low, *result.high]


def of_time(times: Sequence[stats.time_to_event.TimeToAccuracy]) -> Numbers:
    return [x for time in times for x in (time.interval.low, time.adjusted.pvalue, time.n_faster, time.median_arm)], []


def of_effect(effect: stats.effect_sizes.Effect) -> Numbers:
    return [effect.estimate, effect.low, effect.high, effect.reason], []


def of_ratio(interval: stats.intervals.Interval) -> Numbers:
    return [interval.estimate, interval.low, interval.high, interval.reason], []


CASES: dict[str, Callable[[float], Numbers]] = {
    "attainable_p": lambda k: ([stats.attainable_p(9)], []),
    "best_rate": lambda k: of_ratio(stats.best_rate(k * D, k * D[::-1], RATES).interval),
    "bootstrap_t": lambda k: of_interval(stats.bootstrap_t(k * D[:, 0])),
    "cohen_dz": lambda k: of_effect(stats.cohen_dz(k * D[:, 0])),
    "count_sign_flip": lambda k: ([stats.count_sign_flip(k * FLAGS[0], k * FLAGS[1]).pvalue], []),
    "crossfit": lambda k: of_crossfit(stats.crossfit(k * D, k * D[::-1])),
    "equivalence": lambda k: of_test(stats.equivalence(k * D[:, 0], k * 1.5)),
    "expected_best": lambda k: ([], [*stats.expected_best(k * TRIALS[:, 0])]),
    "expected_best_band": lambda k: ([], [*np.ravel(stats.expected_best_band(k * TRIALS[:, 0], bounds=(0, k)))]),
    "expected_best_difference": lambda k: of_best_difference(stats.expected_best_difference(*(k * TRIALS.T))),
    "fieller": lambda k: of_ratio(stats.fieller(k * D[:, 0], k * (D[:, 1] + 3))),
    "first_epoch": lambda k: ([*stats.first_epoch(k * EPOCHS[0, 0], k * 0.8)], []),
    "good_region": lambda k: of_ratio(stats.good_region(k * TRIALS[:, 0], k * 0.5)),
    "good_region_difference": lambda k: of_ratio(
        stats.good_region_difference(*(k * TRIALS.T), k * 0.5, k * 0.4).interval
    ),
    "hedges_gz": lambda k: of_effect(stats.hedges_gz(k * D[:, 0])),
    "hodges_lehmann": lambda k: together(map(of_interval, map(stats.hodges_lehmann, k * D.T))),
    "holm": lambda k: ([*stats.holm([0.01, 0.2, 0.03])], []),
    "clustered_share": lambda k: of_ratio(stats.clustered_share([[True, False], [True, True]] * 4)),
    "interquartile_mean": lambda k: of_interval(stats.interquartile_mean(k * D[:, 0])),
    "joint_sign_flip": lambda k: of_test(stats.joint_sign_flip(k * D)),
    "level_differences": lambda k: together(of_interval(one.interval) for one in stats.level_differences(k * D, AXES)),
    "next_pair": lambda k: ([(of := stats.next_pair(k * D[:, 0])).p_worse, of.n_worse, of.limit_worse], []),
    "largest_rate": lambda k: of_ratio(stats.largest_rate(*ABOUT_FAILURES, np.multiply(k, RATES)).interval),
    "max_t": lambda k: together(map(of_test, stats.max_t(k * D) + stats.max_t(k * MANY))),
    "mcnemar": lambda k: of_test(stats.mcnemar(*FLAGS)),
    "paired_t": lambda k: of_test(stats.paired_t(k * D[:, 0])),
    "paired_t_power": lambda k: ([stats.paired_t_power(1.2, 8)], []),
    "plan": lambda k: of_plan(stats.plan(k * D[:, 0], k * 0.8)),
    "prediction": lambda k: of_interval(stats.prediction(k * D[:, 0])),
    "prob_better": lambda k: of_effect(stats.prob_better(k * D[:, 0])),
    "proportion": lambda k: of_ratio(stats.proportion(2, 9)),
    "real_seeds_needed": lambda k: ([stats.real_seeds_needed(0.7)], []),
    "risk_difference": lambda k: of_ratio(stats.risk_difference(*FLAGS)),
    "seeds_needed": lambda k: ([stats.seeds_needed(0.7)], []),
    "seeds_to_reach": lambda k: ([stats.seeds_to_reach(0.05)], []),
    "sign_e_process": lambda k: ([*stats.sign_e_process(k * D[:, 0])], []),
    "sign_flip": lambda k: (
        [stats.sign_flip(k * d).pvalue for d in (D[:, 0], MANY[:, 1])],
        [stats.sign_flip(k * D[:, 0]).statistic],
    ),
    "sign_flip_interval": lambda k: together(map(of_interval, map(stats.sign_flip_interval, k * D.T))),
    "seed_variance": lambda k: ([stats.seed_variance(np.arange(24).reshape(4, 6) % 5 > 1).observed], []),
    "seeds_for_equivalence": lambda k: ([stats.seeds_for_equivalence(k * 0.3, k * 0.2)], []),
    "signed_ranks": lambda k: ([*stats.signed_ranks(k * D[:, 0])], []),
    "simultaneous_inference": lambda k: together(
        (of_test(one.test)[0] + of_interval(one.interval)[0], of_interval(one.interval)[1])
        for one in (*stats.simultaneous_inference(k * D), *stats.simultaneous_inference(k * MANY))
    ),
    "upper_share": lambda k: ([stats.upper_share(2, 9)], []),
    "simultaneous": lambda k: together(map(of_interval, stats.simultaneous(k * D) + stats.simultaneous(k * MANY))),
    "smallest_detectable": lambda k: ([stats.smallest_detectable(8)], []),
    "spread": lambda k: ([], [(of := stats.spread(k * EPOCHS[0, 0])).over_seeds, of.over_epochs]),
    "survivors": lambda k: of_interval(stats.survivors(k * D[:, 0], k * D[:, 1], *FLAGS).interval),
    "t_interval": lambda k: of_interval(stats.t_interval(k * D[:, 0])),
    "time_to_accuracy": lambda k: of_time(stats.time_to_accuracy(*(k * EPOCHS), [k * 0.5, k * 0.8])),
    "two_way": lambda k: of_two_way(stats.two_way(k * D)),
    "type_i_error_rates": lambda k: ([rate.n_rejected for rate in stats.type_i_error_rates(k * D[:6, :1], 0.05)], []),
    "upper_sd": lambda k: ([], [stats.upper_sd(k * 0.3, 8)]),
    "variance_ratio": lambda k: ([(of := stats.variance_ratio(k * D[:, 0], k * D[:, 1])).rho, of.gain], []),
    "wilcoxon": lambda k: of_test(stats.wilcoxon(k * D[:, 0])),
    "worst_rank": lambda k: of_test(stats.worst_rank(k * D[:, 0], k * D[:, 1], *FLAGS)),
}
"""Every public function, of data ``k`` times as large; what has no size in it ignores ``k``."""


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cross_fitting, grid, tuning_curves):
        monkeypatch.setattr(module, "BOOTSTRAP_RESAMPLES", 999)


def knows_no_unit(call: Callable[[float], Numbers], k: float) -> bool:
    (kept, scaled), (kept_too, scaled_too) = call(1.0), call(k)
    near = dict(rel=1e-6, abs=1e-9, nan_ok=True)
    words = [[x for x in side if x is None or isinstance(x, str)] for side in (kept, kept_too)]
    numbers = [[x for x in side if not (x is None or isinstance(x, str))] for side in (kept, kept_too)]
    return (
        words[0] == words[1]
        and numbers[0] == pytest.approx(numbers[1], **near)
        and [x / k for x in scaled_too] == pytest.approx(scaled, **near)
    )


def test_every_public_function_is_held_to_it() -> None:
    assert set(CASES) == set(stats.__all__)


@pytest.mark.parametrize("name", stats.__all__)
def test_a_function_of_data_of_another_size_gives_the_same(name: str) -> None:
    assert all(knows_no_unit(CASES[name], k) for k in SIZES)


def test_a_function_that_squares_what_it_is_given_is_seen() -> None:
    def plain_t(k: float) -> Numbers:
        d = k * D[:, 0]
        with np.errstate(all="ignore"):
            return [float(d.mean() / np.sqrt(np.mean(d**2)))], []

    assert knows_no_unit(plain_t, 1e150)
    assert not any(knows_no_unit(plain_t, k) for k in (1e-300, 1e-170, 1e160, 1e300))
    assert not knows_no_unit(lambda k: ([float(np.sum(k * D))], []), 2.0)


def test_columns_of_a_table_may_have_units_of_their_own() -> None:
    """A column of 8 of one sign, where 2 of 256 patterns are as extreme; together with others no fewer."""
    column = np.array([1.0, 2, 1.5, 3, 0.5, 1.2, 2.2, 0.8])
    alone = [stats.max_t((k * column)[:, None])[0].pvalue for k in (1.0, 1e160, 1e-170)]
    assert alone == [2 / 256] * 3
    beside = np.column_stack([column, 1e160 * column, 1e-170 * column])
    assert [test.pvalue for test in stats.max_t(beside)] == [2 / 256] * 3
    assert [one.reason for one in stats.simultaneous(beside)] == [None] * 3
    ratios = [one.low / one.estimate for one in stats.simultaneous(beside)]
    assert ratios == pytest.approx([ratios[0]] * 3, rel=1e-12)


def test_a_unit_is_a_power_of_two_and_ordinary_data_have_none() -> None:
    assert [unit_of(np.array([x])) for x in (0.0, 1e-29, 3.0, 1e29)] == [1.0] * 4
    for size in SIZES:
        scaled = size / unit_of(np.array([0.0, size]))
        assert 0.5 <= scaled < 1
        assert scaled * unit_of(np.array([size])) == size
    assert unit_of(np.array([math.inf, math.nan, 2.0])) == 1.0
    assert (without_unit(1e160 * D) == without_unit(1e-170 * D)).all()


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=9), st.integers(1, 400))
def test_powers_of_two_leave_every_bit(d: list[float], exponent: int) -> None:
    one, other = rescale(np.array(d)), rescale(np.ldexp(d, exponent))
    assert (one.values * one.unit * 2.0**exponent == other.values * other.unit).all()


# --- what is negligible


DWARFED = {
    "one": ([1e300, 1.0, 2.0, 3e299, 4e299, 5e299], "2 of 6 values are below 1e-09 of the largest: they count as zero"),
    "beside zeros": (
        [1e300, -1e300, 0.0, 0.0, 0.0, 1e-300, 5.0, 2.0],
        "3 of 5 values are below 1e-09 of the largest: too few remain",
    ),
    "most": ([1e300, 1.0, 2.0, 3.0, 4.0], "4 of 5 values are below 1e-09 of the largest: too few remain"),
}
TESTS = (stats.paired_t, stats.sign_flip, stats.wilcoxon, lambda d: stats.equivalence(d, 1.0))
INTERVALS = (stats.t_interval, stats.sign_flip_interval, stats.hodges_lehmann, stats.prob_better, stats.cohen_dz)


@pytest.mark.parametrize("function", [*TESTS, *INTERVALS, lambda d: stats.max_t(np.array(d)[:, None])[0]])
def test_what_counts_as_zero_is_named_and_where_most_does_there_is_no_number(function: Callable) -> None:
    d, why = DWARFED["one"]
    assert function(d).reason == why
    as_zero = function([0.0 if abs(x) < 1 / 1e-9 else x for x in d])
    assert as_zero.reason is None
    for d, why in (DWARFED["most"], DWARFED["beside zeros"]):
        result = function(d)
        assert result.reason == why
        assert math.isnan(result.pvalue if isinstance(result, stats.paired_tests.Test) else result.low)


def test_a_table_names_what_is_negligible_column_by_column() -> None:
    table = np.column_stack([DWARFED["most"][0], np.arange(1.0, 6), [*[1.0] * 4, 1e-12]])
    assert [test.reason for test in stats.max_t(table)] == [
        DWARFED["most"][1],
        None,
        "1 of 5 values is below 1e-09 of the largest: it counts as zero",
    ]
    dwarfed, fine, named = stats.simultaneous(table)
    assert math.isnan(dwarfed.low)
    assert dwarfed.reason == DWARFED["most"][1]
    assert (fine.reason, math.isnan(named.low)) == (None, False)


def test_of_configurations_the_best_is_found_beside_one_of_another_size() -> None:
    """Ties are relative to the sums that tie: a score of 1e300 elsewhere makes none of 1 and 2."""
    arm = np.column_stack([np.full(8, 1.0), np.full(8, 2.0) + D[:, 0] / 100, np.full(8, -1e300)])
    result = stats.crossfit(D[:, :1] / 100, arm)
    assert (result.best_arm, result.stable_arm) == (1, 1.0)
    shift = stats.best_rate(arm, arm[:, [1, 0, 2]], RATES)
    assert (shift.best_baseline, shift.best_arm, shift.n_tied_arm) == (0.01, 0.001, 1)


# --- no number without a reason


def unexplained(result: Any, reason: str | None = None) -> list[str]:
    """Fields that are NaN in a result none of whose own parts says why."""
    if isinstance(result, (list, tuple)):
        return [name for one in result for name in unexplained(one, reason)]
    if is_dataclass(result):
        why = getattr(result, "reason", None)
        of = {field.name: getattr(result, field.name) for field in fields(result)}
        return [f"{name}{rest}" for name, value in of.items() for rest in unexplained(value, why)]
    return [" is NaN"] if isinstance(result, float) and math.isnan(result) and not reason else []


def samples() -> Iterator[list[float]]:
    yield from ([], [1.0], [0.0], [1.0, 2.0], [1.0, 1.0], [1.0, -1.0], [0.0] * 7, [0.3] * 7, [-0.3] * 7)
    yield from ([1e300, 2e300, -1e300, 3e300, 1e300, 2e300], [1e-300, 2e-300, -1e-300, 3e-300, 0.0, 1e-300])
    yield from ([1e300, 1.0, 2.0, 3.0, 1.0, 2.0], [1e300, 1e-300, 1e299, 1e298, 5e299, 3e299, 0.0])
    yield from ([0.0] * 8 + [1.0], [1.0, 2.0, 3.0] * 2, [0.1] * 9 + [0.2])


def tables() -> Iterator[NDArray]:
    yield from (np.empty((0, 3)), np.empty((5, 0)), np.ones((1, 2)), np.zeros((7, 3)), np.full((6, 2), np.nan))
    for row in samples():
        if row:
            yield np.column_stack([row, row[::-1], np.zeros(len(row))])
            yield np.column_stack([row, np.where(np.arange(len(row)) % 2, np.nan, row)])


OF_SAMPLES: dict[str, Callable[[NDArray], Any]] = {
    **{f.__name__: f for f in (stats.paired_t, stats.sign_flip, stats.wilcoxon, stats.prediction, *INTERVALS)},
    **{f.__name__: f for f in (stats.bootstrap_t, stats.hedges_gz)},
    "equivalence": lambda d: stats.equivalence(d, 0.5),
    "fieller": lambda d: (
        stats.fieller(d, d[::-1]),
        stats.fieller(d, 0 * d + 1),
        stats.fieller(0 * d + 1, d),
    ),
    "plan": lambda d: (stats.plan(d, 0.5), stats.plan(d, 0.0), stats.plan(d, math.nan)),
    "variance_ratio": lambda d: (stats.variance_ratio(d, d[::-1]), stats.variance_ratio(d, 0 * d)),
    "survivors": lambda d: stats.survivors(d, d[::-1], d > 0.5, d < 0),
    "worst_rank": lambda d: stats.worst_rank(d, d[::-1], d > 0.5, d < 0),
    "mcnemar": lambda d: (stats.mcnemar(d > 0, d > 1), stats.mcnemar(d > 0, d > 1, mid=True)),
    "risk_difference": lambda d: stats.risk_difference(d > 0, d > 1),
    "count_sign_flip": lambda d: stats.count_sign_flip(d > 0, d > 1),
    "good_region": lambda d: stats.good_region(d, 0.5),
    "good_region_difference": lambda d: stats.good_region_difference(d, d[::-1], 0.5, 0.5),
    "expected_best_difference": lambda d: len(d) and stats.expected_best_difference(np.tile(d, 4), np.tile(d[::-1], 4)),
}
OF_TABLES: dict[str, Callable[[NDArray], Any]] = {
    "max_t": stats.max_t,
    "simultaneous": stats.simultaneous,
    "crossfit": lambda D: D.shape[1] and (stats.crossfit(D, D[::-1]), stats.crossfit(D, 0 * D)),
    "best_rate": lambda D: D.shape[1] and stats.best_rate(D, D[::-1], np.arange(1, D.shape[1] + 1)),
    "largest_rate": lambda D: (
        D.shape[1] and stats.largest_rate((D > 0)[:, None], (D < 0)[:, None], range(1, D.shape[1] + 1))
    ),
    "two_way": lambda D: np.isfinite(D).all() and stats.two_way(D),
    "spread": lambda D: np.isfinite(D).all() and stats.spread(D),
    "type_i_error_rates": lambda D: np.isfinite(D).all() and stats.type_i_error_rates(D[:4, :2], 0.4),
    "time_to_accuracy": lambda D: D.shape[1] and stats.time_to_accuracy(D[:, None], D[::-1][:, None]),
}


@pytest.mark.parametrize("name", OF_SAMPLES)
def test_of_no_sample_is_a_number_missing_without_a_reason(name: str) -> None:
    for d in samples():
        assert unexplained(OF_SAMPLES[name](np.array(d, float))) == [], d


@pytest.mark.parametrize("name", OF_TABLES)
def test_of_no_table_is_a_number_missing_without_a_reason(name: str) -> None:
    for table in tables():
        assert unexplained(OF_TABLES[name](table)) == [], table


@given(st.lists(st.sampled_from([0.0, 1.0, 1.0, 2.0, -1.0, 1e-12, 1e300, 1e-300, 1e200]), max_size=9))
@settings(max_examples=30)
def test_of_no_mixture_of_sizes_is_a_number_missing_without_a_reason(d: list[float]) -> None:
    for function in (stats.paired_t, stats.sign_flip, stats.wilcoxon, *INTERVALS, stats.hedges_gz):
        result = function(d)
        assert unexplained(result) == []
        if isinstance(result, stats.paired_tests.Test) and any(d) and len(d) > 1:
            assert not (result.pvalue == 1.0 and rescale(np.array(d)).too_few)


def test_a_number_that_is_missing_without_a_reason_is_seen() -> None:
    interval = stats.intervals.Interval("t", 2, 1.0, math.nan, 2.0, 0.95)
    assert unexplained((interval,)) == ["low is NaN"]
    assert unexplained(stats.t_interval([1.0])) == []
