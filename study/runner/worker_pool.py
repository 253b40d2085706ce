"""Several workers at once, each training one cohort after another.

Under torch's engine a worker is a process of one thread: between its many small operations Python's lock would be
held, and a kernel's bits may follow the number of its threads. A process that dies takes its cohort with it and nothing
else. The kernel trains without the lock, in calls of some milliseconds: its workers are threads of this process, which
share torch and the images and are there at once. A cohort that failed is tried once more.
"""

import multiprocessing
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Self

from study.engine import devices
from study.engine import registry as engines
from study.errors import EnvironmentFault, StudyError
from study.runner.jobs import Job, Report, train_and_keep, words
from study.spec.cohorts import Cohort

if TYPE_CHECKING:  # torch is imported by those who train
    from study.data.dataset import Dataset
    from study.engine.lockstep.training import Make

TRIES = 2
PATIENCE = 5  # seconds, for the calls of the kernel to end
GONE = (BrokenPipeError, ConnectionResetError)


def train(job: Job, cohorts: Sequence[Cohort], n_workers: int, data: "Dataset", report: Report) -> int:
    """Train and keep ``cohorts`` by a team of ``n_workers``; returns the number of those that failed for good."""
    with Team(job, min(n_workers, len(cohorts)), data) as team:
        return team.train(cohorts, report)


class Team:
    """Workers on the cohorts of one job, until they are dismissed."""

    def __init__(self, job: Job, n_workers: int, data: "Dataset"):
        self.job = job
        self.hire: Callable[[], Worker] = partial(ProcessWorker, job)
        if engines.in_threads(job.engine):
            self.hire = partial(ThreadWorker, job, data)
        else:
            _share(job, data)
        self.workers: list[Worker] = [self.hire() for _ in range(n_workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self.workers:
            worker.dismiss()
        end = time.monotonic() + PATIENCE
        for worker in self.workers:  # who is longer at it is a daemon, and what it would commit is whole
            worker.by.join(max(0.0, end - time.monotonic()))

    def train(self, cohorts: Sequence[Cohort], report: Report) -> int:
        """Train and keep ``cohorts``; returns the number of those that failed for good."""
        queue, failures = deque((cohort, 1) for cohort in cohorts), 0
        while queue or any(worker.task for worker in self.workers):
            self.job.check_time()
            for index, worker in enumerate(self.workers):
                if queue and worker.task is None:
                    self.workers[index] = worker if worker.by.is_alive() else self.hire()
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


class Worker(ABC):
    """The pipe to one worker, and the cohort that it has in hand: (cohort, which try)."""

    by: multiprocessing.process.BaseProcess | threading.Thread
    """Who does the work."""

    def __init__(self) -> None:
        self.connection, self.theirs = multiprocessing.Pipe()
        self.task: tuple[Cohort, int] | None = None

    @abstractmethod
    def dismiss(self) -> None:
        """End it soon; what it had not committed is trained again by the next command."""

    @abstractmethod
    def how_it_died(self) -> str: ...

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
            self.by.join()
            kind, value = "failed", self.how_it_died()
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


class ProcessWorker(Worker):
    """A process, which opens the images that ``_share`` wrote."""

    by: multiprocessing.process.BaseProcess

    def __init__(self, job: Job):
        super().__init__()
        self.by = multiprocessing.get_context("spawn").Process(target=_work_apart, args=(job, self.theirs), daemon=True)
        # Ctrl-C reaches the whole group; the workers leave it to the parent, from their first moment.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.by.start()
        finally:
            signal.signal(signal.SIGINT, before)
        self.theirs.close()

    def dismiss(self) -> None:
        self.by.terminate()
        self.connection.close()

    def how_it_died(self) -> str:
        return f"its worker died with exit code {self.by.exitcode}"


class ThreadWorker(Worker):
    """A thread of this process, which ends between two calls of the kernel."""

    def __init__(self, job: Job, data: "Dataset"):
        super().__init__()
        self.dismissed = threading.Event()
        self.by = threading.Thread(target=self._work, args=(job, data), daemon=True)
        self.by.start()

    def _work(self, job: Job, data: "Dataset") -> None:
        with self.theirs, suppress(Dismissed):
            devices.prepare(job.engine)
            _serve(job, self.theirs, data, engines.training_of(job.engine, self._check))

    def _check(self) -> None:
        if self.dismissed.is_set():
            raise Dismissed

    def dismiss(self) -> None:
        self.dismissed.set()
        self.connection.close()

    def how_it_died(self) -> str:
        return "its worker ended"


class Dismissed(BaseException):
    """Ends a thread in the middle of its work; no error."""


# --- at work


def _share(job: Job, data: "Dataset") -> None:
    from study.data import dataset as data_module

    data_module.share(data, job.shared_data)


def _work_apart(job: Job, connection: Connection) -> None:
    from study.data import dataset as data_module

    devices.prepare(job.engine)
    data = data_module.open_shared(job.data_name, job.data_sha256, job.shared_data)
    _serve(job, connection, data, engines.training_of(job.engine))


def _serve(job: Job, connection: Connection, data: "Dataset", make: "Make") -> None:
    """A worker's life: cohorts in, epochs and outcomes out, until the other end of the pipe is gone."""
    with suppress(EOFError, *GONE):
        while True:
            connection.send(_outcome(job, connection, connection.recv(), data, make))


def _outcome(job: Job, connection: Connection, cohort: Cohort, data: "Dataset", make: "Make") -> tuple[str, object]:
    """What became of a cohort."""
    try:
        seconds, (kept,) = train_and_keep(job, [cohort], data, make, lambda: connection.send(("epoch", None)))
    except GONE:
        raise
    except (StudyError, OSError) as fault:
        return "fault", str(fault)
    except Exception as error:
        return "failed", words(error)
    return "committed", (seconds, kept)
