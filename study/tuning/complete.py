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
from study.engine import costs, devices, registry
from study.errors import StudyError, UsageError
from study.runner import provenance
from study.runner.complete import check_rule, complete
from study.runner.execution import Execution
from study.runner.outcome import OUT_OF_TIME, STOPS, Outcome, OutOfTime
from study.runner.progress import Console, Progress, duration
from study.runner.session import check_same_data, fitting_workers
from study.spec.analysis_rule import AS_FIXED, AskedRule
from study.spec.cohorts import MAX_RUNS_PER_STACK, Cohort
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.trial_design import TrialDesign
from study.store.manifest import Manifest
from study.store.study_folder import JOURNAL, Folder
from study.tuning import trials_table
from study.tuning.budget import Budget, check_fresh
from study.tuning.lease import Lease
from study.tuning.loop import TrialJob, Tuning, best_so_far
from study.tuning.search import Search, SearchConfiguration
from study.tuning.storage import faults, open_storage, without_password
from study.tuning.trials_table import Tuned

if TYPE_CHECKING:  # torch takes seconds to import; --help needs none of it
    from study.data.dataset import Dataset


@dataclass(frozen=True)
class Optimisation:
    """One command's work on a tuned study."""

    design: Design
    """The design of the fresh seeds, whose grid is the untuned reference setting."""
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
        check_fresh(self.design.seeds)

    def complete(self) -> Outcome:
        """Prepare, search, train the fresh seeds and report how it ended; returns the outcome."""
        design, manifest = self._trial_design(), _tuned_before(self.folder, self.design)
        check_rule(self.folder, self.asked)
        if self.notice:
            self.progress.emit("notice", self.notice, sys.stderr)
        data, job = self._job(design, manifest)
        configuration = self._configuration(data, job.engine)
        try:
            tuned = self._search(configuration, job, data)
        except OutOfTime:
            return self._out_of_time()
        _emit_chosen(tuned, self.progress, self._seconds)
        return self._train_chosen(tuned, self._manifest_entry(configuration))

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self.began

    # --- before

    def _trial_design(self) -> TrialDesign:
        space, design = self.budget.space, self.design
        trials = TrialDesign(
            design.dataset, design.arms, (2,), (space.lr[0],), self.budget.trial_seeds, design.epochs, design.hidden
        )
        n_train = trials.data.n_train
        if space.sizes[-1] > n_train:
            fitting = 2 ** (n_train.bit_length() - 1)
            raise UsageError(
                f"--space batch_size={space.batch_size[0]}:{space.batch_size[1]}: {n_train} images of {design.dataset}"
                f" train a trial; give a range up to {fitting}, such as batch_size=16:{fitting}"
            )
        return trials

    def _job(self, design: TrialDesign, manifest: Manifest | None) -> tuple["Dataset", TrialJob]:
        """Return the images of the trials, and the job that their training shares."""
        from study.data.held_out import hold_out

        device = devices.choose(self.execution.device, manifest and manifest["device"]["kind"])
        began_with = manifest and manifest["device"].get("engine")
        engine, slower = registry.choose(self.execution.engine, design, device, tf32=False, of_study=began_with)
        if slower:
            self.progress.emit("notice", slower, sys.stderr)
        data = self.source.images
        if manifest is not None:
            check_same_data(self.folder, manifest, data.sha256)
        path, deadline = self.folder.path, self.execution.deadline()
        job = TrialJob(design, path, device, engine, data.name, data.sha256, shared_data=path, deadline=deadline)
        return hold_out(data).to(device) if device != "cpu" else hold_out(data), job

    def _configuration(self, data: "Dataset", engine: str) -> SearchConfiguration:
        return SearchConfiguration(
            dataset=data.name,
            data=data.digest,
            space=str(self.budget.space),
            epochs=self.design.epochs,
            hidden=tuple(self.design.hidden),
            seeds=self.budget.trial_seeds,
            engine=engine,
            sampler=self.budget.sampler,
            sampler_seed=self.budget.sampler_seed,
            pruner=self.budget.pruner,
        )

    def _manifest_entry(self, configuration: SearchConfiguration) -> dict[str, Any]:
        """Return the entry ``tuning`` of the manifest."""
        storage = self.budget.storage
        same = ("space", "epochs", "sampler", "sampler_seed", "pruner")
        return {
            "trials": self.budget.trials,
            "first_seed": configuration.seeds[0],
            "n_seeds": len(configuration.seeds),
            "storage": JOURNAL if storage is None else without_password(storage),
            "optuna": version("optuna"),
            **{name: getattr(configuration, name) for name in same},
        }

    # --- the searches

    def _search(self, configuration: SearchConfiguration, job: TrialJob, data: "Dataset") -> Tuned:
        """Return the finished searches; raises OutOfTime, and StudyError where cohorts failed for good."""
        path, url = self.folder.path, self.budget.storage
        lease = Lease(path)
        with open_storage(path, url) as storage:
            searches = {
                arm: Search(storage, f"{path.name}/{arm}", configuration, lease, shared_lock=url is None)
                for arm in self.design.arms
            }
            for arm, search in searches.items():
                search.check_total(arm, self.budget.trials)
            rule = self._rule(next(iter(searches.values())))
            self.folder.prepare()
            with lease.hold():
                failures = self._tune(searches, replace(job, shared_data=lease.images), data)
            if failures:
                raise StudyError(f"{failures} cohorts of trials failed; the same command tries them again")
            return Tuned({arm: search.finished() for arm, search in searches.items()}, rule)

    def _rule(self, search: Search) -> AskedRule:
        """Return the rule of the study: before its first run that of its search, which this command may be to fix."""
        if self.folder.manifest.exists():
            return self.asked
        return search.agree_rule(self.asked, self.folder.path, provenance.today())

    def _tune(self, searches: Mapping[str, Search], job: TrialJob, data: "Dataset") -> int:
        """Train trials until all are finished; returns the number of cohorts that failed for good."""
        guard = partial(faults, self.budget.storage)
        ask_lock = FileLock(self.folder.path / ".asking")
        tuning = Tuning(searches, self.budget.trials, job, ask_lock, guard, self.progress)
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
        largest = Cohort(cells, tuple(self.design.arms), self.budget.trial_seeds[:1])
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
        design = replace(self.design, tuned=tuned.chosen)
        with FileLock(self.folder.path / ".confirming"):
            outcome = complete(
                design, self.folder, self.source, execution, self.progress, self.command, self.notice, tuned.rule
            )
            if outcome == Outcome():
                trials_table.write(self.folder, tuned, tuning)
                self.progress.emit("tuned", f"tuned and trained in {duration(self._seconds)}")
        return outcome

    def _out_of_time(self) -> Outcome:
        text = f"{STOPS[OUT_OF_TIME]}: {self.folder.path} keeps what is told; the same command goes on"
        self.progress.emit("stopped", text, sys.stderr)
        return Outcome(stopped=OUT_OF_TIME)


def _tuned_before(folder: Folder, design: Design) -> Manifest | None:
    """Return the manifest of a tuned study, None for a new one; refuses a study that was not tuned, or of another
    design."""
    folder.check_not_archived()
    manifest = folder.read_manifest()
    if manifest is not None:
        older = Design.from_dict(manifest["design"])
        if not older.tuned:
            raise UsageError(f"{folder.path} holds a study that was not tuned; choose another --study-id.")
        design.check_extends(replace(older, tuned=()))
    return manifest


def _emit_chosen(tuned: Tuned, console: Console, seconds: float) -> None:
    for chosen, finished in zip(tuned.chosen, tuned.finished.values(), strict=True):
        best = best_so_far(finished)
        console.emit("chosen", f"{chosen.arm} is tuned: {best}, the best of {len(finished)} trials")
    console.emit("searched", f"tuned in {duration(seconds)}")
