"""Where each factor of some cells goes in a drawing: across, down, or into the titles of panels."""

from collections.abc import Iterator

import pytest

from analysis.records.cells import Grid
from study.spec.factors import FACTORS, Cell, Factor
from tests.analysis.many_factors import NAMES, design, registered


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    with registered():
        yield


def axes(grid: Grid) -> tuple[str, list[str], list[str]]:
    return grid.across.key, [of.key for of in grid.inside], [of.key for of in grid.apart if of.key not in grid.unsaid]


TWO = {"sizes": (32, 64), "lrs": (0.01, 0.1)}


@pytest.mark.parametrize(
    ("vary", "found"),
    [
        ({**TWO}, ("lr", ["batch_size"], [])),
        ({**TWO, "activation": NAMES}, ("lr", ["batch_size"], ["activation"])),
        ({**TWO, "activation": NAMES, "turns": (2, 5, 10)}, ("lr", ["batch_size"], ["activation", "turns"])),
        ({"activation": NAMES, "turns": (2, 5)}, ("turns", ["activation"], [])),
        ({"lrs": (0.01, 0.1), "activation": NAMES, "turns": (2, 5)}, ("lr", ["turns"], ["activation"])),
        ({"sizes": (32, 64), "turns": (2, 5, 10), "drag": (0.0, 0.5)}, ("batch_size", ["turns"], ["drag"])),
        ({"activation": NAMES}, ("activation", [], ["batch_size", "lr"])),
    ],
)
def test_batch_size_and_rate_are_the_axes_else_numbers_with_most_levels(vary: dict, found: object) -> None:
    grid = Grid.over(design(**vary).cells)
    if not grid.n_apart:
        assert grid == Grid.of(design(**vary).factors)
    assert axes(grid) == found


def test_every_cell_has_one_place_in_its_panel() -> None:
    cells = design(**TWO, activation=NAMES, turns=(2, 5, 10)).cells
    grid = Grid.over(cells)
    places = [(grid.panel(cell), grid.row(cell)[grid.n_apart :], grid.column(cell)) for cell in cells]
    assert len({*places}) == len(cells)
    assert (len(grid.panels(cells)), grid.down_inside(cells), grid.across_of(cells)) == (6, [(32,), (64,)], [0.01, 0.1])
    assert [grid.cell(grid.row(cell), grid.column(cell)) for cell in cells] == cells
    assert grid.short(("tanh", 5)) == ["tanh", "turns 5"]


def test_a_frame_of_names_alone_has_a_grid() -> None:
    names = {key: Factor(key, str, key, key, ("a", "b"), lambda *_: None, field=key) for key in ("x", "y", "z")}
    cells = [Cell.of(names, {"x": x, "y": y, "z": z}) for x in "ab" for y in "ab" for z in "ab"]
    grid = Grid.over(cells)
    assert axes(grid) == ("x", ["y"], ["z"])
    assert Grid.of([names["x"], names["y"]]).across.key == "y"
    assert Grid.by_rate([Cell(32, 0.01)]) == Grid.of([FACTORS["batch_size"], FACTORS["lr"]])
