"""The training of a cohort by the kernel: the same contract as ``study.engine.lockstep.training.Training``.

Runs train one by one, each by itself; those of a seed share the images that are prepared for it, piece by piece. A
call to the kernel lasts a fraction of a second, so that signals are handled in time.
"""

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from study.data.dataset import Dataset
from study.engine import random_streams
from study.engine.kernel.images import PIECE, Pixels, Prepared, ScratchBuffer, prepare
from study.engine.kernel.layout import Layout, view
from study.engine.kernel.library import BLOCK, Images, Library, load
from study.engine.kernel.library import Run as State
from study.spec.arms import ARMS
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.factors import MAX_VARIANTS, Cell
from study.spec.history import History
from study.spec.runs import Run

WORK = 2e9
"""Images times parameters of one call, at most; a few tenths of a second."""


class Training:
    """A cohort in training, and its evaluations so far."""

    def __init__(
        self, design: Design, cohort: Cohort, data: Dataset, check_cancelled: Callable[[], None] = lambda: None
    ):  # fmt: skip
        """``check_cancelled`` is called between calls of the kernel; what it raises ends the training."""
        if data.train.images.shape[1] != design.widths[0]:
            raise ValueError(f"images of {data.train.images.shape[1]} pixels for networks of {design.widths[0]}")
        self.design, self.cohort, self.library, self.check_cancelled = design, cohort, load(), check_cancelled
        self.images = prepared(design, data)
        self.networks = {run: Network(design, run, self.library) for run in cohort.runs}
        self.scratch = {
            network.layout: self.library.scratch(network.layout, max(cohort.batch_size, BLOCK))
            for network in self.networks.values()
        }
        self.buffer = ScratchBuffer()
        self.n_images = len(data.train.labels)
        self.n_steps = 0
        self.steps_of_a_piece = steps_at_once(design, cohort.cell, self.n_images)
        self.loss: list[NDArray[np.float64]] = []
        self.n_correct: list[NDArray[np.int64]] = []
        self.finite: list[NDArray[np.bool_]] = []
        self.test_correct = np.zeros((len(cohort.runs), len(data.test.labels)), bool)
        self.evaluate()

    def epoch(self, number: int) -> None:
        """Train on one pass over the images in the seeds' orders; the last incomplete batch is dropped."""
        for network in self.networks.values():
            network.begin_epoch()
        for _ in self.pieces(number):
            pass
        self.n_steps += self.n_images // self.cohort.batch_size

    def pieces(self, epoch: int) -> Iterator[dict[Run, NDArray[np.float64]]]:
        """Train on a seed's images piece by piece; yield by run the loss of each batch before its step."""
        size, piece = self.cohort.batch_size, self.steps_of_a_piece * self.cohort.batch_size
        for seed in self.cohort.seeds:
            order = random_streams.image_order(self.design.order_seed(seed), epoch, self.n_images)[
                : self.n_images // size * size
            ]
            for some in torch.split(order.to(torch.int32), piece):
                images = self.images.train.piece(some.numpy(), size, self.buffer)
                runs = [Run(cell, seed=seed, arm=arm) for arm, cell in product(self.cohort.arms, self.cohort.cells)]
                yield {run: self._train(self.networks[run], images) for run in runs}

    def _train(self, network: "Network", images: Images) -> NDArray[np.float64]:
        self.check_cancelled()
        return self.library.train(network.state, images, self.cohort.batch_size, self.scratch[network.layout])

    def evaluate(self) -> None:
        """Record losses and correct answers on all images of both splits."""
        networks = list(self.networks.values())
        folded = [self.library.fold(network.state) for network in networks]
        results = [self._evaluate(networks, folded, split) for split in (self.images.train, self.images.test)]
        self.loss.append(np.stack([losses for losses, _ in results], axis=1))
        self.n_correct.append(np.stack([correct.sum(1) for _, correct in results], axis=1))
        self.test_correct = results[1][1]
        self.finite.append(np.array([network.finite() for network in networks]))

    def _evaluate(
        self, networks: "Sequence[Network]", folded: Sequence[NDArray[np.float32]], split: Pixels
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return mean losses (runs,) and correct (runs, n): some images by all networks, while the cache has them."""
        losses, correct = np.zeros(len(networks)), []
        for some in split.chunks(max(1, _at_once(self.design, self.cohort.cell) // BLOCK) * BLOCK):
            of_chunk = []
            for i, (network, own) in enumerate(zip(networks, folded, strict=True)):
                self.check_cancelled()
                losses[i], of_some = self.library.evaluate(
                    network.layout, own, some, self.scratch[network.layout], losses[i]
                )
                of_chunk.append(of_some)
            correct.append(np.stack(of_chunk))
        every = np.concatenate(correct, axis=1).astype(bool)
        return losses / every.shape[1], every

    def history(self) -> History:
        return History(
            loss=np.stack(self.loss, axis=1),
            n_correct=np.stack(self.n_correct, axis=1),
            finite=np.stack(self.finite, axis=1),
            test_correct=self.test_correct,
            n_steps=self.n_steps,
            weights=[network.tensors() for network in self.networks.values()],
        )


class Network:
    """The network of one run, and the sums that its cumulative statistics are made of."""

    def __init__(self, design: Design, run: Run, library: Library):
        widths = design.widths_in(run.cell)
        self.layout = Layout(widths, ARMS[run.arm].norm is not None)
        self.state = State(self.layout, run.cell.lr)
        self.batch_size = run.cell.batch_size
        self.n_batches = design.steps_per_epoch(run.cell)
        self.earlier, self.n_earlier_epochs = np.zeros_like(self.state.sums), -1
        for index in range(len(widths) - 1):
            weight, bias = random_streams.initial_weights(design, run, index)
            self.parameter(f"linears.{index}.weight")[:] = weight.numpy()
            self.parameter(f"linears.{index}.bias")[:] = bias.numpy()
        for name, place in self.layout.statistics.items():
            if name.endswith("var"):
                view(self.state.running, place)[:] = 1
                self.parameter(name.replace("var", "weight"))[:] = 1

    def parameter(self, name: str) -> NDArray[np.float32]:
        """Return a view of a parameter, weights (in, out)."""
        return view(self.state.w, self.layout.parameters[name])

    def begin_epoch(self) -> None:
        self.earlier += self.state.sums
        self.state.sums[:] = 0
        self.n_earlier_epochs += 1

    def finite(self) -> bool:
        return bool(np.isfinite(self.state.w).all() and np.isfinite(self.state.running).all())

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return parameters, running and cumulative statistics under the names and in the shapes of torch.nn."""
        tensors = {name: self.parameter(name).T.copy() for name in self.layout.parameters}
        for name, place in self.layout.statistics.items():
            norm, what = name.rsplit(".", 1)
            tensors[f"{norm}.running_{what}"] = view(self.state.running, place).copy()
            this_epoch, earlier = view(self.state.sums, place), view(self.earlier, place)
            for window, sums, n in (("last", this_epoch, 1), ("all", earlier + this_epoch, self.n_earlier_epochs + 1)):
                tensors[f"{norm}.cumulative_{window}_{what}"] = self._mean(sums, n, what)
        return tensors

    def _mean(self, sums: NDArray[np.float64], n_epochs: int, what: str) -> NDArray[np.float32]:
        """Return the mean over the batches of ``n_epochs``, NaN where there are none; variances are unbiased."""
        correction = self.batch_size / (self.batch_size - 1) if what == "var" else 1.0
        with np.errstate(invalid="ignore", over="ignore"):
            n = n_epochs * self.n_batches
            return (sums * correction / n if n else np.full_like(sums, np.nan)).astype(np.float32)


def steps_at_once(design: Design, cell: Cell, n_images: int) -> int:
    """Return the steps of one call; at least one, and an epoch of ``n_images`` parted evenly."""
    n_steps = n_images // cell.batch_size
    max_steps = max(1, _at_once(design, cell) // cell.batch_size)
    return -(-n_steps // -(-n_steps // max_steps)) if n_steps else 1


def _at_once(design: Design, cell: Cell) -> int:
    """Return how many images one call may train on or evaluate."""
    return int(min(PIECE, WORK / max(design.n_parameters(arm, cell) for arm in design.arms)))


_kept: list[tuple[weakref.ref[Dataset], Prepared]] = []
_preparing = threading.Lock()


def prepared(design: Design, data: Dataset) -> Prepared:
    """Return the images of the data in use, which all cohorts of a process share."""
    with _preparing:
        _kept[:] = [(whose, images) for whose, images in _kept if whose() is not None][-MAX_VARIANTS:]
        for whose, images in _kept:
            if whose() is data:
                return images
        _kept.append((weakref.ref(data), prepare(load(), data, design.widths)))
        return _kept[-1][1]
