"""What the figures of differences draw: the main one is the answer to the study's question."""

from pathlib import Path

from analysis.findings import contrasts
from analysis.findings.results import Results, analyse
from analysis.report import number_format as words
from analysis.report.figures import effects
from study.spec.design import Design
from study.spec.factors import Cell
from tests.analysis.planted import planted
from tests.analysis.report.figures import study
from tests.analysis.report.figures.drawn import is_close, texts, x_ticks, y_ticks
from tests.analysis.report.figures.study import (
    ALPHA,
    ARM,
    BASELINE,
    CELLS,
    DIVERGING,
    LRS,
    MARGIN,
    SIZES,
    primary,
    show,
)

# --- over the grid


def test_a_cell_of_the_map_says_its_own_difference_interval_and_failures(found: Results) -> None:
    cells = contrasts.by_cell(found.contrasts, ARM)
    (axes,) = effects.effect_map(cells).axes
    assert x_ticks(axes) == {i: show(lr) for i, lr in enumerate(LRS)}
    assert y_ticks(axes) == {i: str(size) for i, size in enumerate(SIZES)}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning rate", "batch size")
    (mesh,) = axes.collections
    means = [100 * (primary(ARM, at) - primary(BASELINE, at)).mean() for at in CELLS if at != DIVERGING]
    assert is_close(mesh.get_array().compressed(), means)
    assert mesh.get_array().mask.sum() == 1  # no colour where an arm does not learn
    written: dict[Cell, list[str]] = {key: [] for key in CELLS}
    for x, y, text in texts(axes):
        assert x == round(x)
        written[CELLS[len(LRS) * round(y) + round(x)]].append(text)
    for key, lines in written.items():
        if key == DIVERGING:
            assert lines == ["failed 2 | 0 of 6"]
            continue
        d = primary(ARM, key) - primary(BASELINE, key)
        joint = cells[key].joint
        assert joint
        low, high = joint.ci.low, joint.ci.high
        assert lines == [words.points(d.mean(), words.digits(low, high)), words.interval(low, high)]
    assert len({lines[0] for lines in written.values()}) > 4


def test_the_map_has_no_interval_where_there_is_none(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(32, 64), lrs=(0.01,), seeds=(2,), epochs=4)
    alone = analyse(planted(tmp_path / "s", design, study.accuracy), ALPHA, MARGIN)
    (axes,) = effects.effect_map(contrasts.by_cell(alone.contrasts, ARM)).axes
    d = [100 * (primary(ARM, at) - primary(BASELINE, at))[2] for at in (Cell(32, 0.01), Cell(64, 0.01))]
    assert texts(axes) == [(0, 0, f"{d[0]:+.2f}"), (0, 1, f"{d[1]:+.2f}")]
