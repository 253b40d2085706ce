"""What the engine computes where the tutorial has a formula, on given inputs in float64: twins of ``oracles.ORACLES``.

The engine is torch's. The kernel knows float32 alone, so no formula of it can be held to more than that; the tests of
the engines compare the two.
"""

from collections.abc import Callable, Mapping

import torch
from numpy.typing import NDArray
from torch import Tensor

from study.claims.oracles import Inputs
from study.data.streams import generator
from study.engine.lockstep.layers import Stack, cross_entropy, d_cross_entropy
from study.engine.norms.batch import BatchNorm
from study.spec.constants import NORM_EPS
from study.spec.factors import REFERENCE_SETTING

EPOCHS, BATCHES, BATCH, WIDTH, N_INPUTS, CLASSES, STEPS = 2, 3, 32, 32, 20, 10, 7
SMALLEST_SD = 0.01
"""Of the layer's units: there eps, 1e-5, is a tenth of the variance."""


def inputs() -> Inputs:
    """Return random inputs, always the same: units of different means and of standard deviations from SMALLEST_SD."""
    stream = generator(0, "formulas", 0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=stream, dtype=torch.float64)

    sd = torch.logspace(torch.tensor(SMALLEST_SD).log10().item(), 0.5, WIDTH, dtype=torch.float64)
    labels = torch.randint(CLASSES, (BATCH,), generator=stream)
    drawn = (
        (normal(EPOCHS, BATCHES, BATCH, WIDTH) + normal(WIDTH)) * sd, normal(BATCH, WIDTH),
        1 + 0.3 * normal(WIDTH), normal(WIDTH), normal(BATCH, N_INPUTS), normal(N_INPUTS, WIDTH), normal(WIDTH),
        normal(STEPS, WIDTH), 3 * normal(BATCH, CLASSES), labels,
    )  # fmt: skip
    return Inputs(*(tensor.numpy() for tensor in drawn))


def _layer(of: Inputs, learnt: bool = True) -> tuple[Stack, BatchNorm]:
    """Return a network of one hidden layer, and its batch norm with the given gamma and beta, or with 1 and 0."""
    rates = torch.tensor([[REFERENCE_SETTING.lr]], dtype=torch.float64)
    stack = Stack("bn", REFERENCE_SETTING, (N_INPUTS, WIDTH, CLASSES), rates, seeds=(0,))
    for name, value in (("weight", of.gamma), ("bias", of.beta)) if learnt else ():
        stack.parameters.assign(f"norms.0.{name}", torch.from_numpy(value))
    stack.parameters.refresh()
    (norm,) = stack.norms
    assert isinstance(norm, BatchNorm)
    return stack, norm


def _forward(norm: BatchNorm, z: NDArray) -> Tensor:
    """Map z (m, width) to y as while training."""
    return norm.forward(torch.from_numpy(z)[:, None])[:, 0]


def _after_batch(of: Inputs) -> BatchNorm:
    _, norm = _layer(of)
    _forward(norm, of.batch)
    return norm


def _after_training(of: Inputs) -> BatchNorm:
    _, norm = _layer(of)
    for epoch in of.z:
        norm.begin_epoch()
        for batch in epoch:
            _forward(norm, batch)
    return norm


def _d_z(of: Inputs) -> Tensor:
    return _after_batch(of).backward(torch.from_numpy(of.d_y)[:, None])


def _gradient(of: Inputs, name: str) -> Tensor:
    stack, norm = _layer(of)
    _forward(norm, of.batch)
    norm.backward(torch.from_numpy(of.d_y)[:, None])
    return stack.parameters.gradients[f"norms.0.{name}"]


def _predicted(of: Inputs) -> Tensor:
    """Return y (n, width) of the linear layer into which batch norm is folded."""
    weight, bias = _after_training(of).folded(torch.from_numpy(of.weight)[None], torch.from_numpy(of.bias)[None, None])
    return torch.from_numpy(of.h) @ weight[0] + bias[0]


def _averages(of: Inputs, window: str) -> Tensor:
    kept = _after_training(of).cumulative(BATCH, BATCHES)
    return torch.stack([kept[f"cumulative_{window}_{what}"].flatten() for what in ("mean", "var")])


def _adam(of: Inputs) -> Tensor:
    stack, _ = _layer(of)
    parameters, name = stack.parameters, "norms.0.bias"
    for gradient in of.gradients:
        parameters.gradients[name].copy_(torch.from_numpy(gradient))
        parameters.step()
    parameters.refresh()
    return parameters.values[name]


def _by_class(of: Inputs) -> tuple[Tensor, Tensor]:
    """Return logits (1, classes, n) and labels (1, 1, n), as the engine has them."""
    return torch.from_numpy(of.logits).T.contiguous()[None], torch.from_numpy(of.labels)[None, None]


COMPUTED: Mapping[str, Callable[[Inputs], Tensor]] = {
    "batch-mean": lambda of: _after_batch(of).mean,
    "batch-variance": lambda of: _after_batch(of).inverse_sd.pow(-2) - NORM_EPS,
    "normalisation": lambda of: _forward(_layer(of, learnt=False)[1], of.batch),
    "scale-and-shift": lambda of: _forward(_layer(of)[1], of.batch),
    "gradient-by-z": _d_z,
    "gradient-by-gamma": lambda of: _gradient(of, "weight"),
    "gradient-by-beta": lambda of: _gradient(of, "bias"),
    "running-mean": lambda of: _after_training(of).running()["running_mean"],
    "running-variance": lambda of: _after_training(of).running()["running_var"],
    "prediction": _predicted,
    "averages-of-the-last-epoch": lambda of: _averages(of, "last"),
    "averages-of-all-training": lambda of: _averages(of, "all"),
    "cross-entropy": lambda of: cross_entropy(*_by_class(of)),
    "gradient-of-cross-entropy": lambda of: d_cross_entropy(*_by_class(of))[0].T,
    "adam": _adam,
}
"""By the names of ``oracles.ORACLES``; each of the shape there, but for axes of one."""
