"""Where do runs fail, in as few words as say it? Settings that fail alike, together where they are all that have some
levels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from analysis.findings.answer import Learning
from study.spec.factors import Cell, Level

Pattern = tuple[str, str]
"""Of baseline and arm: whether ``all``, ``some`` or ``none`` of the runs learn."""


@dataclass(frozen=True)
class Region:
    """All settings that have some levels, in each of which as many arms fail: wholly, partly or not at all."""

    at: Mapping[str, Level]
    """The levels by factor; empty for every setting."""
    cells: Sequence[Learning]
    """Each setting by itself."""

    @property
    def n(self) -> int:
        """Runs of each arm."""
        return sum(cell.n for cell in self.cells)

    @property
    def n_baseline(self) -> int:
        """Runs of the baseline that learn."""
        return sum(cell.n_baseline for cell in self.cells)

    @property
    def n_arm(self) -> int:
        return sum(cell.n_arm for cell in self.cells)


def failing_regions(failing: Sequence[Learning], cells: Sequence[Cell]) -> list[Region]:
    """Return regions, which share no setting, of all settings in which runs fail; those told by fewest levels first.

    ``failing`` are these settings, of all that there are, ``cells``. A greedy cover: of the regions with as few levels,
    that of most settings comes first.
    """
    left, found = {one.cell: one for one in failing}, []
    keys = [key for key in cells[0].said if len({cell[key] for cell in cells}) > 1] if cells else []
    for n_fixed in range(len(keys) + 1):
        largest_first = sorted(_candidates(left, cells, keys, n_fixed), key=lambda region: -len(region.cells))
        for region in largest_first:
            if all(one.cell in left for one in region.cells):
                found.append(region)
                for one in region.cells:
                    del left[one.cell]
    return found


def _candidates(
    left: Mapping[Cell, Learning], cells: Sequence[Cell], keys: Sequence[str], n_fixed: int
) -> Iterator[Region]:
    """Yield the regions with so many levels fixed of which every setting is left and fails alike."""
    for fixed in combinations(keys, n_fixed):
        groups: dict[tuple[Level, ...], list[Cell]] = {}
        for cell in cells:
            groups.setdefault(tuple(cell[key] for key in fixed), []).append(cell)
        for levels, inside in groups.items():
            if all(cell in left for cell in inside) and len({_pattern(left[cell]) for cell in inside}) == 1:
                yield Region(dict(zip(fixed, levels, strict=True)), [left[cell] for cell in inside])


def _pattern(one: Learning) -> Pattern:
    of_baseline, of_arm = ("none" if k == 0 else "all" if k == one.n else "some" for k in (one.n_baseline, one.n_arm))
    return of_baseline, of_arm
