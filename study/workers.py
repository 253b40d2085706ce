"""Train cohorts and keep what comes of each: here, or in processes of one thread that share the data.

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
from typing import TYPE_CHECKING, Any, Protocol, Self

from study import devices, engines, folder, forecast, weights
from study.design import Design
from study.errors import EnvironmentFault, StudyError
from study.plan import Cohort
from study.records import part_table

if TYPE_CHECKING:  # torch is imported by those who train
    from study.data import Dataset
    from study.history import History

TRIES = 2


class Report(Protocol):
    """Who is told how the work goes on."""

    def epoch(self, cohort: Cohort) -> None: ...

    def committed(self, cohort: Cohort, seconds: float, kept: Any) -> None:
        """``kept`` is what the job's ``keep`` returned."""
        ...

    def failed(self, cohort: Cohort, reason: str, last: bool) -> None: ...


class OutOfTime(BaseException):
    """``--max-time`` is over; like KeyboardInterrupt, no error."""


@dataclass(frozen=True)
class Job:
    """What every cohort of a command has in common, and what becomes of a trained one; travels to the workers."""

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

    def keep(self, cohort: Cohort, history: "History", data: "Dataset") -> Any:
        """Commit a trained cohort to the study: the networks before the part, which makes them done."""
        weights.keep(self.study, self.design, cohort.runs, history)
        unit = folder.unit_id(self.design, cohort, data.digest, self.engine)
        folder.Folder(self.study).commit(unit, part_table(self.design, cohort.runs, history))

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
            seconds, kept = _train_and_keep(job, some, data, partial(_tick, job, some, report))
            for cohort, of_cohort in zip(some, kept, strict=True):
                report.committed(cohort, seconds / len(some), of_cohort)
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


def _train_and_keep(
    job: Job, cohorts: Sequence[Cohort], data: "Dataset", on_epoch: Callable[[], None]
) -> tuple[float, list[Any]]:
    """Returns the seconds that it took, and of each cohort what keeping it returned."""
    from study import training

    began = time.monotonic()
    histories = training.train_together(job.design, cohorts, data, on_epoch, engines.training_of(job.engine))
    kept = [job.keep(cohort, history, data) for cohort, history in zip(cohorts, histories, strict=True)]
    return time.monotonic() - began, kept


# --- processes


def train_in_processes(job: Job, cohorts: Sequence[Cohort], n_workers: int, data: "Dataset", report: Report) -> int:
    """Train and keep in ``n_workers`` processes; returns the number of cohorts that failed for good."""
    with Team(job, min(n_workers, len(cohorts)), data) as team:
        return team.train(cohorts, report)


class Team:
    """Processes that train cohorts of one job, until they are dismissed."""

    def __init__(self, job: Job, n_workers: int, data: "Dataset"):
        from study import data as data_module

        data_module.share(data, job.shared_data)
        self.job, self.workers = job, [Worker(job) for _ in range(n_workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self.workers:
            worker.stop()

    def train(self, cohorts: Sequence[Cohort], report: Report) -> int:
        """Train and keep ``cohorts``; returns the number of those that failed for good."""
        queue, failures = deque((cohort, 1) for cohort in cohorts), 0
        while queue or any(worker.task for worker in self.workers):
            self.job.check_time()
            for index, worker in enumerate(self.workers):
                if queue and worker.task is None:
                    self.workers[index] = worker if worker.process.is_alive() else Worker(self.job)
                    self.workers[index].give(*queue.popleft())
            for worker in self._ready():
                retry, failed = worker.listen(report)
                queue.extendleft(retry)
                failures += failed
            if failures and self.job.stop_on_error:
                break
        return failures

    def _ready(self) -> list["Worker"]:
        """The workers that have said something or died, after a second at most."""
        by_connection: dict[Any, Worker] = {worker.connection: worker for worker in self.workers if worker.task}
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
            report.committed(cohort, *value)
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
            seconds, (kept,) = _train_and_keep(job, [cohort], data, lambda: connection.send(("epoch", None)))
            connection.send(("committed", (seconds, kept)))
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
