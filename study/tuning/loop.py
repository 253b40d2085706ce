"""A worker's loop of a search: ask for a batch of trials of each arm, train them in lockstep, tell their scores.

Trials of all arms at one point share their images, and trials of one batch size their steps. A batch that is not
told, because the command was stopped, is requeued.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from study.runner import jobs
from study.runner.progress import TRIALS, Progress, describe_failure
from study.spec.arms import ARMS
from study.spec.cohorts import Cohort, cohorts
from study.spec.design import Design
from study.spec.factors import Cell, in_words, rounded
from study.spec.runs import Run
from study.tuning.search import Finished, Score, Search, best

if TYPE_CHECKING:  # torch is imported by those who train
    from study.data.dataset import Dataset
    from study.runner.worker_pool import WorkerPool
    from study.spec.history import History

WAIT_SECONDS = 1.0
Guard = Callable[[], AbstractContextManager[None]]
TrialKey = tuple[str, int]
"""Arm and trial index."""


@dataclass(frozen=True)
class TrialJob(jobs.Job):
    """A job whose cohorts are trials: nothing is written, the scores are returned."""

    def commit(self, cohort: Cohort, history: "History", data: "Dataset") -> list[Score]:
        """Return the score of each run, in the cohort's order."""
        return [score(run, history, i, len(data.test.labels)) for i, run in enumerate(cohort.runs)]


def score(run: Run, history: "History", i: int, n_held_out: int) -> Score:
    """Return the score of the ``i``-th run, on the held-out images after the last epoch there is."""
    epoch, bad = history.loss.shape[1] - 1, history.first_bad_epoch[i]
    loss, n_correct = float(history.loss[i, -1, 1]), int(history.n_correct[i, -1, 1])
    if bad is not None:
        return Score(run.seed, epoch, None, None, n_held_out, bad)
    return Score(run.seed, epoch, loss, n_correct, n_held_out, None)


class Tuning:
    """A worker's share of the searches."""

    def __init__(
        self,
        searches: Mapping[str, Search],
        n_trials: int,
        job: TrialJob,
        ask_lock: FileLock,
        guard: Guard,
        progress: Progress,
        n_earlier: int = 0,
        which: str = "",
    ):
        """``ask_lock`` is held while trials are asked for; ``guard`` turns the storage's errors into the command's;
        ``n_earlier`` trials belong to earlier searches; ``which`` of several begins a line on progress."""
        self.searches, self.n_trials, self.job = searches, n_trials, job
        self.ask_lock, self.guard, self.progress = ask_lock, guard, progress
        self.n_earlier, self.which = n_earlier, which
        self.failures = 0

    def run(self, data: "Dataset", n_workers: int, trial_batch_size: int) -> int:
        """Train until every trial is finished, by this worker or by others; returns the number of cohorts that failed,
        after which it stops."""
        from study.runner.worker_pool import worker_pool

        waited = False
        with ExitStack() as stack:
            pool: WorkerPool | None = None
            while not self.failures:
                asked = self._ask(trial_batch_size)
                if not asked and self._n_finished() == self._n_in_all:
                    break
                if not asked:
                    waited = waited or self._emit_waiting()
                    self.progress.told(self.n_earlier + self._n_finished())
                    self.job.check_time()
                    time.sleep(WAIT_SECONDS)
                    continue
                if pool is None and n_workers > 1:
                    pool = stack.enter_context(worker_pool(self.job, n_workers, data))
                self._train(asked, data, n_workers, pool)
                self._emit_progress()
        return self.failures

    def release(self) -> None:
        """Requeue what was asked for and not told, however the work ended, and release the leases."""
        for search in self.searches.values():
            search.requeue()
        for search in self.searches.values():
            search.lease.release()

    @property
    def _n_in_all(self) -> int:
        return self.n_trials * len(self.searches)

    def _n_finished(self) -> int:
        """Return how many trials of this worker's total are finished: another worker may have a larger total."""
        return sum(trial.index < self.n_trials for search in self.searches.values() for trial in search.finished())

    def _ask(self, trial_batch_size: int) -> dict[TrialKey, Cell]:
        asked: dict[TrialKey, Cell] = {}
        with self.ask_lock:
            for search in self.searches.values():
                search.enqueue_missing(self.n_trials, trial_batch_size)
            for search in self.searches.values():
                search.lease.remove_expired()
            for arm, search in self.searches.items():
                asked |= {(arm, index): point for index, point in search.ask(trial_batch_size)}
        return asked

    def _train(self, asked: dict[TrialKey, Cell], data: "Dataset", n_workers: int, pool: "WorkerPool | None") -> None:
        if any(search.prunes for search in self.searches.values()):
            self._train_one_by_one(asked, data)
        else:
            self._train_together(asked, data, n_workers, pool)

    def _train_together(
        self, asked: dict[TrialKey, Cell], data: "Dataset", n_workers: int, pool: "WorkerPool | None"
    ) -> None:
        batch = TrialBatch(self.searches, self.job.design, asked, self.guard, self.progress)
        planned = cohorts(batch.runs, n_workers)
        if pool is not None:
            self.failures += pool.train(planned, batch)
        else:
            self.failures += jobs.train_here(self.job, planned, data, batch)

    def _train_one_by_one(self, asked: dict[TrialKey, Cell], data: "Dataset") -> None:
        from study.tuning import pruning

        for (arm, index), point in asked.items():
            pruning.train(self.searches[arm], arm, index, point, self.job, data)

    def _emit_waiting(self) -> bool:
        self.progress.emit("waiting", "Other workers train the trials that are left: waiting for them.")
        return True

    def _emit_progress(self) -> None:
        n = self._n_finished()
        self.progress.told(self.n_earlier + n)
        if self.progress.bar is None:
            bests = "; ".join(
                f"{ARMS[arm].short} {best_so_far(search.finished())}" for arm, search in self.searches.items()
            )
            text = f"{self.which}{n} of {self._n_in_all} trials, {self.progress.clock()}"
            done: dict[str, Any] = {"trials_done": self.progress.n_told, "trials": self.progress.n_trials}
            done["fraction"] = round(self.progress.fraction, 4)
            self.progress.emit("progress", f"{text}. Best on held-out images: {bests}", **done)


