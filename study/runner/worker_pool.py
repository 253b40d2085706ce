"""Workers that train side by side, each one cohort after another.

Under torch's engine a worker is a process of one thread: between its many small operations threads would wait for the
GIL, and an operation's bits may depend on its number of threads. A process that dies loses its cohort and nothing else.
The native kernel trains without the GIL, in calls of some milliseconds: its workers are threads of this process, which
share torch and the images and start at once. A cohort that failed is tried once more.
"""

import multiprocessing
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from queue import Empty, SimpleQueue
from typing import Any, Self

from study.data import dataset
from study.data.dataset import Dataset
from study.engine import costs, devices, registry
from study.engine.lockstep.training import TrainerFactory
from study.errors import EnvironmentFault, StudyError
from study.runner.jobs import Job, Report, describe_error, train_and_commit
from study.spec.cohorts import Cohort

TRIES = 2
SHUTDOWN_TIMEOUT = 5
"""Seconds that all workers together have to end their calls of the kernel."""
PIPE_CLOSED = (BrokenPipeError, ConnectionResetError)

Message = tuple[str, Any]
"""``epoch``, ``committed`` (seconds, result), ``failed`` (why), ``fault`` of the machine (why) or ``exited`` (how)."""


def train(job: Job, cohorts: Sequence[Cohort], n_workers: int, data: Dataset, report: Report) -> int:
    """Train and commit ``cohorts`` by ``n_workers``; returns the number of those that failed for good."""
    with worker_pool(job, min(n_workers, len(cohorts)), data) as pool:
        return pool.train(cohorts, report)


def worker_pool(job: Job, n_workers: int, data: Dataset) -> "WorkerPool":
    """Return a pool of the kind that the job's engine needs: threads or processes."""
    kind = ThreadPool if costs.for_engine(job.engine).in_threads else ProcessPool
    return kind(job, n_workers, data)


class Worker(ABC):
    """A thread or process, and its task: (cohort, number of the attempt), None while it is idle."""

    handle: multiprocessing.process.BaseProcess | threading.Thread

    def __init__(self) -> None:
        self.task: tuple[Cohort, int] | None = None

    def submit(self, cohort: Cohort, attempt: int) -> None:
        self.task = (cohort, attempt)
        self.send(cohort)

    @abstractmethod
    def send(self, cohort: Cohort) -> None: ...

    @abstractmethod
    def shutdown(self) -> None:
        """Ask it to end; what it has not committed is trained again by the next command."""


