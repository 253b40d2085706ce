"""Text, tables and methods as LaTeX: ASCII alone, so that they compile whatever the encoding of a document is.

A fragment needs no package but booktabs. What a study's manifest holds is text here, never a command.
"""

import re
import unicodedata
from collections.abc import Sequence

from analysis.report.document import Cell, Column, Table
from analysis.report.sections.methods.statements import Citation, Passage, Piece

SPECIAL = {
    **{character: f"\\{character}" for character in "%&$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": "$|$",
    "<": "$<$",
    ">": "$>$",
    '"': "''",
    "`": r"{\`{}}",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "√": r"$\surd$",
    "≥": r"$\ge$",
    "≤": r"$\le$",
    "ⁿ": "$^n$",
    "ø": r"{\o}",
    "Ø": r"{\O}",
    "æ": r"{\ae}",
    "Æ": r"{\AE}",
    "œ": r"{\oe}",
    "Œ": r"{\OE}",
    "ß": r"{\ss}",
    "ł": r"{\l}",
    "Ł": r"{\L}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
}
ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0307": ".",
    "\u0308": '"',
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
"""Commands of LaTeX by combining character."""
WIDEST = 82
"""Characters of the widest row of a table that a column of 345 points holds at \\footnotesize."""
SIGNED = re.compile(r"(?<![\w-])-(?=\d)")
"""A minus, which is no hyphen."""
PERCENT = re.compile(r"(?<=\d) \\%")
"""A sign that stays on the line of its number."""


def escape(text: str) -> str:
    r"""Return the text as LaTeX shows it; a character that it may not have by its number.

    >>> print(escape("50 %_&#$ {x} ~ Møller, -0.40, 한"))
    50~\%\_\&\#\$ \{x\} \textasciitilde{} M{\o}ller, $-$0.40, U+D55C
    """
    minus = SIGNED.sub("−", " ".join(text.split()))
    return PERCENT.sub(r"~\%", "".join(map(_character, unicodedata.normalize("NFC", minus))))


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if character.isascii():
        return character if character.isprintable() else f"U+{ord(character):04X}"
    apart = unicodedata.normalize("NFD", character)
    letter, mark = apart[0], apart[1:]
    if mark in ACCENTS and letter.isascii() and letter.isalpha():
        dotless = {"i": r"\i"}.get(letter, letter)
        return f"{{\\{ACCENTS[mark]}{{{dotless}}}}}"
    return f"U+{ord(character):04X}"


def label(text: str) -> str:
    """Return the text as the key of a label: letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:60] or "study"


# --- tables


def table(shown: Table, key: str) -> str:
    """Return a floating table for booktabs; leading rows that sum up the others are set off by a rule."""
    columns = "".join(map(_side, shown.columns))
    bodies = [_rows(rows) for rows in (shown.totals, shown.body) if rows]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(shown.caption)}}}",
            rf"\label{{{key}}}",
            r"\medskip",
            *_size(shown),
            rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            _row([_head(column) for column in shown.columns]),
            r"\midrule",
            "\n\\midrule\n".join(bodies),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _size(shown: Table) -> list[str]:
    """Return the size of type and the space between columns with which a table fits into a column of a page."""
    heads = [max(map(len, _halves(column.head))) for column in shown.columns]
    rows = [*shown.totals, *shown.body]
    widths = [max([head, *(len(row[i].text) for row in rows)]) for i, head in enumerate(heads)]
    size, space = (r"\footnotesize", 2) if sum(widths) <= WIDEST else (r"\scriptsize", 1.5)
    return [size, rf"\setlength{{\tabcolsep}}{{{space}pt}}"]


def _halves(head: str) -> tuple[str, ...]:
    """Return the head of a column on two lines of about one length, where it has two words or more."""
    words = head.split()
    halves = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    return min(halves, key=lambda lines: max(map(len, lines)), default=(head,))


def _head(column: Column) -> str:
    lines = [*map(escape, _halves(column.head))]
    stacked = "\\\\".join(lines)
    return lines[0] if len(lines) == 1 else rf"\shortstack[{_side(column)}]{{{stacked}}}"


def _side(column: Column) -> str:
    return "l" if column.is_text else "r"


def _rows(rows: Sequence[Sequence[Cell]]) -> str:
    return "\n".join(_row([escape(cell.text) for cell in row]) for row in rows)


def _row(cells: Sequence[str]) -> str:
    """Return a row; a cell that begins with a bracket would be read as an option of the row before."""
    return f"{' & '.join(f'{{}}{cell}' if cell.startswith('[') else cell for cell in cells)} \\\\"


# --- methods


def methods(passages: Sequence[Passage]) -> str:
    """Return the methods as paragraphs, with the keys of BibTeX in their citations."""
    return "\n\n".join(
        rf"\paragraph{{{escape(passage.topic)}.}} {''.join(map(_piece, passage.pieces))}" for passage in passages
    ) + "\n"  # fmt: skip


def _piece(piece: Piece) -> str:
    if isinstance(piece, Citation):
        return f"~\\cite{{{','.join(reference.key for reference in piece.references)}}}"
    return _spaced(piece)


def _spaced(text: str) -> str:
    """Return the escaped text with the spaces at its ends, which join it to its neighbours."""
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{before[:1]}{escape(text)}{after[:1]}" if text.strip() else text[:1]
