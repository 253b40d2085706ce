"""One pass over the training images: step by step, or replayed by a GPU without the host.

A step of small networks is some hundred kernels of a few microseconds, which Python cannot launch as fast as
a GPU runs them. So there many steps are captured in one CUDA graph; what changes from replay to replay, the
order of the images and the place in it, lies on the device.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from study.data.dataset import Split
from study.data.images import DenseImages
from study.engine.lockstep.observing import ObservedSteps, Observer
from study.engine.lockstep.stacks import Lockstep

MAX_UNROLLED = 64  # steps in a graph
WARM_UP = 3  # steps, by a copy that is thrown away: libraries may not initialise themselves during a capture


class EpochRunner(Protocol):
    def run(self, order: Tensor) -> None:
        """Train on the images in ``order`` (S, steps batch), which lies on the CPU."""
        ...


class EagerEpoch:
    """An epoch whose operations are launched one by one; an observer sees its steps."""

    def __init__(self, lockstep: Lockstep, split: Split, observer: Observer | None = None):
        self.lockstep, self.split = lockstep, split
        self.step = lockstep.step if observer is None else ObservedSteps(lockstep, observer).step

    def run(self, order: Tensor) -> None:
        rows = order.view(len(order), -1, self.lockstep.cohort.batch_size).transpose(0, 1)  # (steps, S, batch)
        rows = rows.to(self.split.labels.device)
        for images, labels in zip(self.split.pixels.batches(rows), self.split.labels[rows], strict=True):
            self.step(images, labels)


class CudaGraphEpoch:
    """An epoch whose steps find their images through tensors at fixed addresses, captured where there is a GPU."""

    def __init__(self, lockstep: Lockstep, split: Split, warm_up_copy: Callable[[], Lockstep]):
        """``warm_up_copy`` makes another lockstep of the same shape, to warm up with."""
        assert isinstance(split.pixels, DenseImages), "sparse images are prepared by the host"
        self.lockstep, self.labels, self.pixels = lockstep, split.labels, split.pixels
        self.batch_size = lockstep.cohort.batch_size
        self.n_steps = len(split.labels) // self.batch_size
        self.order = split.labels.new_zeros(len(lockstep.slots.seeds), self.n_steps * self.batch_size)
        self.first_columns = torch.arange(self.batch_size, device=split.labels.device)
        self.columns = self.first_columns.clone()
        self.unrolled = max(n for n in range(1, MAX_UNROLLED + 1) if self.n_steps % n == 0)
        self.replay = self._capture(warm_up_copy) if split.labels.is_cuda else self._steps

    def run(self, order: Tensor) -> None:
        self.order.copy_(order, non_blocking=True)
        self.columns.copy_(self.first_columns)
        for _ in range(self.n_steps // self.unrolled):
            self.replay()

    def _steps(self) -> None:
        for _ in range(self.unrolled):
            self._step(self.lockstep)

    def _step(self, lockstep: Lockstep) -> None:
        rows = self.order.index_select(1, self.columns)
        lockstep.step(self.pixels.batch(rows), self.labels[rows])
        self.columns.add_(self.batch_size)

    def _capture(self, warm_up_copy: Callable[[], Lockstep]) -> Callable[[], None]:
        copy = warm_up_copy()
        for _ in range(min(WARM_UP, self.n_steps)):
            self._step(copy)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._steps()
        return graph.replay
