"""What is trained: the frozen design of a study, its runs, and what may be changed later.

Knows no torch and no files. A design is a full grid: arms x levels of the factors x seeds, on one data set with one
network; a tuned study adds one cell, in which every arm has a configuration of its own. A study may later grow along
the seeds and the levels of its factors; anything else makes it another study.

A design may come from a stranger's manifest, so it is bounded: by what its tables could hold, and beyond all that
anybody would train.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise, product
from typing import Any, Self

from study.errors import UsageError, describe_value
from study.spec import arms
from study.spec.arms import ARMS, BASELINE, BATCH_STATISTICS, DEFAULT_ARMS, Arm
from study.spec.checks import check_at_most, check_distinct, check_known, check_whole, format_value, listed
from study.spec.datasets import DATASETS, DatasetSpec, OwnFile, check_dataset
from study.spec.design_json import from_json, to_json
from study.spec.factors import (
    FACTORS,
    MAX_LAYERS,
    MAX_UNITS,
    REFERENCE_SETTING,
    Cell,
    Factor,
    Level,
    check_variable,
)
from study.spec.networks import NetworkSpec
from study.spec.runs import Configuration, Run
from study.spec.tuning.searches import MAX_SEARCHES, search_of

FACTOR_FIELDS = tuple(factor.field for factor in FACTORS.values() if factor.field)
EXTENDABLE = ("arms", *FACTOR_FIELDS, "seeds")
OPTIONAL = ("tuned", "vary", "own_arms", "own_data", "network", "seed_of", "unpaired_init")
"""Fields that a manifest leaves out where they have their defaults."""
SEED_OF = ("both", "weights", "order")
"""What varies with a seed: initial weights, the order of the images, or both."""

MAX_RUNS = 1_000_000
MAX_RECORDS = 20_000_000
"""Rows of ``records.parquet``: as many as are read again (``untrusted_parquet.MAX_VALUES``)."""
MAX_CELLS = 10_000
MAX_SEEDS = 100_000
MAX_SEED = 2**31 - 1  # int32 in the tables
MAX_EPOCHS = 2**15 - 1  # int16 in the tables
MAX_PARAMETERS = 2**31 - 1  # int32 in the tables

Vary = tuple[tuple[str, tuple[Level, ...]], ...]


@dataclass(frozen=True)
class Design:
    """The grid of a study, and its tuned cell if it has one. Lists may be any sequences, ``vary`` a mapping; all are
    kept as sorted tuples.

    >>> design = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=range(2), epochs=2)
    >>> [design.run_id(run) for run in design.runs][0]
    'bn_b0032_lr1e-02_s000-77968779'
    """

    dataset: str
    """A key of ``DATASETS``; or a data set itself, as ``study.own_data`` makes it of a file."""
    arms: Sequence[str] = DEFAULT_ARMS
    """Keys of arms, or an ``Arm`` that a user has spelled out, kept by its key."""
    batch_sizes: Sequence[int] = FACTORS["batch_size"].default  # type: ignore[assignment]
    lrs: Sequence[float] = FACTORS["lr"].default  # type: ignore[assignment]
    seeds: Sequence[int] = tuple(range(10))
    epochs: int = 10
    hidden: Sequence[int] = (32, 32)
    tuned: Sequence[Configuration] = ()
    """The tuned cell, a configuration an arm and search: its pairs differ in what tuning chose as well. () in a grid
    alone. Each search has seeds of its own (``study.spec.tuning.searches``)."""
    vary: Mapping[str, Iterable[Level]] | Vary = ()
    """The levels of further factors, by their keys."""
    own_arms: Sequence[Arm] = ()
    """Those of ``arms`` that a user has spelled out; known in ``ARMS`` as long as the process runs."""
    own_data: DatasetSpec | None = None
    """The data set where it is a user's own file; then ``dataset`` is its key."""
    network: NetworkSpec | None = None
    """The network where it is not the multilayer perceptron."""
    seed_of: str = "both"
    """What varies with a seed, one of SEED_OF."""
    unpaired_init: bool = False
    """Whether each arm draws initial weights of its own, as in the tutorial."""

    def __post_init__(self) -> None:
        if isinstance(self.dataset, DatasetSpec):
            own = self.dataset if isinstance(self.dataset.source, OwnFile) else None
            self._set(own_data=own, dataset=self.dataset.key)
        arms.register([*self.own_arms, *(arm for arm in self.arms if isinstance(arm, Arm))])
        self._set(arms=[arm.key if isinstance(arm, Arm) else arm for arm in self.arms])
        self._set(**{name: _listed(getattr(self, name)) for name in (*EXTENDABLE, "hidden", "tuned")})
        self._set(vary=_varied(self.vary))
        self._check_lists()
        self._check_tuned()
        self._check_size()
        self._set(
            **{factor.field: self.levels(factor.key) for factor in FACTORS.values() if factor.field},
            seeds=tuple(sorted(self.seeds)),
            vary=tuple((key, self.levels(key)) for key in FACTORS if key in dict(self.vary)),
            arms=arms.in_order(self.arms),
            own_arms=tuple(ARMS[key] for key in sorted(self.arms) if arms.is_own(key)),
            tuned=tuple(sorted(self.tuned, key=lambda chosen: (chosen.search, arms.place(chosen.arm)))),
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled design, whose own arms this process may not know."""
        self.__dict__.update(state)
        arms.register(self.own_arms)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_lists(self) -> None:
        for name in EXTENDABLE:
            check_distinct("--" + name.replace("_", "-"), getattr(self, name))
        check_dataset(self.dataset, *([] if self.own_data is None else [self.own_data.key]))
        check_known("--seed-of", self.seed_of, SEED_OF)
        arms.in_order(self.arms)
        self._check_network()
        for factor in reversed(FACTORS.values()):
            given = self._given(factor) if factor in self.factors else ()
            tuned = [chosen.cell[factor.key] for chosen in self.tuned if factor.key in chosen.cell.identity]
            for level in (*given, *tuned):
                factor.check(factor.option, level, self.data)
        check_whole("--seeds", self.seeds, 0, MAX_SEED, "for a seed")
        check_whole("--epochs", (self.epochs,), 1, MAX_EPOCHS, "epochs")
        if not self.hidden:
            raise UsageError("--hidden: the list is empty; give at least one layer, such as --hidden 32 32")
        check_whole("--hidden", self.hidden, 1, MAX_UNITS, "units")
        self._check_layers()
        self._check_batches()

    def _check_layers(self) -> None:
        """Refuse a factor of layers that ``hidden`` contradicts.

        Where depth or width varies, ``hidden`` has the default of it: so a cell's ids and its widths follow from the
        cell and ``hidden`` alone."""
        of_mlp = [key for key in dict(self.vary) if FACTORS[key].of_mlp]
        (depth, *_), (width, *_) = FACTORS["depth"].default, FACTORS["width"].default
        given = f"--hidden {' '.join(map(str, self.hidden))}"
        if "depth" in of_mlp and [*self.hidden] != [self.hidden[0]] * int(depth):
            two = " ".join([str(self.hidden[0])] * int(depth))
            raise UsageError(
                f"{given}: where --vary depth= sets the number of layers, --hidden sets their units by {depth} equal"
                f" numbers, such as --hidden {two}"
            )
        if "width" in of_mlp and {*self.hidden} != {width}:
            layers = " ".join([str(width)] * len(self.hidden))
            raise UsageError(
                f"{given}: where --vary width= sets the units, --hidden sets the number of layers by as many times"
                f" {width}, such as --hidden {layers}"
            )

    def _check_batches(self) -> None:
        """Refuse batches larger than the fewest training images."""
        n_train: Iterable[Any] = dict(self.vary).get("n_train", (self.data.n_train,))
        fewest, largest = min(n_train), max(self.batch_sizes)
        if largest > fewest:
            raise UsageError(
                f"--batch-sizes {largest}: no batch is that large with --vary n_train={fewest}; give sizes up to"
                f" {fewest}"
            )

    def _check_network(self) -> None:
        """Refuse what a network of one's own cannot obey, and an arm for which it was not loaded."""
        if self.network is None:
            return
        for arm in self.arms:
            self.network.of(arm)
        shaping = [key for key in dict(self.vary) if FACTORS[key].of_mlp]
        if shaping or tuple(self.hidden) != Design.hidden:
            what = f"--vary {shaping[0]}=" if shaping else "--hidden"
            raise UsageError(
                f"{what}: the network {self.network.name} decides that itself; leave it out, or make one network for"
                " each in a file of its own: --network OTHER.py:make --study-id other"
            )

    def _check_tuned(self) -> None:
        self._check_searches()
        varied = [factor.key for factor in self.factors]
        for chosen in self.tuned:
            if not chosen.cell.identity.keys() <= {*varied}:
                raise UsageError(f"the tuned cell has {listed(chosen.cell.identity)}; this study has {listed(varied)}")

    def _check_searches(self) -> None:
        """Refuse a tuned cell that lacks an arm or a search, or whose searches have not each seeds of their own."""
        if not self.tuned:
            return
        check_whole("search", {chosen.search for chosen in self.tuned}, 1, MAX_SEARCHES, "for a search")
        for search in range(1, self.n_searches + 1):
            tuned = sorted(chosen.arm for chosen in self.tuned if chosen.search == search)
            if tuned != sorted(self.arms):
                which = f" of search {search}" if self.n_searches > 1 else ""
                raise UsageError(
                    f"the tuned cell{which} has {listed(tuned) or 'none'}; give each arm of {listed(self.arms)} one"
                    " configuration"
                )
        with_seeds = sorted({self.search_of(seed) for seed in self.seeds})
        if with_seeds != [*range(1, self.n_searches + 1)]:
            raise UsageError(f"the tuned cell is of {self.n_searches} searches, the seeds are of {listed(with_seeds)}")

    def _check_size(self) -> None:
        """Refuse, before anything is made of it, a design whose runs or tables no machine would hold."""
        check_at_most("--seeds", len(self.seeds), MAX_SEEDS, "seeds")
        n_cells, options = 1, " times ".join(factor.option.rstrip("=") for factor in self.factors)
        for factor in self.factors:
            n_cells *= len(self._given(factor))
        check_at_most(options, n_cells, MAX_CELLS, "cells")
        n_runs = (n_cells + bool(self.tuned)) * len(self.seeds) * len(self.arms)
        check_at_most(f"{options} times --seeds times --arms", n_runs, MAX_RUNS, "runs")
        n_records = 2 * n_runs * (self.epochs + 1)
        check_at_most(f"{n_runs:,} runs of --epochs {self.epochs}", n_records, MAX_RECORDS, "records")
        check_at_most("--hidden", len(self.hidden), MAX_LAYERS, "layers")
        for cell, arm in product(self.shapes, self.arms):
            if (norm := ARMS[arm].norm) and self.network is None:
                norm.check_widths(self.widths_in(cell)[1:-1])
        most = max(self.n_parameters(arm, cell) for arm in self.arms for cell in self.shapes)
        by = [f"--vary {key}=" for key in ("depth", "width") if key in dict(self.vary)]
        check_at_most(" times ".join(by) or "--hidden", most, MAX_PARAMETERS, "weights")

    # --- what it spans

    @property
    def data(self) -> DatasetSpec:
        """The shape of the images that it trains and is tested on."""
        return self.own_data or DATASETS[self.dataset]

    def widths_in(self, cell: Cell) -> tuple[int, ...]:
        """Return features, hidden units by layer and classes of the networks of a cell."""
        varied = cell.identity.keys() & {"depth", "width"}
        depth = cell.depth if "depth" in varied else len(self.hidden)
        hidden = (cell.width if "width" in varied else self.hidden[0],) * depth if varied else self.hidden
        return (self.data.n_features, *hidden, self.data.n_classes)

    def n_train_in(self, cell: Cell) -> int:
        """Return the number of training images of a cell."""
        return int(cell.n_train or self.data.n_train)

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the network where no factor changes it."""
        return self.widths_in(REFERENCE_SETTING)

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Factors that the study varies, and those that every study's tables have."""
        return tuple(factor for factor in FACTORS.values() if factor.always or factor.key in dict(self.vary))

    def _given(self, factor: Factor) -> tuple[Any, ...]:
        if factor.field is not None:
            return getattr(self, factor.field)
        return tuple(dict(self.vary).get(factor.key, factor.default[:1]))

    def levels(self, key: str) -> tuple[Any, ...]:
        """Return the levels of a factor, in order."""
        factor = FACTORS[key]
        return tuple(sorted(map(factor.level, self._given(factor)), key=factor.place))

    @property
    def cells(self) -> list[Cell]:
        """Every cell of the grid, in order."""
        keys = [factor.key for factor in self.factors]
        combinations = product(*map(self.levels, keys))
        return [Cell(**dict(zip(keys, levels, strict=True))).saying(keys) for levels in combinations]

    @property
    def shapes(self) -> list[Cell]:
        """A cell for each combination of the factors that do not stack: what a network's shape may follow from."""
        return [*{cell.shape: cell for cell in self.cells}.values()]

    @property
    def runs(self) -> list[Run]:
        """Every run, of the grid or of the tuned cell or of both, sorted by (cell, seed, arm)."""
        return sorted({*self.grid, *self.tuned_runs}) if self.tuned else self.grid

    @property
    def grid(self) -> list[Run]:
        """Every run of the grid, sorted by (cell, seed, arm)."""
        keys = product(self.cells, self.seeds, sorted(self.arms))
        return [Run(cell, seed=seed, arm=arm) for cell, seed, arm in keys]

    @property
    def tuned_runs(self) -> list[Run]:
        """Every run of the tuned cell, sorted by (cell, seed, arm)."""
        of_search = {search: self.seeds_of(search) for search in range(1, self.n_searches + 1)}
        return sorted(
            Run(chosen.cell, seed=seed, arm=chosen.arm) for chosen in self.tuned for seed in of_search[chosen.search]
        )

    @property
    def n_searches(self) -> int:
        """The number of searches that chose the tuned cell; 0 where there is none."""
        return max((chosen.search for chosen in self.tuned), default=0)

    def search_of(self, seed: int) -> int:
        """Return the search to which a seed belongs; where there is one, every seed does."""
        return search_of(seed, min(self.seeds)) if self.n_searches > 1 else 1

    def seeds_of(self, search: int) -> tuple[int, ...]:
        """Return the seeds of a search's runs."""
        return tuple(seed for seed in self.seeds if self.search_of(seed) == search)

    def of_run(self, run: Run) -> "Design":
        """Return the design that has this run alone; a UsageError where the run is none that a study could have."""
        grid = {factor.field: (run.cell[key],) for key, factor in FACTORS.items() if factor.field}
        vary = {key: (level,) for key, level in run.cell.identity.items() if not FACTORS[key].always}
        return replace(self, arms=(run.arm,), seeds=(run.seed,), tuned=(), vary=vary, **grid)  # type: ignore[arg-type]

    def steps_per_epoch(self, cell: Cell) -> int:
        """Return the number of whole batches: the last incomplete one is dropped while training."""
        return self.n_train_in(cell) // int(cell.batch_size)

    def n_parameters(self, arm: str, cell: Cell = REFERENCE_SETTING) -> int:
        """Return the number of weights and biases, and of what the arm's normalisation learns for hidden units."""
        if self.network is not None:
            return self.network.of(arm).n_parameters
        widths, norm = self.widths_in(cell), ARMS[arm].norm
        weights, biases = sum(n_in * n_out for n_in, n_out in pairwise(widths)), widths[-1]
        biases += sum(widths[1:-1]) if ARMS[arm].bias else 0
        return weights + biases + (sum(map(norm.n_parameters, widths[1:-1])) if norm else 0)

    # --- chance

    def weights_seed(self, seed: int) -> int:
        """Return the seed of the first weights of a run of ``seed``."""
        return 0 if self.seed_of == "order" else seed

    def order_seed(self, seed: int) -> int:
        """Return the seed of the order of the images, and of all else that training draws, of a run of ``seed``."""
        return 0 if self.seed_of == "weights" else seed

    def init_cause(self, arm: str) -> str:
        """Return the name of the stream of an arm's first weights: one for all arms, unless they are unpaired."""
        return f"init/{arm}" if self.unpaired_init and arm != BASELINE else "init"

    def n_products(self, arm: str, cell: Cell = REFERENCE_SETTING) -> int:
        """Return the products that an image takes, by which training and evaluation cost: one for each weight, but
        where a network uses it in several places."""
        return self.n_parameters(arm, cell) if self.network is None else self.network.of(arm).n_products

    def statistics(self, arm: str) -> tuple[str, ...]:
        """Return the statistics that an arm's networks keep, among which a prediction may choose."""
        if self.network is not None:
            return BATCH_STATISTICS if self.network.of(arm).n_norms else ()
        return ARMS[arm].statistics

    def with_network(self, network: NetworkSpec) -> "Design":
        """Return the same design, whose network is found elsewhere."""
        return replace(self, network=network)

    # --- names

    @property
    def training(self) -> dict[str, Any]:
        """The values that a run depends on beside its own key: equal training and key, equal records."""
        values = {"dataset": self.dataset, "epochs": self.epochs, "hidden": list(self.hidden)}
        if self.own_data is not None:
            values["data"] = self.own_data.to_dict()["sha256"]
        if self.network is not None:
            values["network"] = [self.network.name, self.network.sha256]
        for name in ("seed_of", "unpaired_init"):
            if getattr(self, name) != _DEFAULTS[name]:
                values[name] = getattr(self, name)
        return values

    def pair_id(self, run: Run) -> str:
        """Return such as ``b0032_lr1e-02_s007-<8 hex>``; the digits at the end tell near rates and designs apart."""
        cell = self._plain(run.cell)
        key = self.training | cell.identity | {"seed": run.seed}
        return f"{cell.tag}_s{run.seed:03d}-{digest(key)[:8]}"

    def _plain(self, cell: Cell) -> Cell:
        """Return the cell with the default in the place of what the data set has of itself: ids are made of it."""
        natural = {key: f.natural(self.data) for key, f in FACTORS.items() if f.natural}
        return cell.but(**{key: FACTORS[key].default[0] for key, level in natural.items() if cell[key] == level})

    def run_id(self, run: Run) -> str:
        return f"{run.arm}_{self.pair_id(run)}"

    @property
    def digest(self) -> str:
        return digest(self.to_dict())

    # --- manifests

    def to_dict(self) -> dict[str, Any]:
        """Return the design as JSON values, without the fields OPTIONAL that have their defaults, and without the
        number of a search where it is 1."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        given = {name: value for name, value in values.items() if name not in OPTIONAL or value != _DEFAULTS[name]}
        return {name: to_json(name, value) for name, value in given.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the design of a manifest; a UsageError where a field is unknown, missing or of the wrong kind."""
        names = _FIELDS - {*OPTIONAL}
        if not isinstance(values, dict) or {*values} - {*OPTIONAL} != names:
            given = f"has {listed(values)}" if isinstance(values, dict) else f"is {describe_value(values)}"
            raise UsageError(f"a design has the fields {', '.join(sorted(names))}; this one {given}")
        return cls(**{name: from_json(name, value) for name, value in values.items()})

    def check_extends(self, older: Self) -> None:
        """Refuse, with the difference, a design that is not ``older`` with longer lists.

        More trials may choose other configurations for a tuned cell: its runs are then others.
        """
        changed = [
            f"{name}: the study has {format_value(old)}, the command asks for {format_value(new)}"
            for name, old, new in _side_by_side(older, self)
            if (not {*old} <= {*new} if isinstance(old, tuple) else old != new)
        ]
        if changed:
            raise UsageError(
                "the design differs from the study's:\n  " + "\n  ".join(changed) + "\n"
                "Extend a study with longer lists of arms, seeds and levels;"
                " for any other change choose another --study-id."
            )


_FIELDS = {field.name for field in fields(Design)}
_DEFAULTS = {field.name: field.default for field in fields(Design)}


def _listed(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return the values as a tuple, numpy's scalars as Python's."""
    return tuple(value.item() if hasattr(value, "item") else value for value in values)


def _varied(vary: Mapping[str, Iterable[Level]] | Vary) -> Vary:
    """Return the levels of further factors by key, checked."""
    checked: dict[str, tuple[Level, ...]] = {}
    for key, levels in dict(vary).items():
        check_variable(key)
        checked[key] = _listed(levels if isinstance(levels, Iterable) and not isinstance(levels, str) else (levels,))
        check_distinct(FACTORS[key].option, checked[key])
    return tuple(checked.items())


def _shown_data(design: Design) -> str:
    """Return the name of the data set, and of a file of one's own its digest."""
    source = design.data.source
    return f"{design.data.name} ({source.sha256[:12]})" if isinstance(source, OwnFile) else design.data.name


def _side_by_side(old: Design, new: Design) -> Iterable[tuple[str, Any, Any]]:
    """Yield (field, old, new) of two designs: tuples may grow, anything else may not change."""
    for name in ("dataset", *EXTENDABLE, "epochs", "hidden", "seed_of", "unpaired_init"):
        before, after = getattr(old, name), getattr(new, name)
        grows = name in EXTENDABLE or not isinstance(before, tuple)
        yield (name, before, after) if grows else (name, list(before), list(after))
    tuned = ["a tuned cell" if design.tuned else "none" for design in (old, new)]
    yield "tuned", tuned[0], tuned[1]
    shown = ["the multilayer perceptron" if d.network is None else d.network.words for d in (old, new)]
    yield "network", shown[0], shown[1]
    same = {arm.key for arm in old.own_arms} & {arm.key for arm in new.own_arms}
    spelled = [sorted(str(arm.to_dict()) for arm in d.own_arms if arm.key in same) for d in (old, new)]
    yield "own arms", spelled[0], spelled[1]
    yield "own data", _shown_data(old), _shown_data(new)
    before, after = dict(old.vary), dict(new.vary)
    for key in sorted(before.keys() | after.keys()):
        if key in before and key in after:
            yield key, before[key], after[key]
        else:
            shown = [format_value([*levels.get(key, ["no such factor"])]) for levels in (before, after)]
            yield key, shown[0], shown[1]


def digest(value: Any) -> str:
    """Return the sha256 (hex) of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
