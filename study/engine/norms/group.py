"""Group normalisation of stacked runs: the units of an image in G groups, each by its own mean and variance.

Wu & He 2018, equations 1 to 6, on vectors: neighbouring units form a group, as in torch.nn.GroupNorm, whose first
argument is G too. Gamma and beta are learnt by unit.
"""

import torch
from torch import Tensor, nn

from study.engine.lockstep.hidden import HiddenLayer
from study.engine.norms import layer as layer_norm
from study.engine.norms.affine import unlearnt
from study.engine.norms.layer import ByImage
from study.spec.constants import NORM_EPS
from study.spec.norms import Norm


def stacked(layer: HiddenLayer, norm: Norm) -> ByImage:
    def normalise(z: Tensor) -> tuple[Tensor, Tensor]:
        x_hat, inverse_sd = layer_norm.normalise(_groups(z, norm))
        return x_hat.flatten(-2), inverse_sd

    def gradient(d: Tensor, x_hat: Tensor, inverse_sd: Tensor) -> Tensor:
        return layer_norm.gradient(_groups(d, norm), _groups(x_hat, norm), inverse_sd).flatten(-2)

    return ByImage(layer, norm, normalise, gradient)


def _groups(z: Tensor, norm: Norm) -> Tensor:
    """Return z (..., width) as (..., G, width / G)."""
    return torch.unflatten(z, -1, (norm.group or 1, -1))


def twin(width: int, norm: Norm, seed: int = 0, layer: int = 0) -> nn.Module:
    return unlearnt(nn.GroupNorm(norm.group or 1, width, eps=NORM_EPS), norm)


def by_image(z: Tensor, norm: Norm) -> Tensor:
    """Return x_hat of z (..., width)."""
    return layer_norm.by_image(_groups(z, norm), norm).flatten(-2)
