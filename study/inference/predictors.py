"""What an evaluation needs trained networks to do, and who does it: a stack of perceptrons, or a user's own network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from torch import Tensor

from study.data.dataset import Dataset
from study.inference.metrics import Predicts
from study.inference.modes import Mode, State, Statistics
from study.inference.own import OwnNetwork
from study.inference.stacked import Stacked
from study.spec.design import Design
from study.spec.runs import Run

Each = Callable[[Iterable[Any]], Iterator[Any]]
"""Iterates over the parts of some work, and may end it."""


class Predictor(Predicts, Protocol):
    """L trained networks of one arm and shape, which predict in any inference mode."""

    n_norms: int
    """Batch norm layers, in the order of a forward pass."""
    by_itself: Mode | None
    """How networks without statistics to choose normalise."""
    one_has_variance: bool
    """Whether an image alone in its batch has a variance in every layer, that of its rows."""

    def inputs(self, images: Tensor) -> Tensor:
        """Return z (L, n, ...), what all predictions of images (n, features) begin with."""
        ...

    def statistics(self, name: str, each: Each) -> Statistics:
        """Return the statistics that training kept under this name, or ``population`` and ``precise``, which follow
        from the training images and the final weights."""
        ...


def of(design: Design, runs: Sequence[Run], states: Sequence[State], data: Dataset) -> Predictor:
    """Return the networks of runs from their tensors; of a user's own network, that of one run."""
    if design.network is None:
        return Stacked(design, runs, states, data)
    (run,), (state,) = runs, states
    return OwnNetwork(design, run, state, data)
