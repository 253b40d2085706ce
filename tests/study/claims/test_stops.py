"""A ledger's command, stopped in the middle, and started again."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.study.claims.ledgers import launch, litter, make, only, tables
from tests.study.studies import tables as study_tables


def wait_for_parts(folder: Path, n: int) -> None:
    deadline = time.monotonic() + 120
    while len(list((folder / "parts").glob("*.parquet"))) < n:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_in_the_middle_and_started_again_gives_equal_bytes(
    number: signal.Signals, code: int, tmp_path: Path, whole: Path
) -> None:
    (tmp_path / "slow").touch()
    child = launch(tmp_path)
    wait_for_parts(tmp_path / "claims", 2)
    ended = child.end(0.0, number)
    assert ended.code == code
    how = "interrupted" if number == signal.SIGINT else "terminated"
    saved = "finished runs and measurements are saved; repeat the command to continue"
    assert ended.error == ("" if number == signal.SIGKILL else f"study.claims: {how}; {saved}\n")
    assert not (tmp_path / "claims" / "measurements.parquet").exists()
    (tmp_path / "slow").unlink()
    assert make(tmp_path) == 0
    assert tables(tmp_path) == tables(whole)
    assert not litter(tmp_path / "claims")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_study_in_the_middle_goes_on(number: signal.Signals, code: int, tmp_path: Path) -> None:
    extent = replace(only("unpaired"), unpaired=200)
    study = tmp_path / "stopped" / "claims" / "studies" / "unpaired"
    (tmp_path / "stopped").mkdir()
    child = launch(tmp_path / "stopped", extent=extent)
    wait_for_parts(study, 1)
    ended = child.end(0.0, number)
    assert ended.code == code
    assert ended.error.count("\n") == (0 if code == -9 else 1)
    assert "Traceback" not in ended.error
    assert not (study / "runs.parquet").exists() or code != -9
    for out in (tmp_path / "stopped", tmp_path / "whole"):
        assert make(out, extent=extent) == 0
    whole = tmp_path / "whole" / "claims" / "studies" / "unpaired"
    assert study_tables(study) == study_tables(whole)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_no_worker_outlives_the_command(number: signal.Signals, code: int, tmp_path: Path, whole: Path) -> None:
    """One of the two workers is in the middle of a unit; a killed command leaves shared images to the next one."""
    (tmp_path / "slow").touch()
    child = launch(tmp_path, "--workers", "2")
    wait_for_parts(tmp_path / "claims", 3)
    workers = children(child.process.pid)
    assert len(workers) >= 2
    assert child.end(0.0, number).code == code
    deadline = time.monotonic() + 120
    while any(map(is_alive, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (tmp_path / "slow").unlink()
    assert make(tmp_path) == 0
    assert tables(tmp_path) == tables(whole)
    assert not litter(tmp_path / "claims")


def children(pid: int | None) -> list[int]:
    """The processes whose parent is ``pid``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found.append(int(path.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
