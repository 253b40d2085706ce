"""The multilayer perceptron, for a stack of runs at once: each layer's forward and backward together.

A stack holds the runs of one arm, rates x seeds. Every array carries the run axes (rates R, seeds S)
in front; read a line without them and it is the arithmetic of one network:

    images     (S, batch, features)      shared by the rates of a seed
    features   (R, S, batch, width)
    weight     (R, S, in, out)           bias, gamma, beta (R, S, 1, out)

A run's products, sums and means run over its own slice alone, so its bits do not depend on its
neighbours. One wide product over all rates of a seed would save nothing here: with the images passed
by reference, one batched product a rate ran as fast (results/LOG.md).

**A learning rate per run from one Adam.** Adam multiplies its rate with a step that follows from the
gradients alone (Kingma & Ba 2015, algorithm 1). So the stack stores u = w / lr and hands Adam dL/dw with a
rate of 1: u moves by that step, hence w = lr u by lr times it. One flat buffer then serves every rate.
``scale`` is lr, (R, 1, 1, 1); each product is scaled once.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from study import streams
from study.normalization import EPS, BatchNorm

ALIGNMENT = 64  # elements; every parameter starts at the same alignment whatever the stack holds


class Layer(Protocol):
    """forward keeps what backward needs; backward leaves the gradients of the parameters in place."""

    def forward(self, h: Tensor) -> Tensor: ...

    def backward(self, d_out: Tensor) -> Tensor: ...


class Linear:
    """z = h (lr U) + lr b."""

    def __init__(self, weight: Tensor, bias: Tensor, d_weight: Tensor, d_bias: Tensor, scale: Tensor):
        self.weight, self.bias, self.scale = weight, bias, scale
        self.d_weight, self.d_bias = d_weight, d_bias

    @property
    def parameters(self) -> tuple[Tensor, Tensor]:
        """Weight and bias as they are, not as they are stored."""
        return self.weight * self.scale, self.bias * self.scale

    def forward(self, h: Tensor) -> Tensor:
        """h (R, S, batch, in) -> z (R, S, batch, out)."""
        self.h = h
        return self._affine(torch.matmul(h, self.weight))

    def _affine(self, product: Tensor) -> Tensor:
        return torch.addcmul(self.bias * self.scale, product, self.scale)

    def backward(self, d_z: Tensor) -> Tensor:
        """dL/dz -> dL/dh; leaves dL/dW = h^T dz and dL/db = sum dz."""
        torch.sum(d_z, -2, keepdim=True, out=self.d_bias)
        torch.matmul(self.h.mT, d_z, out=self.d_weight)
        return torch.matmul(d_z, (self.weight * self.scale).mT)


class FirstLinear(Linear):
    """A linear layer on images that all rates of a seed share: (S, batch, in), never copied by rate."""

    def forward(self, h: Tensor) -> Tensor:
        self.h = h
        z = h.new_empty(*self.bias.shape[:2], h.shape[-2], self.bias.shape[-1])
        for z_of_rate, weight_of_rate in zip(z, self.weight, strict=True):
            torch.bmm(h, weight_of_rate, out=z_of_rate)
        return self._affine(z)

    def backward(self, d_z: Tensor) -> Tensor:
        """Leaves the gradients; the images need none, so the result is empty."""
        torch.sum(d_z, -2, keepdim=True, out=self.d_bias)
        for d_z_of_rate, d_weight_of_rate in zip(d_z, self.d_weight, strict=True):
            torch.bmm(self.h.mT, d_z_of_rate, out=d_weight_of_rate)
        return d_z.new_empty(0)


class ReLU:
    """h = max(z, 0), in place."""

    def forward(self, h: Tensor) -> Tensor:
        self.h = h.relu_()
        return self.h

    def backward(self, d_out: Tensor) -> Tensor:
        return torch.ops.aten.threshold_backward(d_out, self.h, 0)


def cross_entropy(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean loss (R, S) of logits (R, S, batch, classes), labels (S, batch), and its gradient.

    dL/dlogits = (softmax - one-hot) / batch.
    """
    log_sum = logits.logsumexp(-1, keepdim=True)
    chosen = labels.expand(logits.shape[:-1]).unsqueeze(-1)
    loss = (log_sum - logits.gather(-1, chosen)).mean((-2, -1))
    d_logits = logits.sub(log_sum).exp_()
    d_logits.scatter_add_(-1, chosen, d_logits.new_full((), -1).expand(chosen.shape))
    return loss, d_logits.div_(labels.shape[-1])


