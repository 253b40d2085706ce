"""What is varied beside the arm and the seed: the factors, each a value, and the cells that they span.

Columns of the tables, options, parts of ids, labels and axes ask the factors; only what obeys a factor names it. To add
one: a value in ``FACTORS``, and the code that obeys it. A factor without an option of its own is varied by
``--vary KEY=LEVEL,LEVEL``; where a study leaves it alone, it has the first of its default levels everywhere, and
neither digests nor ids nor tables know of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import total_ordering
from typing import Any

from study.errors import UsageError, describe_value
from study.spec.checks import (
    Check,
    check_batch_size,
    check_decay,
    check_known,
    check_n_train,
    check_rate,
    check_share,
    in_full,
    in_ids,
    one_of,
    whole,
)
from study.spec.datasets import DatasetSpec

Level = int | float | str


@dataclass(frozen=True)
class Factor:
    """A factor of the experiment: one thing that is varied."""

    key: str
    """Name in tables, in ``--vary`` and in code."""
    kind: type[int] | type[float] | type[str]
    """Type of its levels."""
    label: str
    """Name in sentences and on axes."""
    axis: str
    """Name on the axis of a figure of its own; an s makes it several."""
    default: tuple[Level, ...]
    """Levels of a study by default."""
    check: Check
    tag: Callable[[Any], str] = str
    """Text of a level in ids."""
    show: Callable[[Any], str] = str
    """Text of a level for a reader."""
    field: str | None = None
    """The field of a design, and the option, that holds its levels; None: ``vary``."""
    stacked: bool = False
    """Whether runs of several levels take their steps together."""
    of_mlp: bool = False
    """Whether it changes the multilayer perceptron, so that a network of one's own has no levels of it."""
    natural: Callable[[DatasetSpec], Level] | None = None
    """The level that a data set has where nobody varies it, if its number differs from one to the next: the default
    stands for it."""
    settles: tuple[str, ...] = ()
    """What of the training its level settles, so that a report of a study that varies it does not say one thing of all
    runs: ``activation``, ``widths``, ``optimiser``, ``weight decay``, ``first weights``, ``training images``,
    ``labels``, ``features``."""

    @property
    def option(self) -> str:
        """The option that takes its levels."""
        return f"--vary {self.key}=" if self.field is None else f"--{self.field.replace('_', '-')}"

    @property
    def is_numeric(self) -> bool:
        """Whether its levels are numbers, of which some are neighbours, and not names."""
        return self.kind is not str

    @property
    def always(self) -> bool:
        """Whether every study has its column."""
        return self.field is not None

    def level(self, value: Any) -> Level:
        """Return ``value`` as a level, a whole number as a float where the levels are; unchanged where it is none."""
        if self.kind is not float or not isinstance(value, int | float) or isinstance(value, bool):
            return value
        try:
            return float(value) + 0.0  # -0.0 is 0.0
        except OverflowError:  # 10**400: ``check`` refuses it
            return value

    def place(self, level: Level) -> Any:
        """Return what levels are sorted by: the number, or the place among the known names."""
        return level if self.is_numeric else self.default.index(level)


ACTIVATIONS = ("relu", "tanh", "sigmoid")
"""The activations, each a value of ``study/engine/activations.py``."""
OPTIMIZERS = ("adam", "adamw", "sgd", "momentum")
"""The optimisers, each a value of ``study/engine/optimisers.py``."""
INITS = ("torch", "kaiming", "xavier")
"""The distributions of the first weights, each a bound in ``study/spec/constants.py``."""
SCALES = ("none", "standard")
"""What is done with the features of the images in ``study/data/variants.py``."""
MAX_LAYERS = 100
MAX_UNITS = 2**15
MAX_VARIANTS = 4
"""Data of cells (``study/data/variants.py``) that a process keeps; another one takes the place of the oldest."""
ALL_IMAGES = 0
"""The level of ``n_train`` in a study that leaves it alone: as many as the data set has."""

