"""The network that is trained, where it is not the multilayer perceptron: a value, known before it is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from study.errors import UsageError, describe_value

FIELDS = ("name", "sha256", "arms")


@dataclass(frozen=True)
class NetworkArm:
    """What is known of the network of one arm."""

    arm: str
    n_parameters: int
    n_norms: int = 0
    """Batch norm layers, among whose statistics a prediction may choose."""


@dataclass(frozen=True)
class NetworkSpec:
    """A network made by a function of a file."""

    name: str
    """Such as ``cnn`` or ``my_net.py:make``: the file without its folder."""
    sha256: str
    """Digest of the file."""
    arms: Sequence[NetworkArm] = ()
    """By arm, in the order of a design's arms."""

    def of(self, arm: str) -> NetworkArm:
        """Return what is known of an arm's network."""
        return next(known for known in self.arms if known.arm == arm)

    def to_dict(self) -> dict[str, Any]:
        """Return the network as JSON values."""
        of_arms = [{"arm": a.arm, "n_parameters": a.n_parameters, "n_norms": a.n_norms} for a in self.arms]
        return {"name": self.name, "sha256": self.sha256, "arms": of_arms}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the network of a manifest; a UsageError where it is none."""
        try:
            arms = tuple(NetworkArm(str(a["arm"]), int(a["n_parameters"]), int(a["n_norms"])) for a in values["arms"])
            if {*values} != {*FIELDS} or not all(isinstance(values[name], str) for name in ("name", "sha256")):
                raise TypeError
            return cls(values["name"], values["sha256"], arms)
        except (KeyError, TypeError, ValueError):
            raise UsageError(
                f"this is not a design: network is {describe_value(values)}; give an object with {', '.join(FIELDS)}"
            ) from None
