"""A stack of trained multilayer perceptrons, as evaluations ask it: see ``predictors.Predictor``."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from torch import Tensor

from study.data.dataset import Dataset
from study.engine import activations, norms
from study.inference import modes, statistics
from study.inference.modes import InBatches, Mode, Networks, State, Statistics
from study.spec.arms import ARMS
from study.spec.design import Design
from study.spec.runs import Run


class Stacked:
    """Networks of one arm and shape; what their predictions begin with is the first layer's z (L, n, width)."""

    one_has_variance = False

    def __init__(self, design: Design, runs: Sequence[Run], states: Sequence[State], data: Dataset):
        self.states, self.images, self.batch_size = states, data.train.images, runs[0].cell.batch_size
        arm, self.kept = ARMS[runs[0].arm], design.statistics(runs[0].arm)
        norm = self.norm = arm.norm
        self.networks = Networks.from_states(states, activations.for_cell(runs[0].cell), arm)
        self.n_norms = len(self.networks.norms)
        self.by_itself: Mode | None = None if norm is None else modes.ByImage(norms.module_of(norm).by_image, norm)

    def inputs(self, images: Tensor) -> Tensor:
        return modes.first_preactivation(self.networks, images)

    def logits(self, z: Tensor, mode: Mode | None) -> Tensor:
        return self.networks.logits(z, mode)

    def units(self, z: Tensor) -> Tensor:
        return self.networks.units(z)

    def in_batches(self, z: Tensor, size: int) -> InBatches:
        return self.networks.in_batches(z, size)

    def statistics(self, name: str, each: Callable[[Iterable[Any]], Iterator[Any]]) -> Statistics:
        """Return statistics by name; ``precise`` sees the images in the file's order, as many at a time as shared a
        mean in training."""
        if name in self.kept:
            return statistics.stored_statistics(self.states, name)
        if name == "population":
            return statistics.population(self.networks, lambda: each(self._trained(statistics.CHUNK)))
        size = self.norm.images_of(self.batch_size) if self.norm else self.batch_size
        batches = statistics.whole_batches(self._trained, len(self.images), size)
        return statistics.precise(self.networks, each(batches), size)

    @cached_property
    def _trained(self) -> Callable[[int], Iterable[Tensor]]:
        """The first layer's pre-activations of the training images, so many at a time."""
        return statistics.preactivation_batches(self.networks, self.images)
