"""The data of a cell. Oracles: sklearn's StandardScaler, and counts by hand."""

import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from study.data import variants
from study.data.dataset import Dataset, Split
from study.data.variants import scaling, stratified_order, unscaled, variant
from study.spec.factors import MAX_VARIANTS, Cell

UNEQUAL = torch.tensor([0] * 700 + [1] * 250 + [2] * 50)


def cell(**levels: float | str) -> Cell:
    return Cell(32, 0.01, **levels)


def rows_in(part: Tensor, whole: Tensor) -> list[int]:
    """The rows of ``whole`` that ``part`` has, in its order."""
    places = {row.numpy().tobytes(): i for i, row in enumerate(whole)}
    return [places[row.numpy().tobytes()] for row in part]


# --- which images


def test_a_cell_without_data_of_its_own_has_the_data_set_itself(digits: Dataset) -> None:
    assert variant(digits, cell()) is digits
    assert variant(digits, cell(n_train=1437, depth=5, optimizer="sgd")) is digits
    assert unscaled(digits, cell(scale="standard")) is digits


@pytest.mark.parametrize("n", [1, 7, 100, 333, 999])
def test_every_beginning_has_the_classes_in_their_shares(n: int) -> None:
    counts = torch.bincount(UNEQUAL[stratified_order(UNEQUAL)[:n]], minlength=3)
    assert counts.sum() == n
    assert (counts - n * torch.tensor([0.7, 0.25, 0.05])).abs().max() < 1


def test_the_order_is_a_draw_and_stays_what_it_is(digits: Dataset) -> None:
    order = stratified_order(UNEQUAL)
    assert sorted(order.tolist()) == list(range(1000))
    assert stratified_order(torch.zeros(1000, dtype=torch.int64)).tolist() != list(range(1000))  # of the file
    assert stratified_order(digits.train.labels)[:4].tolist() == GOLDEN_ROWS


GOLDEN_ROWS = [1369, 465, 779, 348]


def test_fewer_images_are_among_more_in_the_order_of_the_file_with_their_labels(digits: Dataset) -> None:
    few, more = (variant(digits, cell(n_train=n)).train for n in (100, 700))
    chosen, wider = (rows_in(part.images, digits.train.images) for part in (few, more))
    assert chosen == sorted(chosen)
    assert {*chosen} < {*wider}
    assert torch.equal(few.labels, digits.train.labels[chosen])
    assert variant(digits, cell(n_train=100)).test is digits.test


# --- which labels


@pytest.mark.parametrize(("n_train", "share", "wrong"), [(0, 0.2, 287), (0, 0.5, 718), (1000, 0.2, 200), (7, 0.1, 1)])
def test_the_share_of_training_labels_is_wrong_and_no_test_label_is(
    n_train: int, share: float, wrong: int, digits: Dataset
) -> None:
    clean, noisy = (variant(digits, cell(n_train=n_train, label_noise=x)) for x in (0.0, share))
    assert int((clean.train.labels != noisy.train.labels).sum()) == wrong
    assert torch.equal(clean.train.images, noisy.train.images)
    assert torch.equal(digits.test.labels, noisy.test.labels)
    assert 0 <= int(noisy.train.labels.min()) <= int(noisy.train.labels.max()) <= 9


def test_a_label_that_is_wrong_at_a_share_is_as_wrong_at_a_larger_one(digits: Dataset) -> None:
    some, more = (variant(digits, cell(label_noise=x)).train.labels for x in (0.1, 0.6))
    wrong = some != digits.train.labels
    assert torch.equal(more[wrong], some[wrong])


def test_each_other_class_is_as_likely() -> None:
    """Of 45,000 wrong labels some 5,000 are of each other class; sd 67."""
    labels = torch.zeros(50_000, dtype=torch.int64)
    labels[-1] = 9  # the classes are those of the training labels
    data = Dataset("made up", Split(torch.zeros(50_000, 1), labels), Split(torch.zeros(1, 1), labels[:1]), {})
    counts = torch.bincount(variant(data, cell(label_noise=0.9)).train.labels, minlength=10)
    assert counts[0] == pytest.approx(5000, abs=1)
    assert (counts[1:] - 5000).abs().max() < 5 * 67


# --- at which scale


def test_features_are_scaled_by_the_training_images_as_sklearn_does(digits: Dataset) -> None:
    scaled = variant(digits, cell(scale="standard", n_train=500))
    raw = variant(digits, cell(n_train=500))
    oracle = StandardScaler().fit(raw.train.images.double().numpy())
    varying = torch.from_numpy(oracle.var_ > 0)
    assert int(varying.sum()) == 59
    for ours, theirs in ((scaled.train, raw.train), (scaled.test, raw.test)):
        expected = torch.from_numpy(oracle.transform(theirs.images.double().numpy()))
        torch.testing.assert_close(ours.images[:, varying].double(), expected[:, varying], rtol=1e-6, atol=1e-6)
        assert not ours.images[:, ~varying].any()
        assert torch.equal(ours.labels, theirs.labels)
        assert ours.images.dtype == torch.float32


def test_other_images_are_scaled_alike(digits: Dataset) -> None:
    scaled = variant(digits, cell(scale="standard"))
    assert torch.equal(scaling(digits, cell(scale="standard"))(digits.test.images), scaled.test.images)
    assert scaling(digits, cell())(digits.test.images) is digits.test.images


def test_a_feature_that_is_constant_in_training_is_zero_in_the_test_whatever_it_is_there() -> None:
    train, test = torch.tensor([[0.1, 1], [0.1, 2]]), torch.tensor([[5.0, 3.0]])
    labels = torch.tensor([0, 1])
    data = Dataset("made up", Split(train, labels), Split(test, labels[:1]), {})
    assert variant(data, cell(scale="standard")).test.images.tolist() == [[0, 3]]


# --- kept


def test_a_variant_is_made_once_and_few_are_kept(digits: Dataset) -> None:
    own = Dataset(digits.name, digits.train, digits.test, digits.sha256)
    first = variant(own, cell(n_train=100))
    assert variant(own, cell(n_train=100, depth=5)) is first
    for n in range(101, 101 + MAX_VARIANTS):
        variant(own, cell(n_train=n))
    assert len(own.variants) == MAX_VARIANTS
    assert variant(own, cell(n_train=100)) is not first


def test_a_step_that_is_left_out_is_seen(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Dataset(digits.name, digits.train, digits.test, digits.sha256)
    monkeypatch.setitem(variants.STEPS, "label_noise", lambda data, made, cell: made)
    with pytest.raises(AssertionError):
        test_the_share_of_training_labels_is_wrong_and_no_test_label_is(0, 0.2, 287, own)
