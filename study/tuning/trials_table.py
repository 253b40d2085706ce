"""The table ``trials.parquet``: what tuning tried, a row per trial and seed, from the finished trials of the searches.

Scores are on the held-out training images after the trial's last epoch. Imports no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from study.errors import StudyError
from study.spec.analysis_rule import AS_FIXED, AskedRule
from study.spec.factors import FACTORS
from study.spec.history import DIVERGED, OK
from study.spec.runs import Configuration
from study.store.parts import encode
from study.store.schemas import SCHEMA_VERSION, TYPES
from study.store.study_folder import Folder
from study.tuning.search import Finished, Score, best

PRUNED = "pruned"
TRIALS_SCHEMA = pa.schema(
    [
        ("study_id", pa.string()),
        ("arm", pa.string()),
        ("trial", pa.int32()),
        ("seed", pa.int32()),
        *((factor.key, TYPES[factor.kind]) for factor in FACTORS.values() if factor.always),
        ("epoch", pa.int16()),
        ("loss", pa.float64()),
        ("accuracy", pa.float64()),
        ("n_correct", pa.int32()),
        ("n_examples", pa.int32()),
        ("status", pa.string()),
        ("first_bad_epoch", pa.int16()),
    ]
)


@dataclass(frozen=True)
class Tuned:
    """The finished searches of all arms."""

    finished: Mapping[str, Sequence[Finished]]
    """Finished trials by arm."""
    rule: AskedRule = AS_FIXED
    """By what the study is judged, as the searches fixed it."""

    @property
    def chosen(self) -> tuple[Configuration, ...]:
        """The best configuration of each arm; raises StudyError where every trial of an arm was pruned."""
        for arm, trials in self.finished.items():
            if all(trial.pruned for trial in trials):
                raise StudyError(
                    f"every trial of {arm} was pruned: there is nothing to choose from. Tune without --pruner."
                )
        return tuple(Configuration(arm, best(trials).point) for arm, trials in self.finished.items())

    def table(self, study_id: str) -> bytes:
        """Return the bytes of ``trials.parquet``."""
        rows = [
            _row(study_id, arm, trial, score)
            for arm, trials in sorted(self.finished.items())
            for trial in trials
            for score in trial.scores
        ]
        table = pa.Table.from_pylist(rows, schema=TRIALS_SCHEMA)
        metadata = {"study.schema_version": str(SCHEMA_VERSION), "study.study_id": study_id}
        return encode(table.replace_schema_metadata(metadata))


def _row(study_id: str, arm: str, trial: Finished, score: Score) -> dict[str, Any]:
    diverged = score.n_correct is None
    return {
        "study_id": study_id,
        "arm": arm,
        "trial": trial.index,
        "seed": score.seed,
        **trial.point.identity,
        "epoch": score.epoch,
        "loss": score.loss,
        "accuracy": None if diverged else score.accuracy,
        "n_correct": score.n_correct,
        "n_examples": score.n_examples,
        "status": DIVERGED if diverged else PRUNED if trial.pruned else OK,
        "first_bad_epoch": score.first_bad_epoch,
    }


def write(folder: Folder, tuned: Tuned, tuning: Mapping[str, Any]) -> None:
    """Write the table, and into the manifest the entry ``tuning`` on how it came about."""
    with folder.lock():
        manifest = folder.own_manifest()
        if manifest.get("tuning") != tuning:
            folder.write_manifest({**manifest, "tuning": dict(tuning)})
        folder.write_tables({"trials": tuned.table(manifest["study_id"])})


def read(folder: Folder) -> pa.Table:
    """Return the table, checked as ``Folder.read_table`` checks it."""
    return folder.read_table("trials", TRIALS_SCHEMA)
