"""What is run for the ledger: ordinary studies, and probes of trained networks or of a training.

A ``Study`` is a design, trained in a folder of its own, a ``Tuned`` one the outcome of a search; a ``Probe`` is a
measurement, a function of ``study/claims/probes/``. All are resumable. How many seeds they have says an ``Extent``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol, Self

from study.errors import UsageError, describe_value
from study.spec.datasets import DATASETS, DatasetSpec
from study.spec.design import MAX_SEEDS, Design, digest
from study.spec.factors import REFERENCE_GRID
from study.spec.inference.conditions import STRENGTHS


@dataclass(frozen=True)
class Extent:
    """How many seeds the experiments have."""

    name: str
    seeds: int
    """Seeds 0, 1, ... that all experiments share: the rows over them are one family."""
    runs: int
    """Seeds of the study at the tutorial's setting, for the prediction of one more run."""
    unpaired: int
    """Seeds with first weights of each arm's own."""
    best_epoch: int
    """Seeds of which the best epoch is chosen."""
    trials: int
    """Trials of each arm in the search for its rate."""
    splits: int
    """Splits of images by which two sets are told apart."""
    left_out: tuple[str, ...] = ()
    """Experiments that are not run: their rows are not asked."""

    def __post_init__(self) -> None:
        numbers = {field.name: getattr(self, field.name) for field in fields(self) if field.type in (int, "int")}
        for name, number in numbers.items():
            if type(number) is not int or not 1 <= number <= MAX_SEEDS:
                raise UsageError(f"{name} of a ledger's extent is {describe_value(number)}; give 1 to {MAX_SEEDS}")
        if self.runs < self.seeds:
            raise UsageError(f"an extent of {self.seeds} seeds has them among its runs, which are {self.runs}")
        wrong = next((name for name in self.left_out if name not in [*EXPERIMENTS]), None)
        if wrong is not None:
            raise UsageError(f"{describe_value(wrong)} is no experiment that could be left out")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"left_out": [*self.left_out]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the extent of a manifest; a UsageError where it is none."""
        known = {field.name for field in fields(cls)}
        if not isinstance(values, Mapping) or {*values} != known or not isinstance(values["left_out"], list):
            raise UsageError(f"the extent of a ledger is {describe_value(values)}; an object of {', '.join(known)}")
        if values["name"] not in [*EXTENTS]:
            raise UsageError(f"{describe_value(values['name'])} is no extent of a ledger; one of {', '.join(EXTENTS)}")
        return cls(**{**values, "left_out": tuple(values["left_out"])})


class Experiment(Protocol):
    """What is run for rows of the ledger."""

    @property
    def key(self) -> str: ...

    @property
    def about(self) -> str: ...

    def why_not(self, data: DatasetSpec) -> str | None:
        """Return why it cannot be run with a data set, None where it can."""
        ...

    def digest(self, data: DatasetSpec, extent: Extent) -> str:
        """Return the sha256 of what its numbers follow from, but for the bytes of the data."""
        ...


def _same(data: DatasetSpec) -> str:
    return data.key


@dataclass(frozen=True)
class Study:
    """A grid study; its seeds are 0 to ``n_seeds`` - 1."""

    key: str
    about: str
    fields: Mapping[str, Any]
    """What its design has beside the data set and the seeds."""
    n_seeds: Callable[[Extent], int] = lambda extent: extent.seeds
    data: Callable[[DatasetSpec], str] = _same
    """From the command's data set, the key of the study's."""
    evaluated: bool = False
    """Whether the networks of the shared seeds predict in all inference modes, and in the main ones under all
    corruptions."""

    def design(self, data: DatasetSpec, extent: Extent) -> Design:
        return Design(self.data(data), seeds=range(self.n_seeds(extent)), **self.fields)

    def why_not(self, data: DatasetSpec) -> str | None:
        return None if self.data(data) in DATASETS else f"{self.about} is not made of {data.name}"

    def digest(self, data: DatasetSpec, extent: Extent) -> str:
        return self.design(data, extent).digest


@dataclass(frozen=True)
class Tuned:
    """A search for each arm's rate with equal budgets, and fresh seeds of what it found."""

    key: str
    about: str
    space: str
    """The ranges, as ``study.tune --space`` takes them."""
    epochs: int
    trial_seeds: int = 3

    def why_not(self, data: DatasetSpec) -> str | None:
        return None

    def design(self, data: DatasetSpec, extent: Extent) -> Design:
        """Return the design of the fresh seeds, whose grid is the tutorial's setting."""
        return Design(data.key, seeds=range(extent.seeds), epochs=self.epochs, **GRID)

    def digest(self, data: DatasetSpec, extent: Extent) -> str:
        search = {"space": self.space, "trial_seeds": self.trial_seeds, "trials": extent.trials}
        return digest({"design": self.design(data, extent).to_dict(), **search})