def best_so_far(finished: Sequence[Finished]) -> str:
    """Return accuracy and configuration of the best trial as text."""
    unpruned = [trial for trial in finished if not trial.pruned]
    if not unpruned:
        return "none yet"
    trial = best(unpruned)
    return f"{100 * trial.value:.2f} % ({in_words(rounded(trial.point))})"


class TrialBatch:
    """Trials that train together; each is told as soon as all its seeds are trained. Implements ``jobs.Report``."""

    def __init__(
        self,
        searches: Mapping[str, Search],
        design: Design,
        asked: Mapping[TrialKey, Cell],
        guard: Guard,
        progress: Progress,
    ):
        self.searches, self.n_seeds, self.guard, self.progress = searches, len(design.seeds), guard, progress
        self.scores: dict[TrialKey, dict[int, Score]] = {trial: {} for trial in asked}
        self.trials_of: dict[Run, list[TrialKey]] = defaultdict(list)
        for (arm, index), point in asked.items():
            for seed in design.seeds:
                self.trials_of[Run(point, seed=seed, arm=arm)].append((arm, index))

    @property
    def runs(self) -> list[Run]:
        """The runs of all trials; two trials at one point share theirs."""
        return list(self.trials_of)

    def epoch(self, cohort: Cohort) -> None:
        with self.guard():  # else the cohort would seem to have failed
            for search in self.searches.values():
                search.heartbeat()
        self.progress.phases[TRIALS].epoch(cohort)
        self.progress.now_and_then()

    def committed(self, cohort: Cohort, seconds: float, result: Any) -> None:
        self.progress.phases[TRIALS].committed(cohort)
        self.progress.show()
        for run, score in zip(cohort.runs, result, strict=True):
            for trial in self.trials_of[run]:
                self.scores[trial][run.seed] = score
        for (arm, index), scores in sorted(self.scores.items()):
            if len(scores) == self.n_seeds:
                del self.scores[arm, index]
                self._tell(arm, index, [scores[seed] for seed in sorted(scores)])

    def _tell(self, arm: str, index: int, scores: Sequence[Score]) -> None:
        with self.guard():
            if not self.searches[arm].tell(index, scores):
                text = f"Warning: another worker has taken over trial {index} of {arm}; this outcome is not used"
                self.progress.emit("lost", text, sys.stderr)

    def failed(self, cohort: Cohort, reason: str, last: bool) -> None:
        self.progress.phases[TRIALS].failed(cohort)
        self.progress.emit("failed", describe_failure(cohort, reason, last), sys.stderr)
