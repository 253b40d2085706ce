import json
from types import SimpleNamespace

import pytest

from study.runner import progress as module
from study.runner.progress import Progress
from tests.study.values import cohort_of

SMALL, LARGE = cohort_of(32, ("bn", "no_bn"), (0.1,), (0,)), cohort_of(64, ("bn", "no_bn"), (0.1,), (0, 1))
WEIGHTS = {SMALL: 1.0, LARGE: 3.0}


def progress(**options: object) -> Progress:
    told = Progress(**({"log_format": "text", "quiet": False} | options))  # type: ignore[arg-type]
    told.count(epochs=2, n_done=4, n_runs=10)
    return told


def test_finished_epochs_count_by_their_work_and_committed_runs_by_number(capsys: pytest.CaptureFixture[str]) -> None:
    told = progress()
    told.start([SMALL, LARGE], WEIGHTS.__getitem__)
    told.epoch(SMALL)
    told.epoch(SMALL)
    told.committed(SMALL, 1.5)
    assert told.fraction == 0.25
    told.epoch(LARGE)
    assert told.fraction == 0.625
    assert (told.worked, told.worker_seconds) == (1.0, 1.5)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "4 of 10 runs, 0 % of the work, 0:00 elapsed, unknown time left"
    assert lines[1].startswith("6 of 10 runs, 25 % of the work, ")


class Clock:
    """Stands until it is put forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=found.monotonic))
    return found


def test_the_time_left_is_what_the_work_left_takes_at_the_pace_so_far(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    told = progress()
    told.start([SMALL, LARGE], WEIGHTS.__getitem__)
    clock.now += 10
    assert told.clock() == "0:10 elapsed, unknown time left"
    told.epoch(SMALL)
    clock.now += 10
    told.epoch(SMALL)
    told.committed(SMALL, 20)
    assert told.clock() == "0:20 elapsed, 1:00 left"
    clock.now += 40
    told.epoch(LARGE)
    assert told.fraction == 0.625
    assert told.clock() == "1:00 elapsed, 0:36 left"
    clock.now += 3600
    assert told.clock() == "1:01:00 elapsed, 36:36 left"
    told.epoch(LARGE)
    told.committed(LARGE, 3640)
    assert told.clock() == "1:01:00 elapsed, 0:00 left"
    assert capsys.readouterr().out.splitlines() == [
        "4 of 10 runs, 0 % of the work, 0:00 elapsed, unknown time left",
        "6 of 10 runs, 25 % of the work, 0:20 elapsed, 1:00 left",
        "6 of 10 runs, 62 % of the work, 1:00 elapsed, 0:36 left",
        "6 of 10 runs, 100 % of the work, 1:01:00 elapsed, 0:00 left",
        "10 of 10 runs, 100 % of the work, 1:01:00 elapsed, 0:00 left",
    ]


def test_epochs_are_told_of_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    told = progress()
    told.count(epochs=100, n_done=0, n_runs=2)
    told.start([SMALL], WEIGHTS.__getitem__)
    for _ in range(100):
        clock.now += 1
        told.epoch(SMALL)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert lines == [
        "0 of 2 runs, 31 % of the work, 0:31 elapsed, 1:09 left",
        "0 of 2 runs, 62 % of the work, 1:02 elapsed, 0:38 left",
        "0 of 2 runs, 93 % of the work, 1:33 elapsed, 0:07 left",
    ]


def test_a_cohort_that_is_tried_again_starts_from_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    told = progress()
    told.start([SMALL, LARGE], WEIGHTS.__getitem__)
    told.epoch(LARGE)
    told.failed(LARGE, "its worker died", last=False)
    assert told.fraction == 0
    error = capsys.readouterr().err
    assert error == "batch size 64, rate 0.1; seeds 0 1: its worker died; trying once more\n"


def test_json_is_one_event_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    told = progress(log_format="json")
    told.start([SMALL], WEIGHTS.__getitem__)
    told.epoch(SMALL)
    told.epoch(SMALL)
    told.committed(SMALL, 1.0)
    told.close()
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(event["event"], event["runs_done"], event["fraction"]) for event in events] == [
        ("started", 4, 0.0),
        ("committed", 6, 1.0),
    ]


def test_quiet_prints_errors_alone(capsys: pytest.CaptureFixture[str]) -> None:
    told = progress(quiet=True)
    told.start([SMALL], WEIGHTS.__getitem__)
    told.committed(SMALL, 1.0)
    told.failed(SMALL, "no memory", last=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no memory; given up" in captured.err


def test_a_terminal_gets_a_bar_with_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    told = progress()
    told.start([SMALL], WEIGHTS.__getitem__)
    for _ in range(2):
        told.epoch(SMALL)
    told.committed(SMALL, 1.0)
    told.close()
    bar = capsys.readouterr().err
    assert "100 %|" in bar
    assert "6 of 10 runs" in bar
    assert "0:00 elapsed, 0:00 left" in bar
