"""Oracles: torch.nn in train and eval mode, torch.optim.swa_utils, theory, and exact enumeration; in float64.

The networks are of someone else's making: torch.nn.Sequential, trained by a plain loop.
"""

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval
from torch.optim.swa_utils import update_bn

from study.data.dataset import Dataset
from study.inference import metrics
from study.inference.metrics import Flags, composition_sensitivity, flags, measure, swap_pairs, swap_sensitivity
from study.inference.modes import (
    BatchStatistics,
    Blend,
    FixedStatistics,
    MeanOnly,
    Mode,
    Networks,
    OneLayer,
    VarOnly,
    first_preactivation,
    logits,
)
from study.inference.statistics import population, preactivation_batches, precise, stored_statistics, whole_batches
from study.spec.arms import Norm
from study.spec.constants import NORM_EPS

Trained = tuple[list[nn.Sequential], Networks, Tensor, Tensor]
"""Two networks, the stack of them, training images, and test images."""


def fitted(seed: int, images: Tensor, labels: Tensor, norm: bool = True) -> nn.Sequential:
    """A network after one epoch of Adam in batches of 64."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for n_in, n_out in ((64, 24), (24, 16)):
        layers += [nn.Linear(n_in, n_out), *[nn.BatchNorm1d(n_out)] * norm, nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(16, 10)).double()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for rows in torch.randperm(len(labels)).split(64)[:-1]:
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images[rows]), labels[rows]).backward()
        optimiser.step()
    return network.requires_grad_(False)


def renamed(network: nn.Sequential) -> dict[str, Tensor]:
    """Its state dict, with ``linears.N`` and ``norms.N`` for the numbers of the layers."""
    parts = {"linears": nn.Linear, "norms": nn.BatchNorm1d}
    state = {}
    for name, kind in parts.items():
        own = [module for module in network if isinstance(module, kind)]
        state |= {
            f"{name}.{i}.{key}": tensor for i, module in enumerate(own) for key, tensor in module.state_dict().items()
        }
    return state


@pytest.fixture(scope="module")
def trained(digits64: Dataset) -> Trained:
    train, test = digits64.train, digits64.test
    networks = [fitted(seed, train.images, train.labels) for seed in (0, 1)]
    return networks, Networks.from_states([renamed(network) for network in networks]), train.images, test.images


def norms_of(network: nn.Sequential) -> list[nn.BatchNorm1d]:
    return [module for module in network if isinstance(module, nn.BatchNorm1d)]


def predict(networks: Networks, images: Tensor, mode: Mode | None) -> Tensor:
    return logits(networks, first_preactivation(networks, images), mode)


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


# torch's own layers


def test_running_statistics_give_torchs_eval_mode(trained: Trained) -> None:
    twins, networks, _, images = trained
    running = stored_statistics([renamed(twin) for twin in twins], "running")
    close(predict(networks, images, FixedStatistics(running)), torch.stack([twin.eval()(images) for twin in twins]))


@pytest.mark.parametrize("size", [2, 64, 100, 360, 1000])
def test_batch_mode_gives_torchs_train_mode_with_the_last_batch_kept(trained: Trained, size: int) -> None:
    twins, networks, _, images = trained
    trains = [deepcopy(twin).train() for twin in twins]
    expected = torch.stack([torch.cat([twin(batch) for batch in images.split(size)]) for twin in trains])
    close(predict(networks, images, BatchStatistics(size)), expected)


def test_networks_without_batch_norm_give_torchs_answers(digits64: Dataset) -> None:
    images = digits64.test.images
    twins = [fitted(seed, images, digits64.test.labels, norm=False) for seed in (0, 1, 2)]
    networks = Networks.from_states([renamed(twin) for twin in twins])
    assert networks.norms == []
    close(predict(networks, images, None), torch.stack([twin(images) for twin in twins]))


@pytest.mark.parametrize("inside", [0, 1])
def test_one_layer_by_its_batch_is_torch_with_one_layer_in_train_mode(trained: Trained, inside: int) -> None:
    twins, networks, _, images = trained
    running = stored_statistics([renamed(twin) for twin in twins], "running")
    mixed = [deepcopy(twin).eval() for twin in twins]
    for twin in mixed:
        norms_of(twin)[inside].train()
    expected = torch.stack([torch.cat([twin(batch) for batch in images.split(50)]) for twin in mixed])
    close(predict(networks, images, OneLayer(inside, BatchStatistics(50), FixedStatistics(running))), expected)


def test_fixed_statistics_fold_into_the_linear_layer_as_torch_does(trained: Trained) -> None:
    """Oracle: torch.nn.utils.fusion.fuse_linear_bn_eval, with statistics that torch did not make."""
    twins, networks, train, images = trained
    exact = population(networks, chunks(networks, train))
    for run, twin in enumerate(twins):
        folded = deepcopy(twin).eval()
        for layer, norm in enumerate(norms_of(folded)):
            norm.running_mean, norm.running_var = (moment[run, 0] for moment in exact[layer])
        linears = [fuse_linear_bn_eval(folded[i], folded[i + 1]) for i in (0, 3)]
        expected = nn.Sequential(linears[0], nn.ReLU(), linears[1], nn.ReLU(), folded[6])(images)
        close(predict(networks, images, FixedStatistics(exact))[run], expected)


def chunks(networks: Networks, images: Tensor, size: int = 1000) -> Callable[[], Iterable[Tensor]]:
    """The first layer's z, ``size`` images at a time."""
    return lambda: preactivation_batches(networks, images)(size)


