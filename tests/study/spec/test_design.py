import json
from dataclasses import replace

import numpy as np
import pytest

from study.errors import UsageError
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Configuration, Run

DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=(0, 1, 2), epochs=2)


def test_the_grid_is_the_product_of_its_factors() -> None:
    assert len(DESIGN.runs) == 2 * 2 * 3 * 2
    assert len(set(DESIGN.runs)) == len(DESIGN.runs)
    assert DESIGN.runs == sorted(DESIGN.runs)


def test_the_order_in_which_a_factor_is_given_is_nothing() -> None:
    swapped = Design("digits", ("no_bn", "bn"), (64, 32), (0.1, 0.01), (2, 0, 1), epochs=2)
    assert swapped == DESIGN
    assert swapped.digest == DESIGN.digest


def test_a_run_id_is_the_pair_id_with_the_arm_in_front() -> None:
    ids = {arm: DESIGN.run_id(Run(32, 0.01, seed=1, arm=arm)) for arm in DESIGN.arms}
    pair = DESIGN.pair_id(Run(32, 0.01, seed=1, arm="bn"))
    assert pair.startswith("b0032_lr1e-02_s001-")
    assert ids == {"bn": f"bn_{pair}", "no_bn": f"no_bn_{pair}"}


def test_rates_that_look_alike_have_their_own_ids() -> None:
    near = [DESIGN.pair_id(Run(32, lr, seed=0, arm="bn")) for lr in (0.01, 0.01 * (1 + 1e-12), 0.025)]
    assert len(set(near)) == 3
    assert near[2].startswith("b0032_lr2.5e-02_")


def test_ids_do_not_depend_on_the_rest_of_the_grid() -> None:
    longer = Design("digits", batch_sizes=(32, 64, 128), lrs=(0.01, 0.1), seeds=tuple(range(9)), epochs=2)
    run = Run(64, 0.1, seed=2, arm="bn")
    assert longer.run_id(run) == DESIGN.run_id(run)
    other_training = Design("digits", batch_sizes=(64,), lrs=(0.1,), seeds=(2,), epochs=3)
    assert other_training.run_id(run) != DESIGN.run_id(run)


def test_parameters_are_counted_by_hand() -> None:
    mnist = Design("mnist")
    assert mnist.n_parameters("no_bn") == 784 * 32 + 32 + 32 * 32 + 32 + 32 * 10 + 10
    assert mnist.n_parameters("bn") == mnist.n_parameters("no_bn") + 2 * (32 + 32)


