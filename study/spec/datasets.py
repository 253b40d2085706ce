"""The data sets that a study can train on, each a value: its shape, known before it is loaded, and its source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from study.errors import UsageError, describe_value


@dataclass(frozen=True)
class Torchvision:
    """Files that a class of ``torchvision.datasets`` downloads, in the idx format of MNIST.

    ``sha256`` is None where nobody publishes digests of the uncompressed files; then the archives that
    torchvision keeps beside them are checked instead, by torchvision's own md5.
    """

    class_name: str
    sha256: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Bundled:
    """Arrays that come with scikit-learn: they need no network."""


@dataclass(frozen=True)
class OwnFile:
    """A file of arrays that a user has."""


@dataclass(frozen=True)
class DatasetSpec:
    """A data set: images flattened, labels 0 to n_classes - 1."""

    key: str
    """Name in options and manifests."""
    name: str
    """Name in sentences."""
    n_train: int
    n_test: int
    n_features: int
    n_classes: int
    source: Torchvision | Bundled | OwnFile
    image: tuple[int, ...] | None = None
    """Channels, height and width of an image; None of a table."""
    counts: tuple[int, ...] | None = None
    """Test examples by class, where the classes are not of equal size."""
    classes: tuple[str, ...] | None = None
    """Names of the classes, where they have others than their numbers."""

    @property
    def chance(self) -> float:
        """The accuracy of guessing: one class in all, or the share of the largest."""
        return max(self.counts) / sum(self.counts) if self.counts else 1 / self.n_classes

    def to_dict(self) -> dict[str, Any]:
        """Return a user's own data set as JSON values."""
        values = {name: getattr(self, name) for name in OWN_FIELDS}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return a user's own data set from a manifest; a UsageError where it is none."""
        if not isinstance(values, Mapping) or {*values} != {*OWN_FIELDS}:
            raise UsageError(
                f"this is not a design: own_data is {describe_value(values)}; give an object with"
                f" {', '.join(OWN_FIELDS)}"
            )
        listed = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return cls(source=OwnFile(), **listed)


OWN_FIELDS = ("key", "name", "n_train", "n_test", "n_features", "n_classes", "image", "counts", "classes")
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

GREY = (1, 28, 28)
"""Shape of an image of MNIST's format."""
DATASETS = {
    spec.key: spec
    for spec in (
        DatasetSpec("mnist", "MNIST", 60_000, 10_000, 784, 10, Torchvision("MNIST", MNIST_SHA256), GREY),
        DatasetSpec(
            "fashion-mnist", "Fashion-MNIST", 60_000, 10_000, 784, 10, Torchvision("FashionMNIST"), (1, 28, 28)
        ),
        DatasetSpec("kmnist", "Kuzushiji-MNIST", 60_000, 10_000, 784, 10, Torchvision("KMNIST"), GREY),
        DatasetSpec("digits", "scikit-learn's digits", 1_437, 360, 64, 10, Bundled(), (1, 8, 8)),
    )
}
"""Known data sets by key."""

AUTO = "auto"
"""PREFERRED where it is present or can be downloaded, else FALLBACK."""
PREFERRED, FALLBACK = "mnist", "digits"


def first_choice(dataset: str) -> str:
    """Return the data set that is tried first where ``dataset`` may be ``AUTO``."""
    return PREFERRED if dataset == AUTO else dataset
