"""Tables and methods as Markdown."""

import re
from collections.abc import Sequence

from analysis.report.document import Cell, Table
from analysis.report.sections.methods.references import Reference
from analysis.report.sections.methods.statements import Passage

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def escape(text: str) -> str:
    r"""Return the text with no mark-up in it, on one line.

    >>> print(escape("a_b | <c> [1, 2]"))
    a\_b \| \<c\> \[1, 2\]
    """
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def table(shown: Table) -> str:
    """Return the caption and the table."""
    marks = ["---" if column.is_text else "---:" for column in shown.columns]
    head = [_row([column.head for column in shown.columns]), f"| {' | '.join(marks)} |"]
    return "\n".join([escape(shown.caption), "", *head, *map(_cells, [*shown.totals, *shown.body]), ""])


def _cells(row: Sequence[Cell]) -> str:
    return _row([cell.text for cell in row])


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(map(escape, texts))} |"


def methods(passages: Sequence[Passage], papers: Sequence[Reference]) -> str:
    """Return the methods under their headings, then the papers that they cite."""
    texts = [f"## {escape(passage.topic)}\n\n{escape(passage.plain)}" for passage in passages]
    lines = "\n".join(f"- {escape(paper.line)}" for paper in papers)
    return "\n\n".join(["# Methods", *texts, "## References", lines]) + "\n"
