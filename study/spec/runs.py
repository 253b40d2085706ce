"""One training, and what tuning chose for an arm: a cell, a seed and an arm, or a cell and an arm."""

from dataclasses import dataclass

from study.spec.arms import ARMS
from study.spec.factors import Cell, Level


@dataclass(frozen=True, order=True, init=False)
class Run:
    """One training: a cell, a seed and an arm. The cell may be given by its levels, in the order of ``FACTORS``.

    >>> from dataclasses import replace
    >>> run = Run(32, 0.01, seed=0, arm="bn")
    >>> run == Run(Cell(32, 0.01), seed=0, arm="bn") == replace(run, arm="bn")
    True
    """

    cell: Cell
    seed: int
    arm: str

    def __init__(self, *cell: Cell | Level, seed: int, arm: str, **levels: Level):
        if isinstance(levels.get("cell"), Cell):  # given so by dataclasses.replace
            cell = (levels.pop("cell"),)
        whole = cell[0] if cell and isinstance(cell[0], Cell) else Cell(*cell, **levels)  # type: ignore[arg-type]
        for name, value in (("cell", whole), ("seed", seed), ("arm", arm)):
            object.__setattr__(self, name, value)

    @property
    def applicable(self) -> bool:
        """Whether its arm can train on batches of this size: one image has no variance."""
        return self.why_not is None

    @property
    def why_not(self) -> str | None:
        """Why its arm cannot train on batches of this size; None where it can."""
        return ARMS[self.arm].why_not(self.cell.batch_size)


@dataclass(frozen=True)
class Configuration:
    """The cell that a search chose for an arm."""

    arm: str
    cell: Cell
    search: int = 1
    """The number of the search, from 1."""
