"""What the figure of replaced companions draws."""

import math
from dataclasses import replace

import pytest
from matplotlib.axes import Axes

from analysis.findings.modes.inference_modes import Modes, SwapResult
from analysis.report.figures.modes.swaps import swap_sensitivity
from analysis.report.figures.style import BLUE, MEDIA, WIDE, Medium
from analysis.stats.intervals import Interval
from tests.analysis.report.figures.drawn import colour, is_close, line, texts, xy
from tests.analysis.report.figures.legible import illegible
from tests.analysis.report.figures.modes_study import MEAN_SEED, SWAPS


def law(size: int, k: int) -> float:
    return math.sqrt(2 * k) / size


def bars(axes: Axes) -> list[tuple[float, float, float]]:
    """Of the intervals drawn: x, low and high, sorted."""
    segments = [segment for found in axes.collections for segment in found.get_segments()]  # type: ignore[attr-defined]
    return sorted((float(s[0, 0]), float(s[0, 1]), float(s[1, 1])) for s in segments)


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_changed_classes_stand_over_the_images_replaced_a_line_a_size_of_the_batch(
    modes: Modes, medium: Medium
) -> None:
    flips, moves = swap_sensitivity(modes.swaps, medium=medium).axes
    for (size, k), moved in SWAPS.items():
        name = f"batch of {size}"
        assert is_close(xy(line(flips, name)), [(k, 50 * moved * (1 + 0.2 * MEAN_SEED))])
        assert is_close(xy(line(moves, name)), [(law(size, k), moved * (1 + 0.1 * MEAN_SEED))])
    by_k = [(s.n_swapped, 100 * s.flip_rate.low, 100 * s.flip_rate.high) for s in modes.swaps]
    assert is_close(bars(flips), sorted(by_k))
    assert is_close(bars(moves), sorted((s.law, s.mean_change.low, s.mean_change.high) for s in modes.swaps))
    assert (moves.get_xscale(), moves.get_yscale(), flips.get_yscale()) == ("log", "log", "linear")


def test_the_diagonal_is_what_random_draws_give(modes: Modes) -> None:
    moves = swap_sensitivity(modes.swaps).axes[1]
    assert is_close(
        xy(line(moves, "random draws")), [(law(*swap), law(*swap)) for swap in sorted(SWAPS, key=lambda s: law(*s))]
    )


def test_the_same_images_under_running_averages_are_the_arm_s_line(modes: Modes) -> None:
    flips = swap_sensitivity(modes.swaps).axes[0]
    assert is_close(xy(line(flips, "running averages")), [(k, 0) for _, k in sorted(SWAPS, key=lambda s: s[1])])
    assert colour(line(flips, "running averages")) == BLUE
    assert "running averages" in {text for *_, text in texts(flips)}
    unknown = [replace(swap, running_flip_rate=None) for swap in modes.swaps]
    flips = swap_sensitivity(unknown).axes[0]
    assert {text for *_, text in texts(flips)} == {f"batch of {size}" for size, _ in SWAPS}


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_one_seed_has_points_without_intervals(modes: Modes, medium: Medium) -> None:
    def alone(interval: Interval) -> Interval:
        return replace(interval, n=1, low=math.nan, high=math.nan)

    (one, *_) = modes.swaps
    single: SwapResult = replace(one, n=1, mean_change=alone(one.mean_change), flip_rate=alone(one.flip_rate))
    figure = swap_sensitivity([single], medium=medium)
    figure.draw_without_rendering()
    (at, low, high), *_ = bars(figure.axes[0])
    assert low == high
    assert at == single.n_swapped


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_every_text_can_be_read(modes: Modes, medium: Medium) -> None:
    assert illegible(swap_sensitivity(modes.swaps, medium=medium)) == []


def test_the_wide_panels_stand_beside_one_another(modes: Modes) -> None:
    left, right = swap_sensitivity(modes.swaps, medium=WIDE).axes
    assert left.get_position().x1 < right.get_position().x0
