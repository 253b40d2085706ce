"""Which cell is shown large, where a figure has room for one, and under which name what is said of an arm stands."""

from collections.abc import Mapping, Sequence

from analysis.findings.arms import POST_CELL
from analysis.findings.curves import Curve
from analysis.report import number_format as words
from analysis.report.document import Block, Paragraph
from study.spec.arms import BASELINE
from study.spec.factors import Cell


def shown_cell(curves: Sequence[Curve]) -> Cell:
    """Return the tutorial's, else the middle of those there are."""
    cells = sorted({curve.cell for curve in curves})
    return next((cell for cell in cells if cell == POST_CELL), cells[len(cells) // 2])


def under_names(blocks: Mapping[str, Sequence[Block]]) -> list[Block]:
    """Return the blocks of every arm, below its name where there are several."""
    if len(blocks) < 2:
        return [block for of_arm in blocks.values() for block in of_arm]
    return [block for arm, of_arm in blocks.items() if of_arm for block in (_name(arm), *of_arm)]


def _name(arm: str) -> Paragraph:
    name = words.arm_name(arm)
    return Paragraph(f"{name[:1].upper()}{name[1:]} against {words.arm_name(BASELINE)}:")
