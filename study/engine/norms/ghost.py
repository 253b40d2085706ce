"""Ghost batch normalisation of stacked runs: a batch in ghosts of g images, each normalised by itself.

Hoffer, Hubara & Soudry 2017, algorithm 1: the statistics are those of g consecutive images of the batch, and the
running averages take those of one ghost after another. To torch's kernel the ghosts, as the runs, are more channels.
"""

import torch
from torch import Tensor, nn

from study.engine.lockstep.hidden import HiddenLayer
from study.engine.norms.batch import ByBatch, d_normalise, normalise, torchs
from study.spec.norms import Norm


class GhostBatchNorm(ByBatch):
    """The layer y = gamma (z - mean) / sqrt(var + eps) + beta, by the mean and biased variance of its ghost."""

    def __init__(self, layer: HiddenLayer, norm: Norm):
        super().__init__(layer, norm)
        assert norm.group is not None
        self.size = norm.group

    def forward(self, z: Tensor) -> Tensor:
        """Map z (batch, runs, width) to y of the same shape; g divides the batch."""
        self.z = self._ghosts(z)
        x_hat, self.mean, self.inverse_sd, *moments = normalise(self.z)
        by_ghost = [moment.view(len(z) // self.size, -1) for moment in (self.mean, self.inverse_sd, *moments)]
        self.kept.add(*by_ghost[:2])
        self.kept.move(*by_ghost[2:])
        self.x_hat = self._images(x_hat, z)
        return self.affine.forward(self.x_hat)

    def backward(self, d_y: Tensor) -> Tensor:
        """Return dL/dz from dL/dy, both (batch, runs, width)."""
        d_x_hat = self._ghosts(self.affine.backward(d_y, self.x_hat))
        return self._images(d_normalise(d_x_hat, self.z, self.mean, self.inverse_sd), d_y)

    def _ghosts(self, z: Tensor) -> Tensor:
        """Return z (batch, runs, width) as (g, ghosts runs width)."""
        return z.reshape(-1, self.size, z[0].numel()).transpose(0, 1).flatten(1)

    def _images(self, ghosts: Tensor, like: Tensor) -> Tensor:
        return ghosts.view(self.size, -1, like[0].numel()).transpose(0, 1).reshape(like.shape)


stacked = GhostBatchNorm


class Twin(nn.BatchNorm1d):
    """torch's batch norm of one ghost after another."""

    size = 0

    def forward(self, z: Tensor) -> Tensor:
        parts = torch.split(z, self.size) if self.training else [z]
        return torch.cat([super(Twin, self).forward(part) for part in parts])


def twin(width: int, norm: Norm, seed: int = 0, layer: int = 0) -> nn.Module:
    made = torchs(width, norm, Twin)
    assert isinstance(made, Twin)
    assert norm.group is not None
    made.size = norm.group
    return made


def by_image(z: Tensor, norm: Norm) -> None:
    return None
