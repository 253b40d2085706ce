"""Which runs are missing of a study? Plan, skip what is done, train, commit, evaluate. No numerics."""

import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from study.data.lazy import ImageSource
from study.engine import costs, devices, registry
from study.errors import EnvironmentFault, UsageError
from study.inference.complete import any_statistics, complete_evaluation, shown, trained
from study.runner.execution import Execution
from study.runner.forecast import Forecast, forecast
from study.runner.outcome import INTERRUPTED, STOPS, TERMINATED, Outcome, Terminated
from study.runner.progress import Progress, duration
from study.runner.session import Session, record_timings
from study.spec.analysis_rule import AS_FIXED, AskedRule, fixed_rule
from study.spec.arms import ARMS
from study.spec.cohorts import Cohort, cohorts, missing_runs, shard
from study.spec.design import Design
from study.spec.runs import Run
from study.store import weights
from study.store.study_folder import JOURNAL, Folder


def complete(
    design: Design,
    folder: Folder,
    source: ImageSource,
    execution: Execution,
    progress: Progress,
    command: str,
    notice: str | None = None,
    asked: AskedRule = AS_FIXED,
) -> Outcome:
    """Train what is missing of ``design`` in ``folder`` and report how it ended; returns the outcome.

    ``command`` is recorded in the manifest; ``notice`` says why the data are not those that were asked for; ``asked``
    is what the command names of the rule by which a study is judged.
    """
    with _sole_worker(folder, execution):
        older = agreed_design(folder, design)
        check_rule(folder, asked)
        damaged, done = folder.quarantine(), folder.done(design)
        plan = make_plan(design, done, execution)
        progress.count(design.epochs, len(done), sum(run.applicable for run in design.runs))
        _emit_notices(progress, notice, damaged)
        outcome = Outcome()
        if plan or older != design:
            outcome = Session(design, folder, execution, command, notice, asked).train(plan, source, progress)
        folder.compact()
        folder.touch()
        missing = missing_runs(design, folder.done(design))
        if outcome == Outcome():
            _check_committed(folder, plan, missing)
        if not missing and outcome == Outcome() and execution.inference:
            began = time.monotonic()
            outcome = _evaluate(design, folder, source, execution, progress)
            if plan and outcome == Outcome():
                record_timings(folder, command, {"inference_seconds": time.monotonic() - began})
    _conclude(progress, folder, outcome, not missing, notice if plan else None)
    return outcome


# --- before


def check_free(folder: Folder) -> None:
    """Refuse an archived study, whose parts nobody could restore, and the folder of a tuning that has not ended."""
    folder.check_not_archived()
    if (folder.path / JOURNAL).exists() and not folder.manifest.exists():
        raise UsageError(
            f"{folder.path} holds a tuning that has not ended: python -m study.tune goes on; choose another --study-id."
        )


def check_device(execution: Execution) -> None:
    """Refuse a GPU that is not there before anything is written."""
    if execution.tf32 or execution.device.startswith("cuda"):
        devices.numerics_id(devices.choose(execution.device, of_study=None), execution.tf32)


def agreed_design(folder: Folder, design: Design) -> Design | None:
    """Return the study's design so far, None for a new study; refuses a ``design`` that does not extend it."""
    older = folder.design()
    if older is not None:
        design.check_extends(older)
    return older


def check_rule(folder: Folder, asked: AskedRule) -> None:
    """Refuse another level or margin than the study's."""
    asked.check(folder.path, fixed_rule(folder.read_manifest()), folder.has_runs())


def make_plan(design: Design, done: set[Run], execution: Execution) -> list[Cohort]:
    """Return the cohorts that this command trains: the missing runs of its shard."""
    own = shard(design, *execution.shard)
    missing = [run for run in missing_runs(design, done) if run in own]
    return cohorts(missing, execution.n_workers)


def describe_plan(design: Design, folder: Folder, execution: Execution) -> list[str]:
    """Return runs, done, missing, expected time and memory, a line each; uses no network and writes nothing."""
    agreed_design(folder, design)
    runs, done = design.runs, folder.done(design)
    plan = make_plan(design, done, execution)
    n_workers = min(execution.n_workers, max(1, len(plan)))
    expected = _forecast(design, folder, plan, n_workers, execution)
    impossible = [run for run in runs if not run.applicable]
    reasons = sorted({ARMS[run.arm].reason for run in impossible})
    return [
        f"study    {folder.path} on {design.dataset}, design {design.digest[:12]}",
        f"runs     {len(runs)} planned, {len(done)} done, {len(runs) - len(impossible) - len(done)} missing"
        + (f", {len(impossible)} not applicable ({', '.join(reasons)})" if impossible else ""),
        f"now      {sum(len(cohort.runs) for cohort in plan)} runs in {len(plan)} cohorts on {n_workers} workers",
        f"time     about {duration(expected.seconds)} on the CPU, by {expected.source}",
        f"memory   about {expected.memory / 1e9:.1f} GB",
    ]


