"""The training of one cohort: (design, cohort, data) -> History.

All runs of the cohort take their steps together. The images of a seed are gathered once a step and
shared by every arm and learning rate, so the runs of a pair see the same batches.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from study import streams
from study.data import Dataset, Split
from study.design import Design
from study.evaluation import evaluate
from study.history import History
from study.network import Stack, cross_entropy
from study.plan import Cohort


class Lockstep:
    """The stacks of a cohort, one an arm, and the optimiser of each: what a training step changes."""

    def __init__(
        self,
        design: Design,
        cohort: Cohort,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        self.cohort = cohort
        self.stacks = [Stack(arm, design.widths, cohort.lrs, cohort.seeds, dtype, device) for arm in cohort.arms]
        self.optimisers = [_adam(stack) for stack in self.stacks]

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One update of every run from images (S, batch, features), labels (S, batch).

        Returns the batch's losses (arms, R, S) before the update.
        """
        losses = []
        for stack, optimiser in zip(self.stacks, self.optimisers, strict=True):
            loss, d_logits = cross_entropy(stack.forward(images), labels)
            stack.backward(d_logits)
            optimiser.step()
            losses.append(loss)
        return torch.stack(losses)

    def epoch(self, number: int, split: Split) -> None:
        """One pass over the images in the seeds' orders; the last incomplete batch is dropped."""
        for rows in batches(self.cohort, number, len(split.labels)):
            self.step(*gather(split, rows))


def batches(cohort: Cohort, epoch: int, n_images: int) -> list[Tensor]:
    """The image indices (S, batch) of every step of an epoch: (seed, epoch) alone decide the order."""
    orders = torch.stack([streams.image_order(seed, epoch, n_images) for seed in cohort.seeds])
    n_steps = n_images // cohort.batch_size
    return list(torch.split(orders[:, : n_steps * cohort.batch_size], cohort.batch_size, dim=1))


def gather(split: Split, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Images (S, batch, features) and labels (S, batch) at the indices ``rows`` (S, batch)."""
    index = rows.reshape(-1).to(split.labels.device)
    images = split.images.index_select(0, index).view(*rows.shape, -1)
    return images, split.labels.index_select(0, index).view(rows.shape)


@torch.no_grad()
def train(design: Design, cohort: Cohort, data: Dataset, on_epoch: Callable[[], None] | None = None) -> History:
    """Train every run of ``cohort`` for ``design.epochs`` epochs; the data's dtype and device decide
    where and in what precision. ``on_epoch`` is called between epochs. Epoch 0 is the untrained network.
    """
    lockstep = Lockstep(design, cohort, data.train.images.dtype, data.train.images.device)
    snapshots = [Snapshot(lockstep, data)]
    for epoch in range(1, design.epochs + 1):
        lockstep.epoch(epoch, data.train)
        snapshots.append(Snapshot(lockstep, data))
        if on_epoch and epoch < design.epochs:
            on_epoch()
    return History(
        loss=np.stack([snapshot.loss for snapshot in snapshots], axis=1),
        n_correct=np.stack([snapshot.n_correct for snapshot in snapshots], axis=1),
        finite=np.stack([snapshot.finite for snapshot in snapshots], axis=1),
        test_correct=snapshots[-1].test_correct,
        n_steps=design.epochs * design.steps_per_epoch(cohort.batch_size),
    )


class Snapshot:
    """Every run of a lockstep on all of both splits, runs in the cohort's order (arm, rate, seed)."""

    def __init__(self, lockstep: Lockstep, data: Dataset):
        networks = [stack.affine() for stack in lockstep.stacks]
        train, test = (
            [evaluate(affine, split.images, split.labels) for affine in networks] for split in (data.train, data.test)
        )
        self.loss = np.stack([_by_run(loss for loss, _ in part) for part in (train, test)], axis=-1)
        counts = [_by_run(correct.sum(-1) for _, correct in part) for part in (train, test)]
        self.n_correct = np.stack(counts, axis=-1)
        self.finite = _by_run(stack.finite() for stack in lockstep.stacks)
        self.test_correct = _by_run(correct for _, correct in test)


def _by_run(parts: Iterable[Tensor]) -> np.ndarray:
    """Stacks' tensors (R, S, ...) -> one array (runs, ...)."""
    return torch.cat([part.flatten(0, 1) for part in parts]).cpu().numpy()


def _adam(stack: Stack) -> torch.optim.Adam:
    """torch's Adam with its defaults; the rate is 1 because the stack stores w / lr (see network)."""
    parameters = torch.nn.Parameter(stack.flat, requires_grad=True)
    parameters.grad = stack.d_flat
    return torch.optim.Adam([parameters], lr=1.0, fused=True)
