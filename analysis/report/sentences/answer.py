"""The answer in sentences: a headline for each of its parts, and what stands beside it. Nothing is typed that follows
from records."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.findings.answer import Answer, Learning, LevelShare, Part
from analysis.findings.secondary.failing_regions import Region, failing_regions
from analysis.findings.tipping import Tipping
from analysis.findings.tuning import Tuned
from analysis.records.cells import PLAIN
from analysis.report import number_format as fmt
from analysis.report.sentences.tuning import gap
from study.spec.factors import FACTORS, Cell, rounded

MOST_REGIONS = 8
"""Regions in which runs fail that are told in a sentence each."""

TITLES = {
    "best": "Each arm at its best",
    "setting": "At the tutorial's setting",
    "not_learning": "Runs that fail",
    "mean": "The mean over the settings",
}
"""The questions of the answer, in the order in which they are told."""


def title(answer: Answer, key: str) -> str:
    """Return the title of a part."""
    return "The one setting" if key == "mean" and answer.n_cells == 1 else TITLES[key]


PARTS = {
    "tuned": "both arms tuned",
    "cross-fitted": "each arm in its best setting",
    "cell": "tutorial's setting",
    "cells": "mean of {settings}",
}
"""Names by what a part is made of."""


def part_name(answer: Answer, part: Part) -> str:
    """Return what a part is called on a card, over a panel and in a row."""
    name = "{settings}" if part.source == "cells" and answer.n_cells == 1 else PARTS[part.source]
    return name.format(settings=fmt.settings(answer.n_cells))


def size(part: Part, signed: bool = False) -> str:
    """Return the difference in points, with as many digits as its interval allows."""
    text = fmt.points_of(part.difference)
    return text if signed else text.lstrip("+-")


@dataclass(frozen=True)
class Told:
    """A part of the answer in words."""

    key: str
    title: str
    headline: str
    details: list[str]


def told(answer: Answer, dataset: str, tuned: Tuned | None = None, cells: Sequence[Cell] = ()) -> list[Told]:
    """Return the parts of an answer in words, in order; ``tuned`` is the arm's tuning, where there was one, and
    ``cells`` are all that both arms have, for failures to be told of many at once."""
    parts = {part.key: part for part in answer.parts}
    of_key = {
        key: Told(key, title(answer, key), headline(answer, part, dataset), [*_details(answer, part)])
        for key, part in parts.items()
    }
    if tuned is not None:
        of_key["best"].details.append(gap(tuned))
    first, *rest = [*_learning(answer, cells)]
    of_key["not_learning"] = Told("not_learning", TITLES["not_learning"], first, rest)
    return [of_key[key] for key in TITLES if key in of_key]


# --- the headline of a part


def headline(answer: Answer, part: Part, dataset: str) -> str:
    """Return where what was found, then both accuracies, the interval and n; the verb follows the verdict."""
    place = fmt.sentence(_place(answer, part))
    if math.isnan(part.difference.estimate):
        return f"{place}, no difference on {fmt.dataset(dataset)} is given: {_why_none(part)}."
    said = VERBS[part.verdict.split(",")[0]](answer, part, f"test accuracy on {fmt.dataset(dataset)}")
    sentences = f"{place}{_given(part)}, {said}. {fmt.sentence(_evidence(answer, part))}."
    return f"{sentences} {tipping(part.tipping)}" if part.tipping is not None and part.qualified else sentences


def _why_none(part: Part) -> str | None:
    if part.verdict == "counts alone":
        return part.reason
    return "one seed has no others to choose its settings" if part.n else "no seed has the pairs that it takes"


def _place(answer: Answer, part: Part) -> str:
    if part.key == "setting":
        return f"at the tutorial's setting ({fmt.cell(part.cells[answer.arm])})"
    if part.key == "best":
        return _at_best(part)
    return "in the one setting" if answer.n_cells == 1 else f"averaged over the {answer.n_cells} settings"


def _at_best(part: Part) -> str:
    if part.source == "cross-fitted":
        return "with each arm in its best setting"
    if part.unit == "seeds":
        return "at the two configurations that one search with equal budgets chose"
    return "with both arms tuned with equal budgets"


def _given(part: Part) -> str:
    failed = part.n_failed_baseline or part.n_failed_arm
    return ", in pairs in which both arms learn" if part.key == "setting" and failed else ""


def _changed(answer: Answer, part: Part, accuracy: str) -> str:
    up = part.difference.estimate > 0
    verb = ("raised" if up else "lowered") if part.qualified else ("raises" if up else "lowers")
    small = f", less than the margin of {fmt.margin(answer.margin)}" if part.verdict.endswith("margin") else ""
    seen = " in the runs seen" if part.qualified else ""
    return f"{fmt.arm_name(answer.arm)} {verb} {accuracy} by {size(part)} points{small}{seen}"


def _equivalent(answer: Answer, part: Part, accuracy: str) -> str:
    everywhere = " in every setting" if part.key == "mean" and answer.n_cells > 1 else ""
    changes = f"{fmt.arm_name(answer.arm)} changes {accuracy}{everywhere}"
    return f"{changes} by less than the margin of {fmt.margin(answer.margin)}"


def _mixed(answer: Answer, part: Part, accuracy: str) -> str:
    better, worse = answer.cells["better"], answer.cells["worse"]
    where = f"better in {better} and worse in {worse} of {answer.n_cells} settings"
    return f"{fmt.arm_name(answer.arm)} is {where}: {size(part, signed=True)} points on average"


def _undecided(answer: Answer, part: Part, accuracy: str) -> str:
    found = f"the difference is {size(part, signed=True)} points"
    return f"the data do not decide whether {fmt.arm_name(answer.arm)} changes {accuracy}: {found}"


def _described(answer: Answer, part: Part, accuracy: str) -> str:
    differs = f"{accuracy} differs by {size(part, signed=True)} points with {fmt.arm_name(answer.arm)}"
    return f"{differs}: a description, not a verdict"


def _withheld(answer: Answer, part: Part, accuracy: str) -> str:
    found = f"the complete pairs differ by {size(part, signed=True)} points"
    return f"runs are missing, so there is no verdict on {fmt.arm_name(answer.arm)}: {found}"


VERBS = {
    "better": _changed,
    "worse": _changed,
    "equivalent": _equivalent,
    "mixed": _mixed,
    "inconclusive": _undecided,
    "description": _described,
    "withheld": _withheld,
}
"""What is said of a difference, by its verdict; a cell whose runs are counted alone has none."""


def _evidence(answer: Answer, part: Part) -> str:
    """Return both accuracies, the interval that decides and how many units there are."""
    accuracies = (
        f"accuracy was {fmt.percent(part.mean_baseline)} {fmt.side(answer.baseline)} and {fmt.percent(part.mean_arm)}"
        f" {fmt.side(answer.arm)}"
    )
    decides = part.inner if part.verdict == "equivalent" else part.difference
    ends = fmt.interval(decides.low, decides.high)
    interval = "" if ends == fmt.NO_NUMBER else f"{fmt.level(decides.level)} interval of the difference {ends}, "
    return f"{accuracies}; {interval}{fmt.units(part.n, part.unit)}"


def tipping(found: Tipping) -> str:
    """Return how rare a collapse would have to be for the better arm to stay better, and what was excluded."""
    if found.rate == 0:
        return f"Not better {fmt.side(found.arm)} once its failures count as they ended."
    if fmt.rate(found.rate) == fmt.rate(1):
        return f"Only a collapse of nearly every run {fmt.side(found.arm)} would reverse this."
    return (
        f"The difference vanishes if more than {fmt.rate(found.rate)} of the runs {fmt.side(found.arm)} collapse;"
        f" {excluded(found.n_failed, found.n, found.limit)}."
    )


def excluded(n_failed: int, n: int, limit: float) -> str:
    """Return which shares of failures the seeds with a failed run exclude: those above ``limit``."""
    share = "nothing" if limit >= 1 else f"only shares above {fmt.rate(limit)}"
    if n_failed:
        return f"{n_failed} of {fmt.seeds(n)} with a failed run rule{'s' if n_failed == 1 else ''} out {share}"
    return f"{fmt.seeds(n)} without a failed run rule{'s' if n == 1 else ''} out {share}"


# --- what stands beside it


def _details(answer: Answer, part: Part) -> Iterator[str]:
    yield from _where(answer, part)
    if math.isnan(part.difference.estimate):
        return
    yield f"Better {fmt.side(answer.arm)} in {part.n_better} of {fmt.units(part.n, part.unit)}."
    if part.reason is not None:
        yield f"{fmt.sentence(part.reason)}."
    if part.bounds is not None:
        low, high = fmt.points(part.bounds.low), fmt.points(part.bounds.high)
        n = part.bounds.n_missing
        missing = "missing pair" if n == 1 else f"{n} missing pairs"
        yield f"Whatever the {missing} would have shown, the difference lies between {low} and {high} points."
    if part.tipping is not None and not part.qualified:
        yield tipping(part.tipping)
    if part.key == "mean":
        yield from _decomposition(answer)
        yield from _by_cell(answer)
        yield from _equivalence(answer)


def _where(answer: Answer, part: Part) -> Iterator[str]:
    if part.key != "best" or not part.cells:
        return
    arms = (answer.baseline, answer.arm)
    cells = {fmt.cell(rounded(part.cells[arm])) for arm in arms}
    at = (
        f"both at {cells.pop()}"
        if len(cells) == 1
        else " and ".join(f"{fmt.side(arm)} at {fmt.cell(rounded(part.cells[arm]))}" for arm in arms)
    )
    how = (
        "each arm's trials chose on held-out training images"
        if part.source == "tuned"
        else "each seed is scored in the settings that the other seeds chose"
    )
    yield f"Best settings: {at}; {how}. Failures count as they ended."


def _decomposition(answer: Answer) -> Iterator[str]:
    """Yield the level that most of the mean comes from, where it comes from one."""
    several = [share for share in answer.shares if _n_levels(answer, share) > 1]
    if not several:
        return
    most = max(several, key=lambda share: share.share)
    if round(100 * most.share) <= 100:
        factor = FACTORS[most.factor]
        yield f"{round(100 * most.share)} % of it comes from {factor.label} {factor.show(most.level)}."
    else:
        yield "Differences of opposite signs cancel in it."


def _n_levels(answer: Answer, share: LevelShare) -> int:
    return sum(other.factor == share.factor for other in answer.shares)


def _by_cell(answer: Answer) -> Iterator[str]:
    if answer.n_cells < 2:
        return
    yield f"Of {answer.n_cells} settings, tested together with the mean: {counted(answer.cells)}."


def counted(cells: Mapping[str, int]) -> str:
    """Return how many cells have each verdict, those in which an arm does not learn last."""
    told = {"description": "no verdict"}
    compared = [f"{told.get(verdict, verdict)} in {n}" for verdict, n in cells.items() if verdict != "counts alone"]
    n = cells.get("counts alone", 0)
    return ", ".join([*compared, *([f"an arm does not learn in {n}"] if n else [])])


def _equivalence(answer: Answer) -> Iterator[str]:
    n = answer.seeds_for_equivalence
    if answer.mean is not None and answer.mean.verdict in ("inconclusive", "equivalent") and n is not None:
        yield (
            f"With this spread and no true difference, {fmt.seeds(n)} would put every setting's interval and the mean's"
            f" within {fmt.margin(answer.margin)}."
        )


# --- where an arm does not learn


def _learning(answer: Answer, cells: Sequence[Cell]) -> Iterator[str]:
    """Yield a sentence for each cell in which a run does not learn, with more than two factors for each region of such
    cells; or one that every run learns."""
    if answer.not_learning and cells and len(cells[0].said) > PLAIN:
        yield from _by_region(answer, failing_regions(answer.not_learning, cells))
        return
    yield from (_learning_in(answer, cell) for cell in answer.not_learning)
    if not answer.not_learning:
        lacking = any(part.bounds is not None for part in answer.parts)
        which = "run that has its partner " if lacking else "run of both arms "
        yield f"Every {which}learned; {excluded(0, answer.n_seeds, answer.unseen_failures)}."


def _learning_in(answer: Answer, at: Learning, where: str | None = None) -> str:
    sides = ((answer.baseline, at.n_baseline, at.of_baseline), (answer.arm, at.n_arm, at.of_arm))
    counts = [f"{k} of {at.n} runs {fmt.side(arm)} ({fmt.share(*fmt.as_triple(share))})" for arm, k, share in sides]
    return f"At {where or fmt.cell(at.cell)}: {' and '.join(counts)} learn."


def _by_region(answer: Answer, regions: Sequence[Region]) -> Iterator[str]:
    """Yield a sentence for each of the first regions, and how many settings the others are."""
    yield from (_learning_in_all(answer, region) for region in regions[:MOST_REGIONS])
    n_left = sum(len(region.cells) for region in regions[MOST_REGIONS:])
    if n_left:
        yield f"Runs fail in {fmt.units(n_left, 'more settings')} too, which the tables name."


def _learning_in_all(answer: Answer, region: Region) -> str:
    """Return how many runs learn in a region; intervals in one setting alone, since settings share their seeds."""
    levels = ", ".join(f"{FACTORS[key].label} {FACTORS[key].show(level)}" for key, level in region.at.items())
    if len(region.cells) == 1:
        return _learning_in(answer, region.cells[0], levels)
    sides = ((answer.baseline, region.n_baseline), (answer.arm, region.n_arm))
    counts = [f"{k} of {region.n} runs {fmt.side(arm)}" for arm, k in sides]
    n = len(region.cells)
    where = f"At {levels}, in {'both' if n == 2 else f'all {n}'} settings" if levels else f"In all {n} settings"
    return f"{where}: {' and '.join(counts)} learn."
