"""How sure is the answer? Whether another analysis says otherwise; then which runs there are, and whether the methods
hold."""

from collections.abc import Iterator

from analysis.findings.results import Findings, Results
from analysis.records.completeness import OUTCOMES, completeness
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.by_arm import under_names
from analysis.report.columns import cell_columns, count_column
from analysis.report.document import Block, BulletList, Column, Paragraph, Section, Table
from analysis.report.sections.trust import next_pair, noise, null_calibration, seeds, specifications

MAX_LINES = 50
"""Missing pairs that the page names; the completeness table counts all."""


def section(study: StudyData, results: Results) -> Section:
    found = results.of_arms.items()
    blocks = under_names(
        study.baseline,
        {arm: [*seeds.too_few(of_arm), *specifications.evidence(study, of_arm)] for arm, of_arm in found},
    )
    details = [
        *_complete(study),
        *under_names(study.baseline, {arm: [*_details(study, of_arm)] for arm, of_arm in found}),
    ]
    return Section("trust", "How sure", blocks, [*details, *noise.of_arms(study, results)])


def _details(study: StudyData, of_arm: Findings) -> Iterator[Block]:
    yield from specifications.details(of_arm)
    yield from null_calibration.blocks(study, of_arm)
    yield from seeds.blocks(study, of_arm)
    yield from noise.blocks(study, of_arm)
    yield from next_pair.blocks(study, of_arm)


# --- completeness


def _complete(study: StudyData) -> list[Block]:
    arm = Column("arm", fmt.side, ("arm",), is_text=True)
    columns = [*cell_columns(study), arm, *(count_column(name, name) for name in OUTCOMES)]
    caption, rows = "Planned runs and what became of them", completeness(study)
    table = Table("completeness", caption, columns, rows, n_totals=len(study.design.arms))
    return [*_unpaired(study), table]


def _unpaired(study: StudyData) -> list[Block]:
    lines = [line for arm in study.treatments for line in study.unpaired(arm, study.baseline)]
    if not lines:
        return [Paragraph("All planned pairs are complete.")] if study.treatments else []
    more = [f"and {len(lines) - MAX_LINES:,} more"] if len(lines) > MAX_LINES else []
    are = "planned pair is incomplete" if len(lines) == 1 else "planned pairs are incomplete"
    return [Paragraph(f"{len(lines):,} {are}:"), BulletList([*lines[:MAX_LINES], *more])]
