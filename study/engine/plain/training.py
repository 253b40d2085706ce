"""The training of a cohort by the plain loop: the same contract as ``study.engine.lockstep.training.Training``.

The loop is the reference's, of torch.nn and torch.optim; runs train one after another, each by itself, so a run has the
same bits whatever its cohort. It trains any network: the multilayer perceptron, or one from a user's file.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from study.data.dataset import Dataset, Split
from study.engine import optimisers, random_streams, reference
from study.engine.plain import loading
from study.engine.plain.batch_norms import Averages, in_network
from study.engine.plain.probing import Form, form
from study.spec.arms import ARMS
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.history import History
from study.spec.runs import Run

CHUNK = 1000
"""Images at a time in an evaluation."""
COUNTER = "num_batches_tracked"
"""Torch's number of the batches that a batch norm layer has seen, which is the number of steps."""

Tensors = dict[str, NDArray[np.float32]]


class Training:
    """A cohort in training, and its evaluations so far."""

    def __init__(self, design: Design, cohort: Cohort, data: Dataset):
        self.data = data
        self.trainees = [Trainee(design, run, data) for run in cohort.runs]
        self.snapshots: list[list[Evaluation]] = []
        self.n_steps = 0
        self.evaluate()

    def epoch(self, number: int) -> None:
        """Train on one pass over the images in the seeds' orders; the last incomplete batch is dropped."""
        n_steps = {trainee.epoch(number, self.data.train) for trainee in self.trainees}
        self.n_steps += n_steps.pop()

    def evaluate(self) -> None:
        """Record losses and correct answers on all images of both splits."""
        self.snapshots.append([Evaluation(trainee, self.data) for trainee in self.trainees])

    def history(self) -> History:
        by_run: Sequence[Sequence[Evaluation]] = [*zip(*self.snapshots, strict=True)]
        return History(
            loss=np.array([[one.loss for one in of_run] for of_run in by_run]),
            n_correct=np.array([[one.n_correct for one in of_run] for of_run in by_run]),
            finite=np.array([[one.finite for one in of_run] for of_run in by_run]),
            test_correct=np.stack([of_run[-1].test_correct for of_run in by_run]),
            n_steps=self.n_steps,
            weights=[trainee.tensors() for trainee in self.trainees],
        )


class Trainee:
    """The network of one run, its optimiser, and the averages that its batch norm layers are to keep."""

    def __init__(self, design: Design, run: Run, data: Dataset):
        self.run, self.chance = run, design.order_seed(run.seed)
        self.network = make(design, run).to(data.train.images.device, data.train.images.dtype)
        self.form = form_of(design, run.arm)
        learnt = (p for p in self.network.parameters() if p.requires_grad)
        self.optimiser = optimisers.twin(optimisers.for_cell(run.cell), learnt, run.cell.lr)
        self.averages = {name: Averages(layer) for name, layer in in_network(self.network).items()}

    def epoch(self, number: int, split: Split) -> int:
        """Train on one pass; return its number of steps. What a network draws while it trains, such as dropout, is of
        the stream (seed, "noise", epoch)."""
        for averages in self.averages.values():
            averages.begin_epoch()
        order = random_streams.image_order(self.chance, number, len(split.labels))
        images, size = self.form(split.images), self.run.cell.batch_size
        with torch.enable_grad(), random_streams.global_generator(self.chance, "noise", number):
            passed = reference.one_pass(self.network, self.optimiser, images, split.labels, order, size)
            return sum(1 for _ in passed)

    def finite(self) -> bool:
        """Whether every parameter and running average is finite."""
        return all(bool(t.isfinite().all()) for name, t in self.network.state_dict().items() if COUNTER not in name)

    def tensors(self) -> Tensors:
        """Return the tensors of the network by their names, numbers in float32, and the plain averages beside its batch
        norm layers: ``norms.0.cumulative_last_mean``."""
        state = {name: t for name, t in self.network.state_dict().items() if not name.endswith(COUNTER)}
        for name, averages in self.averages.items():
            state |= {f"{name}.{what}": tensor for what, tensor in averages.tensors().items()}
        return {name: (t.float() if t.is_floating_point() else t).cpu().numpy().copy() for name, t in state.items()}


def make(design: Design, run: Run) -> nn.Module:
    """Return the network of a run as it begins, in float32."""
    if design.network is None:
        return reference.Network(design, run)
    seed, cause = design.weights_seed(run.seed), design.init_cause(run.arm)
    return loading.make(design.network, ARMS[run.arm], seed, design.data, cause)


def form_of(design: Design, arm: str) -> Form:
    """Return what makes of rows (n, features) what the network of an arm takes."""
    return form(design.data, design.network is not None and design.network.of(arm).images)


class Evaluation:
    """The answers of a network on all images of both splits, in eval mode."""

    def __init__(self, trainee: Trainee, data: Dataset):
        answers = [_answers(trainee, split) for split in (data.train, data.test)]
        self.loss = [loss for loss, _ in answers]
        self.n_correct = [int(correct.sum()) for _, correct in answers]
        self.test_correct = answers[-1][1].cpu().numpy()
        self.finite = trainee.finite()


@torch.no_grad()
def _answers(trainee: Trainee, split: Split) -> tuple[float, Tensor]:
    """Return the mean cross-entropy (nats per image, summed in float64) and which of the images (n,) are answered
    correctly; an answer with a logit that is NaN is not."""
    network, total, correct = trainee.network.eval(), 0.0, []
    images = trainee.form(split.images)
    for some, labels in zip(torch.split(images, CHUNK), torch.split(split.labels, CHUNK), strict=True):
        logits = network(some)
        total += float(nn.functional.cross_entropy(logits, labels, reduction="none").double().sum())
        correct.append((logits.argmax(-1) == labels) & ~logits.isnan().any(-1))
    return total / len(split.labels), torch.cat(correct)
