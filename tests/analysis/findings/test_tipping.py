"""How rare a collapse would have to be: planted collapses of just less and just more than the tipping rate."""

import numpy as np
import pandas as pd
import pytest

from analysis.findings.tipping import tipping

N = 1000
CHANCE = 0.1


def table(of_baseline: float, of_arm: float, n: int = N, failed_arm: int = 0, failed_baseline: int = 0) -> pd.DataFrame:
    """Pairs of ``n`` seeds, the first of which fail and score chance."""
    seeds = np.arange(n)
    fails = {"arm": seeds < failed_arm, "baseline": seeds < failed_baseline}
    scores = {"arm": of_arm, "baseline": of_baseline}
    columns = {f"of_{side}": np.where(fails[side], CHANCE, score) for side, score in scores.items()}
    return pd.DataFrame({"seed": seeds, **columns, **{f"failed_{side}": of for side, of in fails.items()}})


def difference(pairs: pd.DataFrame) -> float:
    return float((pairs.of_arm - pairs.of_baseline).mean())


@pytest.mark.parametrize(("of_baseline", "of_arm"), [(0.9527, 0.9712), (0.9659, 0.9726), (0.82, 0.97)])
def test_the_rate_is_that_of_the_collapses_that_reverse_the_difference_to_a_thousandth(
    of_baseline: float, of_arm: float
) -> None:
    rate = tipping(table(of_baseline, of_arm), "arm", "bn", CHANCE, 0.05).rate
    just_less, just_more = (table(of_baseline, of_arm, failed_arm=round(N * (rate + off))) for off in (-0.001, 0.001))
    assert difference(just_more) < 0 < difference(just_less)


def test_a_worse_arm_is_reversed_by_collapses_of_the_baseline() -> None:
    rate = tipping(table(0.97, 0.95), "baseline", "no_bn", CHANCE, 0.05).rate
    assert rate == pytest.approx(0.02 / 0.87)
    assert difference(table(0.97, 0.95, failed_baseline=round(N * (rate + 0.001)))) > 0


def test_failures_of_the_other_arm_leave_more_room_and_own_failures_count_as_seen() -> None:
    clean = tipping(table(0.95, 0.97), "arm", "bn", CHANCE, 0.05)
    other = tipping(table(0.95, 0.97, failed_baseline=100), "arm", "bn", CHANCE, 0.05)
    assert other.rate > clean.rate
    own = tipping(table(0.95, 0.97, failed_arm=30), "arm", "bn", CHANCE, 0.05)
    assert own.rate == pytest.approx(clean.rate)
    assert (own.n_failed, own.n) == (30, N)
    assert own.qualified
    assert not clean.qualified


def test_two_hundred_clean_seeds_at_the_tutorials_gain_are_enough_and_ten_are_not() -> None:
    for n, qualified in ((200, False), (10, True)):
        found = tipping(table(0.9527, 0.9713, n=n), "arm", "bn", CHANCE, 0.05)
        assert found.rate == pytest.approx(0.0186 / 0.8713)
        assert found.limit == pytest.approx(1 - 0.05 ** (1 / n))
        assert found.qualified is qualified


def test_a_seed_that_fails_in_one_cell_of_many_is_a_seed_with_a_failed_run() -> None:
    """Collapses may be linked by the seed: nine cells of ten seeds are ten looks for a failure, not ninety."""
    cells = [table(0.95, 0.97, n=10, failed_arm=k) for k in (0, 2, 0)]
    found = tipping(pd.concat(cells), "arm", "bn", CHANCE, 0.05)
    assert (found.n_failed, found.n) == (2, 10)


def test_an_arm_that_is_not_better_once_its_failures_count_has_nothing_left_to_lose() -> None:
    found = tipping(table(0.97, 0.96), "arm", "bn", CHANCE, 0.05)
    assert (found.rate, found.qualified) == (0.0, True)
