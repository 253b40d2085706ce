"""The training of cohorts: (design, cohorts, data) -> a History each.

All runs of a cohort take their steps together. The images of a seed are prepared once a step and shared by
every arm and learning rate, so the runs of a pair see the same batches.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from study.data.dataset import Dataset
from study.data.variants import variant
from study.engine import random_streams
from study.engine.lockstep.epochs import CudaGraphEpoch, EagerEpoch, EpochRunner
from study.engine.lockstep.evaluation import evaluate
from study.engine.lockstep.observing import Observer
from study.engine.lockstep.stacks import Lockstep
from study.errors import UsageError
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.history import History


def train(
    design: Design,
    cohort: Cohort,
    data: Dataset,
    on_epoch: Callable[[], None] | None = None,
    observer: Observer | None = None,
) -> History:
    """Train every run of ``cohort`` for ``design.epochs`` epochs; the data's dtype and device decide
    where and in what precision. ``on_epoch`` is called between epochs. Epoch 0 is the untrained network.
    ``observer`` looks on, on a CPU, and changes no bit.
    """
    (history,) = train_together(design, [cohort], data, on_epoch, partial(Training, observer=observer))
    return history


@torch.no_grad()
def first_steps(design: Design, cohort: Cohort, data: Dataset, n_steps: int, observer: Observer) -> Lockstep:
    """Take the first ``n_steps`` steps of a training, over as many epochs as they need, and evaluate nothing; their
    bits are those of ``train``."""
    data = variant(data, cohort.cell)
    lockstep = Lockstep(design, cohort, data.train.images.dtype, data.train.images.device)
    runner, seeds = EagerEpoch(lockstep, data.train, observer), [*map(design.order_seed, lockstep.slots.seeds)]
    epoch, left = 0, n_steps
    while left > 0:
        epoch += 1
        for stack in lockstep.stacks:
            stack.begin_epoch()
        order = image_orders(seeds, epoch, cohort, data)[:, : left * cohort.batch_size]
        runner.run(order)
        left -= order.shape[1] // cohort.batch_size
    return lockstep


@torch.no_grad()
def train_together(
    design: Design,
    cohorts: Sequence[Cohort],
    data: Dataset,
    on_epoch: Callable[[], None] | None = None,
    make: "TrainerFactory | None" = None,
) -> list[History]:
    """Train cohorts side by side, which a GPU needs to be busy; their numbers do not depend on one another.

    ``make`` is another engine than torch's. A trainer is handed what a cohort's cells make of ``data``.
    """
    trainings = [(make or Training)(design, cohort, variant(data, cohort.cell)) for cohort in cohorts]
    for epoch in range(1, design.epochs + 1):
        for training in trainings:  # only queues the work of a GPU
            training.epoch(epoch)
        for training in trainings:  # waits for it
            training.evaluate()
        if on_epoch and epoch < design.epochs:
            on_epoch()
    return [training.history() for training in trainings]


class Trainer(Protocol):
    """A cohort in training, by any engine; its construction evaluates the untrained networks."""

    def epoch(self, number: int) -> None:
        """Train on one pass over the images in the seeds' orders."""
        ...

    def evaluate(self) -> None:
        """Record losses and correct answers on all images of both splits."""
        ...

    def history(self) -> History: ...


TrainerFactory = Callable[[Design, Cohort, Dataset], Trainer]


