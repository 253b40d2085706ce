"""The network that is trained, where it is not the multilayer perceptron: a value, known without loading its file.

A network is made by a function of a Python file. The file's digest and the function's name are what it is; where the
file lies is no part of that, since a study is moved and resumed elsewhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from study.errors import UsageError, describe_value, quote

SHIPPED = ("cnn", "residual")
"""The networks that come with the program, each a file of ``study/networks``."""
MAKE = "make"
"""The function that makes a network where no other is named."""
FOLDER = "network"
"""The folder of a study that holds a copy of the file."""
MAX_NAME = 200
"""Characters of a network's name."""


@dataclass(frozen=True)
class NetworkArm:
    """What is known of the network of one arm."""

    arm: str
    n_parameters: int
    """Numbers that training moves."""
    n_products: int
    """Products of a weight and a feature that an image takes: what training and evaluation cost."""
    n_norms: int = 0
    """Batch norm layers, among whose statistics a prediction may choose."""
    images: bool = False
    """Whether it takes images (n, channels, height, width); else it takes rows (n, features)."""


@dataclass(frozen=True)
class NetworkSpec:
    """A network made by a function of a file."""

    name: str
    """Such as ``my_net.py:make``: the file without its folder, and the function."""
    sha256: str
    """Digest of the file."""
    arms: tuple[NetworkArm, ...] = ()
    """By arm, sorted by its key."""
    path: Path | None = field(default=None, compare=False, repr=False)
    """Where this process finds the file; no part of what the network is."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "arms", tuple(sorted(self.arms, key=lambda known: known.arm)))

    @property
    def function(self) -> str:
        """The name of the function that makes a network."""
        return self.name.rpartition(":")[2]

    @property
    def words(self) -> str:
        """The network as a sentence names it, with the first digits of its digest."""
        return f"{self.name} (sha256 {self.sha256[:12]})"

    def of(self, arm: str) -> NetworkArm:
        """Return what is known of an arm's network; a UsageError where the file was not asked for it."""
        for known in self.arms:
            if known.arm == arm:
                return known
        raise UsageError(
            f"the network {quote(self.name)} is known for the arms {', '.join(a.arm for a in self.arms) or 'none'}, and"
            f" not for {arm}; name every arm where it is loaded: study.network(FILE, dataset, arms=[{arm!r}, ...])"
        )

    def at(self, path: Path | None) -> Self:
        """Return the same network, whose file lies at ``path``."""
        return replace(self, path=path)

    def to_dict(self) -> dict[str, Any]:
        """Return the network as JSON values, without the place of its file."""
        of_arms = [{name: getattr(known, name) for name in _OF_ARM} for known in self.arms]
        return {"name": self.name, "sha256": self.sha256, "arms": of_arms}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the network of a manifest; a UsageError where it is none."""
        if not _is_network(values):
            raise UsageError(
                f"this is not a design: network is {describe_value(values)}; give an object with name, sha256 (64 hex"
                f" digits) and arms, a list of objects with {', '.join(_OF_ARM)}"
            )
        return cls(values["name"], values["sha256"], tuple(NetworkArm(**known) for known in values["arms"]))


_OF_ARM = {f.name: f.type for f in fields(NetworkArm)}


def _is_network(values: Any) -> bool:
    if not isinstance(values, Mapping) or {*values} != {"name", "sha256", "arms"}:
        return False
    name, sha256, arms = values["name"], values["sha256"], values["arms"]
    named = isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable()
    return (
        named
        and isinstance(sha256, str)
        and re.fullmatch("[0-9a-f]{64}", sha256) is not None
        and isinstance(arms, list)
        and all(map(_is_of_arm, arms))
        and len({known["arm"] for known in arms}) == len(arms)
    )


def _is_of_arm(known: Any) -> bool:
    if not isinstance(known, Mapping) or {*known} != {*_OF_ARM}:
        return False
    counts = (known["n_parameters"], known["n_norms"])
    n_products = known["n_products"]
    return (
        isinstance(known["arm"], str)
        and isinstance(known["images"], bool)
        and all(type(n) is int and 0 <= n < 2**31 for n in counts)
        and type(n_products) is int
        and 0 <= n_products < 2**53
    )
