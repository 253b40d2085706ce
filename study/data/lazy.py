"""The images of a command: loaded once, and not before they are used, since torch takes seconds to import."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from study.spec.datasets import DatasetSpec

if TYPE_CHECKING:
    from study.data.dataset import Dataset

DATA_DIR = Path(os.environ.get("STUDY_DATA_DIR", "data"))
"""The folder of data sets by default."""


@dataclass(frozen=True)
class ImageSource:
    """The place of the images: the data set, and the folder."""

    data: DatasetSpec
    data_dir: Path

    @cached_property
    def images(self) -> "Dataset":
        """The images that ``dataset.load`` returns; an EnvironmentFault where it cannot."""
        from study.data.dataset import load

        return load(self.data, self.data_dir)
