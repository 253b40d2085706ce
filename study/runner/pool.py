"""Workers side by side, each on one task after another: processes at the other ends of pipes, or threads of this one.

What is done with a task is a ``Work``. A process that dies loses its task and nothing else; a task that failed is tried
once more. A process whose parent was killed ends at its next look, and a thread when the pool is left.
"""

import multiprocessing
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

from study.errors import StudyError
from study.runner.outcome import Terminated

TRIES = 2
SHUTDOWN_TIMEOUT = 5
"""Seconds that all workers together have to end."""
PIPE_CLOSED = (BrokenPipeError, ConnectionResetError)
AT_WORK, FAILED, FAULT = "at work", "failed", "fault"

Message = tuple[str, Any]
"""AT_WORK, FAILED with why, FAULT with the error that ends all, or a word of the work's own with the result."""
Look = Callable[[], None]
"""Called now and then in the middle of a task; ends the worker by raising ``Terminated`` where nobody waits for it."""
T = TypeVar("T")
S = TypeVar("S", contravariant=True)


class Work(Protocol[S]):
    """What workers do; processes get it pickled."""

    def begin(self, look: Look) -> Callable[[S, Look], Message]:
        """Prepare this worker; return the function of a task, and of what tells that it is AT_WORK, to its result."""


class Event(NamedTuple, Generic[T]):
    """What became of a task."""

    task: T
    kind: str
    value: Any
    last: bool
    """Whether it is not tried again."""


def attempt(perform: Callable[[T, Look], Message], task: T, tell: Look = lambda: None) -> Message:
    """Return the result of a task, or why there is none."""
    try:
        return perform(task, tell)
    except PIPE_CLOSED:
        raise
    except (StudyError, OSError) as fault:
        return FAULT, fault
    except Exception as error:
        return FAILED, describe_error(error)


def describe_error(error: Exception) -> str:
    """Return the type and the text of an error, as a task that failed is reported."""
    return f"{type(error).__name__}: {error}"


class Worker(ABC, Generic[T]):
    """A thread or process, and its task: (task, number of the attempt), None while it is idle."""

    handle: multiprocessing.process.BaseProcess | threading.Thread
    task: tuple[T, int] | None = None

    def submit(self, task: T, attempt: int) -> None:
        self.task = (task, attempt)
        self.send(task)

    @abstractmethod
    def send(self, task: T) -> None: ...

    @abstractmethod
    def shutdown(self) -> None:
        """Ask it to end; what it has not finished is lost."""


