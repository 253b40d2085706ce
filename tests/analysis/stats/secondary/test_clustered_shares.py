"""Oracles: scipy's exact interval where the runs of a group agree, and simulated seeds of many kinds."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.stats.secondary.clustered_shares import clustered_share


@pytest.mark.parametrize("k", [0, 1, 7, 10])
def test_where_the_runs_of_a_seed_agree_the_limits_are_those_of_k_of_n_seeds(k: int) -> None:
    share = clustered_share([[1] * 9] * k + [[0] * 9] * (10 - k))
    exact = stats.binomtest(k, 10).proportion_ci(method="exact")
    assert (share.n, share.estimate) == (10, k / 10)
    assert (share.low, share.high) == pytest.approx((exact.low, exact.high))


def test_more_runs_of_the_same_seeds_narrow_nothing() -> None:
    few, many = clustered_share([[1, 0]] * 6), clustered_share([[1, 0] * 50] * 6)
    assert (few.low, few.high) == (many.low, many.high)
    as_if_independent = stats.binomtest(300, 600).proportion_ci(method="exact")
    assert many.low < as_if_independent.low - 0.2


def test_missing_runs_are_no_failures_and_no_run_at_all_is_a_reason() -> None:
    share = clustered_share([[1, math.nan], [0, 1], [math.nan, math.nan]])
    assert (share.n, share.estimate) == (2, pytest.approx(2 / 3))
    assert clustered_share(np.full((3, 2), math.nan)).reason == "0 groups"
    with pytest.raises(ValueError, match="a row per group"):
        clustered_share([1, 0, 1])


@pytest.mark.parametrize("together", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shares", [(0.05,) * 9, (0.5,) * 9, (1.0,) * 6 + (0.5,) * 3, (1.0,) * 8 + (0.95,)])
def test_the_share_of_runs_is_covered_however_the_runs_of_a_seed_go_together(
    shares: tuple[float, ...], together: float
) -> None:
    """``together``: the share of seeds whose runs have one luck for all."""
    rng, n, studies = np.random.default_rng(5), 10, 500
    own, common = rng.random((studies, n, len(shares))), rng.random((studies, n, 1))
    luck = np.where(rng.random((studies, n, 1)) < together, common, own)
    intervals = [clustered_share(table) for table in luck < np.array(shares)]
    covered = np.mean([interval.low <= np.mean(shares) <= interval.high for interval in intervals])
    assert covered >= 0.95 - 3.3 * math.sqrt(0.05 * 0.95 / studies)
