"""The comparisons of one arm as rows: what each study has at its best, over the settings in common, and in each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.findings.comparison import AtBest, Comparison, Side
from analysis.report import number_format as fmt
from analysis.stats.intervals import Interval
from analysis.stats.paired_tests import Test
from study.spec.factors import Cell

Kind = Literal["best", "common", "setting"]


@dataclass(frozen=True)
class Beside:
    """How a study's difference compares with that of the study whose page this is."""

    difference: Interval
    """That study minus this one."""
    test: Test | None
    n_common: int | None
    """Seeds that both have; None where seeds are not what is compared."""


@dataclass(frozen=True)
class Entry:
    """A study's difference between the arms."""

    study: str
    interval: Interval
    unit: str
    """Name of the independent units, in the plural."""
    beside: Beside | None = None
    """None of the study whose page this is."""


@dataclass(frozen=True)
class Row:
    kind: Kind
    label: str
    cell: Cell | None
    entries: Sequence[Entry]
    """The study whose page this is, then the others."""

    def of(self, study: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.study == study), None)


def rows(comparisons: Sequence[Comparison]) -> list[Row]:
    """Return the rows of the comparisons of one arm; a mean over settings only where there are several."""
    return [*_at_best(comparisons), *_over_common(comparisons), *_in_settings(comparisons)]


def lead(of_arm: Sequence[Row], comparison: Comparison) -> Row:
    """Return the row of ``of_arm`` that is told first of a comparison."""
    kind = "best" if comparison.leads_with_best else "common" if len(comparison.sides) > 2 else "setting"
    return next(row for row in of_arm if row.kind == kind and row.of(comparison.name))


def _at_best(comparisons: Sequence[Comparison]) -> Iterator[Row]:
    both = [(comparison, comparison.best) for comparison in comparisons if comparison.best is not None]
    if both:
        here = Entry(both[0][0].study, both[0][1].here.interval, both[0][1].here.unit)
        yield Row("best", "each arm at its best", None, [here, *(_best_of(*one) for one in both)])


def _best_of(comparison: Comparison, best: AtBest) -> Entry:
    return Entry(comparison.name, best.there.interval, best.there.unit, Beside(best.difference, None, None))


def _over_common(comparisons: Sequence[Comparison]) -> Iterator[Row]:
    groups: dict[tuple[Cell | None, ...], list[Comparison]] = {}
    for comparison in comparisons:
        if len(comparison.sides) > 2:
            groups.setdefault(tuple(side.cell for side in comparison.sides), []).append(comparison)
    for cells, group in groups.items():
        n = len(cells) - 1
        with_whom = "" if len(group) == len(comparisons) else f" with {fmt.listing([one.name for one in group])}"
        label = f"the {n} settings in common{with_whom}"
        yield _row("common", label, None, [(comparison, comparison.sides[0]) for comparison in group])


def _in_settings(comparisons: Sequence[Comparison]) -> Iterator[Row]:
    in_cell: dict[Cell, list[tuple[Comparison, Side]]] = {}
    for comparison in comparisons:
        for side in comparison.sides:
            if side.cell is not None:
                in_cell.setdefault(side.cell, []).append((comparison, side))
    for cell in sorted(in_cell):
        yield _row("setting", fmt.cell(cell), cell, in_cell[cell])


def _row(kind: Kind, label: str, cell: Cell | None, sides: Sequence[tuple[Comparison, Side]]) -> Row:
    here = Entry(sides[0][0].study, sides[0][1].here, "seeds")
    others = [
        Entry(comparison.name, side.there, "seeds", Beside(side.difference, side.test, side.difference.n))
        for comparison, side in sides
    ]
    return Row(kind, label, cell, [here, *others])
