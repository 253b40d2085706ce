"""The last lines of a command against means that pandas takes from the records."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from study import tune
from study.runner import summary
from study.runner.summary import ArmMean
from study.spec.design import Design
from study.spec.factors import Cell
from study.store.scores import mean_score
from study.store.study_folder import Folder
from tests.study.studies import tuned_study

StudyRun = Callable[..., int]
LAST = ("--no-ablation", "--epochs", "4", "--hidden", "8")


def means(folder: Path) -> dict[str, ArmMean]:
    design = Folder(folder).design()
    assert design
    return {mean.arm: mean for mean in summary.arm_means(Folder(folder), design)}


def by_pandas(folder: Path) -> "pd.Series[float]":
    """The mean over seeds of the mean of the last three epochs, a diverged run as chance, by arm and cell."""
    records = pd.read_parquet(folder / "records.parquet").query("split == 'test' and epoch > 1")
    runs = records.groupby(["arm", "batch_size", "lr", "seed"]).accuracy.apply(
        lambda values: 0.1 if values.isna().any() else values.mean()
    )
    return runs.groupby(["arm", "batch_size", "lr"]).mean()


def test_at_the_tutorials_setting_where_the_design_has_it(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = ("--batch-sizes", "32", "64", "--lrs", "0.01", "0.1", "--seeds", "2", "--no-quiet")
    assert study_run(*LAST, *grid) == 0
    lines = capsys.readouterr().out.splitlines()[-4:]
    expected = by_pandas(tmp_path / "s")
    assert lines == [
        "Test accuracy, mean over 2 seeds and the last 3 epochs, at the tutorial's setting (batch size 32, rate 0.01):",
        f"  with BN     {100 * expected['bn', 32, 0.01]:.2f} %",
        f"  without BN  {100 * expected['no_bn', 32, 0.01]:.2f} %",
        f"{tmp_path / 's'} is complete. Make the report: python -m analysis.report {tmp_path / 's'}",
    ]


def test_a_diverged_run_counts_as_guessing_the_largest_class() -> None:
    """Of wine's 36 test examples the largest class has 14; ten equal classes are guessed in a tenth."""
    wine = Design("sklearn:wine", batch_sizes=(8,))
    assert mean_score(wine, [None, 1.0]) == pytest.approx((14 / 36 + 1) / 2)
    assert mean_score(Design("digits"), [None]) == pytest.approx(0.1)


def test_at_each_arms_best_setting_where_it_has_not(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run(*LAST, "--batch-sizes", "128", "512", "--lrs", "0.001", "0.05", "--seeds", "2") == 0
    expected = by_pandas(tmp_path / "s")
    for arm, mean in means(tmp_path / "s").items():
        best = expected[arm].idxmax()
        assert mean.cells == (Cell(*best),)
        assert mean.accuracy == pytest.approx(expected[arm][best])


def test_a_diverged_run_counts_as_chance_and_is_named(study_run: StudyRun, tmp_path: Path) -> None:
    """Both seeds of the arm without batch norm diverge at a rate of 1e20, at its only setting."""
    assert study_run(*LAST, "--lrs", "1e20", "--seeds", "2", "--batch-sizes", "64", "--arms", "no_bn") == 0
    (mean,) = means(tmp_path / "s").values()
    assert (mean.n_runs, mean.n_diverged, mean.accuracy) == (2, 2, pytest.approx(0.1))
    design = Folder(tmp_path / "s").design()
    assert design
    assert summary.describe(design, [mean]).splitlines()[1] == (
        "  without BN  10.00 % (batch size 64, rate 1e+20) - all runs diverged and count as chance (10 %)"
    )


def test_one_diverged_run_of_three_lowers_the_mean() -> None:
    """By hand: (0.9 + 0.8 + 0.1) / 3."""
    design = Design("digits", batch_sizes=(64,), lrs=(0.1,), seeds=range(3), arms=("bn",))
    by_run = dict(zip(map(design.run_id, design.runs), (0.9, None, 0.8), strict=True))
    mean = summary._arm_mean(design, "bn", design.runs, by_run)
    assert (mean.n_diverged, mean.accuracy) == (1, pytest.approx(0.6))
    assert summary.describe(design, [mean]).endswith("- 1 of 3 runs diverged and count as chance (10 %)")


def test_an_arm_that_cannot_train_says_so(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run("--batch-sizes", "1", "--lrs", "0.001", "--seeds", "1", "--epochs", "1", "--hidden", "4") == 0
    design = Folder(tmp_path / "s").design()
    assert design
    lines = summary.describe(design, [*means(tmp_path / "s").values()]).splitlines()
    assert lines[0] == "Test accuracy, mean over 1 seed after the last epoch, at each arm's best setting:"
    assert lines[1] == "  with BN     not applicable: batch norm on batches of one"


@pytest.mark.parametrize("searches", ["1", "2"])
def test_a_tuning_ends_with_its_tuned_settings(
    searches: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--epochs", "4", "--seeds", "2", "--trials", "4", "--searches", searches, "--log-format", "json")
    assert tune.main(tuned_study(tmp_path, *options, "--no-quiet")) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = [event for event in events if event["event"] == "summary"]
    tuned = json.loads((tmp_path / "s" / "manifest.json").read_text())["design"]["tuned"]
    records = pd.read_parquet(tmp_path / "s" / "records.parquet").query("split == 'test' and epoch > 1")
    for arm in told["arms"]:
        chosen = [one for one in tuned if one["arm"] == arm["arm"]]
        runs = pd.concat(
            records[
                (records.arm == one["arm"]) & (records.batch_size == one["batch_size"]) & (records.lr == one["lr"])
                & (records.seed // 1_000_000 == one.get("search", 1) - 1)
            ]
            for one in chosen
        )  # fmt: skip
        assert arm["seeds"] == 2 * int(searches) == runs.seed.nunique()
        assert arm["accuracy"] == pytest.approx(runs.accuracy.mean())
    assert events[-1]["event"] == "done"
    assert events[-1]["text"].endswith(f"Make the report: python -m analysis.report {tmp_path / 's'}")
