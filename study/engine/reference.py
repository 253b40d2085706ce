"""The same training as a plain loop of torch.nn and torch.optim, one run at a time.

The oracle of every engine and the yardstick of every benchmark: it shares with them the random streams
and the values of activation and optimiser. Read it to know what the study trains.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from study.data.dataset import Dataset
from study.data.variants import variant
from study.engine import activations, dropout, norms, optimisers, random_streams
from study.spec.arms import ARMS
from study.spec.design import Design
from study.spec.runs import Run


class Network(nn.Module):
    """The network of one run: for every hidden layer linear, the activation, before or after it the arm's norm, its
    dropout; then a linear layer."""

    def __init__(self, design: Design, run: Run):
        super().__init__()
        widths = design.widths_in(run.cell)
        arm, self.activation = ARMS[run.arm], activations.for_cell(run.cell)
        linears = [nn.Linear(n_in, n_out, bias=arm.bias) for n_in, n_out in pairwise(widths[:-1])]
        linears.append(nn.Linear(widths[-2], widths[-1]))
        self.linears = nn.ModuleList(linears)
        of_layers, norm, seed = enumerate(widths[1:-1]), arm.norm, design.order_seed(run.seed)
        self.norms = nn.ModuleList(norms.module_of(norm).twin(n, norm, seed, i) for i, n in of_layers if norm)
        self.after = norm is not None and norm.placement == "after"
        dropouts = (dropout.Twin(arm.dropout, seed, i) for i in range(len(widths) - 2) if arm.dropout)
        self.dropouts = nn.ModuleList(dropouts)
        with torch.no_grad():
            for index, linear in enumerate(linears):
                weight, bias = random_streams.initial_weights(design, run, index)
                linear.weight.copy_(weight.T)
                if linear.bias is not None:
                    linear.bias.copy_(bias)

    def forward(self, images: Tensor) -> Tensor:
        h = images
        for index, linear in enumerate(self.linears[:-1]):
            h = linear(h)
            nonlinear = [*self.norms[index : index + 1], self.activation.apply]
            for function in (*(nonlinear[::-1] if self.after else nonlinear), *self.dropouts[index : index + 1]):
                h = function(h)
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


def train(
    design: Design, run: Run, data: Dataset, arrange: Callable[[Tensor], Tensor] = lambda rows: rows
) -> Iterator[tuple[Network, Tensor]]:
    """Yield (network, loss of its batch before the update) after each step; precision from the data, of which the run's
    cell makes what it trains on. ``arrange`` may put the images of an epoch's batches (steps, batch) in another order.
    """
    data = variant(data, run.cell)
    network = Network(design, run).to(data.train.images.dtype)
    optimiser = optimisers.twin(optimisers.for_cell(run.cell), network.parameters(), run.cell.lr)
    n_images, batch_size = len(data.train.labels), int(run.cell.batch_size)
    for epoch in range(1, design.epochs + 1):
        order = random_streams.image_order(design.order_seed(run.seed), epoch, n_images)
        order = arrange(order[: n_images // batch_size * batch_size].view(-1, batch_size)).flatten()
        for loss in one_pass(network, optimiser, data.train.images, data.train.labels, order, batch_size):
            yield network, loss


@torch.no_grad()
def evaluate(network: Network, images: Tensor, labels: Tensor) -> tuple[float, int]:
    """Return mean cross-entropy (nats per image) and number of correct answers, batch norm by running averages."""
    network.eval()
    logits = network(images)
    loss = nn.functional.cross_entropy(logits, labels)
    return loss.item(), int((logits.argmax(-1) == labels).sum())
