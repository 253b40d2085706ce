"""A study of every factor, from the command to its tables."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from study.store.study_folder import Folder

ONE = ("--seeds", "2", "--batch-sizes", "64", "--lrs", "0.01", "--engine", "torch", "--no-ablation")
VARY = ("depth=2,3", "optimizer=adam,momentum", "weight_decay=0,1e-2", "n_train=500,1437", "label_noise=0,0.2")


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


def test_each_factor_has_a_column_and_the_rest_of_a_study_is_as_if_it_varied_nothing(
    study_run: Callable[..., int], tmp_path: Path
) -> None:
    assert study_run(*ONE) == 0
    assert study_run(*ONE, "--study-id", "v", "--vary", *VARY, "--epochs", "2") == 0
    for name in ("records", "runs"):
        alone, varied = table(tmp_path / "s", name), table(tmp_path / "v", name)
        keys = [column for column in varied if column not in alone]
        assert keys == ["depth", "optimizer", "weight_decay", "n_train", "label_noise"]
        same = varied[varied.run_id.isin(alone.run_id)]
        assert {*same.n_train} == {1437}
        pd.testing.assert_frame_equal(
            same.drop(columns=[*keys, "study_id"]).reset_index(drop=True),
            alone.drop(columns="study_id").reset_index(drop=True),
        )
    records, runs = table(tmp_path / "v", "records"), table(tmp_path / "v", "runs")
    train = records[records.split == "train"]
    assert (train.n_examples == train.n_train).all()
    assert (train.accuracy == train.n_correct / train.n_train).all()
    assert {*records[records.split == "test"].n_examples} == {360}
    assert (runs.n_steps == 2 * (runs.n_train // 64)).all()
    assert runs.groupby("depth").n_parameters.nunique().tolist() == [2, 2]
    design = Folder(tmp_path / "v").design()
    assert design
    assert len(runs) == len(design.runs) == 2 * 2 * 2**5


def test_the_analysis_reads_it(study_run: Callable[..., int], tmp_path: Path) -> None:
    from analysis.records.tables import load

    assert study_run(*ONE, "--epochs", "1", "--vary", "n_train=500,1437", "depth=1") == 0
    assert {*load(tmp_path / "s").records.n_train} == {500, 1437}


def test_a_study_grows_along_a_factor(study_run: Callable[..., int], tmp_path: Path) -> None:
    one = (*ONE, "--epochs", "1", "--seeds", "1")
    assert study_run(*one, "--vary", "depth=2,3", "n_train=500") == 0
    first = table(tmp_path / "s", "runs")
    assert study_run(*one, "--vary", "depth=2,3,5", "n_train=500,600") == 0
    grown = table(tmp_path / "s", "runs")
    assert len(grown) == 3 * len(first)
    kept = grown[grown.run_id.isin(first.run_id)].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, first.reset_index(drop=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--vary", "depth=2", "5", "10"), "--vary depth=2 5 10 takes commas and no blanks: --vary depth=2,5,10"),
        (("--seed-of", "batches"), "--seed-of 'batches' is unknown"),
        (("--vary", "depth=2,5", "--hidden", "64", "32"), "--hidden 64 32: where --vary depth= sets"),
    ],
)
def test_a_wrong_command_makes_nothing(
    options: tuple[str, ...], message: str, study_run: Callable[..., int], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert study_run(*options) == 2
    assert message in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
