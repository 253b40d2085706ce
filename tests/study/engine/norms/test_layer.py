"""Layer normalisation against torch.nn.LayerNorm, alone and in training."""

import pytest
import torch

from study.data.dataset import Dataset
from study.engine.lockstep.hidden import HiddenLayer
from study.engine.lockstep.optimiser import Parameters
from study.engine.norms import layer
from study.spec.arms import ARMS, Norm
from study.spec.design import Design
from tests.study.engine.steps import steps_equal_torchs
from tests.study.values import cohort_of

WIDTHS = [5, 32, 33]
"""Of which 32 is a whole vector, and the others are padded."""


def stacked(width: int, n_runs: int) -> layer.ByImage:
    padded = -(-width // 32) * 32
    shapes = {"norms.0.weight": (1, padded), "norms.0.bias": (1, padded)}
    parameters = Parameters((1, padded), shapes, torch.full((n_runs, 1), 0.5, dtype=torch.float64))
    made = layer.stacked(HiddenLayer(parameters, 0, width, padded), Norm("layer"))
    for name in shapes:
        values = torch.randn(n_runs, 1, padded, dtype=torch.float64, generator=torch.Generator())
        parameters.assign(name, values * (torch.arange(padded) < width))
    parameters.refresh()
    return made


@pytest.mark.parametrize("width", WIDTHS)
def test_both_passes_are_those_of_torch(width: int) -> None:
    made = stacked(width, n_runs=3)
    z = torch.randn(7, 3, made.width + made.n_more, dtype=torch.float64)
    z[..., width:] = 0
    y, d_y = made.forward(z), torch.randn(7, 3, z.shape[-1], dtype=torch.float64)
    d_y[..., width:] = 0
    d_z = made.backward(d_y)
    assert not torch.cat([y[..., width:], d_z[..., width:]]).any()  # what pads a vector takes no part
    for run in range(3):
        twin = layer.twin(width, Norm("layer")).double()
        with torch.no_grad():
            twin.weight.copy_(made.affine.gamma[run, 0, :width])
            twin.bias.copy_(made.affine.beta[run, 0, :width])
        own = z[:, run, :width].clone().requires_grad_()
        expected = twin(own)
        expected.backward(d_y[:, run, :width])
        pairs = [
            (y[:, run, :width], expected),
            (d_z[:, run, :width], own.grad),
            (made.affine.d_gamma[run, 0, :width], twin.weight.grad),
        ]
        for ours, torchs in [*pairs, (made.affine.d_beta[run, 0, :width], twin.bias.grad)]:
            assert torchs is not None
            torch.testing.assert_close(ours, torchs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("hidden", [(33, 20), (32,)])
def test_a_training_is_that_of_torch_step_by_step(hidden: tuple[int, ...], digits64: Dataset) -> None:
    design = Design("digits", ("layer", "no_bn"), (32,), (0.01, 0.1), (0, 1), hidden=hidden)
    steps_equal_torchs(design, cohort_of(32, ("layer",), (0.01, 0.1), (0, 1)), digits64)


def test_its_networks_keep_no_statistics() -> None:
    assert ARMS["layer"].statistics == ()
