"""Whole processes, stopped in the middle: killed, terminated, interrupted, with and without workers."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from study import run
from study.cli.exits import run_command
from study.engine import costs
from study.runner.progress import Progress
from tests.conftest import SMALL
from tests.study.studies import Child, launch, litter, results, say, start, tables

LONG = ("--seeds", "20", "--epochs", "10", "--batch-sizes", "32", "64", "--no-ablation")


def wait_for_parts(folder: Path, process: subprocess.Popen, n: int = 1) -> None:
    deadline = time.monotonic() + 120
    while len(list((folder / "parts").glob("*.parquet"))) < n:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ...]:
    out = tmp_path_factory.mktemp("whole")
    assert run.main([*SMALL, *LONG, "--out", str(out), "--study-id", "s"]) == 0
    return tables(out / "s")


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ((signal.SIGKILL,), -9),
        pytest.param((signal.SIGTERM,), 143, marks=pytest.mark.slow),
        pytest.param((signal.SIGINT,), 130, marks=pytest.mark.slow),
    ],
)
def test_stopped_in_the_middle_and_started_again_gives_equal_bytes(
    signals: tuple[signal.Signals, ...], code: int, tmp_path: Path, uninterrupted: tuple[bytes, ...]
) -> None:
    process = start(tmp_path, *LONG)
    wait_for_parts(tmp_path / "s", process)
    began = time.monotonic()
    for number in signals:
        os.kill(process.pid, number)
    _, error = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode == code
    assert "Traceback" not in error
    assert (error.count("\n"), "repeat the command to continue" in error) == ((0, False) if code == -9 else (1, True))
    assert run.main([*SMALL, *LONG, "--out", str(tmp_path), "--study-id", "s"]) == 0
    assert tables(tmp_path / "s") == uninterrupted
    assert not list((tmp_path / "s").glob(".data*"))


def test_two_threads_give_the_same_bytes(tmp_path: Path, uninterrupted: tuple[bytes, ...]) -> None:
    assert run.main([*SMALL, *LONG, "--out", str(tmp_path), "--study-id", "s", "--workers", "2"]) == 0
    assert tables(tmp_path / "s") == uninterrupted


@pytest.mark.slow
def test_workers_in_processes_give_the_same_bytes_even_if_one_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two processes, one of them killed at its first epoch: its cohort is tried once more, nothing is lost."""
    options = [*SMALL, *LONG, "--seeds", "4", "--epochs", "3", "--engine", "torch", "--study-id", "s"]
    assert run.main([*options, "--out", str(tmp_path / "one")]) == 0
    at_once = [replace(model, start_seconds=0.0) for model in costs.MODELS]  # however little there is to do
    monkeypatch.setattr(costs, "MODELS", at_once)
    killed = []

    class Killing(Progress):
        def epoch(self, cohort) -> None:
            super().epoch(cohort)
            if not killed:
                killed.append(next(w for w in multiprocessing.active_children()))
                killed[0].kill()

    monkeypatch.setattr(run, "Progress", Killing)
    assert run.main([*options, "--out", str(tmp_path / "two"), "--workers", "2"]) == 0
    assert "its worker died with exit code -9; trying once more" in capsys.readouterr().err
    assert tables(tmp_path / "two" / "s") == tables(tmp_path / "one" / "s")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["kernel", "torch"])
