"""The plain loop: the reference's steps behind the engines' contract, the same bits whatever trains beside a run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import study
from study.data.dataset import Dataset, Split
from study.engine import random_streams, reference
from study.engine.lockstep import training as lockstep
from study.engine.plain import loading
from study.engine.plain.training import Training
from study.spec.arms import ARMS
from study.spec.design import Design
from study.spec.history import History
from study.spec.runs import Run
from tests.study.networks_of_ours import CNN, HEAD, MLP, write
from tests.study.values import cohort_of

DESIGN = Design("digits", batch_sizes=(64,), lrs=(0.01, 0.1), seeds=(0, 1), epochs=2, hidden=(20, 12))
OWN = replace(DESIGN, hidden=(32, 32))


def trained(
    design: Design, data: Dataset, arms: Sequence[str] = ("bn", "no_bn"), lrs: Sequence[float] = (0.01, 0.1),
    seeds: Sequence[int] = (0, 1),
) -> dict[Run, tuple[History, int]]:  # fmt: skip
    cohort = cohort_of(64, arms, lrs, seeds)
    (history,) = lockstep.train_together(design, [cohort], data, make=Training)
    return {run: (history, i) for i, run in enumerate(cohort.runs)}


def bits(history: History, i: int) -> list[bytes]:
    arrays = [history.loss, history.n_correct, history.finite, history.test_correct]
    return [*(array[i].tobytes() for array in arrays), *(w.tobytes() for w in history.weights[i].values())]


def test_it_is_the_reference_on_the_perceptron(digits64: Dataset) -> None:
    for run, (history, i) in trained(DESIGN, digits64).items():
        *_, (network, _) = reference.train(DESIGN, run, digits64)
        loss, n_correct = reference.evaluate(network, digits64.test.images, digits64.test.labels)
        assert history.loss[i, -1, 1] == pytest.approx(loss, rel=1e-12)
        assert history.n_correct[i, -1, 1] == n_correct == history.test_correct[i].sum()
        for name, tensor in network.state_dict().items():
            if "num_batches" not in name:
                assert np.array_equal(history.weights[i][name], tensor.float().numpy()), name


def test_it_tells_of_the_perceptron_what_the_stacked_engine_tells(digits64: Dataset) -> None:
    """Losses, answers, and the averages that batch norm layers keep beside the running ones."""
    cohort = cohort_of(64, ("bn", "no_bn"), (0.01,), (0, 1))
    ours = next(iter(trained(DESIGN, digits64, lrs=(0.01,)).values()))[0]
    theirs = lockstep.train(DESIGN, cohort, digits64)
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-6)
    assert np.abs(ours.n_correct - theirs.n_correct).max() <= 1
    assert (ours.n_steps, ours.finite.tolist()) == (theirs.n_steps, theirs.finite.tolist())
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        assert {name: value.shape for name, value in mine.items()} == {name: v.shape for name, v in other.items()}
        for name in mine:
            if "cumulative" in name:
                assert mine[name] == pytest.approx(other[name], rel=1e-4, abs=1e-5), name


def test_averages_are_those_of_torch_without_momentum(tmp_path: Path, digits: Dataset) -> None:
    """``momentum=None`` is the plain average of batch means and unbiased variances over the whole training."""
    text = CNN.replace("norm_layer(arm, 6, ndim=2)", "nn.BatchNorm2d(6, momentum=None) if arm.norm else nn.Identity()")
    own = replace(OWN, network=study.network(write(tmp_path, text), "digits"))
    history, i = next(iter(trained(own, digits, arms=("bn",)).values()))
    for what in ("mean", "var"):
        kept, torchs = history.weights[i][f"5.cumulative_all_{what}"], history.weights[i][f"5.running_{what}"]
        assert kept == pytest.approx(torchs, rel=1e-4, abs=1e-6)
        assert not np.allclose(kept, history.weights[i][f"5.cumulative_last_{what}"])


@pytest.mark.parametrize("network", ["images", "dropout"])
def test_a_run_has_the_same_bits_alone_and_in_company(network: str, tmp_path: Path, digits: Dataset) -> None:
    text = CNN if network == "images" else CNN.replace("nn.MaxPool2d(2),", "nn.MaxPool2d(2), nn.Dropout(0.2),")
    own = replace(OWN, network=study.network(write(tmp_path, text), "digits"))
    few = replace(digits, train=Split(digits.train.images[:300], digits.train.labels[:300]))
    together = trained(own, few)
    torch.rand(7)  # what others draw does not matter
    for arms, lrs, seeds in ((("bn",), (0.1,), (1,)), (("no_bn", "bn"), (0.01,), (0,))):
        for run, alone in trained(own, few, arms, lrs, seeds).items():
            assert bits(*alone) == bits(*together[run]), run


def test_a_run_is_a_plain_loop_over_images_in_the_seeds_order(tmp_path: Path, digits: Dataset) -> None:
    """Written again by hand."""
    spec = study.network(write(tmp_path, CNN), "digits")
    own, run = replace(OWN, network=spec), Run(64, 0.01, seed=1, arm="bn")
    network = loading.make(spec, ARMS["bn"], 1, own.data)
    adam = torch.optim.Adam(network.parameters(), lr=0.01)
    images, labels = digits.train.images.view(-1, 1, 8, 8), digits.train.labels
    for epoch in (1, 2):
        order = random_streams.image_order(1, epoch, len(labels))
        for step in range(len(labels) // 64):
            rows = order[64 * step : 64 * step + 64]
            loss = torch.nn.functional.cross_entropy(network(images[rows]), labels[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
    history, i = trained(own, digits, ("bn",), (0.01,), (1,))[run]
    for name, tensor in network.state_dict().items():
        assert "num_batches" in name or np.array_equal(history.weights[i][name], tensor.numpy())
    network.eval()
    answers = network(digits.test.images.view(-1, 1, 8, 8)).argmax(-1)
    assert history.test_correct[i].tolist() == (answers == digits.test.labels).tolist()


def test_what_diverges_is_told_and_answers_nothing(tmp_path: Path, digits: Dataset) -> None:
    spec = study.network(write(tmp_path, CNN), "digits")
    history, i = next(iter(trained(replace(OWN, network=spec), digits, ("no_bn",), (1e30,), (0,)).values()))
    assert history.first_bad_epoch[i] == 1
    assert not history.finite[i, -1]
    assert history.test_correct[i].sum() == 0


def test_what_is_frozen_stays(tmp_path: Path, digits: Dataset) -> None:
    text = HEAD + "def make():\n    net = nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))\n"
    text += "    net[0].requires_grad_(False)\n    return net\n"
    spec = study.network(write(tmp_path, text), "digits", arms=("no_bn",))
    assert spec.of("no_bn").n_parameters == 90
    history, i = next(iter(trained(replace(OWN, arms=("no_bn",), network=spec), digits, ("no_bn",)).values()))
    begun = loading.make(spec, ARMS["no_bn"], 0, OWN.data).state_dict()
    assert np.array_equal(history.weights[i]["0.weight"], begun["0.weight"].numpy())
    assert not np.array_equal(history.weights[i]["2.weight"], begun["2.weight"].numpy())


@pytest.mark.parametrize("own", [False, True], ids=["perceptron", "of one's own"])
def test_what_varies_with_a_seed_and_between_arms_is_as_asked(own: bool, tmp_path: Path, digits: Dataset) -> None:
    some = replace(digits, train=Split(digits.train.images[:192], digits.train.labels[:192]))
    network = study.network(write(tmp_path, MLP), "digits") if own else None

    def losses(**asked: object) -> dict[tuple[str, int], np.ndarray]:
        design = replace(OWN, network=network, epochs=1, **asked)  # type: ignore[arg-type]
        return {(r.arm, r.seed): h.loss[i, :, 0] for r, (h, i) in trained(design, some, lrs=(0.01,)).items()}

    both, weights, order = losses(), losses(seed_of="weights"), losses(seed_of="order")
    for arm in ("bn", "no_bn"):
        assert weights[arm, 0].tolist() == order[arm, 0].tolist() == both[arm, 0].tolist()
        assert weights[arm, 1][0] == both[arm, 1][0] != weights[arm, 0][0]
        assert weights[arm, 1][1] != both[arm, 1][1]
        assert order[arm, 1][0] == order[arm, 0][0]
        assert order[arm, 1][1] != order[arm, 0][1]
    unpaired = losses(unpaired_init=True)
    assert unpaired["no_bn", 1].tolist() == both["no_bn", 1].tolist()
    assert unpaired["bn", 1][0] != both["bn", 1][0]
