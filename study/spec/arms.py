"""What is compared: the arms, each a value. One that is not in ``ARMS`` can be neither asked for nor trained.

An arm is a normalisation (``norms``) and dropout, and how tables and figures call and draw it. To add one: a value in
``BUILT_IN``, and where its normalisation is of a new kind, that kind and its file. A key with a number is of a family:
``ghost_16``, ``group_8``, ``dropout_0.5``. A user spells out others, which ``register`` makes known to the process.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Self

from study.errors import UsageError, describe_value, truncate
from study.spec.checks import check_known, nearest
from study.spec.norms import BATCH_STATISTICS, NORM_KINDS, Norm

__all__ = ["ARMS", "BASELINE", "BATCH_STATISTICS", "DEFAULT_ARMS", "NORM_KINDS", "Arm", "Norm", "in_order", "register"]

KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,39}")
"""What an arm may be called, in ids, tables, names of files and options."""
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
LINES = ("-", "--", "-.", ":")
MARKERS = tuple("osD^v<>PXpdhH*8")
NAMES = ("name", "short", "tag")


@dataclass(frozen=True)
class Arm:
    """A treatment arm: one of the things that are compared."""

    key: str
    """Name in run ids, tables and options."""
    name: str = ""
    """Name in sentences; the key unless given."""
    short: str = ""
    """Name in columns and legends; the name unless given."""
    tag: str = ""
    """Name in heads of columns that hold two arms: ``failed without | with``; ``short`` unless given."""
    norm: Norm | None = None
    colour: str = "#808080"
    line: str = ":"
    marker: str = "^"
    dropout: float = 0.0
    """Share of hidden units that a training step leaves out, after activation and normalisation."""

    def __post_init__(self) -> None:
        if not isinstance(self.key, str) or not KEY.fullmatch(self.key):
            raise UsageError(
                f"an arm is called {describe_value(self.key)}; give a key of at most 40 letters, digits, '_' and '.',"
                " such as slow_bn"
            )
        if self.norm is not None and not isinstance(self.norm, Norm):
            raise UsageError(f'the arm {self.key}: norm is {describe_value(self.norm)}; give one such as Norm("batch")')
        for name, fallback in zip(NAMES, ("key", "name", "short"), strict=True):
            object.__setattr__(self, name, getattr(self, name) or getattr(self, fallback))
            self._check_name(name)
        self._check_look()
        if type(self.dropout) not in (int, float) or not 0 <= self.dropout < 1:
            given = describe_value(self.dropout)
            raise UsageError(f"the arm {self.key}: dropout is {given}; give a share from 0 to below 1, such as 0.2")

    def _check_name(self, name: str) -> None:
        value = getattr(self, name)
        plain = isinstance(value, str) and len(value) <= 60 and value.isprintable() and not {*value} & {*"$\\|"}
        if not plain or value.startswith("_"):
            raise UsageError(
                f"the arm {self.key}: {name} is {describe_value(value)}; give at most 60 printable characters without"
                " $, | and backslash, the first no '_'"
            )

    def _check_look(self) -> None:
        if not isinstance(self.colour, str) or not COLOUR.fullmatch(self.colour):
            given = describe_value(self.colour)
            raise UsageError(f"the arm {self.key}: colour is {given}; give one such as #0173b2")
        check_known(f"the arm {self.key}: line", self.line, LINES)
        check_known(f"the arm {self.key}: marker", self.marker, MARKERS)

    @property
    def statistics(self) -> tuple[str, ...]:
        """The statistics that its networks keep, among which a prediction may choose."""
        return self.norm.statistics if self.norm else ()

    @property
    def bias(self) -> bool:
        """Whether the linear layer in front of a hidden layer's normalisation has a bias."""
        return self.norm is None or self.norm.bias

    @property
    def draws(self) -> bool:
        """Whether a training step draws random numbers, which it does on the host."""
        return bool(self.dropout) or (self.norm is not None and NORM_KINDS[self.norm.kind].draws)

    @property
    def smallest_batch(self) -> int:
        """The fewest images that it can train on."""
        return self.norm.smallest_batch if self.norm else 1

    def why_not(self, batch_size: int) -> str | None:
        """Return why it cannot train on batches of this size, None where it can."""
        return self.norm.why_not(batch_size) if self.norm else None

    def to_dict(self) -> dict[str, Any]:
        """Return the arm as the JSON values by which a user spells it out, without what it has by default."""
        plain = {field.name: field.default for field in fields(self) if field.name not in ("key", "norm")}
        plain |= {"name": self.key, "short": self.name, "tag": self.short}
        changed = {name: getattr(self, name) for name, value in plain.items() if getattr(self, name) != value}
        norm = {"norm": self.norm.kind} | self.norm.settings() if self.norm else {}
        return {"key": self.key} | norm | changed

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the arm of a manifest or of a file of options, ``{"key": "slow", "norm": "batch", "momentum": 0.01}``;
        a UsageError where it is none."""
        if not isinstance(values, Mapping) or "key" not in values:
            raise UsageError(f'an arm is {describe_value(values)}; give an object such as {{"key": "mine", ...}}')
        what = f"the arm {truncate(str(values['key']))}:"
        for name in values:
            check_known(what, name, SETTINGS)
        of_norm = {name: value for name, value in values.items() if name in OF_NORM}
        of_arm = {name: value for name, value in values.items() if name not in (*OF_NORM, "norm")}
        kind = values.get("norm")
        if kind in (None, "none"):
            if of_norm:
                first = next(iter(of_norm))
                raise UsageError(f'{what} {first} belongs to a normalisation; give one, such as norm = "batch"')
            return cls(**of_arm)
        return cls(**of_arm, norm=Norm(kind, **of_norm))


OF_NORM = tuple(field.name for field in fields(Norm) if field.name != "kind")
SETTINGS = (*(field.name for field in fields(Arm)), *OF_NORM)
"""The settings by which an arm is spelled out; ``norm`` is the key of a kind."""

BASELINE = "no_bn"
"""The arm that every other one is compared with, where a study has it and names no other: ``default_baseline``."""
DEFAULT_ARMS = ("bn", BASELINE)
"""The arms of a study by default."""
PALETTE = ("#cc78bc", "#ca9161", "#56b4e9", "#de8f05", "#949494", "#ece133", "#fbafe4")
"""The colours of seaborn's palette ``colorblind`` that the first three arms leave."""


