"""Worlds hold what they say: means, spreads, shares of failures."""

import numpy as np
import pytest

from analysis.records.pairs import pair
from tests.calibration import worlds
from tests.calibration.claims import Study
from tests.calibration.worlds import ARM, CELLS, LEARNS, POINT, Planted, World

WORLDS = {name: value for name, value in vars(worlds).items() if isinstance(value, World)}


@pytest.mark.parametrize("name", [name for name, world in WORLDS.items() if world.recorded])
def test_drawn_differences_have_the_true_means(name: str) -> None:
    world = WORLDS[name]
    accuracy = world.draw(np.random.default_rng(7), 20_000)
    d = accuracy[..., 1] - accuracy[..., 0]
    error = d.std(0, ddof=1) / np.sqrt(len(d))
    assert (np.abs(d.mean(0) - world.effects) < 4.5 * error + 1e-6).all()
    assert (accuracy < LEARNS).mean(0) == pytest.approx(world.shares, abs=0.015)


def test_the_true_means_are_those_of_the_arithmetic() -> None:
    assert worlds.ONE_COLLAPSES.mean == pytest.approx(-0.18 * POINT, abs=0.005 * POINT)
    assert worlds.THREE_COLLAPSE.mean == pytest.approx(-1.14 * POINT, abs=0.005 * POINT)
    assert worlds.MEAN_ZERO.mean == pytest.approx(0, abs=1e-12)


def test_pairs_have_the_planted_spread_and_cells_are_correlated_as_planted() -> None:
    for world, correlation in ((worlds.NULL, 0.0), (worlds.NULL_BY_SEED, 0.6)):
        d = np.diff(world.draw(np.random.default_rng(1), 20_000))[..., 0]
        assert d.std(0) == pytest.approx(0.22 * POINT, rel=0.03)
        assert np.corrcoef(d.T)[0, 1] == pytest.approx(correlation, abs=0.03)


@pytest.mark.parametrize("gain", [worlds.ONE_CELL.gain, worlds.EVERYWHERE.gain])
def test_collapses_at_the_tipping_rate_make_the_true_mean_zero(gain: tuple[float, ...]) -> None:
    world = World(gain)
    tipping = Study(world, world.draw(np.random.default_rng(3), 1000)).mean.tipping
    assert tipping is not None
    assert World(gain, (tipping.rate,) * len(gain)).mean == pytest.approx(0, abs=0.0004)
    assert not tipping.qualified


def test_a_run_without_records_is_no_pair() -> None:
    accuracy = worlds.UNRECORDED.draw(np.random.default_rng(0), 50)
    pairs = pair(Planted(accuracy, CELLS), ARM, "final")
    assert len(pairs.table) == 50 * 9 - np.isnan(accuracy[..., 1]).sum() < 450
    assert not pairs.table.failed_arm.any()
