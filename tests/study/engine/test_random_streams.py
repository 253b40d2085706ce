import pytest
import torch
from scipy import stats

from study.engine import random_streams
from study.spec import constants, factors


def test_a_stream_is_addressed_by_seed_cause_and_index() -> None:
    addresses = [(0, "init", 0), (1, "init", 0), (0, "order", 0), (0, "init", 1), (10, "init", 0), (1, "init", 10)]
    drawn = {tuple(torch.rand(4, generator=random_streams.generator(*address)).tolist()) for address in addresses}
    assert len(drawn) == len(addresses)


def test_the_streams_stay_what_they_are() -> None:
    """Golden values: records of one release must be extended by the next."""
    weight, bias = random_streams.initial_linear(7, 1, 4, 2)
    assert weight[:2].flatten().tolist() == pytest.approx(GOLDEN_WEIGHT, abs=1e-7)
    assert bias.tolist() == pytest.approx(GOLDEN_BIAS, abs=1e-7)
    assert random_streams.image_order(7, 3, 6).tolist() == GOLDEN_ORDER


GOLDEN_WEIGHT = [-0.41039002, -0.16988528, -0.05840433, 0.34821469]
GOLDEN_BIAS = [-0.18539071, -0.29948097]
GOLDEN_ORDER = [1, 2, 5, 4, 0, 3]


def test_initial_weights_have_the_distribution_of_torch_nn_linear() -> None:
    """Oracle: torch.nn.Linear's own draws, two-sample Kolmogorov-Smirnov; weight and bias."""
    torch.manual_seed(0)
    theirs = torch.nn.Linear(100, 300)
    for ours, other in zip(random_streams.initial_linear(3, 0, 100, 300), (theirs.weight, theirs.bias), strict=True):
        assert ours.abs().max() <= 0.1
        assert stats.ks_2samp(ours.flatten().numpy(), other.detach().flatten().numpy()).pvalue > 1e-4


def test_an_order_visits_every_image_once_and_anew_each_epoch() -> None:
    first, second = (random_streams.image_order(0, epoch, 1000) for epoch in (1, 2))
    assert torch.equal(first.sort().values, torch.arange(1000))
    assert not torch.equal(first, second)


def test_the_global_generator_is_neither_used_nor_moved() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = random_streams.initial_linear(0, 0, 5, 5)[0]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(random_streams.initial_linear(0, 0, 5, 5)[0], one)


@pytest.mark.parametrize(
    ("init", "theirs"),
    [
        ("kaiming", lambda w: torch.nn.init.kaiming_uniform_(w, nonlinearity="relu")),
        ("xavier", torch.nn.init.xavier_uniform_),
    ],
)
def test_other_first_weights_have_the_distribution_of_torch_nn_init_and_the_same_draws(init: str, theirs) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    other = theirs(torch.empty(300, 100))
    weight, bias = random_streams.initial_linear(3, 0, 100, 300, init)
    plain, _ = random_streams.initial_linear(3, 0, 100, 300)
    assert stats.ks_2samp(weight.flatten().numpy(), other.flatten().numpy()).pvalue > 1e-4
    assert weight.abs().max() == pytest.approx(float(other.abs().max()), rel=1e-3)
    assert not bias.any()
    torch.testing.assert_close(weight / weight.abs().max(), plain / plain.abs().max(), rtol=1e-4, atol=1e-6)


def test_every_level_of_the_factor_has_its_bounds() -> None:
    assert (*constants.INITS,) == factors.INITS