class WorkerPool(ABC):
    """Workers on the cohorts of one job, until the end of a ``with`` block."""

    def __init__(self, job: Job, n_workers: int, data: Dataset):
        self.job, self.data = job, data
        self.workers: list[Worker] = [self.spawn() for _ in range(n_workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self.workers:
            worker.shutdown()
        end = time.monotonic() + SHUTDOWN_TIMEOUT
        for worker in self.workers:  # one that takes longer is a daemon, and commits are atomic
            worker.handle.join(max(0.0, end - time.monotonic()))

    @abstractmethod
    def spawn(self) -> Worker: ...

    @abstractmethod
    def messages(self) -> Iterator[tuple[Worker, Message]]:
        """Yield what workers with a task have sent, after a second at most."""

    def train(self, cohorts: Sequence[Cohort], report: Report) -> int:
        """Train and commit ``cohorts``; returns the number of those that failed for good."""
        queue, failures = deque((cohort, 1) for cohort in cohorts), 0
        while queue or any(worker.task for worker in self.workers):
            self.job.check_time()
            for index, worker in enumerate(self.workers):
                if queue and worker.task is None:
                    self.workers[index] = worker if worker.handle.is_alive() else self.spawn()
                    self.workers[index].submit(*queue.popleft())
            for worker, message in self.messages():
                retry, failed = _receive(worker, message, report)
                queue.extendleft(retry)
                failures += failed
            if failures and self.job.stop_on_error:
                break
        return failures


def _receive(worker: Worker, message: Message, report: Report) -> tuple[list[tuple[Cohort, int]], int]:
    """Pass one message on; returns what to try again, and how many cohorts failed for good."""
    assert worker.task is not None
    (cohort, attempt), (kind, value) = worker.task, message
    if kind == "fault":
        raise EnvironmentFault(value)
    if kind == "epoch":
        report.epoch(cohort)
        return [], 0
    worker.task = None
    if kind == "committed":
        report.committed(cohort, *value)
        return [], 0
    last = attempt == TRIES
    report.failed(cohort, value, last)
    return ([], 1) if last else ([(cohort, attempt + 1)], 0)


def _outcome(job: Job, cohort: Cohort, data: Dataset, make: TrainerFactory, on_epoch: Callable[[], None]) -> Message:
    """Train and commit a cohort; returns the message about its end."""
    try:
        seconds, (result,) = train_and_commit(job, [cohort], data, make, on_epoch)
    except PIPE_CLOSED:
        raise
    except (StudyError, OSError) as fault:
        return "fault", str(fault)
    except Exception as error:
        return "failed", describe_error(error)
    return "committed", (seconds, result)


# --- threads


EXITED: Message = ("exited", "its worker ended")


class Cancelled(BaseException):
    """Raised to end a thread in the middle of its work; no error."""


class ThreadPool(WorkerPool):
    """Threads of this process, each of which ends between two calls of the kernel."""

    def __init__(self, job: Job, n_workers: int, data: Dataset):
        self.inbox: SimpleQueue[tuple[Worker, Message]] = SimpleQueue()
        super().__init__(job, n_workers, data)

    def spawn(self) -> Worker:
        return ThreadWorker(self.job, self.data, self.inbox)

    def messages(self) -> Iterator[tuple[Worker, Message]]:
        try:
            worker, message = self.inbox.get(timeout=1)
        except Empty:
            yield from ((worker, EXITED) for worker in self.workers if worker.task and not worker.handle.is_alive())
        else:
            if worker.task:
                yield worker, message


class ThreadWorker(Worker):
    """A thread with a queue of cohorts; posts its messages to the pool."""

    def __init__(self, job: Job, data: Dataset, outbox: "SimpleQueue[tuple[Worker, Message]]"):
        super().__init__()
        self.outbox, self.cancelled = outbox, threading.Event()
        self.cohorts: SimpleQueue[Cohort | None] = SimpleQueue()
        self.handle = threading.Thread(target=self._work, args=(job, data), daemon=True)
        self.handle.start()

    def send(self, cohort: Cohort) -> None:
        self.cohorts.put(cohort)

    def shutdown(self) -> None:
        self.cancelled.set()
        self.cohorts.put(None)

    def _work(self, job: Job, data: Dataset) -> None:
        try:
            devices.prepare(job.engine)
            make = registry.trainer_factory(job.engine, self._check_cancelled)
            while (cohort := self.cohorts.get()) is not None:
                self._post(_outcome(job, cohort, data, make, lambda: self._post(("epoch", None))))
        except Cancelled:
            pass
        finally:  # however it ends, nobody waits for it
            self._post(EXITED)

    def _post(self, message: Message) -> None:
        self.outbox.put((self, message))

    def _check_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled


# --- processes


class ProcessPool(WorkerPool):
    """Processes, which open the images that this one writes to a shared folder."""

    def __init__(self, job: Job, n_workers: int, data: Dataset):
        dataset.share(data, job.shared_data)
        super().__init__(job, n_workers, data)

    def spawn(self) -> Worker:
        return ProcessWorker(self.job)

    def messages(self) -> Iterator[tuple[Worker, Message]]:
        workers = [worker for worker in self.workers if worker.task and isinstance(worker, ProcessWorker)]
        by_connection: dict[Any, ProcessWorker] = {worker.connection: worker for worker in workers}
        for connection in wait(list(by_connection), timeout=1):
            worker = by_connection[connection]
            yield worker, worker.receive()


class ProcessWorker(Worker):
    """A spawned process at the other end of a pipe."""

    handle: multiprocessing.process.BaseProcess

    def __init__(self, job: Job):
        super().__init__()
        self.connection, child_end = multiprocessing.Pipe()
        self.handle = multiprocessing.get_context("spawn").Process(target=_work, args=(job, child_end), daemon=True)
        # Ctrl-C reaches the whole process group; workers inherit ignoring it, and the parent alone acts on it.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.handle.start()
        finally:
            signal.signal(signal.SIGINT, before)
        child_end.close()

    def send(self, cohort: Cohort) -> None:
        with suppress(*PIPE_CLOSED):  # it died: ``receive`` finds out
            self.connection.send(cohort)

    def receive(self) -> Message:
        try:
            message: Message = self.connection.recv()
            return message
        except (EOFError, OSError):
            self.handle.join()
            return "exited", f"its worker died with exit code {self.handle.exitcode}"

    def shutdown(self) -> None:
        self.handle.terminate()
        self.connection.close()


def _work(job: Job, connection: Connection) -> None:
    """Train the cohorts that come through the pipe until its other end is closed."""
    devices.prepare(job.engine)
    data = dataset.open_shared(job.data_name, job.data_sha256, job.shared_data)
    make = registry.trainer_factory(job.engine)
    with suppress(EOFError, *PIPE_CLOSED):
        while True:
            cohort = connection.recv()
            connection.send(_outcome(job, cohort, data, make, lambda: connection.send(("epoch", None))))
