"""The tutorial's formulas once more, from the papers alone, in numpy's float64: what the engine's arithmetic is held
against. Nothing of the engine is used here, its constants included.

By name in ``ORACLES``: functions of ``Inputs``. Letters are those of Ioffe & Szegedy 2015 (1502.03167), algorithms 1
and 2 and section 3, of Kingma & Ba 2015 (1412.6980), algorithm 1, and of torch.nn.BatchNorm1d, whose running averages
the tutorial uses: running = (1 - rho) running + rho batch, of the unbiased variance.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EPS, RHO = 1e-5, 0.1
BETA1, BETA2, ADAM_EPS, RATE = 0.9, 0.999, 1e-8, 0.01


class Inputs(NamedTuple):
    """What the formulas are tried on."""

    z: Array
    """(epochs, batches, m, width) the inputs of a batch norm layer in a training."""
    d_y: Array
    """(m, width) the gradient of a loss by the layer's outputs in the first batch."""
    gamma: Array
    """(width,)"""
    beta: Array
    """(width,)"""
    h: Array
    """(n, inputs) images, or features, in front of the linear layer that batch norm follows."""
    weight: Array
    """(inputs, width)"""
    bias: Array
    """(width,)"""
    gradients: Array
    """(steps, width) gradients of a loss by beta, step by step."""
    logits: Array
    """(n, classes)"""
    labels: NDArray[np.int64]
    """(n,)"""

    @property
    def batch(self) -> Array:
        """The first batch (m, width)."""
        return self.z[0, 0]


def mean(z: Array) -> Array:
    """Return mu_B of z (..., m, width): algorithm 1, line 1."""
    return z.sum(-2) / z.shape[-2]


def variance(z: Array) -> Array:
    """Return the biased sigma_B^2 of z (..., m, width): algorithm 1, line 2."""
    return np.square(z - mean(z)[..., None, :]).sum(-2) / z.shape[-2]


def unbiased(z: Array) -> Array:
    """Return m / (m - 1) sigma_B^2 of z (..., m, width): algorithm 2, line 10."""
    m = z.shape[-2]
    return variance(z) * m / (m - 1)


def normalised(z: Array) -> Array:
    """Return x_hat of z (m, width): algorithm 1, line 3."""
    return (z - mean(z)) / np.sqrt(variance(z) + EPS)


def _scaled(of: Inputs) -> Array:
    return of.gamma * normalised(of.batch) + of.beta


def _d_z(of: Inputs) -> Array:
    """Return dL/dz (m, width): the chain rule of section 3, equation by equation."""
    z, m = of.batch, len(of.batch)
    d_x_hat = of.d_y * of.gamma
    centred, var = z - mean(z), variance(z) + EPS
    d_var = (d_x_hat * centred * -0.5 * var**-1.5).sum(0)
    d_mean = (-d_x_hat / np.sqrt(var)).sum(0) + d_var * (-2 * centred).sum(0) / m
    return d_x_hat / np.sqrt(var) + d_var * 2 * centred / m + d_mean / m


def _running(of_batch: Callable[[Array], Array], first: float, of: Inputs) -> Array:
    """Return the running average (width,) after all K batches, in closed form: (1 - rho)^K of the first value, and of
    the k-th batch rho (1 - rho)^(K - k)."""
    batches = of_batch(of.z.reshape(-1, *of.z.shape[2:]))
    k = len(batches)
    shares = RHO * (1 - RHO) ** np.arange(k - 1, -1, -1.0)
    return (1 - RHO) ** k * first + shares @ batches


def _predicted(of: Inputs) -> Array:
    """Return y (n, width) of a linear layer and batch norm by the running averages: algorithm 2, line 11."""
    running_mean, running_var = _running(mean, 0.0, of), _running(unbiased, 1.0, of)
    z = of.h @ of.weight + of.bias
    return of.gamma * (z - running_mean) / np.sqrt(running_var + EPS) + of.beta


def _adam(of: Inputs) -> Array:
    """Return beta (width,) after all steps of Adam at the tutorial's rate."""
    w, m, v = of.beta, np.zeros_like(of.beta), np.zeros_like(of.beta)
    for t, g in enumerate(of.gradients, 1):
        m = BETA1 * m + (1 - BETA1) * g
        v = BETA2 * v + (1 - BETA2) * g**2
        m_hat, v_hat = m / (1 - BETA1**t), v / (1 - BETA2**t)
        w = w - RATE * m_hat / (np.sqrt(v_hat) + ADAM_EPS)
    return w


def _softmax(of: Inputs) -> Array:
    e = np.exp(of.logits - of.logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _cross_entropy(of: Inputs) -> Array:
    """Return -log p (n,) of the labels, in nats."""
    return -np.log(_softmax(of)[np.arange(len(of.labels)), of.labels])


def _d_cross_entropy(of: Inputs) -> Array:
    """Return the gradient (n, classes) of the mean cross-entropy by the logits, (p - one-hot) / n."""
    return (_softmax(of) - np.eye(of.logits.shape[1])[of.labels]) / len(of.labels)


def _averages(z: Array) -> Array:
    """Return the arithmetic means (2, width) of the batch means and the unbiased variances of z (..., m, width)."""
    batches = z.reshape(-1, *z.shape[-2:])
    return np.stack([mean(batches).mean(0), unbiased(batches).mean(0)])


ORACLES: Mapping[str, Callable[[Inputs], Array]] = {
    "batch-mean": lambda of: mean(of.batch),
    "batch-variance": lambda of: variance(of.batch),
    "normalisation": lambda of: normalised(of.batch),
    "scale-and-shift": _scaled,
    "gradient-by-z": _d_z,
    "gradient-by-gamma": lambda of: (of.d_y * normalised(of.batch)).sum(0),
    "gradient-by-beta": lambda of: of.d_y.sum(0),
    "running-mean": lambda of: _running(mean, 0.0, of),
    "running-variance": lambda of: _running(unbiased, 1.0, of),
    "prediction": _predicted,
    "averages-of-the-last-epoch": lambda of: _averages(of.z[-1]),
    "averages-of-all-training": lambda of: _averages(of.z),
    "cross-entropy": _cross_entropy,
    "gradient-of-cross-entropy": _d_cross_entropy,
    "adam": _adam,
}
"""By name, the tutorial's formulas."""
