"""A copy of networks in training, for passes of which the training must not know.

A forward pass moves running averages and draws noise; a copy has averages and streams of its own, so that the
parameters of any moment can be put into it, whole or layer by layer.
"""

from collections.abc import Mapping

from torch import Tensor

from study.data.images import ImageBatch
from study.engine.lockstep.layers import Linear, Readout, Stack, d_cross_entropy, one_row_a_run
from study.engine.lockstep.optimiser import Parameters
from study.engine.lockstep.stacks import Lockstep
from study.spec.cohorts import Cohort
from study.spec.design import Design

DRAWS = "measurement of "
"""What stands in front of the causes of what a copy draws."""
FIRST = "linears.0.weight"

State = Mapping[str, Tensor]
"""The parameters of a stack at some moment by the names of torch.nn, as they are stored, u = w / lr."""


def state_of(stack: Stack) -> State:
    """Return the parameters of a stack as they are now."""
    return {name: tensor.clone() for name, tensor in _stored(stack.parameters).items()}


def _stored(parameters: Parameters) -> dict[str, Tensor]:
    return {FIRST: parameters.first, **parameters.stored}


class StackCopy:
    """A stack of the shape of a cohort's only arm, L = S R runs."""

    def __init__(self, design: Design, cohort: Cohort, like: Tensor):
        """``like`` has the dtype and the device of all tensors."""
        lockstep = Lockstep(design, cohort, like.dtype, like.device, draws=DRAWS)
        (self.stack,) = lockstep.stacks
        self.n_rates = len(lockstep.slots.lrs[0])

    def put(self, state: State, layer: int | None = None) -> None:
        """Take the parameters of a moment; with ``layer``, from 0, those of this linear layer and of its norm alone."""
        for name, tensor in _stored(self.stack.parameters).items():
            if layer is None or int(name.split(".")[1]) == layer:
                tensor.copy_(state[name])

    def passed_on(self, images: ImageBatch) -> list[Tensor]:
        """Return what each linear layer but the first is given, (L, batch, width) each, as while training."""
        self.stack.forward(images)
        widths = self.stack.widths[1:-1]
        return [self._linear(i).h[..., :width].clone() for i, width in enumerate(widths, start=1)]

    def gradients(self, images: ImageBatch, labels: Tensor) -> list[Tensor]:
        """Return the gradient of the batch's mean cross-entropy by the weight of each linear layer but the first,
        (L, weights) each, as while training; ``labels`` (S, batch)."""
        logits = self.stack.forward(images)
        self.stack.backward(d_cross_entropy(logits, one_row_a_run(labels, self.n_rates)))
        return [self._linear(i).d_weight.flatten(1).clone() for i in range(1, self.stack.n_linears)]

    def _linear(self, index: int) -> Linear | Readout:
        linear = self.stack.linears[index]
        assert isinstance(linear, Linear | Readout)
        return linear
