"""Oracle: torch.nn.BatchNorm1d in float64, forward, running averages and autograd."""

import pytest
import torch
from torch import Tensor

from study.normalization import EPS, BatchNorm

WIDTH = 5


def stack(runs: tuple[int, ...], scale: float = 1.0) -> BatchNorm:
    gamma, beta = torch.randn(2, *runs, 1, WIDTH, dtype=torch.float64).unbind()
    return BatchNorm(gamma, beta, torch.empty_like(gamma), torch.empty_like(beta), torch.tensor(scale).double())


def torch_twin(norm: BatchNorm, run: tuple[int, ...]) -> torch.nn.BatchNorm1d:
    twin = torch.nn.BatchNorm1d(WIDTH, dtype=torch.float64)
    with torch.no_grad():
        twin.weight.copy_(norm.gamma[run][0] * norm.scale)
        twin.bias.copy_(norm.beta[run][0] * norm.scale)
    return twin


@pytest.mark.parametrize("batch", [2, 7, 32])
@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_forward_backward_and_running_averages_equal_torch_nn(batch: int, scale: float) -> None:
    torch.manual_seed(0)
    runs = (2, 3)
    norm = stack(runs, scale)
    twins = {(r, s): torch_twin(norm, (r, s)) for r in range(2) for s in range(3)}
    for _ in range(3):
        z = torch.randn(*runs, batch, WIDTH, dtype=torch.float64) * 3 + 1
        d_y = torch.randn_like(z)
        y = norm.forward(z.clone())
        d_z = norm.backward(d_y)
        for run, twin in twins.items():
            inputs = z[run].clone().requires_grad_()
            expected = twin(inputs)
            twin.zero_grad()
            expected.backward(d_y[run])
            close(y[run], expected)
            close(d_z[run], inputs.grad)
            close(norm.d_gamma[run][0], twin.weight.grad)
            close(norm.d_beta[run][0], twin.bias.grad)
            close(norm.running_mean[run][0], twin.running_mean)
            close(norm.running_var[run][0], twin.running_var)


def close(ours: Tensor, theirs: Tensor | None) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_batch_of_two_normalises_to_plus_and_minus_one() -> None:
    """Samuelson's inequality |x_hat| <= sqrt(m - 1), reached at m = 2 but for eps."""
    norm = stack(())
    norm.forward(torch.tensor([[0.0], [100.0]], dtype=torch.float64).expand(2, WIDTH).clone())
    torch.testing.assert_close(norm.x_hat[:, 0].abs(), torch.ones(2, dtype=torch.float64), rtol=EPS, atol=0)


def test_the_bias_before_batch_norm_has_no_gradient() -> None:
    norm = stack((4,))
    z = torch.randn(4, 16, WIDTH, dtype=torch.float64)
    norm.forward(z)
    d_bias = norm.backward(torch.randn(4, 16, WIDTH, dtype=torch.float64)).sum(-2)
    assert d_bias.abs().max() < 1e-13
