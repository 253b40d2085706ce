"""Can a classifier tell two sets of images apart? The classifier two-sample test (Lopez-Paz & Oquab 2017, ICLR).

A small network is trained to tell from which set an image is, and scores images that it has not seen. If both sets are
samples of one distribution, its AUC is 0.5 but for chance. Measures, by pair of sets and split: ``auc``; ``auc_se``,
its standard error by DeLong et al. (1988), for this network; ``p``, the share of permutations of the held-out images'
sets in which the AUC is at least as large (Phipson & Smyth 2010: at least 1 / (PERMUTATIONS + 1)).

Both sets have the same size: LARGEST images, or what there are. One half of each trains the network, the other is held
out. A split draws the images, their halves, the first weights and the order anew; its number is the seed.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from study.claims.measuring import Context, Measured
from study.data.streams import generator
from study.engine.random_streams import initial_linear
from study.inference.corruptions import Form, corrupt
from study.spec.inference.conditions import Condition

EPOCHS, HIDDEN, BATCH, RATE = 6, 64, 32, 0.01
LARGEST = 10_000
"""Images of a set."""
PERMUTATIONS = 9_999

Scores = NDArray[np.float64]
Sets = tuple[Tensor, Tensor]
"""Two sets of images (n, features) of one size, each in random order."""
Draw = Callable[[int], Tensor]
"""n -> a permutation (n,)."""


class Told(NamedTuple):
    """How well two sets are told apart."""

    auc: float
    se: float
    p: float
    n: int
    """Held-out images, of both sets."""


def measure(unit: str, context: Context) -> Sequence[Measured]:
    condition, _, split = unit.rpartition("-")
    stream = generator(int(split), f"two-sample/{condition}", 0)
    one, other = _sets(condition, context, lambda n: torch.randperm(n, generator=stream))
    told = tell_apart(one, other, int(split), condition, context.check_cancelled)
    values = {"auc": told.auc, "auc_se": told.se, "p": told.p}
    return [Measured(name, value, condition, seed=int(split), n=told.n) for name, value in values.items()]


# --- the sets


def _sets(condition: str, context: Context, draw: Draw) -> Sets:
    train, test = context.images.train.images, context.images.test.images
    if condition in _PAIRS:
        return _PAIRS[condition](train, test, draw)
    # Which half is corrupted is drawn: the file's own halves differ as they are.
    order = draw(len(test))
    rows, others = order[: len(test) // 2], order[len(test) // 2 : len(test) // 2 * 2]
    name, _, severity = condition.rpartition("_")
    labels = context.images.test.labels[others]
    return test[rows], corrupt(Condition(name, int(severity)), test[others], labels, form=Form.of(context.data))


def _two_files(train: Tensor, test: Tensor, draw: Draw) -> Sets:
    n = min(LARGEST, len(train), len(test))
    return train[draw(len(train))[:n]], test[draw(len(test))[:n]]


def _halves_of_the_file(train: Tensor, test: Tensor, draw: Draw) -> Sets:
    n = min(LARGEST, len(test) // 2)
    return test[draw(n)], test[n + draw(n)]


def _random(images: Tensor, draw: Draw) -> Sets:
    n, order = min(LARGEST, len(images) // 2), draw(len(images))
    return images[order[:n]], images[order[n : 2 * n]]


_PAIRS: dict[str, Callable[[Tensor, Tensor, Draw], Sets]] = {
    "train-test": _two_files,
    "halves": _halves_of_the_file,
    "random-training": lambda train, test, draw: _random(train, draw),
    "random-test": lambda train, test, draw: _random(test, draw),
}
"""Pairs of sets of images that nobody changed: (training images, test images, draw) -> the two."""


# --- the classifier


def tell_apart(
    one: Tensor, other: Tensor, split: int, cause: str, check_cancelled: Callable[[], None] = lambda: None
) -> Told:
    """Return how well a classifier tells two sets of images (n, features) apart, each of n >= 4 in random order.

    ``split`` and ``cause`` name the streams of what is drawn.
    """
    trained = len(one) // 2
    images = torch.cat([one[:trained], other[:trained]])
    labels = torch.arange(2).repeat_interleave(trained)
    network = _trained(images, labels, split, f"two-sample/{cause}", check_cancelled)
    scores, others = (_scores(network, images[trained:]) for images in (one, other))
    seed = generator(split, f"two-sample/{cause}/permutations", 0).initial_seed()
    auc, se = delong(others, scores)
    return Told(auc, se, permutation_p(others, scores, np.random.default_rng(seed)), len(scores) + len(others))


def _trained(images: Tensor, labels: Tensor, split: int, cause: str, check_cancelled: Callable[[], None]) -> nn.Module:
    """Return the network after EPOCHS epochs of Adam, with the last incomplete batch of each left out."""
    network = _network(images.shape[1], split, cause)
    optimiser, size = torch.optim.Adam(network.parameters(), lr=RATE), min(BATCH, len(labels))
    for epoch in range(1, EPOCHS + 1):
        check_cancelled()
        order = torch.randperm(len(labels), generator=generator(split, f"{cause}/order", epoch))
        for rows in order[: len(order) // size * size].view(-1, size):
            optimiser.zero_grad()
            torch.autograd.backward(cross_entropy(network(images[rows]), labels[rows]))
            optimiser.step()
    return network.eval()


def _network(n_features: int, split: int, cause: str) -> nn.Module:
    first, last = (
        _linear(split, layer, n_in, n_out, f"{cause}/init")
        for layer, (n_in, n_out) in enumerate(pairwise((n_features, HIDDEN, 2)))
    )
    return nn.Sequential(first, nn.BatchNorm1d(HIDDEN), nn.ReLU(), last)


def _linear(split: int, layer: int, n_in: int, n_out: int, cause: str) -> nn.Linear:
    """Return a linear layer with first weights of its own stream; torch's global generator is not drawn from."""
    linear = nn.Linear(n_in, n_out, device="meta").to_empty(device="cpu")
    weight, bias = initial_linear(split, layer, n_in, n_out, cause=cause)
    with torch.no_grad():
        linear.weight.copy_(weight.T)
        linear.bias.copy_(bias)
    return linear


