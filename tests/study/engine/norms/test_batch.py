"""Oracle: torch.nn.BatchNorm1d in float64, forward, running averages and autograd."""

import pytest
import torch
from torch import Tensor

from study.engine.lockstep.hidden import HiddenLayer
from study.engine.lockstep.optimiser import Parameters
from study.engine.norms.batch import BatchNorm
from study.spec.arms import Norm
from study.spec.constants import NORM_EPS

WIDTH, RUNS = 5, 6


def stack(scale: float = 1.0) -> tuple[Parameters, BatchNorm]:
    """Six runs, two seeds by three rates, with gamma and beta of their own."""
    shapes = {"norms.0.weight": (1, WIDTH), "norms.0.bias": (1, WIDTH)}
    parameters = Parameters((1, 1), shapes, torch.full((2, 3), scale, dtype=torch.float64))
    norm = BatchNorm(HiddenLayer(parameters, 0, WIDTH, WIDTH), Norm("batch"))
    assert parameters.stored["norms.0.weight"].unique().tolist() == [1 / scale]
    for name in shapes:
        parameters.assign(name, torch.randn(RUNS, 1, WIDTH))
    parameters.refresh()
    return parameters, norm


def torch_twin(norm: BatchNorm, run: int) -> torch.nn.BatchNorm1d:
    twin = torch.nn.BatchNorm1d(WIDTH, dtype=torch.float64)
    with torch.no_grad():
        twin.weight.copy_(norm.affine.gamma[run, 0])
        twin.bias.copy_(norm.affine.beta[run, 0])
    return twin


@pytest.mark.parametrize("batch", [2, 7, 32])
@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_forward_backward_and_running_averages_equal_torch_nn(batch: int, scale: float) -> None:
    torch.manual_seed(0)
    _, norm = stack(scale)
    twins = [torch_twin(norm, run) for run in range(RUNS)]
    for _ in range(3):
        z = torch.randn(batch, RUNS, WIDTH, dtype=torch.float64) * 3 + 1
        d_y = torch.randn_like(z)
        y = norm.forward(z.clone())
        d_z = norm.backward(d_y)
        for run, twin in enumerate(twins):
            inputs = z[:, run].clone().requires_grad_()
            expected = twin(inputs)
            twin.zero_grad()
            expected.backward(d_y[:, run])
            close(y[:, run], expected)
            close(d_z[:, run], inputs.grad)
            close(norm.affine.d_gamma[run, 0], twin.weight.grad)
            close(norm.affine.d_beta[run, 0], twin.bias.grad)
            close(norm.kept.running_mean[run, 0], twin.running_mean)
            close(norm.kept.running_var[run, 0], twin.running_var)


def close(ours: Tensor, theirs: Tensor | None) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_batch_of_two_normalises_to_plus_and_minus_one() -> None:
    """Samuelson's inequality |x_hat| <= sqrt(m - 1), reached at m = 2 but for eps."""
    _, norm = stack()
    z = torch.tensor([0.0, 100.0], dtype=torch.float64)[:, None, None].expand(2, RUNS, WIDTH)
    x_hat = (norm.forward(z.contiguous()) - norm.affine.beta[:, 0]) / norm.affine.gamma[:, 0]
    torch.testing.assert_close(x_hat.abs(), torch.ones_like(x_hat), rtol=NORM_EPS, atol=0)
