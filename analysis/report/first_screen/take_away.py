"""What a reader takes away from the page: the sentence, a row for a LaTeX table, a citation."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.findings.answer import Answer, Part
from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.export.latex import escape
from analysis.report.first_screen.title import leading
from analysis.report.sections.claims.words import line
from analysis.report.sentences.answer import headline, part_name

PROGRAM = "batch-norm-study"


@dataclass(frozen=True)
class TakeAway:
    """A text to copy."""

    key: str
    action: str
    text: str


def take_aways(study: StudyData, results: Results) -> list[TakeAway]:
    """Return what there is to copy: sentence and row of the first part of each arm's answer, and the citation."""
    ledger = [] if results.ledger is None else [TakeAway("ledger", "Copy the ledger's line", line(results.ledger))]
    return [*_of_answers(study, results), *ledger, TakeAway("citation", "Cite", citation(study))]


def _of_answers(study: StudyData, results: Results) -> Iterator[TakeAway]:
    if study.all_failed:
        return
    known = [
        (answer, part)
        for answer in results.answers.values()
        for part in answer.parts
        if math.isfinite(part.difference.estimate)
    ]
    if known:
        sentences = [headline(answer, part, study.design.dataset) for answer, part in known if part is leading(answer)]
        yield TakeAway("sentence", "Copy the sentence", "\n".join(sentences))
        yield TakeAway("latex", "Copy the LaTeX rows", "\n".join(latex_row(study, *one) for one in known))


def latex_row(study: StudyData, answer: Answer, part: Part) -> str:
    """Return a part of the answer as a row of a LaTeX table: what, baseline %, arm %, difference in points, n."""
    difference = f"${fmt.points_of(part.difference)}$"
    ends = fmt.interval(part.difference.low, part.difference.high)
    interval = "" if ends == fmt.NO_NUMBER else f" ${ends}$"
    what = escape(f"{fmt.dataset(study.design.dataset)}, {fmt.side(answer.arm)}, {part_name(answer, part)}")
    accuracies = " & ".join(f"{100 * mean:.2f}" for mean in (part.mean_baseline, part.mean_arm))
    return rf"{what} & {accuracies} & {difference}{interval} & {fmt.units(part.n, part.unit)} \\"


def citation(study: StudyData) -> str:
    """Return the study as a BibTeX entry, with what identifies it."""
    manifest = study.manifest
    year = str(manifest.get("date", ""))[:4]
    commit = manifest["git"]["commit"]
    digest = f"design digest {manifest['digest'][:12]}"
    of_program = f", program commit {commit[:12]}" if commit else ""
    lines = [
        "@misc{" + re.sub(r"[^A-Za-z0-9-]", "-", study.name) + ",",
        "  author = {{the batch-norm-study authors}},",
        f"  title = {{{PROGRAM}: study {escape(study.title)} on {escape(fmt.dataset(study.design.dataset))}}},",
        *([f"  year = {{{year}}},"] if year else []),
        f"  note = {{{digest}{of_program}}},",
        "}",
    ]
    return "\n".join(lines)
