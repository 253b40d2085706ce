"""The images of a command: loaded once, and not before somebody asks, since torch takes seconds to import."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.data.dataset import Dataset

DATA_DIR = Path(os.environ.get("STUDY_DATA_DIR", "data"))
"""Where the files of data sets lie unless told otherwise."""


@dataclass(frozen=True)
class ImageSource:
    """Where the images are; a key of DATASETS, and the folder."""

    name: str
    data_dir: Path

    @cached_property
    def images(self) -> "Dataset":
        """As ``data.load`` has them; an EnvironmentFault where they cannot be had."""
        from study.data import dataset as data

        return data.load(self.name, self.data_dir)