FACTORS: dict[str, Factor] = {
    factor.key: factor
    for factor in (
        Factor(
            "batch_size", int, "batch size", "batch size", (32, 128, 512), check_batch_size,
            tag="b{:04d}".format, field="batch_sizes",
        ),
        Factor(
            "lr", float, "rate", "learning rate", (0.001, 0.01, 0.1), check_rate,
            tag=in_ids("lr"), show=in_full, field="lrs", stacked=True,
        ),
        Factor(
            "activation", str, "activation", "activation", ACTIVATIONS, one_of(ACTIVATIONS),
            of_mlp=True, settles=("activation",),
        ),
        Factor(
            "depth", int, "depth", "depth", (2,), whole(MAX_LAYERS, "hidden layers"),
            tag="depth{}".format, of_mlp=True, settles=("widths",),
        ),
        Factor(
            "width", int, "width", "width", (32,), whole(MAX_UNITS, "units of each hidden layer"),
            tag="width{}".format, of_mlp=True, settles=("widths",),
        ),
        Factor(
            "optimizer", str, "optimiser", "optimiser", OPTIMIZERS, one_of(OPTIMIZERS), settles=("optimiser",)
        ),
        Factor(
            "weight_decay", float, "weight decay", "weight decay", (0.0,), check_decay,
            tag=in_ids("wd"), show=in_full, settles=("weight decay",),
        ),
        Factor(
            "init", str, "initialisation", "initialisation", INITS, one_of(INITS),
            of_mlp=True, settles=("first weights",),
        ),
        Factor(
            "n_train", int, "training set size", "training set size", (ALL_IMAGES,), check_n_train,
            tag="n{}".format, natural=lambda data: data.n_train, settles=("training images",),
        ),
        Factor(
            "label_noise", float, "label noise", "label noise level", (0.0,), check_share,
            tag="noise{:g}".format, show=in_full, settles=("labels",),
        ),
        Factor("scale", str, "scaling", "scaling", SCALES, one_of(SCALES), settles=("features",)),
    )
}  # fmt: skip
"""Known factors by key, in the order of columns and ids."""


@total_ordering
class Cell(Mapping[str, Level]):
    """One level of every factor: positions are those of ``FACTORS``, a factor that is left out has its default.

    >>> cell = Cell(32, 0.01)
    >>> cell == Cell(batch_size=32, lr=0.01), cell.lr, cell["batch_size"], cell < Cell(32, 0.1)
    (True, 0.01, 32, True)
    """

    __slots__ = ("_key", "_levels", "_said", "factors")
    _key: tuple[Any, ...] | None
    """What cells are sorted by, once it was asked for."""
    _levels: dict[str, Level]
    _said: frozenset[str]
    factors: Mapping[str, Factor]
    """``FACTORS``, but for the cells of records that are not a study's."""

    def __init__(self, *levels: Level, **named: Level):
        given = dict(zip(FACTORS, levels, strict=False)) | named
        if len(given) != len(levels) + len(named) or not given.keys() <= FACTORS.keys():
            raise UsageError(f"a cell has one level for each of {', '.join(FACTORS)}; these are {levels} and {named}")
        missing = [key for key, factor in FACTORS.items() if factor.always and key not in given]
        if missing:
            raise UsageError(f"a cell needs {missing[0]}, such as {missing[0]}={FACTORS[missing[0]].default[0]}")
        self.factors, self._key = FACTORS, None
        self._levels = {key: factor.level(given.get(key, factor.default[0])) for key, factor in FACTORS.items()}
        self._said = frozenset(self.identity)

    @classmethod
    def of(cls, factors: Mapping[str, Factor], levels: Mapping[str, Level]) -> "Cell":
        """Return a cell of other factors than ``FACTORS``; sentences and tables name all its levels."""
        cell = cls.__new__(cls)
        cell.factors, cell._key, cell._levels, cell._said = factors, None, dict(levels), frozenset(levels)
        return cell

    def __getitem__(self, key: str) -> Any:
        return self._levels[key]

    def __getattr__(self, key: str) -> Any:
        if not key.startswith("_") and key in self._levels:
            return self._levels[key]
        raise AttributeError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._levels)

    def __len__(self) -> int:
        return len(self._levels)

    def __hash__(self) -> int:
        return hash(tuple(self._levels.values()))

    def __eq__(self, other: object) -> bool:
        return self._levels == other._levels if isinstance(other, Cell) else NotImplemented

    def __lt__(self, other: "Cell") -> bool:
        return self._sorted_by < other._sorted_by

    def __repr__(self) -> str:
        return f"Cell({', '.join(f'{key}={level!r}' for key, level in self.said.items())})"

    def __deepcopy__(self, memo: object) -> "Cell":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self._levels, self._said, None if self.factors is FACTORS else self.factors)

    @property
    def _sorted_by(self) -> tuple[Any, ...]:
        if self._key is None:  # made once: a large grid is sorted often
            self._key = self._places()
        return self._key

    def _places(self, stacked: bool = True) -> tuple[Any, ...]:
        factors = (self.factors[key] for key in self._levels)
        return tuple(f.place(self._levels[f.key]) for f in factors if stacked or not f.stacked)

    @property
    def said(self) -> dict[str, Level]:
        """The levels that sentences and tables name: of the factors that its study varies."""
        return {key: level for key, level in self._levels.items() if key in self._said}

    def saying(self, keys: Iterable[str]) -> "Cell":
        """Return the same cell, whose levels of ``keys`` sentences and tables name too, be they the defaults."""
        return _remade(self._levels, self._said.union(keys), self.factors)

    @property
    def tag(self) -> str:
        """The cell in an id, such as ``b0032_lr1e-02``: a factor that has its default is left out, if it can be."""
        return "_".join(self.factors[key].tag(level) for key, level in self.identity.items())

    @property
    def identity(self) -> dict[str, Level]:
        """The levels that digests are made of: as in ``tag``."""
        factors = self.factors
        return {
            key: level for key, level in self._levels.items() if factors[key].always or level != factors[key].default[0]
        }

    @property
    def shape(self) -> tuple[Any, ...]:
        """The levels of the factors that do not stack: common to runs that take their steps together."""
        return self._places(stacked=False)

    def but(self, **levels: Level) -> "Cell":
        """Return this cell with other levels."""
        return _remade({**self._levels, **levels}, self._said, self.factors)


