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


@dataclass(frozen=True)
class Grid:
    """Cells as a table of two ways: across, the last factor that every study has and whose levels are numbers, which is
    the learning rate; down, every combination of the others.

    >>> grid = Grid.of([FACTORS["batch_size"], FACTORS["lr"]])
    >>> cells = [Cell(size, lr) for size in (32, 128) for lr in (0.01, 0.1)]
    >>> grid.down(cells), grid.across_of(cells), grid.title((32,))
    ([(32,), (128,)], [0.01, 0.1], 'batch size 32')
    """

    across: Factor
    others: tuple[Factor, ...]

    @classmethod
    def of(cls, factors: Sequence[Factor]) -> "Grid":
        across = [factor for factor in factors if factor.always and factor.is_numeric][-1]
        return cls(across, tuple(factor for factor in factors if factor.key != across.key))

    @classmethod
    def over(cls, cells: Iterable[Cell]) -> "Grid":
        """Return the grid of the factors that the cells say."""
        first = next(iter(cells))
        return cls.of([first.factors[key] for key in first.said])

    @property
    def key(self) -> list[str]:
        """The columns of a cell: of the other factors, then of the one across."""
        return [*(factor.key for factor in self.others), self.across.key]

    def row(self, cell: Cell) -> Levels:
        """Return the levels of the other factors."""
        return tuple(cell[factor.key] for factor in self.others)

    def column(self, cell: Cell) -> Any:
        """Return the level of the factor across."""
        return cell[self.across.key]

    def down(self, cells: Iterable[Cell]) -> list[Levels]:
        """Return every row that has a cell, in order."""
        return sorted({self.row(cell) for cell in cells}, key=self._places)

    def across_of(self, cells: Iterable[Cell]) -> list[Any]:
        """Return every level across that has a cell, in order."""
        return sorted({self.column(cell) for cell in cells})

    def cell(self, row: Levels, column: Level) -> Cell:
        return cell_at(self.key, (*row, column))

    def named(self, row: Levels) -> Mapping[str, Level]:
        """Return the levels of a row by factor."""
        return {factor.key: level for factor, level in zip(self.others, row, strict=True)}

    def title(self, row: Levels, separator: str = ", ") -> str:
        """Return a row as a sentence has it."""
        return separator.join(
            f"{factor.label} {factor.show(level)}" for factor, level in zip(self.others, row, strict=True)
        )

    def tick(self, row: Levels) -> str:
        """Return a row as an axis has it, whose label names the factors."""
        return ", ".join(factor.show(level) for factor, level in zip(self.others, row, strict=True))

    def _places(self, row: Levels) -> Levels:
        return tuple(factor.place(level) for factor, level in zip(self.others, row, strict=True))
