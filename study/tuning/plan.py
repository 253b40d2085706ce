"""What will a tuning do? Its trials and runs, done or missing, and their time; trains nothing and writes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from study.engine import costs, registry
from study.errors import UsageError
from study.runner.forecast import expected_throughput
from study.runner.plan import check_baseline, check_device, check_rule, describe_data, describe_time
from study.spec.checks import counted
from study.spec.cohorts import Cohort, cohorts
from study.spec.commands import shown_path
from study.spec.design import Design
from study.spec.runs import Run
from study.store.manifest import Manifest
from study.store.study_folder import JOURNAL, Folder
from study.tuning.budget import Budget
from study.tuning.search import TRIAL_INDEX, search_name
from study.tuning.space import point
from study.tuning.storage import open_storage

if TYPE_CHECKING:
    from study.tuning.complete import Optimisation

Told = dict[tuple[int, str], int]
"""Finished trials by search and arm."""


def announce(optimisation: "Optimisation", absent: str | None = None) -> None:
    """Say what the tuning will do, then refuse a device that is not there; raises a StudyError as the tuning would."""
    folder, progress = optimisation.folder, optimisation.progress
    lines = describe(optimisation, absent)
    check_rule(folder, optimisation.asked)
    check_baseline(folder, optimisation.asked, optimisation.design)
    progress.emit("plan", "\n".join(lines), dataset=optimisation.design.dataset, folder=str(folder.path))
    check_device(optimisation.design, optimisation.execution, folder)


def describe(optimisation: "Optimisation", absent: str | None = None) -> list[str]:
    """Return a line each on data, folder, trials, runs and time; raises UsageError as the tuning itself would."""
    budget, design, folder = optimisation.budget, optimisation.whole_design, optimisation.folder
    tuned_before(folder, design, budget)
    n = amount(optimisation)
    searches = "1 search" if budget.searches == 1 else f"{budget.searches} searches"
    trials = f"{counted(budget.trials, 'trial')} per arm, {counted(budget.seeds, 'seed')} per trial"
    elsewhere = "" if budget.storage is None else "; trials in the database are not counted"
    model = likely_costs(optimisation)
    throughput, source = expected_throughput(model, design, folder.path.parent)
    left = ahead(optimisation, model)
    seconds = model.start_seconds + (left.trials + left.runs) / throughput
    return [
        *describe_data(design.data, absent),
        f"folder   {shown_path(folder.path)}",
        f"tuning   {searches} of {trials}",
        f"trials   {n.trials} planned, {n.trials_done} done, {n.trials - n.trials_done} missing{elsewhere}",
        f"runs     {n.runs} planned, untuned and tuned on {counted(len(design.seeds), 'fresh seed')},"
        f" {n.runs_done} done",
        f"time     {describe_time(seconds, optimisation.execution.n_workers, source)}; it varies with what is chosen",
    ]


def tuned_before(folder: Folder, design: Design, budget: Budget) -> Manifest | None:
    """Return the manifest of a tuned study, None for a new one; refuses a study that was not tuned, of more searches or
    of another design."""
    folder.check_not_archived()
    manifest = folder.read_manifest()
    if manifest is not None:
        older = Design.from_dict(manifest["design"])
        if not older.tuned:
            raise UsageError(f"{shown_path(folder.path)} holds a study that was not tuned; choose another --study-id.")
        if older.n_searches > budget.searches:
            raise UsageError(
                f"--searches {budget.searches}: the study has {older.n_searches} searches already; give"
                f" {older.n_searches} or more"
            )
        design.check_extends(replace(older, tuned=()))
    return manifest


def told(optimisation: "Optimisation") -> Told:
    """Return the finished trials of this tuning's total, as far as its folder has them."""
    budget, folder = optimisation.budget, optimisation.folder
    told = dict.fromkeys(((search, arm) for search in budget.numbers for arm in optimisation.design.arms), 0)
    if budget.storage is not None or not (folder.path / JOURNAL).exists():
        return told
    from optuna.trial import TrialState

    with open_storage(folder.path, None) as storage:
        ids = {study.study_name: study._study_id for study in storage.get_all_studies()}
        for search, arm in told:
            name = search_name(folder.path.name, arm, search)
            ended = (TrialState.COMPLETE, TrialState.PRUNED)
            trials = storage.get_all_trials(ids[name], deepcopy=False, states=ended) if name in ids else []
            n_told = len({trial.user_attrs.get(TRIAL_INDEX) for trial in trials})
            told[search, arm] = min(n_told, budget.trials)
    return told


def _n_done(optimisation: "Optimisation") -> int:
    older = optimisation.folder.design()
    return 0 if older is None else len(optimisation.folder.done(older))


@dataclass(frozen=True)
class Amount:
    """How much there is of a tuning, and how much is done."""

    trials: int
    trials_done: int
    runs: int
    runs_done: int


def amount(optimisation: "Optimisation") -> Amount:
    """Return how many trials and runs there are in all, and how many are done."""
    budget, design = optimisation.budget, optimisation.whole_design
    trials, runs = budget.trials * budget.searches * len(design.arms), 2 * len(design.seeds) * len(design.arms)
    return Amount(trials, sum(told(optimisation).values()), runs, _n_done(optimisation))


# --- how long


@dataclass(frozen=True)
class Ahead:
    """What is missing of a tuning, by an engine's cost model: times at a throughput of 1."""

    trials: float
    runs: float
    """Of the fresh seeds, as if tuned ones were at the untuned setting."""
    work_of_trials: float


def ahead(optimisation: "Optimisation", model: costs.CostModel) -> Ahead:
    """Return what is missing, of trials as if they were spread evenly over the space."""
    whole, workers = optimisation.whole_design, optimisation.execution.n_workers
    n_runs = 2 * len(whole.seeds) * len(whole.arms)
    left = max(0, n_runs - _n_done(optimisation)) / n_runs
    trials = optimisation.trial_design(1)
    planned = cohorts(_missing(optimisation, told(optimisation)), workers)
    return Ahead(
        trials=_seconds(model, trials, planned, workers),
        runs=2 * left * _seconds(model, whole, cohorts(whole.runs, workers), workers),
        work_of_trials=sum(model.work(trials, cohort) for cohort in planned),
    )


def _seconds(model: costs.CostModel, design: Design, planned: Sequence[Cohort], workers: int) -> float:
    return model.seconds(design, planned, workers, 1.0) - model.start_seconds


def likely_costs(optimisation: "Optimisation") -> costs.CostModel:
    """Return the costs of the engine that will train, as far as known."""
    manifest, execution = optimisation.folder.read_manifest(), optimisation.execution
    began_with = manifest and manifest["device"].get("engine")
    return registry.likely_costs(execution.engine, optimisation.trial_design(1), execution.device, began_with)


def _missing(optimisation: "Optimisation", told: Told) -> Iterator[Run]:
    """Yield the runs of the trials that are missing; two trials at one point share theirs."""
    budget, seen = optimisation.budget, set[Run]()
    for (search, arm), n in told.items():
        for params in budget.space.sobol(budget.trials, budget.sampler_seed_of(search))[n:]:
            for seed in budget.trial_seeds(search):
                run = Run(point(params), seed=seed, arm=arm)
                if run not in seen:
                    seen.add(run)
                    yield run
