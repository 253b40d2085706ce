"""What is said before the work, and in which order: the plan before torch is imported, then device and engine."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from study import run, tune
from tests.conftest import SMALL
from tests.study.studies import TINY_TUNED

WITHOUT_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ModuleNotFoundError("torch was imported")
sys.meta_path.insert(0, NoTorch())
{before}
from study import {module}
{module}.main({arguments})
"""
DIGITS = ("--dataset", "digits", "--seeds", "1", "--epochs", "1")


def told_without_torch(module: str, arguments: tuple[str, ...], before: str = "") -> str:
    """What a command prints until it imports torch."""
    script = WITHOUT_TORCH.format(module=module, arguments=[*arguments], before=before)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: torch was imported", done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["run", "tune", "ablate"])
def test_the_plan_is_said_before_torch_is_imported(module: str, tmp_path: Path, small_study: Path) -> None:
    arguments = (str(small_study),) if module == "ablate" else (*DIGITS, "--out", str(tmp_path))
    labels = [line.split()[0] for line in told_without_torch(module, arguments).splitlines()]
    assert labels[:2] == ["data", "folder"]
    assert "time" in labels
    assert "device" not in labels


def test_a_command_that_imports_torch_before_its_plan_is_found(tmp_path: Path) -> None:
    """The plant."""
    heavy = "from study.engine.lockstep import training"
    assert told_without_torch("run", (*DIGITS, "--out", str(tmp_path)), heavy) == ""


@pytest.mark.parametrize(
    ("main", "options", "events"),
    [
        (run.main, SMALL, ["plan", "device", "started", "committed", "ablation", "summary", "done"]),
        (tune.main, (*TINY_TUNED, "--trials", "2"), [
            "plan", "device", "progress", "chosen", "searched", "started", "committed", "tuned", "summary", "done",
        ]),
    ],
    ids=["run", "tune"],
)  # fmt: skip
def test_events_come_in_the_order_of_the_work(
    main: Callable[[list[str]], int],
    options: tuple[str, ...],
    events: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    json_events = ("--seeds", "1", "--no-quiet", "--log-format", "json", "--out", str(tmp_path))
    assert main([*options, *json_events]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [*dict.fromkeys(event["event"] for event in told)] == events
    fractions = [event["fraction"] for event in told if "fraction" in event]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def in_a_terminal(columns: int, command: list[str]) -> list[str]:
    """The lines that a command shows in a terminal of so many columns; those of a bar as it overwrote them."""
    own, others = pty.openpty()
    environment = {**os.environ, "COLUMNS": "", "LINES": "", "TERM": "xterm", "NO_COLOR": ""}
    resize = (
        f"import fcntl, struct, termios; fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 24, {columns}, 0, 0))"
    )
    subprocess.run([sys.executable, "-c", resize], stdout=others, check=True)
    process = subprocess.Popen(command, stdout=others, stderr=others, env=environment, close_fds=True)
    os.close(others)
    content = b""
    try:
        while chunk := os.read(own, 4096):
            content += chunk
    except OSError:  # its end, on Linux
        pass
    assert process.wait() == 0
    os.close(own)
    return re.split(r"\r\n|\r", content.decode())


def test_a_terminal_shows_one_bar_over_everything_and_no_line_is_too_long(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "study.run", *SMALL, "--seeds", "2", "--no-quiet", "--out", str(tmp_path / "a b")]
    lines = in_a_terminal(60, command)
    plain = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line) for line in lines]
    assert all(len(line) <= 60 or "python -m" in line or str(tmp_path) in line for line in plain)
    bars = [line for line in plain if "%|" in line]
    assert all(
        re.fullmatch(r" *\d+ %\|.*\| \d+ of 16 (runs|networks), \d:\d\d elapsed, \S.* left *", bar) for bar in bars
    )
    assert bars[-1].startswith("100 %|")
    shares = [int(bar.split("%")[0]) for bar in bars]
    assert shares == sorted(shares)
    assert {"runs", "networks"} == {kind for bar in bars for kind in ("runs", "networks") if f" {kind}, " in bar}
    assert plain[-2] == f"python -m analysis.report '{tmp_path / 'a b' / 'digits'}'"
    assert lines[-2].endswith("\x1b[0m")
