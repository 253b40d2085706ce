"""How sure is the finding, and what was not tested? A sentence each."""

import math
from collections.abc import Iterator, Sequence

from analysis.findings.answer import Answer, Part
from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.sentences.answer import tipping
from analysis.stats.power import seeds_to_reach
from study.spec.factors import Level


def how_sure(answer: Answer) -> str:
    """Return what supports the first part of the answer, and what would reverse it."""
    part = answer.first
    n = fmt.units(part.n, part.unit)
    if math.isnan(part.difference.estimate):
        return f"No difference can be given with {n}."
    if part.verdict == "withheld":
        return "Missing runs could reverse the sign of the difference."
    if part.verdict == "description":
        return f"{fmt.sentence(n)} say nothing of other seeds: a verdict needs at least {seeds_to_reach(answer.alpha)}."
    supported = f"{_evidence(part)} from {n}."
    return f"{supported} {tipping(part.tipping)}" if part.tipping is not None else supported


def _evidence(part: Part) -> str:
    decides = part.inner if part.verdict == "equivalent" else part.difference
    ends = fmt.interval(decides.low, decides.high)
    return f"The {fmt.level(decides.level)} interval is {ends} points"


def not_tested(study: StudyData, results: Results) -> str:
    """Return what the study does not speak of, in one sentence made of its design."""
    design = study.design
    untested = [
        f"data other than {fmt.dataset(design.dataset)}",
        f"networks other than {'-'.join(map(str, design.widths))}",
        "optimisers other than Adam",
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
        low, high = spaces.get(factor.key) or _ends(study.design.levels(factor.key))
        of_one = f"{factor.axis}s other than {factor.show(low)}"
        yield of_one if low == high else f"{factor.axis}s outside {factor.show(low)} to {factor.show(high)}"


def _ends(levels: Sequence[Level]) -> tuple[Level, Level]:
    return levels[0], levels[-1]
