"""What a probe is, to whoever runs it: units that are measured and committed one by one, and the rows that they give.

A unit's rows follow from the data, the extent and the unit alone, whoever measures it and in whatever order; a probe
computes on one thread, so that the number of workers changes no bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from study.spec.claims.experiments import Extent
from study.spec.datasets import DatasetSpec

if TYPE_CHECKING:  # torch is imported by those who measure
    from study.data.dataset import Dataset


class Measured(NamedTuple):
    """A row of ``measurements.parquet``, which has the probe's key in front; what does not apply is empty."""

    measure: str
    """What was measured, such as ``drift``."""
    value: float
    condition: str = ""
    """Such as ``rotate_3`` or ``train-test``."""
    arm: str = ""
    mode: str = ""
    """The inference mode, such as ``running``."""
    seed: int | None = None
    layer: int | None = None
    """From 1, the first hidden layer."""
    step: int | None = None
    """Training step, or epoch where the measure is one of epochs."""
    n: int | None = None
    """Images, or units, of which the value is a mean, or among which it counts."""


@dataclass(frozen=True)
class Context:
    """What a probe may use."""

    data: DatasetSpec
    extent: Extent
    images: "Dataset"
    """The data set, on the CPU in float32."""
    studies: Path
    """The folder of the sub-studies, each under its key; those that the probe needs are complete."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Those of the probe."""
    check_cancelled: Callable[[], None] = lambda: None
    """To be called now and then; ends the measurement by raising."""


Measure = Callable[[str, Context], Sequence[Measured]]
"""The function ``measure`` of a probe's module: the name of a unit -> its rows."""
