"""Small multiples: which panels of a study of many factors stand in sight, and how to see the rest."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from analysis.records.cells import PLAIN, Grid
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.document import Figure
from study.spec.commands import OUT, report_on

T = TypeVar("T")

MOST = 12
"""Panels of a figure: more cannot be read beside one another."""
FOLDED = 3
"""Further figures in the appendix; beyond, the table has all numbers."""


def has_panels(study: StudyData) -> bool:
    """Return whether a study has more factors than one table of two ways holds."""
    return len(study.cell_key) > PLAIN


def parts(study: StudyData, panels: Sequence[T]) -> list[list[T]]:
    """Return the panels as figures take them: those in sight, then those of each further figure in the appendix; all in
    one where the study has no more than two factors."""
    if not has_panels(study):
        return [[*panels]]
    return [[*panels[start : start + MOST]] for start in range(0, len(panels), MOST)][: 1 + FOLDED]


def figures(study: StudyData, panels: Sequence[T], draw: Callable[[list[T], str], Figure]) -> list[Figure]:
    """Return the figure in sight, which has the table, then those that the appendix folds; ``draw`` makes one of some
    panels, with what is said of the others."""
    first, *rest = parts(study, panels)
    found, n_before = [draw(first, about(study, panels))], len(first)
    for i, part in enumerate(rest, 2):
        ends = dict.fromkeys((n_before + 1, n_before + len(part)))
        headline = f"{'Panels' if len(ends) > 1 else 'Panel'} {' to '.join(map(str, ends))} of {len(panels)}"
        found.append(replace(draw(part, ""), name=f"{found[0].name}-{i}", headline=headline, table=None))
        n_before += len(part)
    return found


def about(study: StudyData, panels: Sequence[T]) -> str:
    """Return what is said of the panels that are not in sight, behind a space; nothing where all are."""
    shown = parts(study, panels)
    n_folded, n_nowhere = sum(map(len, shown[1:])), len(panels) - sum(map(len, shown))
    if not n_folded:
        return ""
    folded = f" {fmt.units(n_folded, 'more panels')} {'is' if n_folded == 1 else 'are'} in the appendix, folded."
    rest = f" The numbers of {n_nowhere:,} others are in the table." if n_nowhere else ""
    return f"{folded}{rest} {_command(study)} shows one level alone."


def _command(study: StudyData) -> str:
    """Return the command that reports one level of the first factor that tells panels apart."""
    grid = Grid.over(study.cells)
    factor = next(factor for factor in grid.apart if factor.key not in grid.unsaid)
    level = factor.show(study.design.levels(factor.key)[0])
    return report_on(OUT / study.name, "--at", f"{factor.key}={level}")
