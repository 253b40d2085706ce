import pytest

from study.design import Design, Run
from study.errors import UsageError

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
    ids = {arm: DESIGN.run_id(Run(32, 0.01, 1, arm)) for arm in DESIGN.arms}
    pair = DESIGN.pair_id(Run(32, 0.01, 1, "bn"))
    assert pair.startswith("b0032_lr1e-02_s001-")
    assert ids == {"bn": f"bn_{pair}", "no_bn": f"no_bn_{pair}"}


def test_rates_that_look_alike_have_their_own_ids() -> None:
    near = [DESIGN.pair_id(Run(32, lr, 0, "bn")) for lr in (0.01, 0.01 * (1 + 1e-12), 0.025)]
    assert len(set(near)) == 3
    assert near[2].startswith("b0032_lr2.5e-02_")


def test_ids_do_not_depend_on_the_rest_of_the_grid() -> None:
    longer = Design("digits", batch_sizes=(32, 64, 128), lrs=(0.01, 0.1), seeds=tuple(range(9)), epochs=2)
    run = Run(64, 0.1, 2, "bn")
    assert longer.run_id(run) == DESIGN.run_id(run)
    other_training = Design("digits", batch_sizes=(64,), lrs=(0.1,), seeds=(2,), epochs=3)
    assert other_training.run_id(run) != DESIGN.run_id(run)


def test_parameters_are_counted_by_hand() -> None:
    mnist = Design("mnist")
    assert mnist.n_parameters("no_bn") == 784 * 32 + 32 + 32 * 32 + 32 + 32 * 10 + 10
    assert mnist.n_parameters("bn") == mnist.n_parameters("no_bn") + 2 * (32 + 32)


def test_batch_norm_on_batches_of_one_is_not_applicable() -> None:
    assert [Run(1, 0.01, 0, arm).applicable for arm in ("bn", "no_bn")] == [False, True]
    assert Run(2, 0.01, 0, "bn").applicable


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
