"""Which mean and variance does batch normalisation use when a stack of trained networks predicts?

While training, a layer is normalised by the moments of its batch. To predict there is a choice, the inference *mode*:

    FixedStatistics            moments of training images, see ``statistics``: each image is normalised alone
    BatchStatistics            moments of the test batch, as while training: logits depend on its other images
    Blend, MeanOnly, VarOnly   something of both
    OneLayer                   one mode in one layer, another in the rest

A stack holds L networks of one shape; z and what comes of it is (L, images, width). Statistics are a mean and a
variance (L, 1, width) a layer. Left out: training, gradients, and the order of the images, which the caller chooses.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor
from torch.nn import functional

from study.engine.activations import RELU, Activation
from study.spec.arms import Arm, Norm
from study.spec.constants import NORM_EPS
from study.spec.inference.modes import InferenceMode

State = Mapping[str, Tensor]
"""One network under the names of torch.nn: ``linears.0.weight`` (out, in), ``norms.0.running_mean`` (width,)."""

Moments = tuple[Tensor, Tensor]
"""Mean and variance."""

Statistics = Sequence[Moments]
"""Mean and variance (L, 1, width) by layer."""

VERSION = "modes-1"
"""To be raised when the bits of an evaluation change."""
PIECE = 500  # images of a matrix product: with the first layer's weights they stay in a core's cache


def arithmetic(device: str) -> str:
    """Return by what networks are evaluated on a device, such as ``modes-1/cpu/torch-2.14.1``."""
    return f"{VERSION}/{device.partition(':')[0]}/torch-{torch.__version__}"


@dataclass(frozen=True)
class Networks:
    """L networks: for every hidden layer linear, norm if there is any, activation; then a linear layer. Where norms
    stand ``after`` the activation, z of a hidden layer is the activation's value: z is what a norm is given."""

    linears: list[tuple[Tensor, Tensor]]
    """Weight (L, in, out) and bias (L, 1, out)."""
    norms: list[tuple[Tensor, Tensor]]
    """Gamma and beta (L, 1, width) of every hidden layer; empty without a norm."""
    activation: Activation = RELU
    after: bool = False

    @classmethod
    def from_states(cls, states: Sequence[State], activation: Activation = RELU, arm: Arm | None = None) -> Self:
        """Return the networks of state dicts; ValueError where they are not of one shape, or not of this one.

        ``arm`` says where their norms stand, and what they do not learn: a gain of 1, a shift or a bias of 0. None:
        they learn all, and norms stand before the activation.
        """
        n_linears, n_norms = layer_counts(states)
        norm = arm.norm if arm else (Norm("batch") if n_norms else None)
        linears, norms = [], []
        for i in range(n_linears):
            weight, is_hidden = _stack(states, f"linears.{i}.weight").mT, i < n_linears - 1
            zeros = torch.zeros_like(weight[:, :1])
            has_bias = not is_hidden or norm is None or norm.bias
            linears.append((weight, stack_vectors(states, f"linears.{i}.bias") if has_bias else zeros))
            if norm and is_hidden:
                gamma = stack_vectors(states, f"norms.{i}.weight") if norm.gamma else zeros + 1
                norms.append((gamma, stack_vectors(states, f"norms.{i}.bias") if norm.beta else zeros))
        return cls(linears, norms, activation, norm is not None and norm.placement == "after")

    def logits(self, z: Tensor, mode: "Mode | None") -> Tensor:
        """Return the logits (L, n, classes) of the first layer's z (L, n, width)."""
        return logits(self, z, mode)

    def units(self, z: Tensor) -> Tensor:
        """Return what the first norm is given of each image, (L, n, width)."""
        return z

    def in_batches(self, z: Tensor, size: int) -> "InBatches":
        """Return what whole batches of ``size`` of z (L, n, width) show of their first images.

        The others matter up to the last layer's moments: what follows is computed for the first ones alone.
        """
        batch, n_layers = BatchStatistics(size), len(self.norms)
        means, first = torch.unflatten(z, 1, (-1, size)).mean(2), z
        for layer in range(n_layers):
            x_hat = batch.normalise(layer, z)
            first = x_hat[:, ::size] if layer == 0 else first
            z = next_preactivation(self, layer, x_hat[:, ::size] if layer == n_layers - 1 else x_hat)
        return InBatches(means, first, z)


