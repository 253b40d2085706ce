"""Batch normalisation of stacked runs: statistics, their running averages, and the gradient.

Ioffe & Szegedy 2015, algorithm 1: x_hat = (z - mean) / sqrt(var + eps), y = gamma x_hat + beta, with
the mean and the biased variance of the batch; the running averages take the unbiased variance, as
torch.nn.BatchNorm1d does. To torch's kernel the runs of a stack are just more channels: (batch, runs, width)
is (batch, channels), and a channel's numbers are made from that channel alone.
"""

import torch
from torch import Tensor, nn

from study.engine.lockstep.hidden import HiddenLayer
from study.engine.norms.affine import Affine, unlearnt
from study.engine.norms.averages import Averages
from study.spec.constants import NORM_EPS
from study.spec.norms import Norm


class ByBatch:
    """What normalisations by the batch have in common: what they keep, and how they predict."""

    def __init__(self, layer: HiddenLayer, norm: Norm):
        self.affine, self.kept = Affine(layer, norm), Averages(layer, norm)
        self.begin_epoch, self.averages = self.kept.begin_epoch, self.kept.finite
        self.running, self.cumulative = self.kept.running, self.kept.cumulative

    def folded(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return W gain and (b - mean) gain + beta with gain = gamma / sqrt(var + eps), by the running averages, as
        torch.nn.utils.fusion.fuse_linear_bn_eval does."""
        gain = self._gain(slice(None))
        shifted = (bias - self.kept.running_mean) * gain
        return weight * gain, shifted if self.affine.beta is None else shifted + self.affine.beta

    def predict(self, z: Tensor, runs: slice) -> Tensor:
        """Map z (some runs, batch, width) to y by the running averages, where no linear layer stands in front."""
        y = (z - self.kept.running_mean[runs]) * self._gain(runs)
        return y if self.affine.beta is None else y + self.affine.beta[runs]

    def _gain(self, runs: slice) -> Tensor:
        gain = (self.kept.running_var[runs] + NORM_EPS).rsqrt()
        return gain if self.affine.gamma is None else self.affine.gamma[runs] * gain


class BatchNorm(ByBatch):
    """The layer y = gamma (z - mean) / sqrt(var + eps) + beta, by the batch's own mean and biased variance."""

    def __init__(self, layer: HiddenLayer, norm: Norm):
        super().__init__(layer, norm)
        own = (self.affine.gamma, self.affine.beta, self.kept.running_mean, self.kept.running_var)
        self.channels = [None if t is None else t.view(-1) for t in own]

    def forward(self, z: Tensor) -> Tensor:
        """Map z (batch, runs, width) to y of the same shape (algorithm 1)."""
        self.z = z.flatten(1)
        gamma, beta, mean, var = self.channels
        momentum = self.kept.norm.momentum
        if isinstance(momentum, str):
            y, self.mean, self.inverse_sd, *moments = normalise(self.z, gamma, beta)
            self.kept.move(*(moment[None] for moment in moments))
        else:
            y, self.mean, self.inverse_sd = torch.native_batch_norm(
                self.z, gamma, beta, mean, var, True, momentum, NORM_EPS
            )
        self.kept.add(self.mean, self.inverse_sd)
        return y.view(z.shape)

    def backward(self, d_y: Tensor) -> Tensor:
        """Return dL/dz from dL/dy, both (batch, runs, width); Ioffe & Szegedy 2015, section 3."""
        gamma, affine = self.channels[0], self.affine
        d_z, d_gamma, d_beta = torch.ops.aten.native_batch_norm_backward(
            d_y.flatten(1), self.z, gamma, None, None, self.mean, self.inverse_sd, True, NORM_EPS, [True, True, True]
        )
        for learnt, gradient in ((affine.d_gamma, d_gamma), (affine.d_beta, d_beta)):
            if learnt is not None:
                learnt.view(-1).copy_(gradient)
        return d_z.view(d_y.shape)


def normalise(z: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None) -> tuple[Tensor, ...]:
    """Return y, mean, 1 / sqrt(var + eps), and mean and unbiased variance once more, of z (batch, channels)."""
    moments = z.new_zeros(2, z.shape[1])  # where torch keeps running averages: those of this batch alone
    y, mean, inverse_sd = torch.native_batch_norm(z, gamma, beta, moments[0], moments[1], True, 1.0, NORM_EPS)
    return y, mean, inverse_sd, moments[0], moments[1]


def d_normalise(d_x_hat: Tensor, z: Tensor, mean: Tensor, inverse_sd: Tensor) -> Tensor:
    """Return dL/dz of ``normalise`` without gamma and beta, all of (batch, channels)."""
    return torch.ops.aten.native_batch_norm_backward(
        d_x_hat, z, None, None, None, mean, inverse_sd, True, NORM_EPS, [True, False, False]
    )[0]


stacked = BatchNorm


def torchs(width: int, norm: Norm, layer: type[nn.BatchNorm1d] = nn.BatchNorm1d) -> nn.BatchNorm1d:
    """Return torch's layer for one run, or one that extends it; what is not learnt is no parameter."""
    made = layer(width, NORM_EPS, None if isinstance(norm.momentum, str) else norm.momentum)
    unlearnt(made, norm)
    return made


def twin(width: int, norm: Norm, seed: int = 0, layer: int = 0) -> nn.Module:
    return torchs(width, norm)


def by_image(z: Tensor, norm: Norm) -> None:
    return None