# statistics


def test_precise_statistics_are_those_of_update_bn(trained: Trained) -> None:
    """Oracle: torch.optim.swa_utils.update_bn, momentum None: arithmetic means of means and of unbiased variances."""
    twins, networks, train, _ = trained
    batches = train[:1408].split(64)
    parts = (train[:640], train[640:1408])
    ours = precise(networks, (first_preactivation(networks, part) for part in parts), 64)
    for run, twin in enumerate(deepcopy(twins)):
        update_bn(batches, twin)
        for (mean, var), norm in zip(ours, norms_of(twin), strict=True):
            close(mean[run, 0], norm.running_mean)
            close(var[run, 0], norm.running_var)


def test_running_averages_follow_their_closed_form(trained: Trained) -> None:
    """(1 - rho)^T start + sum of rho (1 - rho)^(T - 1 - t) mu_t, with the unbiased variance for v."""
    _, networks, train, _ = trained
    batches = train[:640].split(64)
    norm = nn.BatchNorm1d(24, dtype=torch.float64)
    for batch in batches:
        norm(first_preactivation(networks, batch)[0])
    momentum = Norm("batch").momentum
    weights = [momentum * (1 - momentum) ** (len(batches) - 1 - t) for t in range(len(batches))]
    each = [precise(networks, [first_preactivation(networks, batch)], 64)[0] for batch in batches]
    mean, var = (sum(w * moment[0, 0] for w, moment in zip(weights, of, strict=True)) for of in zip(*each, strict=True))
    close(mean, norm.running_mean)
    close(var + (1 - momentum) ** len(batches), norm.running_var)


def test_total_variance_is_within_and_between_batches(trained: Trained) -> None:
    """Law of total variance for equal batches, first layer: biased within + variance of batch means = pooled."""
    _, networks, train, _ = trained
    images, m = train[:1400], 50
    mean, unbiased = precise(networks, preactivation_batches(networks, images)(m), m)[0]
    means = torch.stack(
        [precise(networks, [first_preactivation(networks, batch)], m)[0][0] for batch in images.split(m)]
    )
    pooled_mean, pooled_var = population(networks, chunks(networks, images))[0]
    close(mean, pooled_mean)
    close(unbiased * (m - 1) / m + means.var(0, correction=0), pooled_var)


