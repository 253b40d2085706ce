"""Data sets as values: chance, names, and a user's own in a manifest that anybody may have written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from study.errors import UsageError
from study.spec.commands import STUDY_ID
from study.spec.datasets import (
    DATASETS,
    OWN_FIELDS,
    DatasetSpec,
    OwnFile,
    check_dataset,
    is_file,
    key_of_file,
)
from study.spec.design import Design
from study.spec.inference.conditions import CONDITIONS, conditions_of

OWN = DatasetSpec(
    "credit", "credit", 60, 20, 3, 2, OwnFile("0" * 64), counts=(3, 17), classes=("no", "yes"), unit_interval=False
)


def test_guessing_scores_the_share_of_the_largest_class() -> None:
    assert OWN.chance == 0.85
    assert DATASETS["sklearn:breast_cancer"].chance == 72 / 114
    assert {DATASETS[key].chance for key in ("mnist", "fashion-mnist", "kmnist", "digits", "cifar10")} == {0.1}
    assert DATASETS["sklearn:iris"].chance == 1 / 3


def test_every_data_set_names_a_folder() -> None:
    folders = [spec.folder for spec in DATASETS.values()]
    assert all(map(STUDY_ID.fullmatch, folders))
    assert len({*folders}) == len(folders)


@pytest.mark.parametrize(
    ("path", "key"),
    [("a/credit.npz", "credit"), ("x y.z.npz", "x_y.z"), (".npz.npz", "npz"), ("üü.npz", "data"),
     ("mnist.npz", "own-mnist"), ("wine.npz", "own-wine"), ("n" * 300 + ".npz", "n" * 90), ("-a.npz", "a")],
)  # fmt: skip
def test_the_key_of_a_file_can_be_a_folder_and_is_no_known_one(path: str, key: str) -> None:
    assert key_of_file(Path(path)) == key
    assert STUDY_ID.fullmatch(key)


def test_a_known_name_is_never_a_file() -> None:
    assert [is_file(name) for name in (*DATASETS, "auto", "mine.npz", "a/b", "mine.csv")] == [
        *[False] * (len(DATASETS) + 1), True, True, True
    ]  # fmt: skip


def test_an_unknown_name_is_told_how_to_bring_data_of_one_s_own() -> None:
    with pytest.raises(UsageError) as refused:
        check_dataset("cifar", "auto")
    assert str(refused.value) == (
        "--dataset 'cifar' is unknown (did you mean cifar10?); choose from: auto, mnist, fashion-mnist, kmnist, digits,"
        " cifar10, sklearn:breast_cancer, sklearn:wine, sklearn:iris, mnist-cats, mnist-cats-weak, digits-cats,"
        " digits-cats-weak; for data of your own, save"
        ' np.savez("mine.npz", X_train=..., y_train=..., X_test=..., y_test=...) and give --dataset mine.npz'
    )


def test_own_data_are_in_the_design_and_in_its_manifest() -> None:
    design = Design("credit", batch_sizes=(8,), own_data=OWN)
    assert Design.from_dict(design.to_dict()) == design
    assert "own_data" not in Design("digits").to_dict()
    other = replace(OWN, source=OwnFile("1" * 64))
    assert design.run_id(design.runs[0]) != replace(design, own_data=other).run_id(design.runs[0])
    with pytest.raises(UsageError, match=r"credit \(000000000000\).*credit \(111111111111\)"):
        replace(design, own_data=other).check_extends(design)


def test_where_a_file_lies_is_no_part_of_what_it_is() -> None:
    moved = replace(OWN, source=OwnFile("0" * 64, Path("elsewhere/credit.npz")))
    assert moved == OWN
    assert moved.to_dict() == OWN.to_dict()
    assert "elsewhere" not in str(moved.to_dict())


WRONG: list[tuple[str, Any]] = [
    ("key", "../up"), ("key", 3), ("key", ""), ("key", "a" * 101), ("name", "a\nb"), ("name", None),
    ("name", "n" * 201),
    ("n_train", 0), ("n_train", 60.0), ("n_train", True), ("n_test", 10**9), ("n_features", -3), ("n_features", 10**7),
    ("n_classes", 1), ("n_classes", 10**6), ("n_classes", "2"), ("image", [1, 1, 2]), ("image", [3]), ("image", "abc"),
    ("image", [1, 3, True]), ("counts", [3, 3]), ("counts", [17]), ("counts", [-1, 21]), ("counts", {"a": 1}),
    ("classes", ["a", "a"]), ("classes", ["a"]), ("classes", ["a", "\x1b[2J"]), ("classes", ["a", "b" * 101]),
    ("classes", [1, 2]), ("unit_interval", 1), ("sha256", "0" * 63), ("sha256", "G" * 64), ("sha256", None),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), WRONG, ids=range(len(WRONG)))
def test_own_data_that_cannot_be_are_refused_by_the_field(field: str, value: Any) -> None:
    assert DatasetSpec.from_dict(OWN.to_dict()) == OWN
    with pytest.raises(UsageError, match=rf"^this is not a design: own_data has .* as {field}$"):
        DatasetSpec.from_dict(OWN.to_dict() | {field: value})


@pytest.mark.parametrize("values", [None, [], "x", {}, {**OWN.to_dict(), "more": 1}])
def test_own_data_of_other_fields_are_refused(values: Any) -> None:
    with pytest.raises(UsageError, match=f"give an object with {', '.join(OWN_FIELDS)}"):
        DatasetSpec.from_dict(values)


def test_corruptions_are_of_pictures_and_class_mixes_of_any_data() -> None:
    mixes = ["clean", "long_tail", "five_classes", "one_class", "first_half", "second_half"]
    assert [condition.name for condition in conditions_of(DATASETS["sklearn:wine"])] == mixes
    assert [condition.name for condition in conditions_of(OWN)] == [name for name in mixes if name != "five_classes"]
    for key in ("mnist", "digits", "cifar10"):
        assert conditions_of(DATASETS[key]) == CONDITIONS
    standardised = replace(DATASETS["mnist"], unit_interval=False)
    assert [condition.name for condition in conditions_of(standardised)] == mixes
