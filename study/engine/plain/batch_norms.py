"""The batch norm layers of a network: found in the order of a forward pass, and their batches averaged while training.

Whatever is no ``torch.nn.BatchNorm`` module, such as a call of ``functional.batch_norm``, has statistics that nobody
can see from outside; it is refused rather than left out.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from study.errors import UsageError

WINDOWS = ("last", "all")
"""The spans of training over which batches are averaged: the last epoch, and all of them."""


def in_network(network: nn.Module) -> dict[str, _BatchNorm]:
    """Return the batch norm layers of a network by their names, in no order that means anything."""
    return {name: module for name, module in network.named_modules() if isinstance(module, _BatchNorm)}


def in_order(network: nn.Module, images: Tensor, what: str) -> list[str]:
    """Return the names of the batch norm layers that a forward pass of ``images`` uses, in its order.

    A UsageError where one is used twice, keeps no running averages, or is called as a function; ``what`` names the
    network.
    """
    used: list[str] = []
    with ExitStack() as stack:
        for name, layer in in_network(network).items():
            stack.enter_context(_hooked(layer, lambda *_, name=name: used.append(name)))
        calls = stack.enter_context(_Calls())
        network(images)
    twice = sorted({name for name in used if used.count(name) > 1})
    if twice:
        raise UsageError(
            f"{what} uses its batch norm layer {twice[0]!r} {used.count(twice[0])} times in a pass, so that one average"
            " would be of several places; make a layer for each place"
        )
    if calls.n > len(used):
        raise UsageError(
            f"{what} calls functional.batch_norm, whose statistics are kept where nobody can see them; use a layer:"
            " self.norm = nn.BatchNorm2d(channels)"
        )
    for name in used:
        if in_network(network)[name].running_mean is None:
            raise UsageError(
                f"{what} has the batch norm layer {name!r} with track_running_stats=False: without averages its"
                " predictions depend on what else is asked; leave track_running_stats out"
            )
    return used


@contextmanager
def _hooked(layer: nn.Module, hook: Callable[..., Any]) -> Iterator[None]:
    handle = layer.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


FUNCTIONS = (functional.batch_norm, torch.batch_norm, torch.native_batch_norm)


class _Calls(TorchFunctionMode):
    """Counts the calls of torch's batch norm, by whomever; torch looks at the outermost call alone."""

    n = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.n += any(function is known for known in FUNCTIONS)
        return function(*args, **kwargs or {})


class Averages:
    """The plain averages of a batch norm layer's batch means and unbiased variances, over ``WINDOWS``, in float64."""

    def __init__(self, layer: _BatchNorm):
        n = layer.num_features
        self.this_epoch, self.earlier = (torch.zeros(2, n, dtype=torch.float64) for _ in range(2))
        self.n_this_epoch = self.n_earlier = 0
        layer.register_forward_pre_hook(self._add)

    def begin_epoch(self) -> None:
        self.earlier += self.this_epoch
        self.n_earlier += self.n_this_epoch
        self.this_epoch.zero_()
        self.n_this_epoch = 0

    @torch.no_grad()
    def _add(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if layer.training:
            z = inputs[0]
            for part in torch.split(z, getattr(layer, "size", len(z))):  # ghosts of so many images, where it has them
                var, mean = torch.var_mean(part, [0, *range(2, z.ndim)], correction=1)
                self.this_epoch[0] += mean
                self.this_epoch[1] += var
                self.n_this_epoch += 1

    def tensors(self) -> dict[str, Tensor]:
        """Return ``cumulative_last_mean``, ... (channels,); NaN before the first epoch."""
        sums = (self.this_epoch, self.earlier + self.this_epoch)
        counts = (self.n_this_epoch, self.n_earlier + self.n_this_epoch)
        return {
            f"cumulative_{window}_{what}": total[i] / n if n else torch.full_like(total[i], torch.nan)
            for window, total, n in zip(WINDOWS, sums, counts, strict=True)
            for i, what in enumerate(("mean", "var"))
        }
