"""The first screen as one value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analysis.findings import contrasts
from analysis.findings.results import Findings, Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.document import Figure
from analysis.report.first_screen.cards import Card, cards
from analysis.report.first_screen.how_sure import how_sure, not_tested
from analysis.report.first_screen.take_away import TakeAway, take_aways
from analysis.report.first_screen.title import title
from analysis.report.sections import pairs, where
from analysis.report.sections.tuned import searches
from analysis.report.sentences import study_words


@dataclass(frozen=True)
class Screen:
    """What a reader sees before scrolling."""

    title: str
    about: Sequence[str]
    """Study, data set, date."""
    cards: Sequence[Card]
    figures: Sequence[Figure]
    """At most two: they stand side by side."""
    how_sure: str
    not_tested: str
    take_aways: Sequence[TakeAway]


def screen(study: StudyData, results: Results) -> Screen:
    """Return the first screen of a study: of several arms it shows the first, the answer below all."""
    answers = results.answers
    first = next(iter(answers.values()), None)
    compared = None if study.all_failed else first
    return Screen(
        title=title(answers, study.design.dataset, study.all_failed),
        about=[*_about(study)],
        cards=[] if first is None else cards(study, first),
        figures=[] if compared is None else [*_figures(study, results, results.of_arms[compared.arm])],
        how_sure="One arm says nothing of a difference." if first is None else how_sure(first, study.all_failed),
        not_tested=not_tested(study, results),
        take_aways=take_aways(study, results),
    )


def _about(study: StudyData) -> Iterator[str]:
    yield f"Study {study.name}"
    yield fmt.dataset(study.design.dataset)
    yield f"trained {study.manifest['date']}" if "date" in study.manifest else "date not recorded"
    yield study_words.primary(study)
    if study.design.data.counts:
        yield f"guessing scores {fmt.percent(study.chance, 1)}"


def _figures(study: StudyData, results: Results, of_arm: Findings) -> Iterator[Figure]:
    panels = pairs.panels(results, of_arm)
    if panels:
        yield pairs.figure(panels[:1], "first-pairs", table=None)
    cells = contrasts.by_cell(results.contrasts, of_arm.arm)
    if where.is_drawn(cells):
        yield where.figure(study, of_arm.arm, cells, "first-map", table=None)
    for tuned in results.tuned:
        if tuned.arm == of_arm.arm:
            yield replace(searches.tried(study, tuned), name="first-trials", table=None)
