"""What is trained: the frozen design of a study, its runs, and what may be changed later.

Knows no torch and no files. A design is a full grid: arms x batch sizes x learning rates x seeds, on
one data set with one network; a tuned study adds one cell, in which every arm has a configuration of its
own. A study may later grow along the seeds, the batch sizes and the rates; anything else makes it another study.

A design may come from a stranger's manifest, so it is bounded: by what its tables could hold, and beyond all that
anybody would train.
"""

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise, product
from typing import Any, Self

from study.errors import UsageError, plain, short, told
from study.spec.constants import ARMS

EXTENDABLE = ("batch_sizes", "lrs", "seeds")
ONE_VALUE = ("dataset", "epochs")

MOST_RUNS = 1_000_000
MOST_RECORDS = 20_000_000
"""Rows of ``records.parquet``: those that are read again (``parquet.MOST_VALUES``)."""
MOST_CELLS = 10_000
MOST_SEEDS = 100_000
MOST_SEED = 2**31 - 1
MOST_EPOCHS = 2**15 - 1
MOST_LAYERS = 100
MOST_UNITS = 2**15
MOST_PARAMETERS = 2**31 - 1


@dataclass(frozen=True)
class DatasetFacts:
    """The shape of a data set, known before it is loaded (images flattened, labels 0..n_classes-1)."""

    n_train: int
    n_test: int
    n_features: int
    n_classes: int


DATASETS = {
    "mnist": DatasetFacts(60_000, 10_000, 784, 10),
    "fashion-mnist": DatasetFacts(60_000, 10_000, 784, 10),
    "kmnist": DatasetFacts(60_000, 10_000, 784, 10),
    "digits": DatasetFacts(1_437, 360, 64, 10),
}


@dataclass(frozen=True, order=True)
class Run:
    """One training: a cell (batch size, learning rate), a seed and an arm."""

    batch_size: int
    lr: float
    seed: int
    arm: str

    @property
    def applicable(self) -> bool:
        """A batch of one has no variance: batch normalisation cannot train on it."""
        return not (self.arm == "bn" and self.batch_size == 1)


@dataclass(frozen=True)
class Configuration:
    """What tuning chose for an arm."""

    arm: str
    batch_size: int
    lr: float


