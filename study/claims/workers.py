"""Units of probes, measured side by side by processes of one thread each, or here where there is one worker.

A process opens the images that this one shares once, measures unit by unit and sends the rows back; who commits them is
the caller. One that dies loses its unit and nothing else, which is then tried once more. A worker whose parent was
killed ends at its next look.
"""

import multiprocessing
import os
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from study.claims.measuring import Context, Measured
from study.claims.registry import Registry
from study.engine import devices
from study.errors import StudyError
from study.runner.outcome import Terminated
from study.spec.claims.experiments import PROBES, Extent
from study.spec.datasets import DatasetSpec

if TYPE_CHECKING:  # torch is imported by those who measure
    from study.data.dataset import Dataset

TRIES = 2
SHUTDOWN_TIMEOUT = 5
"""Seconds that all workers together have to end."""
PIPE_CLOSED = (BrokenPipeError, ConnectionResetError)

Message = tuple[str, Any, float]
"""``rows`` with them, ``failed`` with why, or ``fault`` with the error that ends all; and the seconds that it took."""


class Unit(NamedTuple):
    """A unit of a probe."""

    probe: str
    name: str

    @property
    def key(self) -> str:
        """What it is committed under."""
        return f"{self.probe}/{self.name}"


class Answer(NamedTuple):
    """What became of a unit."""

    unit: Unit
    rows: Sequence[Measured]
    seconds: float
    failure: str | None = None
    """Why it failed for good."""


@dataclass(frozen=True)
class Job:
    """The settings that all units share; pickled to the workers."""

    data: DatasetSpec
    extent: Extent
    studies: Path
    data_dir: Path
    registry: Registry

    def measure(self, unit: Unit, images: "Dataset", check_cancelled: Callable[[], None]) -> list[Measured]:
        """Return the rows of a unit."""
        settings: Mapping[str, Any] = PROBES[unit.probe].settings
        context = Context(self.data, self.extent, images, self.studies, self.data_dir, settings, check_cancelled)
        return [*self.registry[unit.probe].load()(unit.name, context)]


def measure(job: Job, units: Sequence[Unit], images: "Dataset", n_workers: int, folder: Path) -> Generator[Answer]:
    """Yield the answer of each unit as it ends; a StudyError of a probe ends all. The shared images lie in ``folder``
    meanwhile."""
    if min(n_workers, len(units)) < 2:
        return _here(job, units, images)
    return _side_by_side(job, units, images, min(n_workers, len(units)), folder)


def _prepare() -> None:
    """Compute on one thread, as every training does."""
    devices.prepare(devices.numerics_id("cpu", tf32=False))


def _here(job: Job, units: Sequence[Unit], images: "Dataset") -> Generator[Answer]:
    _prepare()
    for unit in units:
        yield _answer(unit, _outcome(job, unit, images, lambda: None))


def _answer(unit: Unit, message: Message) -> Answer:
    """Return what a message says of a unit; raises a fault."""
    kind, value, seconds = message
    if kind == "fault":
        raise value
    return Answer(unit, value, seconds) if kind == "rows" else Answer(unit, [], seconds, value)


def _outcome(job: Job, unit: Unit, images: "Dataset", check_cancelled: Callable[[], None]) -> Message:
    began = time.monotonic()
    try:
        rows = job.measure(unit, images, check_cancelled)
    except PIPE_CLOSED:
        raise
    except (StudyError, OSError) as fault:
        return "fault", fault, 0.0
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}", 0.0
    return "rows", rows, time.monotonic() - began


# --- processes


class Worker:
    """A spawned process at the other end of a pipe, and its task: (unit, number of the attempt), None while idle."""

    def __init__(self, job: Job, images: tuple[str, dict[str, str], Path]):
        self.task: tuple[Unit, int] | None = None
        self.connection, child_end = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(target=_work, args=(job, images, child_end), daemon=True)
        # Ctrl-C reaches the whole process group; workers inherit ignoring it, and the parent alone acts on it.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        child_end.close()

    def submit(self, unit: Unit, attempt: int) -> None:
        self.task = (unit, attempt)
        with suppress(*PIPE_CLOSED):  # it died: ``receive`` finds out
            self.connection.send(unit)

    def receive(self) -> Message:
        try:
            message: Message = self.connection.recv()
            return message
        except (EOFError, OSError):
            self.process.join()
            return "failed", f"its worker died with exit code {self.process.exitcode}", 0.0

    def stop(self) -> None:
        self.process.terminate()
        self.connection.close()


def _side_by_side(
    job: Job, units: Sequence[Unit], images: "Dataset", n_workers: int, folder: Path
) -> Generator[Answer]:
    from study.data import dataset

    with ExitStack() as stack:
        shared = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".data-", dir=folder)))
        dataset.share(images, shared)
        of_images = (images.name, images.sha256, shared)
        workers: list[Worker] = []
        stack.callback(_stop, workers)
        workers += [Worker(job, of_images) for _ in range(n_workers)]
        queue = deque((unit, 1) for unit in units)
        while queue or any(worker.task for worker in workers):
            for index, worker in enumerate(workers):
                if queue and worker.task is None:
                    workers[index] = worker if worker.process.is_alive() else Worker(job, of_images)
                    workers[index].submit(*queue.popleft())
            for worker in _ready(workers):
                yield from _received(worker, queue)


def _ready(workers: Sequence[Worker]) -> list[Worker]:
    """Return the workers that have sent something, after a second at most."""
    by_connection: dict[Any, Worker] = {worker.connection: worker for worker in workers if worker.task}
    return [by_connection[connection] for connection in wait(list(by_connection), timeout=1)]


def _received(worker: Worker, queue: "deque[tuple[Unit, int]]") -> Iterator[Answer]:
    """Yield the answer that a worker has sent; put a unit that is to be tried once more back into the queue."""
    assert worker.task is not None
    (unit, attempt), message = worker.task, worker.receive()
    worker.task = None
    if message[0] == "failed" and attempt < TRIES:
        queue.appendleft((unit, attempt + 1))
    else:
        yield _answer(unit, message)


def _stop(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.stop()
    end = time.monotonic() + SHUTDOWN_TIMEOUT
    for worker in workers:  # one that takes longer is a daemon, and only the parent commits
        worker.process.join(max(0.0, end - time.monotonic()))


def _work(job: Job, images: tuple[str, dict[str, str], Path], connection: Connection) -> None:
    """Measure the units that come through the pipe until its other end is closed."""
    from study.data import dataset

    _prepare()
    opened, parent = dataset.open_shared(*images), os.getppid()

    def check_cancelled() -> None:
        if os.getppid() != parent:
            raise Terminated

    with suppress(EOFError, Terminated, *PIPE_CLOSED):
        while True:
            connection.send(_outcome(job, connection.recv(), opened, check_cancelled))
