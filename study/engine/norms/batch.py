"""Batch normalisation of stacked runs: statistics, their running averages, and the gradient.

Ioffe & Szegedy 2015, algorithm 1: x_hat = (z - mean) / sqrt(var + eps), y = gamma x_hat + beta, with
the mean and the biased variance of the batch; the running averages take the unbiased variance, as
torch.nn.BatchNorm1d does. To torch's kernel the runs of a stack are just more channels: (batch, runs, width)
is (batch, channels), and a channel's numbers are made from that channel alone.
"""

import torch
from torch import Tensor, nn

from study.engine.lockstep.optimiser import Parameters
from study.spec.arms import BATCH_STATISTICS, Norm
from study.spec.constants import NORM_EPS

OBEYS, KEEPS = ("momentum",), BATCH_STATISTICS


class BatchNorm:
    """The layer y = gamma (z - mean) / sqrt(var + eps) + beta, by the batch's own mean and biased variance.

    Gamma and beta (runs, 1, width) start at 1 and 0, the running averages (runs, 1, width) at (0, 1); these
    move by the momentum in every forward pass. Beside them the plain sums over the batches of this epoch, and of the
    epochs before, are kept in float64: the "cumulative" statistics are made of them.
    """

    def __init__(self, parameters: Parameters, name: str, width: int, norm: Norm):
        self.momentum, self.kept = norm.momentum, norm.statistics
        self.gamma, self.d_gamma = parameters.values[f"{name}.weight"], parameters.gradients[f"{name}.weight"]
        self.beta, self.d_beta = parameters.values[f"{name}.bias"], parameters.gradients[f"{name}.bias"]
        parameters.assign(f"{name}.weight", torch.ones(()))
        self.running_mean = torch.zeros_like(self.gamma)
        self.running_var = torch.ones_like(self.gamma)
        self.channels = [t.view(-1) for t in (self.gamma, self.beta, self.running_mean, self.running_var)]
        self.this_epoch, self.earlier = (
            torch.zeros(2, self.gamma.numel(), dtype=torch.float64, device=self.gamma.device) for _ in range(2)
        )
        self.n_earlier_epochs = -1

    def forward(self, z: Tensor) -> Tensor:
        """Map z (batch, runs, width) to y of the same shape (algorithm 1)."""
        self.z = z.flatten(1)
        gamma, beta, mean, var = self.channels
        y, self.mean, self.inverse_sd = torch.native_batch_norm(
            self.z, gamma, beta, mean, var, True, self.momentum, NORM_EPS
        )
        self.this_epoch[0].add_(self.mean)
        self.this_epoch[1].add_(self.inverse_sd.pow(-2))
        return y.view(z.shape)

    def begin_epoch(self) -> None:
        self.earlier.add_(self.this_epoch)
        self.this_epoch.zero_()
        self.n_earlier_epochs += 1

    def averages(self) -> list[Tensor]:
        return [self.running_mean, self.running_var]

    def running(self) -> dict[str, Tensor]:
        return {"running_mean": self.running_mean, "running_var": self.running_var}

    def cumulative(self, batch_size: int, n_batches: int) -> dict[str, Tensor]:
        """Return the plain averages of batch means and unbiased batch variances (runs, 1, width), over the last
        epoch of ``n_batches`` and over the whole training, as far as they are kept; NaN before the first epoch."""
        whole, n_epochs = self.earlier + self.this_epoch, self.n_earlier_epochs + 1
        statistics = {}
        for window, sums, n in (("last", self.this_epoch, 1), ("all", whole, n_epochs)):
            mean, var = sums / (n * n_batches)
            unbiased = (var - NORM_EPS) * (batch_size / (batch_size - 1))
            statistics[f"cumulative_{window}_mean"] = mean.to(self.gamma).view_as(self.gamma)
            statistics[f"cumulative_{window}_var"] = unbiased.to(self.gamma).view_as(self.gamma)
        return {name: value for name, value in statistics.items() if name.rpartition("_")[0] in self.kept}

    def backward(self, d_y: Tensor) -> Tensor:
        """Return dL/dz from dL/dy, both (batch, runs, width); Ioffe & Szegedy 2015, section 3."""
        d_z, d_gamma, d_beta = torch.ops.aten.native_batch_norm_backward(
            d_y.flatten(1), self.z, self.channels[0], None, None,
            self.mean, self.inverse_sd, True, NORM_EPS, [True, True, True],
        )  # fmt: skip
        self.d_gamma.view(-1).copy_(d_gamma)
        self.d_beta.view(-1).copy_(d_beta)
        return d_z.view(d_y.shape)

    def folded(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return W gain and (b - mean) gain + beta with gain = gamma / sqrt(var + eps), by the running averages, as
        torch.nn.utils.fusion.fuse_linear_bn_eval does."""
        gain = self.gamma * (self.running_var + NORM_EPS).rsqrt()
        return weight * gain, (bias - self.running_mean) * gain + self.beta

    def predict(self, z: Tensor, runs: slice) -> Tensor:
        raise NotImplementedError("batch norm predicts folded into the linear layer in front")


stacked = BatchNorm


def twin(width: int, norm: Norm) -> nn.Module:
    return nn.BatchNorm1d(width, eps=NORM_EPS, momentum=norm.momentum)


def by_image(z: Tensor) -> None:
    return None
