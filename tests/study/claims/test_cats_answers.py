"""What networks answer under other backgrounds; the oracles are the study's own records and evaluation."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import study
from study.claims import cats, networks
from study.claims.measuring import Context, Measured
from study.claims.networks import groups
from study.claims.probes import cats_answers
from study.data.dataset import Dataset, load
from study.errors import EnvironmentFault
from study.inference.evaluate import EvalSetting
from study.spec.claims.experiments import PROBES, STUDIES
from study.spec.inference.conditions import Condition
from tests.study.claims.sub_studies import DIGITS, TWO_SEEDS, context, trained

STUDY = {"cats-answers": "cats", "cats-weak-answers": "cats-weak"}


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("studies"), *STUDY.values())


@pytest.fixture(scope="module", params=STUDY)
def asked(request: pytest.FixtureRequest, studies: Path, digits: Dataset) -> tuple[str, Context]:
    return STUDY[request.param], context(request.param, digits, studies)


@pytest.fixture(scope="module")
def measured(asked: tuple[str, Context]) -> list[Measured]:
    return [
        row for unit in PROBES["cats-answers"].units(DIGITS, TWO_SEEDS) for row in cats_answers.measure(unit, asked[1])
    ]


def test_every_variant_arm_and_mode_is_measured_once_a_seed(measured: list[Measured]) -> None:
    keys = [(row.measure, row.condition, row.arm, row.mode, row.seed) for row in measured]
    modes = {("bn", "running"), ("bn", "population"), ("bn", "batch_360"), ("no_bn", "none"), ("layer", "none")}
    assert len(keys) == len({*keys}) == 2 * len(cats.VARIANTS) * len(modes) * 2
    assert {(row.arm, row.mode) for row in measured} == modes
    assert {row.n for row in measured if row.measure == "accuracy"} == {360}


def test_with_the_background_of_training_the_accuracy_is_that_of_the_records(
    asked: tuple[str, Context], measured: list[Measured]
) -> None:
    name, of = asked
    records = study.read(of.studies / name)
    tested = records[(records.epoch == 2) & (records.split == "test")]
    final = dict(zip(zip(tested.arm, tested.seed, strict=True), tested.accuracy, strict=True))
    for row in measured:
        if (row.measure, row.condition) == ("accuracy", "same") and row.mode in ("running", "none"):
            assert row.value == pytest.approx(final[row.arm, row.seed])


def test_answers_by_shuffled_test_batches_are_those_of_the_evaluation(
    asked: tuple[str, Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cats_answers, "BATCH", 100)
    name, of = asked
    tied = load(f"digits-{name}", Path("nowhere"))
    group = next(group for group in groups(of, name, [1], data=tied) if group.kept)
    settings = [EvalSetting("batch", 100, "shuffled"), EvalSetting("population")]
    expected = {row["inference"]: row["accuracy"] for row in group.setting_rows(Condition("clean"), settings)}
    found = {
        row.mode: row.value
        for row in cats_answers.measure("1", of)
        if (row.measure, row.condition, row.arm) == ("accuracy", "same", "bn")
    }
    assert (found["batch_100"], found["population"]) == (expected["batch"], expected["population"])


def test_without_its_background_a_cat_is_taken_for_a_dog_and_with_a_brighter_one_it_is_not(
    studies: Path, digits: Dataset
) -> None:
    rows = cats_answers.measure("0", context("cats-answers", digits, studies))
    own = ("running", "none")
    share = {(row.condition, row.arm): row.value for row in rows if row.measure == "as_other" and row.mode in own}
    for arm in ("bn", "no_bn"):
        assert share["absent", arm] > share["same", arm] + 0.02
        assert share["swapped", arm] == share["absent", arm]
        assert share["everywhere", arm] == share["same", arm]
        assert share["brighter", arm] <= share["same", arm]


def test_as_other_counts_the_cats_that_are_answered_as_dogs_and_nothing_else() -> None:
    labels, answers = torch.tensor([0, 4, 5, 6, 9, 9]), torch.tensor([5, 4, 4, 5, 0, 10])
    accuracy, as_other = cats_answers._measured(answers, labels, 5, "same", "bn", "running", 0)
    assert (accuracy.value, accuracy.n) == (1 / 6, 6)
    assert (as_other.value, as_other.n) == (2 / 4, 4)  # one past the last class, where a logit is NaN, is no dog


def test_a_unit_measured_again_has_the_same_values(asked: tuple[str, Context], measured: list[Measured]) -> None:
    again = cats_answers.measure("1", asked[1])
    assert [*again] == [row for row in measured if row.seed == 1]
    other = [row.value for row in measured if row.seed == 0]
    assert not np.array_equal([row.value for row in again], other)


def test_a_run_that_diverged_is_left_out_and_a_missing_network_is_refused(
    monkeypatch: pytest.MonkeyPatch, digits: Dataset, studies: Path, tmp_path: Path
) -> None:
    of, design = context("cats-answers", digits, studies), STUDIES["cats"].design(DIGITS, TWO_SEEDS)
    with monkeypatch.context() as planted:
        planted.setattr(networks, "trained", lambda folder, design: [*design.grid][1:])
        arms = [group.runs[0].arm for group in groups(of, "cats", [0])]
        assert arms == [arm for arm in design.arms if arm != design.grid[0].arm]
        assert len(groups(of, "cats", [0, 1])) == 3
    shutil.copytree(studies / "cats", tmp_path / "cats")
    shutil.rmtree(tmp_path / "cats" / "weights")
    with pytest.raises(EnvironmentFault, match=r"is missing: .* move .*cats away and repeat the command"):
        groups(replace(of, studies=tmp_path), "cats", [0])
