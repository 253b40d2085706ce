"""What every normalisation may learn behind it: a gain and a shift by unit, y = gamma x_hat + beta."""

import torch
from torch import Tensor, nn

from study.engine.lockstep.hidden import HiddenLayer
from study.spec.norms import Norm


class Affine:
    """Gamma and beta (runs, 1, width), which start at 1 and 0; None where they are not learnt."""

    def __init__(self, layer: HiddenLayer, norm: Norm):
        parameters, names = layer.parameters, [f"norms.{layer.index}.{what}" for what in ("weight", "bias")]
        self.gamma, self.beta = (parameters.values.get(name) for name in names)
        self.d_gamma, self.d_beta = (parameters.gradients.get(name) for name in names)
        assert (self.gamma is not None, self.beta is not None) == (norm.gamma, norm.beta)
        if norm.gamma:
            parameters.assign(names[0], torch.ones(()))

    def forward(self, x_hat: Tensor) -> Tensor:
        """Map x_hat (batch, runs, width) to y, a new tensor."""
        if self.gamma is None and self.beta is None:
            return x_hat.clone()
        return _affine(x_hat, *(None if of is None else of[:, 0] for of in (self.gamma, self.beta)))

    def predict(self, x_hat: Tensor, runs: slice) -> Tensor:
        """Map x_hat (some runs, batch, width) to y."""
        return _affine(x_hat, *(None if of is None else of[runs] for of in (self.gamma, self.beta)))

    def backward(self, d_y: Tensor, x_hat: Tensor) -> Tensor:
        """Return dL/dx_hat (batch, runs, width); leave dL/dgamma = sum dy x_hat and dL/dbeta = sum dy in place."""
        if self.d_gamma is not None:
            self.d_gamma[:, 0] = (d_y * x_hat).sum(0)
        if self.d_beta is not None:
            self.d_beta[:, 0] = d_y.sum(0)
        return d_y if self.gamma is None else d_y * self.gamma[:, 0]


def unlearnt(made: nn.Module, norm: Norm) -> nn.Module:
    """Return torch's layer with its weight and bias as parameters only where they are learnt."""
    for name, learnt in (("weight", norm.gamma), ("bias", norm.beta)):
        if not learnt:
            setattr(made, name, None)
    return made


def _affine(x_hat: Tensor, gamma: Tensor | None, beta: Tensor | None) -> Tensor:
    if gamma is None:
        return x_hat if beta is None else x_hat + beta
    return x_hat * gamma if beta is None else torch.addcmul(beta, gamma, x_hat)
