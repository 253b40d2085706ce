"""The multilayer perceptron, for a stack of runs at once: each layer's forward and backward together.

A stack holds the runs of one arm, S seeds x R rates, L = S R in all. Read a line without the run axes and it is
the arithmetic of one network:

    images     (batch, S, features)      shared by the rates of a seed; see ``study.data.images``
    z, h       (batch, L, width)
    weight     (L, in, out)              bias, gamma, beta (L, 1, out)
    logits     (L, classes, batch)       of the readout: ten columns are a bad shape for a vector unit

A run's products, sums and means run over its own numbers alone, so its bits do not depend on its
neighbours. But where a vector ends does: so hidden layers are padded to whole vectors with units whose
weights are zero and stay zero, since their features and gradients are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from study.data.images import ImageBatch
from study.engine import activations, dropout, norms, optimisers, random_streams
from study.engine.activations import Activation
from study.engine.lockstep.hidden import HiddenLayer
from study.engine.lockstep.optimiser import Parameters, by_run
from study.engine.norms import StackedNorm
from study.spec.arms import ARMS, Arm
from study.spec.factors import Cell

VECTOR = 32  # units; torch sums columns by so many at once, and the rest in another order


class Layer(Protocol):
    """A layer: ``forward`` keeps what ``backward`` needs, ``backward`` leaves the gradients of the parameters in place.

    Both may overwrite what they are given, and leave their result in whatever order in memory is cheapest.
    """

    def forward(self, h: Tensor) -> Tensor: ...

    def backward(self, d_out: Tensor) -> Tensor: ...


class FirstLinear:
    """The first layer, z = lr (X U) + b, on images that all rates of a seed share; U = W / lr, see ``optimiser``."""

    def __init__(self, parameters: Parameters):
        self.parameters, self.grid = parameters, parameters.first.shape[::2]
        self.bias, self.d_bias = _bias(parameters, "linears.0", parameters.first.shape[-1])

    def forward(self, images: ImageBatch) -> Tensor:
        """Map X (batch, S, in) to z (batch, L, out)."""
        self.images = images
        product = images.times(self.parameters.first)
        z = product.new_empty(product.shape)
        runs = (1, *product.shape[1:3], -1)
        torch.addcmul(self.bias.view(runs), product, self.parameters.scale.view(runs), out=z)
        return z.flatten(1, 2)

    def backward(self, d_z: Tensor) -> None:
        """Leave dL/dW = X^T dz and dL/db = sum dz in place; the images need no gradient."""
        torch.sum(d_z, 0, out=self.d_bias[:, 0])
        self.parameters.d_first = self.images.transposed_times(d_z.reshape(len(d_z), *self.grid, -1))


class Linear:
    """A hidden layer, z = h W + b."""

    def __init__(self, parameters: Parameters, name: str):
        self.weight, self.d_weight = parameters.values[f"{name}.weight"], parameters.gradients[f"{name}.weight"]
        self.bias, self.d_bias = _bias(parameters, name, self.weight.shape[-1])

    def forward(self, h: Tensor) -> Tensor:
        """Map h (batch, L, in) to z (batch, L, out)."""
        self.h = h.transpose(0, 1)
        return torch.baddbmm(self.bias, self.h, self.weight).transpose(0, 1)

    def backward(self, d_z: Tensor) -> Tensor:
        """Return dL/dh from dL/dz; leave dL/dW = h^T dz and dL/db = sum dz in place."""
        torch.sum(d_z, 0, out=self.d_bias[:, 0])
        d_z = d_z.transpose(0, 1)
        torch.bmm(self.h.mT, d_z, out=self.d_weight)
        return torch.bmm(d_z, self.weight.mT).transpose(0, 1)


def _bias(parameters: Parameters, name: str, n_out: int) -> tuple[Tensor, Tensor]:
    """Return bias and gradient (L, 1, out) of a hidden layer; zeros that nothing moves where it has no bias."""
    if f"{name}.bias" in parameters.values:
        return parameters.values[f"{name}.bias"], parameters.gradients[f"{name}.bias"]
    zeros = parameters.scale.new_zeros(len(parameters.scale), 1, n_out)
    return zeros, torch.zeros_like(zeros)


class Activate:
    """The activation h = f(z), in place; the units that pad a vector stay zero."""

    def __init__(self, activation: Activation, width: int):
        self.activation, self.width = activation, width

    def forward(self, z: Tensor) -> Tensor:
        self.h = self.activation.apply_(z)
        if not self.activation.keeps_zero:
            self.h[..., self.width :] = 0
        return self.h

    def backward(self, d_h: Tensor) -> Tensor:
        return self.activation.backward(d_h, self.h)


class Drop:
    """Dropout, h m with m = 0 or 1 / (1 - p)."""

    def __init__(self, layer: HiddenLayer, p: float):
        self.p, self.draws = p, layer.draws(dropout.CAUSE, dropout.drawn)

    def forward(self, h: Tensor) -> Tensor:
        self.factor = dropout.factor(self.draws.next(len(h)), self.p)
        return h * self.factor

    def backward(self, d: Tensor) -> Tensor:
        return d * self.factor


class Readout:
    """The last layer, logits = W h^T + b, one row a class. Weight (L, classes, in), bias (L, classes, 1)."""

    def __init__(self, parameters: Parameters, name: str):
        self.weight, self.d_weight = parameters.values[f"{name}.weight"], parameters.gradients[f"{name}.weight"]
        self.bias, self.d_bias = parameters.values[f"{name}.bias"], parameters.gradients[f"{name}.bias"]

    def forward(self, h: Tensor) -> Tensor:
        """Map h (batch, L, in) to logits (L, classes, batch)."""
        self.h = h.transpose(0, 1)
        return torch.baddbmm(self.bias, self.weight, self.h.mT)

    def backward(self, d_logits: Tensor) -> Tensor:
        """Return dL/dh (batch, L, in) from dL/dlogits; leave dL/dW = dlogits h and dL/db = sum dlogits in place."""
        torch.sum(d_logits, -1, keepdim=True, out=self.d_bias)
        torch.bmm(d_logits, self.h, out=self.d_weight)
        return torch.bmm(d_logits.mT, self.weight).transpose(0, 1)


def one_row_a_run(labels: Tensor, n_rates: int) -> Tensor:
    """Return labels (S, batch) repeated over the rates, (L, 1, batch)."""
    return labels[:, None].expand(-1, n_rates, -1).flatten(0, 1)[:, None]


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss (L, batch), in nats an image, of logits (L, classes, batch) for labels (L, 1, batch)."""
    return (logits.logsumexp(-2, keepdim=True) - logits.gather(-2, labels))[:, 0]