class Training:
    """A cohort in training, and its evaluations so far."""

    def __init__(self, design: Design, cohort: Cohort, data: Dataset, observer: Observer | None = None):
        self.design, self.cohort, self.data, self.observer = design, cohort, data, observer
        self.stream = _stream(data)
        with self._own_stream():
            self.lockstep = self._lockstep()
            self.epoch_runner = self._epoch_runner()
        self.snapshots: list[Snapshot] = []
        self.evaluate()

    def _lockstep(self) -> Lockstep:
        images = self.data.train.images
        return Lockstep(self.design, self.cohort, images.dtype, images.device)

    def _epoch_runner(self) -> EpochRunner:
        if self.stream is None or any(stack.arm.draws for stack in self.lockstep.stacks):  # a graph replays no draw
            return EagerEpoch(self.lockstep, self.data.train, self.observer)
        if self.observer is not None:
            raise UsageError(
                f"an observer was given to a training on {self.data.train.images.device}, where steps are replayed"
                " without the host; leave it out, or train on a CPU"
            )
        return CudaGraphEpoch(self.lockstep, self.data.train, warm_up_copy=self._lockstep)

    def _own_stream(self) -> AbstractContextManager[object]:
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def epoch(self, number: int) -> None:
        """Train on one pass over the images in the seeds' orders."""
        with self._own_stream():
            for stack in self.lockstep.stacks:
                stack.begin_epoch()
            self.epoch_runner.run(image_orders(self._order_seeds(), number, self.cohort, self.data))

    def _order_seeds(self) -> list[int]:
        return [self.design.order_seed(seed) for seed in self.lockstep.slots.seeds]

    def evaluate(self) -> None:
        """Record losses and correct answers on all images of both splits."""
        with self._own_stream():
            self.snapshots.append(Snapshot(self.lockstep, self.data))

    def history(self) -> History:
        return History(
            loss=np.stack([snapshot.loss for snapshot in self.snapshots], axis=1),
            n_correct=np.stack([snapshot.n_correct for snapshot in self.snapshots], axis=1),
            finite=np.stack([snapshot.finite for snapshot in self.snapshots], axis=1),
            test_correct=self.snapshots[-1].test_correct,
            n_steps=self.design.epochs * self.design.steps_per_epoch(self.cohort.cell),
            weights=self._weights(),
        )

    def _weights(self) -> list[dict[str, NDArray[np.float32]]]:
        """Return the trained networks, runs in the cohort's order."""
        size, n_runs = self.cohort.batch_size, len(self.cohort.seeds) * len(self.cohort.cells)
        n_batches = self.design.steps_per_epoch(self.cohort.cell)
        states = [stack.trained(run, size, n_batches) for stack in self.lockstep.stacks for run in range(n_runs)]
        return [{name: value.float().cpu().numpy() for name, value in state.items()} for state in states]


def image_orders(seeds: Sequence[int], epoch: int, cohort: Cohort, data: Dataset) -> Tensor:
    """Return the images' order (S, steps batch), a function of (seed, epoch); the last incomplete batch is dropped."""
    n_images = len(data.train.labels)
    n_used = n_images // cohort.batch_size * cohort.batch_size
    drawn = {seed: random_streams.image_order(seed, epoch, n_images)[:n_used] for seed in set(seeds)}
    return torch.stack([drawn[seed] for seed in seeds])


class Snapshot:
    """The evaluation of every run on all images of both splits, runs in the cohort's order (arm, seed, rate)."""

    def __init__(self, lockstep: Lockstep, data: Dataset):
        predictors = [stack.predictor() for stack in lockstep.stacks]
        losses, counts = [], []
        for split in (data.train, data.test):
            results = [evaluate(predictor, split.pixels, split.labels) for predictor in predictors]
            losses.append(lockstep.by_run([loss for loss, _ in results]))
            correct = lockstep.by_run([correct for _, correct in results])
            counts.append(correct.sum(-1))
        self.loss, self.n_correct = (torch.stack(parts, dim=-1).cpu().numpy() for parts in (losses, counts))
        self.test_correct = correct.cpu().numpy()
        self.finite = lockstep.by_run([stack.finite() for stack in lockstep.stacks]).cpu().numpy()


def _stream(data: Dataset) -> torch.cuda.Stream | None:
    """Return a new stream on a GPU, which starts when the data are there; None on a CPU."""
    device = data.train.images.device
    if device.type == "cpu":
        return None
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    return stream