Units = Callable[[DatasetSpec, Extent], Sequence[str]]
"""The names of a probe's units, which are measured and committed one by one."""


def once(data: DatasetSpec, extent: Extent) -> list[str]:
    return ["all"]


def each_seed(data: DatasetSpec, extent: Extent) -> list[str]:
    return [str(seed) for seed in range(extent.seeds)]


def each_arm(*arms: str) -> Units:
    """Return arms as units: the seeds of one are trained side by side."""
    return lambda data, extent: arms


def seeds_of_best_epoch(data: DatasetSpec, extent: Extent) -> list[str]:
    """Return groups of five seeds, such as ``0-4``."""
    return [f"{first}-{min(first + 5, extent.best_epoch) - 1}" for first in range(0, extent.best_epoch, 5)]


def corruptions(data: DatasetSpec, extent: Extent) -> list[str]:
    """Return the corruptions, each at all severities; none of what are no pictures."""
    return [*STRENGTHS] if data.has_pictures else []


def pairs_of_sets(data: DatasetSpec, extent: Extent) -> list[str]:
    """Return pairs of sets of images with their splits: ``halves-0``, ..., ``rotate_1-4``."""
    mild = [f"{name}_1" for name in corruptions(data, extent)]
    return [f"{pair}-{split}" for pair in (*PAIRS_OF_SETS, *mild) for split in range(extent.splits)]


PAIRS_OF_SETS = ("train-test", "halves", "random-training", "random-test")
"""Of images that nobody changed; others are test images and corrupted ones, at severity 1."""


@dataclass(frozen=True)
class Probe:
    """A measurement; its rows stand in ``measurements.parquet`` under its key."""

    key: str
    about: str
    units: Units
    of: tuple[str, ...] = ()
    """The studies whose networks it needs."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What its function is called with."""

    def why_not(self, data: DatasetSpec) -> str | None:
        return next((reason for name in self.of if (reason := STUDIES[name].why_not(data))), None)

    def digest(self, data: DatasetSpec, extent: Extent) -> str:
        of = {name: STUDIES[name].digest(data, extent) for name in self.of}
        return digest({"data": data.key, "settings": dict(self.settings), "of": of, "extent": extent.to_dict()})


GRID: Mapping[str, Any] = REFERENCE_GRID
TWO_EPOCHS = {"batch_sizes": (128,), "lrs": (0.01,), "epochs": 2}
"""The setting of depth, activation, gamma and beta."""
POST: Mapping[str, Any] = {**REFERENCE_GRID, "epochs": 10}
CATS: Mapping[str, Any] = {**REFERENCE_GRID, "epochs": 2, "arms": ("bn", "no_bn", "layer")}
DEPTHS, ALL = (2, 5, 10), ("relu", "tanh", "sigmoid")
STRONG, WEAK = "cats", "cats-weak"
"""What is put behind the key of a data set whose images have a background tied to their class group."""