def _looks(arms: Iterable[Arm]) -> Iterable[Arm]:
    """Yield the arms, each in another colour, line and marker."""
    for i, arm in enumerate(arms):
        colour, line, marker = PALETTE[i % len(PALETTE)], LINES[i % len(LINES)], MARKERS[3 + i % 12]
        yield replace(arm, colour=colour, line=line, marker=marker)


def _of_ghost(g: int) -> Arm:
    return Arm(f"ghost_{g}", f"ghost batch normalisation ({g} images)", f"ghost BN {g}", f"ghost {g}", Norm("ghost", g))


def _of_group(g: int) -> Arm:
    return Arm(f"group_{g}", f"group normalisation ({g} groups)", f"group norm {g}", f"group {g}", Norm("group", g))


def _of_dropout(p: float) -> Arm:
    return Arm(f"dropout_{p:g}", f"dropout of {100 * p:g} %", f"dropout {p:g}", f"dropout {p:g}", dropout=p)


FAMILIES: dict[str, tuple[type, str, Callable[[Any], Arm]]] = {
    "ghost": (int, "N", _of_ghost),
    "group": (int, "N", _of_group),
    "dropout": (float, "P", _of_dropout),
}
"""Arms whose key ends in a number, by what is in front of it: type and name of the number, and what makes the arm."""

BUILT_IN: tuple[Arm, ...] = (
    Arm("bn", "batch normalisation", "with BN", "with", Norm("batch"), colour="#0173b2", line="-", marker="o"),
    Arm("no_bn", "no batch normalisation", "without BN", "without", colour="#d55e00", line="--", marker="s"),
    Arm("layer", "layer normalisation", "with LN", "with LN", Norm("layer"), colour="#029e73", line="-.", marker="D"),
    *_looks(
        (
            Arm(
                "bn_after", "batch normalisation after the activation", "BN after", "after",
                Norm("batch", placement="after"),
            ),
            Arm("bn_beta", "batch normalisation with beta alone", "BN, beta", "beta", Norm("batch", gamma=False)),
            Arm("bn_gamma", "batch normalisation with gamma alone", "BN, gamma", "gamma", Norm("batch", beta=False)),
            Arm(
                "bn_no_affine", "batch normalisation without gamma and beta", "BN, no affine", "no affine",
                Norm("batch", gamma=False, beta=False),
            ),
            Arm(
                "bn_no_bias", "batch normalisation behind layers without bias", "BN, no bias", "no bias",
                Norm("batch", bias=False),
            ),
            _of_ghost(8),
            _of_ghost(32),
            Arm(
                "layer_after", "layer normalisation after the activation", "LN after", "LN after",
                Norm("layer", placement="after"),
            ),
            _of_group(4),
            Arm("rms", "root-mean-square normalisation", "RMS norm", "RMS", Norm("rms")),
            Arm("renorm", "batch renormalisation", "renorm", "renorm", Norm("renorm")),
            Arm("noisy", "noisy batch normalisation", "noisy BN", "noisy", Norm("noisy")),
            _of_dropout(0.2),
        )
    ),
)  # fmt: skip
"""The arms that need not be spelled out, in the order of tables."""


