"""Workers that train side by side, each one cohort after another.

Under torch's engine a worker is a process of one thread: between its many small operations threads would wait for the
GIL, and an operation's bits may depend on its number of threads. The native kernel trains without the GIL, in calls of
some milliseconds: its workers are threads of this process, which share torch and the images and start at once.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from study.data import dataset
from study.data.dataset import Dataset
from study.engine import costs, devices, registry
from study.runner.jobs import Job, Report, train_and_commit
from study.runner.pool import AT_WORK, FAILED, Look, Message, Pool, ProcessPool, ThreadPool
from study.spec.cohorts import Cohort


def train(job: Job, cohorts: Sequence[Cohort], n_workers: int, data: Dataset, report: Report) -> int:
    """Train and commit ``cohorts`` by ``n_workers``; returns the number of those that failed for good."""
    with worker_pool(job, min(n_workers, len(cohorts)), data) as pool:
        return pool.train(cohorts, report)


@contextmanager
def worker_pool(job: Job, n_workers: int, data: Dataset) -> Iterator["WorkerPool"]:
    """Hold workers of the kind that the job's engine needs: threads, or processes, which open shared images."""
    if costs.for_engine(job.engine).in_threads:
        pool: Pool[Cohort] = ThreadPool(Training(job, lambda: data), n_workers)
    else:
        dataset.share(data, job.shared_data)
        pool = ProcessPool(Training.on_shared(job), n_workers)
    with pool:
        yield WorkerPool(job, pool)


@dataclass(frozen=True)
class WorkerPool:
    """Workers on the cohorts of one job."""

    job: Job
    pool: Pool[Cohort]

    def train(self, cohorts: Sequence[Cohort], report: Report) -> int:
        """Train and commit ``cohorts``; returns the number of those that failed for good."""
        failed: list[Cohort] = []

        def goes_on() -> bool:
            if failed and self.job.stop_on_error:
                return False
            self.job.check_time()
            return True

        for cohort, kind, value, last in self.pool.run(cohorts, goes_on):
            if kind == AT_WORK:
                report.epoch(cohort)
            elif kind == FAILED:
                report.failed(cohort, value, last)
                failed += [cohort] if last else []
            else:
                report.committed(cohort, *value)
        return len(failed)


@dataclass(frozen=True)
class Training:
    """What a worker does with cohorts."""

    job: Job
    open: Callable[[], Dataset]

    @classmethod
    def on_shared(cls, job: Job) -> "Training":
        """Return the training of a process, on the images that another has shared."""
        return cls(job, partial(dataset.open_shared, job.data_name, job.data_sha256, job.shared_data))

    def begin(self, look: Look) -> Callable[[Cohort, Look], Message]:
        """Return the function that trains and commits a cohort; the result: seconds, and what committing returned."""
        devices.prepare(self.job.engine)
        data, make = self.open(), registry.trainer_factory(self.job.engine, look)

        def train(cohort: Cohort, on_epoch: Look) -> Message:
            seconds, (result,) = train_and_commit(self.job, [cohort], data, make, on_epoch)
            return "committed", (seconds, result)

        return train
