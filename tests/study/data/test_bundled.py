"""Tables that come with scikit-learn: the split is the same every time, and the specs say what it is."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from study.data.dataset import load
from study.spec.datasets import DATASETS, SKLEARN

GOLDEN = {
    "sklearn:breast_cancer": "bb0f5139103c6f193e0a38cf7540d8daaa91f5e2b3253d95b3a74df2df5495c1",
    "sklearn:wine": "e44e50854e179707946290d070b690cac1791555ac31c232d6806b859b0e19f3",
    "sklearn:iris": "2a90418b09b9a9bf1f1cfbe764dad702440b158e444dc0b0dc1e56f91a589d3b",
}
"""Digests of content and split: another split in a later scikit-learn would be another data set."""


@pytest.mark.parametrize("key", sorted(GOLDEN))
def test_a_table_of_scikit_learn_is_split_by_class_and_what_its_spec_says(key: str) -> None:
    spec, found = DATASETS[key], load(key, Path("nowhere"))
    assert found.digest == GOLDEN[key]
    whole = getattr(datasets, f"load_{key.removeprefix(SKLEARN)}")()
    assert spec.classes == tuple(whole.target_names.tolist())
    counts = np.bincount(found.test.labels)
    assert counts.tolist() == (list(spec.counts) if spec.counts else [spec.n_test // 3] * 3)
    shares = [np.bincount(split.labels) / len(split.labels) for split in (found.train, found.test)]
    assert np.abs(shares[0] - shares[1]).max() < 0.02
    rows = {row.tobytes() for row in whole.data.astype(np.float32)}
    for split in (found.train, found.test):
        assert {row.numpy().tobytes() for row in split.images} <= rows
    assert len(found.train.labels) + len(found.test.labels) == len(whole.target)
