"""Shared by the tests of the commands: a study's tables and parts, and a command as a process."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from safetensors.numpy import load

from study import run, tune
from study.cli.exits import exit_now
from study.store import inference_tables
from study.tuning import loop
from tests.conftest import SMALL

TINY = (
    *("--dataset", "digits", "--epochs", "1", "--workers", "1", "--quiet", "--seeds", "2", "--hidden", "12", "9"),
    *("--batch-sizes", "128", "512", "--lrs", "0.01", "0.1"),
)
"""Two cohorts in a third of a second, or twice that with the inference modes."""
TINY_TUNED = (
    *("--dataset", "digits", "--epochs", "1", "--workers", "1", "--quiet", "--seeds", "3", "--hidden", "12", "9"),
    *("--trials", "8", "--tune-seeds", "2", "--space", "lr=1e-3:1,batch_size=64:256"),
)
"""Sixteen trials and twelve runs in half a second."""
LOCKS = {".writing", ".ablating", ".asking", ".confirming", ".tuning.journal.lock"}
IMPORTED = (
    *(
        "study.run",
        "study.engine.lockstep.training",
        "study.data.dataset",
        "study.inference.evaluate",
        "study.inference.corruptions",
        "sklearn.datasets",
    ),
    *("study.tune", "optuna", "optuna.storages.journal", "sqlalchemy"),
)


def tables(folder: Path) -> tuple[bytes, ...]:
    return tuple((folder / f"{name}.parquet").read_bytes() for name in ("records", "runs"))


def parts(folder: Path) -> dict[str, float]:
    return {path.name: path.stat().st_mtime for path in (folder / "parts").iterdir()}


def results(folder: Path) -> dict[str, bytes]:
    """Return the bytes of a study's results: its tables, those of its inference modes if it has any, its networks."""
    paths = [folder / f"{name}.parquet" for name in ("records", "runs", "labels", *inference_tables.COLUMNS)]
    return {path.name: path.read_bytes() for path in paths if path.exists()} | networks(folder)


def networks(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each network's tensors by ``run_id/name``, in whatever files they lie."""
    files = [load(path.read_bytes()) for path in sorted(folder.glob("weights/[!.]*"))]
    return {name: tensor.tobytes() for tensors in files for name, tensor in tensors.items()}


def litter(folder: Path) -> list[str]:
    """Return the hidden files of a study that are neither results nor locks."""
    hidden = [path for path in folder.rglob(".*") if path.name not in LOCKS]
    return [str(path) for path in hidden if not path.name.startswith(".lock-")]


def start(out: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "study.run", *SMALL, "--out", str(out), "--study-id", "s", *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def say(capture: pytest.CaptureFixture[str], count: str) -> None:
    """Print what a slow test reached, for whoever runs it."""
    with capture.disabled():
        sys.stdout.write(f"\n{count}\n")


# --- processes that have imported everything


@dataclass(frozen=True)
class Ended:
    """The end of a process."""

    code: int
    """The exit code; below zero the signal that killed it."""
    error: str
    seconds: float


class Child:
    """A process, forked from one that has imported torch, that does ``work`` and exits with what it returns."""

    def __init__(self, errors: Path, work: Callable[..., int], *arguments: object):
        self.errors, self.began = errors, time.monotonic()
        errors.unlink(missing_ok=True)
        self.process = _server().Process(target=_run_child, args=(errors, work, arguments))
        self.process.start()

    def end(self, after: float | None = None, by: int | None = None) -> Ended:
        """Wait for its end; ``after`` so many seconds it gets the signal ``by``, if it still runs."""
        self.process.join(after)
        if by is not None and self.process.is_alive():
            assert self.process.pid
            with suppress(ProcessLookupError):  # gone this very moment
                os.kill(self.process.pid, by)
        self.process.join(120)
        code = self.process.exitcode
        assert code is not None, f"still at work after {time.monotonic() - self.began:.0f} seconds"
        self.process.close()
        error = self.errors.read_text() if self.errors.exists() else ""
        return Ended(code, error, time.monotonic() - self.began)


def study(out: Path, *options: str) -> list[str]:
    """Return the arguments of ``study.run`` for the small study ``s`` under ``out``; later options override."""
    return [*TINY, "--out", str(out), "--study-id", "s", *options]


def launch(out: Path, *options: str) -> Child:
    """Start ``study.run`` on the small study ``s`` under ``out``."""
    return Child(out / "stderr", run.main, study(out, *options))


def tuned_study(out: Path, *options: str) -> list[str]:
    """Return the arguments of ``study.tune`` for the small study ``s`` under ``out``; later options override."""
    return [*TINY_TUNED, "--out", str(out), "--study-id", "s", *options]


def tune_impatiently(arguments: list[str]) -> int:
    """Run ``study.tune``, which checks more often whether other workers are done."""
    loop.WAIT_SECONDS = 0.02
    return tune.main(arguments)


def launch_tuning(out: Path, *options: str, errors: str = "stderr") -> Child:
    """Start ``study.tune`` on the small study ``s`` under ``out``."""
    return Child(out / errors, tune_impatiently, tuned_study(out, *options))


def tuned_tables(folder: Path) -> dict[str, bytes]:
    """Return the bytes of a tuned study's tables."""
    return {name: (folder / f"{name}.parquet").read_bytes() for name in ("trials", "records", "runs")}


class Together:
    """A command, ``study.run`` by default, that begins when all of ``n`` processes are ready."""

    def __init__(self, n: int, command: Callable[[list[str]], int] = run.main):
        self.barrier, self.command = _server().Barrier(n), command

    def __call__(self, arguments: list[str]) -> int:
        self.barrier.wait(60)
        return self.command(arguments)


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*IMPORTED, __name__])
    return context


def _run_child(errors: Path, work: Callable[..., int], arguments: tuple) -> None:
    handle = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 2)
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  pytest's own may have been inherited

    def command() -> int:
        try:
            return work(*arguments)
        except Exception:
            sys.excepthook(*sys.exc_info())
            return 99

    exit_now("study.run", command)
