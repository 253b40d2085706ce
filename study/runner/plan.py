"""What will a command do? The runs that are missing, their time and memory, said before anything heavy is imported.

Uses no network, writes nothing, and refuses what the command itself would refuse.
"""

from collections.abc import Sequence

from study.engine import costs, devices, registry
from study.errors import UsageError
from study.runner.execution import Execution
from study.runner.forecast import Forecast, forecast
from study.runner.progress import Progress, duration
from study.spec import commands
from study.spec.analysis_rule import AS_FIXED, AskedRule, fixed_rule
from study.spec.arms import ARMS
from study.spec.checks import counted
from study.spec.cohorts import Cohort, cohorts, missing_runs, shard
from study.spec.commands import shown_path
from study.spec.datasets import DatasetSpec
from study.spec.design import Design
from study.spec.runs import Run
from study.store.study_folder import JOURNAL, Folder


def announce(
    design: Design,
    folder: Folder,
    execution: Execution,
    progress: Progress,
    asked: AskedRule = AS_FIXED,
    absent: str | None = None,
) -> None:
    """Say what will be done, then refuse a device that is not there; ``absent``: what there is to say on files of the
    data set that have to be downloaded."""
    check_free(folder)
    check_rule(folder, asked)
    text = "\n".join(describe_plan(design, folder, execution, absent))
    progress.emit("plan", text, dataset=design.dataset, folder=str(folder.path))
    check_device(execution, folder)


# --- refused


def check_free(folder: Folder) -> None:
    """Refuse an archived study, whose parts nobody could restore, and the folder of a tuning that has not ended."""
    folder.check_not_archived()
    if (folder.path / JOURNAL).exists() and not folder.manifest.exists():
        raise UsageError(
            f"{shown_path(folder.path)} holds an unfinished tuning. Choose another --study-id, or finish it:"
            f" {commands.train_into(folder.path, 'study.tune')}"
        )


def check_device(execution: Execution, folder: Folder) -> None:
    """Refuse a device that is not there, or is not the study's, before anything is written."""
    manifest = folder.read_manifest()
    of_study = manifest and manifest["device"]["kind"]
    devices.check_kind(execution.device, of_study)
    if execution.tf32 or execution.device.startswith("cuda"):
        devices.numerics_id(devices.choose(execution.device, of_study), execution.tf32)


def agreed_design(folder: Folder, design: Design) -> Design | None:
    """Return the study's design so far, None for a new study; refuses a ``design`` that does not extend it."""
    older = folder.design()
    if older is not None:
        design.check_extends(older)
    return older


def check_rule(folder: Folder, asked: AskedRule) -> None:
    """Refuse another level or margin than the study's."""
    asked.check(folder.path, fixed_rule(folder.read_manifest()), folder.has_runs())


# --- planned


def make_plan(design: Design, done: set[Run], execution: Execution) -> list[Cohort]:
    """Return the cohorts that this command trains: the missing runs of its shard."""
    own = shard(design, *execution.shard)
    missing = [run for run in missing_runs(design, done) if run in own]
    return cohorts(missing, execution.n_workers)


def describe_plan(design: Design, folder: Folder, execution: Execution, absent: str | None = None) -> list[str]:
    """Return data, folder, runs, expected time and memory, a line each."""
    agreed_design(folder, design)
    runs, done = design.runs, folder.done(design)
    plan = make_plan(design, done, execution)
    n_workers = min(execution.n_workers, max(1, len(plan)))
    expected = _forecast(design, folder, plan, n_workers, execution)
    impossible = [run for run in runs if not run.applicable]
    reasons = sorted({ARMS[run.arm].reason for run in impossible})
    now = sum(len(cohort.runs) for cohort in plan)
    n_missing = len(runs) - len(impossible) - len(done)
    return [
        *describe_data(design.data, absent),
        f"folder   {shown_path(folder.path)}, design {design.digest[:12]}",
        f"runs     {len(runs)} planned, {len(done)} done, {n_missing} missing"
        + (f", {len(impossible)} not applicable ({', '.join(reasons)})" if impossible else ""),
        *([f"shard    {now} of the missing runs"] if execution.shard[1] > 1 else []),
        f"time     {describe_time(expected.seconds, n_workers, expected.source)}",
        f"memory   about {expected.memory / 1e9:.1f} GB",
    ]


def describe_data(data: DatasetSpec, absent: str | None) -> list[str]:
    """Return the line on the data set, and one on files that have to be downloaded."""
    lines = [f"data     {data.name}: {data.n_train:,} training and {data.n_test:,} test images"]
    return [*lines, f"         {absent}"] if absent else lines


def describe_time(seconds: float, n_workers: int, source: str) -> str:
    """Return the expected time with what it is estimated from."""
    return f"about {duration(seconds)} with {counted(n_workers, 'worker')} on the CPU, estimated from {source}"


def _forecast(design: Design, folder: Folder, plan: Sequence[Cohort], n_workers: int, execution: Execution) -> Forecast:
    """Return the forecast by the engine that will most likely train."""
    manifest = folder.read_manifest()
    began_with = manifest and manifest["device"].get("engine")
    model: costs.CostModel = registry.likely_costs(execution.engine, design, execution.device, began_with)
    return forecast(model, design, plan, n_workers, folder.path.parent, execution.evaluates)
