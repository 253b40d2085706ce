"""The inference modes of the networks of a cell. Oracles: torch.nn on images made by hand, and the records."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from study.data.dataset import Dataset, Split
from study.data.variants import scaling, variant
from study.engine import activations, reference
from study.engine.lockstep.training import train_together
from study.inference.corruptions import apply
from study.inference.evaluate import CLEAN_IMAGES, NO_NORM, EvalSetting, Group, further_settings
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.factors import Cell, Level
from study.spec.inference.conditions import Condition
from study.spec.runs import Run

RUNNING, POPULATION = EvalSetting("running"), EvalSetting("population")
SCALED: dict[str, Level] = {"scale": "standard", "n_train": 500, "label_noise": 0.2}
SIGMOID: dict[str, Level] = {"activation": "sigmoid", "width": 20}


class Trained:
    """Three networks of an arm, trained for one epoch in a cell."""

    def __init__(self, data: Dataset, arm: str, levels: dict[str, Level]):
        self.data, seeds, cell = data, (0, 1, 2), Cell(50, 0.01, **levels)
        vary = {key: (level,) for key, level in levels.items()}
        self.design = Design("digits", (arm,), (50,), (0.01,), seeds, epochs=1, vary=vary)
        (self.history,) = train_together(self.design, [Cohort((cell,), (arm,), seeds)], data)
        self.runs = [Run(cell, seed=seed, arm=arm) for seed in seeds]

    def group(self, which: Sequence[int] = (0, 1, 2)) -> Group:
        return Group(self.design, [self.runs[i] for i in which], [self.history.weights[i] for i in which], self.data)

    def network(self, i: int) -> reference.Network:
        network = reference.Network(self.design, self.runs[i])
        state = {k: torch.from_numpy(v) for k, v in self.history.weights[i].items() if "cumulative" not in k}
        network.load_state_dict(state, strict=False)
        return network


@pytest.mark.parametrize(("arm", "setting"), [("bn", RUNNING), ("no_bn", NO_NORM)])
@pytest.mark.parametrize("condition", [CLEAN_IMAGES, Condition("brightness", 3), Condition("shot_noise", 3)], ids=str)
def test_images_are_corrupted_first_and_then_scaled(
    condition: Condition, arm: str, setting: EvalSetting, digits: Dataset
) -> None:
    trained = Trained(digits, arm, SCALED)
    images, labels = apply(condition, digits.test.images, digits.test.labels)
    scaled = scaling(digits, trained.runs[0].cell)(images)
    rows = trained.group().setting_rows(condition, [setting])
    for i, row in enumerate(rows):
        loss, n_correct = reference.evaluate(trained.network(i), scaled, labels)
        assert row["loss"] == pytest.approx(loss, rel=1e-4)
        assert abs(row["n_correct"] - n_correct) <= 1
        if condition == CLEAN_IMAGES:
            assert row["n_correct"] == trained.history.n_correct[i, -1, 1]


def test_population_statistics_are_those_of_the_cell_s_training_images(digits: Dataset) -> None:
    trained = Trained(digits, "bn", SCALED)
    (mean, var), *_ = trained.group().statistics("population")
    train = variant(digits, trained.runs[0].cell).train.images
    assert len(train) == 500
    z = trained.network(1).linears[0](train).double()
    torch.testing.assert_close(mean[1, 0], z.mean(0).detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(var[1, 0], z.var(0, correction=0).detach(), rtol=1e-5, atol=1e-6)


def test_a_sigmoid_s_bits_do_not_depend_on_the_networks_beside_it(digits: Dataset) -> None:
    """353 images of 20 units are no whole vectors."""
    test = Split(digits.test.images[:353], digits.test.labels[:353])
    trained = Trained(replace(digits, test=test), "bn", SIGMOID)
    settings = [RUNNING, POPULATION, *further_settings(2)[:10]]
    together = trained.group().setting_rows(CLEAN_IMAGES, settings)
    for i, run in enumerate(trained.runs):
        alone = trained.group([i]).setting_rows(CLEAN_IMAGES, settings)
        assert alone == [row for row in together if row["run_id"] == trained.design.run_id(run)]


def test_a_sigmoid_by_row_is_that_of_torch_and_its_rows_are_alone() -> None:
    z = 3 * torch.randn(50, 37, 20, generator=torch.Generator().manual_seed(0))
    by_row = activations.SIGMOID.by_row(z)
    torch.testing.assert_close(by_row, torch.sigmoid(z))
    assert all(torch.equal(activations.SIGMOID.by_row(one[None])[0], own) for one, own in zip(z, by_row, strict=True))
    plain = torch.sigmoid(z)
    assert not all(torch.equal(torch.sigmoid(one), own) for one, own in zip(z, plain, strict=True))  # why it is done
