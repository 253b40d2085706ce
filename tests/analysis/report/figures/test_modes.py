"""What the figures of the inference modes draw, from an ablation with planted answers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes

from analysis.findings.modes.inference_modes import Modes, StatisticResult, modes
from analysis.records.tables import load, load_ablation
from analysis.report.figures import modes as drawing
from analysis.report.figures.style import BLUE, GREY
from study.spec.design import Design
from study.spec.inference_modes import parse
from study.spec.runs import Run
from tests.analysis.planted import CLEAN, WITHOUT_NORM, Row, Way, answer, plant, plant_ablation
from tests.analysis.report.figures.drawn import (
    annotations,
    colour,
    is_close,
    legend,
    line,
    look,
    texts,
    x_ticks,
    xy,
    y_ticks,
)

SEEDS = (0, 1, 2)
MEAN_SEED = 1
DESIGN = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=SEEDS, epochs=1)
BY_BATCH: dict[Way, int] = {
    ("batch", 8, "shuffled"): 280, ("batch", 32, "shuffled"): 310, ("batch", 128, "shuffled"): 330,
    ("batch", 8, "natural"): 270, ("batch", 32, "natural"): 300, ("batch", 8, "sorted"): 40,
    ("batch", 32, "sorted"): 60,
}  # fmt: skip
LEVEL: dict[Way, int] = {
    ("running", None, None): 340, ("population", None, None): 343, ("cumulative_last", None, None): 338,
    ("cumulative_all", None, None): 320,
}  # fmt: skip
OTHERS: dict[Way, int] = {("mean_only", 8, "shuffled"): 250, ("precise", None, None): 341}
"""Right answers of 360 by the network of seed 0; every further seed has one more."""
SWAPS = {(32, 16): 0.5, (8, 2): 0.2, (128, 1): 0.02}
"""How far the batch mean moves by (size of the batch, images replaced), not in the order of its law."""
ERRORS = {("running", 0): 0.3, ("running", 1): 0.4, ("cumulative_all", 0): 1.1, ("cumulative_all", 1): 1.3}


def answers(run: Run) -> dict[str, list[Row]]:
    if run.arm != "bn":
        return {"ablation": [answer(WITHOUT_NORM, CLEAN, 300)]}
    ways = BY_BATCH | LEVEL | OTHERS
    asked = [answer(way, CLEAN, n + run.seed) for way, n in ways.items()]
    asked += [answer(way, ("gaussian_noise", 5), n // 2 + run.seed) for way, n in ways.items()]
    swaps = [
        {
            "eval_batch_size": size, "n_swapped": k, "mean_change": moved * (1 + 0.1 * run.seed), "value_change": 0.3,
            "logit_change": 2.0, "flip_rate": 0.5 * moved * (1 + 0.2 * run.seed),
        }
        for (size, k), moved in SWAPS.items()
    ]  # fmt: skip
    errors = [
        {
            "inference": name, "layer": layer, "rms_mean_error": error + 0.01 * run.seed,
            "rms_log_var_error": 2 * error + 0.02 * run.seed,
        }
        for (name, layer), error in ERRORS.items()
    ]  # fmt: skip
    return {"ablation": asked, "swaps": swaps, "statistics": errors}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Modes:
    path = plant(tmp_path_factory.mktemp("results") / "s", DESIGN, lambda run, _: 0.9 + 0.001 * run.seed)
    study = load(plant_ablation(path, DESIGN, answers))
    ablation = load_ablation(study)
    assert ablation
    return modes(study, ablation, 0.05, 0.002)


def percent(n: int) -> float:
    """Of the mean over the networks."""
    return 100 * (n + MEAN_SEED) / 360


def test_an_order_of_the_test_batch_is_a_line_over_its_size_on_the_clean_images(found: Modes) -> None:
    (axes,) = drawing.accuracy_by_size(found).axes
    for order in ("shuffled", "natural", "sorted"):
        expected = [(size, percent(n)) for (_, size, of), n in BY_BATCH.items() if of == order]
        drawn = line(axes, f"test batch, {order}")
        assert is_close(xy(drawn), expected)
    assert len({str(look(line(axes, f"test batch, {order}"))) for order in drawing.ORDERS}) == 3
    assert axes.get_xscale() == "log"
    assert all(float(label) == pytest.approx(place) for place, label in x_ticks(axes).items())
    assert is_close(axes.get_ylim(), (0, 100))


def test_what_knows_no_batch_is_a_level_line_with_its_name(found: Modes) -> None:
    (axes,) = drawing.accuracy_by_size(found).axes
    for (name, _, _), n in LEVEL.items():
        assert is_close(line(axes, parse(name).label).get_ydata(), [percent(n)] * 2)
    assert legend(axes) == [
        *(f"test batch, {order}" for order in drawing.ORDERS),
        *(parse(way[0]).label for way in LEVEL),
    ]
    assert len(axes.get_lines()) == 3 + len(LEVEL), "and no other way to predict"


def law(size: int, k: int) -> float:
    return math.sqrt(2 * k) / size


def test_what_companions_do_stands_over_the_law_of_random_draws(found: Modes) -> None:
    moves, flips = drawing.swap_sensitivity(found.swaps).axes
    straight = line(moves, "sqrt(2k)/m")
    swaps = [(swap.eval_batch_size, swap.n_swapped) for swap in found.swaps]
    assert set(swaps) == set(SWAPS)
    in_order = sorted(law(*swap) for swap in swaps)
    assert colour(straight) == GREY
    assert is_close(xy(straight), [(x, x) for x in in_order])
    for axes, what, by_seed, scale in ((moves, "mean_change", 0.1, 1.0), (flips, "flip_rate", 0.2, 50.0)):
        (container,) = axes.containers
        points, _, (bars,) = container.lines
        assert is_close(xy(points), [(law(*swap), scale * SWAPS[swap] * (1 + by_seed * MEAN_SEED)) for swap in swaps])
        intervals = [getattr(swap, what) for swap in found.swaps]
        percent_of = 100 if what == "flip_rate" else 1
        expected = [[percent_of * interval.low, percent_of * interval.high] for interval in intervals]
        assert is_close([segment[:, 1] for segment in bars.get_segments()], expected)
        assert is_close([segment[:, 0] for segment in bars.get_segments()], [[law(*swap)] * 2 for swap in swaps])
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert colour(points) == BLUE


def test_every_point_of_the_flips_says_how_many_companions_were_replaced(found: Modes) -> None:
    _, flips = drawing.swap_sensitivity(found.swaps).axes
    named = annotations(flips)
    assert named.keys() == {f"{k} of {size}" for size, k in SWAPS}
    for (size, k), moved in SWAPS.items():
        assert named[f"{k} of {size}"] == pytest.approx((law(size, k), 50 * moved * (1 + 0.2 * MEAN_SEED)))


def one(found: Modes, name: str, layer: int) -> StatisticResult:
    (result,) = (r for r in found.statistics if (r.inference, r.layer) == (name, layer))
    return result


def errors_drawn(axes: Axes, layer: int) -> dict[float, float]:
    """Of the layer, by their height."""
    named = [line for line in axes.get_lines() if line.get_marker() == "os"[layer] and len(line.get_xdata())]
    return {y: x for line in named for x, y in xy(line)}


def test_a_statistic_s_error_stands_at_its_name_a_little_apart_by_layer(found: Modes) -> None:
    figure = drawing.statistic_errors(found.statistics)
    of_mean, of_variance = figure.axes
    assert ("mean (sd)" in of_mean.get_xlabel(), "log variance" in of_variance.get_xlabel()) == (True, True)
    names = {label: place for place, label in y_ticks(of_mean).items()}
    assert names.keys() == {parse("running").label, parse("cumulative_all").label}
    for axes, what, scale in ((of_mean, "mean_error", 1), (of_variance, "log_var_error", 2)):
        for (name, layer), error in ERRORS.items():
            drawn = {y: x for y, x in errors_drawn(axes, layer).items() if abs(y - names[parse(name).label]) < 0.5}
            ((y, x),) = drawn.items()
            assert x == pytest.approx(scale * (error + 0.01 * MEAN_SEED))
            interval = getattr(one(found, name, layer), what)
            bars = [xy(bar) for bar in axes.get_lines() if bar.get_marker() == "None" and bar.get_ydata()[0] == y]
            assert is_close(bars, [[(interval.low, y), (interval.high, y)]])
        first, second = ({y for y in errors_drawn(axes, layer)} for layer in (0, 1))
        assert not first & second
    assert legend(of_mean) == ["layer 1", "layer 2"]
    assert [line(of_mean, f"layer {layer + 1}").get_marker() for layer in (0, 1)] == ["o", "s"]


def test_an_error_of_the_arithmetic_is_not_drawn(found: Modes) -> None:
    tiny = replace(found.statistics[0].mean_error, estimate=1e-15, low=0.0, high=2e-15)
    rounded = [replace(found.statistics[0], mean_error=tiny), *found.statistics[1:]]
    of_mean, of_variance = drawing.statistic_errors(rounded).axes
    assert [len(errors_drawn(axes, 0)) + len(errors_drawn(axes, 1)) for axes in (of_mean, of_variance)] == [3, 4]


def test_two_swaps_of_one_law_are_named_apart(found: Modes) -> None:
    first, *_ = found.swaps
    lower = replace(first.flip_rate, estimate=first.flip_rate.estimate / 2, low=math.nan, high=math.nan)
    drawn = drawing.swap_sensitivity([first, replace(first, flip_rate=lower)]).axes[1].texts
    assert [text.xyann[1] > 0 for text in drawn] == [True, False]


def test_a_shift_s_difference_is_written_in_its_row_and_its_column() -> None:
    values = np.array([[1.25, -30.0, math.nan], [-0.04, 2.0, 60.0]])
    rows, columns = ["gaussian noise 1", "gaussian noise 5"], ["batch\n8", "batch\n32", "population"]
    (axes,) = drawing.shift_map(rows, columns, values).axes
    assert x_ticks(axes) == dict(enumerate(columns))
    assert y_ticks(axes) == dict(enumerate(rows))
    assert is_close(axes.get_ylim(), (1.5, -0.5)), "the first row is on top"
    (mesh,) = axes.collections
    assert is_close(np.ma.filled(mesh.get_array(), math.nan), values)
    assert sorted(texts(axes)) == [
        (0, 0, "+1.2"),
        (0, 1, "0.0"),
        (1, 0, "-30.0"),
        (1, 1, "+2.0"),
        (2, 1, "+60.0"),
    ]


def test_a_calibration_error_stands_in_percent_at_its_name() -> None:
    (axes,) = drawing.calibration(["running", "population", "batch 8"], [0.012, 0.31, 0.05]).axes
    (points,) = axes.get_lines()
    assert is_close(xy(points), [(1.2, 0), (31, 1), (5, 2)])
    assert y_ticks(axes) == {0: "running", 1: "population", 2: "batch 8"}
    assert axes.yaxis_inverted(), "the first is on top"
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "expected calibration error (%)"
