from pathlib import Path

import torch

from study.data import dataset


def test_digits_are_split_by_class_and_the_same_every_time(digits: dataset.Dataset) -> None:
    again = dataset.load_digits()
    assert torch.equal(digits.train.images, again.train.images)
    assert digits.sha256 == again.sha256
    assert (len(digits.train.labels), len(digits.test.labels)) == (1437, 360)
    shares = [split.labels.bincount(minlength=10) / len(split.labels) for split in (digits.train, digits.test)]
    assert (shares[0] - shares[1]).abs().max() < 0.003


def test_digits_are_what_they_were_when_records_were_first_made(digits: dataset.Dataset) -> None:
    """Golden: another split in a later scikit-learn would be another data set."""
    assert digits.digest == GOLDEN


GOLDEN = "9261fb3337768da1c4b0cebc1d846267ff2a4f505d7ba2b76c838106dcd75b05"


def test_images_are_float32_in_the_unit_interval(digits: dataset.Dataset) -> None:
    for split in (digits.train, digits.test):
        assert split.images.dtype == torch.float32
        assert (split.images.min(), split.images.max()) == (0, 1)
        assert split.labels.dtype == torch.int64


def test_shared_data_are_the_data(digits: dataset.Dataset, tmp_path: Path) -> None:
    dataset.share(digits, tmp_path)
    shared = dataset.open_shared("digits", digits.sha256, tmp_path)
    assert shared.digest == digits.digest
    for ours, theirs in ((shared.train, digits.train), (shared.test, digits.test)):
        assert torch.equal(ours.images, theirs.images)
        assert torch.equal(ours.labels, theirs.labels)
