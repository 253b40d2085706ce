"""python -m study.run: plan, skip what is done, train, commit. No numerics.

The story is in ``run``; everything above it is a chapter.
"""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

from filelock import FileLock, Timeout

from study import ablate
from study.cli.run_options import Options, parse
from study.data import download as sources
from study.data.lazy import ImageSource
from study.engine import costs as forecast
from study.engine import devices
from study.engine import registry as engines
from study.errors import EnvironmentFault, StudyError, UsageError
from study.runner.progress import Progress, duration
from study.runner.session import INTERRUPTED, OUT_OF_TIME, TERMINATED, Outcome, Session, Terminated
from study.spec.cohorts import Cohort, cohorts, missing_runs, shard
from study.spec.design import Design, Run
from study.store import weights
from study.store.study_folder import Folder
from study.tuning.storage import JOURNAL

SOME_FAILED = 1
STOPS = {OUT_OF_TIME: "--max-time is over", INTERRUPTED: "interrupted", TERMINATED: "terminated"}


def run(options: Options, argv: Sequence[str]) -> int:
    """Make the study that ``options`` ask for complete; returns the exit code."""
    wanted = options.design("mnist" if options.dataset == "auto" else options.dataset)
    if options.dry_run:
        return _show_plan(options, wanted)
    name, notice = sources.choose(options.dataset, options.data_dir)
    design = options.design(name)
    folder = _folder(options, design)
    if options.tf32 or options.device.startswith("cuda"):  # before anything is written
        devices.engine(devices.choose(options.device, of_study=None), options.tf32)
    return complete(options, argv, design, folder, notice, ImageSource(name, options.data_dir))


def complete(
    options: Options,
    argv: Sequence[str],
    design: Design,
    folder: Folder,
    notice: str | None,
    source: ImageSource,
    program: str = "study.run",
) -> int:
    """Train what is missing of ``design`` in ``folder``, for the command ``program``; returns the exit code."""
    with _sole_worker(folder, options):
        older = _agreed_design(folder, design)
        damaged, done = folder.quarantine(), folder.done(design)
        plan = _plan(options, design, done)
        progress = _progress(options, design, len(done))
        _say_first(progress, notice, damaged)
        outcome = Outcome()
        if plan or older != design:
            outcome = Session(options, argv, design, folder, notice, program).train(plan, source, progress)
        folder.compact()
        folder.touch()
        missing = missing_runs(design, folder.done(design))
        if outcome == Outcome():
            _check_kept(folder, plan, missing)
        complete = not missing
        if complete and not outcome.failures and outcome.stopped is None and not options.no_ablation:
            outcome = _ablate(options, design, folder, source, progress)
    return _conclude(progress, folder, outcome, complete, notice if plan else None)


# --- before


def _folder(options: Options, design: Design) -> Folder:
    folder = Folder(options.out / (options.study_id or design.dataset))
    folder.check_not_shipped()
    if (folder.path / JOURNAL).exists() and not folder.manifest.exists():
        raise UsageError(
            f"{folder.path} holds a tuning that has not ended: python -m study.tune goes on; choose another --study-id."
        )
    return folder


def _agreed_design(folder: Folder, design: Design) -> Design | None:
    """The study's design so far, None for a new study; refuses one that does not extend it."""
    older = folder.design()
    if older is not None:
        design.check_extends(older)
    return older


def _show_plan(options: Options, design: Design) -> int:
    """Runs, done, missing, expected time and memory; asks no network and touches nothing."""
    folder = _folder(options, design)
    _agreed_design(folder, design)
    prices = _prices(options, design, folder)
    runs, done = design.runs, folder.done(design)
    plan = _plan(options, design, done)
    n_workers = min(options.n_workers, max(1, len(plan)))
    rate, source = prices.expected_rate(design, options.out)
    seconds, memory = prices.seconds(design, plan, n_workers, rate), prices.memory(design, plan, n_workers)
    if not options.no_ablation:
        seconds += prices.ablation_seconds(design, plan, n_workers, rate)
        memory += forecast.ablation_bytes(design, n_workers)
    impossible = sum(not run.applicable for run in runs)
    lines = [
        *_absent(options, design.dataset),
        f"study    {folder.path} on {design.dataset}, design {design.digest[:12]}",
        f"runs     {len(runs)} planned, {len(done)} done, {len(runs) - impossible - len(done)} missing"
        + (f", {impossible} not applicable (batch norm on batches of one)" if impossible else ""),
        f"now      {sum(len(cohort.runs) for cohort in plan)} runs in {len(plan)} cohorts on {n_workers} workers",
        f"time     about {duration(seconds)} on the CPU, by {source}",
        f"memory   about {memory / 1e9:.1f} GB",
    ]
    print("\n".join(lines))
    return 0


def _prices(options: Options, design: Design, folder: Folder) -> forecast.Prices:
    """Of the engine that will most likely train."""
    manifest = folder.read_manifest()
    began_with = manifest and manifest["device"].get("engine")
    return engines.likely_prices(options.engine, design, options.device, began_with)


