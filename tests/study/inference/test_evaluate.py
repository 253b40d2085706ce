"""The rows of the ablation. Oracles: the records of the training, torch.nn in train mode, and theory.

Twelve networks of digits, trained for one epoch; 353 test images, so that batches of 8 and 32 leave one over.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from study.data.dataset import Dataset, Split
from study.engine import random_streams, reference
from study.engine.lockstep import training
from study.engine.norms import batch
from study.errors import UsageError
from study.inference import corruptions, evaluate, modes, statistics
from study.inference.evaluate import (
    CLEAN_IMAGES,
    NO_NORM,
    ORDERS,
    PRECISE,
    SIZES,
    SWAPS,
    EvalSetting,
    Group,
    further_settings,
    main_settings,
)
from study.spec.arms import ARMS, Arm
from study.spec.design import Design
from study.spec.history import History
from study.spec.inference.conditions import CONDITIONS, Condition
from study.spec.inference.modes import is_main
from study.spec.norms import BATCH_STATISTICS, NORM_KINDS, Norm
from study.spec.runs import Run
from tests.study.values import cohort_of

DESIGN = Design("digits", batch_sizes=(32,), lrs=(0.01, 0.1), seeds=(0, 1, 2), epochs=1, hidden=(20, 12))
BN = cohort_of(32, ("bn",), DESIGN.lrs, DESIGN.seeds).runs
SOME = (CLEAN_IMAGES, Condition("shot_noise", 3), Condition("background", 5), Condition("five_classes"))

Weights = dict[Run, dict[str, np.ndarray]]
Row = dict[str, Any]
GroupOf = Callable[..., Group]


@pytest.fixture(scope="module")
def images(digits: Dataset) -> Dataset:
    n = 353
    return replace(digits, test=Split(digits.test.images[:n], digits.test.labels[:n]))


@pytest.fixture(scope="module")
def histories(images: Dataset) -> dict[str, History]:
    return {arm: training.train(DESIGN, cohort_of(32, (arm,), DESIGN.lrs, DESIGN.seeds), images) for arm in DESIGN.arms}


@pytest.fixture(scope="module")
def weights(histories: dict[str, History]) -> Weights:
    return {
        run: dict(state)
        for arm, history in histories.items()
        for run, state in zip(cohort_of(32, (arm,), DESIGN.lrs, DESIGN.seeds).runs, history.weights, strict=True)
    }


@pytest.fixture(scope="module")
def group_of(weights: Weights, images: Dataset) -> GroupOf:
    def group(*runs: Run, data: Dataset = images) -> Group:
        return Group(DESIGN, runs, [weights[run] for run in runs], data)

    return group


@pytest.fixture(scope="module")
def clean(group_of: GroupOf) -> list[Row]:
    return all_ways(group_of(*BN))


def all_ways(group: Group, condition: Condition = CLEAN_IMAGES) -> list[Row]:
    """The main ways and, on the clean images, the further ones."""
    further = group.way_rows(condition, further=True) if condition == CLEAN_IMAGES else []
    return [*group.way_rows(condition), *further]


def settings_under(condition: Condition, n_layers: int) -> list[EvalSetting]:
    main = main_settings(BATCH_STATISTICS)
    return [*main, *(further_settings(n_layers) if condition == CLEAN_IMAGES else [PRECISE])]


def of(rows: list[Row], run: Run | None = None, **wanted: Any) -> list[Row]:
    """The rows with these values."""
    wanted |= {} if run is None else {"run_id": DESIGN.run_id(run)}
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


# which rows there are


@pytest.mark.parametrize("condition", [CONDITIONS[0], *CONDITIONS[3:66:7], *CONDITIONS[66:]], ids=str)
def test_every_run_has_a_row_for_every_trial_and_one_without_batch_norm(
    condition: Condition, group_of: GroupOf
) -> None:
    rows = all_ways(group_of(*BN), condition)
    n = len(corruptions.select_rows(condition, group_of(*BN).test.labels))
    ways = [(t.inference, (t.size or n) if t.order else None, t.order) for t in settings_under(condition, 2)]
    assert len(set(ways)) == len(ways) == (63 if condition == CLEAN_IMAGES else 12)
    assert [(row["run_id"], row["inference"], row["eval_batch_size"], row["order"]) for row in rows] == [
        (DESIGN.run_id(run), *way) for way in ways for run in BN
    ]
    without = group_of(*(Run(run.cell, seed=run.seed, arm="no_bn") for run in BN)).way_rows(condition)
    assert [
        (row["run_id"], row["inference"], row["eval_batch_size"], row["order"], row["n_flips"]) for row in without
    ] == [(DESIGN.run_id(Run(run.cell, seed=run.seed, arm="no_bn")), NO_NORM.inference, None, None, None) for run in BN]
    for row in rows + without:
        assert (row["shift"], row["severity"], row["n_examples"]) == (condition.name, condition.severity, n)
        assert row["accuracy"] == row["n_correct"] / n
        assert 0 <= row["ece"] <= 1
        assert row["loss"] > 0
        assert row["pair_id"] in row["run_id"]


def test_the_clean_trials_are_those_of_the_reference() -> None:
    """5 statistics from training, 12 sizes in 3 orders, 3 blends by 4 sizes, and 16 that blend in other ways."""
    found = settings_under(CLEAN_IMAGES, 2)
    assert [trial for trial in found if trial.order is None] == [
        EvalSetting(name) for name in (*BATCH_STATISTICS, "population", "precise")
    ]
    batches = {(trial.size, trial.order) for trial in found if trial.inference == "batch"}
    assert batches == {(size, order) for order in ORDERS for size in (*SIZES, 0)}
    assert sum(trial.inference.startswith("blend") for trial in found) == 12
    assert {t.inference for t in further_settings(3) if "layer" in t.inference} == {
        "layer_0",
        "layer_1",
        "layer_2",
    }


@pytest.mark.parametrize("condition", SOME, ids=str)
def test_a_row_says_by_itself_whether_its_way_is_a_main_one(condition: Condition, group_of: GroupOf) -> None:
    """Which is how a folder knows what is evaluated."""
    group = group_of(*BN[:1])

    def are_main(rows: list[Row]) -> set[bool]:
        asked = ("inference", "eval_batch_size", "order", "n_examples")
        return {is_main(*(row[name] for name in asked)) for row in rows}

    assert are_main([row for row in group.way_rows(condition) if row["inference"] != "precise"]) == {True}
    assert "precise" not in {row["inference"] for row in group.way_rows(CLEAN_IMAGES)}
    assert are_main(group.way_rows(CLEAN_IMAGES, further=True)) == {False}
    assert len({*main_settings(BATCH_STATISTICS)} & {*further_settings(2)}) == 0


# what they say


def test_an_arm_that_keeps_fewer_statistics_has_fewer_settings_and_the_same_rows(
    images: Dataset, clean: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NORM_KINDS, "few", replace(NORM_KINDS["batch"], key="few", statistics=("running",)))
    monkeypatch.setitem(sys.modules, "study.engine.norms.few", batch)
    monkeypatch.setitem(ARMS, "few", Arm("few", norm=Norm("few")))
    cohort = cohort_of(32, ("few",), DESIGN.lrs, DESIGN.seeds)
    kept = training.train(replace(DESIGN, arms=("few", "no_bn")), cohort, images).weights
    group = Group(DESIGN, cohort.runs, kept, images)
    rows = all_ways(group)
    named = [{key: row[key] for key in row if key not in ("run_id", "arm")} for row in rows]
    assert named == [
        {key: row[key] for key in row if key not in ("run_id", "arm")}
        for row in clean
        if not row["inference"].startswith("cumulative")
    ]
    assert {row["inference"] for row in group.statistic_rows()} == {"running", "precise"}


def test_the_running_statistics_and_no_batch_norm_repeat_the_records_to_the_image(
    histories: dict[str, History], group_of: GroupOf, clean: list[Row]
) -> None:
    without = group_of(*(Run(run.cell, seed=run.seed, arm="no_bn") for run in BN)).way_rows(CLEAN_IMAGES)
    for arm, rows in (("bn", of(clean, inference="running")), ("no_bn", without)):
        assert [row["n_correct"] for row in rows] == histories[arm].n_correct[:, -1, 1].tolist()
        np.testing.assert_allclose([row["loss"] for row in rows], histories[arm].loss[:, -1, 1], rtol=1e-5)


def loaded(run: Run, state: dict[str, np.ndarray]) -> reference.Network:
    """torch.nn in float64."""
    network = reference.Network(DESIGN, run).double()
    known = network.state_dict()
    network.load_state_dict(known | {name: value for name, value in as_tensors(state).items() if name in known})
    return network


def in_train_mode(run: Run, state: dict[str, np.ndarray], images: Dataset, rows: Tensor, size: int) -> Tensor:
    """Answers (n, classes) of torch.nn whose batch norm is left in train mode, in the order of the test images."""
    network = loaded(run, state).train()
    answers = torch.empty(len(images.test.labels), 10, dtype=torch.float64)
    with torch.no_grad():
        for some in rows.split(size):
            answers[some] = network(images.test.images[some].double())
    return answers


def tried(group: Group, *wanted: EvalSetting, condition: Condition = CLEAN_IMAGES) -> list[Row]:
    """The rows of these settings alone."""
    return group.setting_rows(condition, wanted)


def ordered(order: str, run: Run, labels: Tensor) -> Tensor:
    """Sorted: by class, and by the file within one. Shuffled: as the run's seed draws."""
    if order == "shuffled":
        return random_streams.test_order(run.seed, len(labels))
    key = labels.tolist() if order == "sorted" else [0] * len(labels)
    return torch.tensor(sorted(range(len(labels)), key=key.__getitem__))


