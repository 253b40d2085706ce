"""Tuning with one budget for every arm, then fresh seeds for the best configuration of each."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from study.data.lazy import ImageSource
from study.engine import costs, devices, numerics, registry
from study.errors import StudyError, UsageError
from study.runner import provenance
from study.runner.complete import carry_out, conclude
from study.runner.console import Console
from study.runner.execution import Execution
from study.runner.outcome import OUT_OF_TIME, STOPS, Outcome, OutOfTime, saved
from study.runner.plan import check_baseline, check_rule
from study.runner.progress import Progress, duration
from study.runner.session import check_same_data, emit_place, fitting_workers
from study.runner.work import Work
from study.spec.analysis_rule import AS_FIXED, AskedRule
from study.spec.arms import ARMS
from study.spec.checks import counted
from study.spec.cohorts import MAX_RUNS_PER_STACK, Cohort
from study.spec.commands import shown_path
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.tuning.trial_design import TrialDesign
from study.store.manifest import Manifest
from study.store.study_folder import JOURNAL, Folder
from study.tuning import plan, trials_table
from study.tuning.budget import Budget
from study.tuning.lease import Lease
from study.tuning.loop import TrialJob, Tuning, best_so_far
from study.tuning.plan import tuned_before
from study.tuning.search import Finished, Search, SearchConfiguration, search_name
from study.tuning.storage import faults, open_storage, without_password
from study.tuning.trials_table import Tuned

if TYPE_CHECKING:  # torch takes seconds to import; --help needs none of it
    from optuna.storages import BaseStorage

    from study.data.dataset import Dataset


@dataclass(frozen=True)
class Optimisation:
    """One command's work on a tuned study."""

    design: Design
    """The design of the fresh seeds of search 1, whose grid is the untuned reference setting."""
    budget: Budget
    folder: Folder
    source: ImageSource
    execution: Execution
    progress: Progress
    command: str
    """The command line, as the manifest records it."""
    notice: str | None = None
    """The reason why the data are not those that were asked for."""
    asked: AskedRule = AS_FIXED
    """What the command names of the rule by which the study is judged."""
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.budget.final_seeds(self.design.seeds)  # for its errors

    def complete(self) -> Outcome:
        """Prepare, search, train the fresh seeds and report how it ended; returns the outcome."""
        design, manifest = self.trial_design(1), tuned_before(self.folder, self.whole_design, self.budget)
        check_rule(self.folder, self.asked)
        check_baseline(self.folder, self.asked, design)
        data, job = self._job(design, manifest)
        emit_place(self.progress, job.device, job.engine)
        try:
            tuned = self._search(job, data)
            _emit_chosen(tuned, self.progress, self._seconds)
            return self._train_chosen(tuned, self._manifest_entry())
        except OutOfTime:
            return self._out_of_time()
        finally:
            self.progress.close()

    @property
    def whole_design(self) -> Design:
        """The design of the fresh seeds of all searches, without its tuned cell."""
        return replace(self.design, seeds=self.budget.final_seeds(self.design.seeds))

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self.began

    # --- before

    def trial_design(self, search: int) -> TrialDesign:
        """Return the design of a search's trials; refuses batches that are larger than what trains them."""
        space, design, seeds = self.budget.space, self.design, self.budget.trial_seeds(search)
        smallest = replace(design, batch_sizes=(2,), lrs=(space.lr[0],), seeds=tuple(seeds), tuned=())
        trials = TrialDesign.of(smallest)
        n_train = trials.data.n_train
        if space.sizes[-1] > n_train:
            fitting = 2 ** (n_train.bit_length() - 1)
            raise UsageError(
                f"--space batch_size={space.batch_size[0]}:{space.batch_size[1]}: {n_train} {trials.data.noun}s of"
                f" {design.dataset} train a trial; give a range up to {fitting}, such as batch_size=16:{fitting}"
            )
        return trials

    def _job(self, design: TrialDesign, manifest: Manifest | None) -> tuple["Dataset", TrialJob]:
        """Return the images of the trials, and the job that their training shares."""
        from study.data.held_out import hold_out

        device = devices.choose(self.execution.device, manifest and manifest["device"]["kind"])
        began_with = manifest and manifest["device"].get("engine")
        engine, slower = registry.choose(self.execution.engine, design, device, tf32=False, of_study=began_with)
        if slower:
            self.progress.emit("notice", f"Warning: {slower}", sys.stderr)
        data = self.source.images
        if manifest is not None:
            check_same_data(self.folder, manifest, data.sha256)
            self._check_numerics(manifest, data, device, engine)
        path, deadline = self.folder.path, self.execution.deadline()
        job = TrialJob(design, path, device, engine, data.name, data.sha256, shared_data=path, deadline=deadline)
        return hold_out(data).to(device) if device != "cpu" else hold_out(data), job

    def _check_numerics(self, manifest: Manifest, data: "Dataset", device: str, engine: str) -> None:
        """Refuse to train trials with other bits than those of the study's runs, at the setting that every tuned study
        has trained; the runs that follow are checked as those of any study."""
        there, cells = data if device == "cpu" else data.to(device), self.design.cells
        found = numerics.of_cells(self.design, cells, there, engine)
        found.check(numerics.first_of(manifest), self.execution.mixed_numerics)

    def _configuration(self, search: int, data: "Dataset", engine: str) -> SearchConfiguration:
        return SearchConfiguration(
            dataset=data.name,
            data=data.digest,
            space=str(self.budget.space),
            epochs=self.design.epochs,
            hidden=tuple(self.design.hidden),
            seeds=self.budget.trial_seeds(search),
            engine=engine,
            sampler=self.budget.sampler,
            sampler_seed=self.budget.sampler_seed_of(search),
            pruner=self.budget.pruner,
        )

    def _manifest_entry(self) -> dict[str, Any]:
        """Return the entry ``tuning`` of the manifest, whose seeds are those of search 1."""
        budget = self.budget
        return {
            "trials": budget.trials,
            **({"searches": budget.searches} if budget.searches > 1 else {}),
            "first_seed": budget.trial_seeds(1)[0],
            "n_seeds": budget.seeds,
            "storage": JOURNAL if budget.storage is None else without_password(budget.storage),
            "optuna": version("optuna"),
            "space": str(budget.space),
            "epochs": self.design.epochs,
            "sampler": budget.sampler,
            "sampler_seed": budget.sampler_seed,
            "pruner": budget.pruner,
        }

    # --- the searches

    def _search(self, job: TrialJob, data: "Dataset") -> Tuned:
        """Return the finished searches, made one after another; raises OutOfTime, and StudyError where cohorts failed
        for good."""
        self._begin_trials(job)
        with open_storage(self.folder.path, self.budget.storage) as storage:
            rule = self._rule(storage, job, data)
            return Tuned([self._one_search(storage, search, job, data) for search in self.budget.numbers], rule)

    def _begin_trials(self, job: TrialJob) -> None:
        """Tell the progress how many trials there are, and how the time divides between them and the runs."""
        model, n_all = costs.for_engine(job.engine), self.budget.trials * self.budget.searches * len(self.design.arms)
        ahead = plan.ahead(self, model)
        self.progress.expect(trials=ahead.trials, training=ahead.runs)
        work = Work(ahead.work_of_trials, partial(model.work, job.design), job.design.epochs)
        self.progress.begin_trials(sum(plan.told(self).values()), n_all, work)

    def _rule(self, storage: "BaseStorage", job: TrialJob, data: "Dataset") -> AskedRule:
        """Return the rule of the study: before its first run that of search 1, which this command may be to fix."""
        if self.folder.manifest.exists():
            return self.asked
        first = self._of_arms(storage, 1, self._configuration(1, data, job.engine), Lease(self.folder.path, 1))
        search = first[self.design.arms[0]]
        search.check_total(self.design.arms[0], self.budget.trials)
        return search.agree_rule(self.asked, self.folder.path, provenance.today())

    def _of_arms(
        self, storage: "BaseStorage", search: int, configuration: SearchConfiguration, lease: Lease
    ) -> dict[str, Search]:
        alone = self.budget.storage is None
        return {
            arm: Search(
                storage, search_name(self.folder.path.name, arm, search), configuration, lease, shared_lock=alone
            )
            for arm in self.design.arms
        }

    def _one_search(
        self, storage: "BaseStorage", search: int, job: TrialJob, data: "Dataset"
    ) -> dict[str, list[Finished]]:
        """Return the finished trials of a search by arm."""
        configuration, lease = self._configuration(search, data, job.engine), Lease(self.folder.path, search)
        of_arms = self._of_arms(storage, search, configuration, lease)
        for arm, of_arm in of_arms.items():
            of_arm.check_total(arm, self.budget.trials)
        self.folder.prepare()
        with lease.hold():
            own = replace(job, design=self.trial_design(search), shared_data=lease.images)
            failures = self._tune(of_arms, own, data, search)
        if failures:
            raise StudyError(f"{counted(failures, 'group')} of trials failed; repeat the command to try them again")
        return {arm: of_arm.finished() for arm, of_arm in of_arms.items()}

    def _tune(self, searches: Mapping[str, Search], job: TrialJob, data: "Dataset", search: int) -> int:
        """Train trials until all are finished; returns the number of cohorts that failed for good."""
        guard = partial(faults, self.budget.storage)
        ask_lock = FileLock(self.folder.path / ".asking")
        before, which = (search - 1) * len(searches) * self.budget.trials, _which(search, self.budget.searches)
        tuning = Tuning(searches, self.budget.trials, job, ask_lock, guard, self.progress, before, which)
        try:
            return tuning.run(data, self._n_workers(job), self.budget.trial_batch_size)
        finally:
            tuning.release()

    def _n_workers(self, job: TrialJob) -> int:
        """Return how many workers train trials side by side: one for a GPU, and for trials that may be pruned."""
        if job.device != "cpu" or self.budget.pruner != "none":
            return 1
        space = self.budget.space
        cells = (Cell(space.sizes[-1], space.lr[0]),) * MAX_RUNS_PER_STACK
        largest = Cohort(cells, tuple(self.design.arms), tuple(job.design.seeds[:1]))
        return fitting_workers(costs.for_engine(job.engine), job.design, [largest], self.execution.n_workers)

    # --- after

    def _train_chosen(self, tuned: Tuned, tuning: dict[str, Any]) -> Outcome:
        """Train the fresh seeds; a second process waits, and then has nothing to do."""
        execution = self.execution
        if execution.max_seconds is not None:
            left = execution.max_seconds - self._seconds
            if left < 0.001:
                return self._out_of_time()
            execution = replace(execution, max_seconds=left)
        design = replace(self.whole_design, tuned=tuned.chosen)
        with FileLock(self.folder.path / ".confirming"):
            ended = carry_out(
                design, self.folder, self.source, execution, self.progress, self.command, self.notice, tuned.rule
            )
            if ended.outcome == Outcome():
                trials_table.write(self.folder, tuned, tuning)
                self.progress.emit("tuned", f"Tuned and trained in {duration(self._seconds)}.")
        return conclude(self.progress, self.folder, ended)

    def _out_of_time(self) -> Outcome:
        text = f"{STOPS[OUT_OF_TIME]}: {saved('trials')} ({shown_path(self.folder.path)})"
        self.progress.emit("stopped", text, sys.stderr)
        return Outcome(stopped=OUT_OF_TIME)


def _which(search: int, n_searches: int) -> str:
    """Return the beginning of a line on one of several searches."""
    return f"search {search} of {n_searches}: " if n_searches > 1 else ""


def _emit_chosen(tuned: Tuned, console: Console, seconds: float) -> None:
    n_searches = len(tuned.searches)
    for search, of_arms in enumerate(tuned.searches, 1):
        for arm, finished in of_arms.items():
            n_trials, best = counted(len(finished), "trial"), best_so_far(finished)
            text = f"best of {n_trials} {ARMS[arm].short}: {best} on held-out images"
            console.emit("chosen", f"{_which(search, n_searches)}{text}")
    console.emit("searched", f"Tuned in {duration(seconds)}.")