def _absent(options: Options, name: str) -> list[str]:
    """A line that says that the files are not there, if so."""
    if name == "digits" or sources.SOURCES[name].present(options.data_dir):
        return []
    otherwise = " or, if that fails, digits taken instead" if options.dataset == "auto" else ""
    return [f"{name} is not in {options.data_dir}: it would be downloaded{otherwise}"]


@contextmanager
def _sole_worker(folder: Folder, options: Options) -> Iterator[None]:
    """Hold the lock of this shard (a whole study is shard 1 of 1), while nobody holds one of another division."""
    folder.prepare()
    own, division = folder.path / f".lock{options.shard_suffix}", f"-of-{options.shard_of[1]}"
    with ExitStack() as stack:
        with folder.exclusively():  # a look at a lock holds it for a moment: one process looks at a time
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


def _plan(options: Options, design: Design, done: set[Run]) -> list[Cohort]:
    """What this command trains: what is missing, of its shard."""
    own = shard(design, *options.shard_of)
    missing = [run for run in missing_runs(design, done) if run in own]
    return cohorts(missing, options.n_workers)


def _progress(options: Options, design: Design, n_done: int) -> Progress:
    n_runs = sum(run.applicable for run in design.runs)
    return Progress(design.epochs, n_done, n_runs, options.log_format, options.quiet)


def _say_first(progress: Progress, notice: str | None, damaged: Sequence[Path]) -> None:
    if notice:
        frame = "!" * 72
        progress.say("notice", f"{frame}\n{notice}\n{frame}", sys.stderr)
    for path in damaged:
        progress.say(
            "quarantine", f"{path.name} was damaged: it is kept in {path.parent}, its runs train again", sys.stderr
        )


# --- after


def _check_kept(folder: Folder, plan: list[Cohort], missing: Sequence[Run]) -> None:
    """Refuse to call a study well from which somebody took what this command committed."""
    lost = {run for cohort in plan for run in cohort.runs}.intersection(missing)
    if lost:
        raise EnvironmentFault(
            f"{len(lost)} runs that were committed are no longer in {folder.parts}; the same command trains them again."
        )


def _ablate(options: Options, design: Design, folder: Folder, source: ImageSource, progress: Progress) -> Outcome:
    """The inference modes on the test images as they are, where there are networks that have any."""
    trained, say = ablate.trained(folder, design), partial(progress.say, "ablation")
    runs = [run for run in trained if weights.path_of(folder.path, design.run_id(run)).exists()]
    if len(runs) < len(trained):
        text = f"{len(trained) - len(runs)} of {len(trained)} networks were not kept; inference modes do without"
        progress.say("notice", text, sys.stderr)
    if not ablate.any_norms(runs):
        return Outcome()
    try:
        ablate.ablate(folder, design, runs, source, "cpu", True, options.n_workers, say)
    except KeyboardInterrupt:
        return Outcome(stopped=INTERRUPTED)
    except Terminated:
        return Outcome(stopped=TERMINATED)
    return Outcome()


def _conclude(progress: Progress, folder: Folder, outcome: Outcome, complete: bool, notice: str | None) -> int:
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
        progress.say(
            "done", f"{folder.path} is complete. Next: python -m analysis.report {shlex.quote(str(folder.path))}"
        )
    else:
        progress.say("shard", f"this shard is done; {folder.path} waits for the others")
    return 0


def _terminate(signum: int, frame: object) -> None:
    raise Terminated


def guarded(program: str, work: Callable[[], int]) -> int:
    """The exit code of ``work``; every error is one sentence of ``program`` on stderr."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        return work()
    except StudyError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, Terminated) as stop:  # before or after the training, which stops in its own words
        return _stopped(program, stop)
    except OSError as error:  # the disk, the network, permissions: the machine's doing, not the study's
        print(f"{program}: {error}; what was committed is safe, the same command goes on", file=sys.stderr)
        return EnvironmentFault.exit_code
    finally:
        signal.signal(signal.SIGTERM, before)


def _stopped(program: str, stop: BaseException) -> int:
    code = INTERRUPTED if isinstance(stop, KeyboardInterrupt) else TERMINATED
    print(f"{program}: {STOPS[code]}; what was committed is safe, the same command goes on", file=sys.stderr)
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    return guarded("study.run", lambda: run(parse(arguments), arguments))


def leave(program: str, command: Callable[[], int]) -> NoReturn:
    """Do the command, and end the process without the destructors of the libraries that it has loaded.

    Everything is committed and flushed by then, and about one process in a hundred was aborted by a
    library's thread while it was torn down ("terminate called without an active exception"). Who stops it in the
    moment after its last word gets a sentence as well.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = command()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    except (KeyboardInterrupt, Terminated) as stop:
        code = _stopped(program, stop)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    leave("study.run", main)