@pytest.mark.parametrize("size", [2, 10, 64, 500])
@pytest.mark.parametrize("order", ORDERS)
def test_batches_are_torchs_in_train_mode_in_the_order_that_the_row_names(
    order: str, size: int, weights: Weights, images: Dataset, group_of: GroupOf
) -> None:
    """352 images: 10 and 64 leave a rest, 500 takes all."""
    even = replace(images, test=Split(images.test.images[:352], images.test.labels[:352]))
    rows = tried(group_of(*BN, data=even), EvalSetting("batch", size, order))
    for run in BN:
        answers = in_train_mode(run, weights[run], even, ordered(order, run, even.test.labels), size)
        (row,) = of(rows, run)
        loss = float(nn.functional.cross_entropy(answers, even.test.labels))
        assert row["loss"] == pytest.approx(loss, rel=1e-2 if size == 2 else 1e-5)
        assert abs(row["n_correct"] - int((answers.argmax(-1) == even.test.labels).sum())) <= (3 if size == 2 else 0)


def test_sorted_batches_of_eight_are_much_worse_than_shuffled_ones(clean: list[Row]) -> None:
    """A batch of one class is all that batch norm sees, and it takes that class away."""
    for run in BN:
        by_order = {o: of(clean, run, inference="batch", eval_batch_size=8, order=o)[0]["accuracy"] for o in ORDERS}
        assert by_order["sorted"] < by_order["shuffled"] - 0.2


