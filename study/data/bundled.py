"""The data sets that come with scikit-learn: their arrays, split by class and always the same, four fifths to train."""

from typing import Any

import numpy as np

from study.data.arrays import Arrays
from study.spec.datasets import Bundled, DatasetSpec
from study.spec.design import digest


def read(data: DatasetSpec) -> Arrays:
    """Return the arrays of a bundled data set as they are; those of digits are divided by 16."""
    assert isinstance(data.source, Bundled)
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    loader = data.source.loader
    features, labels = getattr(datasets, f"load_{loader}")(return_X_y=True)
    parts = train_test_split(features, labels, test_size=data.n_test, stratify=labels, random_state=0)
    x_train, x_test, y_train, y_test = (np.ascontiguousarray(part) for part in parts)
    if loader == "digits":
        sha256 = {
            "digits-images": digest(features.astype(int).tolist()),
            "digits-split": digest([y_train.tolist(), y_test.tolist(), x_train.astype(int).tolist()]),
        }
        x_train, x_test = x_train / 16, x_test / 16
    else:
        sha256 = {
            f"{loader}-features": digest(features.tolist()),
            f"{loader}-split": digest([y_train.tolist(), y_test.tolist(), x_train.tolist()]),
        }
    return Arrays(_typed(x_train, y_train), _typed(x_test, y_test), sha256)


def _typed(features: Any, labels: Any) -> tuple[Any, Any]:
    return features.astype(np.float32), labels.astype(np.int64)
