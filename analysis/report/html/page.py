"""One HTML file of the answer and the sections, which loads nothing and whose policy forbids it to."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib.colors import to_hex

from analysis.records.tables import StudyData
from analysis.report.by_arm import MAX_UNFOLDED
from analysis.report.document import Column, Figure, Section, Table
from analysis.report.figures import style
from analysis.report.first_screen.screen import Screen
from analysis.report.html import svg
from analysis.report.html.terms import Terms

OPEN_ROWS = 12
"""Rows of a figure's table that stands unfolded."""


def render(
    study: StudyData,
    report: Mapping[str, Any],
    screen: Screen,
    sections: Sequence[Section],
    glossary: Mapping[str, str],
) -> str:
    """Return the page: its first screen, the answer that ``report.json`` holds (``report``), then its ``sections``;
    the words of the ``glossary`` carry their meanings."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"drawing": _drawing, "csv_address": _csv_address, "terms": Terms(glossary).mark}
    environment.globals |= {"new_set": set, "open_rows": OPEN_ROWS, "class_of": _class_of, "max_unfolded": MAX_UNFOLDED}
    css, script = _asset("page.css") + _marks(study.design.arms), _asset("page.js")
    return environment.from_string(_asset("page.html.jinja")).render(
        study=study,
        report=report,
        screen=screen,
        sections=sections,
        css=Markup(css),
        script=Markup(script),
        policy=_policy(css, script),
    )


def _asset(name: str) -> str:
    return files("analysis.report.html").joinpath(name).read_text("utf-8")


def _marks(arms: Sequence[str]) -> str:
    """Return the rules by which a line of a card is marked in its arm's colour."""
    return "".join(map(_mark, arms))


def _mark(arm: str) -> str:
    look = style.arm_style(arm)
    shapes = {"o": " border-radius: 50%;", "D": " transform: rotate(45deg);"}
    selector = re.sub(r"[^A-Za-z0-9_-]", r"\\\g<0>", arm)
    known = to_hex(look["color"])  # nothing but a colour, whoever wrote the arm
    colour = svg.COLOURS.get(known, known)
    return f".card .arm-{selector}::before {{ background: {colour};{shapes.get(look['marker'], '')} }}\n"


def _policy(css: str, script: str) -> str:
    """Return a policy by which nothing may run, style or load but what stands in the page, known by its hash; a drawing
    that is saved as PNG becomes an image of the page itself first."""
    known = f"style-src '{_hash(css)}'; script-src '{_hash(script)}'; img-src data:"
    return f"default-src 'none'; {known}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _drawing(figure: Figure, kind: str) -> Markup:
    """Return the ``wide`` or ``narrow`` drawing of a figure."""
    words = svg.Words(figure.alt, figure.headline, f"{figure.subtitle} {figure.caption}")
    return Markup(svg.inline(getattr(figure, kind), f"{figure.name}-{kind}", words, kind))


def _class_of(column: Column, index: int) -> Markup:
    """Return the class attribute of a column's cells, empty where they need none."""
    classes = [*(["words"] if column.is_text else []), *([f"key-{index}"] if column.is_key else [])]
    return Markup(f' class="{" ".join(classes)}"') if classes else Markup("")


def _csv_address(table: Table) -> str:
    """Return the table as a download that needs no file beside the page."""
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(table.to_csv().encode()).decode()