def _forecast(design: Design, folder: Folder, plan: Sequence[Cohort], n_workers: int, execution: Execution) -> Forecast:
    """Return the forecast by the engine that will most likely train."""
    manifest = folder.read_manifest()
    began_with = manifest and manifest["device"].get("engine")
    model: costs.CostModel = registry.likely_costs(execution.engine, design, execution.device, began_with)
    return forecast(model, design, plan, n_workers, folder.path.parent, execution.inference)


@contextmanager
def _sole_worker(folder: Folder, execution: Execution) -> Iterator[None]:
    """Hold the lock of this shard (a whole study is shard 1 of 1); refused while one of another division is locked."""
    folder.prepare()
    own, division = folder.path / f".lock{execution.shard_suffix}", f"-of-{execution.shard[1]}"
    with ExitStack() as stack:
        with folder.lock():  # testing a lock takes it for a moment: one process tests at a time
            held = [path for path in folder.path.glob(".lock-*") if _is_held(path)]
            if own in held or not all(path.name.endswith(division) for path in held):
                raise EnvironmentFault(
                    f"another process is at work on {folder.path}; wait for it, or choose another --study-id."
                )
            stack.enter_context(FileLock(own, timeout=0))
            if not held:
                folder.clear()
        yield


def _is_held(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _emit_notices(progress: Progress, notice: str | None, damaged: Sequence[Path]) -> None:
    if notice:
        frame = "!" * 72
        progress.emit("notice", f"{frame}\n{notice}\n{frame}", sys.stderr)
    for path in damaged:
        progress.emit(
            "quarantine", f"{path.name} was damaged: it is kept in {path.parent}, its runs train again", sys.stderr
        )


# --- after


def _check_committed(folder: Folder, plan: list[Cohort], missing: Sequence[Run]) -> None:
    """Refuse to end well where runs that this command committed have been removed since."""
    lost = {run for cohort in plan for run in cohort.runs}.intersection(missing)
    if lost:
        raise EnvironmentFault(
            f"{len(lost)} runs that were committed are no longer in {folder.parts}; the same command trains them again."
        )


def _evaluate(design: Design, folder: Folder, source: ImageSource, execution: Execution, progress: Progress) -> Outcome:
    """Evaluate the networks that were kept on the clean test images: in the main ways, at a shown cell in all."""
    candidates, say = trained(folder, design), partial(progress.emit, "ablation")
    runs = [run for run in candidates if weights.path_of(folder.path, design.run_id(run)).exists()]
    if len(runs) < len(candidates):
        text = f"{len(candidates) - len(runs)} of {len(candidates)} networks were not kept; inference modes do without"
        progress.emit("notice", text, sys.stderr)
    if not any_statistics(runs):
        return Outcome()
    try:
        complete_evaluation(folder, design, runs, source, "cpu", shown(folder, design, runs), execution.n_workers, say)
    except KeyboardInterrupt:
        return Outcome(stopped=INTERRUPTED)
    except Terminated:
        return Outcome(stopped=TERMINATED)
    return Outcome()


def _conclude(progress: Progress, folder: Folder, outcome: Outcome, whole: bool, notice: str | None) -> None:
    """Emit how the command ended and what to do next."""
    if outcome.stopped is not None:
        why = STOPS[outcome.stopped]
        progress.emit("stopped", f"{why}: {folder.path} keeps what is done; the same command goes on", sys.stderr)
        return
    if outcome.failures:
        progress.emit("failed", f"{outcome.failures} cohorts failed; the same command tries them again", sys.stderr)
        return
    if notice:
        progress.emit("notice", notice, sys.stderr)
    if whole:
        path = shlex.quote(str(folder.path))
        progress.emit("done", f"{folder.path} is complete. Next: python -m analysis.report {path}")
    else:
        progress.emit("shard", f"this shard is done; {folder.path} waits for the others")