class InBatches(NamedTuple):
    """What batches show, under their own statistics, of the first image of each."""

    means: Tensor
    """The batch means of the units that the first norm is given, (L, batches, units)."""
    x_hat: Tensor
    """The image's own values behind the first norm, (L, batches, ...)."""
    logits: Tensor
    """The image's logits, (L, batches, classes)."""


def layer_counts(states: Sequence[State]) -> tuple[int, int]:
    """Return the numbers of linear and normalised layers, equal in all; a name that nobody would read is an error."""
    depths = []
    for index, state in enumerate(states):
        matches = {name: re.fullmatch(r"(linears|norms)\.(\d+)\.\w+", name) for name in state}
        if unknown := sorted(name for name, match in matches.items() if match is None):
            raise ValueError(f"network {index} holds {unknown[0]!r}; names begin with linears.N. or norms.N.")
        layers = {match.groups() for match in matches.values() if match}
        depths.append(tuple(sum(kind == wanted for kind, _ in layers) for wanted in ("linears", "norms")))
    if len(set(depths)) != 1:
        raise ValueError(f"a stack needs networks of one depth, at least one; (linears, norms) are {depths}")
    n_linears, n_norms = depths[0]
    if n_linears < 2 or n_norms not in (0, n_linears - 1):
        raise ValueError(f"{n_linears} linears and {n_norms} norms; every hidden layer has a norm or none has")
    return n_linears, n_norms


def _stack(states: Sequence[State], name: str) -> Tensor:
    """Return the tensors ``name`` of all networks, (L, ...)."""
    for index, state in enumerate(states):
        if name not in state:
            raise ValueError(f"network {index} has no {name!r}, it has {sorted(state)}")
        if state[name].shape != states[0][name].shape:
            shapes = [tuple(s[name].shape) for s in (states[0], state)]
            raise ValueError(f"{name!r} is {shapes[0]} in network 0 and {shapes[1]} in network {index}")
    return torch.stack([state[name].detach() for state in states])


def stack_vectors(states: Sequence[State], name: str) -> Tensor:
    """Return the vectors ``name`` of all networks, (L, 1, width)."""
    return _stack(states, name)[:, None]


def first_preactivation(networks: Networks, images: Tensor) -> Tensor:
    """Return the first layer's z (L, n, width) of images (n, features), which is the same in every mode."""
    weight, bias = networks.linears[0]
    given = networks.activation.by_row if networks.after else torch.nn.Identity()
    # the images of a piece are still in the cache for the next network
    pieces = (given(_affine(some.expand(len(weight), -1, -1), weight, bias)) for some in torch.split(images, PIECE))
    return torch.cat([*pieces], 1)


