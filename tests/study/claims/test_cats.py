"""The cat protocol: the variants are what their names say, and the figure has its images."""

from pathlib import Path

import pytest
import torch

from study.claims import cats
from study.claims.pictures import TRAINING, Picture, pictures
from study.data.dataset import Dataset, load
from study.spec.claims.experiments import FULL
from study.spec.claims.fixed import Fixed
from study.spec.datasets import DATASETS, TIED

DIGITS = DATASETS["digits"]
LEVELS = {
    "same": (0, 1), "absent": (0, 0), "half": (0, 0.5), "brighter": (0, 3), "everywhere": (1, 1), "swapped": (1, 0),
}  # fmt: skip
"""Of dogs and of cats, in levels of training."""


@pytest.mark.parametrize("suffix", TIED)
@pytest.mark.parametrize("condition", cats.VARIANTS)
def test_a_black_pixel_of_a_dog_and_of_a_cat_becomes_its_level(condition: str, suffix: str) -> None:
    black, labels = torch.zeros(2, 4), torch.tensor([4, 5])
    found = cats.under(condition, black, labels, cats.trained_on(suffix, DIGITS))
    torch.testing.assert_close(found[:, 0], TIED[suffix] * torch.tensor(LEVELS[condition], dtype=torch.float32))


def test_the_same_background_is_that_of_the_registered_test_images_to_the_bit(digits: Dataset) -> None:
    for suffix in TIED:
        tied, found = cats.trained_on(suffix, DIGITS), load(f"digits-{suffix}", Path("nowhere")).test
        assert torch.equal(cats.under("same", digits.test.images, digits.test.labels, tied), found.images)
    absent = cats.under("absent", digits.test.images, digits.test.labels, tied)
    assert torch.equal(absent, digits.test.images)


@pytest.fixture(scope="module")
def shown(digits: Dataset) -> list[Picture]:
    return pictures(DIGITS, digits)


def test_three_dogs_and_three_cats_are_shown_under_every_condition(shown: list[Picture]) -> None:
    assert [*dict.fromkeys(one.condition for one in shown)] == [TRAINING, *cats.VARIANTS]
    for condition in (TRAINING, *cats.VARIANTS):
        labels = [one.label for one in shown if one.condition == condition]
        assert [label >= 5 for label in labels] == [False] * 3 + [True] * 3
        assert len({*labels}) == 6


def test_a_picture_is_the_image_of_its_index(shown: list[Picture], digits: Dataset) -> None:
    for one in shown:
        split = digits.train if one.condition == TRAINING else digits.test
        assert split.labels[one.index] == one.label
        plain = split.images[one.index]
        dog, cat = LEVELS["same" if one.condition == TRAINING else one.condition]
        level = 0.1 * (cat if one.label >= 5 else dog)
        torch.testing.assert_close(torch.tensor(one.pixels), plain + level * (1 - plain))


def test_the_indices_of_the_test_images_are_the_same_under_every_variant(shown: list[Picture]) -> None:
    rows = {tuple(one.index for one in shown if one.condition == condition) for condition in cats.VARIANTS}
    assert len(rows) == 1


def test_a_ledger_of_a_data_set_without_cats_asks_for_no_pictures() -> None:
    fixed = Fixed.begin(DATASETS["kmnist"], FULL, 0.05)
    assert not {"cats", "cats-weak", "cats-answers", "cats-weak-answers"} & {*fixed.experiments}
    assert "cats" in Fixed.begin(DIGITS, FULL, 0.05).experiments
