"""Noisy batch normalisation of stacked runs: what batch norm makes stable is shifted and scaled at random again.

Santurkar et al. 2018, appendix A, algorithm 1, with its constants: behind batch norm, in every step and for each unit
a mean mu is drawn from U(-0.5, 0.5) and a scale sigma from U(1, 1.25); then for each image of the batch m from
U(mu - 0.1, mu + 0.1) and s from N(sigma, 0.1), and the activation a becomes s a + m. Predictions have no noise. All
arms and rates of a seed share the noise.
"""

import torch
from torch import Tensor, nn

from study.engine import random_streams
from study.engine.lockstep.hidden import HiddenLayer
from study.engine.norms.batch import BatchNorm, torchs
from study.spec.norms import Norm

N_MEAN, N_SCALE, R = 0.5, 1.25, 0.1


class NoisyBatchNorm(BatchNorm):
    """The layer s (gamma (z - mean) / sqrt(var + eps) + beta) + m."""

    def __init__(self, layer: HiddenLayer, norm: Norm):
        super().__init__(layer, norm)
        self.draws = layer.draws("noise", noise)

    def forward(self, z: Tensor) -> Tensor:
        """Map z (batch, runs, width) to y of the same shape."""
        self.scale, shift = self.draws.next(len(z))
        return torch.addcmul(shift, self.scale, super().forward(z))

    def backward(self, d_y: Tensor) -> Tensor:
        return super().backward(d_y * self.scale)


stacked = NoisyBatchNorm


def noise(stream: torch.Generator, batch: int, width: int) -> Tensor:
    """Return s and m of the next step, (2, batch, width)."""
    mu = (2 * torch.rand(width, generator=stream) - 1) * N_MEAN
    sigma = 1 + torch.rand(width, generator=stream) * (N_SCALE - 1)
    m = mu + (2 * torch.rand(batch, width, generator=stream) - 1) * R
    return torch.stack([sigma + torch.randn(batch, width, generator=stream) * R, m])


class Twin(nn.BatchNorm1d):
    """torch's batch norm, and the noise behind it while training."""

    stream = torch.Generator()

    def forward(self, z: Tensor) -> Tensor:
        y = super().forward(z)
        if not self.training:
            return y
        scale, shift = noise(self.stream, *y.shape).to(y)
        return scale * y + shift


def twin(width: int, norm: Norm, seed: int = 0, layer: int = 0) -> nn.Module:
    made = torchs(width, norm, Twin)
    assert isinstance(made, Twin)
    made.stream = random_streams.layer_noise(seed, layer, "noise")
    return made


def by_image(z: Tensor, norm: Norm) -> None:
    return None
