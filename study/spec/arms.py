"""What is compared: the arms, each a value. One that is not in ``ARMS`` can be neither asked for nor trained.

An arm is a normalisation, the smallest batch that it can train on, and how tables and figures call and draw it. To add
one: a value in ``ARMS``, and where its normalisation is new, a kind and the file ``engine/norms/<kind>.py``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, Self, TypeVar

from study.errors import UsageError, describe_value
from study.spec.checks import check_known

T = TypeVar("T")

NORM_KINDS = ("batch", "layer")
"""The kinds of normalisation, each a file of ``study/engine/norms``."""


@dataclass(frozen=True)
class Norm:
    """A normalisation of hidden layers, as a value; what an engine does not know of it, it refuses to train.

    >>> Norm("batch").n_parameters(32)
    64
    """

    kind: str
    """One of NORM_KINDS."""
    statistics: tuple[str, ...] = ()
    """Statistics kept of each layer for prediction, a mean and a variance each; none where every image has its own."""
    group: int | None = None
    """Units that share a mean and a variance; None: as the kind has it."""
    placement: Literal["before", "after"] = "before"
    """Where it stands, seen from the activation."""
    gamma: bool = True
    """Whether a gain is learnt by unit."""
    beta: bool = True
    """Whether a shift is learnt by unit."""
    bias: bool = True
    """Whether the linear layer in front has a bias."""
    momentum: float = 0.1
    """Weight of the newest batch in the running averages."""

    def __post_init__(self) -> None:
        check_known("normalisation", self.kind, NORM_KINDS)

    def n_parameters(self, width: int) -> int:
        """Return the number of learnt numbers of a layer of ``width`` units."""
        return width * (self.gamma + self.beta)


@dataclass(frozen=True)
class Arm:
    """A treatment arm: one of the things that are compared."""

    key: str
    """Name in run ids, tables and options."""
    name: str
    """Name in sentences."""
    short: str
    """Name in columns and legends."""
    tag: str
    """Name in heads of columns that hold two arms: ``failed without | with``."""
    norm: Norm | None
    smallest_batch: int = 1
    """Images; on smaller batches it is recorded as not applicable."""
    reason: str = ""
    """Why it cannot train on smaller ones."""
    colour: str = "#808080"
    line: str = ":"
    marker: str = "^"
    dropout: float = 0.0
    """Share of hidden units that a training step leaves out, after the activation."""

    def to_dict(self) -> dict[str, Any]:
        """Return the arm as JSON values, without what it has by default."""
        return _plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the arm of a manifest or of a file of options; a UsageError where it is none."""
        given = dict(values)
        if isinstance(given.get("norm"), Mapping):
            given["norm"] = _from_plain(Norm, given["norm"], "a normalisation")
        return _from_plain(cls, given, "an arm")

    @property
    def statistics(self) -> tuple[str, ...]:
        """The statistics that its networks keep, among which a prediction may choose."""
        return self.norm.statistics if self.norm else ()


BASELINE = "no_bn"
"""The arm that every other one is compared with, where a study has it and names no other: ``default_baseline``."""
BATCH_STATISTICS = ("running", "cumulative_last", "cumulative_all")
"""The statistics that batch normalisation keeps of each layer beside gamma and beta."""

ARMS = {
    arm.key: arm
    for arm in (
        Arm(
            "bn", "batch normalisation", "with BN", "with",
            Norm("batch", BATCH_STATISTICS), smallest_batch=2, reason="batch norm on batches of one",
            colour="#0173b2", line="-", marker="o",
        ),
        Arm("no_bn", "no batch normalisation", "without BN", "without", None, colour="#d55e00", line="--", marker="s"),
        Arm(
            "layer", "layer normalisation", "with LN", "with LN", Norm("layer"), colour="#029e73", line="-.", marker="D"
        ),
    )
}  # fmt: skip
"""Known arms by key, in the order of tables; the colours are of seaborn's palette ``colorblind``."""

DEFAULT_ARMS = ("bn", BASELINE)
"""The arms of a study by default."""
PUBLISHED = {"no_bn": 0.9555, "bn": 0.978}
"""Test accuracy that the tutorial reports after its last epoch, one run an arm."""


def default_baseline(arms: Sequence[str]) -> str:
    """Return the arm that the others are compared with unless a study names one: BASELINE, else the first.

    >>> default_baseline(["bn", "no_bn"]), default_baseline(["bn", "layer"])
    ('no_bn', 'bn')
    """
    return BASELINE if BASELINE in arms else arms[0]


def in_order(keys: Sequence[str]) -> tuple[str, ...]:
    """Return the keys of arms in the order of ``ARMS``; a UsageError where one is unknown."""
    for key in keys:
        check_known("--arms", key, ARMS)
    return tuple(sorted(keys, key=[*ARMS].index))


def register(arms: Iterable[Arm]) -> None:
    """Make arms known under their keys; a UsageError where another one has the key."""
    for arm in arms:
        if ARMS.setdefault(arm.key, arm) != arm:
            raise UsageError(f"the arm {arm.key} is known and is another one; give yours another key")


def _plain(value: Any) -> dict[str, Any]:
    """Return the fields of a value that are not the defaults, as JSON values."""
    given = {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != f.default}
    plain = {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}
    return {name: _plain(v) if isinstance(v, Norm) else v for name, v in plain.items()}


def _from_plain(kind: type[T], values: Mapping[str, Any], what: str) -> T:
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for name in values:
        check_known(f"{what}:", name, known)
    missing = [name for name, f in known.items() if f.default is MISSING and name not in values and name != "norm"]
    if missing:
        raise UsageError(f"{what} needs {', '.join(missing)}; this one has {describe_value(dict(values))}")
    listed = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    if "norm" in known:
        listed.setdefault("norm", None)
    return kind(**listed)
