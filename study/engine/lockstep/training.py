"""The training of cohorts: (design, cohorts, data) -> a History each.

All runs of a cohort take their steps together. The images of a seed are prepared once a step and shared by
every arm and learning rate, so the runs of a pair see the same batches.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from study.data.dataset import Dataset
from study.engine import random_streams as streams
from study.engine.lockstep.epochs import CudaGraphEpoch, EagerEpoch, EpochRunner
from study.engine.lockstep.evaluation import evaluate
from study.engine.lockstep.stacks import Lockstep
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.history import History


def train(design: Design, cohort: Cohort, data: Dataset, on_epoch: Callable[[], None] | None = None) -> History:
    """Train every run of ``cohort`` for ``design.epochs`` epochs; the data's dtype and device decide
    where and in what precision. ``on_epoch`` is called between epochs. Epoch 0 is the untrained network.
    """
    (history,) = train_together(design, [cohort], data, on_epoch)
    return history


@torch.no_grad()
def train_together(
    design: Design,
    cohorts: Sequence[Cohort],
    data: Dataset,
    on_epoch: Callable[[], None] | None = None,
    make: "TrainerFactory | None" = None,
) -> list[History]:
    """Train cohorts side by side, which a GPU needs to be busy; their numbers know nothing of one another.

    ``make`` is another engine than torch's.
    """
    trainings = [(make or Training)(design, cohort, data) for cohort in cohorts]
    for epoch in range(1, design.epochs + 1):
        for training in trainings:  # a GPU is only told here what to do
            training.epoch(epoch)
        for training in trainings:  # and is waited for here
            training.evaluate()
        if on_epoch and epoch < design.epochs:
            on_epoch()
    return [training.history() for training in trainings]


class Trainer(Protocol):
    """A cohort on its way through the epochs, by any engine; made, it has evaluated the untrained networks."""

    def epoch(self, number: int) -> None:
        """One pass over the images in the seeds' orders."""
        ...

    def evaluate(self) -> None:
        """Keep losses and correct answers on all of both splits."""
        ...

    def history(self) -> History: ...


TrainerFactory = Callable[[Design, Cohort, Dataset], Trainer]


class Training:
    """A cohort on its way through the epochs, and what was measured so far."""

    def __init__(self, design: Design, cohort: Cohort, data: Dataset):
        self.design, self.cohort, self.data = design, cohort, data
        self.stream = _stream(data)
        with self._own_stream():
            self.lockstep = self._lockstep()
            self.one_pass = self._pass()
        self.snapshots: list[Snapshot] = []
        self.evaluate()

    def _lockstep(self) -> Lockstep:
        images = self.data.train.images
        return Lockstep(self.design, self.cohort, images.dtype, images.device)

    def _pass(self) -> EpochRunner:
        if self.stream is None:
            return EagerEpoch(self.lockstep, self.data.train)
        return CudaGraphEpoch(self.lockstep, self.data.train, twin=self._lockstep)

    def _own_stream(self) -> AbstractContextManager[object]:
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def epoch(self, number: int) -> None:
        """One pass over the images in the seeds' orders."""
        with self._own_stream():
            for stack in self.lockstep.stacks:
                stack.begin_epoch()
            self.one_pass.run(image_orders(self.lockstep.seats.seeds, number, self.cohort, self.data))

    def evaluate(self) -> None:
        """Keep losses and correct answers on all of both splits."""
        with self._own_stream():
            self.snapshots.append(Snapshot(self.lockstep, self.data))

    def history(self) -> History:
        return History(
            loss=np.stack([snapshot.loss for snapshot in self.snapshots], axis=1),
            n_correct=np.stack([snapshot.n_correct for snapshot in self.snapshots], axis=1),
            finite=np.stack([snapshot.finite for snapshot in self.snapshots], axis=1),
            test_correct=self.snapshots[-1].test_correct,
            n_steps=self.design.epochs * self.design.steps_per_epoch(self.cohort.batch_size),
            weights=self._weights(),
        )

    def _weights(self) -> list[dict[str, NDArray[np.float32]]]:
        """The trained networks, runs in the cohort's order."""
        size, n_runs = self.cohort.batch_size, len(self.cohort.seeds) * len(self.cohort.cells)
        n_batches = self.design.steps_per_epoch(size)
        states = [stack.trained(run, size, n_batches) for stack in self.lockstep.stacks for run in range(n_runs)]
        return [{name: value.float().cpu().numpy() for name, value in state.items()} for state in states]


def image_orders(seeds: Sequence[int], epoch: int, cohort: Cohort, data: Dataset) -> Tensor:
    """(S, steps batch): (seed, epoch) alone decide the order; the last incomplete batch is dropped."""
    n_images = len(data.train.labels)
    n_used = n_images // cohort.batch_size * cohort.batch_size
    drawn = {seed: streams.image_order(seed, epoch, n_images)[:n_used] for seed in set(seeds)}
    return torch.stack([drawn[seed] for seed in seeds])


class Snapshot:
    """Every run of a lockstep on all of both splits, runs in the cohort's order (arm, seed, rate)."""

    def __init__(self, lockstep: Lockstep, data: Dataset):
        networks = [stack.predictor() for stack in lockstep.stacks]
        losses, counts = [], []
        for split in (data.train, data.test):
            found = [evaluate(of_arm, split.pixels, split.labels) for of_arm in networks]
            losses.append(lockstep.by_run([loss for loss, _ in found]))
            correct = lockstep.by_run([correct for _, correct in found])
            counts.append(correct.sum(-1))
        self.loss, self.n_correct = (torch.stack(parts, dim=-1).cpu().numpy() for parts in (losses, counts))
        self.test_correct = correct.cpu().numpy()
        self.finite = lockstep.by_run([stack.finite() for stack in lockstep.stacks]).cpu().numpy()


def _stream(data: Dataset) -> torch.cuda.Stream | None:
    """Of its own for every cohort on a GPU, which starts when the data are there."""
    device = data.train.images.device
    if device.type == "cpu":
        return None
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    return stream
