"""Several processes on one study: locks, shards, and a reader who leaves."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from study.store.study_folder import Folder
from tests.study.studies import Child, Together, launch, litter, results, start, study, tables

StudyRun = Callable[..., int]


def test_a_second_process_on_the_folder_exits_3(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s").mkdir()
    with FileLock(tmp_path / "s" / ".lock-1-of-1"):
        assert study_run("--seeds", "1") == 3
    assert "another process is at work on" in capsys.readouterr().err
    assert study_run("--seeds", "1") == 0


@pytest.mark.slow
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


@pytest.mark.slow
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


EIGHT = range(1, 9)
LONG = ("--epochs", "20", "--seeds", "20", "--no-ablation")


@pytest.mark.slow
def test_of_eight_processes_at_once_one_works_and_seven_say_so(tmp_path: Path) -> None:
    """Seven have left by the time that the one is done."""
    at_once = Together(len(EIGHT))
    children = [Child(tmp_path / f"{i}", at_once, study(tmp_path, *LONG)) for i in EIGHT]
    ended = sorted((child.end() for child in children), key=lambda ended: ended.code)
    assert [child.code for child in ended] == [0, *[3] * 7]
    assert ended[0].error == ""
    for child in ended[1:]:
        assert "another process is at work on" in child.error
        assert child.error.count("\n") == 1
    assert launch(tmp_path, *LONG).end().code == 0
    assert litter(tmp_path / "s") == []


def test_the_lock_of_a_process_that_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    child = launch(tmp_path, *LONG)
    while not list((tmp_path / "s").glob("parts/*.parquet")):
        time.sleep(0.01)
    assert child.end(0, signal.SIGKILL).code == -signal.SIGKILL
    assert (tmp_path / "s" / ".lock-1-of-1").exists()
    assert litter(tmp_path / "s") != []
    assert launch(tmp_path, *LONG, "--max-time", "0.1s").end().code == 75
    assert litter(tmp_path / "s") == []


@pytest.mark.slow
def test_eight_shards_at_once_are_the_whole_whatever_locks_lie_about(tmp_path: Path) -> None:
    """Those of commands of other divisions, which each shard looks at for a moment."""
    options, at_once = ("--seeds", "8", "--batch-sizes", "512", "--lrs", "0.01"), Together(len(EIGHT))
    (tmp_path / "whole").mkdir()
    assert launch(tmp_path / "whole", *options).end().code == 0
    (tmp_path / "s").mkdir()
    for left_behind in ("1-of-1", "1-of-3", "2-of-3", "3-of-3"):
        (tmp_path / "s" / f".lock-{left_behind}").touch()
    shards = [Child(tmp_path / f"{i}", at_once, study(tmp_path, *options, "--shard", f"{i}/8")) for i in EIGHT]
    assert [(ended.code, ended.error) for ended in (shard.end() for shard in shards)] == [(0, "")] * 8
    assert results(tmp_path / "s") == results(tmp_path / "whole" / "s")
    assert litter(tmp_path / "s") == []