def test_batch_norm_on_batches_of_one_is_not_applicable() -> None:
    assert [Run(1, 0.01, seed=0, arm=arm).applicable for arm in ("bn", "no_bn")] == [False, True]
    assert Run(2, 0.01, seed=0, arm="bn").applicable


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lrs": (0.01, float("nan"))}, "--lrs nan: a learning rate is a finite number above 0 .*, such as 0.01"),
        ({"lrs": (1e38,)}, "--lrs 1e\\+38: "),
        ({"lrs": (1e-300,)}, "--lrs 1e-300: "),
        ({"lrs": "abc"}, "--lrs: |this is not a design|--lrs abc"),
        ({"epochs": "2"}, "this is not a design"),
        ({"lrs": (float("inf"),)}, "--lrs inf: "),
        ({"lrs": (0.0,)}, "--lrs 0.0: "),
        ({"lrs": (-0.1,)}, "--lrs -0.1: "),
        ({"lrs": ()}, "--lrs: the list is empty; give at least one value"),
        ({"lrs": (0.1, 0.10)}, "--lrs 0.1 0.1: 0.1 is given twice; give each value once"),
        ({"batch_sizes": (0,)}, "--batch-sizes 0: give a whole number from 1 to 1437 images, as digits has"),
        ({"batch_sizes": (-32,)}, "--batch-sizes -32: "),
        ({"batch_sizes": (1438,)}, "--batch-sizes 1438: "),
        ({"batch_sizes": (32, 32)}, "--batch-sizes 32 32: 32 is given twice"),
        ({"arms": ("bm",)}, r"--arms 'bm' is unknown \(did you mean bn\?\); choose from: bn, no_bn"),
        ({"arms": ("bn", "bn")}, "--arms bn bn: bn is given twice"),
        ({"dataset": "minst"}, r"--dataset 'minst' is unknown \(did you mean mnist\?\)"),
        ({"epochs": 0}, "--epochs 0: give a whole number from 1"),
        ({"hidden": ()}, "--hidden: the list is empty"),
        ({"hidden": (32, 0)}, "--hidden 0: "),
        ({"seeds": (2**31,)}, "--seeds 2147483648: "),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_rule(change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Design.from_dict(DESIGN.to_dict() | change)


def test_dict_round_trip() -> None:
    assert Design.from_dict(DESIGN.to_dict()) == DESIGN
    with pytest.raises(UsageError, match="a design has the fields"):
        Design.from_dict(DESIGN.to_dict() | {"momentum": 0.9})


def test_longer_lists_extend_a_study() -> None:
    longer = Design("digits", batch_sizes=(16, 32, 64), lrs=(0.001, 0.01, 0.1), seeds=tuple(range(5)), epochs=2)
    longer.check_extends(DESIGN)
    DESIGN.check_extends(DESIGN)


def test_any_other_change_is_refused_with_the_difference() -> None:
    changed = Design("digits", ("bn",), (32,), (0.01, 0.1), tuple(range(1, 6)), epochs=3)
    with pytest.raises(UsageError) as refusal:
        changed.check_extends(DESIGN)
    text = str(refusal.value)
    assert "arms: the study has bn no_bn, the command asks for bn" in text
    assert "batch_sizes: the study has 32 64, the command asks for 32" in text
    assert "seeds: the study has 0 1 2, the command asks for 1 to 5" in text
    assert "epochs: the study has 2, the command asks for 3" in text
    assert "lrs" not in text
    assert "--study-id" in text


# --- a tuned cell


BEST = (Configuration("bn", Cell(64, 0.3)), Configuration("no_bn", Cell(32, 0.01)))
TUNED = replace(DESIGN, tuned=BEST)
BN, NO_BN = ({"arm": chosen.arm, **chosen.cell.identity} for chosen in BEST)


def test_the_runs_of_a_tuned_study_are_those_of_the_grid_and_of_the_cell_each_once() -> None:
    """The configuration of no_bn stands in the grid already."""
    assert TUNED.grid == DESIGN.runs == DESIGN.grid
    assert TUNED.tuned_runs == sorted(Run(best.cell, seed=seed, arm=best.arm) for best in BEST for seed in (0, 1, 2))
    assert set(TUNED.runs) == {*TUNED.grid, *TUNED.tuned_runs}
    assert len(TUNED.runs) == 24 + 3
    assert TUNED.runs == sorted(TUNED.runs)
    assert DESIGN.tuned_runs == []


def test_ids_do_not_depend_on_a_tuned_cell_and_a_design_without_one_is_what_it_was() -> None:
    assert [TUNED.run_id(run) for run in DESIGN.runs] == [DESIGN.run_id(run) for run in DESIGN.runs]
    assert DESIGN.run_id(Run(32, 0.01, seed=0, arm="bn")) == "bn_b0032_lr1e-02_s000-77968779"
    assert DESIGN.digest == "09372518e7bb27e84658948ae2716a04d113ea0b3bd734a4d74a4c232130a0ff"
    assert "tuned" not in DESIGN.to_dict()
    assert TUNED.digest != DESIGN.digest


def test_the_order_in_which_the_configurations_are_given_is_nothing() -> None:
    swapped = replace(DESIGN, tuned=BEST[::-1])
    assert swapped == TUNED
    assert swapped.digest == TUNED.digest


def test_a_tuned_design_is_read_from_a_manifest_as_it_was_written() -> None:
    assert Design.from_dict(json.loads(json.dumps(TUNED.to_dict()))) == TUNED
    assert Design.from_dict(DESIGN.to_dict() | {"tuned": []}) == DESIGN


@pytest.mark.parametrize(
    ("tuned", "message"),
    [
        ([BN], "the tuned cell has bn; give each arm of bn no_bn one configuration"),
        ([BN, BN], "the tuned cell has bn bn; give each arm of bn no_bn one configuration"),
        ([BN, NO_BN, NO_BN], "the tuned cell has bn no_bn no_bn; "),
        ([BN, NO_BN | {"arm": "nb"}], "the tuned cell has bn nb; "),
        ([BN, NO_BN | {"lr": 0.0}], "--lrs 0.0: a learning rate is a finite number above 0"),
        ([BN, NO_BN | {"lr": float("nan")}], "--lrs nan: "),
        ([BN, NO_BN | {"lr": "0.1"}], "this is not a design: tuned has an object; give a list of objects such as"),
        ([BN, NO_BN | {"batch_size": 0}], "--batch-sizes 0: give a whole number from 1 to 1437 images"),
        ([BN, NO_BN | {"batch_size": 1438}], "--batch-sizes 1438: "),
        ([BN, NO_BN | {"batch_size": 2.0}], "this is not a design: tuned has an object"),
        ([BN, NO_BN | {"batch_size": True}], "this is not a design: tuned has an object"),
        ([BN, NO_BN | {"seed": 3}], "this is not a design: tuned has an object"),
        ([BN, {"arm": "no_bn"}], "this is not a design: tuned has an object"),
        ([BN, None], "this is not a design: tuned has null"),
        (BN, "this is not a design: tuned is an object"),
        (None, "this is not a design: tuned is null"),
        ("bn", "this is not a design: tuned is 'bn'"),
    ],
)
def test_a_tuned_cell_that_cannot_be_is_refused_with_the_rule(tuned: object, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Design.from_dict(DESIGN.to_dict() | {"tuned": tuned})
    assert str(refusal.value).startswith(message)


def test_a_tuned_study_may_get_more_seeds_and_other_configurations() -> None:
    """More trials may find better ones."""
    better = (Configuration("bn", Cell(128, 0.3)), BEST[1])
    replace(TUNED, tuned=better, seeds=tuple(range(5))).check_extends(TUNED)


@pytest.mark.parametrize(
    ("older", "newer", "message"),
    [
        (DESIGN, TUNED, "tuned: the study has none, the command asks for a tuned cell"),
        (TUNED, DESIGN, "tuned: the study has a tuned cell, the command asks for none"),
    ],
)
def test_a_tuned_cell_neither_comes_nor_goes(older: Design, newer: Design, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        newer.check_extends(older)
    assert message in str(refusal.value)
    assert "seeds:" not in str(refusal.value)


def test_the_runs_of_a_tuned_cell_count() -> None:
    cell = (Configuration("bn", Cell(64, 0.3)), Configuration("no_bn", Cell(32, 0.3)))
    grid = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=tuple(range(100_000)), epochs=1)
    assert len(replace(grid, tuned=cell, seeds=tuple(range(10))).runs) == 2 * 20
    with pytest.raises(UsageError, match="these are 1,200,000 runs; give at most 1,000,000"):
        replace(grid, tuned=cell, lrs=(0.1, 0.2, 0.3, 0.4, 0.5))


TWICE = replace(
    TUNED,
    tuned=(*BEST, *(replace(best, search=2, cell=best.cell.but(lr=0.05)) for best in BEST)),
    seeds=(*TUNED.seeds, *(1_000_000 + seed for seed in TUNED.seeds)),
)


def test_each_search_trains_what_it_chose_with_seeds_of_its_own_and_the_grid_trains_all() -> None:
    seeds = {s: {run.seed for run in TWICE.tuned_runs if (run.cell.lr == 0.05) == (s == 2)} for s in (1, 2)}
    assert seeds == {1: {0, 1, 2}, 2: {1_000_000, 1_000_001, 1_000_002}}
    assert {run.seed for run in TWICE.grid} == seeds[1] | seeds[2]
    assert {*TUNED.runs} < {*TWICE.runs}
    TWICE.check_extends(TUNED)


def test_a_design_of_several_searches_is_read_as_it_was_written_and_search_1_says_nothing() -> None:
    written = json.loads(json.dumps(TWICE.to_dict()))
    assert Design.from_dict(written) == TWICE
    assert [chosen.get("search") for chosen in written["tuned"]] == [None, None, 2, 2]
    assert written["tuned"][:2] == TUNED.to_dict()["tuned"]
    first = [chosen | {"search": 1} for chosen in TUNED.to_dict()["tuned"]]
    assert Design.from_dict(TUNED.to_dict() | {"tuned": first}).digest == TUNED.digest


@pytest.mark.parametrize(
    ("numbers", "seeds", "message"),
    [
        ((1, 1, 2), (0, 1_000_000), "the tuned cell of search 2 has bn; give each arm of bn no_bn one"),
        ((1, 1, 3, 3), (0, 1_000_000), "the tuned cell of search 2 has none; give each arm of bn no_bn one"),
        ((2, 2), (0, 1_000_000), "the tuned cell of search 1 has none; give each arm of bn no_bn one"),
        ((0, 0), (0,), "search 0: give a whole number from 1 to 1000 for a search"),
        ((1, 1, 1001, 1001), (0,), "search 1001: give a whole number from 1 to 1000 for a search"),
        ((1, 1, True, True), (0,), "this is not a design: tuned has an object"),
        ((1, 1, 2.0, 2.0), (0,), "this is not a design: tuned has an object"),
        ((1, 1, 2, 2), (0, 1), "the tuned cell is of 2 searches, the seeds are of 1"),
        ((1, 1, 2, 2), (0, 2_000_000), "the tuned cell is of 2 searches, the seeds are of 1 3"),
        ((1, 1, 2, 2), (0, 1_000_000, 2_000_000), "the tuned cell is of 2 searches, the seeds are of 1 2 3"),
    ],
)
def test_searches_that_cannot_be_are_refused_with_the_rule(
    numbers: tuple[object, ...], seeds: tuple[int, ...], message: str
) -> None:
    tuned = [one | {"search": number} for one, number in zip([BN, NO_BN] * 2, numbers, strict=False)]
    with pytest.raises(UsageError) as error:
        Design.from_dict(DESIGN.to_dict() | {"tuned": tuned, "seeds": list(seeds)})
    assert str(error.value).startswith(message)


def test_a_tuned_cell_has_no_level_of_a_factor_that_the_study_does_not_vary() -> None:
    tuned = [Configuration(arm, Cell(32, 0.1, activation="tanh")) for arm in ("bn", "no_bn")]
    with pytest.raises(UsageError, match="the tuned cell has batch_size lr activation; this study has batch_size lr"):
        Design("digits", tuned=tuned)
    assert Design("digits", tuned=tuned, vary={"activation": ("relu", "tanh")}).tuned_runs


def test_lists_may_hold_numpy_s_numbers_and_no_truth_values() -> None:
    given = Design("digits", batch_sizes=np.array([32, 64]), lrs=np.array([0.01]), seeds=np.arange(3))
    assert given == Design("digits", batch_sizes=(32, 64), lrs=(0.01,), seeds=(0, 1, 2))
    assert Design.from_dict(given.to_dict()) == given
    for wrong in (
        {"seeds": (True,)},
        {"lrs": (0.1, "x", 0.1, "x")},
        {"arms": (["bn"],)},
        {"vary": {"activation": (1,)}},
    ):
        with pytest.raises(UsageError):
            Design("digits", **wrong)


@pytest.mark.parametrize("place", ["lrs", "tuned"])
def test_a_number_beyond_all_bounds_is_refused_wherever_it_stands(place: str) -> None:
    written = Design("digits", tuned=[Configuration(arm, Cell(32, 0.1)) for arm in ("bn", "no_bn")]).to_dict()
    if place == "lrs":
        written["lrs"] = [10**400]
    else:
        written["tuned"][0]["lr"] = 10**400
    with pytest.raises(UsageError, match="a learning rate is a finite number"):
        Design.from_dict(written)