def d_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the gradient of the batch's mean ``cross_entropy`` by the logits, (softmax - one-hot) / batch."""
    d = logits.softmax(-2)
    d.scatter_add_(-2, labels, d.new_full((), -1).expand(labels.shape))
    return d.div_(labels.shape[-1])


@dataclass(frozen=True)
class Predictor:
    """L networks as they predict."""

    linears: Sequence[tuple[Tensor, Tensor]]
    """Weight (L, in, out) and bias (L, 1, out) by layer; the last one transposed, (L, classes, in) and (L, classes, 1).
    """
    norms: Sequence[StackedNorm | None]
    """The norm of each hidden layer; None where it is folded or there is none."""
    activation: Activation
    after: bool = False
    """Whether the norms stand after the activation."""

    def hidden(self, layer: int, z: Tensor, runs: slice) -> Tensor:
        """Map z (some runs, batch, width) of a hidden layer to what the next linear layer takes; may overwrite z."""
        norm = self.norms[layer]
        if norm is None:
            return self.activation.apply_(z)
        if self.after:
            return norm.predict(self.activation.apply_(z), runs)
        return self.activation.apply_(norm.predict(z, runs))


class Stack:
    """The networks of one arm, S seeds x R rates."""

    def __init__(
        self, arm: str, cell: Cell, widths: Sequence[int], lrs: Tensor, seeds: Sequence[int], cause: str = "init",
        noise_seeds: Sequence[int] | None = None, draws: str = "",
    ):  # fmt: skip
        """``lrs`` (S, R) is the rate of each run, its dtype and device those of all tensors; ``seeds`` (S,) and
        ``cause`` name the streams of the first weights, ``noise_seeds`` (S,), the same unless given, those of what
        training draws, and ``draws`` what stands in front of their causes; ``cell`` says what else the runs have in
        common."""
        self.widths, self.n_linears, self.activation = tuple(widths), len(widths) - 1, activations.for_cell(cell)
        self.padded = (widths[0], *(-(-width // VECTOR) * VECTOR for width in widths[1:-1]), widths[-1])
        self.arm = ARMS[arm]
        shapes = _other_shapes(self.padded, self.arm)
        self.parameters = Parameters(self.padded[:2], shapes, lrs, optimisers.for_cell(cell))
        self.hidden = [
            HiddenLayer(self.parameters, index, width, self.padded[index + 1], noise_seeds or seeds, draws)
            for index, width in enumerate(widths[1:-1])
        ]
        norm = self.arm.norm
        self.norms = [norms.module_of(norm).stacked(layer, norm) for layer in self.hidden if norm]
        self.first = FirstLinear(self.parameters)
        self.linears: list[FirstLinear | Linear | Readout] = [self.first]
        self.layers = self._layers()
        for index in range(self.n_linears):
            n_in, n_out = widths[index : index + 2]
            drawn = [random_streams.initial_linear(seed, index, n_in, n_out, cell.init, cause) for seed in seeds]
            self._initialise(index, drawn, n_rates=lrs.shape[1])

    def _layers(self) -> list[Layer]:
        """Return the layers after the first: the activation of every hidden layer, before or after it the arm's norm,
        dropout, then linear."""
        layers: list[Layer] = []
        for hidden in self.hidden:
            index = hidden.index + 1
            nonlinear: list[Layer] = [*self.norms[hidden.index : index], Activate(self.activation, hidden.width)]
            dropped = [Drop(hidden, self.arm.dropout)] if self.arm.dropout else []
            linear = (Linear if index < self.n_linears - 1 else Readout)(self.parameters, f"linears.{index}")
            layers += [*(nonlinear[::-1] if self.after else nonlinear), *dropped, linear]
            self.linears.append(linear)
        return layers

    @property
    def after(self) -> bool:
        """Whether the norms stand after the activation."""
        return self.arm.norm is not None and self.arm.norm.placement == "after"

    def _initialise(self, index: int, drawn: Sequence[tuple[Tensor, Tensor]], n_rates: int) -> None:
        """Set a linear layer to the weight and the bias that each seed draws, equal over rates; padding is zero."""
        weight, bias = (torch.stack(tensors).repeat_interleave(n_rates, dim=0) for tensors in zip(*drawn, strict=True))
        n_in, n_out = (self.padded[i] - self.widths[i] for i in (index, index + 1))
        weight, bias = pad(weight, (0, n_out, 0, n_in)), pad(bias, (0, n_out))
        last = index == self.n_linears - 1
        if index:
            self.parameters.assign(f"linears.{index}.weight", weight.mT if last else weight)
        else:
            self.parameters.assign_first(weight)
        if last or self.arm.bias:
            self.parameters.assign(f"linears.{index}.bias", bias[..., None] if last else bias[:, None])

    def forward(self, images: ImageBatch) -> Tensor:
        """Map images (batch, S, features) to logits (L, classes, batch), as while training."""
        self.parameters.refresh()
        h = self.first.forward(images)
        for layer in self.layers:
            h = layer.forward(h)
        return h

    def backward(self, d_logits: Tensor) -> None:
        """Leave the gradients of all parameters in place, from dL/dlogits."""
        d = d_logits
        for layer in reversed(self.layers):
            d = layer.backward(d)
        self.first.backward(d)

    def begin_epoch(self) -> None:
        for norm in self.norms:
            norm.begin_epoch()

    def predictor(self) -> "Predictor":
        """Return the networks as they predict; a norm that is affine then is folded into the linear layer in front,
        unless the activation stands between them."""
        self.parameters.refresh()
        value = self.parameters.values
        weights = [self.parameters.first_value(), *(value[f"linears.{i}.weight"] for i in range(1, self.n_linears))]
        linears = [(weight, linear.bias) for weight, linear in zip(weights, self.linears, strict=True)]
        between: list[StackedNorm | None] = [None] * (self.n_linears - 1)
        for index, norm in enumerate(self.norms):
            folded = None if self.after else norm.folded(*linears[index])
            if folded is None:
                between[index] = norm
            else:
                linears[index] = folded
        return Predictor(linears, between, self.activation, self.after)

    def finite(self) -> Tensor:
        """Return (L,) whether every parameter and running average of a run is finite."""
        averages = [average for norm in self.norms for average in norm.averages()]
        tensors = [self.parameters.first_value(), *self.parameters.stored.values(), *averages]
        return torch.stack([tensor.isfinite().flatten(1).all(-1) for tensor in tensors]).all(0)

    def state_dict(self, run: int) -> dict[str, Tensor]:
        """Return a network's tensors under the names and in the shapes of torch.nn: ``linears.0.weight`` (out, in)."""
        self.parameters.refresh()
        state = self._as_torch(run, self.parameters.first_value(), self.parameters.values)
        for index, (norm, width) in enumerate(zip(self.norms, self.widths[1:-1], strict=False)):
            for name, value in norm.running().items():
                state[f"norms.{index}.{name}"] = value[run, 0, :width].clone()
        return state

    def trained(self, run: int, batch_size: int, n_batches: int) -> dict[str, Tensor]:
        """Return ``state_dict`` and the cumulative statistics of each layer, as ``norms.0.cumulative_last_mean``."""
        state = self.state_dict(run)
        for index, (norm, width) in enumerate(zip(self.norms, self.widths[1:-1], strict=False)):
            for name, value in norm.cumulative(batch_size, n_batches).items():
                state[f"norms.{index}.{name}"] = value[run, 0, :width].clone()
        return state

    def gradients(self, run: int) -> dict[str, Tensor]:
        """Return one network's gradients of the last backward pass, under the names and in the shapes of torch.nn."""
        return self._as_torch(run, by_run(self.parameters.d_first), self.parameters.gradients)

    def _as_torch(self, run: int, first: Tensor, others: Mapping[str, Tensor]) -> dict[str, Tensor]:
        state = {}
        for name, tensor in {"linears.0.weight": first, **others}.items():
            kind, layer, what = name.split(".")
            n_in, n_out = self.widths[int(layer) : int(layer) + 2]
            own = tensor[run]
            if kind == "linears" and what == "weight":
                own = (own if int(layer) == self.n_linears - 1 else own.T)[:n_out, :n_in]
            else:
                own = own.flatten()[:n_out]
            state[name] = own.clone()
        return state


def _other_shapes(widths: Sequence[int], arm: Arm) -> dict[str, tuple[int, int]]:
    """Return (rows, columns) of one run's parameters but for the first weight, by the names of torch.nn."""
    shapes = {}
    for index, (n_in, n_out) in enumerate(pairwise(widths)):
        last = index == len(widths) - 2
        if index:
            shapes[f"linears.{index}.weight"] = (n_out, n_in) if last else (n_in, n_out)
        if last or arm.bias:
            shapes[f"linears.{index}.bias"] = (n_out, 1) if last else (1, n_out)
        if arm.norm and not last:
            shapes |= {f"norms.{index}.{name}": (1, n_out) for name in arm.norm.learnt}
    return shapes
