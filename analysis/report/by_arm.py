"""Blocks of several arms, each below its name."""

from collections.abc import Mapping, Sequence

from analysis.report import number_format as fmt
from analysis.report.document import Block, Paragraph
from study.spec.arms import BASELINE


def under_names(blocks: Mapping[str, Sequence[Block]]) -> list[Block]:
    """Return the blocks of every arm, below its name where there are several."""
    if len(blocks) < 2:
        return [block for of_arm in blocks.values() for block in of_arm]
    return [block for arm, of_arm in blocks.items() if of_arm for block in (_name(arm), *of_arm)]


def _name(arm: str) -> Paragraph:
    name = fmt.arm_name(arm)
    return Paragraph(f"{name[:1].upper()}{name[1:]} against {fmt.arm_name(BASELINE)}:")
