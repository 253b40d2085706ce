"""Units of probes, measured side by side by processes of one thread each, or here where there is one worker.

A process opens the images that this one shares once, measures unit by unit and sends the rows back; who commits them is
the caller.
"""

import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from study.claims.measuring import Context, Measured
from study.claims.registry import Registry
from study.engine import devices
from study.runner.pool import FAILED, FAULT, Look, Message, ProcessPool, attempt
from study.spec.claims.experiments import PROBES, Extent
from study.spec.datasets import DatasetSpec

if TYPE_CHECKING:  # torch is imported by those who measure
    from study.data.dataset import Dataset


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
    registry: Registry

    def measure(self, unit: Unit, images: "Dataset", check_cancelled: Callable[[], None]) -> list[Measured]:
        """Return the rows of a unit."""
        settings: Mapping[str, Any] = PROBES[unit.probe].settings
        context = Context(self.data, self.extent, images, self.studies, settings, check_cancelled)
        return [*self.registry[unit.probe].load()(unit.name, context)]


def measure(job: Job, units: Sequence[Unit], images: "Dataset", n_workers: int, folder: Path) -> Generator[Answer]:
    """Yield the answer of each unit as it ends; a StudyError of a probe ends all. The shared images lie in ``folder``
    meanwhile."""
    if min(n_workers, len(units)) < 2:
        return _here(job, units, images)
    return _side_by_side(job, units, images, min(n_workers, len(units)), folder)


@dataclass(frozen=True)
class Measuring:
    """What a worker does with units: on one thread, as every training does."""

    job: Job
    open: Callable[[], "Dataset"]

    def begin(self, look: Look) -> Callable[[Unit, Look], Message]:
        """Return the function that measures a unit; the result: the seconds that it took, and the rows."""
        devices.prepare(devices.numerics_id("cpu", tf32=False))
        images = self.open()

        def measure(unit: Unit, _: Look) -> Message:
            began = time.monotonic()
            rows = self.job.measure(unit, images, look)
            return "measured", (time.monotonic() - began, rows)

        return measure


def _here(job: Job, units: Sequence[Unit], images: "Dataset") -> Generator[Answer]:
    perform = Measuring(job, lambda: images).begin(lambda: None)
    for unit in units:
        kind, value = attempt(perform, unit)
        if kind == FAULT:
            raise value
        yield _answer(unit, kind, value)


def _side_by_side(
    job: Job, units: Sequence[Unit], images: "Dataset", n_workers: int, folder: Path
) -> Generator[Answer]:
    from study.data import dataset

    with tempfile.TemporaryDirectory(prefix=".data-", dir=folder) as shared:
        dataset.share(images, Path(shared))
        work = Measuring(job, partial(dataset.open_shared, images.name, images.sha256, Path(shared)))
        with ProcessPool(work, n_workers) as pool:
            yield from (_answer(unit, kind, value) for unit, kind, value, last in pool.run(units) if last)


def _answer(unit: Unit, kind: str, value: Any) -> Answer:
    if kind == FAILED:
        return Answer(unit, [], 0.0, value)
    seconds, rows = value
    return Answer(unit, rows, seconds)