def _scores(network: nn.Module, images: Tensor) -> Scores:
    """Return by how much the second set's logit is the larger, (n,)."""
    with torch.no_grad():
        logits = network(images).double()
    scores: Scores = (logits[:, 1] - logits[:, 0]).numpy()
    return scores


# --- its verdict


def delong(positive: Scores, negative: Scores) -> tuple[float, float]:
    """Return the AUC of scores and its standard error; DeLong, DeLong & Clarke-Pearson 1988, by the midranks of Sun &
    Xu 2014 (equations 4 to 9).

    >>> delong(np.array([2.0, 3.0]), np.array([0.0, 2.0]))[0]
    0.875
    """
    m, n = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:m] - rankdata(positive)) / n  # of each positive score, the share of negative ones below
    below = 1 - (ranks[m:] - rankdata(negative)) / m
    return float(above.mean()), float(np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n))


def permutation_p(positive: Scores, negative: Scores, rng: np.random.Generator) -> float:
    """Return (1 + b) / (1 + PERMUTATIONS), with b the permutations of the two sets whose AUC is at least the observed.

    The AUC grows with the rank sum of the positive scores; of one size of sets it is compared by twice that, a whole
    number.
    """
    m, n = len(positive), len(positive) + len(negative)
    ranks = np.rint(2 * rankdata(np.concatenate([positive, negative]))).astype(np.int64)
    observed, exceed = ranks[:m].sum(), 0
    for _ in range(PERMUTATIONS):
        exceed += int(ranks[rng.choice(n, m, replace=False, shuffle=False)].sum() >= observed)
    return (1 + exceed) / (1 + PERMUTATIONS)
