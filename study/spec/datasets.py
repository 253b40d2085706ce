"""The data sets that a study can train on, each a value: its shape, known before it is loaded, and its source.

A data set of a user's own is such a value too, which ``study.data.own_file`` makes of a file of arrays.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from study.errors import UsageError, describe_value, truncate
from study.spec.checks import nearest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a data set of one's own may be called: its name is that of its study's folder too."""
MAX_ROWS, MAX_FEATURES, MAX_CLASSES = 20_000_000, 2**20, 1000
MAX_CLASS_NAME, MAX_NAME = 100, 200
"""Characters of the name of a class, and of that of a data set of one's own."""
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Torchvision:
    """Files that a class of ``torchvision.datasets`` downloads, in the idx format of MNIST.

    ``sha256`` is None where nobody publishes digests of the uncompressed files; then the archives that
    torchvision keeps beside them are checked instead, by torchvision's own md5.
    """

    class_name: str
    sha256: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Cifar:
    """Files that a class of ``torchvision.datasets`` downloads, in the format of CIFAR-10: one archive of pickles, each
    with an md5 of torchvision's own."""

    class_name: str
    folder: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Bundled:
    """Arrays that come with scikit-learn, by the name of their loader: they need no network."""

    loader: str = "digits"


@dataclass(frozen=True)
class Tied:
    """The images of another data set, those of the upper half of the classes ("cats") with a grey background, in
    training and at test: an attribute that gives away the group of the class."""

    base: str
    """Key of the other data set."""
    background: float
    """What a black pixel becomes, 0 to 1; ``study.data.backgrounds`` has the formula."""


@dataclass(frozen=True)
class OwnFile:
    """A file of arrays that a user has."""

    sha256: str
    path: Path | None = field(default=None, compare=False)
    """Where it lies, as far as that is known: a manifest does not say it."""


@dataclass(frozen=True)
class DatasetSpec:
    """A data set: features flattened, labels 0 to n_classes - 1."""

    key: str
    """Name in options and manifests."""
    name: str
    """Name in sentences."""
    n_train: int
    n_test: int
    n_features: int
    n_classes: int
    source: Torchvision | Cifar | Bundled | Tied | OwnFile
    image: tuple[int, ...] | None = None
    """Channels, height and width of an image; None of a table."""
    counts: tuple[int, ...] | None = None
    """Test examples by class, where the classes are not of equal size; None also of MNIST's kin, which nearly are."""
    classes: tuple[str, ...] | None = None
    """Names of the classes, where they have others than their numbers."""
    unit_interval: bool = True
    """Whether the values of an image lie in [0, 1], as those who change images take for granted."""

    @property
    def chance(self) -> float:
        """The accuracy of guessing: one class in all, or the share of the largest."""
        return max(self.counts) / sum(self.counts) if self.counts else 1 / self.n_classes

    @property
    def first_cat(self) -> int:
        """The first class of the upper half, which has one class less where their number is odd."""
        return (self.n_classes + 1) // 2

    @property
    def folder(self) -> str:
        """The name of a study's folder that has no other name."""
        return self.key.rpartition(":")[2]

    @property
    def has_pictures(self) -> bool:
        """Whether its examples can be blurred, rotated and so on."""
        return self.image is not None and self.unit_interval

    @property
    def noun(self) -> str:
        """What a sentence calls one of it."""
        return "image" if self.image else "example"

    def to_dict(self) -> dict[str, Any]:
        """Return a user's own data set as JSON values."""
        assert isinstance(self.source, OwnFile), "other data sets are known by their keys"
        values = {name: getattr(self, name) for name in OWN_FIELDS if name != "sha256"} | {"sha256": self.source.sha256}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return a user's own data set from a manifest; a UsageError where it is none."""
        if not isinstance(values, Mapping) or {*values} != {*OWN_FIELDS}:
            raise UsageError(
                f"this is not a design: own_data is {describe_value(values)}; give an object with"
                f" {', '.join(OWN_FIELDS)}"
            )
        listed: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        wrong = next((name for name, holds in _OWN_RULES.items() if not holds(listed)), None)
        if wrong is not None:
            raise UsageError(f"this is not a design: own_data has {describe_value(values[wrong])} as {wrong}")
        return cls(source=OwnFile(listed.pop("sha256")), **listed)


OWN_FIELDS = (
    "key", "name", "n_train", "n_test", "n_features", "n_classes", "image", "counts", "classes", "unit_interval",
    "sha256",
)  # fmt: skip


