"""Whole processes, stopped in the middle: killed, terminated, interrupted, with and without workers."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study import run, session, workers
from tests.conftest import SMALL
from tests.study.studies import start, tables

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
    [((signal.SIGKILL,), -9), ((signal.SIGTERM,), 143), ((signal.SIGINT,), 130)],
)
def test_stopped_in_the_middle_and_started_again_gives_equal_bytes(
    signals: tuple[signal.Signals, ...], code: int, tmp_path: Path, uninterrupted: tuple[bytes, ...]
) -> None:
    process = start(tmp_path, *LONG)
    wait_for_parts(tmp_path / "s", process)
    for number in signals:
        os.kill(process.pid, number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in error
    assert run.main([*SMALL, *LONG, "--out", str(tmp_path), "--study-id", "s"]) == 0
    assert tables(tmp_path / "s") == uninterrupted
    assert not list((tmp_path / "s").glob(".data*"))


def test_workers_in_processes_give_the_same_bytes_even_if_one_is_killed(
    tmp_path: Path,
    uninterrupted: tuple[bytes, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two processes, one of them killed at its first epoch: its cohort is tried once more, nothing is lost."""
    monkeypatch.setattr(session.forecast, "START_SECONDS", 0.0)
    killed = []

    class Killing(run.Progress):
        def epoch(self, cohort) -> None:
            super().epoch(cohort)
            if not killed:
                killed.append(next(w for w in workers.multiprocessing.active_children()))
                killed[0].kill()

    monkeypatch.setattr(run, "Progress", Killing)
    options = [*SMALL, *LONG, "--out", str(tmp_path), "--study-id", "s", "--workers", "2"]
    assert run.main(options) == 0
    assert "its worker died with exit code -9; trying once more" in capsys.readouterr().err
    assert tables(tmp_path / "s") == uninterrupted


def test_a_terminal_interrupt_reaches_workers_and_parent_alike(tmp_path: Path) -> None:
    """Ctrl-C goes to the whole process group: exit 130 from the parent, no traceback from a worker."""
    command = [sys.executable, "-m", "study.run", *SMALL, "--out", str(tmp_path), "--study-id", "s"]
    options = ["--workers", "2", "--seeds", "40", "--epochs", "200", "--batch-sizes", "16", "32"]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for_parts(tmp_path / "s", process, 0)
    time.sleep(6)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "the same command goes on" in error


@pytest.mark.slow
def test_twenty_kills_at_random_moments_leave_the_tables_of_an_uninterrupted_study(
    tmp_path: Path, uninterrupted: tuple[bytes, ...]
) -> None:
    """SIGKILL from before torch is imported to after the last commit; with one and with two workers."""
    moments = random.Random(2).choices(range(200, 7000), k=20)
    for number, milliseconds in enumerate(moments):
        process = start(tmp_path, *LONG, "--workers", str(1 + number % 2))
        time.sleep(milliseconds / 1000)
        process.kill()
        _, error = process.communicate(timeout=30)
        assert "Traceback" not in error
    assert run.main([*SMALL, *LONG, "--out", str(tmp_path), "--study-id", "s"]) == 0
    assert tables(tmp_path / "s") == uninterrupted
