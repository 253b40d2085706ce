"""The first screen as one value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analysis.findings import contrasts
from analysis.findings.answer import Answer
from analysis.findings.results import Findings, Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.document import Figure
from analysis.report.first_screen.cards import Card, cards, cards_of_several
from analysis.report.first_screen.how_sure import how_sure, how_sure_of_several, not_tested
from analysis.report.first_screen.take_away import TakeAway, take_aways
from analysis.report.first_screen.title import title
from analysis.report.sections import arms, pairs, where
from analysis.report.sections.claims import tables as ledger_tables
from analysis.report.sections.claims import words as of_ledger
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
    ledger: str = ""
    """How the tutorial's claims came out, where the study has a ledger."""


def screen(study: StudyData, results: Results) -> Screen:
    """Return the first screen of a study, of one arm against the baseline or of several."""
    answers = results.answers
    return Screen(
        title=title(answers, study.design.dataset, study.all_failed),
        about=[*_about(study)],
        cards=_cards(study, [*answers.values()]),
        figures=[] if study.all_failed else [*_figures(study, results)],
        how_sure=_how_sure(study, [*answers.values()]),
        not_tested=not_tested(study, results),
        take_aways=take_aways(study, results),
        ledger="" if results.ledger is None else of_ledger.line(results.ledger),
    )


def _cards(study: StudyData, answers: Sequence[Answer]) -> list[Card]:
    if len(answers) > 1:
        return cards_of_several(study, answers)
    return [card for answer in answers for card in cards(study, answer)]


def _how_sure(study: StudyData, answers: Sequence[Answer]) -> str:
    if not answers:
        return "One arm says nothing of a difference."
    if len(answers) > 1:
        return how_sure_of_several(answers, study.all_failed)
    return how_sure(answers[0], study.all_failed)


def _figures(study: StudyData, results: Results) -> Iterator[Figure]:
    if results.all_pairs is not None:
        yield arms.ranking(study, results, results.all_pairs, "first-arms", table=None)
        yield arms.pair_matrix(study, results.all_pairs, "first-matrix", table=None)
    elif len(results.of_arms) == 1:
        (of_arm,) = results.of_arms.values()
        yield from _figures_of(study, results, of_arm)


def _about(study: StudyData) -> Iterator[str]:
    yield f"Study {study.title}"
    yield fmt.dataset(study.design.dataset)
    yield f"trained {study.manifest['date']}" if "date" in study.manifest else "date not recorded"
    yield study_words.primary(study)
    if study.design.data.counts:
        yield f"guessing scores {fmt.percent(study.chance, 1)}"


def _figures_of(study: StudyData, results: Results, of_arm: Findings) -> Iterator[Figure]:
    panels = pairs.panels(results, of_arm)
    if panels:
        yield pairs.figure(panels[:1], "first-pairs", table=None)
    cells = contrasts.by_cell(results.contrasts, of_arm.arm)
    if where.is_drawn(cells):
        yield where.first_figure(study, of_arm.arm, cells)
    if results.ledger is not None:
        yield ledger_tables.first_figure(results.ledger)
    for tuned in results.tuned:
        if tuned.arm == of_arm.arm:
            yield replace(searches.tried(study, tuned), name="first-trials", table=None)
