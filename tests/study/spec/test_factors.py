"""Factors and cells are values: ids, columns, options and labels ask them, and defaults leave no trace."""

import copy
import pickle

import pytest

from study.cli.run_options import parse
from study.errors import UsageError
from study.spec.design import Design
from study.spec.factors import FACTORS, Cell, Factor, in_words
from study.spec.levels import one_of
from study.store.schemas import part_schema, records_schema

COLOURS = ("red", "green", "blue")


@pytest.fixture
def colour(monkeypatch: pytest.MonkeyPatch) -> Factor:
    """A factor of names that joins the known ones."""
    factor = Factor("colour", str, "colour", "colour", COLOURS, one_of(COLOURS))
    monkeypatch.setitem(FACTORS, "colour", factor)
    return factor


def test_a_cell_is_its_levels_whoever_made_it() -> None:
    cell = Cell(32, 0.01)
    assert cell == Cell(batch_size=32, lr=0.01) == pickle.loads(pickle.dumps(cell)) == copy.deepcopy(cell)
    assert len({cell, Cell(32, 0.01), Cell(32, 0.1)}) == 2
    assert sorted([Cell(128, 0.001), Cell(32, 0.1), Cell(32, 0.01)])[0] == cell
    assert {**cell}["lr"] == cell.lr == 0.01


@pytest.mark.parametrize(
    ("levels", "named", "message"),
    [
        ((32,), {}, "a cell needs lr, such as lr=0.001"),
        ((32, 0.01), {"lr": 0.1}, "a cell has one level for each of batch_size, lr"),
        ((32, 0.01), {"colour": "red"}, "a cell has one level for each of batch_size, lr"),
    ],
)
def test_a_cell_of_other_factors_cannot_be_built(levels, named, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=f"^{message}"):
        Cell(*levels, **named)


def test_a_factor_that_a_study_leaves_alone_leaves_no_trace(colour: Factor) -> None:
    design = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0, 1), epochs=2)
    assert design.run_id(design.runs[0]) == "bn_b0032_lr1e-02_s000-77968779"
    assert "vary" not in design.to_dict()
    assert "colour" not in records_schema([factor.key for factor in design.factors]).names
    assert in_words(design.cells[0]) == "batch size 32, rate 0.01"


def test_a_varied_factor_is_in_ids_columns_and_words_and_its_default_has_the_ids_that_it_had(colour: Factor) -> None:
    alone = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0,), epochs=2)
    varied = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0,), epochs=2, vary={"colour": ["blue", "red"]})
    assert [cell.colour for cell in varied.cells] == ["red", "blue"]  # in the order of the factor
    ids = {run.cell.colour: varied.run_id(run) for run in varied.grid if run.arm == "bn"}
    assert ids["red"] == alone.run_id(alone.runs[0])
    assert ids["blue"].startswith("bn_b0032_lr1e-02_blue_s000-")
    assert in_words(varied.cells[0]) == "batch size 32, rate 0.01, colour red"
    assert part_schema([factor.key for factor in varied.factors]).names[:7] == [
        "run_id", "pair_id", "arm", "seed", "batch_size", "lr", "colour"
    ]  # fmt: skip
    assert Design.from_dict(varied.to_dict()) == varied
    assert varied.digest != alone.digest


def test_a_study_grows_along_a_factor_and_takes_no_new_one(colour: Factor) -> None:
    def of(**vary: list[str]) -> Design:
        return Design("digits", vary=vary)  # type: ignore[arg-type]

    of(colour=["red", "blue"]).check_extends(of(colour=["red"]))
    with pytest.raises(UsageError, match="colour: the study has red blue, the command asks for red"):
        of(colour=["red"]).check_extends(of(colour=["red", "blue"]))
    with pytest.raises(UsageError, match="colour: the study has no such factor, the command asks for red"):
        of(colour=["red"]).check_extends(of())


def test_the_command_line_varies_it(colour: Factor) -> None:
    options = parse(["--vary", "colour=blue,red"])
    assert options.design("digits").levels("colour") == ("red", "blue")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["colour=rde"], r"--vary colour= 'rde' is unknown \(did you mean red\?\); choose from: red, green, blue"),
        (["colour=red,red"], "--vary colour= red red: red is given twice"),
        (["colour"], "--vary colour: give each factor once, as KEY=LEVEL,LEVEL"),
        (["colour=red", "colour=blue"], "--vary colour=blue: give each factor once"),
        (["color=red"], r"--vary 'color' is unknown \(did you mean colour\?\); choose from: "),
        (["lr=0.1"], "--vary lr: the learning rate has an option of its own: --lrs 0.001 0.01 0.1$"),
        (
            ["shape=round"],
            r"--vary 'shape' is unknown.*put Factor\('shape', \.\.\.\) into FACTORS in study/spec/factors.py",
        ),
        (
            ["colour=red", "blue", "green"],
            "--vary colour=red blue green takes commas and no blanks: --vary colour=red,blue,green$",
        ),
        (
            ["colour=red,", "blue", "depth=2"],
            "--vary colour=red, blue takes commas and no blanks: --vary colour=red,blue$",
        ),
    ],
)
def test_what_cannot_be_varied_is_said(colour: Factor, words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        parse(["--vary", *words]).design("digits")