class Stack:
    """The networks of one arm, rates x seeds: layers over one flat buffer of parameters.

    Parameters are tensor by tensor, each holding all runs, so that one fused optimiser step over
    ``flat`` updates every run and each layer's slice stays contiguous.
    """

    def __init__(
        self,
        arm: str,
        widths: Sequence[int],
        lrs: Sequence[float],
        seeds: Sequence[int],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        self.widths = tuple(widths)
        self.lanes = (len(lrs), len(seeds))
        self.scale = torch.tensor(lrs, dtype=dtype, device=device).view(-1, 1, 1, 1)
        shapes = list(_parameter_shapes(arm, self.widths))
        sizes = [self.lanes[0] * self.lanes[1] * rows * columns for rows, columns in shapes]
        padded = [-(-size // ALIGNMENT) * ALIGNMENT for size in sizes]
        self.flat = torch.zeros(sum(padded), dtype=dtype, device=device)
        self.d_flat = torch.zeros_like(self.flat)
        self.values = _views(self.flat, padded, sizes, shapes, self.lanes)
        gradients = _views(self.d_flat, padded, sizes, shapes, self.lanes)
        self.layers = _layers(arm, self.widths, self.values, gradients, self.scale)
        self._initialise(seeds)

    def _initialise(self, seeds: Sequence[int]) -> None:
        """Linear layers from the seeds' streams, equal over rates and arms; gamma 1, beta 0."""
        for index, linear in enumerate(self.linears):
            drawn = [streams.initial_linear(seed, index, *self.widths[index : index + 2]) for seed in seeds]
            linear.weight.copy_(torch.stack([weight for weight, _ in drawn]) / self.scale.cpu())
            linear.bias.copy_(torch.stack([bias for _, bias in drawn]).unsqueeze(-2) / self.scale.cpu())
        for norm in self.norms:
            norm.gamma.copy_((1 / self.scale).expand_as(norm.gamma))

    @property
    def linears(self) -> list[Linear]:
        return [layer for layer in self.layers if isinstance(layer, Linear)]

    @property
    def norms(self) -> list[BatchNorm]:
        return [layer for layer in self.layers if isinstance(layer, BatchNorm)]

    def forward(self, images: Tensor) -> Tensor:
        """Images (S, batch, features) -> logits (R, S, batch, classes), as while training."""
        h = images
        for layer in self.layers:
            h = layer.forward(h)
        return h

    def backward(self, d_logits: Tensor) -> None:
        """dL/dlogits -> dL/dw in ``d_flat``."""
        d = d_logits
        for layer in reversed(self.layers):
            d = layer.backward(d)

    def affine(self) -> list[tuple[Tensor, Tensor]]:
        """The network as it predicts: (weight (R, S, in, out), bias (R, S, 1, out)) by layer, ReLU between.

        Batch norm with its running averages is affine, so it folds into the linear layer before it
        (as torch.nn.utils.fusion.fuse_linear_bn_eval does).
        """
        folded = [linear.parameters for linear in self.linears]
        for index, norm in enumerate(self.norms):
            weight, bias = folded[index]
            gamma, beta = norm.parameters
            gain = gamma * (norm.running_var + EPS).rsqrt()
            folded[index] = (weight * gain, (bias - norm.running_mean) * gain + beta)
        return folded

    def finite(self) -> Tensor:
        """(R, S) whether every parameter and running average of a run is finite."""
        averages = [average for norm in self.norms for average in (norm.running_mean, norm.running_var)]
        checks = [tensor.isfinite().all(-1).all(-1) for tensor in (*self.values, *averages)]
        return torch.stack(checks).all(0)

    def state_dict(self, rate: int, seed: int) -> dict[str, Tensor]:
        """One network's tensors under the names of torch.nn: ``linears.0.weight`` (out, in), ``norms.0.bias``."""
        own = (rate, seed)
        state: dict[str, Tensor] = {}
        for index, linear in enumerate(self.linears):
            weight, bias = linear.parameters
            state |= {f"linears.{index}.weight": weight[own].T, f"linears.{index}.bias": bias[own][0]}
        for index, norm in enumerate(self.norms):
            gamma, beta = norm.parameters
            state |= {f"norms.{index}.weight": gamma[own][0], f"norms.{index}.bias": beta[own][0]}
            state[f"norms.{index}.running_mean"] = norm.running_mean[own][0]
            state[f"norms.{index}.running_var"] = norm.running_var[own][0]
        return state


def _parameter_shapes(arm: str, widths: tuple[int, ...]) -> list[tuple[int, int]]:
    """(rows, columns) of one run's parameters, in the order in which the layers take them."""
    shapes = []
    for index, (n_in, n_out) in enumerate(pairwise(widths)):
        shapes += [(n_in, n_out), (1, n_out)]
        if arm == "bn" and index < len(widths) - 2:
            shapes += [(1, n_out), (1, n_out)]
    return shapes


def _views(
    flat: Tensor, padded: list[int], sizes: list[int], shapes: list[tuple[int, int]], lanes: tuple[int, int]
) -> list[Tensor]:
    """``flat`` cut into parameters (R, S, rows, columns)."""
    pieces = zip(torch.split(flat, padded), sizes, shapes, strict=True)
    return [piece[:size].view(*lanes, *shape) for piece, size, shape in pieces]


def _layers(
    arm: str, widths: tuple[int, ...], values: list[Tensor], gradients: list[Tensor], scale: Tensor
) -> list[Layer]:
    """Linear, batch norm in its arm, ReLU for every hidden layer; then the last linear layer."""
    value, gradient = iter(values), iter(gradients)
    layers: list[Layer] = []
    for index in range(len(widths) - 1):
        linear = FirstLinear if index == 0 else Linear
        layers.append(linear(next(value), next(value), next(gradient), next(gradient), scale))
        if index < len(widths) - 2:
            if arm == "bn":
                layers.append(BatchNorm(next(value), next(value), next(gradient), next(gradient), scale))
            layers.append(ReLU())
    return layers