@dataclass(frozen=True)
class Design:
    """The grid of a study, and its tuned cell if it has one.

    >>> design = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0, 1), epochs=2)
    >>> [design.run_id(run) for run in design.runs][0]
    'bn_b0032_lr1e-02_s000-77968779'
    """

    dataset: str
    arms: tuple[str, ...] = ARMS
    batch_sizes: tuple[int, ...] = (32, 128, 512)
    lrs: tuple[float, ...] = (0.001, 0.01, 0.1)
    seeds: tuple[int, ...] = tuple(range(10))
    epochs: int = 10
    hidden: tuple[int, ...] = (32, 32)
    tuned: tuple[Configuration, ...] = ()
    """One an arm: the tuned cell, whose pairs differ in what tuning chose as well. None in a study of a grid alone."""

    def __post_init__(self) -> None:
        for name in ("arms", *EXTENDABLE):
            _check_distinct(name, getattr(self, name))
        check_known("--dataset", self.dataset, list(DATASETS))
        for arm in self.arms:
            check_known("--arms", arm, ARMS)
        for lr in (*self.lrs, *(chosen.lr for chosen in self.tuned)):
            if not 1e-30 <= lr <= 1e30:  # NaN neither; the engine stores weights over rates in float32
                raise UsageError(
                    f"--lrs {told(lr)}: a learning rate is a finite number above 0 (1e-30 to 1e30), such as 0.01"
                )
        sizes = (*self.batch_sizes, *(chosen.batch_size for chosen in self.tuned))
        _check_whole("--batch-sizes", sizes, 1, self.facts.n_train, f"images, as {self.dataset} has")
        _check_whole("--seeds", self.seeds, 0, MOST_SEED, "for a seed")
        _check_whole("--epochs", (self.epochs,), 1, MOST_EPOCHS, "epochs")
        if not self.hidden:
            raise UsageError("--hidden: the list is empty; give at least one layer, such as --hidden 32 32")
        _check_whole("--hidden", self.hidden, 1, MOST_UNITS, "units")
        self._check_tuned()
        self._check_size()
        for name in EXTENDABLE:
            object.__setattr__(self, name, tuple(sorted(getattr(self, name))))
        object.__setattr__(self, "lrs", tuple(map(float, self.lrs)))
        object.__setattr__(self, "arms", tuple(sorted(self.arms, key=ARMS.index)))
        object.__setattr__(self, "tuned", tuple(sorted(self.tuned, key=lambda chosen: ARMS.index(chosen.arm))))

    def _check_tuned(self) -> None:
        arms = sorted(chosen.arm for chosen in self.tuned)
        if self.tuned and arms != sorted(self.arms):
            raise UsageError(
                f"the tuned cell has {_listed(arms)}; give each arm of {_listed(self.arms)} one configuration"
            )

    def _check_size(self) -> None:
        """Refuse, before anything is made of it, a design whose runs or tables no machine would hold."""
        _check_most("--seeds", len(self.seeds), MOST_SEEDS, "seeds")
        n_cells = len(self.batch_sizes) * len(self.lrs)
        _check_most("--batch-sizes times --lrs", n_cells, MOST_CELLS, "cells")
        n_runs = (n_cells + bool(self.tuned)) * len(self.seeds) * len(self.arms)
        _check_most("--batch-sizes times --lrs times --seeds times --arms", n_runs, MOST_RUNS, "runs")
        n_records = 2 * n_runs * (self.epochs + 1)
        _check_most(f"{n_runs:,} runs of --epochs {self.epochs}", n_records, MOST_RECORDS, "records")
        _check_most("--hidden", len(self.hidden), MOST_LAYERS, "layers")
        _check_most("--hidden", self.n_parameters("bn"), MOST_PARAMETERS, "weights")

    @property
    def facts(self) -> DatasetFacts:
        return DATASETS[self.dataset]

    @property
    def widths(self) -> tuple[int, ...]:
        """Features, hidden units by layer, classes."""
        return (self.facts.n_features, *self.hidden, self.facts.n_classes)

    @property
    def runs(self) -> list[Run]:
        """Every run, of the grid or of the tuned cell or of both, sorted by (batch size, learning rate, seed, arm)."""
        return sorted({*self.grid, *self.tuned_runs})

    @property
    def grid(self) -> list[Run]:
        """Every run of the grid, sorted likewise."""
        return sorted(Run(*key) for key in product(self.batch_sizes, self.lrs, self.seeds, self.arms))

    @property
    def tuned_runs(self) -> list[Run]:
        """Every run of the tuned cell, sorted likewise."""
        return sorted(Run(c.batch_size, c.lr, seed, c.arm) for c in self.tuned for seed in self.seeds)

    def steps_per_epoch(self, batch_size: int) -> int:
        """The last incomplete batch is dropped while training."""
        return self.facts.n_train // batch_size

    def n_parameters(self, arm: str) -> int:
        """Weights and biases, and gamma and beta of every hidden unit under batch norm."""
        affine = sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.widths))
        return affine + (2 * sum(self.hidden) if arm == "bn" else 0)

    @property
    def training(self) -> dict[str, Any]:
        """What one run depends on beside its own key: equal training and key, equal records."""
        return {"dataset": self.dataset, "epochs": self.epochs, "hidden": list(self.hidden)}

    def pair_id(self, run: Run) -> str:
        """Such as ``b0032_lr1e-02_s007-<8 hex>``; the digits at the end tell near rates and designs apart."""
        key = self.training | {"batch_size": run.batch_size, "lr": run.lr, "seed": run.seed}
        mantissa, exponent = f"{run.lr:e}".split("e")
        lr = f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"
        return f"b{run.batch_size:04d}_lr{lr}_s{run.seed:03d}-{digest(key)[:8]}"

    def run_id(self, run: Run) -> str:
        return f"{run.arm}_{self.pair_id(run)}"

    @property
    def digest(self) -> str:
        return digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """JSON values; a study of a grid alone says nothing of a tuned cell."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return values if self.tuned else {name: value for name, value in values.items() if name != "tuned"}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The design of a manifest; a UsageError where a field is unknown, missing or of the wrong kind."""
        names = {field.name for field in fields(cls)} - {"tuned"}
        if not isinstance(values, dict) or {*values} - {"tuned"} != names:
            found = f"has {_listed(values)}" if isinstance(values, dict) else f"is {told(values)}"
            raise UsageError(f"a design has the fields {', '.join(sorted(names))}; this one {found}")
        for name, value in values.items():
            _check_kind(name, value)
        fixed: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        fixed["tuned"] = tuple(Configuration(**chosen) for chosen in values.get("tuned", ()))
        return cls(**fixed)

    def check_extends(self, older: Self) -> None:
        """Refuse, with the difference, a design that is not ``older`` with longer lists.

        More trials may choose other configurations for a tuned cell: its runs are then others.
        """
        old, new = (
            {**design.to_dict(), "tuned": "a tuned cell" if design.tuned else "none"} for design in (older, self)
        )
        changed = [
            f"{name}: the study has {_words(old[name])}, the command asks for {_words(new[name])}"
            for name in new
            if (not set(old[name]) <= set(new[name]) if name in EXTENDABLE else old[name] != new[name])
        ]
        if changed:
            raise UsageError(
                "the design differs from the study's:\n  " + "\n  ".join(changed) + "\n"
                "A study can be extended by longer lists of seeds, batch sizes and rates;"
                " for anything else choose another --study-id."
            )


