"""The tuning of both arms: ask for a batch of trials of each, train them in lockstep, tell what came of them.

Trials of both arms at one point share their images, and trials of one batch size their steps. A batch that is not
told, because the command was stopped, is given back.
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
from study.runner.progress import Console, duration
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
Trial = tuple[str, int]
"""(arm, slot)."""


@dataclass(frozen=True)
class TrialJob(jobs.Job):
    """Cohorts of trials: nothing is written, the scores are told."""

    def commit(self, cohort: Cohort, history: "History", data: "Dataset") -> list[Score]:
        """Of each run, in the cohort's order."""
        return [score(run, history, i, len(data.test.labels)) for i, run in enumerate(cohort.runs)]


def score(run: Run, history: "History", i: int, n_held_out: int) -> Score:
    """Of the ``i``-th run, on the held-out images after the last epoch there is."""
    epoch, bad = history.loss.shape[1] - 1, history.first_bad_epoch[i]
    loss, n_correct = float(history.loss[i, -1, 1]), int(history.n_correct[i, -1, 1])
    if bad is not None:
        return Score(run.seed, epoch, None, None, n_held_out, bad)
    return Score(run.seed, epoch, loss, n_correct, n_held_out, None)


class Tuning:
    """A worker's part in the searches."""

    def __init__(
        self,
        searches: Mapping[str, Search],
        n_trials: int,
        job: TrialJob,
        asking: FileLock,
        faults: Guard,
        voice: Console,
    ):
        """``asking``: held while trials are asked for; ``faults``: makes those of the storage the command's."""
        self.searches, self.n_trials, self.job = searches, n_trials, job
        self.asking, self.faults, self.voice = asking, faults, voice
        self.began, self.n_before = time.monotonic(), self._n_finished()
        self.failures = 0

    def run(self, data: "Dataset", n_workers: int, at_once: int) -> int:
        """Until every trial is told, by this worker or by others; returns the number of cohorts that failed, after
        which it stops."""
        from study.runner.worker_pool import worker_pool

        waited = False
        with ExitStack() as stack:
            pool: WorkerPool | None = None
            while not self.failures:
                asked = self._ask(at_once)
                if not asked and self._n_finished() == self._n_in_all:
                    break
                if not asked:
                    waited = waited or self._say_waiting()
                    self.job.check_time()
                    time.sleep(WAIT_SECONDS)
                    continue
                if pool is None and n_workers > 1:
                    pool = stack.enter_context(worker_pool(self.job, n_workers, data))
                self._train(asked, data, n_workers, pool)
                self._say_progress()
        return self.failures

    def leave(self) -> None:
        """Give back what was asked for and not told, however the work ended."""
        for search in self.searches.values():
            search.release()
        for search in self.searches.values():
            search.presence.leave()

    @property
    def _n_in_all(self) -> int:
        return self.n_trials * len(self.searches)

    def _n_finished(self) -> int:
        """Of this worker's total: another may have been given a larger one."""
        return sum(trial.slot < self.n_trials for search in self.searches.values() for trial in search.finished())

    def _ask(self, at_once: int) -> dict[Trial, Cell]:
        asked: dict[Trial, Cell] = {}
        with self.asking:
            for search in self.searches.values():
                search.enqueue_missing(self.n_trials, at_once)
            for search in self.searches.values():
                search.presence.clear()
            for arm, search in self.searches.items():
                asked |= {(arm, slot): point for slot, point in search.ask(at_once)}
        return asked

    def _train(self, asked: dict[Trial, Cell], data: "Dataset", n_workers: int, pool: "WorkerPool | None") -> None:
        if any(search.prunes for search in self.searches.values()):
            self._train_one_by_one(asked, data)
        else:
            self._train_together(asked, data, n_workers, pool)

    def _train_together(
        self, asked: dict[Trial, Cell], data: "Dataset", n_workers: int, pool: "WorkerPool | None"
    ) -> None:
        batch = TrialBatch(self.searches, self.job.design, asked, self.faults, self.voice)
        planned = cohorts(batch.runs, n_workers)
        if pool is not None:
            self.failures += pool.train(planned, batch)
        else:
            self.failures += jobs.train_here(self.job, planned, data, batch)

    def _train_one_by_one(self, asked: dict[Trial, Cell], data: "Dataset") -> None:
        from study.tuning import pruning

        for (arm, slot), point in asked.items():
            pruning.train(self.searches[arm], arm, slot, point, self.job, data)

    def _say_waiting(self) -> bool:
        self.voice.emit("waiting", "the trials that are left are with other workers: waiting for them")
        return True

    def _say_progress(self) -> None:
        n, elapsed = self._n_finished(), time.monotonic() - self.began
        done = n - self.n_before
        left = duration(elapsed / done * (self._n_in_all - n)) if done else "unknown time"
        bests = "; ".join(f"{arm} {best_so_far(search.finished())}" for arm, search in self.searches.items())
        self.voice.emit("progress", f"{n} of {self._n_in_all} trials, {left} left. Best on held-out images: {bests}")


def best_so_far(finished: Sequence[Finished]) -> str:
    """The best trial in words."""
    whole = [trial for trial in finished if not trial.pruned]
    if not whole:
        return "none yet"
    found = best(whole)
    return f"{found.value:.2%} ({in_words(rounded(found.point))})"


class TrialBatch:
    """The trials in hand; told as soon as all their seeds are trained. Implements ``jobs.Report``."""

    def __init__(
        self,
        searches: Mapping[str, Search],
        design: Design,
        asked: Mapping[Trial, Cell],
        faults: Guard,
        voice: Console,
    ):
        self.searches, self.n_seeds, self.faults, self.voice = searches, len(design.seeds), faults, voice
        self.scores: dict[Trial, dict[int, Score]] = {trial: {} for trial in asked}
        self.trials_of: dict[Run, list[Trial]] = defaultdict(list)
        for (arm, slot), point in asked.items():
            for seed in design.seeds:
                self.trials_of[Run(point, seed=seed, arm=arm)].append((arm, slot))

    @property
    def runs(self) -> list[Run]:
        """What the trials take; two trials at one point take the same."""
        return list(self.trials_of)

    def epoch(self, cohort: Cohort) -> None:
        with self.faults():  # else the cohort would seem to have failed
            for search in self.searches.values():
                search.heartbeat()

    def committed(self, cohort: Cohort, seconds: float, result: Any) -> None:
        for run, found in zip(cohort.runs, result, strict=True):
            for trial in self.trials_of[run]:
                self.scores[trial][run.seed] = found
        for (arm, slot), scores in sorted(self.scores.items()):
            if len(scores) == self.n_seeds:
                del self.scores[arm, slot]
                self._tell(arm, slot, [scores[seed] for seed in sorted(scores)])

    def _tell(self, arm: str, slot: int, scores: Sequence[Score]) -> None:
        with self.faults():
            if not self.searches[arm].tell(slot, scores):
                text = f"trial {slot} of {arm} was given up as another worker's: its outcome is not used"
                self.voice.emit("lost", text, sys.stderr)

    def failed(self, cohort: Cohort, reason: str, last: bool) -> None:
        then = "given up" if last else "trying once more"
        self.voice.emit("failed", f"batch size {cohort.batch_size}, rates {cohort.lrs}: {reason}; {then}", sys.stderr)