def _is_size(most: int, least: int = 1) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _is_text(most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and 0 < len(value) <= most and value.isprintable()


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and bool(pattern.fullmatch(value))


def _are(value: Any, holds: Callable[[Any], bool], n: int) -> bool:
    return isinstance(value, tuple) and len(value) == n and all(map(holds, value))


def _is_image(image: Any, n_features: int) -> bool:
    return image is None or (_are(image, _is_size(MAX_FEATURES), 3) and math.prod(image) == n_features)


def _are_counts(counts: Any, n_classes: int, n_test: int) -> bool:
    return counts is None or (_are(counts, _is_size(MAX_ROWS, 0), n_classes) and sum(counts) == n_test)


def _are_names(names: Any, n_classes: int) -> bool:
    return names is None or (_are(names, _is_text(MAX_CLASS_NAME), n_classes) and len({*names}) == n_classes)


_OWN_RULES: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "key": lambda v: _matches(NAME)(v["key"]),
    "name": lambda v: _is_text(MAX_NAME)(v["name"]),
    "n_train": lambda v: _is_size(MAX_ROWS)(v["n_train"]),
    "n_test": lambda v: _is_size(MAX_ROWS)(v["n_test"]),
    "n_features": lambda v: _is_size(MAX_FEATURES)(v["n_features"]),
    "n_classes": lambda v: _is_size(MAX_CLASSES, 2)(v["n_classes"]),
    "image": lambda v: _is_image(v["image"], v["n_features"]),
    "counts": lambda v: _are_counts(v["counts"], v["n_classes"], v["n_test"]),
    "classes": lambda v: _are_names(v["classes"], v["n_classes"]),
    "unit_interval": lambda v: type(v["unit_interval"]) is bool,
    "sha256": lambda v: _matches(SHA256)(v["sha256"]),
}
"""What must hold of each field of OWN_FIELDS, in their order: a later one may ask for what an earlier one is."""

MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

CIFAR = Cifar(
    "CIFAR10", "cifar-10-batches-py", (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta")
)
GREY = (1, 28, 28)
"""Shape of an image of MNIST's format."""
SKLEARN = "sklearn:"
"""What the key of a table that comes with scikit-learn begins with."""
AUTO = "auto"
"""PREFERRED where it is present or can be downloaded, else FALLBACK."""
PREFERRED, FALLBACK = "mnist", "digits"
_PLAIN = (
    DatasetSpec("mnist", "MNIST", 60_000, 10_000, 784, 10, Torchvision("MNIST", MNIST_SHA256), GREY),
    DatasetSpec("fashion-mnist", "Fashion-MNIST", 60_000, 10_000, 784, 10, Torchvision("FashionMNIST"), GREY),
    DatasetSpec("kmnist", "Kuzushiji-MNIST", 60_000, 10_000, 784, 10, Torchvision("KMNIST"), GREY),
    DatasetSpec("digits", "scikit-learn's digits", 1_437, 360, 64, 10, Bundled(), (1, 8, 8)),
    DatasetSpec("cifar10", "CIFAR-10", 50_000, 10_000, 3072, 10, CIFAR, (3, 32, 32)),
    DatasetSpec(
        f"{SKLEARN}breast_cancer", "breast cancer", 455, 114, 30, 2, Bundled("breast_cancer"),
        counts=(42, 72), classes=("malignant", "benign"),
    ),
    DatasetSpec(
        f"{SKLEARN}wine", "wine", 142, 36, 13, 3, Bundled("wine"),
        counts=(12, 14, 10), classes=("class_0", "class_1", "class_2"),
    ),
    DatasetSpec(
        f"{SKLEARN}iris", "iris", 120, 30, 4, 3, Bundled("iris"), classes=("setosa", "versicolor", "virginica")
    ),
)  # fmt: skip
TIED = {"cats": 0.1, "cats-weak": 0.03}
"""Backgrounds tied to the class group, by what is put behind the key of the images' own data set."""


def _tied(key: str, name: str) -> list[DatasetSpec]:
    (base,) = (spec for spec in _PLAIN if spec.key == key)
    return [
        replace(base, key=f"{key}-{suffix}", name=f"{name}-{suffix}", source=Tied(key, background))
        for suffix, background in TIED.items()
    ]


DATASETS = {spec.key: spec for spec in (*_PLAIN, *_tied(PREFERRED, "MNIST"), *_tied(FALLBACK, "digits"))}
"""Known data sets by key."""

NPZ = ".npz"
MAKE_OWN = 'np.savez("mine.npz", X_train=..., y_train=..., X_test=..., y_test=...)'
"""The line that makes a file of one's own."""
BRING_OWN = f"for data of your own, save {MAKE_OWN} and give --dataset mine.npz"


def first_choice(dataset: str) -> str:
    """Return the data set that is tried first where ``dataset`` may be ``AUTO``."""
    return PREFERRED if dataset == AUTO else dataset


def is_file(dataset: str) -> bool:
    """Whether ``--dataset`` names a file: what is none of the known names and looks like a path."""
    return dataset not in DATASETS and ("." in dataset or "/" in dataset or "\\" in dataset)


def check_dataset(dataset: Any, *others: str) -> None:
    """Refuse what is neither a key of DATASETS nor one of ``others``, and say how to bring data of one's own."""
    names = [*others, *DATASETS]
    if not isinstance(dataset, str) or dataset not in names:
        near = nearest(dataset, names) if isinstance(dataset, str) else None
        hint = f" (did you mean {near}?)" if near else ""
        shown = repr(truncate(dataset)) if isinstance(dataset, str) else describe_value(dataset)
        raise UsageError(f"--dataset {shown} is unknown{hint}; choose from: {', '.join(names)}; {BRING_OWN}")


def key_of_file(path: Path) -> str:
    """Return the key of a data set of one's own: the stem of its file, as far as a folder can have that name.

    >>> key_of_file(Path("my data/credit risk.npz")), key_of_file(Path("mnist.npz"))
    ('credit_risk', 'own-mnist')
    """
    key = re.sub(r"[^A-Za-z0-9._-]", "_", path.stem).lstrip("._-")[:90] or "data"
    return f"own-{key}" if key in {spec.folder for spec in DATASETS.values()} else key
