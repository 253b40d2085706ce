"""Whoever looks into a training between its steps: off unless given, and reading alone.

An observer sees the networks before and after every step. It may read them, and evaluate the networks as they predict;
a forward pass of its own through them would move their running averages and their streams of noise, so for those it
has a copy (``lockstep.copies``). With one that keeps to this, every bit of a training is as without.
"""

from typing import Protocol

from torch import Tensor

from study.data.images import ImageBatch
from study.engine.lockstep.stacks import Lockstep


class Observer(Protocol):
    """Called around each step, numbered from 1 over all epochs, with its images (batch, S, features) and labels
    (S, batch)."""

    def before(self, step: int, lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None: ...

    def after(self, step: int, lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None:
        """Here ``lockstep.losses()`` are those of the step's batch, before its update."""
        ...


class ObservedSteps:
    """The steps of a lockstep, with an observer around each."""

    def __init__(self, lockstep: Lockstep, observer: Observer):
        self.lockstep, self.observer, self.n_steps = lockstep, observer, 0

    def step(self, images: ImageBatch, labels: Tensor) -> None:
        self.n_steps += 1
        self.observer.before(self.n_steps, self.lockstep, images, labels)
        self.lockstep.step(images, labels)
        self.observer.after(self.n_steps, self.lockstep, images, labels)
