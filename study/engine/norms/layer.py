"""Layer normalisation of stacked runs: each image by the mean and variance of its own units.

Ba, Kiros & Hinton 2016, equations 3 and 4: x_hat = (z - mean) / sqrt(var + eps), y = gamma x_hat + beta, with the mean
and the biased variance over the units of a layer, as in torch.nn.LayerNorm. Nothing is kept for prediction. Units that
pad a vector take no part: they stay zero.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from study.engine.lockstep.hidden import HiddenLayer
from study.engine.norms.affine import Affine, unlearnt
from study.spec.constants import NORM_EPS
from study.spec.norms import Norm


class ByImage:
    """What normalisations of an image by its own units have in common: ``normalise`` is their formula, ``gradient`` its
    derivative."""

    def __init__(
        self,
        layer: HiddenLayer,
        norm: Norm,
        normalise: Callable[[Tensor], tuple[Tensor, Tensor]],
        gradient: Callable[[Tensor, Tensor, Tensor], Tensor],
    ):
        """``normalise`` maps z (..., width) to x_hat and 1 / sd, ``gradient`` dL/dx_hat, x_hat and 1 / sd to dL/dz."""
        self.affine, self.width, self.n_more = Affine(layer, norm), layer.width, layer.padded - layer.width
        self.normalise, self.gradient = normalise, gradient

    def forward(self, z: Tensor) -> Tensor:
        """Map z (batch, runs, width) to y of the same shape."""
        own, self.inverse_sd = self.normalise(z[..., : self.width])
        self.x_hat = pad(own, (0, self.n_more))
        return self.affine.forward(self.x_hat)

    def backward(self, d_y: Tensor) -> Tensor:
        """Return dL/dz from dL/dy, both (batch, runs, width)."""
        d = self.affine.backward(d_y, self.x_hat)
        own = self.gradient(d[..., : self.width], self.x_hat[..., : self.width], self.inverse_sd)
        return pad(own, (0, self.n_more))

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
        return self.affine.predict(pad(self.normalise(z[..., : self.width])[0], (0, self.n_more)), runs)


def stacked(layer: HiddenLayer, norm: Norm) -> ByImage:
    return ByImage(layer, norm, normalise, gradient)


def twin(width: int, norm: Norm, seed: int = 0, layer: int = 0) -> nn.Module:
    return unlearnt(nn.LayerNorm(width, eps=NORM_EPS), norm)


def by_image(z: Tensor, norm: Norm) -> Tensor:
    """Return x_hat of z (..., width)."""
    return normalise(z)[0]


def normalise(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return x_hat of z (..., width) and 1 / sqrt(var + eps) of each image (equation 3)."""
    var, mean = torch.var_mean(z, -1, correction=0, keepdim=True)
    inverse_sd = (var + NORM_EPS).rsqrt()
    return (z - mean) * inverse_sd, inverse_sd


def gradient(d: Tensor, x_hat: Tensor, inverse_sd: Tensor) -> Tensor:
    """Return dL/dz = (d - mean(d) - x_hat mean(d x_hat)) / sqrt(var + eps) of d = dL/dx_hat, by image."""
    d = d - d.mean(-1, keepdim=True) - x_hat * (d * x_hat).mean(-1, keepdim=True)
    return d * inverse_sd
