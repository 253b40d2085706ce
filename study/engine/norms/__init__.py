"""The normalisations, one file a kind: the stacked layer, its twin in torch.nn, what it keeps, how it predicts.

``affine`` and ``averages`` are what several of them have in common.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from torch import Tensor, nn

from study.engine.lockstep.hidden import HiddenLayer
from study.spec.norms import Norm


class StackedNorm(Protocol):
    """The normalisation of a hidden layer for L runs at once, its vectors padded by units of zero, which stay zero.

    ``forward`` keeps what ``backward`` needs; ``backward`` leaves the gradients of the parameters in place.
    """

    def forward(self, z: Tensor) -> Tensor:
        """Map z (batch, L, width) to y of the same shape, as while training."""
        ...

    def backward(self, d_y: Tensor) -> Tensor: ...

    def begin_epoch(self) -> None: ...

    def averages(self) -> Sequence[Tensor]:
        """Return what has to be finite beside the parameters, (L, 1, width) each."""
        ...

    def running(self) -> dict[str, Tensor]:
        """Return what a state dict of torch.nn holds beside the parameters, (L, 1, width) each."""
        ...

    def cumulative(self, batch_size: int, n_batches: int) -> dict[str, Tensor]:
        """Return the statistics kept beyond those, (L, 1, width) each."""
        ...

    def folded(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the linear layer in front, (L, in, width) and (L, 1, width), with this one folded into it as it
        predicts; None where it is not affine."""
        ...

    def predict(self, z: Tensor, runs: slice) -> Tensor:
        """Map z (some runs, batch, width) to y where it is not folded."""
        ...


class NormModule(Protocol):
    """The file of a kind."""

    def stacked(self, layer: HiddenLayer, norm: Norm) -> StackedNorm:
        """Return the normalisation of a hidden layer of a stack."""
        ...

    def twin(self, width: int, norm: Norm, seed: int = 0, layer: int = 0) -> nn.Module:
        """Return torch.nn's layer for one run, or the paper's where torch has none; ``seed`` and the number of the
        hidden ``layer`` name the stream of what it draws."""
        ...

    def by_image(self, z: Tensor, norm: Norm) -> Tensor | None:
        """Return x_hat of z (..., width) where each image is normalised by itself; None where statistics are chosen."""
        ...


def module_of(norm: Norm) -> NormModule:
    """Return the file of a normalisation's kind."""
    return cast(NormModule, import_module(f"study.engine.norms.{norm.kind}"))
