"""python -m study.run: plan, skip what is done, train, commit. No numerics.

The story is in ``run``; everything above it is a chapter.
"""

import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from study import forecast, provenance, sources, workers
from study.design import Design, Run
from study.errors import EnvironmentFault, StudyError, UsageError
from study.options import Options, parse
from study.plan import Cohort, cohorts, missing_runs, shard
from study.progress import Progress, duration
from study.records import SCHEMA_VERSION, Folder

SOME_FAILED, OUT_OF_TIME, INTERRUPTED, TERMINATED = 1, 75, 130, 143
STOPS = {OUT_OF_TIME: "--max-time is over", INTERRUPTED: "interrupted", TERMINATED: "terminated"}


def run(options: Options, argv: Sequence[str]) -> int:
    """Make the study that ``options`` ask for complete; returns the exit code."""
    name, notice = _dataset(options)
    design = options.design(name)
    folder = Folder(options.out / (options.study_id or name))
    if options.dry_run:
        return _show_plan(options, design, folder, notice)
    with _sole_worker(folder, options.shard_of):
        older = _agree_with_manifest(folder, design)
        done = folder.done(design)
        plan = _plan(options, design, done)
        progress = _progress(options, design, len(done))
        _say_first(progress, folder, notice)
        outcome = _Outcome()
        if plan or older is None:
            session = _Session(options, argv, design, folder, older, notice)
            outcome = session.train(plan, progress)
        complete = not missing_runs(design, folder.done(design))
        if plan or not (folder.path / "records.parquet").exists():
            folder.compact(design, folder.path.name)
    return _conclude(progress, folder, outcome, complete, notice if plan else None)


@dataclass
class _Outcome:
    """How the training ended: cohorts that failed for good, the exit code of an early stop."""

    failures: int = 0
    stopped: int | None = None


# --- before


def _dataset(options: Options) -> tuple[str, str | None]:
    """The data set's name and, if it is a substitute, the notice; a dry run asks no network."""
    mnist_is_here = sources.SOURCES["mnist"].present(options.data_dir)
    if options.dry_run and options.dataset == "auto" and not mnist_is_here:
        return "mnist", f"MNIST is not in {options.data_dir}: it would be downloaded, or digits taken instead."
    return sources.choose(options.dataset, options.data_dir)


def _agree_with_manifest(folder: Folder, design: Design) -> dict[str, Any] | None:
    """The study's manifest if there is one; refuses a design that does not extend the study's."""
    manifest = folder.read_manifest()
    if manifest is not None:
        design.check_extends(Design.from_dict(manifest["design"]))
    return manifest


def _show_plan(options: Options, design: Design, folder: Folder, notice: str | None) -> int:
    """Runs, done, missing, expected time and memory; touches nothing."""
    _agree_with_manifest(folder, design)
    runs, done = design.runs, folder.done(design)
    plan = _plan(options, design, done)
    n_workers = min(_workers(options), max(1, len(plan)))
    rate, source = forecast.expected_rate(design, options.out)
    impossible = sum(not run.applicable for run in runs)
    lines = [
        *([notice] if notice else []),
        f"study    {folder.path} on {design.dataset}, design {design.digest[:12]}",
        f"runs     {len(runs)} planned, {len(done)} done, {len(runs) - impossible - len(done)} missing"
        + (f", {impossible} not applicable (batch norm on batches of one)" if impossible else ""),
        f"now      {sum(len(cohort.runs) for cohort in plan)} runs in {len(plan)} cohorts on {n_workers} workers",
        f"time     about {duration(forecast.seconds(design, plan, n_workers, rate))} on the CPU, by {source}",
        f"memory   about {forecast.memory(design, plan, n_workers) / 1e9:.1f} GB",
    ]
    print("\n".join(lines))
    return 0


@contextmanager
def _sole_worker(folder: Folder, shard: tuple[int, int]) -> Iterator[None]:
    """Hold the study's lock (a shard its own); another process that holds it is an EnvironmentFault."""
    folder.check_own_tables()
    try:
        folder.prepare()
    except OSError as error:
        raise EnvironmentFault(f"{folder.path} cannot be made: {error.strerror}; choose another --out.") from None
    name = ".lock" if shard == (1, 1) else f".lock-{shard[0]}-of-{shard[1]}"
    lock = FileLock(folder.path / name, timeout=0)
    try:
        with lock:
            yield
    except Timeout:
        raise EnvironmentFault(
            f"another process is at work on {folder.path}; wait for it, or choose another --study-id."
        ) from None


def _workers(options: Options) -> int:
    return options.workers or cores()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _plan(options: Options, design: Design, done: set[Run]) -> list[Cohort]:
    """What this command trains: what is missing, of its shard."""
    own = shard(design, *options.shard_of)
    missing = [run for run in missing_runs(design, done) if run in own]
    return cohorts(missing, _workers(options))


def _progress(options: Options, design: Design, n_done: int) -> Progress:
    n_runs = sum(run.applicable for run in design.runs)
    return Progress(partial(forecast.work, design), design.epochs, n_done, n_runs, options.log_format, options.quiet)


def _say_first(progress: Progress, folder: Folder, notice: str | None) -> None:
    if notice:
        frame = "!" * 72
        progress.say("notice", f"{frame}\n{notice}\n{frame}", file=sys.stderr)
    for name in folder.quarantined:
        progress.say("quarantine", f"{folder.path / 'quarantine' / name} was damaged and is set aside", sys.stderr)


# --- training


