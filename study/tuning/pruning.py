"""Trials that may be stopped: one at a time, asked after every epoch whether it is worth going on.

Optuna's pruners compare with the trials that were told; a trial that is stopped has the score of its last epoch.
"""

from collections.abc import Sequence

import torch

from study.data.dataset import Dataset
from study.engine import devices
from study.engine import registry as engines
from study.engine.lockstep.training import Trains
from study.runner.jobs import Job
from study.spec.cohorts import Cohort
from study.tuning.search import Score, Search
from study.tuning.space import Point


@torch.no_grad()
def train(search: Search, arm: str, slot: int, point: Point, job: Job, data: Dataset) -> None:
    """Train the trial ``slot`` of ``arm`` and tell it, to the end or as far as its pruner lets it."""
    devices.prepare(job.engine)
    cohort = Cohort(point.batch_size, (arm,), (point.lr,), job.design.seeds)
    training = engines.training_of(job.engine)(job.design, cohort, data)
    for epoch in range(1, job.design.epochs + 1):
        job.check_time()
        training.epoch(epoch)
        training.evaluate()
        scores = _scores(job, cohort, training, data)
        if epoch < job.design.epochs and search.should_prune(slot, scores):
            search.tell(slot, scores, pruned=True)
            return
        search.sign_of_life()
    search.tell(slot, scores)


def _scores(job: Job, cohort: Cohort, training: Trains, data: Dataset) -> Sequence[Score]:
    scores: Sequence[Score] = job.keep(cohort, training.history(), data)
    return scores
