"""A network of one's own in the inference modes. Oracles: the modes of a stack, and torch's layers in train mode."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

import study
from study.data.dataset import Dataset, Split
from study.engine.lockstep.training import train, train_together
from study.engine.plain.training import Training
from study.inference import metrics
from study.inference.evaluate import Group
from study.inference.modes import BatchStatistics, Blend, FixedStatistics, MeanOnly, OneLayer, VarOnly
from study.inference.own import OwnNetwork, expected_shapes, loaded
from study.spec.design import Design
from study.spec.inference.modes import DETAILS, Evaluation
from study.spec.runs import Run
from tests.study.networks_of_ours import CNN, MLP, write
from tests.study.values import cohort_of

RUN = Run(32, 0.01, seed=0, arm="bn")
GRID = {"batch_sizes": (32,), "lrs": (0.01,), "seeds": (0,), "epochs": 1}


@pytest.fixture(scope="module")
def images(digits: Dataset) -> Dataset:
    """353 test images, so that batches of 8 and 32 leave one over."""
    test = Split(digits.test.images[:353], digits.test.labels[:353])
    return replace(digits, train=Split(digits.train.images[:700], digits.train.labels[:700]), test=test)


def own_design(folder: Path, text: str, **changed: Any) -> Design:
    return Design("digits", **GRID, network=study.network(write(folder, text), "digits"), **changed)  # type: ignore[arg-type]


def trained_state(design: Design, data: Dataset) -> dict[str, Tensor]:
    cohort = cohort_of(32, ("bn",), (0.01,), (0,))
    (history,) = train_together(design, [cohort], data, make=Training)
    return {name: torch.from_numpy(value) for name, value in history.weights[0].items()}


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory, images: Dataset) -> tuple[Design, dict[str, Tensor]]:
    design = own_design(tmp_path_factory.mktemp("cnn"), CNN)
    return design, trained_state(design, images)


@pytest.fixture
def predictor(cnn: tuple[Design, dict[str, Tensor]], images: Dataset) -> OwnNetwork:
    return OwnNetwork(cnn[0], RUN, cnn[1], images)


def in_batches_of(cnn: tuple[Design, dict[str, Tensor]], data: Dataset, size: int) -> Tensor:
    """Logits of the test images by torch's layers in train mode, batch by batch."""
    network = loaded(cnn[0], RUN, cnn[1]).train()
    with torch.no_grad():
        return torch.cat([network(some.view(-1, 1, 8, 8)) for some in data.test.images.split(size)])


@pytest.mark.parametrize("evaluation", [Evaluation("ablation"), *DETAILS], ids=str)
@torch.no_grad()
def test_its_numbers_are_those_of_the_stack_on_the_same_perceptron(
    evaluation: Evaluation, tmp_path: Path, images: Dataset
) -> None:
    design = Design("digits", **GRID, hidden=(20, 12))  # type: ignore[arg-type]
    (weights,) = train(design, cohort_of(32, ("bn",), (0.01,), (0,)), images).weights
    own = own_design(tmp_path, MLP)
    stacked, ours = (Group(d, [RUN], [weights], images).rows(evaluation) for d in (design, own))
    n = 0
    for expected, row in zip(stacked, ours, strict=True):
        n += 1
        assert expected.keys() == row.keys()
        for key in expected.keys() - {"run_id", "pair_id"}:
            close = (
                pytest.approx(expected[key], rel=1e-4, abs=1e-6) if isinstance(expected[key], float) else expected[key]
            )
            assert row[key] == close, (key, expected)
    assert n in (11, 52, 8, 2)


@pytest.mark.parametrize("size", [2, 8, 32, 353])
@torch.no_grad()
def test_a_batch_of_images_is_normalised_as_in_training(
    size: int, cnn: tuple[Design, dict[str, Tensor]], predictor: OwnNetwork, images: Dataset
) -> None:
    logits = predictor.logits(predictor.inputs(images.test.images), BatchStatistics(size))
    assert logits.shape == (1, 353, 10)
    assert torch.allclose(logits[0], in_batches_of(cnn, images, size), atol=2e-4)


@torch.no_grad()
def test_running_is_eval_mode_and_blends_lie_between(
    cnn: tuple[Design, dict[str, Tensor]], predictor: OwnNetwork, images: Dataset
) -> None:
    network, z = loaded(*cnn[:1], RUN, cnn[1]).eval(), predictor.inputs(images.test.images)
    running = predictor.statistics("running", iter)
    saved, batch = predictor.logits(z, FixedStatistics(running)), predictor.logits(z, BatchStatistics(8))
    assert torch.allclose(saved[0], network(images.test.images.view(-1, 1, 8, 8)), atol=1e-4)
    assert torch.allclose(predictor.logits(z, None), saved, atol=1e-4)
    assert torch.allclose(predictor.logits(z, Blend(running, 8, 0)), batch, atol=1e-5)
    assert torch.allclose(predictor.logits(z, Blend(running, 8, float("inf"))), saved, atol=1e-4)
    first = OneLayer(0, BatchStatistics(8), FixedStatistics(running))
    second = OneLayer(1, BatchStatistics(8), FixedStatistics(running))
    others = [MeanOnly(running, 8), VarOnly(running, 8), first, second, Blend(running, 8, 16)]
    found = [saved, batch, *(predictor.logits(z, mode) for mode in others)]
    assert all((a - b).abs().max() > 1e-3 for i, a in enumerate(found) for b in found[:i])


