import os
import threading
import time
from dataclasses import fields, replace
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
import torch

from study.data import dataset
from study.data.images import DenseImages
from study.engine import devices, registry
from study.engine.kernel.training import Training as KernelTraining
from study.engine.lockstep import training
from study.errors import EnvironmentFault
from study.runner import jobs, pool, worker_pool
from study.runner.outcome import OutOfTime
from study.spec.cohorts import Cohort, cohorts, missing_runs
from study.spec.design import Design
from study.store import weights
from study.store.study_folder import Folder
from tests.study.values import cohort_of

DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01,), seeds=(0, 1), epochs=1)


class Told:
    """A report that remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []

    def epoch(self, cohort: Cohort) -> None:
        self.events.append(("epoch", cohort.batch_size))

    def committed(self, cohort: Cohort, seconds: float, result: object) -> None:
        assert seconds > 0
        self.events.append(("committed", cohort.batch_size))

    def failed(self, cohort: Cohort, reason: str, last: bool) -> None:
        self.events.append(("given up" if last else "failed", cohort.batch_size))


@pytest.fixture
def job(tmp_path: Path, digits: dataset.Dataset) -> jobs.Job:
    Folder(tmp_path / "s").prepare()
    (tmp_path / "shared").mkdir()
    engine = devices.numerics_id("cpu", tf32=False)
    return jobs.Job(DESIGN, tmp_path / "s", "cpu", engine, "digits", digits.sha256, tmp_path / "shared")


@pytest.mark.parametrize("engine", ["torch-2/cpu/float32", registry.KERNEL])
def test_training_here_and_by_a_team_commits_the_same_parts(
    engine: str, job: jobs.Job, tmp_path: Path, digits: dataset.Dataset
) -> None:
    """Of processes, or of threads."""
    job = replace(job, engine=engine)
    plan = cohorts(missing_runs(DESIGN, ()))
    here, there = Told(), Told()
    assert jobs.train_here(job, plan, digits, here) == 0
    names = {path.name: path.read_bytes() for path in (tmp_path / "s" / "parts").iterdir()}
    for path in (tmp_path / "s" / "parts").iterdir():
        path.unlink()
    assert worker_pool.train(job, plan, 2, digits, there) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "s" / "parts").iterdir()} == names
    assert sorted(here.events) == sorted(there.events)
    assert len(names) == len(plan)


class Trying(jobs.Job):
    """Commits what a product below the normal numbers is where a cohort was trained."""

    def commit(self, *trained: object) -> float:
        return float(torch.tensor(2.0**-100) * 2.0**-40)


class Results(Told):
    def committed(self, cohort: Cohort, seconds: float, result: object) -> None:
        self.events.append((str(result), cohort.batch_size))


class OneCohort:
    """The end of a pipe that a worker has: a cohort, and nobody there after it."""

    def __init__(self, cohort: Cohort):
        self.left, self.said = [cohort], list[tuple[str, Any]]()

    def recv(self) -> Cohort:
        if not self.left:
            raise EOFError
        return self.left.pop()

    def send(self, message: tuple[str, Any]) -> None:
        self.said.append(message)


@pytest.mark.parametrize("where", ["here", "in a process", "in a thread"])
def test_wherever_a_cohort_is_trained_denormals_are_flushed(where: str, job: jobs.Job, digits: dataset.Dataset) -> None:
    engine = registry.KERNEL if where == "in a thread" else job.engine
    trying = Trying(**{field.name: getattr(job, field.name) for field in fields(job)} | {"engine": engine})
    (cohort, *_), told = cohorts(missing_runs(DESIGN, ())), Results()
    torch.set_flush_denormal(False)
    try:
        assert trying.commit() > 0
        if where == "in a process":
            dataset.share(digits, trying.shared_data)
            pipe = OneCohort(cohort)
            pool.serve(worker_pool.Training.on_shared(trying), pipe, os.getppid())  # type: ignore[arg-type]
            assert [(kind, result) for kind, (_, result) in pipe.said[-1:]] == [("committed", 0.0)]
        else:
            train = jobs.train_here if where == "here" else partial(worker_pool.train, n_workers=1)
            assert train(trying, [cohort], data=digits, report=told) == 0
            assert told.events[-1] == ("0.0", cohort.batch_size)
    finally:
        torch.set_flush_denormal(True)


def test_a_worker_with_an_environment_fault_ends_the_study(
    job: jobs.Job, tmp_path: Path, digits: dataset.Dataset
) -> None:
    (tmp_path / "s" / "parts").rmdir()
    (tmp_path / "s" / "parts").write_text("a file where the parts should go")
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        worker_pool.train(job, cohorts(missing_runs(DESIGN, ())), 2, digits, Told())


def test_threads_end_between_two_calls_of_the_kernel(
    job: jobs.Job, tmp_path: Path, digits: dataset.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In epochs without an end, of which nothing is committed."""
    pieces = KernelTraining.pieces
    monkeypatch.setattr(
        KernelTraining, "pieces", lambda self, epoch: chain.from_iterable(pieces(self, e) for e in repeat(epoch))
    )
    end, before = time.monotonic() + 0.5, set(threading.enumerate())
    job = replace(job, engine=registry.KERNEL, deadline=end)
    with pytest.raises(OutOfTime):
        worker_pool.train(job, cohorts(missing_runs(DESIGN, ())), 2, digits, Told())
    assert set(threading.enumerate()) == before
    assert time.monotonic() - end < 3
    assert not list((tmp_path / "s" / "parts").iterdir())


