"""The ledger as a drawing: a mark inside the claimed region where, and only where, the claim is supported."""

import math

import pytest
from matplotlib.colors import to_hex

from analysis.report.figures.claims.verdicts import FARTHEST, LOOKS, DrawnRow, Mark, ledger, mark_of
from analysis.report.figures.style import NARROW, WIDE
from study.spec.claims.rules import CONTRADICTED, REGIONS, SUPPORTED, UNDECIDED, Rule
from tests.analysis.report.figures.legible import illegible

INTERVALS = [(low, low + width) for low in (-1.0, -0.4, -0.1, 0.15, 0.3, 0.7) for width in (0.05, 0.2, 0.9)]


@pytest.mark.parametrize("kind", ["above", "below", "within"])
@pytest.mark.parametrize("bound", [0.2, 0.0, 0.5])
def test_the_bar_lies_where_the_verdict_says(kind: str, bound: float) -> None:
    rule, seen = Rule(kind, bound), set()
    for low, high in INTERVALS:
        verdict = rule.verdict(low, high)
        mark = mark_of(rule, verdict, (low + high) / 2, low, high)
        assert mark is not None
        assert mark.high - mark.low == pytest.approx(2)
        if kind != "within" or high - low < 2 * bound:  # an interval across both bounds has one of them drawn
            side = SUPPORTED if mark.low > 0 else CONTRADICTED if mark.high < 0 else UNDECIDED
            assert side == verdict, (low, high)
        seen.add(verdict)
    assert {CONTRADICTED, UNDECIDED} <= seen


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (0.0, 3.0)])
@pytest.mark.parametrize("kind", ["exact", "reported"])
def test_an_identity_and_a_reported_number_stand_one_inside_or_one_outside(kind: str, low: float, high: float) -> None:
    rule = Rule(kind, 1.0 if kind == "reported" else 0.0)
    verdict = rule.verdict(low, high)
    inside = REGIONS[kind](rule.bound, low, high) in ("exact", "reproduced")
    assert mark_of(rule, verdict, 0.0, low, high) == Mark(*[1.0 if inside else -1.0] * 3)


def test_what_has_no_interval_has_no_mark_and_what_is_far_stands_at_the_edge() -> None:
    assert mark_of(Rule("above"), UNDECIDED, math.nan, math.nan, math.nan) is None
    assert mark_of(Rule("exact"), UNDECIDED, math.nan, math.nan, math.nan) is None
    assert mark_of(Rule("above"), SUPPORTED, 1.0, 0.9999, 1.0001) == Mark(FARTHEST, FARTHEST, FARTHEST)
    assert mark_of(Rule("above"), SUPPORTED, 1.0, 1.0, 1.0) == Mark(FARTHEST, FARTHEST, FARTHEST)


ROWS = [
    DrawnRow("5 This internal covariate shift grows with depth: mixed", "claim"),
    DrawnRow("The difference between mini-batches grows with depth", "statement"),
    DrawnRow("5a", "row", CONTRADICTED, Mark(-4, -3, -2), "+0.0004 [-0.0009, +0.0018] per layer"),
    DrawnRow("5b-relu", "row", SUPPORTED, Mark(1, 2, 3), "+0.127 [+0.101, +0.153] per layer"),
    DrawnRow("5b-tanh", "row", "not asked", None, "not asked"),
]


def test_a_mark_has_its_row_the_look_of_its_verdict_and_its_place() -> None:
    (axes,) = ledger(ROWS).axes
    marks = {round(float(line.get_ydata()[0]), 3): line for line in axes.get_lines() if line.get_marker() != "None"}
    assert list(marks) == [2.5, 3.5]
    for place, row in zip(marks, ROWS[2:4], strict=True):
        assert row.mark
        line = marks[place]
        assert (to_hex(line.get_color()), line.get_marker()) == LOOKS[row.verdict]
        assert float(line.get_xdata()[0]) == row.mark.middle
    assert axes.yaxis_inverted()


@pytest.mark.parametrize("medium", [WIDE, NARROW])
def test_every_text_of_the_drawing_can_be_read(medium: object) -> None:
    figure = ledger(ROWS, medium=medium)  # type: ignore[arg-type]
    assert illegible(figure) == []
    written = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert ("The difference between mini-batches grows with depth" in written) == (medium is WIDE)
    assert any("grows with" in text and text.startswith("5 This") for text in written)