class Pool(ABC, Generic[T]):
    """Workers until the end of a ``with`` block."""

    def __init__(self, work: Work[T], n_workers: int):
        self.work = work
        self.workers: list[Worker[T]] = [self.spawn() for _ in range(n_workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self.workers:
            worker.shutdown()
        end = time.monotonic() + SHUTDOWN_TIMEOUT
        for worker in self.workers:  # one that takes longer is a daemon, and commits are atomic
            worker.handle.join(max(0.0, end - time.monotonic()))

    @abstractmethod
    def spawn(self) -> Worker[T]: ...

    @abstractmethod
    def messages(self) -> Iterator[tuple[Worker[T], Message]]:
        """Yield what workers with a task have sent, after a second at most."""

    def run(self, tasks: Iterable[T], goes_on: Callable[[], bool] = lambda: True) -> Iterator[Event[T]]:
        """Yield what becomes of the tasks, until all have ended or ``goes_on``, asked about every second, says no; a
        fault is raised."""
        queue = deque((task, 1) for task in tasks)
        while (queue or any(worker.task for worker in self.workers)) and goes_on():
            for index, worker in enumerate(self.workers):
                if queue and worker.task is None:
                    self.workers[index] = worker if worker.handle.is_alive() else self.spawn()
                    self.workers[index].submit(*queue.popleft())
            for worker, message in self.messages():
                yield _received(worker, message, queue)


def _received(worker: Worker[T], message: Message, queue: deque[tuple[T, int]]) -> Event[T]:
    """Return what a message says of its worker's task, which is put back where it is to be tried again."""
    assert worker.task is not None
    (task, attempt), (kind, value) = worker.task, message
    if kind == FAULT:
        raise value
    if kind != AT_WORK:
        worker.task = None
    again = kind == FAILED and attempt < TRIES
    queue.extendleft([(task, attempt + 1)] if again else [])
    return Event(task, kind, value, not again)


# --- threads


class ThreadPool(Pool[T]):
    """Threads of this process, each of which ends at its next look."""

    def __init__(self, work: Work[T], n_workers: int):
        self.inbox: SimpleQueue[tuple[Worker[T], Message]] = SimpleQueue()
        super().__init__(work, n_workers)

    def spawn(self) -> Worker[T]:
        return ThreadWorker(self.work, self.inbox)

    def messages(self) -> Iterator[tuple[Worker[T], Message]]:
        try:
            worker, message = self.inbox.get(timeout=1)
        except Empty:
            yield from ((worker, ENDED) for worker in self.workers if worker.task and not worker.handle.is_alive())
        else:
            if worker.task:
                yield worker, message


ENDED: Message = (FAILED, "its worker ended")


class ThreadWorker(Worker[T]):
    """A thread with a queue of tasks; posts its messages to the pool."""

    def __init__(self, work: Work[T], outbox: SimpleQueue[tuple[Worker[T], Message]]):
        self.outbox, self.cancelled = outbox, threading.Event()
        self.tasks: SimpleQueue[T | None] = SimpleQueue()
        self.handle = threading.Thread(target=self._serve, args=(work,), daemon=True)
        self.handle.start()

    def send(self, task: T) -> None:
        self.tasks.put(task)

    def shutdown(self) -> None:
        self.cancelled.set()
        self.tasks.put(None)

    def _serve(self, work: Work[T]) -> None:
        try:
            with suppress(Terminated):
                perform = work.begin(self._look)
                while (task := self.tasks.get()) is not None:
                    self._post(attempt(perform, task, lambda: self._post((AT_WORK, None))))
        finally:  # however it ends, nobody waits for it
            self._post(ENDED)

    def _post(self, message: Message) -> None:
        self.outbox.put((self, message))

    def _look(self) -> None:
        if self.cancelled.is_set():
            raise Terminated


# --- processes


class ProcessPool(Pool[T]):
    """Spawned processes; one that died is replaced."""

    def spawn(self) -> Worker[T]:
        return ProcessWorker(self.work)

    def messages(self) -> Iterator[tuple[Worker[T], Message]]:
        workers = [worker for worker in self.workers if worker.task and isinstance(worker, ProcessWorker)]
        by_connection: dict[Any, ProcessWorker[T]] = {worker.connection: worker for worker in workers}
        for connection in wait(list(by_connection), timeout=1):
            worker = by_connection[connection]
            yield worker, worker.receive()


class ProcessWorker(Worker[T]):
    """A process at the other end of a pipe."""

    handle: multiprocessing.process.BaseProcess

    def __init__(self, work: Work[T]):
        self.connection, child_end = multiprocessing.Pipe()
        args = (work, child_end, os.getpid())
        self.handle = multiprocessing.get_context("spawn").Process(target=serve, args=args, daemon=True)
        # Ctrl-C reaches the whole process group; workers inherit ignoring it, and the parent alone acts on it.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.handle.start()
        finally:
            signal.signal(signal.SIGINT, before)
        child_end.close()

    def send(self, task: T) -> None:
        with suppress(*PIPE_CLOSED):  # it died: ``receive`` finds out
            self.connection.send(task)

    def receive(self) -> Message:
        try:
            message: Message = self.connection.recv()
            return message
        except (EOFError, OSError):
            self.handle.join()
            return FAILED, f"its worker died with exit code {self.handle.exitcode}"

    def shutdown(self) -> None:
        self.handle.terminate()
        self.connection.close()


def serve(work: Work[Any], connection: Connection, parent: int) -> None:
    """Do the tasks that come through the pipe until its other end is closed, or ``parent``, which has it, is gone."""

    def look() -> None:
        if os.getppid() != parent:
            raise Terminated

    def tell() -> None:
        look()
        connection.send((AT_WORK, None))

    perform = work.begin(look)
    with suppress(EOFError, Terminated, *PIPE_CLOSED):
        while True:
            connection.send(attempt(perform, connection.recv(), tell))