def test_a_terminal_interrupt_reaches_workers_and_parent_alike(engine: str, tmp_path: Path) -> None:
    """Ctrl-C goes to the whole process group: exit 130 from the parent, no traceback from a worker, be it a thread or a
    process."""
    command = [sys.executable, "-m", "study.run", *SMALL, "--out", str(tmp_path), "--study-id", "s"]
    options = ["--workers", "2", "--seeds", "40", "--epochs", "200", "--batch-sizes", "16", "32", "--engine", engine]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for_parts(tmp_path / "s", process, 0)
    time.sleep(6)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "repeat the command to continue" in error


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_after_the_last_word_of_a_command_is_one_sentence_too(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    ended = Child(tmp_path / "stderr", signal_oneself, number).end()
    assert ended.code == code
    assert ended.error.count("\n") == 1
    assert "repeat the command to continue" in ended.error


def signal_oneself(number: signal.Signals) -> int:
    assert run_command("study.run", lambda: 0) == 0
    os.kill(os.getpid(), number)
    time.sleep(5)
    return 0


@pytest.mark.slow
def test_eight_kills_of_whole_processes_leave_the_tables_of_an_uninterrupted_study(
    tmp_path: Path, uninterrupted: tuple[bytes, ...]
) -> None:
    """From before torch is imported to after the last commit; test_crashes.py has hundreds, all after that."""
    moments = random.Random(2).choices(range(200, 7000), k=8)
    for number, milliseconds in enumerate(moments):
        process = start(tmp_path, *LONG, "--workers", str(1 + number % 2))
        time.sleep(milliseconds / 1000)
        process.kill()
        _, error = process.communicate(timeout=30)
        assert "Traceback" not in error
    assert run.main([*SMALL, *LONG, "--out", str(tmp_path), "--study-id", "s"]) == 0
    assert tables(tmp_path / "s") == uninterrupted


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_at_random_moments_end_a_study_soon_in_one_line_and_it_goes_on(
    number: signal.Signals, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In training, between files, and in the inference modes."""
    assert launch(tmp_path).end().code == 0
    (tmp_path / "usual").mkdir()
    usual = launch(tmp_path / "usual").end().seconds
    expected, moments, seconds = results(tmp_path / "s"), random.Random(number), []
    for study in range(100):
        out = tmp_path / str(study)
        out.mkdir()
        while True:
            child, delay = launch(out), moments.uniform(0.05, usual)
            ended = child.end(delay, number)
            if ended.code == 0:
                break
            assert ended.code == code, ended.error
            assert ended.error.count("\n") == 1
            assert "repeat the command to continue" in ended.error
            seconds.append(ended.seconds - delay)
        assert results(out / "s") == expected
        assert litter(out / "s") == []
        if len(seconds) >= 15:
            break
    assert max(seconds) < 5
    say(capsys, f"{number.name}: {len(seconds)} times, ended after {max(seconds):.2f} s at the latest")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_with_workers_ends_within_two_seconds(
    number: signal.Signals, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Large cohorts, so that each worker is in the middle of one."""
    options = ("--workers", "2", "--seeds", "40", "--epochs", "200", "--batch-sizes", "16", "32")
    process = start(tmp_path, *options)
    wait_for_parts(tmp_path / "s", process, 0)
    time.sleep(8)
    began = time.monotonic()
    os.kill(process.pid, number)
    _, error = process.communicate(timeout=30)
    seconds = time.monotonic() - began
    assert process.returncode == code
    assert (error.count("\n"), "repeat the command to continue" in error) == (1, True)
    assert seconds < 2  # 0.1 to 0.5 on a quiet machine
    say(capsys, f"{number.name} to two workers: ended after {seconds:.2f} s")


@pytest.mark.slow
def test_a_study_in_short_sittings_is_that_of_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, codes = ("--epochs", "10", "--batch-sizes", "16", "32", "64", "128"), []
    (tmp_path / "whole").mkdir()
    assert launch(tmp_path / "whole", *options).end().code == 0
    while not codes or codes[-1]:
        limit = 0.01 * 1.4 ** len(codes)  # too short at first; at last as long as a cohort takes, which is lost else
        codes.append(launch(tmp_path, *options, "--max-time", f"{limit:.2f}s").end().code)
        assert len(codes) < 30
    assert set(codes[:-1]) == {75}
    assert results(tmp_path / "s") == results(tmp_path / "whole" / "s")
    say(capsys, f"--max-time: exit 75 {len(codes) - 1} times, then complete")
