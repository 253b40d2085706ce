"""Batch normalisation of stacked runs: statistics, their running averages, and the gradient.

Ioffe & Szegedy 2015, algorithm 1: x_hat = (z - mean) / sqrt(var + eps), y = gamma x_hat + beta, with
the mean and the biased variance of the batch; the running averages take the unbiased variance, as
torch.nn.BatchNorm1d does. Arrays are (..., batch, width); statistics (..., 1, width): a run's numbers
are made from its own axes alone, so no neighbour in the stack can touch them.
"""

import torch
from torch import Tensor

EPS = 1e-5
MOMENTUM = 0.1


class BatchNorm:
    """y = gamma (z - mean) / sqrt(var + eps) + beta, by the batch's own mean and biased variance.

    ``gamma`` and ``beta`` (..., 1, width), stored over ``scale`` (see network), and their gradients are the
    caller's; the running averages start at (0, 1) and move by ``MOMENTUM`` in every forward pass.
    """

    def __init__(self, gamma: Tensor, beta: Tensor, d_gamma: Tensor, d_beta: Tensor, scale: Tensor):
        self.gamma, self.beta = gamma, beta
        self.d_gamma, self.d_beta = d_gamma, d_beta
        self.scale = scale
        self.running_mean = torch.zeros_like(gamma)
        self.running_var = torch.ones_like(gamma)

    @property
    def parameters(self) -> tuple[Tensor, Tensor]:
        """Gamma and beta as they are, not as they are stored."""
        return self.gamma * self.scale, self.beta * self.scale

    def forward(self, z: Tensor) -> Tensor:
        """z (..., batch, width), overwritten by x_hat -> y of the same shape."""
        m = z.shape[-2]
        mean = z.mean(-2, keepdim=True)
        self.x_hat = z.sub_(mean)
        var = self.x_hat.square().mean(-2, keepdim=True)
        self.running_mean.lerp_(mean, MOMENTUM)
        self.running_var.lerp_(var * (m / (m - 1)), MOMENTUM)
        self.inverse_sd = (var + EPS).rsqrt()
        self.x_hat.mul_(self.inverse_sd)
        gamma, beta = self.parameters
        return torch.addcmul(beta, self.x_hat, gamma)

    def backward(self, d_y: Tensor) -> Tensor:
        """dL/dy -> dL/dz, both (..., batch, width); Ioffe & Szegedy 2015, section 3."""
        m = d_y.shape[-2]
        torch.sum(d_y, -2, keepdim=True, out=self.d_beta)
        torch.sum(d_y * self.x_hat, -2, keepdim=True, out=self.d_gamma)
        through_mean_and_var = torch.addcmul(self.d_beta, self.x_hat, self.d_gamma).div_(m)
        return d_y.sub(through_mean_and_var).mul_(self.gamma * self.scale * self.inverse_sd)
