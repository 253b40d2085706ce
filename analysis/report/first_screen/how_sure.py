"""How sure is the finding, and what was not tested? A sentence each."""

from collections.abc import Iterator, Sequence

from analysis.findings.answer import Answer, Part
from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.first_screen.title import leading
from analysis.report.sentences.answer import tipping
from analysis.stats.power import seeds_to_reach


def how_sure(answer: Answer, all_failed: bool = False) -> str:
    """Return what supports the leading part of the answer, and what would reverse it."""
    part = leading(answer)
    if all_failed or part is None:
        return "No run, or too few, learned: nothing can be said of a difference."
    n, needed = fmt.units(part.n, part.unit), seeds_to_reach(answer.alpha)
    if part.verdict == "withheld":
        return "Missing runs could reverse the sign of the difference."
    if part.verdict == "description" and part.n < needed:
        return f"No verdict: {n} {'says' if part.n == 1 else 'say'} nothing of others. At least {needed} are needed."
    if part.verdict == "description":
        return f"No verdict: {part.reason}."
    supported = f"{_evidence(part)} from {n}."
    return f"{supported} {tipping(part.tipping)}" if part.tipping is not None else supported


def how_sure_of_several(answers: Sequence[Answer], all_failed: bool = False) -> str:
    """Return what supports the leading parts of several arms together, and what would reverse the largest
    difference."""
    known = [(answer, part) for answer in answers if (part := leading(answer)) is not None]
    if all_failed or not known:
        return "No run, or too few, learned: nothing can be said of a difference."
    if any(part.verdict == "withheld" for _, part in known):
        return "Missing runs could reverse the sign of a difference."
    answer, part = max(known, key=lambda one: one[1].difference.estimate)
    if all(one.verdict == "description" for _, one in known):
        return how_sure(answer)
    level, arms = fmt.level(part.difference.level), fmt.units(len(answers), "arms")
    together = f"The {level} intervals of all {arms} hold together, from {fmt.units(part.n, part.unit)}."
    if part.tipping is None:
        return together
    return f"{together} {fmt.sentence(fmt.side(answer.arm))}: {tipping(part.tipping)}"


def _evidence(part: Part) -> str:
    decides = part.inner if part.verdict == "equivalent" else part.difference
    ends = fmt.interval(decides.low, decides.high)
    return f"The {fmt.level(decides.level)} interval is {ends} points"


def not_tested(study: StudyData, results: Results) -> str:
    """Return what the study does not speak of, in one sentence made of its design."""
    design = study.design
    untested = [
        f"data other than {fmt.dataset(design.dataset)}",
        *([] if fmt.settled(design, "widths") else [f"networks other than {fmt.network(design)}"]),
        *([] if fmt.settled(design, "optimiser") else ["optimisers other than Adam"]),
        f"more than {fmt.units(design.epochs, 'epochs')}",
        *_untested_levels(study, results),
    ]
    return f"Not tested: {', '.join(untested[:-1])} or {untested[-1]}."


def _untested_levels(study: StudyData, results: Results) -> Iterator[str]:
    """Yield the levels beyond those of the grid, and beyond the space in which the arms were tuned."""
    spaces = {key: ends for tuned in results.tuned for key, ends in tuned.space.items()}
    for factor in study.design.factors:
        if not factor.is_numeric:
            continue
        if factor.key in spaces:
            low, high = spaces[factor.key]
            yield f"{fmt.levels_of(factor)} outside {factor.show(low)} to {factor.show(high)}"
        else:
            levels = fmt.listing([*map(factor.show, study.design.levels(factor.key))])
            yield f"{fmt.levels_of(factor)} other than {levels}"
