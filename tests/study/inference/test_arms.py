"""Networks of every arm predict as torch.nn does, and those that keep statistics under every inference mode."""

import numpy as np
import pytest
import torch

from study.data.dataset import Dataset
from study.engine import reference
from study.engine.lockstep import training
from study.inference import modes
from study.inference.evaluate import CLEAN_IMAGES, NO_NORM, Group
from study.spec.arms import ARMS, BUILT_IN, Arm, register
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.norms import CUMULATIVE, Norm

OWN = (
    Arm("plain_after_", norm=Norm("batch", None, "after", gamma=False, beta=False, bias=False, momentum=CUMULATIVE)),
    Arm("plain_layer_", norm=Norm("layer", None, "after", gamma=False, beta=False, bias=False)),
    Arm("groups_", norm=Norm("group", 4, gamma=False)),
)
CELL = Cell(32, 0.01, activation="tanh")


@pytest.fixture(scope="module", params=[*BUILT_IN, *OWN], ids=lambda arm: arm.key)
def group(request: pytest.FixtureRequest, digits: Dataset) -> tuple[Group, np.ndarray]:
    """Two networks of an arm, and how many test images their records say that they know."""
    design = Design("digits", (request.param,), (32,), (0.01,), (0, 1), 1, (20, 12), vary={"activation": ("tanh",)})
    cohort = Cohort((CELL,), (request.param.key,), design.seeds)
    history = training.train(design, cohort, digits)
    return Group(design, cohort.runs, history.weights, digits), history.n_correct[:, -1, 1]


@pytest.fixture(autouse=True)
def known() -> None:
    register(OWN)


def twin(group: Group, index: int) -> reference.Network:
    network = reference.Network(group.design, group.runs[index]).eval()
    missing = network.load_state_dict(group.networks.states[index], strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return network


def test_as_they_predict_they_know_the_images_that_the_records_say(group: tuple[Group, np.ndarray]) -> None:
    evaluated, n_correct = group
    rows = evaluated.way_rows(CLEAN_IMAGES)
    name = "running" if evaluated.kept else "none"
    assert [row["n_correct"] for row in rows if row["inference"] == name] == n_correct.tolist()
    assert len({row["inference"] for row in rows}) == (6 if evaluated.kept else 1)


def predict(evaluated: Group, images: torch.Tensor, mode: modes.Mode | None) -> torch.Tensor:
    return evaluated.networks.logits(evaluated.networks.inputs(images), mode)


def test_an_arm_without_statistics_predicts_as_torch_does(group: tuple[Group, np.ndarray], digits: Dataset) -> None:
    evaluated, _ = group
    if not evaluated.kept:
        ours = predict(evaluated, digits.test.images, evaluated._mode(NO_NORM, evaluated._clean))
        for i in range(2):
            close(ours[i], twin(evaluated, i)(digits.test.images))


def test_statistics_are_used_as_torchs_layers_use_them(group: tuple[Group, np.ndarray], digits: Dataset) -> None:
    """Logits of torch.nn with the statistics put into it; those of the population are those of what its norms see."""
    evaluated, _ = group
    for name in (*evaluated.kept, "population", "precise")[: None if evaluated.kept else 0]:
        chosen = evaluated.statistics(name)
        ours = predict(evaluated, digits.test.images, modes.FixedStatistics(chosen))
        for i in range(2):
            network, seen = twin(evaluated, i), []
            for norm, (mean, var) in zip(network.norms, chosen, strict=True):
                norm.running_mean, norm.running_var = mean[i, 0].float(), var[i, 0].float()
                norm.register_forward_hook(lambda norm, inputs, y, seen=seen: seen.append(inputs[0]))
            close(ours[i], network(digits.test.images))
            if name == "population":
                seen.clear()
                network(digits.train.images)
                for (mean, var), z in zip(chosen, seen, strict=True):
                    close(mean[i, 0].float(), z.mean(0))
                    close(var[i, 0].float(), z.var(0, correction=0))


def test_test_batches_are_normalised_as_torch_does_while_training(
    group: tuple[Group, np.ndarray], digits: Dataset
) -> None:
    evaluated, _ = group
    if (norm := ARMS[evaluated.runs[0].arm].norm) is not None and norm.kind == "batch":
        ours = predict(evaluated, digits.test.images, modes.BatchStatistics(60))
        for i in range(2):
            network = twin(evaluated, i)
            network.norms.train()
            close(ours[i], torch.cat([network(batch) for batch in digits.test.images.split(60)]))


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-4, atol=1e-4)
