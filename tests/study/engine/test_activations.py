"""Every activation in training and prediction. Oracle: the functions and the autograd of torch."""

import pytest
import torch

from study.data.dataset import Dataset
from study.engine import activations
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.factors import ACTIVATIONS, Cell
from tests.study.engine.steps import steps_equal_torchs


def test_every_level_of_the_factor_has_its_function() -> None:
    assert tuple(activations.ACTIVATIONS) == ACTIVATIONS


@pytest.mark.parametrize("key", ACTIVATIONS)
def test_the_function_and_its_derivative_are_those_of_torch(key: str) -> None:
    activation = activations.for_cell(Cell(32, 0.01, key))
    z = torch.linspace(-4, 4, 17, dtype=torch.float64).requires_grad_()
    expected = getattr(torch, key)(z)
    expected.sum().backward()
    h = activation.apply(z.detach())
    assert torch.equal(h, expected.detach())
    assert torch.equal(activation.apply_(z.detach().clone()), h)
    assert z.grad is not None
    torch.testing.assert_close(activation.backward(torch.ones_like(h), h), z.grad, rtol=0, atol=1e-15)
    assert activation.keeps_zero is (activation.apply(torch.zeros(())).item() == 0)


@pytest.mark.parametrize("key", ACTIVATIONS)
def test_a_training_is_that_of_torch_step_by_step(key: str, digits64: Dataset) -> None:
    """Widths 33 and 20 are padded, so that a unit which does not stay zero would be seen. With batch normalisation
    alone a bias in front has no gradient but rounding, which Adam divides by its own size."""
    cell, arms = Cell(32, 0.01, key), ("no_bn", "layer")
    design = Design("digits", arms, (32,), (0.01,), (0, 1), hidden=(33, 20), vary={"activation": (key,)})
    steps_equal_torchs(design, Cohort((cell,), arms, (0, 1)), digits64)
