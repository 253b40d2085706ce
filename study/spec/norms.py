"""How are the hidden layers of an arm normalised? The kinds of normalisation, and a normalisation as a value.

A kind is a formula, of which ``study/engine/norms/<kind>.py`` has the arithmetic; a ``Norm`` is a kind with its place
and what it learns. To add a kind: a value in ``NORM_KINDS`` and its file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from study.errors import UsageError, describe_value
from study.spec.checks import check_known, check_whole

BATCH_STATISTICS = ("running", "cumulative_last", "cumulative_all")
"""The statistics that a normalisation by the batch keeps of each layer for prediction, a mean and a variance each."""
CUMULATIVE = "cumulative"
"""The momentum of a plain average over all batches so far, as torch's ``momentum=None``."""
MAX_GROUP = 2**15


@dataclass(frozen=True)
class Kind:
    """A kind of normalisation: x_hat = (z - mean) / sqrt(var + eps), by the mean and variance of some of the numbers in
    a layer."""

    key: str
    """Name in files of options, and of its file in ``study/engine/norms``."""
    name: str
    """Name in sentences."""
    paper: str
    """Where it comes from: authors, year, arXiv number."""
    statistics: tuple[str, ...] = ()
    """The statistics kept for prediction, where the mean and variance are of the images of a batch; none where every
    image has its own."""
    group_of: Literal["images", "groups"] | None = None
    """What ``Norm.group`` is a number of; None where it has no groups."""
    draws: bool = False
    """Whether a training step draws random numbers."""
    beta: bool = True
    """Whether it learns a shift, unless a ``Norm`` says otherwise."""


NORM_KINDS = {
    kind.key: kind
    for kind in (
        Kind("batch", "batch normalisation", "Ioffe & Szegedy 2015, 1502.03167", BATCH_STATISTICS),
        Kind("layer", "layer normalisation", "Ba, Kiros & Hinton 2016, 1607.06450"),
        Kind(
            "ghost", "ghost batch normalisation", "Hoffer, Hubara & Soudry 2017, 1705.08741",
            BATCH_STATISTICS, group_of="images",
        ),
        Kind("group", "group normalisation", "Wu & He 2018, 1803.08494", group_of="groups"),
        Kind("rms", "root-mean-square normalisation", "Zhang & Sennrich 2019, 1910.07467", beta=False),
        Kind("renorm", "batch renormalisation", "Ioffe 2017, 1702.03275", BATCH_STATISTICS),
        Kind("noisy", "noisy batch normalisation", "Santurkar et al. 2018, 1805.11604", BATCH_STATISTICS, draws=True),
    )
}  # fmt: skip
"""The known kinds by key."""


@dataclass(frozen=True)
class Norm:
    """A normalisation of every hidden layer, as a value.

    >>> Norm("batch").n_parameters(32), Norm("rms").beta
    (64, False)
    """

    kind: str
    """A key of NORM_KINDS."""
    group: int | None = None
    """Images that share a mean and a variance, in ghosts; the number of groups of units, as in torch.nn.GroupNorm."""
    placement: Literal["before", "after"] = "before"
    """Where it stands, seen from the activation."""
    gamma: bool = True
    """Whether a gain is learnt by unit."""
    beta: bool = None  # type: ignore[assignment]
    """Whether a shift is learnt by unit; None: as the kind has it."""
    bias: bool = True
    """Whether the linear layer in front has a bias."""
    momentum: float | Literal["cumulative"] = 0.1
    """Weight of the newest batch in the running averages, or CUMULATIVE."""

    def __post_init__(self) -> None:
        check_known("normalisation", self.kind, NORM_KINDS)
        if self.beta is None:
            object.__setattr__(self, "beta", NORM_KINDS[self.kind].beta)
        check_known(f"{self.kind}: placement", self.placement, ("before", "after"))
        for name in ("gamma", "beta", "bias"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{self.kind}: {name} is {describe_value(getattr(self, name))}; give true or false")
        self._check_group()
        self._check_momentum()

    def _check_group(self) -> None:
        of = NORM_KINDS[self.kind].group_of
        if of is None and self.group is not None:
            raise UsageError(f"{self.kind}: group is {describe_value(self.group)}, and it has no groups; leave it out")
        if of is not None and self.group is None:
            raise UsageError(f"{self.kind}: it needs a group, a number of {of} such as 8")
        if of is not None:
            check_whole(f"{self.kind}: group", (self.group,), 2, MAX_GROUP, of)  # type: ignore[arg-type]

    def _check_momentum(self) -> None:
        momentum = self.momentum
        if momentum == Norm.momentum:
            return
        if not self.statistics:
            raise UsageError(f"{self.kind}: it keeps no averages, so it has no momentum; leave it out")
        number = type(momentum) in (int, float) and 0 < momentum <= 1  # type: ignore[operator]
        if momentum != CUMULATIVE and not number:
            given = describe_value(momentum)
            raise UsageError(f'{self.kind}: momentum is {given}; give a number above 0 up to 1, or "{CUMULATIVE}"')

    @property
    def statistics(self) -> tuple[str, ...]:
        """The statistics kept of each layer for prediction; none where every image has its own."""
        return NORM_KINDS[self.kind].statistics

    @property
    def smallest_batch(self) -> int:
        """The fewest images that it can train on."""
        return (self.group or 2) if self.statistics else 1

    def images_of(self, batch_size: int) -> int:
        """Return the images of a batch that share a mean and a variance."""
        return self.group if NORM_KINDS[self.kind].group_of == "images" and self.group else batch_size

    def why_not(self, batch_size: int) -> str | None:
        """Return why it cannot train on batches of this size, None where it can."""
        if self.statistics and batch_size == 1:
            return "batch norm on batches of one"
        if batch_size % self.images_of(batch_size):
            return f"ghosts of {self.group} images, which do not divide a batch of {batch_size}"
        return None

    def check_widths(self, widths: Sequence[int]) -> None:
        """Refuse hidden layers that cannot be divided into its groups of units: a unit alone is always its mean."""
        if NORM_KINDS[self.kind].group_of == "groups" and self.group:
            for width in widths:
                if width % self.group or width == self.group:
                    whole = max(2, -(-width // self.group)) * self.group
                    raise UsageError(
                        f"--hidden {width}: it cannot be divided into {self.group} groups of two units or more; give a"
                        f" multiple, such as {whole}, or other groups"
                    )

    @property
    def learnt(self) -> tuple[str, ...]:
        """What is learnt, by its names in torch.nn: gamma is the weight, beta the bias."""
        return tuple(name for name, there in (("weight", self.gamma), ("bias", self.beta)) if there)

    def n_parameters(self, width: int) -> int:
        """Return the number of learnt numbers of a layer of ``width`` units."""
        return width * len(self.learnt)

    def settings(self) -> dict[str, Any]:
        """Return as JSON values what tells it from its kind."""
        plain = Norm(self.kind, NORM_KINDS[self.kind].group_of and self.group)
        names = [field.name for field in fields(self) if field.name not in ("kind", "group")]
        changed = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(plain, name)}
        return ({} if self.group is None else {"group": self.group}) | changed
