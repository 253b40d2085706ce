"""What would a tuning do? Its trials and runs, told or missing, and their time; trains nothing and writes nothing."""

from collections.abc import Iterator

from study.engine import registry
from study.runner.forecast import expected_throughput
from study.runner.progress import duration
from study.spec.cohorts import cohorts
from study.spec.design import Design
from study.spec.runs import Run
from study.store.study_folder import JOURNAL
from study.tuning.complete import Optimisation, search_name, tuned_before
from study.tuning.search import TRIAL_INDEX
from study.tuning.space import point
from study.tuning.storage import open_storage

Told = dict[tuple[int, str], int]
"""Finished trials by search and arm."""


def describe(optimisation: Optimisation) -> list[str]:
    """Return a line each on the study, trials, runs and time; raises UsageError as the tuning itself would."""
    budget, design, folder = optimisation.budget, optimisation.whole_design, optimisation.folder
    tuned_before(folder, design, budget)
    told, done = _told(optimisation), _n_done(optimisation)
    n_trials, n_runs = budget.trials * len(told), 2 * len(design.seeds) * len(design.arms)
    n_told = sum(min(n, budget.trials) for n in told.values())
    searches = "1 search" if budget.searches == 1 else f"{budget.searches} searches"
    size = f"{searches} of {budget.trials} trials of {budget.seeds} seeds an arm"
    elsewhere = "" if budget.storage is None else "; what the database has is not counted"
    seconds, source = _seconds(optimisation, told, max(0, n_runs - done) / n_runs)
    return [
        f"study    {folder.path} on {design.dataset}: {size}",
        f"trials   {n_trials} planned, {n_told} told, {n_trials - n_told} missing{elsewhere}",
        f"runs     {n_runs} planned, untuned and tuned on {len(design.seeds)} fresh seeds, {done} done",
        f"time     about {duration(seconds)} on the CPU, by {source}; what will be chosen is not known",
    ]


def _told(optimisation: Optimisation) -> Told:
    budget, folder = optimisation.budget, optimisation.folder
    told = dict.fromkeys(((search, arm) for search in budget.numbers for arm in optimisation.design.arms), 0)
    if budget.storage is not None or not (folder.path / JOURNAL).exists():
        return told
    from optuna.trial import TrialState

    with open_storage(folder.path, None) as storage:
        ids = {study.study_name: study._study_id for study in storage.get_all_studies()}
        for search, arm in told:
            name = search_name(folder, arm, search)
            ended = (TrialState.COMPLETE, TrialState.PRUNED)
            trials = storage.get_all_trials(ids[name], deepcopy=False, states=ended) if name in ids else []
            told[search, arm] = len({trial.user_attrs.get(TRIAL_INDEX) for trial in trials})
    return told


def _n_done(optimisation: Optimisation) -> int:
    older = optimisation.folder.design()
    return 0 if older is None else len(optimisation.folder.done(older))


def _seconds(optimisation: Optimisation, told: Told, left: float) -> tuple[float, str]:
    """Return the time of what is missing, and the source of the throughput: of the share ``left`` of the fresh seeds'
    runs, as if tuned ones were at the untuned setting, and of trials as if they were spread evenly."""
    trials, whole, execution = optimisation.trial_design(1), optimisation.whole_design, optimisation.execution
    manifest = optimisation.folder.read_manifest()
    began_with = manifest and manifest["device"].get("engine")
    model = registry.likely_costs(execution.engine, trials, execution.device, began_with)
    throughput, source = expected_throughput(model, whole, optimisation.folder.path.parent)
    workers = execution.n_workers

    def seconds(design: Design, runs: list[Run]) -> float:
        planned = cohorts(runs, workers)
        return model.seconds(design, planned, workers, throughput) - model.start_seconds if planned else 0.0

    of_trials = seconds(trials, [*_missing(optimisation, told)])
    of_runs = 2 * left * seconds(whole, whole.runs)
    return model.start_seconds + of_trials + of_runs, source


def _missing(optimisation: Optimisation, told: Told) -> Iterator[Run]:
    """Yield the runs of the trials that are missing; two trials at one point share theirs."""
    budget, seen = optimisation.budget, set[Run]()
    for (search, arm), n in told.items():
        for params in budget.space.sobol(budget.trials, budget.sampler_seed_of(search))[n:]:
            for seed in budget.trial_seeds(search):
                run = Run(point(params), seed=seed, arm=arm)
                if run not in seen:
                    seen.add(run)
                    yield run
