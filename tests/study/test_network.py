"""Oracle: the reference network of torch.nn with the same tensors, by autograd in float64."""

import pytest
import torch
from torch.nn.utils.fusion import fuse_linear_bn_eval

from study.design import Design, Run
from study.network import Stack, cross_entropy
from study.reference import Network

LRS, SEEDS = (1e-3, 1e-1), (3, 8)


def twin(stack: Stack, arm: str, hidden: tuple[int, ...], rate: int, seed: int) -> Network:
    """A reference network that holds one run's tensors."""
    design = Design("digits", lrs=LRS, seeds=SEEDS, hidden=hidden)
    network = Network(design, Run(32, LRS[rate], SEEDS[seed], arm)).double()
    state = {name: tensor.double() for name, tensor in stack.state_dict(rate, seed).items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return network


@pytest.mark.parametrize("arm", ["bn", "no_bn"])
def test_a_stack_starts_where_the_reference_starts_whatever_the_rate(arm: str) -> None:
    stack = Stack(arm, (64, 32, 32, 10), LRS, SEEDS)
    for rate, lr in enumerate(LRS):
        for seed, number in enumerate(SEEDS):
            start = Network(Design("digits", lrs=LRS, seeds=SEEDS), Run(32, lr, number, arm)).state_dict()
            for name, tensor in stack.state_dict(rate, seed).items():
                torch.testing.assert_close(tensor, start[name], rtol=2e-7, atol=0)


def test_the_arms_of_a_pair_start_from_equal_linear_weights() -> None:
    bn, no_bn = (Stack(arm, (64, 32, 32, 10), LRS, SEEDS).state_dict(1, 0) for arm in ("bn", "no_bn"))
    for name, tensor in no_bn.items():
        assert torch.equal(tensor, bn[name])


@pytest.mark.parametrize("arm", ["bn", "no_bn"])
@pytest.mark.parametrize("hidden", [(32,), (32, 32), (7, 20, 5), (16,) * 10])
@torch.no_grad()
def test_gradients_equal_autograd(arm: str, hidden: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    stack = Stack(arm, (64, *hidden, 10), LRS, SEEDS, torch.float64)
    images = torch.rand(len(SEEDS), 32, 64, dtype=torch.float64)
    labels = torch.randint(10, (len(SEEDS), 32))
    networks = {(r, s): twin(stack, arm, hidden, r, s) for r in range(2) for s in range(2)}
    loss, d_logits = cross_entropy(stack.forward(images), labels)
    stack.backward(d_logits)
    for (r, s), network in networks.items():
        with torch.enable_grad():
            expected = torch.nn.functional.cross_entropy(network(images[s]), labels[s])
            expected.backward()
        torch.testing.assert_close(loss[r, s], expected.detach(), rtol=1e-12, atol=0)
        for linear, theirs in zip(stack.linears, network.linears, strict=True):
            torch.testing.assert_close(linear.d_weight[r, s].T, theirs.weight.grad, rtol=1e-9, atol=1e-14)
            torch.testing.assert_close(linear.d_bias[r, s, 0], theirs.bias.grad, rtol=1e-9, atol=1e-14)
        for norm, theirs in zip(stack.norms, network.norms, strict=True):
            torch.testing.assert_close(norm.d_gamma[r, s, 0], theirs.weight.grad, rtol=1e-9, atol=1e-14)
            torch.testing.assert_close(norm.d_beta[r, s, 0], theirs.bias.grad, rtol=1e-9, atol=1e-14)


@torch.no_grad()
def test_prediction_folds_batch_norm_as_torch_does() -> None:
    """Oracle: torch.nn.utils.fusion.fuse_linear_bn_eval."""
    torch.manual_seed(0)
    stack = Stack("bn", (64, 32, 32, 10), LRS, SEEDS, torch.float64)
    for _ in range(5):  # running averages that are not at their start
        stack.forward(torch.rand(len(SEEDS), 50, 64, dtype=torch.float64))
    network = twin(stack, "bn", (32, 32), 1, 0).eval()
    for index, (weight, bias) in enumerate(stack.affine()[:-1]):
        fused = fuse_linear_bn_eval(network.linears[index], network.norms[index])
        torch.testing.assert_close(weight[1, 0].T, fused.weight, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(bias[1, 0, 0], fused.bias, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spoil", ["weight", "running_var"])
def test_a_run_with_one_bad_number_is_not_finite_and_its_neighbours_are(spoil: str) -> None:
    stack = Stack("bn", (64, 32, 32, 10), LRS, SEEDS)
    assert stack.finite().all()
    tensor = stack.linears[2].weight if spoil == "weight" else stack.norms[0].running_var
    tensor[1, 0].view(-1)[3] = float("inf")
    assert stack.finite().tolist() == [[True, True], [False, True]]
