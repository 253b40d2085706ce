"""Tables and drawings: what the page is made of."""

import csv
import io
import re
from xml.etree import ElementTree as ET

import pytest
from matplotlib.figure import Figure as Drawing

from analysis.report import number_format as words
from analysis.report.document import MAX_ROWS, Column, Table
from analysis.report.figures.style import BLUE, VERMILLION, styled
from analysis.report.figures.style import svg as draw
from analysis.report.html import svg

ROWS = [{"n": i, "low": -0.5, "high": float("nan"), "name": 'a, "b"\n한'} for i in range(3)]
COLUMNS = [Column("n", str, ("n",)), Column("ends", lambda low, high: f"{low} {high}", ("low", "high"))]


def test_a_csv_has_every_number_of_the_rows_shown_or_not() -> None:
    text = Table("t", "T", COLUMNS, ROWS).to_csv()
    back = list(csv.DictReader(io.StringIO(text)))
    assert back[2] == {"n": "2", "low": "-0.5", "high": "", "name": 'a, "b"\n한'}


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-x", "@x", "\tx", "\rx"])
def test_no_formula_reaches_a_csv(formula: str) -> None:
    text = Table("t", "T", COLUMNS, [{**ROWS[0], "name": formula}]).to_csv()
    assert f",'{formula}" in text


def test_totals_stand_apart_and_long_tables_end_with_all_rows_in_the_csv() -> None:
    table = Table("t", "T", COLUMNS, ROWS * MAX_ROWS, n_totals=1)
    assert len(table.totals) == 1
    assert len(table.body) == MAX_ROWS - 1
    assert table.n_left_out == 2 * MAX_ROWS
    assert table.to_csv().count("\n한") == 3 * MAX_ROWS


def test_cells_are_ordered_by_their_first_number() -> None:
    cell = Table("t", "T", COLUMNS, ROWS).body[1][1]
    assert (cell.text, cell.order) == ("-0.5 nan", "-0.5")
    assert Table("t", "T", [Column("high", str, ("high",))], ROWS).body[0][0].order == ""


@styled
def drawing() -> Drawing:
    figure = Drawing(figsize=(4, 3))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], "o-", color=BLUE, label="<a> & b")
    axes.plot([0, 1], [1, 0], "s--", color=VERMILLION)
    axes.fill_between([0, 1], [0, 0], [1, 1], alpha=0.2, color=BLUE)
    axes.text(0.5, 0.5, "on a cell", color="#ffffff")
    axes.legend()
    return figure


WORDS = svg.Words('so "<b>" 1', "Better <in> 2", "What is drawn. What the band is.")


def test_a_drawing_says_its_title_and_what_its_marks_are_wherever_it_is() -> None:
    root = ET.fromstring(svg.inline(draw(drawing()), "one", WORDS, "wide"))
    assert [(child.tag, child.text) for child in list(root)[:2]] == [
        ("title", WORDS.title),
        ("desc", WORDS.description),
    ]


def test_one_drawing_serves_light_and_dark_under_a_policy_without_style_attributes() -> None:
    text = svg.inline(draw(drawing()), "one", WORDS, "wide")
    root = ET.fromstring(text)
    elements = list(root.iter())
    assert (root.attrib["aria-label"], root.attrib["class"]) == (WORDS.alt, "drawing wide")
    assert not any("style" in element.attrib or element.tag == "style" for element in elements)
    assert f"var(--blue, {BLUE})" in text
    assert f"var(--vermillion, {VERMILLION})" in text
    assert BLUE not in text.replace(f"var(--blue, {BLUE})", "")
    assert "#000000" not in text
    assert all(element.get("fill") != "#ffffff" or element.tag == "text" for element in elements)


def test_ids_of_two_drawings_never_meet_and_every_reference_has_its_target() -> None:
    both = [svg.inline(draw(drawing()), name, WORDS, "wide") for name in ("one", "two")]
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in both]
    assert ids[0]
    assert not ids[0] & ids[1]
    for text, known in zip(both, ids, strict=True):
        targets = {one or other for one, other in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)}
        assert targets == known


def test_equal_figures_have_equal_bytes() -> None:
    assert draw(drawing()) == draw(drawing())


@pytest.mark.parametrize(
    ("low", "high", "places"),
    [(-1.77, 1.77, 0), (-1.75, 1.75, 0), (-0.0354, 0.0354, 1), (-0.0355, 0.0355, 0), (0, 0, 2), (-0.00095, 0.00095, 2),
     (-0.000949, 0.000949, 2), (-1e-9, 1e-9, 4), (float("nan"), float("nan"), 2)],
)  # fmt: skip
def test_digits_follow_the_interval_by_the_particle_data_group_s_rule(low: float, high: float, places: int) -> None:
    """0.0354 is 3.54 points: two digits, one decimal; 3.55: one digit, none; 0.095 points: 0.10, two digits again."""
    assert words.digits(low, high) == places
