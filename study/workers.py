"""Train cohorts and commit each: here, or in processes of one thread that share the data.

One thread a worker, because torch's threads scale worse than processes and a kernel's bits may follow
their number. A process that dies takes its cohort with it and nothing else, and a cohort that failed in a
process is tried once more.
"""

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from study import devices, folder, forecast, weights
from study.design import Design
from study.errors import EnvironmentFault, StudyError
from study.plan import Cohort
from study.records import part_table

if TYPE_CHECKING:  # torch is imported by those who train
    from study.data import Dataset

TRIES = 2


class Report(Protocol):
    """Who is told how the work goes on."""

    def epoch(self, cohort: Cohort) -> None: ...

    def committed(self, cohort: Cohort, seconds: float) -> None: ...

    def failed(self, cohort: Cohort, reason: str, last: bool) -> None: ...


class OutOfTime(BaseException):
    """``--max-time`` is over; like KeyboardInterrupt, no error."""


@dataclass(frozen=True)
class Job:
    """What every cohort of a command has in common; travels to the workers."""

    design: Design
    study: Path
    device: str
    engine: str
    data_name: str
    data_sha256: dict[str, str]
    shared_data: Path
    deadline: float | None = None
    """``time.monotonic()`` at which to stop."""
    stop_on_error: bool = False

    def check_time(self) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise OutOfTime


def train_here(job: Job, cohorts: Sequence[Cohort], data: "Dataset", report: Report, at_once: int = 1) -> int:
    """Train and commit in this process; returns the number of cohorts that failed.

    ``at_once`` of them side by side, which a GPU needs to be busy; half as many whenever its memory is full.
    """
    import torch

    devices.prepare(job.engine)
    left, failures = list(cohorts), 0
    while left:
        job.check_time()
        some = left[:at_once]
        try:
            seconds = _train_and_commit(job, some, data, partial(_tick, job, some, report))
            for cohort in some:
                report.committed(cohort, seconds / len(some))
        except (StudyError, OSError):
            raise
        except torch.OutOfMemoryError as error:
            if len(some) == 1:
                raise EnvironmentFault(_no_room(job, some[0], error)) from None
            at_once = len(some) // 2
            torch.cuda.empty_cache()
            continue
        except torch.AcceleratorError as error:
            raise EnvironmentFault(
                f"{job.device} failed: {_first_line(error)}. What was committed is safe; the same command goes on."
            ) from None
        except Exception as error:
            failures += len(some)
            for cohort in some:
                report.failed(cohort, _words(error), last=True)
            if job.stop_on_error:
                break
        left = left[len(some) :]
    return failures


def _tick(job: Job, cohorts: Sequence[Cohort], report: Report) -> None:
    for cohort in cohorts:
        report.epoch(cohort)
    job.check_time()


def _no_room(job: Job, cohort: Cohort, error: Exception) -> str:
    need, room = forecast.cohort_bytes(job.design, cohort), devices.memory_left(job.device)
    return (
        f"{job.device} has {(room or 0) / 1e9:.1f} GB left and {len(cohort.runs)} runs need about {need / 1e9:.1f} GB"
        f" ({_first_line(error)}). Free some, or choose a smaller --batch-sizes or --hidden."
    )


def _train_and_commit(job: Job, cohorts: Sequence[Cohort], data: "Dataset", on_epoch: Callable[[], None]) -> float:
    """Returns the seconds that it took."""
    from study import training

    began = time.monotonic()
    histories = training.train_together(job.design, cohorts, data, on_epoch)
    for cohort, history in zip(cohorts, histories, strict=True):
        weights.keep(job.study, job.design, cohort.runs, history)  # before the part, which makes them done
        unit = folder.unit_id(job.design, cohort, data.digest, job.engine)
        folder.Folder(job.study).commit(unit, part_table(job.design, cohort.runs, history))
    return time.monotonic() - began


# --- processes


def train_in_processes(job: Job, cohorts: Sequence[Cohort], n_workers: int, data: "Dataset", report: Report) -> int:
    """Train and commit in ``n_workers`` processes; returns the number of cohorts that failed for good."""
    from study import data as data_module

    data_module.share(data, job.shared_data)
    queue = deque((cohort, 1) for cohort in cohorts)
    team = [Worker(job) for _ in range(min(n_workers, len(cohorts)))]
    failures = 0
    try:
        while queue or any(worker.task for worker in team):
            job.check_time()
            for index, worker in enumerate(team):
                if queue and worker.task is None:
                    team[index] = worker if worker.process.is_alive() else Worker(job)
                    team[index].give(*queue.popleft())
            for worker in _ready(team):
                retry, failed = worker.listen(report)
                queue.extendleft(retry)
                failures += failed
            if failures and job.stop_on_error:
                break
    finally:
        for worker in team:
            worker.stop()
    return failures


def _ready(team: Sequence["Worker"]) -> list["Worker"]:
    """The workers that have said something or died, after a second at most."""
    by_connection: dict[Any, Worker] = {worker.connection: worker for worker in team if worker.task}
    return [by_connection[connection] for connection in wait(list(by_connection), timeout=1)]


class Worker:
    """A process, the pipe to it, and the cohort that it has in hand: (cohort, which try)."""

    def __init__(self, job: Job):
        context = multiprocessing.get_context("spawn")
        self.connection, child = context.Pipe()
        self.process = context.Process(target=_work, args=(job, child), daemon=True)
        self.task: tuple[Cohort, int] | None = None
        # Ctrl-C reaches the whole group; the workers leave it to the parent, from their first moment.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        child.close()

    def give(self, cohort: Cohort, attempt: int) -> None:
        self.task = (cohort, attempt)
        self.connection.send(cohort)

    def listen(self, report: Report) -> tuple[list[tuple[Cohort, int]], int]:
        """Take one message: (what to try again, how many cohorts failed for good)."""
        assert self.task is not None
        cohort, attempt = self.task
        try:
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            kind, value = "failed", f"its worker died with exit code {self.process.exitcode}"
        if kind == "fault":
            raise EnvironmentFault(value)
        if kind == "epoch":
            report.epoch(cohort)
            return [], 0
        self.task = None
        if kind == "committed":
            report.committed(cohort, value)
            return [], 0
        last = attempt == TRIES
        report.failed(cohort, value, last)
        return ([], 1) if last else ([(cohort, attempt + 1)], 0)

    def stop(self) -> None:
        """End the process at once; what it had not committed is trained again by the next command."""
        self.process.terminate()
        self.process.join()
        self.connection.close()


def _work(job: Job, connection: Connection) -> None:
    """A worker's life: cohorts in, epochs and outcomes out, until the parent is gone."""
    from study import data as data_module

    devices.prepare(job.engine)
    data = data_module.open_shared(job.data_name, job.data_sha256, job.shared_data)
    while True:
        try:
            cohort = connection.recv()
        except EOFError:
            return
        try:
            seconds = _train_and_commit(job, [cohort], data, lambda: connection.send(("epoch", None)))
            connection.send(("committed", seconds))
        except (BrokenPipeError, ConnectionResetError):
            return
        except (StudyError, OSError) as fault:
            connection.send(("fault", str(fault)))
        except Exception as error:
            connection.send(("failed", _words(error)))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
