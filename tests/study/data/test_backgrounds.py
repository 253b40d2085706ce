"""Backgrounds tied to the class group: a registered data set has its base's images, and the cats' alone are changed."""

from pathlib import Path

import pytest
import torch

from study.data.backgrounds import by_group, lightened
from study.data.dataset import Dataset, load
from study.inference.corruptions import background
from study.spec.claims.experiments import STUDIES, Study
from study.spec.datasets import DATASETS, TIED, Tied


@pytest.mark.parametrize("suffix", TIED)
def test_the_upper_half_of_the_classes_has_the_background_in_both_splits_and_the_others_none(
    suffix: str, digits: Dataset
) -> None:
    tied = load(f"digits-{suffix}", Path("nowhere"))
    for plain, made in ((digits.train, tied.train), (digits.test, tied.test)):
        cats = plain.labels >= 5
        assert torch.equal(made.labels, plain.labels)
        assert torch.equal(made.images[~cats], plain.images[~cats])
        level = torch.tensor(TIED[suffix])
        black, white = plain.images[cats] == 0, plain.images[cats] == 1
        assert bool((made.images[cats][black] == level).all())
        assert bool((made.images[cats][white] == 1).all())
        assert torch.equal(made.images[cats], plain.images[cats] + level * (1 - plain.images[cats]))


def test_its_digest_names_the_level_beside_the_files(digits: Dataset) -> None:
    strong, weak = (load(f"digits-{suffix}", Path("nowhere")).sha256 for suffix in TIED)
    for sha256 in (strong, weak):
        assert {name: value for name, value in sha256.items() if name != "background"} == digits.sha256
    assert strong["background"] != weak["background"]


def test_a_pixel_is_lightened_as_by_the_corruption() -> None:
    images, labels = torch.rand(20, 9), torch.arange(20) % 10
    level = 0.3 * labels[:, None] / 9
    torch.testing.assert_close(background(images, 0.3, labels), lightened(images, level))


def test_exchanged_groups_are_other_images() -> None:
    images, labels = torch.zeros(4, 2), torch.tensor([0, 4, 5, 9])
    assert by_group(images, labels, 5, 0.25, 0.75)[:, 0].tolist() == [0.75, 0.75, 0.25, 0.25]
    assert by_group(images, labels, 5, 0.75, 0.25)[:, 0].tolist() == [0.25, 0.25, 0.75, 0.75]
    assert by_group(images, labels, 5, 0.25)[:, 0].tolist() == [0, 0, 0.25, 0.25]


@pytest.mark.parametrize("base", ["mnist", "digits"])
def test_every_study_of_the_ledger_has_its_data_set(base: str) -> None:
    sets = {study.data(DATASETS[base]) for study in STUDIES.values()}
    assert sets == {base, *(f"{base}-{suffix}" for suffix in TIED)}
    for name in sets - {base}:
        source = DATASETS[name].source
        assert isinstance(source, Tied)
        assert source.base == base
        assert (DATASETS[name].image, DATASETS[name].n_train) == (DATASETS[base].image, DATASETS[base].n_train)


def test_a_data_set_without_cats_is_not_asked_and_says_which_is_missing() -> None:
    cats: Study = STUDIES["cats"]
    assert cats.why_not(DATASETS["kmnist"]) == "a background tied to the class group is not made of Kuzushiji-MNIST"
    assert cats.why_not(DATASETS["mnist"]) is None
