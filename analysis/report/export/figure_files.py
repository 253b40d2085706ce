"""Figures as files for a paper: PDF and PNG, at the widths of one and of two columns, equal bytes for equal figures."""

from collections.abc import Iterator, Sequence
from typing import Any

from analysis.report.document import Figure, Section, unfolded
from analysis.report.figures import style

DPI = 300
FORMS: dict[str, dict[str, Any]] = {
    "pdf": {"metadata": {"Creator": None, "Producer": None, "CreationDate": None}},
    "png": {"metadata": {"Software": None}, "dpi": DPI},
}
"""Options by form of a file: no date and no version stands in it."""


def figure_files(sections: Sequence[Section]) -> dict[str, bytes]:
    """Return every figure of the evidence by the name of its file, such as ``pairs-bn-3.25in.pdf``."""
    return {name: content for figure in evidence(sections) for name, content in _files(figure)}


def evidence(sections: Sequence[Section]) -> list[Figure]:
    """Return the figures that are in sight on the page."""
    blocks = (one for section in sections for block in section.blocks for one in unfolded(block))
    return [block for block in blocks if isinstance(block, Figure)]


def _files(figure: Figure) -> Iterator[tuple[str, bytes]]:
    for medium in style.MEDIA:
        drawn = figure.draw(medium=medium)
        for form, options in FORMS.items():
            yield f"{figure.name}-{medium.width:g}in.{form}", style.saved(drawn, form, **options)
