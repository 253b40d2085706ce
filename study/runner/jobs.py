"""Training of cohorts in this process, each committed when it ends; ``worker_pool`` has several do so at once."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from study.engine import costs, devices, registry
from study.engine.machine import memory_left
from study.errors import EnvironmentFault, StudyError
from study.runner.outcome import OutOfTime
from study.runner.pool import describe_error
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.store import study_folder, weights
from study.store.schemas import part_table

if TYPE_CHECKING:  # torch is imported by those who train
    from study.data.dataset import Dataset
    from study.engine.lockstep.training import TrainerFactory
    from study.spec.history import History


class Report(Protocol):
    """Receiver of the events of training."""

    def epoch(self, cohort: Cohort) -> None: ...

    def committed(self, cohort: Cohort, seconds: float, result: Any) -> None:
        """``result`` is what the job's ``commit`` returned."""
        ...

    def failed(self, cohort: Cohort, reason: str, last: bool) -> None: ...


@dataclass(frozen=True)
class Job:
    """Settings that every cohort of a command shares, and what is done with a trained one; pickled to the workers."""

    design: Design
    study: Path
    device: str
    engine: str
    data_name: str
    data_sha256: dict[str, str]
    shared_data: Path
    """The folder through which worker processes share the images."""
    deadline: float | None = None
    """The ``time.monotonic()`` at which to stop."""
    stop_on_error: bool = False
    environment: str | None = None
    """The digest of the environment, as the rows of parts name it."""
    networks: bool = True
    """Whether trained networks are kept."""

    def commit(self, cohort: Cohort, history: "History", data: "Dataset") -> Any:
        """Commit a trained cohort to the study: the networks before the part, which makes them done."""
        unit = study_folder.unit_id(self.design, cohort, data.digest, self.engine)
        kept = weights.write(self.study, self.design, unit, cohort.runs, history) if self.networks else []
        by_whom = {"engine": self.engine, "environment": self.environment}
        places = (kept[i] if kept else None for i in range(len(cohort.runs)))
        made_by = [by_whom | (place.to_dict() if place else {}) for place in places]
        study_folder.Folder(self.study).commit(unit, part_table(self.design, cohort.runs, history, made_by))

    def check_time(self) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise OutOfTime


def train_here(job: Job, cohorts: Sequence[Cohort], data: "Dataset", report: Report, concurrency: int = 1) -> int:
    """Train and commit in this process; returns the number of cohorts that failed.

    ``concurrency`` of them train side by side, which a GPU needs to be busy; half as many whenever its memory is full.
    """
    import torch

    devices.prepare(job.engine)
    make = registry.trainer_factory(job.engine)
    remaining, failures = list(cohorts), 0
    while remaining:
        job.check_time()
        group = remaining[:concurrency]
        try:
            seconds, results = train_and_commit(job, group, data, make, partial(_on_epoch, job, group, report))
            for cohort, result in zip(group, results, strict=True):
                report.committed(cohort, seconds / len(group), result)
        except (StudyError, OSError):
            raise
        except torch.OutOfMemoryError as error:
            if len(group) == 1:
                raise EnvironmentFault(_describe_full_memory(job, group[0], error)) from None
            concurrency = len(group) // 2
            torch.cuda.empty_cache()
            continue
        except torch.AcceleratorError as error:
            raise EnvironmentFault(
                f"{job.device} failed: {_first_line(error)}. Finished runs are saved; repeat the command to continue."
            ) from None
        except Exception as error:
            failures += len(group)
            for cohort in group:
                report.failed(cohort, describe_error(error), last=True)
            if job.stop_on_error:
                break
        remaining = remaining[len(group) :]
    return failures


def _on_epoch(job: Job, cohorts: Sequence[Cohort], report: Report) -> None:
    for cohort in cohorts:
        report.epoch(cohort)
    job.check_time()


def _describe_full_memory(job: Job, cohort: Cohort, error: Exception) -> str:
    need, free = costs.cohort_bytes(job.design, cohort), memory_left(job.device)
    return (
        f"{job.device} has {(free or 0) / 1e9:.1f} GB left and {len(cohort.runs)} runs need about {need / 1e9:.1f} GB"
        f" ({_first_line(error)}). Free some, or choose a smaller --batch-sizes or --hidden."
    )


def train_and_commit(
    job: Job, cohorts: Sequence[Cohort], data: "Dataset", make: "TrainerFactory", on_epoch: Callable[[], None]
) -> tuple[float, list[Any]]:
    """Return the seconds that it took, and what committing each cohort returned."""
    from study.engine.lockstep.training import train_together

    began = time.monotonic()
    histories = train_together(job.design, cohorts, data, on_epoch, make)
    results = [job.commit(cohort, history, data) for cohort, history in zip(cohorts, histories, strict=True)]
    return time.monotonic() - began, results


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
