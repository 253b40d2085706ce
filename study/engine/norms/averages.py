"""What a normalisation by the batch keeps of each layer for prediction: running averages, and plain ones by epoch."""

import torch
from torch import Tensor

from study.engine.lockstep.hidden import HiddenLayer
from study.spec.constants import NORM_EPS
from study.spec.norms import Norm


class Averages:
    """The running averages (runs, 1, width), which start at (0, 1) and move by the momentum in every forward pass, and
    in float64 the plain sums over the batches of this epoch, and of the epochs before.
    """

    def __init__(self, layer: HiddenLayer, norm: Norm):
        self.norm = norm
        self.running_mean, self.running_var = layer.full(0.0), layer.full(1.0)
        self.this_epoch, self.earlier = (
            torch.zeros(2, self.running_mean.numel(), dtype=torch.float64, device=self.running_mean.device)
            for _ in range(2)
        )
        self.n_earlier_epochs = -1
        self.n_seen = torch.zeros((), dtype=torch.float64, device=self.running_mean.device)

    def begin_epoch(self) -> None:
        self.earlier.add_(self.this_epoch)
        self.this_epoch.zero_()
        self.n_earlier_epochs += 1

    def add(self, mean: Tensor, inverse_sd: Tensor) -> None:
        """Add mean and 1 / sqrt(var + eps) of a batch, (channels,), or of several, to the plain sums."""
        for total, values in zip(self.this_epoch, (mean, inverse_sd.pow(-2)), strict=True):
            total.add_(values if values.ndim == 1 else values.double().sum(0))

    def move(self, mean: Tensor, var: Tensor) -> None:
        """Move the running averages by one batch after another, in order: means and variances (batches, channels)."""
        weights, left = self.weights(len(mean))
        for running, values in ((self.running_mean, mean), (self.running_var, var)):
            running.view(-1).mul_(left).add_((weights[:, None] * values).sum(0))

    def weights(self, n: int) -> tuple[Tensor, Tensor]:
        """Return the weights (n,) of n batches, the newest last, and what is left of the averages so far: torch's
        BatchNorm, which takes 1 / (batches so far) where its momentum is None."""
        dtype = self.running_mean.dtype
        if isinstance(self.norm.momentum, str):
            self.n_seen += n
            share = (1 / self.n_seen).to(dtype)
            return share.expand(n), 1 - n * share
        kept = (1 - self.norm.momentum) ** torch.arange(n, -1, -1, dtype=torch.float64, device=self.n_seen.device)
        return (self.norm.momentum * kept[1:]).to(dtype), kept[0].to(dtype)

    def finite(self) -> list[Tensor]:
        return [self.running_mean, self.running_var]

    def running(self) -> dict[str, Tensor]:
        return {"running_mean": self.running_mean, "running_var": self.running_var}

    def cumulative(self, batch_size: int, n_batches: int) -> dict[str, Tensor]:
        """Return the plain averages of batch means and unbiased batch variances (runs, 1, width), over the last
        epoch of ``n_batches`` and over the whole training; NaN before the first epoch."""
        whole, n_epochs = self.earlier + self.this_epoch, self.n_earlier_epochs + 1
        m, like = self.norm.images_of(batch_size), self.running_mean
        n_means = n_batches * (batch_size // m)
        statistics = {}
        for window, sums, n in (("last", self.this_epoch, 1), ("all", whole, n_epochs)):
            mean, var = sums / (n * n_means)
            unbiased = (var - NORM_EPS) * (m / (m - 1))
            statistics[f"cumulative_{window}_mean"] = mean.to(like).view_as(like)
            statistics[f"cumulative_{window}_var"] = unbiased.to(like).view_as(like)
        return {name: value for name, value in statistics.items() if name.rpartition("_")[0] in self.norm.statistics}
