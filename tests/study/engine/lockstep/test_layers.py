"""Oracle: the reference network of torch.nn with the same tensors, by autograd in float64."""

import pytest
import torch
from torch.nn.utils.fusion import fuse_linear_bn_eval

from study.data.images import DenseBatch
from study.engine.lockstep.layers import Stack, cross_entropy, d_cross_entropy
from study.engine.reference import Network
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run

LRS, SEEDS = (1e-3, 1e-1), (3, 8)
RUNS = [(seed, lr) for seed in SEEDS for lr in LRS]
"""In the order of a stack."""


def stack_of(arm: str, hidden: tuple[int, ...] = (32, 32), dtype: torch.dtype = torch.float64) -> Stack:
    return Stack(arm, Cell(32, 0.01), (64, *hidden, 10), torch.tensor([LRS, LRS], dtype=dtype), SEEDS)


def twin(stack: Stack, arm: str, hidden: tuple[int, ...], run: int) -> Network:
    """A reference network that holds one run's tensors."""
    seed, lr = RUNS[run]
    network = Network(Design("digits", lrs=LRS, seeds=SEEDS, hidden=hidden), Run(32, lr, seed=seed, arm=arm)).double()
    state = {name: tensor.double() for name, tensor in stack.state_dict(run).items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return network


@pytest.mark.parametrize("arm", ["bn", "no_bn"])
def test_a_stack_starts_where_the_reference_starts_whatever_the_rate(arm: str) -> None:
    stack = stack_of(arm, dtype=torch.float32)
    for index, (seed, lr) in enumerate(RUNS):
        start = Network(Design("digits", lrs=LRS, seeds=SEEDS), Run(32, lr, seed=seed, arm=arm)).state_dict()
        for name, tensor in stack.state_dict(index).items():
            torch.testing.assert_close(tensor, start[name], rtol=2e-7, atol=0)


def test_the_arms_of_a_pair_start_from_equal_linear_weights() -> None:
    bn, no_bn = (stack_of(arm, dtype=torch.float32).state_dict(1) for arm in ("bn", "no_bn"))
    for name, tensor in no_bn.items():
        assert torch.equal(tensor, bn[name])


@pytest.mark.parametrize("arm", ["bn", "no_bn"])
@pytest.mark.parametrize("hidden", [(32,), (32, 32), (7, 20, 5), (16,) * 10])
@torch.no_grad()
def test_gradients_equal_autograd(arm: str, hidden: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    stack = stack_of(arm, hidden)
    images, labels = torch.rand(len(SEEDS), 32, 64, dtype=torch.float64), torch.randint(10, (len(SEEDS), 32))
    answers = labels.repeat_interleave(len(LRS), 0)[:, None]
    networks = [twin(stack, arm, hidden, run) for run in range(4)]
    logits = stack.forward(DenseBatch(images))
    loss = cross_entropy(logits, answers).mean(-1)
    stack.backward(d_cross_entropy(logits, answers))
    for run, network in enumerate(networks):
        with torch.enable_grad():
            expected = torch.nn.functional.cross_entropy(network(images[run // 2]), labels[run // 2])
            expected.backward()
        torch.testing.assert_close(loss[run], expected.detach(), rtol=1e-12, atol=0)
        gradients = stack.gradients(run)
        assert gradients.keys() == dict(network.named_parameters()).keys()
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-9, atol=1e-14)


@torch.no_grad()
def test_prediction_folds_batch_norm_as_torch_does() -> None:
    """Oracle: torch.nn.utils.fusion.fuse_linear_bn_eval."""
    torch.manual_seed(0)
    stack = stack_of("bn")
    for _ in range(5):  # running averages that are not at their start
        stack.forward(DenseBatch(torch.rand(len(SEEDS), 50, 64, dtype=torch.float64)))
    network = twin(stack, "bn", (32, 32), run=2).eval()
    predictor = stack.predictor()
    assert predictor.norms == [None, None]
    for index, (weight, bias) in enumerate(predictor.linears[:-1]):
        fused = fuse_linear_bn_eval(network.linears[index], network.norms[index])
        torch.testing.assert_close(weight[2].T, fused.weight, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(bias[2, 0], fused.bias, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spoil", ["first", "weight", "running_var"])
def test_a_run_with_one_bad_number_is_not_finite_and_its_neighbours_are(spoil: str) -> None:
    stack = stack_of("bn", dtype=torch.float32)
    assert stack.finite().all()
    parameters = stack.parameters
    numbers = {
        "first": parameters.first[1, :, 0],
        "weight": parameters.stored["linears.2.weight"][2],
        "running_var": stack.norms[0].running()["running_var"][2],
    }
    numbers[spoil][0, 3] = float("inf")
    assert stack.finite().tolist() == [True, True, False, True]
