"""Changes of test sets that are no MNIST: colour, any shape, any number of classes. Oracle: a channel by itself."""

import pytest
import torch

from study.inference.corruptions import Form, apply, corrupt, select_rows
from study.spec.datasets import DATASETS
from study.spec.inference.conditions import CONDITIONS, STRENGTHS, Condition, conditions_of

CORRUPTED = [condition for condition in CONDITIONS if condition.name in STRENGTHS and condition.severity == 3]
BY_CHANNEL = [c for c in CORRUPTED if "noise" not in c.name and c.name != "contrast"]


def pictures(n: int, *shape: int) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("condition", BY_CHANNEL, ids=lambda c: c.name)
def test_a_colour_image_is_changed_channel_by_channel(condition: Condition) -> None:
    images, labels = pictures(5, 3, 12, 12), torch.arange(5)
    whole = corrupt(condition, images.flatten(1), labels, form=Form(10, (3, 12, 12))).reshape(5, 3, 12, 12)
    for channel in range(3):
        alone = corrupt(condition, images[:, channel].flatten(1), labels)
        assert torch.equal(whole[:, channel].flatten(1), alone)
    assert not torch.equal(whole, images)


@pytest.mark.parametrize("condition", CORRUPTED, ids=lambda c: c.name)
def test_images_of_any_shape_stay_images(condition: Condition) -> None:
    form = Form(3, (2, 9, 14))
    changed = corrupt(condition, pictures(6, 2, 9, 14).flatten(1), torch.arange(6) % 3, form=form)
    assert changed.shape == (6, 252)
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_a_wide_image_moves_by_the_same_share_of_either_side() -> None:
    """3 pixels of 28 in 14 x 28 pixels: 1.5 of the height, 3 of the width."""
    spot = torch.zeros(1, 1, 14, 28, dtype=torch.float64)
    spot[0, 0, 4, 10] = 1
    form = Form(10, (1, 14, 28))
    moved = corrupt(Condition("translate", 3), spot.flatten(1), torch.zeros(1, dtype=int), form=form).reshape(14, 28)
    assert moved[5:7, 13].tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(("n_classes", "half"), [(2, 1), (3, 2), (10, 5), (12, 6)])
def test_class_mixes_are_of_however_many_classes(n_classes: int, half: int) -> None:
    labels = torch.arange(n_classes).repeat(100)
    rows = {name: labels[select_rows(Condition(name), labels, n_classes)] for name in ("five_classes", "one_class")}
    assert rows["five_classes"].unique().tolist() == [*range(half)]
    assert rows["one_class"].unique().tolist() == [0]
    sizes = labels[select_rows(Condition("long_tail"), labels, n_classes)].bincount()
    assert (sizes[0], sizes[-1]) == (100, 1)
    assert (sizes.diff() <= 0).all()


def test_the_brightest_background_is_behind_the_last_class() -> None:
    images, labels = torch.zeros(4, 6), torch.arange(4)
    lit = corrupt(Condition("background", 5), images, labels, form=Form(4, (1, 2, 3)))
    assert lit[:, 0].tolist() == pytest.approx([0, 0.2, 0.4, 0.6])


def test_a_table_is_selected_from_and_never_changed() -> None:
    spec = DATASETS["sklearn:wine"]
    rows, labels = torch.randn(30, 13), torch.arange(30) % 3
    for condition in conditions_of(spec):
        changed, classes = apply(condition, rows, labels, Form.of(spec))
        kept = select_rows(condition, labels, 3)
        assert torch.equal(changed, rows[kept])
        assert torch.equal(classes, labels[kept])


def test_a_label_beyond_the_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="label 3: choose one of 0 to 2"):
        select_rows(Condition("one_class"), torch.arange(4), 3)