def test_one_batch_of_all_images_answers_the_same_in_every_order(clean: list[Row]) -> None:
    for run in BN:
        for size in (353, 512, 1000):  # as many as there are, or more
            rows = of(clean, run, inference="batch", eval_batch_size=size)
            assert len(rows) == 3
            assert {(row["n_correct"], row["n_flips"]) for row in rows} == {(rows[0]["n_correct"], rows[0]["n_flips"])}
            np.testing.assert_allclose([row["loss"] for row in rows], rows[0]["loss"], rtol=1e-6)


def test_alone_in_its_batch_every_image_gets_one_answer_and_the_row_is_flagged(
    clean: list[Row], images: Dataset
) -> None:
    of_class = images.test.labels.bincount().tolist()
    for run in BN:
        rows = of(clean, run, inference="batch", eval_batch_size=1)
        assert [(row["degenerate"], row["last_batch"]) for row in rows] == [(True, 1)] * 3
        assert len({row["n_correct"] for row in rows}) == 1
        assert rows[0]["n_correct"] in of_class


@pytest.mark.parametrize("condition", SOME, ids=str)
def test_the_last_batch_is_what_is_left_and_a_last_image_alone_is_flagged(
    condition: Condition, group_of: GroupOf
) -> None:
    for row in all_ways(group_of(*BN[:2]), condition):
        n, size = row["n_examples"], row["eval_batch_size"]
        lengths = [] if size is None else [len(rows) for rows in torch.arange(n).split(size)]
        assert row["last_batch"] == (lengths[-1] if lengths else None)
        assert row["degenerate"] is (1 in lengths)


def test_353_images_leave_one_alone_in_batches_of_8_16_and_32(clean: list[Row]) -> None:
    lonely = {row["eval_batch_size"] for row in clean if row["degenerate"]}
    assert lonely == {1, 2, 4, 8, 16, 32}


