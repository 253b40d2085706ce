"""Is it trustworthy? What there is, whether another analysis says otherwise, and whether the methods hold."""

from collections.abc import Iterator, Sequence
from typing import Any

from analysis.findings.results import Findings, Results
from analysis.records.completeness import OUTCOMES, completeness
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.by_arm import under_names
from analysis.report.columns import (
    cell_columns,
    count_column,
    interval_column,
    text_column,
)
from analysis.report.document import Block, BulletList, Column, Paragraph, Section, Table
from analysis.report.sections.trust import next_pair, noise, seeds, specifications
from analysis.stats.null_calibration import TypeIErrorRate

MAX_LINES = 50
"""Missing pairs that the page names; the completeness table counts all."""


def section(study: StudyData, results: Results) -> Section:
    blocks: list[Block] = [*_complete(study)]
    blocks += under_names({arm: [*_of_arm(study, of_arm)] for arm, of_arm in results.of_arms.items()})
    blocks += noise.of_arms(study, results)
    return Section("trust", "Is it trustworthy?", blocks)


def _of_arm(study: StudyData, of_arm: Findings) -> Iterator[Block]:
    yield from (*specifications.blocks(of_arm), *next_pair.blocks(study, of_arm))
    yield from (*noise.blocks(study, of_arm), *_null_calibration(of_arm), *seeds.blocks(of_arm))


# --- completeness


def _complete(study: StudyData) -> list[Block]:
    arm = Column("arm", fmt.side, ("arm",), is_text=True)
    columns = [*cell_columns(study), arm, *(count_column(name, name) for name in OUTCOMES)]
    caption, rows = "Runs: planned, and what became of them", completeness(study)
    table = Table("completeness", caption, columns, rows, n_totals=len(study.design.arms))
    return [table, *_unpaired(study)]


def _unpaired(study: StudyData) -> list[Block]:
    lines = [line for arm in study.treatments for line in study.unpaired(arm, study.baseline)]
    if not lines:
        return [Paragraph("All planned pairs are complete.")] if study.treatments else []
    more = [f"and {len(lines) - MAX_LINES:,} more"] if len(lines) > MAX_LINES else []
    return [Paragraph(f"{len(lines):,} planned pairs are not pairs:"), BulletList([*lines[:MAX_LINES], *more])]


# --- null calibration


def _null_calibration(of_arm: Findings) -> list[Block]:
    if not of_arm.sizes:
        return []
    wanted = fmt.level(of_arm.alpha)
    columns = [
        text_column("method", "method"),
        count_column("seeds", "n"),
        count_column("rejected", "n_rejected"),
        Column(
            "of swaps", lambda n, every: f"{n:,}{', all there are' if every else ' drawn'}", ("n_swaps", "every_swap")
        ),
        interval_column(f"size (wanted: at most {wanted})", "size", _size),
    ]
    about = (
        "A/A: within each seed the arms' labels are swapped, in all cells at once, so that there is nothing to find;"
        " then each method runs again. An exact method cannot exceed its level over all swaps. What the table"
        " cannot see: swapped labels make every difference as likely as its opposite, whatever law these came from, so"
        " what a skewed law does to a method, such as rare collapses of one arm, stays hidden."
    )
    rows = [_size_row(size) for size in of_arm.sizes]
    table = Table(f"sizes-{of_arm.arm}", "How often a method finds what is not there", columns, rows)
    return [Paragraph(about), table, Paragraph(_above(of_arm.sizes, wanted))]


def _above(sizes: Sequence[TypeIErrorRate], wanted: str) -> str:
    """Which methods have a size above the wanted one."""
    above = [f"{size.method} ({fmt.percent(size.size)})" for size in sizes if size.exceeds]
    if not above:
        return f"No method is shown to exceed the wanted {wanted}."
    finds = "this method finds" if len(above) == 1 else "these methods find"
    return f"Above the wanted {wanted}: {'; '.join(above)}. On such data {finds} too often what is not there."


def _size(size: float, low: float, high: float) -> str:
    return fmt.percent(size) if low == high else fmt.share(size, low, high)


def _size_row(size: TypeIErrorRate) -> dict[str, Any]:
    return {
        "method": size.method,
        "n": size.n,
        "n_rejected": size.n_rejected,
        "n_swaps": size.n_swaps,
        "every_swap": size.every_swap,
        "size": size.size,
        "size_low": size.low,
        "size_high": size.high,
    }
