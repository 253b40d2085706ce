"""Factors and cells are values: ids, columns, options and labels ask them, and defaults leave no trace."""

import copy
import pickle
from dataclasses import replace

import pytest

from study.cli.run_options import parse
from study.errors import UsageError
from study.spec.checks import one_of
from study.spec.design import Design
from study.spec.factors import FACTORS, Cell, Factor, in_words
from study.spec.networks import NetworkArm, NetworkSpec
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


# --- the factors that there are


def levels_of(word: str) -> tuple[object, ...]:
    key, _, _ = word.partition("=")
    return parse(["--vary", word]).design("digits").levels(key)


@pytest.mark.parametrize(
    ("word", "levels"),
    [
        ("depth=10,2,5", (2, 5, 10)),
        ("width=64,16", (16, 64)),
        ("optimizer=momentum,adam", ("adam", "momentum")),
        ("weight_decay=1e-4,0,-0", None),
        ("weight_decay=1e-4,0", (0.0, 1e-4)),
        ("init=xavier,torch", ("torch", "xavier")),
        ("n_train=1437,1000", (1000, 1437)),
        ("label_noise=0,0.2", (0.0, 0.2)),
        ("scale=standard,none", ("none", "standard")),
    ],
)
def test_levels_are_read_and_sorted(word: str, levels: tuple[object, ...] | None) -> None:
    if levels is None:
        with pytest.raises(UsageError, match=r"0\.0 is given twice"):
            levels_of(word)
    else:
        assert levels_of(word) == levels
        assert [type(level) for level in levels_of(word)] == [type(level) for level in levels]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("depth=0", "--vary depth= 0: give a whole number from 1 to 100 hidden layers"),
        ("depth=1000000", "--vary depth= 1000000: give a whole number from 1 to 100 hidden layers"),
        ("depth=2.5", r"--vary depth= 2\.5: give a whole number"),
        ("width=40000", "--vary width= 40000: give a whole number from 1 to 32768 units of each hidden layer"),
        (
            "optimizer=adm",
            r"--vary optimizer= 'adm' is unknown \(did you mean adam\?\); choose from: adam, adamw, sgd, mom",
        ),
        ("weight_decay=-1", r"--vary weight_decay= -1\.0: a weight decay is a finite number from 0"),
        ("init=he", "--vary init= 'he' is unknown.*; choose from: torch, kaiming, xavier"),
        ("n_train=1438", "--vary n_train= 1438: give a whole number from 1 to 1437 training images, as digits has"),
        ("n_train=0", "--vary n_train= 0: give a whole number from 1 to 1437"),
        ("n_train=100", "--batch-sizes 512: no batch is that large with --vary n_train=100; give sizes up to 100"),
        ("label_noise=1", r"--vary label_noise= 1\.0: give the share of training labels that are wrong, from 0"),
        ("label_noise=-0.1", r"--vary label_noise= -0\.1: give the share"),
        ("scale=minmax", "--vary scale= 'minmax' is unknown; choose from: none, standard"),
    ],
)
def test_a_level_that_cannot_be_is_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        levels_of(word)


def test_depth_and_width_are_equal_layers_and_hidden_says_what_they_do_not() -> None:
    def widths(hidden: tuple[int, ...], **vary: list[int]) -> list[tuple[int, ...]]:
        design = Design("digits", batch_sizes=(32,), lrs=(0.01,), hidden=hidden, vary=vary)
        return [design.widths_in(cell)[1:-1] for cell in design.cells]

    assert widths((32, 32), depth=[1, 2, 5]) == [(32,), (32, 32), (32,) * 5]
    assert widths((64, 64), depth=[1, 2]) == [(64,), (64, 64)]
    assert widths((32, 32, 32), width=[16, 32]) == [(16,) * 3, (32,) * 3]
    assert widths((32, 32), depth=[1, 3], width=[8, 32]) == [(8,), (32,), (8,) * 3, (32,) * 3]
    assert widths((50, 7)) == [(50, 7)]


@pytest.mark.parametrize(
    ("hidden", "vary", "message"),
    [
        (
            (64, 32),
            "depth",
            "--hidden 64 32: where --vary depth= sets the number of layers, .* such as --hidden 64 64$",
        ),
        ((64,) * 3, "depth", "--hidden 64 64 64: where --vary depth= sets .*, such as --hidden 64 64$"),
        ((64, 64), "width", "--hidden 64 64: where --vary width= sets the units, .*, such as --hidden 32 32$"),
        ((32, 16, 32), "width", "--hidden 32 16 32: where --vary width= .*, such as --hidden 32 32 32$"),
    ],
)
def test_hidden_does_not_contradict_them(hidden: tuple[int, ...], vary: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        Design("digits", hidden=hidden, vary={vary: (2, 5)})


def test_a_network_of_one_s_own_has_no_layers_to_vary() -> None:
    own = NetworkSpec("cnn", "0" * 64, (NetworkArm("bn", 1, 1), NetworkArm("no_bn", 1, 1)))
    for key, level in (("depth", 5), ("width", 64), ("activation", "tanh"), ("init", "kaiming")):
        with pytest.raises(UsageError, match=f"^--vary {key}=: .*cnn.*; leave "):
            Design("digits", network=own, vary={key: (level,)})
    assert Design("digits", network=own, vary={"optimizer": ("sgd",)}).cells


def test_too_many_weights_are_refused_by_what_makes_them() -> None:
    with pytest.raises(UsageError, match=r"^--vary depth= times --vary width=: these are .* weights; give at most"):
        Design("digits", vary={"depth": (50,), "width": (10_000,)})


def test_the_cell_that_changes_nothing_has_the_ids_that_it_had() -> None:
    plain = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0,))
    vary = {
        "depth": (2, 5), "width": (32, 64), "optimizer": ("adam", "sgd"), "weight_decay": (0, 1e-4),
        "init": ("torch", "kaiming"), "n_train": (500, 1437), "label_noise": (0, 0.2), "scale": ("none", "standard"),
    }  # fmt: skip
    varied = replace(plain, vary=vary)
    ids = {varied.run_id(run) for run in varied.runs}
    assert len(ids) == len(varied.runs) == 2 * 2**8
    assert {plain.run_id(run) for run in plain.runs} < ids
    assert varied.digest != plain.digest
    assert Design.from_dict(varied.to_dict()) == varied
    last = max(varied.runs)
    assert varied.run_id(last) == varied.of_run(last).run_id(last)
    assert varied.run_id(last).startswith(
        "no_bn_b0032_lr1e-02_depth5_width64_sgd_wd1e-04_kaiming_noise0.2_standard_s000-"
    )


def test_columns_have_the_types_of_the_levels() -> None:
    schema = records_schema(["depth", "weight_decay", "scale", "n_train"])
    assert [str(schema.field(key).type) for key in ("depth", "weight_decay", "scale", "n_train")] == [
        "int32", "double", "string", "int32"
    ]  # fmt: skip


def test_one_level_needs_no_list() -> None:
    assert Design("digits", vary={"depth": 5, "optimizer": "sgd"}).vary == (("depth", (5,)), ("optimizer", ("sgd",)))