class Arms(dict[str, Arm]):
    """Arms by key; one of a family is made when it is asked for."""

    def __missing__(self, key: str) -> Arm:
        return _of_family(key)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or (isinstance(key, str) and _is_of_family(key))


@cache
def _of_family(key: str) -> Arm:
    """Return the arm of a family; KeyError where the key is of none."""
    stem, _, number = key.rpartition("_")
    kind, _, make = FAMILIES.get(stem, (int, "", None))
    if make is None or not re.fullmatch(r"[1-9][0-9]{0,4}" if kind is int else r"0\.[0-9]{0,3}[1-9]", number):
        raise KeyError(key)
    return make(kind(number))


def _is_of_family(key: str) -> bool:
    try:
        _of_family(key)
    except KeyError:
        return False
    return True


ARMS = Arms({arm.key: arm for arm in BUILT_IN})
"""Known arms by key: the built-in ones, and those that a user has spelled out for this process."""


def place(key: str) -> tuple[int, float, str]:
    """Return what arms are sorted by in tables: built-in ones as they stand, a family by its numbers, then a user's.

    >>> sorted(["mine", "ghost_16", "ghost_32", "no_bn", "ghost_8", "bn"], key=place)
    ['bn', 'no_bn', 'ghost_8', 'ghost_16', 'ghost_32', 'mine']
    """
    keys, (stem, _, number) = [arm.key for arm in BUILT_IN], key.rpartition("_")
    if _is_of_family(key):
        first = next(i for i, known in enumerate(keys) if known.startswith(f"{stem}_") and _is_of_family(known))
        return first, float(number), key
    return (keys.index(key) if key in keys else len(keys)), 0.0, key


def is_own(key: str) -> bool:
    """Whether an arm is one that a user has spelled out."""
    return key in ARMS and not _is_of_family(key) and ARMS[key] not in BUILT_IN


PUBLISHED = {"no_bn": 0.9555, "bn": 0.978}
"""Test accuracy that the tutorial reports after its last epoch, one run an arm."""


def default_baseline(arms: Sequence[str]) -> str:
    """Return the arm that the others are compared with unless a study names one: BASELINE, else the first.

    >>> default_baseline(["bn", "no_bn"]), default_baseline(["bn", "layer"])
    ('no_bn', 'bn')
    """
    return BASELINE if BASELINE in arms else arms[0]


def in_order(keys: Sequence[str]) -> tuple[str, ...]:
    """Return the keys of arms in the order of tables; a UsageError where one is unknown."""
    for key in keys:
        if not isinstance(key, str) or key not in ARMS:
            raise _unknown(key)
    return tuple(sorted(keys, key=place))


def _unknown(key: object) -> UsageError:
    """Return the refusal of an unknown arm: the known ones, the nearest, and how to spell out one's own."""
    if not isinstance(key, str):
        return UsageError(f"--arms {describe_value(key)} is not a name; choose from: {', '.join(ARMS)}")
    near, shown = nearest(key, ARMS), truncate(key)
    hint = f" (did you mean {near}?)" if near else ""
    families = ", ".join(f"{stem}_{number}" for stem, (_, number, _) in FAMILIES.items())
    own = key if KEY.fullmatch(key) and "." not in key else "mine"
    return UsageError(
        f"--arms {shown!r} is unknown{hint}; choose from: {', '.join(ARMS)}, and any {families}. Or spell it out: write"
        f' the line own-arms.{own} = {{norm = "batch", momentum = 0.01}} into {own}.toml and type'
        f" --config {own}.toml --arms {own} {BASELINE}"
    )


def register(arms: Iterable[Arm]) -> None:
    """Make arms known under their keys; a UsageError where another one has the key."""
    for arm in arms:
        if arm.key in ARMS and ARMS[arm.key] != arm:
            raise UsageError(f"the arm {arm.key} is known and is another one; give yours another key")
        if not _is_of_family(arm.key):
            ARMS.setdefault(arm.key, arm)
