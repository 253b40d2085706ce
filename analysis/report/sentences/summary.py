"""What would change the answer, and its numbers for the terminal: nothing is typed that follows from records."""

import math
from collections.abc import Iterator

from analysis.findings.answer import Answer, Part
from analysis.findings.results import Findings, Results
from analysis.report import number_format as fmt
from analysis.report.sentences.answer import excluded, title
from analysis.report.sentences.specifications import of_specifications
from analysis.stats.power import seeds_to_reach


def what_would_change_it(answer: Answer, of_arm: Findings) -> list[str]:
    """Return how far the answer is from another one, a line a reason."""
    lines = [_enough_seeds, _other_analyses, _more_seeds]
    return [line for reason in lines for line in reason(answer, of_arm)]


def _enough_seeds(answer: Answer, of_arm: Findings) -> Iterator[str]:
    enough = seeds_to_reach(answer.alpha)
    if answer.n_seeds < enough:
        yield f"More seeds: a verdict at {fmt.level(answer.alpha)} needs at least {enough}."


def _other_analyses(answer: Answer, of_arm: Findings) -> Iterator[str]:
    if answer.n_seeds >= seeds_to_reach(answer.alpha):
        yield of_specifications(of_arm.sensitivity, answer.arm)


def _more_seeds(answer: Answer, of_arm: Findings) -> Iterator[str]:
    plan = of_arm.plan
    if answer.mean is not None and answer.mean.verdict == "inconclusive" and plan.seeds_needed is not None:
        margin = fmt.points(plan.margin).lstrip("+")
        yield (
            f"More seeds: {fmt.count(plan.seeds_needed)} detect a mean difference of {margin} points with"
            f" {fmt.level(plan.power)} power; there are {plan.n}."
        )


def main_numbers(results: Results) -> list[tuple[str, str]]:
    """Return lines for the terminal by arm: the parts of the answer, and the failures."""
    lines = []
    for arm, answer in results.answers.items():
        which = f"{fmt.side(arm)}: " if len(results.answers) > 1 else ""
        lines += [(f"{which}{title(answer, part.key).lower()}", _size(part)) for part in answer.parts]
        lines.append((f"{which}runs that did not learn", _failed(answer)))
    return lines


def _failed(answer: Answer) -> str:
    baseline = sum(cell.n - cell.n_baseline for cell in answer.not_learning)
    arm = sum(cell.n - cell.n_arm for cell in answer.not_learning)
    sides = f"{baseline} {fmt.side(answer.baseline)}, {arm} {fmt.side(answer.arm)}"
    return sides if baseline and arm else f"{sides} ({excluded(0, answer.n_seeds, answer.unseen_failures)})"


def _size(part: Part) -> str:
    if math.isnan(part.difference.estimate):
        return part.verdict
    size = fmt.estimate(*fmt.as_triple(part.difference))
    seen = " in the runs seen" if part.qualified else ""
    return f"{size} points, {fmt.units(part.n, part.unit)}: {part.verdict}{seen}"
