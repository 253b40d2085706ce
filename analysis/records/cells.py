"""A study's cells: their columns in tables, and how they lie in a grid. What a factor is called, the factor says."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from study.spec.design import Design
from study.spec.factors import FACTORS, Cell, Factor, Level

Levels = tuple[Level, ...]


def cell_key(design: Design) -> list[str]:
    """Return the columns of a cell in the tables of a study, in order."""
    return [factor.key for factor in design.factors]


def pair_key(design: Design) -> list[str]:
    """Return the columns that the two runs of a pair have in common."""
    return [*cell_key(design), "seed"]


def run_key(design: Design) -> list[str]:
    return [*pair_key(design), "arm"]


def levels(cell: Cell, key: Sequence[str]) -> Levels:
    """Return the values of a cell in the columns ``key``."""
    return tuple(cell[name] for name in key)


def cell_at(key: Sequence[str], values: Iterable[Any]) -> Cell:
    """Return the cell that has these values in the columns ``key``, and says them all."""
    named = {name: FACTORS[name].kind(value) for name, value in zip(key, values, strict=True)}
    return Cell(**named).saying(key)


def row_of(cell: Cell | None, key: Sequence[str]) -> dict[str, Level | None]:
    """Return the columns of a cell in a row, which are empty where the row is of all cells."""
    return {name: None if cell is None else cell[name] for name in key}


def rows_in(table: pd.DataFrame, cell: Cell, key: Sequence[str]) -> pd.DataFrame:
    """Return the rows of a table that belong to a cell."""
    inside = np.ones(len(table), bool)
    for name in key:
        inside &= table[name].to_numpy() == cell[name]
    return table[inside]


PLAIN = 2
"""Factors that one table of two ways holds; cells with more have panels."""


@dataclass(frozen=True)
class Grid:
    """Cells as a table of two ways: one factor across; down, every combination of the others, of which those with the
    first levels that differ may stand in a panel of their own.

    >>> grid = Grid.of([FACTORS["batch_size"], FACTORS["lr"]])
    >>> cells = [Cell(size, lr) for size in (32, 128) for lr in (0.01, 0.1)]
    >>> grid.down(cells), grid.across_of(cells), grid.title((32,))
    ([(32,), (128,)], [0.01, 0.1], 'batch size 32')
    """

    across: Factor
    others: tuple[Factor, ...]
    n_apart: int = 0
    """Of the others, those from the first on by whose levels panels are told apart."""
    unsaid: frozenset[str] = frozenset()
    """Keys of others with one level, which titles leave out."""

    @classmethod
    def of(cls, factors: Sequence[Factor]) -> "Grid":
        """Return the grid by rate: across, the last factor that every study has and whose levels are numbers."""
        across = ([factor for factor in factors if factor.always and factor.is_numeric] or factors)[-1]
        return cls(across, tuple(factor for factor in factors if factor.key != across.key))

    @classmethod
    def by_rate(cls, cells: Iterable[Cell]) -> "Grid":
        """Return the grid by rate of the factors that the cells say."""
        first = next(iter(cells))
        return cls.of([first.factors[key] for key in first.said])

    @classmethod
    def over(cls, cells: Iterable[Cell]) -> "Grid":
        """Return the grid in which cells are drawn: by rate with ``PLAIN`` factors. Of more, two are the axes: batch
        size and rate where both vary, else those with most levels, numbers before names; the rest tells panels apart.
        """
        every = [*cells]
        factors = [every[0].factors[key] for key in every[0].said]
        return cls.of(factors) if len(factors) <= PLAIN else cls._with_panels(factors, every)

    @classmethod
    def _with_panels(cls, factors: Sequence[Factor], cells: Sequence[Cell]) -> "Grid":
        n_levels = {factor.key: len({cell[factor.key] for cell in cells}) for factor in factors}
        varied = [factor for factor in factors if n_levels[factor.key] > 1] or [*factors]
        common = [factor for factor in varied if factor.always and factor.is_numeric]
        ranked = sorted(varied, key=lambda factor: (not factor.is_numeric, -n_levels[factor.key]))
        axes = common if len(common) == 2 else ranked[:2]
        across = ([factor for factor in axes if factor in common] or axes[:1])[-1]
        down = [factor for factor in axes if factor.key != across.key]
        apart = [factor for factor in factors if factor not in axes]
        once = frozenset(factor.key for factor in apart if n_levels[factor.key] == 1)
        return cls(across, (*apart, *down), len(apart), once if len(once) < len(apart) + len(down) else frozenset())

    @property
    def key(self) -> list[str]:
        """The columns of a cell: of the other factors, then of the one across."""
        return [*(factor.key for factor in self.others), self.across.key]

    @property
    def apart(self) -> tuple[Factor, ...]:
        """The factors by whose levels panels are told apart."""
        return self.others[: self.n_apart]

    @property
    def inside(self) -> tuple[Factor, ...]:
        """The factors down a panel."""
        return self.others[self.n_apart :]

    def row(self, cell: Cell) -> Levels:
        """Return the levels of the other factors."""
        return tuple(cell[factor.key] for factor in self.others)

    def panel(self, cell: Cell) -> Levels:
        """Return the levels that tell its panel apart."""
        return self.row(cell)[: self.n_apart]

    def column(self, cell: Cell) -> Any:
        """Return the level of the factor across."""
        return cell[self.across.key]

    def down(self, cells: Iterable[Cell]) -> list[Levels]:
        """Return every row that has a cell, in order."""
        return sorted({self.row(cell) for cell in cells}, key=self._places)

    def panels(self, cells: Iterable[Cell]) -> list[Levels]:
        """Return every panel that has a cell, in order."""
        return list(dict.fromkeys(row[: self.n_apart] for row in self.down(cells)))

    def down_inside(self, cells: Iterable[Cell]) -> list[Levels]:
        """Return every row of a panel, in order."""
        rows = {row[self.n_apart :]: row for row in self.down(cells)}
        return sorted(rows, key=lambda inside: self._places(rows[inside])[self.n_apart :])

    def across_of(self, cells: Iterable[Cell]) -> list[Any]:
        """Return every level across that has a cell, in order."""
        return sorted({self.column(cell) for cell in cells}, key=self.across.place)

    def cell(self, row: Levels, column: Level) -> Cell:
        return cell_at(self.key, (*row, column))

    def named(self, row: Levels) -> Mapping[str, Level]:
        """Return the levels of a row by factor."""
        return {factor.key: level for factor, level in zip(self.others, row, strict=True)}

    def title(self, row: Levels, separator: str = ", ") -> str:
        """Return a row, or the panel of one, as a sentence has it."""
        named = zip(self.others, row, strict=False)
        return separator.join(f"{of.label} {of.show(level)}" for of, level in named if of.key not in self.unsaid)

    def short(self, places: Levels) -> list[str]:
        """Return the levels of a panel, of a row or of a row and its column, with a word where they need one: names of
        one factor speak for themselves, unless they say none."""
        levels = zip((*self.others, self.across), places, strict=False)
        told = [(of, level) for of, level in levels if of.key not in self.unsaid]
        several = sum(not of.is_numeric for of, _ in told) > 1

        def speaks(of: Factor, level: Any) -> bool:
            return not of.is_numeric and not several and level != "none"

        return [of.show(level) if speaks(of, level) else f"{of.label} {of.show(level)}" for of, level in told]

    def tick(self, inside: Levels) -> str:
        """Return a row of a panel as an axis has it, whose label names the factors."""
        return ", ".join(factor.show(level) for factor, level in zip(self.inside, inside, strict=True))

    def _places(self, row: Levels) -> Levels:
        return tuple(factor.place(level) for factor, level in zip(self.others, row, strict=True))