def test_whoever_waits_for_the_work_is_asked_between_its_parts(weights: Weights, images: Dataset) -> None:
    asked: list[None] = []
    group = Group(DESIGN, BN, [weights[run] for run in BN], images, lambda: asked.append(None))
    before = 0
    for work, parts in (
        (
            lambda: all_ways(group),
            63 + 1 + 2,
        ),  # trials, a pass over the training images by batches, and one for each layer
        (group.swap_rows, len(evaluate.SWAPS)),
        (group.composition_rows, 32 * len(evaluate.COMPOSED)),
    ):
        list(work())
        assert len(asked) - before >= parts
        before = len(asked)


def test_flips_are_counted_from_the_population_statistics(
    weights: Weights, images: Dataset, group_of: GroupOf, clean: list[Row]
) -> None:
    """Which are themselves moments of all training images, one layer after the other."""
    assert {row["n_flips"] for row in of(clean, inference="population")} == {0}
    for run in BN:
        stack = modes.Networks.from_states([as_tensors(weights[run])])
        z = statistics.preactivation_batches(stack, images.train.images)
        exact = statistics.population(stack, lambda: z(statistics.CHUNK))  # noqa: B023, called at once
        z = modes.first_preactivation(stack, images.test.images)
        answers = [modes.logits(stack, z, modes.FixedStatistics(s)).argmax(-1) for s in (exact, running(weights[run]))]
        assert of(clean, run, inference="running")[0]["n_flips"] == int((answers[0] != answers[1]).sum())


def as_tensors(state: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: torch.tensor(value) for name, value in state.items()}


def running(state: dict[str, np.ndarray]) -> modes.Statistics:
    return statistics.stored_statistics([as_tensors(state)], "running")


@pytest.mark.parametrize(
    ("trial", "mode"),
    [
        (EvalSetting("blend_4", 8, "shuffled"), lambda source: modes.Blend(source, 8, 4)),
        (EvalSetting("blend_64", 128, "natural"), lambda source: modes.Blend(source, 128, 64)),
        (EvalSetting("mean_only", 8, "sorted"), lambda source: modes.MeanOnly(source, 8)),
        (EvalSetting("var_only", 32, "shuffled"), lambda source: modes.VarOnly(source, 32)),
        (
            EvalSetting("layer_0", 8, "shuffled"),
            lambda source: modes.OneLayer(0, modes.BatchStatistics(8), modes.FixedStatistics(source)),
        ),
        (
            EvalSetting("layer_1", 0, "natural"),
            lambda source: modes.OneLayer(1, modes.BatchStatistics(353), modes.FixedStatistics(source)),
        ),
    ],
)
def test_a_trial_is_the_mode_of_its_name_over_the_running_statistics(
    trial: EvalSetting,
    mode: Callable[[modes.Statistics], modes.Mode],
    weights: Weights,
    images: Dataset,
    group_of: GroupOf,
) -> None:
    rows = tried(group_of(*BN), trial)
    for run in BN:
        order = ordered(str(trial.order), run, images.test.labels)
        stack = modes.Networks.from_states([as_tensors(weights[run])])
        answers = modes.logits(
            stack, modes.first_preactivation(stack, images.test.images[order]), mode(running(weights[run]))
        )
        loss = nn.functional.cross_entropy(answers[0].double(), images.test.labels[order])
        (row,) = of(rows, run)
        assert row["loss"] == pytest.approx(float(loss), rel=1e-6)
        assert row["n_correct"] == int((answers[0].argmax(-1) == images.test.labels[order]).sum())


def test_an_unknown_inference_mode_is_refused_by_its_name(group_of: GroupOf) -> None:
    with pytest.raises(UsageError, match=r"^inference mode 'median' is unknown"):
        tried(group_of(*BN), EvalSetting("median", 8, "shuffled"))


def test_a_condition_is_met_by_the_images_that_it_shows(weights: Weights, images: Dataset, group_of: GroupOf) -> None:
    for condition in SOME:
        pixels, labels = corruptions.apply(condition, images.test.images, images.test.labels)
        for run in BN[:2]:
            network = loaded(run, weights[run]).eval()
            (row,) = of(group_of(*BN[:2]).way_rows(condition), run, inference="running")
            with torch.no_grad():
                assert row["n_correct"] == int((network(pixels.double()).argmax(-1) == labels).sum())


# the other tables