def digest(value: Any) -> str:
    """sha256 (hex) of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_whole(value: object) -> bool:
    return type(value) is int


def _is_rate(value: object) -> bool:
    return type(value) in (int, float)


def _is_text(value: object) -> bool:
    return type(value) is str


def _is_configuration(value: object) -> bool:
    kinds = {"arm": _is_text, "batch_size": _is_whole, "lr": _is_rate}
    return isinstance(value, dict) and {*value} == {*kinds} and all(kinds[name](value[name]) for name in kinds)


KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "dataset": (_is_text, 'a text such as "mnist"'),
    "arms": (_is_text, 'a list of texts such as ["bn", "no_bn"]'),
    "batch_sizes": (_is_whole, "a list of whole numbers such as [32, 128]"),
    "lrs": (_is_rate, "a list of numbers such as [0.01, 0.1]"),
    "seeds": (_is_whole, "a list of whole numbers such as [0, 1]"),
    "epochs": (_is_whole, "a whole number such as 10"),
    "hidden": (_is_whole, "a list of whole numbers such as [32, 32]"),
    "tuned": (_is_configuration, 'a list of objects such as {"arm": "bn", "batch_size": 32, "lr": 0.01}'),
}
"""What a field of a design is in a manifest, each item where it is a list."""


def _check_kind(name: str, value: object) -> None:
    is_of_kind, kind = KINDS[name]
    is_list = isinstance(value, list | tuple)
    if is_list == (name in ONE_VALUE):
        raise UsageError(f"this is not a design: {name} is {told(value)}; give {kind}")
    for item in value if isinstance(value, list | tuple) else (value,):
        if not is_of_kind(item):
            raise UsageError(f"this is not a design: {name} {'has' if is_list else 'is'} {told(item)}; give {kind}")


def _check_distinct(name: str, values: Sequence[Any]) -> None:
    option = "--" + name.replace("_", "-")
    if not values:
        raise UsageError(f"{option}: the list is empty; give at least one value")
    repeated = sorted(value for value, n in Counter(values).items() if n > 1)
    if repeated:
        raise UsageError(f"{option} {_listed(values)}: {_listed(repeated)} is given twice; give each value once")


def _check_whole(option: str, values: Sequence[int], low: int, high: int, what: str) -> None:
    for value in values:
        if not low <= value <= high:
            raise UsageError(f"{option} {told(value)}: give a whole number from {low} to {high} {what}")


def _check_most(what: str, n: int, most: int, unit: str) -> None:
    if n > most:
        raise UsageError(f"{what}: these are {n:,} {unit}; give at most {most:,}")


def check_known(what: str, name: str, known: Sequence[str]) -> None:
    """Refuse a name that is not one of ``known``, offering the nearest."""
    if name not in known:
        near = difflib.get_close_matches(short(name), known, n=1, cutoff=0.4)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UsageError(f"{what} {short(name)!r} is unknown{hint}; choose from: {', '.join(known)}")


def _listed(values: Sequence[Any] | dict[str, Any]) -> str:
    """The first of them, if they are many."""
    return short(_words([plain(value) if isinstance(value, str) else value for value in [*values][:20]]), 200)


def _words(value: Any) -> str:
    if not isinstance(value, list | tuple):
        return str(value)
    whole = all(isinstance(item, int) for item in value)
    if whole and len(value) > 3 and list(value) == list(range(value[0], value[-1] + 1)):
        return f"{value[0]} to {value[-1]}"
    return " ".join(map(str, value))