@torch.no_grad()
def test_a_blend_counts_images_and_not_their_pixels(predictor: OwnNetwork, images: Dataset) -> None:
    """N pseudo-images beside a batch of m: the moments of layer 0 have the weight N / (N + m)."""
    z = predictor.inputs(images.test.images[:8])
    running = predictor.statistics("running", iter)
    h = predictor._input_of(0, z)
    mean, var = h.mean((0, 2, 3)), h.var((0, 2, 3), correction=0)
    half = [(0.5 * (m[0, 0] + a), 0.5 * (v[0, 0] + b)) for (m, v), a, b in zip(running[:1], [mean], [var], strict=True)]
    by_hand = [(m[None, None], v[None, None]) for m, v in half] + [*running[1:]]
    only_first = OneLayer(0, Blend(running, 8, 8), FixedStatistics(running))
    assert torch.allclose(predictor.logits(z, only_first), predictor.logits(z, FixedStatistics(by_hand)), atol=1e-4)


@torch.no_grad()
def test_population_is_one_batch_of_all_and_precise_is_update_bn(
    cnn: tuple[Design, dict[str, Tensor]], images: Dataset
) -> None:
    same = replace(images, train=images.test)
    predictor = OwnNetwork(cnn[0], RUN, cnn[1], same)
    z = predictor.inputs(images.test.images)
    exact = predictor.logits(z, FixedStatistics(predictor.statistics("population", iter)))
    assert torch.allclose(exact, predictor.logits(z, BatchStatistics(353)), atol=1e-4)
    network = loaded(cnn[0], RUN, cnn[1])
    whole = images.test.images[:352].view(-1, 1, 8, 8)
    update_bn(whole.split(32), network)
    for (mean, var), layer in zip(predictor.statistics("precise", iter), (network[1], network[5]), strict=True):  # type: ignore[index]
        assert torch.allclose(mean[0, 0].float(), layer.running_mean, atol=1e-5)
        assert torch.allclose(var[0, 0].float(), layer.running_var, rtol=1e-4)


@torch.no_grad()
def test_a_layers_own_eps_counts(tmp_path: Path, images: Dataset) -> None:
    text = CNN.replace("norm_layer(arm, 4, ndim=2)", "nn.BatchNorm2d(4, eps=0.5) if arm.norm else nn.Identity()")
    design = own_design(tmp_path, text)
    state = trained_state(design, images)
    predictor = OwnNetwork(design, RUN, state, images)
    logits = predictor.logits(predictor.inputs(images.test.images), BatchStatistics(32))
    assert torch.allclose(logits[0], in_batches_of((design, state), images, 32), atol=1e-4)


@torch.no_grad()
def test_swapped_companions_move_the_batch_mean_by_the_law(predictor: OwnNetwork, images: Dataset) -> None:
    """sqrt(2 k) / m standard deviations of an image's mean over its pixels, whatever the layer."""
    z = predictor.inputs(images.test.images)
    stream = torch.Generator().manual_seed(0)
    drawn = metrics.swap_pairs(353, 8, 2, torch.arange(353).repeat(3), stream)[None]
    found = metrics.swap_sensitivity(predictor, z, drawn)
    assert found.mean.item() == pytest.approx(np.sqrt(4) / 8, rel=0.05)
    assert found.logit > 0
    assert metrics.swap_flips(predictor, z, drawn, FixedStatistics(predictor.statistics("running", iter))).item() == 0


@torch.no_grad()
def test_an_image_alone_has_the_variance_of_its_pixels(
    cnn: tuple[Design, dict[str, Tensor]], predictor: OwnNetwork, tmp_path: Path, images: Dataset
) -> None:
    assert predictor.one_has_variance
    rows = Group(cnn[0], [RUN], [{n: t.numpy() for n, t in cnn[1].items()}], images).way_rows(
        study_condition(), further=True
    )
    alone = [row for row in rows if row["eval_batch_size"] == 1 and row["inference"] == "batch"]
    assert alone
    assert not any(row["degenerate"] for row in alone)
    design = own_design(tmp_path, MLP)
    assert not OwnNetwork(design, RUN, trained_state(design, images), images).one_has_variance


def study_condition() -> Any:
    from study.inference.evaluate import CLEAN_IMAGES

    return CLEAN_IMAGES


def test_what_is_kept_of_a_network_has_the_expected_shapes(cnn: tuple[Design, dict[str, Tensor]]) -> None:
    assert expected_shapes(cnn[0], RUN) == {name: tuple(tensor.shape) for name, tensor in cnn[1].items()}
    assert "1.cumulative_last_mean" in cnn[1]
    assert expected_shapes(Design("digits"), RUN) is None


def test_a_layer_that_is_given_back_is_as_it_was(predictor: OwnNetwork, images: Dataset) -> None:
    z = predictor.inputs(images.test.images)
    with pytest.raises(ZeroDivisionError), predictor._replaced(lambda *_: 1 // 0):  # type: ignore[arg-type, return-value]
        predictor._forward(z)
    assert all("forward" not in vars(layer) for layer in predictor.layers)
    assert isinstance(predictor.layers[0], nn.BatchNorm2d)
