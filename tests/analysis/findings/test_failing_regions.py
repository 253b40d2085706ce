"""Where runs fail is told by the levels that failing settings share, of settings that fail alike and of no others."""

from collections.abc import Iterator, Mapping

import pytest

from analysis.findings.answer import Learning
from analysis.findings.secondary.failing_regions import failing_regions
from analysis.stats.intervals import proportion
from study.spec.factors import Cell
from tests.analysis.many_factors import NAMES, design, registered


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    with registered():
        yield


def told(learn: Mapping[Cell, tuple[int, int]], cells: list[Cell]) -> list[tuple[dict, int, int, int]]:
    failing = [
        Learning(cell, 6, a, b, proportion(a, 6, 0.95), proportion(b, 6, 0.95)) for cell, (a, b) in learn.items()
    ]
    found = failing_regions(failing, cells)
    assert sorted(one.cell for region in found for one in region.cells) == sorted(learn)
    return [(dict(region.at), region.n, region.n_baseline, region.n_arm) for region in found]


def test_settings_that_fail_alike_are_told_by_what_they_share() -> None:
    cells = design(lrs=(0.01, 0.1), activation=NAMES, turns=(2, 5, 10)).cells
    deep = {cell: (0, 6) for cell in cells if cell["turns"] == 10}
    assert told(deep, cells) == [({"turns": 10}, 24, 0, 24)]
    assert told(dict.fromkeys(cells, (3, 6)), cells) == [({}, 72, 36, 72)]
    first, *rest = deep
    assert told({cell: deep[cell] for cell in rest}, cells) == [  # one setting learns: no word may cover it
        ({"lr": 0.1, "turns": 10}, 12, 0, 12),
        ({"lr": 0.01, "activation": "tanh", "turns": 10}, 6, 0, 6),
    ]
    assert first.lr == 0.01


def test_settings_that_fail_by_half_are_not_told_with_those_that_fail_wholly() -> None:
    cells = design(lrs=(0.01, 0.1), activation=NAMES, turns=(2, 10)).cells
    learn = {cell: (0 if cell["activation"] == "tanh" else 3, 6) for cell in cells if cell["turns"] == 10}
    assert told(learn, cells) == [
        ({"activation": "relu", "turns": 10}, 12, 6, 12),
        ({"activation": "tanh", "turns": 10}, 12, 0, 12),
    ]


def test_nothing_fails() -> None:
    assert failing_regions([], design(turns=(2, 5)).cells) == failing_regions([], []) == []