def _affine(z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return z (L, n, in) times weight (L, in, out) plus bias (L, 1, out): a product a network, with bits of its own.

    In fours of rows a network's matrix begins at 16 bytes wherever it stands in the stack; else its bits may differ.
    """
    rest = -z.shape[1] % 4
    padded = functional.pad(z, (0, 0, 0, rest)) if rest else z
    return torch.baddbmm(bias, padded, weight)[:, : z.shape[1]]


def take(z: Tensor, rows: Tensor) -> Tensor:
    """Return (L, ..., width): of each network, its own ``rows`` (L, ...) of z (L, n, width)."""
    n_networks, n, width = z.shape
    first = torch.arange(n_networks, device=z.device).view(-1, *[1] * (rows.ndim - 1)) * n
    return z.reshape(-1, width).index_select(0, (rows + first).flatten()).view(*rows.shape, width)


class Mode(Protocol):
    """Normalisation of the layers in an inference mode."""

    def normalise(self, layer: int, z: Tensor) -> Tensor:
        """Return x_hat of z (L, n, width), of the same shape, before gamma and beta."""
        ...

    def of_layer(self, positions: int, eps: float) -> "Mode":
        """Return the same mode for a layer that has ``positions`` rows of each image, such as its pixels, one image
        after the other, and adds ``eps`` to the variance."""
        ...


def pre_activations(networks: Networks, z: Tensor, mode: Mode | None) -> Iterator[Tensor]:
    """Yield z (L, n, width) of one layer after another, from the first, which is given, to the logits."""
    yield z
    for layer in range(len(networks.linears) - 1):
        z = next_preactivation(networks, layer, z if mode is None else mode.normalise(layer, z))
        yield z


def next_preactivation(networks: Networks, layer: int, x_hat: Tensor) -> Tensor:
    """Return the next layer's z (L, n, width) from a hidden layer's x_hat, or from its z in networks without norms."""
    if networks.norms:
        gamma, beta = networks.norms[layer]
        x_hat = torch.addcmul(beta, gamma, x_hat)
    linear, activate = networks.linears[layer + 1], networks.activation.by_row
    if not networks.after:
        return _affine(activate(x_hat), *linear)
    z = _affine(x_hat, *linear)
    return z if layer == len(networks.linears) - 2 else activate(z)


def logits(networks: Networks, z: Tensor, mode: Mode | None) -> Tensor:
    """Return the logits (L, n, classes) of the first layer's z (L, n, width); mode None for networks without norms."""
    if (mode is None) == bool(networks.norms):
        n_norms = len(networks.norms)
        raise ValueError(f"mode {type(mode).__name__} for networks with {n_norms} norms; those without take mode None")
    for last in pre_activations(networks, z, mode):  # noqa: B007, one layer is kept at a time
        pass
    return last


@dataclass(frozen=True)
class FixedStatistics:
    """Statistics that do not depend on the test images: an affine map, which folds into the linear layer."""

    statistics: Statistics
    eps: float = NORM_EPS

    def normalise(self, layer: int, z: Tensor) -> Tensor:
        return normalised(z, *_source(self.statistics, layer, z), self.eps)

    def of_layer(self, positions: int, eps: float) -> "FixedStatistics":
        return replace(self, eps=eps)


@dataclass(frozen=True)
class BatchStatistics:
    """Mean and biased variance of consecutive batches of ``size`` rows, the last as large as what is left.

    An image alone in its batch has no variance: its x_hat is 0 whatever it shows (torch refuses); see ``flags``.
    """

    size: int
    eps: float = NORM_EPS

    def normalise(self, layer: int, z: Tensor) -> Tensor:
        return _by_batch(z, self.size, lambda mean, var, m: (mean, var), self.eps)

    def of_layer(self, positions: int, eps: float) -> "BatchStatistics":
        return BatchStatistics(self.size * positions, eps)


@dataclass(frozen=True)
class Blend:
    """Source statistics that count as ``n_pseudo`` = N images more in each batch of m, at weight w = N / (N + m).

    Schneider et al. 2020. N = 0 is ``BatchStatistics``, N = inf is ``FixedStatistics``.
    """

    statistics: Statistics
    size: int
    n_pseudo: float
    eps: float = NORM_EPS

    def normalise(self, layer: int, z: Tensor) -> Tensor:
        source_mean, source_var = _source(self.statistics, layer, z[:, None])

        def blended(mean: Tensor, var: Tensor, m: int) -> Moments:
            w = 1.0 if math.isinf(self.n_pseudo) else self.n_pseudo / (self.n_pseudo + m)
            return w * source_mean + (1 - w) * mean, w * source_var + (1 - w) * var

        if not self.n_pseudo >= 0:
            raise ValueError(f"n_pseudo is {self.n_pseudo}; it is a number of images, 0 or more")
        return _by_batch(z, self.size, blended, self.eps)

    def of_layer(self, positions: int, eps: float) -> "Blend":
        return replace(self, size=self.size * positions, n_pseudo=self.n_pseudo * positions, eps=eps)


@dataclass(frozen=True)
class MeanOnly:
    """The batch's mean, the source's variance."""

    statistics: Statistics
    size: int
    eps: float = NORM_EPS

    def normalise(self, layer: int, z: Tensor) -> Tensor:
        _, source_var = _source(self.statistics, layer, z[:, None])
        return _by_batch(z, self.size, lambda mean, var, m: (mean, source_var), self.eps)

    def of_layer(self, positions: int, eps: float) -> "MeanOnly":
        return replace(self, size=self.size * positions, eps=eps)


@dataclass(frozen=True)
class VarOnly:
    """The batch's biased variance, the source's mean; with one image in a batch it divides by sqrt(eps)."""

    statistics: Statistics
    size: int
    eps: float = NORM_EPS

    def normalise(self, layer: int, z: Tensor) -> Tensor:
        source_mean, _ = _source(self.statistics, layer, z[:, None])
        return _by_batch(z, self.size, lambda mean, var, m: (source_mean, var), self.eps)

    def of_layer(self, positions: int, eps: float) -> "VarOnly":
        return replace(self, size=self.size * positions, eps=eps)


@dataclass(frozen=True)
class OneLayer:
    """``inside`` in one layer, ``outside`` in all others."""

    layer: int
    inside: Mode
    outside: Mode

    def normalise(self, layer: int, z: Tensor) -> Tensor:
        return (self.inside if layer == self.layer else self.outside).normalise(layer, z)

    def of_layer(self, positions: int, eps: float) -> "OneLayer":
        return OneLayer(self.layer, self.inside.of_layer(positions, eps), self.outside.of_layer(positions, eps))


@dataclass(frozen=True)
class ByImage:
    """Each image by itself, for a norm without statistics to choose; ``x_hat`` is ``by_image`` of its module."""

    x_hat: Callable[[Tensor, Norm], Tensor | None]
    norm: Norm

    def normalise(self, layer: int, z: Tensor) -> Tensor:
        normalised = self.x_hat(z, self.norm)
        assert normalised is not None, "batch norm has statistics to choose"
        return normalised

    def of_layer(self, positions: int, eps: float) -> "ByImage":
        return self


MAKERS: dict[str, Callable[[int, Statistics, int], Mode]] = {
    "batch": lambda number, source, size: BatchStatistics(size),
    "blend": lambda number, source, size: Blend(source, size, number),
    "mean_only": lambda number, source, size: MeanOnly(source, size),
    "var_only": lambda number, source, size: VarOnly(source, size),
    "layer": lambda number, source, size: OneLayer(number, BatchStatistics(size), FixedStatistics(source)),
}
"""Constructors of the modes that need a batch, by family: (number, source statistics, batch size) -> mode."""


def make(mode: InferenceMode, source: Statistics, size: int) -> Mode:
    """Return the normalisation of ``mode`` in test batches of ``size``, with ``source`` where it needs statistics."""
    return MAKERS[mode.family.key](mode.number or 0, source, size)


def normalised(z: Tensor, mean: Tensor, var: Tensor, eps: float = NORM_EPS) -> Tensor:
    return (z - mean) * (var + eps).rsqrt()


def batch_moments(batches: Tensor) -> Moments:
    """Return mean and biased variance (L, batches, 1, width) of batches (L, batches, m, width)."""
    mean = batches.mean(2, keepdim=True)
    return mean, (batches - mean).square().mean(2, keepdim=True)  # on a CPU var_mean takes 4 times as long at m = 8


def _source(statistics: Statistics, layer: int, z: Tensor) -> Moments:
    """Return a layer's statistics in the dtype of z, broadcastable: (L, 1, width), or (L, 1, 1, width) for batches."""
    mean, var = (moment.to(z.dtype).view(len(moment), *[1] * (z.ndim - 2), -1) for moment in statistics[layer])
    return mean, var


def _by_batch(z: Tensor, size: int, choose: Callable[[Tensor, Tensor, int], Moments], eps: float) -> Tensor:
    """Return x_hat of z (L, n, width) in batches of ``size``; ``choose`` maps a batch's mean, biased variance and m to
    the moments that normalise it."""
    if size < 1:
        raise ValueError(f"size is {size}; a batch holds at least one image")
    n = z.shape[1]
    whole = n - n % size
    equal = torch.unflatten(z[:, :whole], 1, (whole // size, size))  # (L, batches, m, width)
    parts = []
    for batches in (equal, z[:, None, whole:]):
        if batches.numel():
            moments = choose(*batch_moments(batches), batches.shape[2])
            parts.append(normalised(batches, *moments, eps).flatten(1, 2))
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)
