"""Training of trials that may be pruned: one at a time, with a pruner's decision after every epoch.

Optuna's pruners compare with the finished trials; a pruned trial has the score of its last epoch.
"""

from collections.abc import Sequence

import torch

from study.data.dataset import Dataset
from study.engine import devices, registry
from study.engine.lockstep.training import Trainer
from study.runner.jobs import Job
from study.spec.cohorts import Cohort
from study.spec.factors import Cell
from study.tuning.search import Score, Search


@torch.no_grad()
def train(search: Search, arm: str, index: int, point: Cell, job: Job, data: Dataset) -> None:
    """Train the trial ``index`` of ``arm``, to the end or until it is pruned, and tell its scores."""
    devices.prepare(job.engine)
    cohort = Cohort((point,), (arm,), tuple(job.design.seeds))
    training = registry.trainer_factory(job.engine)(job.design, cohort, data)
    for epoch in range(1, job.design.epochs + 1):
        job.check_time()
        training.epoch(epoch)
        training.evaluate()
        scores = _scores(job, cohort, training, data)
        if epoch < job.design.epochs and search.should_prune(index, scores):
            search.tell(index, scores, pruned=True)
            return
        search.heartbeat()
    search.tell(index, scores)


def _scores(job: Job, cohort: Cohort, training: Trainer, data: Dataset) -> Sequence[Score]:
    scores: Sequence[Score] = job.commit(cohort, training.history(), data)
    return scores
