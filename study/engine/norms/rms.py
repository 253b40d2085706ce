"""Root-mean-square normalisation of stacked runs: each image by the rms of its own units, without a mean.

Zhang & Sennrich 2019, equation 4: x_hat = z / sqrt(mean(z^2) + eps), y = gamma x_hat, as torch.nn.RMSNorm, which learns
no shift.
"""

import torch
from torch import Tensor, nn

from study.engine.lockstep.hidden import HiddenLayer
from study.engine.norms.affine import unlearnt
from study.engine.norms.layer import ByImage
from study.spec.constants import NORM_EPS
from study.spec.norms import Norm


def stacked(layer: HiddenLayer, norm: Norm) -> ByImage:
    return ByImage(layer, norm, normalise, gradient)


def normalise(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return x_hat of z (..., width) and 1 / sqrt(mean(z^2) + eps) of each image."""
    inverse = (z.square().mean(-1, keepdim=True) + NORM_EPS).rsqrt()
    return z * inverse, inverse


def gradient(d: Tensor, x_hat: Tensor, inverse: Tensor) -> Tensor:
    """Return dL/dz = (d - x_hat mean(d x_hat)) / sqrt(mean(z^2) + eps) of d = dL/dx_hat, by image."""
    return (d - x_hat * (d * x_hat).mean(-1, keepdim=True)) * inverse


class Shifted(nn.RMSNorm):
    """torch's layer, and a shift behind it, which the paper does not have."""

    def __init__(self, width: int):
        super().__init__(width, eps=NORM_EPS)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.bias


def twin(width: int, norm: Norm, seed: int = 0, layer: int = 0) -> nn.Module:
    return unlearnt(Shifted(width) if norm.beta else nn.RMSNorm(width, eps=NORM_EPS), norm)


def by_image(z: Tensor, norm: Norm) -> Tensor:
    """Return x_hat of z (..., width)."""
    return normalise(z)[0]