@dataclass
class _Session:
    """One command at work on a study: loads the data, writes the manifest, trains the plan."""

    options: Options
    argv: Sequence[str]
    design: Design
    folder: Folder
    older: dict[str, Any] | None
    notice: str | None

    def train(self, plan: list[Cohort], progress: Progress) -> _Outcome:
        from study import data as data_module

        device = _device(self.options.device)
        data = data_module.load(self.design.dataset, self.options.data_dir)
        _check_same_data(self.folder, self.older, data.sha256)
        n_workers = self._n_workers(plan, device)
        manifest = self._manifest(data, device, n_workers)
        self.folder.write_manifest(manifest)
        began = time.monotonic()
        progress.start(plan)
        outcome = self._train_stoppably(plan, data, device, n_workers, progress)
        progress.close()
        manifest["timings"] = {"training_seconds": round(time.monotonic() - began, 3)}
        if progress.worker_seconds:
            manifest["timings"]["flop_per_second_and_worker"] = progress.worked / progress.worker_seconds
        self.folder.write_manifest(manifest)
        return outcome

    def _n_workers(self, plan: list[Cohort], device: str) -> int:
        """One for a GPU, and for so little that starting processes takes longer than the work."""
        rate, _ = forecast.expected_rate(self.design, self.options.out)
        little = forecast.seconds(self.design, plan, 1, rate) < 2 * forecast.START_SECONDS
        return 1 if device != "cpu" or little else min(_workers(self.options), len(plan))

    def _train_stoppably(
        self, plan: list[Cohort], data: Any, device: str, n_workers: int, progress: Progress
    ) -> _Outcome:
        try:
            with tempfile.TemporaryDirectory(prefix=".data-", dir=self.folder.path) as shared:
                job = self._job(data, device, Path(shared))
                if n_workers == 1:
                    return _Outcome(workers.train_here(job, plan, data.to(device), progress))
                return _Outcome(workers.train_in_processes(job, plan, n_workers, data, progress))
        except workers.OutOfTime:
            return _Outcome(stopped=OUT_OF_TIME)
        except KeyboardInterrupt:
            return _Outcome(stopped=INTERRUPTED)
        except _Terminated:
            return _Outcome(stopped=TERMINATED)

    def _job(self, data: Any, device: str, shared: Path) -> workers.Job:
        limit = self.options.seconds
        return workers.Job(
            design=self.design,
            folder=self.folder.path,
            device=device,
            data_name=data.name,
            data_sha256=data.sha256,
            shared_data=shared,
            deadline=None if limit is None else time.monotonic() + limit,
            stop_on_error=self.options.on_error == "stop",
        )

    def _manifest(self, data: Any, device: str, n_workers: int) -> dict[str, Any]:
        """The manifest of this command; what it says of earlier commands moves to ``earlier``."""
        session = ("argv", "versions", "git", "device", "timings")
        older = self.older
        return {
            "schema_version": SCHEMA_VERSION,
            "study_id": self.folder.path.name,
            "design": self.design.to_dict(),
            "digest": self.design.digest,
            "data": {"name": data.name, "sha256": data.sha256, "notice": self.notice},
            "argv": shlex.join(["python", "-m", "study.run", *self.argv]),
            "versions": provenance.versions(),
            "git": provenance.git(),
            "device": {"kind": device, "name": _device_name(device), "workers": n_workers},
            "timings": {},
            "earlier": [] if older is None else [*older["earlier"], {key: older[key] for key in session}],
        }


def _device(asked: str) -> str:
    """``cpu``, ``cuda`` or ``cuda:1``; an EnvironmentFault where the GPU asked for is not there."""
    import torch

    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        return "cuda" if n_devices else "cpu"
    if asked != "cpu" and int(asked.partition(":")[2] or 0) >= n_devices:
        raise EnvironmentFault(
            f"--device {asked}: torch sees {n_devices} CUDA devices here; use --device cpu, or auto."
        )
    return asked


def _device_name(device: str) -> str:
    import torch

    return forecast.processor() if device == "cpu" else torch.cuda.get_device_name(device)


def _check_same_data(folder: Folder, older: dict[str, Any] | None, sha256: dict[str, str]) -> None:
    if older is not None and older["data"]["sha256"] != sha256:
        raise UsageError(
            f"{folder.path} was made from data with the sha256 {older['data']['sha256']}, --data-dir holds"
            f" {sha256}; name the folder with the study's data, or choose another --study-id."
        )


# --- after


def _conclude(progress: Progress, folder: Folder, outcome: _Outcome, complete: bool, notice: str | None) -> int:
    """Say where the study stands; returns the exit code."""
    if outcome.stopped is not None:
        why = STOPS[outcome.stopped]
        progress.say("stopped", f"{why}: {folder.path} keeps what is done; the same command goes on", sys.stderr)
        return outcome.stopped
    if outcome.failures:
        progress.say("failed", f"{outcome.failures} cohorts failed; the same command tries them again", sys.stderr)
        return SOME_FAILED
    if notice:
        progress.say("notice", notice, sys.stderr)
    if complete:
        progress.say("done", f"{folder.path} is complete. Next: python -m analysis.report {folder.path}")
    else:
        progress.say("shard", f"this shard is done; {folder.path} waits for the others")
    return 0


class _Terminated(BaseException):
    """SIGTERM; like KeyboardInterrupt, no error."""


def _terminate(signum: int, frame: object) -> None:
    raise _Terminated


def main(argv: Sequence[str] | None = None) -> int:
    """The command; every error is one sentence on stderr."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        return run(parse(arguments), arguments)
    except StudyError as error:
        print(f"study.run: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except _Terminated:
        return TERMINATED
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
