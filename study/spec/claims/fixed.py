"""What a ledger fixes before its first run: data set, extent, level, rows with their rules, and its experiments.

Its digest stands in every part and table that is made under it, so that a rule that was changed afterwards is noticed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from study.errors import UsageError, describe_value
from study.spec.claims.experiments import EXPERIMENTS, PROBES, Extent
from study.spec.claims.rows import ROWS, Row
from study.spec.datasets import DATASETS, DatasetSpec
from study.spec.design import digest


@dataclass(frozen=True)
class Fixed:
    """The charter of a ledger, as its manifest holds it."""

    dataset: str
    """A key of DATASETS."""
    extent: Extent
    alpha: float
    rows: tuple[Row, ...]
    experiments: Mapping[str, str]
    """What is run, in its order, with the digest of each: keys of EXPERIMENTS."""

    @classmethod
    def begin(cls, data: DatasetSpec, extent: Extent, alpha: float, rows: tuple[Row, ...] = (*ROWS.values(),)) -> Self:
        """Return what a new ledger fixes: all rows, and the experiments of those that can be answered."""
        keys = needed(rows, data, extent)
        return cls(data.key, extent, alpha, rows, {key: EXPERIMENTS[key].digest(data, extent) for key in keys})

    @property
    def data(self) -> DatasetSpec:
        return DATASETS[self.dataset]

    def why_not(self, row: Row) -> str | None:
        """Return why a row is not asked, None where it is."""
        absent = next((key for key in row.experiments if key not in self.experiments), None)
        return why_not(row, self.data, self.extent) or (f"this ledger began without {absent}" if absent else None)

    def check_program(self) -> None:
        """Refuse to go on with experiments that another version of the program fixed otherwise."""
        for key, fixed in self.experiments.items():
            if EXPERIMENTS[key].digest(self.data, self.extent) != fixed:
                raise UsageError(
                    f"the experiment {key} is another in this version of the program than the ledger fixed before its"
                    " first run; go on with the version that began it, or choose another --study-id"
                )

    @cached_property
    def digest(self) -> str:
        return digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "extent": self.extent.to_dict(),
            "alpha": self.alpha,
            "rows": [row.to_dict() for row in self.rows],
            "experiments": dict(self.experiments),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what a manifest holds; a UsageError where it cannot be."""
        if values["dataset"] not in DATASETS:
            raise UsageError(f"{describe_value(values['dataset'])} is no data set of this program")
        rows = tuple(Row.from_dict(row) for row in values["rows"])
        if not rows or len({row.key for row in rows}) < len(rows):
            raise UsageError("the rows of a ledger have keys of their own, and there is at least one")
        unknown = next((key for key in values["experiments"] if key not in EXPERIMENTS), None)
        if unknown is not None:
            raise UsageError(f"{describe_value(unknown)} is no experiment of this program")
        extent = Extent.from_dict(values["extent"])
        return cls(values["dataset"], extent, values["alpha"], rows, dict(values["experiments"]))


def why_not(row: Row, data: DatasetSpec, extent: Extent) -> str | None:
    """Return why a row is not asked of a data set to this extent, None where it is."""
    left_out = next((key for key in row.experiments if key in extent.left_out), None)
    return row.why_not(data) or (f"the {extent.name} extent leaves out {left_out}" if left_out else None)


def needed(rows: tuple[Row, ...], data: DatasetSpec, extent: Extent) -> list[str]:
    """Return the experiments that the rows need, and the studies that those need, in the order in which they run."""
    named = {key for row in rows if why_not(row, data, extent) is None for key in row.experiments}
    named |= {study for key in named if key in PROBES for study in PROBES[key].of}
    return [key for key in EXPERIMENTS if key in named]
