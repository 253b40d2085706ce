"""What did a study's runs score? The primary score, from its table of records."""

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean

import pyarrow as pa
import pyarrow.compute as pc

from study.spec.design import Design
from study.store.study_folder import Folder

LAST_EPOCHS = 3
"""Epochs over whose ends the primary score is the mean."""


def last_epochs(design: Design) -> range:
    """Return the epochs of the primary score; epoch 0 is the untrained network."""
    return range(max(1, design.epochs - LAST_EPOCHS + 1), design.epochs + 1)


def scores(folder: Folder, design: Design, run_ids: Iterable[str] | None = None) -> dict[str, float | None]:
    """Return the primary score by run: mean test accuracy of the last epochs, None where the run diverged.

    ``run_ids``: of these runs alone.
    """
    records = folder.read("records").select(["run_id", "split", "epoch", "accuracy"])
    kept = pc.and_(
        pc.equal(records["split"], "test"), pc.is_in(records["epoch"], pa.array(last_epochs(design), pa.int32()))
    )
    if run_ids is not None:
        kept = pc.and_(kept, pc.is_in(records["run_id"], pa.array([*run_ids], pa.string())))
    records = records.filter(kept)
    by_run: dict[str, list[float | None]] = defaultdict(list)
    for run_id, accuracy in zip(records["run_id"].to_pylist(), records["accuracy"].to_pylist(), strict=True):
        by_run[run_id].append(accuracy)
    return {run_id: _mean(values) for run_id, values in by_run.items()}


def mean_score(design: Design, values: Iterable[float | None]) -> float:
    """Return the mean of runs' scores, of which one that diverged counts as chance."""
    return fmean(design.data.chance if value is None else value for value in values)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None
