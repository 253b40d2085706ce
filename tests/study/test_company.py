"""Several processes on one study: locks, shards, and a reader who leaves."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from study.folder import Folder
from tests.study.studies import start, tables

StudyRun = Callable[..., int]


def test_a_second_process_on_the_folder_exits_3(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s").mkdir()
    with FileLock(tmp_path / "s" / ".lock-1-of-1"):
        assert study_run("--seeds", "1") == 3
    assert "another process is at work on" in capsys.readouterr().err
    assert study_run("--seeds", "1") == 0


def test_a_reader_who_leaves_does_not_stop_the_study(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "study.run", "--dataset", "digits", "--out", str(tmp_path), "--study-id", "s"]
    options = ["--seeds", "2", "--batch-sizes", "64", "--lrs", "0.01", "--epochs", "2", "--log-format", "json"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "s" / "records.parquet").exists()


def test_a_whole_study_and_shards_exclude_one_another(study_run: StudyRun, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with FileLock(tmp_path / "s" / ".lock-1-of-2"):
        assert study_run("--seeds", "1") == 3
        assert study_run("--seeds", "1", "--shard", "1/3") == 3
        assert study_run("--seeds", "1", "--shard", "2/2") == 0
    with FileLock(tmp_path / "s" / ".lock-1-of-1"):
        assert study_run("--seeds", "1", "--shard", "1/2") == 3


def test_shards_at_once_are_the_whole_and_the_manifest_names_each(tmp_path: Path, study_run: StudyRun) -> None:
    shards = [start(tmp_path, "--seeds", "3", "--shard", f"{part}/2") for part in (1, 2)]
    for process in shards:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
    manifest = Folder(tmp_path / "s").read_manifest()
    assert manifest
    commands = [manifest, *manifest["earlier"]]
    assert sorted(command["argv"][-3:] for command in commands) == ["1/2", "2/2"]
    assert all(command["timings"] for command in commands)
    assert study_run("--seeds", "3", "--out", str(tmp_path / "whole")) == 0
    assert tables(tmp_path / "s") == tables(tmp_path / "whole" / "s")


def test_shards_together_are_the_whole(study_run: StudyRun, tmp_path: Path) -> None:
    for part in ("2/3", "1/3", "3/3"):
        assert study_run("--seeds", "3", "--shard", part) == 0
    assert study_run("--seeds", "3", "--out", str(tmp_path / "whole")) == 0
    assert tables(tmp_path / "s") == tables(tmp_path / "whole" / "s")
