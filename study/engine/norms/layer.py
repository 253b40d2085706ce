"""Layer normalisation of stacked runs: each image by the mean and variance of its own units.

Ba, Kiros & Hinton 2016, equations 3 and 4: x_hat = (z - mean) / sqrt(var + eps), y = gamma x_hat + beta, with the mean
and the biased variance over the units of a layer, as in torch.nn.LayerNorm. Nothing is kept for prediction. Units that
pad a vector take no part: they stay zero.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from study.engine.lockstep.optimiser import Parameters
from study.spec.arms import Norm
from study.spec.constants import NORM_EPS

OBEYS = KEEPS = ()


class LayerNorm:
    """The layer y = gamma (z - mean) / sqrt(var + eps) + beta, by image.

    Gamma and beta (runs, 1, width) start at 1 and 0.
    """

    def __init__(self, parameters: Parameters, name: str, width: int, norm: Norm):
        self.gamma, self.d_gamma = parameters.values[f"{name}.weight"], parameters.gradients[f"{name}.weight"]
        self.beta, self.d_beta = parameters.values[f"{name}.bias"], parameters.gradients[f"{name}.bias"]
        parameters.assign(f"{name}.weight", torch.ones(()))
        self.width, self.n_more = width, self.gamma.shape[-1] - width

    def forward(self, z: Tensor) -> Tensor:
        """Map z (batch, runs, width) to y of the same shape (equations 3 and 4)."""
        own = z[..., : self.width]
        self.x_hat, self.inverse_sd = _normalise(own)
        return self._affine(self.x_hat, self.gamma[:, 0], self.beta[:, 0])

    def backward(self, d_y: Tensor) -> Tensor:
        """Return dL/dz = (d - mean(d) - x_hat mean(d x_hat)) / sqrt(var + eps) of d = gamma dL/dy, by image."""
        d_y = d_y[..., : self.width]
        self.d_gamma.zero_()
        self.d_gamma[:, 0, : self.width] = (d_y * self.x_hat).sum(0)
        self.d_beta.zero_()
        self.d_beta[:, 0, : self.width] = d_y.sum(0)
        d = d_y * self.gamma[:, 0, : self.width]
        d = d - d.mean(-1, keepdim=True) - self.x_hat * (d * self.x_hat).mean(-1, keepdim=True)
        return pad(d * self.inverse_sd, (0, self.n_more))

    def _affine(self, x_hat: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        y = torch.addcmul(beta[..., : self.width], gamma[..., : self.width], x_hat)
        return pad(y, (0, self.n_more))

    def begin_epoch(self) -> None:
        pass

    def averages(self) -> list[Tensor]:
        return []

    def running(self) -> dict[str, Tensor]:
        return {}

    def cumulative(self, batch_size: int, n_batches: int) -> dict[str, Tensor]:
        return {}

    def folded(self, weight: Tensor, bias: Tensor) -> None:
        return None

    def predict(self, z: Tensor, runs: slice) -> Tensor:
        """Map z (some runs, batch, width) to y of the same shape."""
        return self._affine(by_image(z[..., : self.width]), self.gamma[runs], self.beta[runs])


stacked = LayerNorm


def twin(width: int, norm: Norm) -> nn.Module:
    return nn.LayerNorm(width, eps=NORM_EPS)


def by_image(z: Tensor) -> Tensor:
    """Return x_hat of z (..., width)."""
    return _normalise(z)[0]


def _normalise(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return x_hat of z (..., width) and 1 / sqrt(var + eps) of each image (equation 3)."""
    var, mean = torch.var_mean(z, -1, correction=0, keepdim=True)
    inverse_sd = (var + NORM_EPS).rsqrt()
    return (z - mean) * inverse_sd, inverse_sd
