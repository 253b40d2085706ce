"""Which runs are missing of a study? Skip what is done, train, commit, evaluate, say what came out. No numerics."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from study.data import download
from study.data.lazy import ImageSource
from study.errors import EnvironmentFault
from study.inference.complete import any_statistics, complete_evaluation, shown, trained, without_networks
from study.runner import summary
from study.runner.execution import Execution
from study.runner.outcome import INTERRUPTED, STOPS, TERMINATED, Outcome, Terminated, saved
from study.runner.plan import agreed_design, check_rule, make_plan
from study.runner.progress import Progress
from study.runner.session import Session, record_timings
from study.spec import commands
from study.spec.analysis_rule import AS_FIXED, AskedRule
from study.spec.checks import counted
from study.spec.cohorts import Cohort, missing_runs
from study.spec.commands import shown_path
from study.spec.design import Design
from study.spec.runs import Run
from study.store import weights
from study.store.study_folder import Folder


@dataclass(frozen=True)
class Ended:
    """The end of a command's work on a study."""

    design: Design
    outcome: Outcome
    whole: bool
    """Whether no run is missing, of whatever shard."""
    notice: str | None
    """Why the data of what was trained are not those that were asked for."""


def carry_out(
    design: Design,
    folder: Folder,
    source: ImageSource,
    execution: Execution,
    progress: Progress,
    command: str,
    notice: str | None = None,
    asked: AskedRule = AS_FIXED,
) -> Ended:
    """Train and evaluate what is missing of ``design`` in ``folder``; returns how it ended, for ``conclude`` to say.

    ``command`` is recorded in the manifest; ``notice`` says why the data are not those that were asked for; ``asked``
    is what the command names of the rule by which a study is judged.
    """
    try:
        with _sole_worker(folder, execution):
            older = agreed_design(folder, design)
            check_rule(folder, asked)
            damaged, done = folder.quarantine(), folder.done(design)
            plan = make_plan(design, done, execution)
            progress.count(design.epochs, len(done), sum(run.applicable for run in design.runs))
            _emit_damaged(progress, damaged)
            outcome = Outcome()
            if plan or older != design:
                outcome = Session(design, folder, execution, command, notice, asked).train(plan, source, progress)
            folder.compact()
            _keep_labels(folder, source)
            folder.touch()
            missing = missing_runs(design, folder.done(design))
            if outcome == Outcome():
                _check_committed(folder, plan, missing)
            if not missing and outcome == Outcome() and execution.inference:
                began = time.monotonic()
                outcome = _evaluate(design, folder, source, execution, progress)
                if plan and outcome == Outcome():
                    record_timings(folder, command, {"inference_seconds": time.monotonic() - began})
    finally:
        progress.close()
    return Ended(design, outcome, not missing, notice if plan else None)


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
                    f"another process is at work on {shown_path(folder.path)}. Wait for it, or choose another"
                    " --study-id."
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


def _emit_damaged(progress: Progress, damaged: Sequence[Path]) -> None:
    for path in damaged:
        text = f"{path.name} was damaged and moved to {shown_path(path.parent)}; its runs train again"
        progress.emit("quarantine", f"Warning: {text}", sys.stderr)


def _check_committed(folder: Folder, plan: list[Cohort], missing: Sequence[Run]) -> None:
    """Refuse to end well where runs that this command committed have been removed since."""
    lost = {run for cohort in plan for run in cohort.runs}.intersection(missing)
    if lost:
        raise EnvironmentFault(
            f"{counted(len(lost), 'finished run')} disappeared from {shown_path(folder.parts)}; repeat the command to"
            " train them again."
        )


def _keep_labels(folder: Folder, source: ImageSource) -> None:
    """Write the labels of a study that lacks them, as those of schema version 1 do, where its data set lies here."""
    if folder.lacks_labels and download.is_present(source.data.key, source.data_dir):
        images = source.images
        if images.sha256 == folder.own_manifest()["data"]["sha256"]:
            folder.write_labels(images.test.labels.tolist())


def _evaluate(design: Design, folder: Folder, source: ImageSource, execution: Execution, progress: Progress) -> Outcome:
    """Evaluate the networks that were kept on the clean test images: in the main ways, at a shown cell in all."""
    candidates, networks = trained(folder, design), weights.Networks(folder.path, design)
    runs = [run for run in candidates if networks.has(run)]
    if not runs and any_statistics(candidates) and all(map(networks.omits, candidates)):
        progress.emit("notice", f"{without_networks(folder)}.", sys.stderr)
    elif len(runs) < len(candidates):
        n = f"{len(candidates) - len(runs)} of {len(candidates)}"
        progress.emit("notice", f"Warning: {n} networks were not kept; the inference modes omit them", sys.stderr)
    if not any_statistics(runs):
        progress.expect(inference=0.0)
        return Outcome()
    try:
        extent = shown(folder, design, runs)
        mixed = execution.mixed_numerics
        complete_evaluation(folder, design, runs, source, "cpu", extent, execution.n_workers, progress, mixed)
    except KeyboardInterrupt:
        return Outcome(stopped=INTERRUPTED)
    except Terminated:
        return Outcome(stopped=TERMINATED)
    return Outcome()


def conclude(progress: Progress, folder: Folder, ended: Ended) -> Outcome:
    """Emit how the command ended, what came out and what to do next; returns the outcome."""
    outcome, path = ended.outcome, shown_path(folder.path)
    if outcome.stopped is not None:
        progress.emit("stopped", f"{STOPS[outcome.stopped]}: {saved()} ({path})", sys.stderr)
    elif outcome.failures:
        text = f"{counted(outcome.failures, 'group')} of runs failed; repeat the command to try them again"
        progress.emit("failed", text, sys.stderr)
    else:
        _say_done(progress, folder, ended, path)
    return outcome


def _say_done(progress: Progress, folder: Folder, ended: Ended, path: str) -> None:
    if ended.notice:
        progress.emit("notice", f"Warning: {ended.notice}", sys.stderr)
    if not ended.whole:
        progress.emit("shard", f"This shard is complete; {path} waits for the other shards.")
        return
    if not progress.quiet:
        means = summary.arm_means(folder, ended.design)
        progress.emit("summary", summary.describe(ended.design, means), arms=[mean.to_dict() for mean in means])
    progress.emit("done", f"{path} is complete. Make the report: {commands.report_on(folder.path)}")
