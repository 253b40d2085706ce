"""The same training as a plain loop of torch.nn and torch.optim, one run at a time.

The oracle of every engine and the yardstick of every benchmark: it shares with them the random streams
and the values of activation and optimiser. Read it to know what the study trains.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from study.data.dataset import Dataset
from study.engine import activations, norms, optimisers, random_streams
from study.spec.arms import ARMS
from study.spec.design import Design
from study.spec.runs import Run


class Network(nn.Module):
    """The network of one run: linear, the arm's norm, the activation for every hidden layer; then a linear layer."""

    def __init__(self, design: Design, run: Run):
        super().__init__()
        widths = design.widths_in(run.cell)
        linears = [nn.Linear(*sizes) for sizes in pairwise(widths)]
        self.linears = nn.ModuleList(linears)
        norm, self.activation = ARMS[run.arm].norm, activations.for_cell(run.cell)
        self.norms = nn.ModuleList(norms.module_of(norm).twin(width, norm) for width in widths[1:-1] if norm)
        with torch.no_grad():
            for index, linear in enumerate(linears):
                weight, bias = random_streams.initial_linear(run.seed, index, *widths[index : index + 2])
                linear.weight.copy_(weight.T)
                linear.bias.copy_(bias)

    def forward(self, images: Tensor) -> Tensor:
        h = images
        for index, linear in enumerate(self.linears[:-1]):
            h = linear(h)
            if self.norms:
                h = self.norms[index](h)
            h = self.activation.apply(h)
        return self.linears[-1](h)


def one_pass(
    network: nn.Module, optimiser: torch.optim.Optimizer, images: Tensor, labels: Tensor, order: Tensor, batch_size: int
) -> Iterator[Tensor]:
    """Train on the images in ``order``, whole batches of them; yield the loss of each before the update."""
    for rows in torch.split(order[: len(order) // batch_size * batch_size], batch_size):
        network.train()
        loss = nn.functional.cross_entropy(network(images[rows]), labels[rows])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        yield loss.detach()


def train(design: Design, run: Run, data: Dataset) -> Iterator[tuple[Network, Tensor]]:
    """Yield (network, loss of its batch before the update) after each step; precision from the data."""
    network = Network(design, run).to(data.train.images.dtype)
    optimiser = optimisers.twin(optimisers.for_cell(run.cell), network.parameters(), run.cell.lr)
    n_images, batch_size = len(data.train.labels), run.cell.batch_size
    for epoch in range(1, design.epochs + 1):
        order = random_streams.image_order(run.seed, epoch, n_images)
        for loss in one_pass(network, optimiser, data.train.images, data.train.labels, order, batch_size):
            yield network, loss


@torch.no_grad()
def evaluate(network: Network, images: Tensor, labels: Tensor) -> tuple[float, int]:
    """Return mean cross-entropy (nats per image) and number of correct answers, batch norm by running averages."""
    network.eval()
    logits = network(images)
    loss = nn.functional.cross_entropy(logits, labels)
    return loss.item(), int((logits.argmax(-1) == labels).sum())
