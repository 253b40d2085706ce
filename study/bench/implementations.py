"""Implementations of the same training: the engines, and what one would write instead.

All start from the weights of the study's streams and see the images in its order, so that their losses can be
compared before anything is timed. Each is an iterator: a turn trains ``n_runs`` runs by ``n_steps`` steps and yields a
function that returns the losses of the first run, since only the comparison needs them.
"""

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, replace_all_batch_norm_modules_, stack_module_state, vmap
from torch.utils.data import DataLoader
from torchvision.transforms.functional import to_tensor

from study.data.dataset import Dataset, Split
from study.engine import random_streams, reference
from study.engine.kernel.training import Training as KernelTraining
from study.engine.lockstep.stacks import Lockstep
from study.engine.lockstep.training import image_orders
from study.spec.cohorts import MAX_RUNS_PER_STACK, Cohort
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run

Turns = Iterator[Callable[[], list[float]]]

LR = 0.001
RATES = (LR, 0.003, 0.01)
PRODUCT = 1024  # rows and columns
N_STACKED = 15  # networks of the stacked peers, where they are fastest


@dataclass(frozen=True)
class Implementation:
    """One way to train the runs of a task, started."""

    name: str
    n_runs: int
    n_steps: int
    turns: Turns
    whole_machine: bool = False
    """Whether it takes all cores by itself, as its author runs it; the others run once on every core."""


@dataclass(frozen=True)
class Task:
    """The training that all implementations are timed on: one arm at one batch size."""

    data: Dataset
    batch_size: int
    arm: str

    @property
    def design(self) -> Design:
        return Design(self.data.name, batch_sizes=(self.batch_size,), lrs=(LR,), seeds=tuple(range(MAX_RUNS_PER_STACK)))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Return the batch size at three rates."""
        return tuple(Cell(self.batch_size, lr) for lr in RATES)

    def network(self) -> reference.Network:
        return reference.Network(self.design, Run(self.batch_size, LR, seed=0, arm=self.arm))

    def rows(self) -> Iterator[Tensor]:
        """Yield the image indices of one step after the other, without end."""
        n_images = len(self.data.train.labels)
        for epoch in range(1, sys.maxsize):
            order = random_streams.image_order(0, epoch, n_images)
            yield from torch.split(order[: n_images // self.batch_size * self.batch_size], self.batch_size)


def post(task: Task) -> Implementation:
    """Return the tutorial's loop: a DataLoader that makes tensors picture by picture, torch's default Adam."""
    return Implementation("DataLoader loop", 1, 1, _plain(task, _loaded(task), fused=None), whole_machine=True)


def plain(task: Task) -> Implementation:
    """Return torch.nn and a fused Adam, the images in memory: reference.py, timed."""
    images, labels = task.data.train.images, task.data.train.labels
    return Implementation(
        "torch.nn, fused Adam", 1, 1, _plain(task, ((images[rows], labels[rows]) for rows in task.rows()), True)
    )


def _plain(task: Task, batches: Iterator[tuple[Tensor, Tensor]], fused: bool | None) -> Turns:
    network = task.network()
    optimiser = torch.optim.Adam(network.parameters(), lr=LR, fused=fused)
    for images, labels in batches:
        loss = nn.functional.cross_entropy(network(images), labels)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        yield partial(_as_list, loss)


def _as_list(loss: Tensor) -> list[float]:
    return [loss.item()]


def _loaded(task: Task) -> Iterator[tuple[Tensor, Tensor]]:
    pictures = _Pictures(task.data.train)
    for epoch in range(1, sys.maxsize):
        order = random_streams.image_order(0, epoch, len(pictures)).tolist()
        yield from DataLoader(pictures, batch_size=task.batch_size, sampler=order, drop_last=True)


class _Pictures(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Images as torchvision's data sets hold them: bytes, of which each access makes a picture and a tensor."""

    def __init__(self, split: Split):
        side = math.isqrt(split.images.shape[1])
        self.pixels = (split.images * 255).round().to(torch.uint8).view(-1, side, side)
        self.labels = split.labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.pixels[index].numpy())
        return to_tensor(picture).flatten(), int(self.labels[index])


