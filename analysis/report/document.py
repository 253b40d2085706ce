"""The page as values: sections of paragraphs, lists, figures and tables.

The page shows them as HTML, ``analysis.report`` writes each table as CSV and each figure as SVG. A table's rows hold
the numbers as they are; its columns say which of them are shown, and how. Every figure carries the table behind it, and
is drawn when it is needed, for the width that is needed.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from matplotlib import figure as mpl

from analysis.report.figures import style

Row = Mapping[str, Any]
MAX_ROWS = 1000
"""Rows of a table on the page; its CSV has all."""


@dataclass(frozen=True)
class Column:
    """A column: ``show`` makes a cell's text of the values under ``keys``, of which the first is the sorting key."""

    head: str
    show: Callable[..., str]
    keys: Sequence[str]
    is_text: bool = False
    """Aligned to the left; numbers stand under one another."""
    is_key: bool = False
    """Says, with others before it, whose row it is: it stays in sight when the table is scrolled."""
    link: Callable[..., str] | None = None
    """Makes, of the same values, the anchor that a cell leads to; empty for none."""


@dataclass(frozen=True)
class Cell:
    text: str
    order: str
    """The number or text by which rows are sorted, empty where there is none."""
    link: str = ""
    """The anchor on the page that it leads to."""


@dataclass(frozen=True)
class Table:
    """Rows with equal keys, of which ``columns`` show some; the first column heads its row."""

    name: str
    """Name of the file ``tables/<name>.csv``, unique on the page."""
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    n_totals: int = 0
    """Leading rows that sum up the others: set off, and left where they are when the others are sorted."""

    kind = "table"

    @property
    def totals(self) -> list[list[Cell]]:
        return self._cells(self.rows[: self.n_totals])

    @property
    def body(self) -> list[list[Cell]]:
        """The other rows, as many as the page shows."""
        return self._cells(self.rows[self.n_totals : MAX_ROWS])

    @property
    def n_left_out(self) -> int:
        return max(0, len(self.rows) - MAX_ROWS)

    def _cells(self, rows: Sequence[Row]) -> list[list[Cell]]:
        return [[_cell(column, row) for column in self.columns] for row in rows]

    def to_csv(self) -> str:
        """Return every key of the rows as CSV, numbers as they are, empty where there is none."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        if self.rows:
            writer.writerow(self.rows[0])
            writer.writerows([_raw(value) for value in row.values()] for row in self.rows)
        return buffer.getvalue()


def _cell(column: Column, row: Row) -> Cell:
    values = [row[key] for key in column.keys]
    order = _raw(values[0])
    link = column.link(*values) if column.link else ""
    return Cell(column.show(*values), "" if order is None else str(order), link)


def _raw(value: Any) -> Any:
    """Return None for no number; begin text that a spreadsheet would take for a formula with an apostrophe instead."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True, eq=False)
class Figure:
    """A drawing with its table: ``headline`` says the finding in at most 12 words, ``subtitle`` in one sentence what is
    drawn, in which unit, of how many; ``alt`` is the figure as text, with its numbers; ``caption`` says what the marks
    and bands are."""

    name: str
    """Name of the file ``figures/<name>.svg``, unique on the page."""
    headline: str
    subtitle: str
    draw: Callable[..., mpl.Figure]
    """Returns the drawing for a ``medium``."""
    alt: str
    caption: str
    table: Table | None
    """At most 7 columns; None where the numbers stand elsewhere on the page."""

    kind = "figure"

    @cached_property
    def wide(self) -> bytes:
        """The SVG of the wide drawing."""
        return self.drawn(style.WIDE)

    @cached_property
    def narrow(self) -> bytes:
        """The SVG of the narrow one."""
        return self.drawn(style.NARROW)

    def drawn(self, medium: style.Medium) -> bytes:
        """Return the SVG of the drawing for a medium."""
        return style.svg(self.draw(medium=medium))


@dataclass(frozen=True)
class Paragraph:
    text: str

    kind = "paragraph"


@dataclass(frozen=True)
class BulletList:
    items: Sequence[str]

    kind = "listing"


@dataclass(frozen=True)
class Placeholder:
    """A line in the place of data that there are none of: why, and what to type."""

    text: str
    command: str = ""

    kind = "missing"


@dataclass(frozen=True)
class Definition:
    term: str
    text: str
    code: bool = False
    """Shown as it was typed or written."""
    anchor: str = ""
    """What a link leads to."""


@dataclass(frozen=True)
class Definitions:
    terms: Sequence[Definition]

    kind = "definitions"


@dataclass(frozen=True)
class Folded:
    """Blocks below a title that a reader unfolds."""

    title: str
    blocks: "Sequence[Block]"
    is_open: bool = False

    kind = "folded"


Block = Paragraph | BulletList | Placeholder | Definitions | Table | Figure | Folded


@dataclass(frozen=True)
class Section:
    """A subject of the page: its evidence, and all that there is to know of it."""

    name: str
    """Unique on the page: what a link leads to."""
    title: str
    blocks: Sequence[Block] = ()
    """Evidence, in sight: figures, and what is said in their place."""
    details: Sequence[Block] = ()
    """Folded in the appendix: every test, table and text."""


def tables(sections: Sequence[Section]) -> Iterator[Table]:
    """Yield every table of the sections, those behind figures too."""
    for block in _blocks(sections):
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Figure) and block.table is not None:
            yield block.table


def figures(sections: Sequence[Section]) -> Iterator[Figure]:
    return (block for block in _blocks(sections) if isinstance(block, Figure))


def _blocks(sections: Sequence[Section]) -> Iterator[Block]:
    """Yield every block of the sections, folded ones too."""
    return (one for section in sections for block in (*section.blocks, *section.details) for one in unfolded(block))


def unfolded(block: Block) -> Iterator[Block]:
    """Yield the block, or those that it folds."""
    if isinstance(block, Folded):
        yield from (one for inner in block.blocks for one in unfolded(inner))
    else:
        yield block
