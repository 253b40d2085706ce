"""The classes of a study's test examples, for what is counted by class."""

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError
from analysis.records.tables import StudyData
from study.errors import StudyError
from study.store.study_folder import Folder


def test_labels(study: StudyData) -> NDArray[np.int64] | None:
    """Return the class (n_test,) of every test example in order, None where the study did not keep them.

    Raises AnalysisError where they are not those of the design's data.
    """
    folder, data = Folder(study.path), study.design.data
    if not (study.path / "labels.parquet").exists():
        return None
    try:
        labels = folder.read("labels").column("label").to_numpy()
    except (StudyError, OSError) as error:
        raise AnalysisError(str(error)) from None
    possible = len(labels) == data.n_test and ((labels >= 0) & (labels < data.n_classes)).all()
    if not possible or (data.counts and (np.bincount(labels, minlength=data.n_classes) != data.counts).any()):
        raise AnalysisError(
            f"{study.path / 'labels.parquet'} does not hold the labels of {data.name}; repeat the study's own command"
            " to make it again"
        )
    return labels.astype(np.int64)