def _remade(levels: Mapping[str, Level], said: frozenset[str], factors: Mapping[str, Factor] | None) -> Cell:
    cell = Cell.of(FACTORS if factors is None else factors, levels)
    cell._said = said
    return cell


def in_words(cell: Cell | None) -> str:
    """Return the text of a cell in a sentence, ``all settings`` for None.

    >>> in_words(Cell(32, 0.01)), in_words(None)
    ('batch size 32, rate 0.01', 'all settings')
    """
    if cell is None:
        return "all settings"
    factors = cell.factors
    return ", ".join(f"{factors[key].label} {factors[key].show(level)}" for key, level in cell.said.items())


def rounded(cell: Cell, digits: int = 3) -> Cell:
    """Return the cell with so many significant digits of its levels, for one that a search has drawn."""
    levels = {key: float(f"{level:.{digits}g}") for key, level in cell.items() if isinstance(level, float)}
    return cell.but(**levels)


def variable() -> list[str]:
    """Return the keys of the factors that ``--vary`` takes."""
    return [key for key, factor in FACTORS.items() if not factor.always]


def check_variable(key: Any) -> None:
    """Refuse what ``--vary`` does not take: say which option does, or how a factor is added."""
    factor = FACTORS.get(key) if isinstance(key, str) else None
    if factor is not None and factor.always:
        levels = " ".join(map(factor.show, factor.default))
        raise UsageError(f"--vary {key}: the {factor.axis} has an option of its own: {factor.option} {levels}")
    try:
        check_known("--vary", key, variable())
    except UsageError as unknown:
        raise UsageError(
            f"{unknown}; to add a factor, put Factor({describe_value(key)}, ...) into FACTORS in study/spec/factors.py"
            " and write the code that obeys it, as CONTRIBUTING.md shows"
        ) from None


REFERENCE_SETTING = Cell(32, 0.01)
"""The tutorial's cell, at which it tuned neither arm."""
REFERENCE_GRID = {factor.field: (REFERENCE_SETTING[key],) for key, factor in FACTORS.items() if factor.field}
"""The fields of a design that has that cell alone."""
