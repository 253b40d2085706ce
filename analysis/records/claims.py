"""What the tutorial's ledger is made of: the sub-studies and the measurements of a folder of claims."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from study.spec.claims.experiments import Extent
from study.spec.datasets import DatasetSpec

if TYPE_CHECKING:
    from analysis.records.tables import StudyData


@dataclass(frozen=True)
class ClaimsData:
    """Stand-in of helper F: the fields on which the report relies."""

    name: str
    dataset: DatasetSpec
    extent: Extent
    measurements: pd.DataFrame
    pictures: pd.DataFrame | None = None
    studies: Mapping[str, "StudyData"] = field(default_factory=dict)

    def study(self, key: str) -> "StudyData | None":
        return self.studies.get(key)