def test_faults_of_two_threads_at_once_are_one_error_and_no_traceback(
    job: jobs.Job, digits: dataset.Dataset, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The second finds nobody to tell it to."""
    both = threading.Barrier(2)

    def full(*_: object) -> None:
        both.wait(60)
        raise EnvironmentFault("the disk is full")

    monkeypatch.setattr(weights, "write", full)
    before = set(threading.enumerate())
    with pytest.raises(EnvironmentFault, match="the disk is full"):
        worker_pool.train(replace(job, engine=registry.KERNEL), cohorts(missing_runs(DESIGN, ())), 2, digits, Told())
    assert set(threading.enumerate()) == before
    assert capfd.readouterr().err == ""


def with_three_features(digits: dataset.Dataset) -> dataset.Dataset:
    """Images that no network of the design can take."""
    images = digits.train.images[:, :3]
    return dataset.Dataset("digits", dataset.Split(images, digits.train.labels, DenseImages(images)), digits.test, {})


def test_a_cohort_that_always_fails_is_given_up_after_two_tries(job: jobs.Job, digits: dataset.Dataset) -> None:
    wrong = with_three_features(digits)
    told = Told()
    assert worker_pool.train(job, cohorts(missing_runs(DESIGN, ()))[:1], 1, wrong, told) == 1
    assert [event for event, _ in told.events] == ["failed", "given up"]


def test_on_error_stop_leaves_the_rest(job: jobs.Job, digits: dataset.Dataset) -> None:
    stopping = replace(job, stop_on_error=True)
    wrong = with_three_features(digits)
    told = Told()
    assert jobs.train_here(stopping, cohorts(missing_runs(DESIGN, ())), wrong, told) == 1
    assert told.events == [("given up", 32)]


def test_a_full_gpu_gets_half_as_many_cohorts_at_once(
    job: jobs.Job, tmp_path: Path, digits: dataset.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = [cohort_of(32, ("bn", "no_bn"), (0.01,), (seed,)) for seed in range(5)]
    whole, asked = training.train_together, []

    def two_at_most(design, cohorts, *rest):
        asked.append(len(cohorts))
        if len(cohorts) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return whole(design, cohorts, *rest)

    monkeypatch.setattr(training, "train_together", two_at_most)
    told = Told()
    assert jobs.train_here(job, plan, digits, told, concurrency=5) == 0
    assert asked == [5, 2, 2, 1]
    assert [event for event, _ in told.events].count("committed") == 5
    together = {path.name for path in (tmp_path / "s" / "parts").iterdir()}
    jobs.train_here(job, plan, digits, Told())
    assert {path.name for path in (tmp_path / "s" / "parts").iterdir()} == together


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), r"GB left and 2 runs need about 0\.0 GB \(CUDA out of memory\)"),
        (
            torch.AcceleratorError("CUDA error: unspecified launch failure\nlong advice"),
            r"cpu failed: CUDA error: unspec",
        ),
    ],
)
def test_a_gpu_without_room_or_that_vanishes_ends_the_study_with_what_is_committed(
    error: Exception, said: str, job: jobs.Job, tmp_path: Path, digits: dataset.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = training.train_together, []

    def fail_the_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise error
        return whole(*arguments)

    monkeypatch.setattr(training, "train_together", fail_the_second)
    plan = [cohort_of(32, ("bn", "no_bn"), (0.01,), (seed,)) for seed in range(3)]
    with pytest.raises(EnvironmentFault, match=said):
        jobs.train_here(job, plan, digits, Told())
    assert len(list((tmp_path / "s" / "parts").iterdir())) == 1
