"""A trained network of a user's own in the inference modes: see ``predictors.Predictor``.

Its batch norm layers are found by a forward pass, and for the time of a prediction another mode normalises in each. A
layer of images has a row for every pixel: the rows of an image count as one image's. L is 1, and what predictions begin
with is the images themselves, z (1, n, features).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from study.data.dataset import Dataset
from study.engine.plain import batch_norms
from study.engine.plain.training import COUNTER, form_of, make
from study.inference import statistics
from study.inference.modes import BatchStatistics, FixedStatistics, InBatches, Mode, State, Statistics, batch_moments
from study.spec.design import Design
from study.spec.runs import Run

CHUNK = 1000
"""Images at a time where no batch asks for more."""

Replacement = Callable[[int, _BatchNorm, Tensor], Tensor]
"""What a batch norm layer does instead: (its place, the layer, its input) -> its output."""


class _Reached(Exception):
    """Ends a forward pass at a layer; holds the layer's input."""

    def __init__(self, z: Tensor):
        self.z = z


class OwnNetwork:
    """The trained network of one run."""

    def __init__(self, design: Design, run: Run, state: State, data: Dataset):
        self.network, self.form = loaded(design, run, state).eval(), form_of(design, run.arm)
        self.network.to(data.test.images.device)
        self.state, self.images, self.batch_size = state, data.train.images, run.cell.batch_size
        few = self.form(data.test.images[:2])
        self.names = batch_norms.in_order(self.network, few, f"the network of {run.arm}")
        by_name = batch_norms.in_network(self.network)
        self.layers = [by_name[name] for name in self.names]
        self.n_norms, self.one_has_variance = len(self.layers), self._one_has_variance(few)
        self.by_itself: Mode | None = None

    def _one_has_variance(self, images: Tensor) -> bool:
        """Whether every layer has several rows of each of some images."""
        positions: list[int] = []

        def watch(place: int, layer: _BatchNorm, h: Tensor) -> Tensor:
            positions.append(_positions(h))
            return h

        with torch.no_grad(), self._replaced(watch):
            self.network(images)
        return min(positions, default=1) > 1

    def inputs(self, images: Tensor) -> Tensor:
        return images[None]

    def logits(self, z: Tensor, mode: Mode | None) -> Tensor:
        """Return the logits (1, n, classes); mode None leaves the network as it is in eval mode."""
        alone = mode is None or isinstance(mode, FixedStatistics)
        with self._replaced(partial(_normalise, mode)) if mode is not None else nullcontext():
            return torch.cat([self._forward(some) for some in torch.split(z, CHUNK if alone else z.shape[1], 1)], 1)

    def units(self, z: Tensor) -> Tensor:
        """Return what the first batch norm layer is given of each image, the mean over its rows: (1, n, channels)."""
        parts = (_by_image(self._input_of(0, some)) for some in torch.split(z, CHUNK, 1))
        return torch.cat([*parts], 1)

    def in_batches(self, z: Tensor, size: int) -> InBatches:
        seen: list[tuple[Tensor, Tensor]] = []

        def watch(place: int, layer: _BatchNorm, h: Tensor) -> Tensor:
            x_hat = _x_hat(BatchStatistics(size), place, layer, h)
            if place == 0:
                seen.append((torch.unflatten(_by_image(h), 1, (-1, size)).mean(2), x_hat[::size][None]))
            return _affine(layer, x_hat)

        with self._replaced(watch):
            logits = self._forward(z)[:, ::size]
        return InBatches(*seen[0], logits)

    def statistics(self, name: str, each: Callable[[Iterable[Any]], Iterator[Any]]) -> Statistics:
        """Return mean and variance (1, 1, channels) by layer; ``precise`` sees the images in the file's order, by the
        run's batch size."""
        if name == "population":
            return self._population(each)
        if name == "precise":
            return self._precise(each)
        return [
            (self.state[f"{layer}.{name}_mean"][None, None], self.state[f"{layer}.{name}_var"][None, None])
            for layer in self.names
        ]

    def _population(self, each: Callable[[Iterable[Any]], Iterator[Any]]) -> Statistics:
        """Return exact moments over the training images, layer after layer: a pass each."""
        exact: list[tuple[Tensor, Tensor]] = []
        for place in range(self.n_norms):
            with self._replaced(partial(_normalise, FixedStatistics(exact)), first=place):
                rows = (_rows(self._input_of(place, some[None])) for some in each(torch.split(self.images, CHUNK)))
                exact.append(statistics.pooled(rows))
        return exact

    def _precise(self, each: Callable[[Iterable[Any]], Iterator[Any]]) -> Statistics:
        """Return plain averages of the means and unbiased variances of whole batches, with the final weights."""
        size = self.batch_size
        at_once, n_batches = max(1, CHUNK // size) * size, len(self.images) // size
        if size < 2 or not n_batches:
            raise ValueError(f"batches of {size} of {len(self.images)} images; a batch holds 2 images or more")
        sums = [torch.zeros(2, layer.num_features, dtype=torch.float64) for layer in self.layers]

        def watch(place: int, layer: _BatchNorm, h: Tensor) -> Tensor:
            n = size * _positions(h)
            mean, var = batch_moments(torch.unflatten(_rows(h), 1, (-1, n)))
            sums[place] += torch.stack([mean.double().sum((0, 1, 2)), var.double().sum((0, 1, 2)) * n / (n - 1)])
            return _affine(layer, _x_hat(BatchStatistics(size), place, layer, h))

        with self._replaced(watch):
            for some in each(torch.split(self.images[: n_batches * size], at_once)):
                self._forward(some[None])
        return [(mean[None, None], var[None, None]) for mean, var in (total / n_batches for total in sums)]

    def _forward(self, z: Tensor) -> Tensor:
        logits: Tensor = self.network(self.form(z[0]))
        return logits[None]

    def _input_of(self, place: int, z: Tensor) -> Tensor:
        """Return what the layer at a place is given, (n, channels, ...)."""

        def stop(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            raise _Reached(inputs[0])

        handle = self.layers[place].register_forward_pre_hook(stop)
        try:
            self._forward(z)
        except _Reached as reached:
            return reached.z
        finally:
            handle.remove()
        raise AssertionError(f"a pass no longer reaches {self.names[place]}")

    @contextmanager
    def _replaced(self, replacement: Replacement, first: int | None = None) -> Iterator[None]:
        """Have the ``first`` batch norm layers, or all of them, do something else inside a ``with`` block."""
        layers = self.layers[:first]
        try:
            for place, layer in enumerate(layers):
                layer.forward = partial(replacement, place, layer)  # type: ignore[method-assign]
            yield
        finally:
            for layer in layers:
                vars(layer).pop("forward", None)


def loaded(design: Design, run: Run, state: State) -> nn.Module:
    """Return the network of a run with the tensors that training left."""
    network = make(design, run)
    own = network.state_dict()
    network.load_state_dict({name: state.get(name, tensor) for name, tensor in own.items()})
    return network


def expected_shapes(design: Design, run: Run) -> Mapping[str, tuple[int, ...]] | None:
    """Return the shapes of the tensors that are kept of the network of a run; None where the store knows them."""
    if design.network is None:
        return None
    network = make(design, run)
    shapes = {n: tuple(t.shape) for n, t in network.state_dict().items() if not n.endswith(COUNTER)}
    kept = [f"cumulative_{window}_{what}" for window in batch_norms.WINDOWS for what in ("mean", "var")]
    for name, layer in batch_norms.in_network(network).items():
        shapes |= {f"{name}.{what}": (layer.num_features,) for what in kept}
    return shapes


def _normalise(mode: Mode, place: int, layer: _BatchNorm, h: Tensor) -> Tensor:
    return _affine(layer, _x_hat(mode, place, layer, h))


def _x_hat(mode: Mode, place: int, layer: _BatchNorm, h: Tensor) -> Tensor:
    """Return x_hat of h (n, channels, ...), of the same shape."""
    last = h.movedim(1, -1)
    own = mode.of_layer(_positions(h), layer.eps)
    return own.normalise(place, _rows(h)).view(last.shape).movedim(-1, 1)


def _affine(layer: _BatchNorm, x_hat: Tensor) -> Tensor:
    """Return gamma x_hat + beta of x_hat (n, channels, ...), as far as the layer has them."""
    by_channel = (-1, *[1] * (x_hat.ndim - 2))
    y = x_hat if layer.weight is None else x_hat * layer.weight.view(by_channel)
    return y if layer.bias is None else y + layer.bias.view(by_channel)


def _rows(h: Tensor) -> Tensor:
    """Return h (n, channels, ...) as rows (1, n positions, channels), one image after the other."""
    return h.movedim(1, -1).reshape(1, -1, h.shape[1])


def _positions(h: Tensor) -> int:
    """Return how many rows each image has in h (n, channels, ...)."""
    return h[0, 0].numel()


def _by_image(h: Tensor) -> Tensor:
    """Return the mean over positions of h (n, channels, ...), as (1, n, channels)."""
    return h.flatten(2).mean(2)[None] if h.ndim > 2 else h[None]
