"""The table ``trials.parquet``: what tuning tried, a row per trial and seed, from the finished trials of the searches.

Scores are on the held-out training images after the trial's last epoch. Where a study has one search, no column names
it. Imports no torch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from study.errors import StudyError
from study.spec.analysis_rule import AS_FIXED, AskedRule
from study.spec.factors import FACTORS
from study.spec.history import DIVERGED, OK
from study.spec.runs import Configuration
from study.store.parts import encode
from study.store.schemas import TYPES, table_facts
from study.store.study_folder import Folder
from study.tuning.search import Finished, Score, best

PRUNED = "pruned"
SEARCH = "search"


def trials_schema(columns: Iterable[str]) -> pa.Schema:
    """Return the schema of a table with these ``columns``: the search is among them where there are several."""
    return pa.schema(
        [
            ("study_id", pa.string()),
            *([(SEARCH, pa.int32())] if SEARCH in columns else []),
            ("arm", pa.string()),
            ("trial", pa.int32()),
            ("seed", pa.int32()),
            *((factor.key, TYPES[factor.kind]) for factor in FACTORS.values() if factor.always),
            ("epoch", pa.int32()),
            ("loss", pa.float64()),
            ("accuracy", pa.float64()),
            ("n_correct", pa.int32()),
            ("n_examples", pa.int32()),
            ("status", pa.string()),
            ("first_bad_epoch", pa.int32()),
        ]
    )


@dataclass(frozen=True)
class Tuned:
    """The finished searches of all arms."""

    searches: Sequence[Mapping[str, Sequence[Finished]]]
    """Finished trials by arm, of search 1, search 2, ..."""
    rule: AskedRule = AS_FIXED
    """By what the study is judged, as the first search fixed it."""

    @property
    def chosen(self) -> tuple[Configuration, ...]:
        """The best configuration of each search and arm; raises StudyError where every trial of an arm was pruned."""
        return tuple(
            Configuration(arm, _best(arm, trials).point, search)
            for search, finished in enumerate(self.searches, 1)
            for arm, trials in finished.items()
        )

    def table(self, study_id: str) -> bytes:
        """Return the bytes of ``trials.parquet``."""
        rows = [
            _row(study_id, search, arm, trial, score)
            for search, finished in enumerate(self.searches, 1)
            for arm, trials in sorted(finished.items())
            for trial in trials
            for score in trial.scores
        ]
        table = pa.Table.from_pylist(rows, schema=trials_schema([SEARCH] if len(self.searches) > 1 else []))
        return encode(table.replace_schema_metadata(table_facts(study_id)))


def _best(arm: str, trials: Sequence[Finished]) -> Finished:
    if all(trial.pruned for trial in trials):
        raise StudyError(f"every trial of {arm} was pruned: there is nothing to choose from. Tune without --pruner.")
    return best(trials)


def _row(study_id: str, search: int, arm: str, trial: Finished, score: Score) -> dict[str, Any]:
    diverged = score.n_correct is None
    return {
        "study_id": study_id,
        SEARCH: search,
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
    return folder.read_table("trials", trials_schema)
