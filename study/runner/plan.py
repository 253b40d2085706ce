"""What will a command do? The runs that are missing, their time and memory, said before anything heavy is imported.

Uses no network, writes nothing, and refuses what the command itself would refuse.
"""

from collections.abc import Sequence

from study.engine import costs, devices, registry
from study.errors import UsageError
from study.runner.execution import Execution
from study.runner.forecast import forecast, unevaluated
from study.runner.progress import Progress, duration
from study.spec import commands
from study.spec.analysis_rule import AS_FIXED, AskedRule, fixed_rule
from study.spec.checks import counted
from study.spec.cohorts import MAX_RUNS_PER_STACK, Cohort, cohorts, missing_runs, shard
from study.spec.commands import shown_path
from study.spec.datasets import DatasetSpec
from study.spec.design import Design
from study.spec.runs import Run
from study.store.claims_manifest import is_ledger
from study.store.manifest import baseline_of
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
    check_baseline(folder, asked, design)
    text = "\n".join(describe_plan(design, folder, execution, absent))
    progress.emit("plan", text, dataset=design.dataset, folder=str(folder.path))
    check_device(design, execution, folder)


# --- refused


def check_free(folder: Folder) -> None:
    """Refuse an archived study, whose parts nobody could restore, one of a ledger, and the folder of a tuning that has
    not ended."""
    folder.check_not_archived()
    ledger = folder.path.parent.parent
    if is_ledger(ledger):
        raise UsageError(
            f"{shown_path(folder.path)} belongs to the ledger {shown_path(ledger)}, which has fixed what is trained"
            f" there. Choose another --out, or go on with the ledger: {commands.claims_into(ledger)}"
        )
    if (folder.path / JOURNAL).exists() and not folder.manifest.exists():
        raise UsageError(
            f"{shown_path(folder.path)} holds an unfinished tuning. Choose another --study-id, or finish it with"
            f" the command that began it, such as {commands.train_into(folder.path, 'study.tune')}"
        )


def check_device(design: Design, execution: Execution, folder: Folder) -> None:
    """Refuse a device that is not there, or is not the study's, before anything is written."""
    manifest = folder.read_manifest()
    of_study = manifest and manifest["device"]["kind"]
    devices.check_kind(execution.device, of_study)
    if design.network is not None or execution.engine == "plain":
        registry.check_plain_device("cpu" if execution.device == "auto" else execution.device)
    if execution.tf32 or execution.device.startswith("cuda"):
        devices.numerics_id(devices.choose(execution.device, of_study), execution.tf32)


def agreed_design(folder: Folder, design: Design) -> Design | None:
    """Return the study's design so far, None for a new study; refuses a ``design`` that does not extend it, or that the
    study's engine cannot train."""
    older = folder.design()
    if older is not None:
        design.check_extends(older)
        check_engine(folder, design)
    return older


def check_engine(folder: Folder, design: Design) -> None:
    """Refuse arms and factors that the engine of a study's runs does not know, with the command of a new study."""
    manifest = folder.read_manifest()
    unknown = registry.why_another_study(design, manifest and manifest["device"].get("engine"))
    if unknown and folder.has_parts():
        raise UsageError(
            f"{shown_path(folder.path)} cannot be extended so: {unknown}, and one engine trains a whole study. Train"
            f" another one: {commands.train_anew(design, folder.path)}"
        )


def check_rule(folder: Folder, asked: AskedRule) -> None:
    """Refuse another level or margin than the study's."""
    asked.check(folder.path, fixed_rule(folder.read_manifest()), folder.has_parts())


def check_baseline(folder: Folder, asked: AskedRule, design: Design) -> None:
    """Refuse a baseline that is no arm of the ``design``, or another than that of a study with runs."""
    older = folder.read_manifest()
    fixed = baseline_of(older) if older is not None and folder.has_parts() else None
    asked.check_baseline(folder.path, design.arms, fixed)


# --- planned


def make_plan(design: Design, done: set[Run], execution: Execution) -> list[Cohort]:
    """Return the cohorts that this command trains: the missing runs of its shard."""
    own = shard(design, *execution.shard)
    missing = [run for run in missing_runs(design, done) if run in own]
    one_by_one = design.network is not None or execution.engine == "plain"
    return cohorts(missing, execution.n_workers, 1 if one_by_one else MAX_RUNS_PER_STACK)


def describe_plan(design: Design, folder: Folder, execution: Execution, absent: str | None = None) -> list[str]:
    """Return data, folder, runs, expected time and memory, a line each."""
    agreed_design(folder, design)
    runs, done = design.runs, folder.done(design)
    plan = make_plan(design, done, execution)
    impossible = [run for run in runs if not run.applicable]
    reasons = sorted({run.why_not or "" for run in impossible})
    now = sum(len(cohort.runs) for cohort in plan)
    n_missing = len(runs) - len(impossible) - len(done)
    return [
        *describe_data(design.data, absent),
        *([f"network  {design.network.words}"] if design.network else []),
        f"folder   {shown_path(folder.path)}, design {design.digest[:12]}",
        f"runs     {len(runs)} planned, {len(done)} done, {n_missing} missing"
        + (f", {len(impossible)} not applicable ({', '.join(reasons)})" if impossible else ""),
        *([f"shard    {now} of the missing runs"] if execution.shard[1] > 1 else []),
        *_describe_costs(design, folder, plan, execution),
    ]


def describe_data(data: DatasetSpec, absent: str | None) -> list[str]:
    """Return the line on the data set, and one on files that have to be downloaded."""
    lines = [f"data     {data.name}: {data.n_train:,} training and {data.n_test:,} test {data.noun}s"]
    return [*lines, f"         {absent}"] if absent else lines


def describe_time(seconds: float, n_workers: int, source: str) -> str:
    """Return the expected time with what it is estimated from."""
    return f"about {duration(seconds)} with {counted(n_workers, 'worker')} on the CPU, estimated from {source}"


def _describe_costs(design: Design, folder: Folder, plan: Sequence[Cohort], execution: Execution) -> list[str]:
    """Return the lines on time and memory, by the engine that will most likely train; none where nothing is to do."""
    evaluated = unevaluated(folder, design, execution)
    if not (plan or evaluated):
        return []
    manifest, n_workers = folder.read_manifest(), min(execution.n_workers, max(1, len(plan), len(evaluated)))
    began_with = manifest and manifest["device"].get("engine")
    model: costs.CostModel = registry.likely_costs(execution.engine, design, execution.device, began_with)
    expected = forecast(model, design, plan, evaluated, n_workers, folder.path.parent)
    return [
        f"time     {describe_time(expected.seconds, n_workers, expected.source)}",
        f"memory   about {expected.memory / 1e9:.1f} GB",
    ]