def vmapped(task: Task) -> Implementation:
    """Return torch.func: vmap(grad) over stacked networks that share their batches, one fused Adam.

    Without running averages, which torch.func cannot keep by itself; that favours it.
    """
    return Implementation("torch.func vmap", N_STACKED, 1, _vmapped(task))


def _vmapped(task: Task) -> Turns:
    network = task.network()
    replace_all_batch_norm_modules_(network)
    parameters, buffers = stack_module_state([network] * N_STACKED)
    optimiser = torch.optim.Adam(parameters.values(), lr=LR, fused=True)

    def loss_of(own: dict[str, Tensor], state: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(functional_call(network, (own, state), (images,)), labels)

    gradients_of = vmap(grad_and_value(loss_of), in_dims=(0, 0, None, None))
    train = task.data.train
    for rows in task.rows():
        gradients, losses = gradients_of(parameters, buffers, train.images[rows], train.labels[rows])
        for name, parameter in parameters.items():
            parameter.grad = gradients[name]
        optimiser.step()
        yield partial(_as_list, losses[0])


def lockstep(task: Task) -> Implementation:
    """Return the study's engine on torch: ten seeds by three rates of one arm."""
    cohort = Cohort(task.cells, (task.arm,), tuple(range(MAX_RUNS_PER_STACK // 3)))
    return Implementation("lockstep", MAX_RUNS_PER_STACK, 1, _lockstep(task, cohort))


def both_arms(task: Task) -> Implementation:
    """Return ``lockstep`` with both arms on the same batches, as the study trains."""
    cohort = Cohort(task.cells, ("bn", "no_bn"), tuple(range(MAX_RUNS_PER_STACK // 3)))
    return Implementation("lockstep, both arms", 2 * MAX_RUNS_PER_STACK, 1, _lockstep(task, cohort))


@torch.no_grad()
def _lockstep(task: Task, cohort: Cohort) -> Turns:
    runs = Lockstep(task.design, cohort, torch.float32, torch.device("cpu"))
    first = cohort.runs.index(Run(task.batch_size, LR, seed=0, arm=task.arm))
    train = task.data.train
    for epoch in range(1, sys.maxsize):
        rows = (
            image_orders(cohort.seeds, epoch, cohort, task.data)
            .view(len(cohort.seeds), -1, task.batch_size)
            .transpose(0, 1)
        )
        for images, labels in zip(train.pixels.batches(rows), train.labels[rows], strict=True):
            runs.step(images, labels)
            yield lambda: [runs.losses()[first].item()]


def kernel(task: Task) -> Implementation:
    """Return the kernel in C, run by run: the three rates of a seed on the images that are prepared for it."""
    return _kernel("kernel", task, (task.arm,))


def kernel_both_arms(task: Task) -> Implementation:
    """Return ``kernel`` with both arms, as the study trains."""
    return _kernel("kernel, both arms", task, ("bn", "no_bn"))


def _kernel(name: str, task: Task, arms: tuple[str, ...]) -> Implementation:
    cohort = Cohort(task.cells, arms, tuple(range(MAX_RUNS_PER_STACK // 3)))
    training = KernelTraining(task.design, cohort, task.data)
    return Implementation(
        name,
        len(arms) * 3,
        training.steps_of_a_piece,
        _by_pieces(training, Run(task.batch_size, LR, seed=0, arm=task.arm)),
    )


def _by_pieces(training: KernelTraining, first: Run) -> Turns:
    for epoch in range(1, sys.maxsize):
        for losses in training.pieces(epoch):
            yield partial(_listed, losses, first)


def _listed(losses: dict[Run, NDArray[np.float64]], run: Run) -> list[float]:
    return losses[run].tolist() if run in losses else []


def matrix_product() -> Implementation:
    """Return a square float32 product, the most that the machine can do; it trains nothing."""
    a = torch.rand(PRODUCT, PRODUCT, generator=random_streams.generator(0, "bench", 0))
    product = torch.empty_like(a)
    return Implementation("matrix product", 1, 1, (list for _ in iter(lambda: torch.mm(a, a, out=product), None)))


ENGINE: tuple[Callable[[Task], Implementation], ...] = (lockstep, both_arms)
KERNEL: tuple[Callable[[Task], Implementation], ...] = (kernel, kernel_both_arms)
PEERS: tuple[Callable[[Task], Implementation], ...] = (post, plain, vmapped)
