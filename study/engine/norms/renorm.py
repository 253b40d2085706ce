"""Batch renormalisation of stacked runs: the batch's statistics, corrected towards the averages that predict.

Ioffe 2017, algorithm 1: x_hat = (z - mean_B) / sd_B r + d with r = sd_B / sd clipped to [1 / R_MAX, R_MAX] and
d = (mean_B - mean) / sd clipped to [-D_MAX, D_MAX], through which no gradient flows; sd_B = sqrt(eps + var_B) with the
biased variance. Mean and sd are the running averages, which move after that: the paper's of standard deviations. What
is kept as ``running_var`` is sd^2 - eps, so that prediction is (z - mean) / sd as everywhere. The paper lets the bounds
grow from 1 and 0 in the first 40,000 steps, which are longer than these trainings: here they are where its end.
"""

import torch
from torch import Tensor, nn

from study.engine.norms.batch import ByBatch, d_normalise, normalise, torchs
from study.spec.constants import NORM_EPS
from study.spec.norms import Norm

R_MAX, D_MAX = 3.0, 5.0


class BatchRenorm(ByBatch):
    """The layer y = gamma (r (z - mean_B) / sd_B + d) + beta."""

    def forward(self, z: Tensor) -> Tensor:
        """Map z (batch, runs, width) to y of the same shape (algorithm 1)."""
        self.z = z.flatten(1)
        x_hat, self.mean, self.inverse_sd, *_ = normalise(self.z)
        mean, var = self.kept.running_mean.view(-1), self.kept.running_var.view(-1)
        sd_batch, sd = self.inverse_sd.reciprocal(), (var + NORM_EPS).sqrt()
        self.r, d = correction(self.mean, sd_batch, mean, sd)
        self.kept.add(self.mean, self.inverse_sd)
        (share,), left = self.kept.weights(1)
        mean.mul_(left).add_(self.mean * share)
        var.copy_((sd * left + sd_batch * share).square() - NORM_EPS)
        self.x_hat = torch.addcmul(d, x_hat, self.r).view(z.shape)
        return self.affine.forward(self.x_hat)

    def backward(self, d_y: Tensor) -> Tensor:
        """Return dL/dz from dL/dy, both (batch, runs, width)."""
        d_x_hat = self.affine.backward(d_y, self.x_hat).flatten(1) * self.r
        return d_normalise(d_x_hat, self.z, self.mean, self.inverse_sd).view(d_y.shape)


stacked = BatchRenorm


def correction(mean_batch: Tensor, sd_batch: Tensor, mean: Tensor, sd: Tensor) -> tuple[Tensor, Tensor]:
    """Return r and d of a batch's mean and standard deviation and the running ones."""
    return (sd_batch / sd).clamp(1 / R_MAX, R_MAX), ((mean_batch - mean) / sd).clamp(-D_MAX, D_MAX)


class Twin(nn.BatchNorm1d):
    """Algorithm 1 as the paper has it, by autograd."""

    def forward(self, z: Tensor) -> Tensor:
        mean, var = self.running_mean, self.running_var
        assert mean is not None
        assert var is not None
        sd = (var + NORM_EPS).sqrt()
        if self.training:
            mean_batch, sd_batch = z.mean(0), (z.var(0, correction=0) + NORM_EPS).sqrt()
            r, d = correction(mean_batch.detach(), sd_batch.detach(), mean, sd)
            x_hat = (z - mean_batch) / sd_batch * r + d
            with torch.no_grad():
                self.n_seen = getattr(self, "n_seen", 0) + 1
                share = 1 / self.n_seen if self.momentum is None else self.momentum
                self.running_mean = mean + share * (mean_batch - mean)
                self.running_var = (sd + share * (sd_batch - sd)).square() - NORM_EPS
        else:
            x_hat = (z - mean) / sd
        x_hat = x_hat if self.weight is None else x_hat * self.weight
        return x_hat if self.bias is None else x_hat + self.bias


def twin(width: int, norm: Norm, seed: int = 0, layer: int = 0) -> nn.Module:
    return torchs(width, norm, Twin)


def by_image(z: Tensor, norm: Norm) -> None:
    return None
