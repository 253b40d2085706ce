"""What the page is made of: parts, of paragraphs, lists, figures and tables. Values, each told once.

The page shows them as HTML, ``analysis.report`` writes each table as CSV and each figure as SVG. A table's rows hold
the numbers as they are; its columns say which of them are shown, and how. Every figure carries the table behind it.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
MAX_ROWS = 1000
"""On the page; the CSV of a table has all."""


@dataclass(frozen=True)
class Column:
    """``show`` makes the text of a cell of the values under ``keys``; the first of them is what sorting goes by."""

    head: str
    show: Callable[..., str]
    keys: Sequence[str]
    words: bool = False
    """Reads from the left, as words do; numbers stand under one another."""


@dataclass(frozen=True)
class Cell:
    text: str
    order: str
    """The number or word by which rows are sorted, empty where there is none."""


@dataclass(frozen=True)
class Table:
    """Rows with equal keys, of which ``columns`` show some; the first column heads its row."""

    name: str
    """Of the file ``tables/<name>.csv``, and unique on the page."""
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
        """Of the other rows, those that the page shows."""
        return self._cells(self.rows[self.n_totals : MAX_ROWS])

    @property
    def n_left_out(self) -> int:
        return max(0, len(self.rows) - MAX_ROWS)

    def _cells(self, rows: Sequence[Row]) -> list[list[Cell]]:
        return [[_cell(column, row) for column in self.columns] for row in rows]

    def to_csv(self) -> str:
        """Every key of the rows, numbers as they are, empty where there is none."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        if self.rows:
            writer.writerow(self.rows[0])
            writer.writerows([_raw(value) for value in row.values()] for row in self.rows)
        return buffer.getvalue()


def _cell(column: Column, row: Row) -> Cell:
    values = [row[key] for key in column.keys]
    order = _raw(values[0])
    return Cell(column.show(*values), "" if order is None else str(order))


def _raw(value: Any) -> Any:
    """None for no number; a text that a spreadsheet would take for a formula begins with an apostrophe instead."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class Figure:
    """``headline`` says the finding, ``subtitle`` what is drawn, in which unit, of how many; ``alt`` is the figure in
    words, with its numbers."""

    name: str
    """Of the file ``figures/<name>.svg``, and unique on the page."""
    headline: str
    subtitle: str
    svg: bytes
    alt: str
    caption: str
    table: Table

    kind = "figure"


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
    """A part without data says in one line why, and what to type."""

    text: str
    command: str = ""

    kind = "missing"


@dataclass(frozen=True)
class Definition:
    term: str
    text: str
    code: bool = False
    """Shown as it was typed or written."""


@dataclass(frozen=True)
class Definitions:
    terms: Sequence[Definition]

    kind = "definitions"


Block = Paragraph | BulletList | Placeholder | Definitions | Table | Figure


@dataclass(frozen=True)
class Part:
    """A numbered part of the page."""

    name: str
    title: str
    blocks: Sequence[Block] = field(default_factory=list)


def tables(parts: Sequence[Part]) -> Iterator[Table]:
    """Every table of the parts, those behind figures too."""
    for block in _blocks(parts):
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Figure):
            yield block.table


def figures(parts: Sequence[Part]) -> Iterator[Figure]:
    return (block for block in _blocks(parts) if isinstance(block, Figure))


def _blocks(parts: Sequence[Part]) -> Iterator[Block]:
    return (block for part in parts for block in part.blocks)
