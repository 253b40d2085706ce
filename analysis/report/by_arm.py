"""Blocks of several arms, each below its name; of many arms folded, so that the page stays one that can be read."""

from collections.abc import Mapping, Sequence

from analysis.report import number_format as fmt
from analysis.report.document import Block, Folded, Paragraph

MAX_UNFOLDED = 2
"""Arms whose blocks stand below one another; of more, those of all but the first are folded."""


def under_names(baseline: str, blocks: Mapping[str, Sequence[Block]]) -> list[Block]:
    """Return the blocks of every arm, below its name where there are several."""
    if len(blocks) < 2:
        return [block for of_arm in blocks.values() for block in of_arm]
    there = {_name(baseline, arm): of_arm for arm, of_arm in blocks.items() if of_arm}
    if len(there) > MAX_UNFOLDED:
        return [Folded(name, tuple(of_arm), is_open=i == 0) for i, (name, of_arm) in enumerate(there.items())]
    return [block for name, of_arm in there.items() for block in (Paragraph(f"{name}:"), *of_arm)]


def _name(baseline: str, arm: str) -> str:
    return f"{fmt.sentence(fmt.arm_name(arm))} against {fmt.arm_name(baseline)}"