def test_errors_of_statistics_are_distances_from_the_moments_of_all_training_images(
    weights: Weights, images: Dataset, group_of: GroupOf
) -> None:
    """By numpy, in the first layer, whose moments need no other layer's."""
    rows = list(group_of(*BN).statistic_rows())
    assert len(rows) == len(BN) * 4 * 2
    x = images.train.images.double().numpy()
    for run in BN:
        state = {name: value.astype(float) for name, value in weights[run].items()}
        z = x @ state["linears.0.weight"].T + state["linears.0.bias"]
        mean, var = z.mean(0), z.var(0)
        batches = z[: len(z) // 32 * 32].reshape(-1, 32, 20)
        found = {"precise": (batches.mean(1).mean(0), batches.var(1, ddof=1).mean(0))}
        for name in ("running", "cumulative_last", "cumulative_all"):
            found[name] = (state[f"norms.0.{name}_mean"], state[f"norms.0.{name}_var"])
        for name, (own_mean, own_var) in found.items():
            (row,) = of(rows, run, inference=name, layer=0)
            in_sd = np.sqrt(np.mean((own_mean - mean) ** 2 / (var + 1e-5)))
            in_log = np.sqrt(np.mean(np.log((own_var + 1e-5) / (var + 1e-5)) ** 2))
            assert row["rms_mean_error"] == pytest.approx(in_sd, rel=1e-3)
            assert row["rms_log_var_error"] == pytest.approx(in_log, rel=1e-3)


def test_swaps_and_compositions_are_drawn_by_the_seed_of_the_run(group_of: GroupOf) -> None:
    """Networks of one seed see the same draws, whatever their cell; those of another seed others."""
    rows = [*group_of(*BN).swap_rows(), *group_of(*BN).composition_rows()]
    assert all(row["draw_seed"] == row["seed"] for row in rows)
    drawn = [evaluate._swap_pairs(353, seed, 1) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    shared = [len({*a.tolist()} & {*b.tolist()}) for a, b in zip(drawn[0][0, :, 1:], drawn[2][0, :, 1:], strict=True)]
    assert sum(shared) / len(shared) < 1, "7 mates of 352 have 0.14 in common with 7 others"


def test_swaps_and_compositions_have_a_row_for_every_run_and_size(group_of: GroupOf) -> None:
    """The mean moves as theory has it, by sqrt(2 k) / m standard deviations."""
    group = group_of(*BN)
    swaps, compositions = list(group.swap_rows()), list(group.composition_rows())
    assert [(row["eval_batch_size"], row["n_swapped"]) for row in swaps[:: len(BN)]] == list(SWAPS)
    assert len(swaps) == len(SWAPS) * len(BN)
    for row in swaps:
        law = (2 * row["n_swapped"]) ** 0.5 / row["eval_batch_size"]
        assert row["mean_change"] == pytest.approx(law, rel=0.15)
        assert 0 <= row["flip_rate"] <= 1
    assert [row["eval_batch_size"] for row in compositions] == [8] * len(BN) + [32] * len(BN)
    for row in compositions:
        assert 0 < row["any_flip"] < 1
        assert 0 < row["mates_share"] < 1


# grouping never shows


def tables(group: Group) -> Iterator[Row]:
    for condition in SOME:
        yield from all_ways(group, condition)
    yield from group.statistic_rows()
    yield from group.swap_rows()
    yield from group.composition_rows()


def test_a_run_has_equal_rows_alone_in_pairs_and_among_all(group_of: GroupOf) -> None:
    """Every number to the bit, in every table."""

    def by_run(*groups: tuple[Run, ...]) -> dict[str, list[Row]]:
        rows = [row for runs in groups for row in tables(group_of(*runs))]
        return {DESIGN.run_id(run): of(rows, run) for run in BN}

    together = by_run(tuple(BN))
    assert all(len(rows) > 100 for rows in together.values())
    assert by_run(*((run,) for run in BN)) == together
    assert by_run(*zip(BN[::2], BN[1::2], strict=True)) == together
    assert by_run(tuple(BN[::-1])) == together


def test_a_run_without_batch_norm_has_equal_rows_alone_and_among_all(group_of: GroupOf) -> None:
    runs = [Run(run.cell, seed=run.seed, arm="no_bn") for run in BN]
    for condition in SOME:
        together = group_of(*runs).way_rows(condition)
        assert [row for run in runs for row in group_of(run).way_rows(condition)] == together
