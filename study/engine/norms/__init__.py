"""The normalisations, one file a kind: the stacked layer, its twin in torch.nn, what it keeps, how it predicts."""

from collections.abc import Sequence
from dataclasses import fields
from importlib import import_module
from typing import Protocol, cast

from torch import Tensor, nn

from study.engine.lockstep.optimiser import Parameters
from study.spec.arms import Norm


class StackedNorm(Protocol):
    """The normalisation of a hidden layer for L runs at once, its vectors padded by units of zero.

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
        """Map z (some runs, batch, width) to y where it is not affine, each image by itself."""
        ...


class NormModule(Protocol):
    """The file of a kind."""

    OBEYS: Sequence[str]
    """The fields of a ``Norm`` that its layers obey; another value of the others is refused."""
    KEEPS: Sequence[str]
    """The statistics that its layers can keep; the first is kept by all of them."""

    def stacked(self, parameters: Parameters, name: str, width: int, norm: Norm) -> StackedNorm:
        """Return the layer ``name`` of a stack, whose units beyond ``width`` pad its vectors."""
        ...

    def twin(self, width: int, norm: Norm) -> nn.Module:
        """Return torch.nn's layer for one run."""
        ...

    def by_image(self, z: Tensor) -> Tensor | None:
        """Return x_hat of z (..., width) where each image is normalised by itself; None where statistics are chosen."""
        ...


def module_of(norm: Norm) -> NormModule:
    """Return the file of a normalisation's kind."""
    return cast(NormModule, import_module(f"study.engine.norms.{norm.kind}"))


def why_not(norm: Norm | None) -> str | None:
    """Return why these layers cannot train a normalisation, None where they can."""
    if norm is None:
        return None
    plain, module = Norm(norm.kind), module_of(norm)
    others = (field.name for field in fields(Norm) if field.name not in ("statistics", *module.OBEYS))
    unknown = [f"{name}={getattr(norm, name)!r}" for name in others if getattr(norm, name) != getattr(plain, name)]
    if norm.statistics[:1] != tuple(module.KEEPS[:1]) or not {*norm.statistics} <= {*module.KEEPS}:
        unknown.append(f"statistics={norm.statistics!r}")
    return f"it does not know a normalisation with {', '.join(unknown)}" if unknown else None