STUDIES = {
    study.key: study
    for study in (
        Study("post", "the tutorial's setting", POST, lambda extent: extent.runs, evaluated=True),
        Study(
            "unpaired", "the tutorial's setting, first weights of each arm's own", {**POST, "unpaired_init": True},
            lambda extent: extent.unpaired,
        ),
        Study("batch-2", "batch size 2", {"batch_sizes": (2,), "lrs": (0.0001, 0.0003, 0.001, 0.003), "epochs": 1}),
        Study("cats", "a background tied to the class group", CATS, data=lambda data: f"{data.key}-{STRONG}"),
        Study("cats-weak", "a faint background tied to it", CATS, data=lambda data: f"{data.key}-{WEAK}"),
        Study(
            "depth", "depth by activation",
            {**TWO_EPOCHS, "arms": ("bn", "no_bn", "noisy"), "vary": {"depth": DEPTHS, "activation": ALL}},
        ),
        Study(
            "depth-kaiming", "depth with He's first weights",
            {**TWO_EPOCHS, "vary": {"depth": DEPTHS, "init": ("kaiming",)}},
        ),
        Study(
            "depth-xavier", "depth with Glorot's first weights",
            {**TWO_EPOCHS, "vary": {"depth": DEPTHS, "activation": ("tanh", "sigmoid"), "init": ("xavier",)}},
        ),
        Study(
            "affine", "gamma and beta by activation and depth",
            {
                **TWO_EPOCHS, "arms": ("bn", "bn_gamma", "bn_beta", "bn_no_affine"),
                "vary": {"depth": (2, 10), "activation": ALL},
            },
        ),
    )
}  # fmt: skip
TUNED = Tuned("tuned", "each arm at its own best rate", "lr=1e-4:1e-1,batch_size=32:32", POST["epochs"])


def _drift(key: str, activation: str, lr: float) -> Probe:
    about = f"drift, spread of batch means and gradient ICS by layer, {activation}, rate {lr:g}"
    return Probe(
        key,
        about,
        each_arm("no_bn", "bn", "noisy"),
        settings={"activation": activation, "lr": lr, "steps": 600, "n_points": 8},
    )


PROBES = {
    probe.key: probe
    for probe in (
        Probe("formulas", "the formulas of the tutorial against float64", once),
        Probe("repeat", "a run trained again", once),
        Probe("row-reversal", "the rows of every batch reversed", each_seed, settings={"steps": 60}),
        Probe("two-sample", "classifiers that tell two sets of images apart", pairs_of_sets),
        Probe("shift-size", "how far corruptions shift the first layer", corruptions, of=("post",)),
        Probe("single-image", "an image alone and in a batch", each_seed, of=("post",)),
        Probe("cats-answers", "answers under other backgrounds", each_seed, of=("cats",), settings={"study": "cats"}),
        Probe(
            "cats-weak-answers",
            "answers under other backgrounds",
            each_seed,
            of=("cats-weak",),
            settings={"study": "cats-weak"},
        ),
        Probe("speed", "test accuracy every 100 steps of an epoch", each_arm("bn", "no_bn"), settings={"every": 100}),
        _drift("drift-relu", "relu", 0.01),
        _drift("drift-relu-slow", "relu", 0.001),
        _drift("drift-tanh", "tanh", 0.003),
        Probe("best-epoch", "accuracy on held-out and test images by epoch", seeds_of_best_epoch),
    )
}
EXPERIMENTS: Mapping[str, Experiment] = {**STUDIES, TUNED.key: TUNED, **PROBES}
"""All experiments by key, in the order in which they are run."""

FULL = Extent("full", seeds=10, runs=100, unpaired=30, best_epoch=40, trials=16, splits=5)
LEFT_OUT = ("depth-xavier", "affine", "drift-relu-slow")
QUICK = Extent("quick", seeds=6, runs=20, unpaired=10, best_epoch=10, trials=4, splits=1, left_out=LEFT_OUT)
EXTENTS = {extent.name: extent for extent in (FULL, QUICK)}