@pytest.mark.parametrize(("n", "size", "at_once"), [(10, 3, 2000), (10, 3, 4), (12, 3, 6), (10, 10, 4), (7, 2, 3)])
def test_precise_statistics_see_whole_batches_and_leave_the_rest(
    n: int, size: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.inference.statistics.CHUNK", at_once)
    z = torch.arange(n).view(1, n, 1)
    parts = [*whole_batches(lambda m: z.split(m, 1), n, size)]
    assert all(part.shape[1] % size == 0 for part in parts)
    assert torch.cat(parts, 1).flatten().tolist() == [*range(n // size * size)]


@pytest.mark.parametrize("chunk", [1, 7, 360, 10_000])
def test_one_batch_of_all_images_is_their_population(trained: Trained, chunk: int) -> None:
    _, networks, _, images = trained
    exact = population(networks, chunks(networks, images, chunk))
    close(
        predict(networks, images, BatchStatistics(len(images))),
        predict(networks, images, FixedStatistics(exact)),
        1e-10,
    )


def test_passes_that_are_too_large_to_keep_are_made_anew(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    _, networks, _, images = trained
    kept = preactivation_batches(networks, images)
    monkeypatch.setattr("study.inference.statistics.KEPT", 360 * 24 * 8 - 1)
    anew = preactivation_batches(networks, images)
    for m in (50, 360):
        assert [len(z[0]) for z in anew(m)] == [len(z[0]) for z in kept(m)]
        close(torch.cat([*anew(m)], 1), torch.cat([*kept(m)], 1))
    assert next(iter(anew(50))) is not next(iter(anew(50)))
    assert next(iter(kept(50))).data_ptr() == next(iter(kept(50))).data_ptr()


def test_population_forgives_what_float32_cannot_sum(trained: Trained) -> None:
    """A mean of 1000 sd: squares summed in float32 would leave nothing of the variance."""
    _, networks, train, _ = trained
    weight, bias = networks.linears[0]
    single = Networks(
        [(w.float(), b.float()) for w, b in networks.linears], [(g.float(), b.float()) for g, b in networks.norms]
    )
    single.linears[0] = (weight.float(), bias.float() + 1000)
    (_, var), *_ = population(single, chunks(single, train.float(), 100))
    _, exact = population(networks, chunks(networks, train))[0]
    assert var.dtype == torch.float64
    torch.testing.assert_close(var, exact, rtol=1e-3, atol=0)
    assert (
        predict(single, train.float(), FixedStatistics(population(single, chunks(single, train.float())))).dtype
        == torch.float32
    )


def test_population_removes_the_bias_before_batch_norm_and_stored_statistics_do_not(trained: Trained) -> None:
    twins, networks, train, images = trained
    running = stored_statistics([renamed(twin) for twin in twins], "running")
    moved = Networks(
        [(weight, bias + 0.3) for weight, bias in networks.linears[:-1]] + networks.linears[-1:], networks.norms
    )
    exact, exact_moved = (population(some, chunks(some, train)) for some in (networks, moved))
    close(
        predict(moved, images, FixedStatistics(exact_moved)), predict(networks, images, FixedStatistics(exact)), 1e-10
    )
    assert (
        predict(moved, images, FixedStatistics(running)) - predict(networks, images, FixedStatistics(running))
    ).abs().max() > 0.1


def test_stored_statistics_are_found_by_their_kind(trained: Trained) -> None:
    states = [renamed(twin) for twin in trained[0]]
    for number, state in enumerate(states):
        for layer, width in enumerate((24, 16)):
            state[f"norms.{layer}.cumulative_all_mean"] = torch.full((width,), number + 10.0 * layer)
            state[f"norms.{layer}.cumulative_all_var"] = torch.full((width,), number + 10.0 * layer + 1)
    found = stored_statistics(states, "cumulative_all")
    assert [mean.shape for mean, _ in found] == [(2, 1, 24), (2, 1, 16)]
    assert [mean[:, 0, 0].tolist() for mean, _ in found] == [[0, 1], [10, 11]]
    assert [var[:, 0, 0].tolist() for _, var in found] == [[1, 2], [11, 12]]


# modes of a batch


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=25), st.integers(1, 12))
@settings(max_examples=50)
def test_no_x_hat_exceeds_samuelsons_bound(thousandths: list[int], size: int) -> None:
    """|x_hat| <= sqrt(m - 1)."""
    z = torch.tensor(thousandths, dtype=torch.float64)[None, :, None] / 1000
    for batch in BatchStatistics(size).normalise(0, z).split(size, 1):
        assert batch.abs().max() <= (batch.shape[1] - 1) ** 0.5 + 1e-9


@pytest.mark.parametrize("m", [1, 2, 8, 100])
def test_a_batch_with_one_image_unlike_the_others_reaches_samuelsons_bound(m: int) -> None:
    z = torch.zeros(1, m, 1, dtype=torch.float64)
    z[0, 0] = 1e4
    x_hat = BatchStatistics(m).normalise(0, z)[0, :, 0]
    assert x_hat[0] == pytest.approx((m - 1) ** 0.5, rel=1e-9)
    assert x_hat[1:].tolist() == pytest.approx([-((m - 1) ** -0.5)] * (m - 1) if m > 1 else [], rel=1e-9)


def scaled(networks: Networks, scale: float, grad: bool = False) -> Networks:
    """Weights and biases of hidden layers times ``scale``: a thousand makes eps vanish beside the variance."""
    hidden = [(weight * scale, bias * scale) for weight, bias in networks.linears[:-1]]
    linears = [
        (w.detach().requires_grad_(grad), b.detach().requires_grad_(grad)) for w, b in (*hidden, networks.linears[-1])
    ]
    return Networks(linears, networks.norms)


def test_batch_mode_sees_no_gain_no_offset_and_no_scale_of_weights(trained: Trained) -> None:
    _, networks, _, images = trained
    large = scaled(networks, 1e3)
    expected = predict(large, images, BatchStatistics(30))
    close(predict(large, 3 * images + 2, BatchStatistics(30)), expected, 1e-8)
    close(predict(scaled(networks, 7e3), images, BatchStatistics(30)), expected, 1e-8)


def test_gradients_are_orthogonal_to_weights_and_zero_for_biases_before_batch_norm(
    trained: Trained, digits64: Dataset
) -> None:
    _, networks, _, images = trained
    large = scaled(networks, 1e3, grad=True)
    labels = digits64.test.labels
    answers = predict(large, images, BatchStatistics(60))
    sum(nn.functional.cross_entropy(some, labels) for some in answers).backward()
    for weight, bias in large.linears[:-1]:
        assert weight.grad is not None
        assert bias.grad is not None
        size = weight.grad.norm()
        assert bias.grad.abs().max() < 1e-10 * size
        assert (weight * weight.grad).sum(1).abs().max() < 1e-8 * size * weight.norm()
    assert large.linears[-1][1].grad.abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["blend", "mean only", "var only"])
def test_each_batch_is_fixed_at_the_moments_chosen_for_it(trained: Trained, kind: str) -> None:
    """The last batch, of 10 among 50s, weighs the source by its own size."""
    _, networks, train, images = trained
    source = population(networks, chunks(networks, train))
    (s_mean, s_var), z = source[0], first_preactivation(networks, images)
    mode: Mode = {"blend": Blend(source, 50, 16), "mean only": MeanOnly(source, 50), "var only": VarOnly(source, 50)}[
        kind
    ]
    for ours, batch in zip(mode.normalise(0, z).split(50, 1), z.split(50, 1), strict=True):
        mean, var = batch.mean(1, keepdim=True), batch.var(1, keepdim=True, correction=0)
        w = 16 / (16 + batch.shape[1])
        moment = {
            "blend": (w * s_mean + (1 - w) * mean, w * s_var + (1 - w) * var),
            "mean only": (mean, s_var),
            "var only": (s_mean, var),
        }[kind]
        close(ours, FixedStatistics([moment]).normalise(0, batch))


def test_blend_ends_in_the_batch_and_in_the_source(trained: Trained) -> None:
    _, networks, train, images = trained
    source = population(networks, chunks(networks, train))
    assert torch.equal(predict(networks, images, Blend(source, 64, 0)), predict(networks, images, BatchStatistics(64)))
    for n_pseudo, tolerance in ((1e12, 1e-8), (float("inf"), 1e-12)):
        close(
            predict(networks, images, Blend(source, 64, n_pseudo)),
            predict(networks, images, FixedStatistics(source)),
            tolerance,
        )


@given(st.integers(0, 10**4), st.integers(0, 10**4), st.integers(2, 40), st.integers(0, 99))
@settings(max_examples=50)
def test_blend_nears_the_source_as_n_grows(one: int, other: int, m: int, seed: int) -> None:
    """The mean and the variance that a batch was normalised by, solved for from two of its rows."""
    z = torch.randn(1, m, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    source = [(torch.full((1, 1, 3), 5.0), torch.full((1, 1, 3), 9.0))]
    distances = []
    for n_pseudo in sorted((one, other)):
        x_hat = Blend(source, m, n_pseudo).normalise(0, z)
        sd = (z[:, 0] - z[:, 1]) / (x_hat[:, 0] - x_hat[:, 1])
        distances.append(torch.stack([5 - (z[:, 0] - sd * x_hat[:, 0]), 9 + NORM_EPS - sd.square()]))
    assert (distances[1].abs() <= distances[0].abs() + 1e-6).all()


def test_batches_do_not_know_each_other_and_one_ghost_is_the_batch(trained: Trained) -> None:
    """Ghost batch norm: m images in ghosts of 8 are m / 8 batches; with one ghost, batch norm itself."""
    _, networks, _, images = trained
    z = first_preactivation(networks, images)
    ghosts = torch.cat([logits(networks, ghost, BatchStatistics(8)) for ghost in z.split(8, 1)], 1)
    close(logits(networks, z, BatchStatistics(8)), ghosts)
    assert torch.equal(
        logits(networks, z, BatchStatistics(len(images))), logits(networks, z, BatchStatistics(10 * len(images)))
    )


def test_alone_and_in_a_batch_of_64_an_image_has_one_class_but_in_batch_mode(trained: Trained) -> None:
    twins, networks, train, images = trained
    images = images[:64]
    sides = {
        "running": stored_statistics([renamed(twin) for twin in twins], "running"),
        "precise": precise(networks, preactivation_batches(networks, train[:1408])(64), 64),
        "population": population(networks, chunks(networks, train)),
    }
    for mode, same in [*((FixedStatistics(side), True) for side in sides.values()), (BatchStatistics(64), False)]:
        alone = torch.cat([predict(networks, image[None], mode) for image in images], 1)
        together = predict(networks, images, mode)
        assert torch.equal(alone.argmax(-1), together.argmax(-1)) == same


@pytest.mark.parametrize(
    ("n", "size", "expected"),
    [
        (10, 1, Flags(True, 1)),
        (10, 3, Flags(True, 1)),
        (10, 4, Flags(False, 2)),
        (10, 10, Flags(False, 10)),
        (10, 11, Flags(False, 10)),
        (1, 8, Flags(True, 1)),
    ],
)
def test_flags_know_the_last_batch(n: int, size: int, expected: Flags) -> None:
    assert flags(n, size) == expected
    sizes = [len(batch) for batch in torch.arange(n).split(size)]
    assert flags(n, size) == Flags(1 in sizes, sizes[-1])


# measures


def test_measures_are_torchs_loss_and_a_loops_calibration_error() -> None:
    """Twenty classes and logits of all sizes: a top probability in every bin."""
    torch.manual_seed(0)
    answers = torch.randn(2, 600, 20, dtype=torch.float64) * torch.logspace(-2, 1.3, 600)[:, None]
    labels = torch.where(torch.rand(600) < 0.5, answers[0].argmax(-1), torch.randint(20, (600,)))
    ours = measure(answers, labels)
    for run, some in enumerate(answers):
        assert ours.loss[run].item() == pytest.approx(nn.functional.cross_entropy(some, labels).item(), rel=1e-12)
        assert torch.equal(ours.predicted[run], some.argmax(-1))
        right, top = (some.argmax(-1) == labels).numpy(), some.softmax(-1).amax(-1).numpy()
        assert ours.n_correct[run] == right.sum()
        bins = [(top > k / 15) & (top <= (k + 1) / 15) for k in range(15)]
        ece = sum(own.mean() * abs(right[own].mean() - top[own].mean()) for own in bins)
        assert ours.ece[run].item() == pytest.approx(ece, rel=1e-9)


@pytest.mark.parametrize(
    ("top", "right", "ece"),
    [
        ([0.9, 0.9, 0.6, 0.6], [1, 0, 1, 1], (0.8 + 0.8) / 4),  # |1 - 1.8| in one bin, |2 - 1.2| in another
        ([0.94, 0.93], [1, 0], (0.06 + 0.93) / 2),  # 14/15 parts the last two bins
        ([0.06, 0.07], [1, 0], (0.94 + 0.07) / 2),  # 1/15 the first two
    ],
)
def test_calibration_error_by_hand(top: list[float], right: list[int], ece: float) -> None:
    """Class 0 has the top probability, nineteen others the rest in equal parts."""
    p = torch.tensor(top, dtype=torch.float64)[:, None]
    answers = torch.cat([p, (1 - p).expand(-1, 19) / 19], 1).log()[None]
    assert measure(answers, 1 - torch.tensor(right)).ece.item() == pytest.approx(ece, rel=1e-12)


def test_a_network_that_answers_nan_is_never_right_and_its_neighbour_is_as_before() -> None:
    answers = torch.eye(3)[None].repeat(2, 1, 1)
    answers[1, :, 1] = float("nan")
    found = measure(answers, torch.tensor([0, 1, 2]))
    assert found.n_correct.tolist() == [3, 0]
    assert found.predicted.tolist() == [[0, 1, 2], [3, 3, 3]]
    assert found.loss.isnan().tolist() == found.ece.isnan().tolist() == [False, True]


# batch mates


def stream() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def streams() -> list[torch.Generator]:
    """Of both networks, the same draws."""
    return [stream(), stream()]


def of_both(drawn: Tensor) -> Tensor:
    """The batches of two networks, which are the same."""
    return torch.stack([drawn, drawn])


@pytest.mark.parametrize(("n", "k"), [(5, 2), (4, 4), (6, 1)])
def test_every_ordered_draw_without_replacement_is_equally_likely(n: int, k: int) -> None:
    """By chi square over all of them; at most 1 in 10^6 would be so far off."""
    drawn = metrics._distinct(n, 60_000, k, stream())
    counts = torch.unique(drawn, dim=0, return_counts=True)[1]
    assert len(counts) == math.perm(n, k)
    expected = 60_000 / len(counts)
    assert scipy_stats.chi2.sf(float(((counts - expected) ** 2 / expected).sum()), len(counts) - 1) > 1e-6


def test_each_network_has_its_own_draws(trained: Trained) -> None:
    """Two copies of a network: equal draws measure the same, other ones something else."""
    twins, _, _, images = trained
    networks = Networks.from_states([renamed(twins[0])] * 2)
    z = first_preactivation(networks, images)
    one, other = (
        swap_pairs(len(images), 8, 2, torch.arange(40), torch.Generator().manual_seed(seed)) for seed in (1, 2)
    )
    swapped = swap_sensitivity(networks, z, torch.stack([one, other]))
    assert swapped.mean[0] != swapped.mean[1]
    assert torch.equal(swap_sensitivity(networks, z, torch.stack([one, one])).mean, swapped.mean[[0, 0]])
    drawn = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    assert len({*composition_sensitivity(networks, z, 8, drawn, 4).within_image_share.tolist()}) == 2


@pytest.mark.parametrize(("size", "k"), [(8, 2), (8, 7), (64, 1), (2, 1)])
def test_a_swap_moves_the_batch_mean_by_theory(trained: Trained, size: int, k: int) -> None:
    """rms sqrt(2 k) / m standard deviations."""
    _, networks, train, _ = trained
    found = swap_sensitivity(
        networks,
        first_preactivation(networks, train),
        of_both(swap_pairs(len(train), size, k, torch.arange(len(train)), stream())),
    )
    assert found.mean.tolist() == pytest.approx([(2 * k) ** 0.5 / size] * 2, rel=0.03)


def test_a_swap_is_torchs_train_mode_on_two_batches(trained: Trained) -> None:
    """One image at a time; the mean moves by (1 / m) sum (x_a - x_b) exactly."""
    twins, networks, _, images = trained
    z, some, m, k = first_preactivation(networks, images), torch.tensor([3, 0, 359, 17, 17]), 6, 2
    found = swap_sensitivity(networks, z, of_both(swap_pairs(len(images), m, k, some, stream())))
    one, two = swap_pairs(len(images), m, k, some, stream())
    for run, twin in enumerate(deepcopy(twins)):
        twin.train()
        sd = twin[0](images).std(0)
        square = np.zeros((4, len(some)))
        for i, (a, b) in enumerate(zip(one, two, strict=True)):
            assert a[0] == b[0] == some[i]
            assert len(set(a.tolist())) == len(set(b.tolist())) == m
            gone, come = (torch.tensor(sorted(set(x.tolist()) - set(y.tolist()))) for x, y in ((a, b), (b, a)))
            assert len(gone) == len(come) == k
            moved = (twin[0](images[gone]) - twin[0](images[come])).sum(0) / m
            x_hat = [
                ((own := twin[0](images[rows])) - own.mean(0)) / (own.var(0, correction=0) + NORM_EPS).sqrt()
                for rows in (a, b)
            ]
            answers = [twin(images[rows])[0] for rows in (a, b)]
            square[0, i] = (moved / sd).square().mean()
            square[1, i] = (x_hat[0][0] - x_hat[1][0]).square().mean()
            square[2, i] = (answers[0] - answers[1]).square().mean()
            square[3, i] = answers[0].argmax() != answers[1].argmax()
        mean, value, logit, flips = square.mean(1)
        ours = [getattr(found, name)[run].item() for name in ("mean", "value", "logit", "flips")]
        assert ours == pytest.approx([mean**0.5, value**0.5, logit**0.5, flips], rel=1e-10)


@given(st.integers(1, 9), st.data())
@settings(max_examples=30)
def test_two_batches_share_the_image_and_all_mates_but_those_swapped(size: int, data: st.DataObject) -> None:
    """Of just enough images, so that each of them is in one of the two."""
    k = data.draw(st.integers(0, size - 1))
    n = size + k
    for one, two in zip(*swap_pairs(n, size, k, torch.arange(n), stream()).tolist(), strict=True):
        assert one[0] == two[0]
        assert len(set(one)) == len(set(two)) == size
        assert set(one) | set(two) == set(range(n))


def test_flips_between_two_batches_are_those_of_the_mode(trained: Trained) -> None:
    """By the test batch as many as the share says; by statistics from training none."""
    twins, networks, _, images = trained
    z, drawn = first_preactivation(networks, images), of_both(swap_pairs(360, 8, 4, torch.arange(200), stream()))
    shares = swap_sensitivity(networks, z, drawn).flips
    assert metrics.swap_flips(networks, z, drawn, BatchStatistics(8)).tolist() == (200 * shares).round().tolist()
    saved = FixedStatistics(stored_statistics([renamed(twin) for twin in twins], "running"))
    assert metrics.swap_flips(networks, z, drawn, saved).tolist() == [0, 0]


def test_no_swap_changes_nothing(trained: Trained) -> None:
    _, networks, _, images = trained
    found = swap_sensitivity(
        networks,
        first_preactivation(networks, images),
        of_both(swap_pairs(len(images), 8, 0, torch.arange(50), stream())),
    )
    for change in (found.mean, found.value, found.logit, found.flips):
        assert change.tolist() == [0, 0]


@pytest.mark.parametrize(("n", "size"), [(4, 2), (5, 3)])
def test_compositions_find_what_enumeration_finds(trained: Trained, n: int, size: int) -> None:
    """Every set of mates is equally likely, also in the last batch, which is filled up when n is no multiple."""
    _, networks, _, images = trained
    z = first_preactivation(networks, images[20 : 20 + n])
    answers = []  # (images, sets of mates, L, classes)
    for image in range(n):
        mates = combinations([other for other in range(n) if other != image], size - 1)
        answers.append(
            torch.stack([logits(networks, z[:, [image, *some]], BatchStatistics(size))[:, 0] for some in mates])
        )
    every = torch.stack(answers)
    within = every.var(1, correction=0).sum(-1).mean(0)
    between = every.mean(1).var(0).sum(-1)
    top = every.argmax(-1)
    found = composition_sensitivity(networks, z, size, streams(), n_compositions=1000)
    assert found.any_flip.tolist() == (top != top[:, :1]).any(1).double().mean(0).tolist()
    assert found.within_image_share.tolist() == pytest.approx((within / (within + between)).tolist(), rel=0.05)


def test_the_share_of_the_mates_is_that_of_a_one_way_analysis_of_variance(trained: Trained) -> None:
    """sigma^2 within = MSW, sigma^2 between = (MSB - MSW) / C, of four compositions that the same stream draws."""
    _, networks, _, images = trained
    z, again = first_preactivation(networks, images[:30]), streams()
    y = torch.stack([metrics._composed_logits(networks, z, 4, again) for _ in range(4)]).numpy()  # (C, L, n, classes)
    ms_within = ((y - y.mean(0)) ** 2).sum((0, 2)) / (30 * 3)
    ms_between = 4 * ((y.mean(0) - y.mean((0, 2))[:, None]) ** 2).sum(1) / 29
    within, between = ms_within.sum(-1), ((ms_between - ms_within) / 4).sum(-1)
    found = composition_sensitivity(networks, z, 4, streams(), n_compositions=4)
    assert found.within_image_share.tolist() == pytest.approx((within / (within + between)).tolist(), rel=1e-10)


def test_with_all_images_in_the_batch_nothing_comes_from_its_composition(trained: Trained) -> None:
    _, networks, _, images = trained
    z = first_preactivation(networks, images)
    whole, small = (composition_sensitivity(networks, z, size, streams()) for size in (len(images), 4))
    assert whole.any_flip.tolist() == [0, 0]
    assert whole.within_image_share.max() < 1e-20
    assert small.within_image_share.min() > 0.05
    assert small.any_flip.min() > 0.05


def test_mates_are_the_generators_alone_and_not_the_chunks(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    _, networks, _, images = trained
    z = first_preactivation(networks, images)

    def both() -> list[Tensor]:
        swapped = swap_sensitivity(networks, z, of_both(swap_pairs(len(images), 8, 2, torch.arange(40), stream())))
        composed = composition_sensitivity(networks, z, 7, streams(), 5)
        return [
            swapped.mean,
            swapped.value,
            swapped.logit,
            swapped.flips,
            composed.any_flip,
            composed.within_image_share,
        ]

    before, again = both(), both()
    monkeypatch.setattr(metrics, "CHUNK", 20)
    for a, b, chunked in zip(before, again, both(), strict=True):
        assert torch.equal(a, b)
        close(a, chunked, 1e-10)


# bad input


def spoilt(states: list[dict[str, Tensor]], name: str, tensor: Tensor | None) -> list[dict[str, Tensor]]:
    """The second state with ``name`` replaced, or dropped."""
    second = {key: value for key, value in states[1].items() if key != name}
    return [states[0], second if tensor is None else {**second, name: tensor}]


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (
            "linears.0.weight",
            torch.ones(24, 63),
            r"'linears.0.weight' is \(24, 64\) in network 0 and \(24, 63\) in network 1",
        ),
        ("linears.1.bias", None, r"network 1 has no 'linears.1.bias'"),
        ("norms.1.weight", None, r"network 1 has no 'norms.1.weight'"),
        ("linears.3.weight", torch.ones(5, 10), r"networks of one depth.*\[\(3, 2\), \(4, 2\)\]"),
        ("bn1.weight", torch.ones(24), r"network 1 holds 'bn1.weight'; names begin with linears.N. or norms.N."),
    ],
)
def test_networks_of_different_shapes_are_refused(
    trained: Trained, name: str, tensor: Tensor | None, message: str
) -> None:
    states = [renamed(twin) for twin in trained[0]]
    with pytest.raises(ValueError, match=message):
        Networks.from_states(spoilt(states, name, tensor))


def test_a_stack_needs_a_network_and_a_norm_in_each_hidden_layer_or_in_none(trained: Trained) -> None:
    state = renamed(trained[0][0])
    with pytest.raises(ValueError, match="at least one"):
        Networks.from_states([])
    with pytest.raises(ValueError, match="3 linears and 1 norms"):
        Networks.from_states([{name: tensor for name, tensor in state.items() if not name.startswith("norms.1")}])
    with pytest.raises(ValueError, match="0 linears and 0 norms"):
        Networks.from_states([{}])


def test_statistics_that_were_not_stored_are_refused(trained: Trained) -> None:
    states = [renamed(twin) for twin in trained[0]]
    with pytest.raises(ValueError, match=r"no 'norms.0.cumulative_last_mean', it has .*running_mean"):
        stored_statistics(states, "cumulative_last")
    plain = [{name: tensor for name, tensor in state.items() if "norms" not in name} for state in states]
    with pytest.raises(ValueError, match="'running' is asked of networks without batch norm"):
        stored_statistics(plain, "running")


def calls(networks: Networks, images: Tensor) -> dict[str, Callable[[], object]]:
    """What is refused, by the words of the refusal."""
    z = first_preactivation(networks, images)
    source = population(networks, chunks(networks, images))
    plain = Networks(networks.linears, [])
    return {
        "mode NoneType for networks with 2 norms": lambda: logits(networks, z, None),
        "mode BatchStatistics for networks with 0 norms": lambda: logits(plain, z, BatchStatistics(8)),
        "size is 0": lambda: logits(networks, z, BatchStatistics(0)),
        "n_pseudo is -1": lambda: logits(networks, z, Blend(source, 8, -1)),
        "n_pseudo is nan": lambda: logits(networks, z, Blend(source, 8, float("nan"))),
        "no images": lambda: population(networks, list),
        "no batches": lambda: precise(networks, [], 8),
        "a part holds 60 images": lambda: precise(networks, preactivation_batches(networks, images)(300), 100),
        "batches of 1": lambda: precise(networks, preactivation_batches(networks, images)(1), 1),
        "0 images in batches of 3": lambda: flags(0, 3),
        "2 images in batches of 0": lambda: flags(2, 0),
        "one label an image": lambda: measure(z, torch.zeros(3, dtype=torch.long)),
        "8 mates swapped in batches of 8": lambda: swap_pairs(len(images), 8, 8, torch.arange(3), stream()),
        "2 mates swapped in batches of 359 from 360": lambda: swap_pairs(
            len(images), 359, 2, torch.arange(3), stream()
        ),
        r"images are \[-1\]; rows from 0 to 359": lambda: swap_pairs(len(images), 8, 2, torch.tensor([-1]), stream()),
        r"images are \[\]": lambda: swap_pairs(len(images), 8, 2, torch.arange(0), stream()),
        "compositions of 360 images in 361s": lambda: composition_sensitivity(networks, z, 361, streams()),
        "1 compositions": lambda: composition_sensitivity(networks, z, 8, streams(), 1),
    }


def test_bad_calls_are_refused_in_the_callers_words(trained: Trained) -> None:
    _, networks, _, images = trained
    for message, call in calls(networks, images).items():
        with pytest.raises(ValueError, match=message):
            call()
