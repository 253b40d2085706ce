"""A study with planted outcomes: the analysis must find what was put in."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path

import numpy as np

from analysis.tables import Study, load
from study.design import Design, Run
from study.folder import Folder
from study.history import History
from study.plan import cohorts, missing_runs
from study.records import SCHEMA_VERSION, part_table

Accuracy = Callable[[Run, int], float | None]
"""Test accuracy of a run after an epoch; None from where it has diverged."""


def plant(
    path: Path, design: Design, accuracy: Accuracy, notice: str | None = None, lost: AbstractSet[Run] = frozenset()
) -> Path:
    """Write a study whose runs score as ``accuracy`` says; the runs in ``lost`` have no records."""
    folder = Folder(path)
    folder.prepare()
    for cohort in cohorts(missing_runs(design, lost)):
        folder.commit("planted", part_table(design, cohort.runs, _history(design, cohort.runs, accuracy)))
    folder.write_manifest(
        {
            "schema_version": SCHEMA_VERSION,
            "study_id": folder.path.name,
            "design": design.to_dict(),
            "digest": design.digest,
            "data": {"name": design.dataset, "sha256": {"file": "0" * 64}, "notice": notice},
            "argv": "python -m study.run",
            "versions": {"python": "3.11"},
            "git": {"commit": None, "dirty": None},
            "device": {"kind": "cpu", "name": "abacus", "engine": "torch-2/cpu/float32", "workers": 1},
            "timings": {},
            "earlier": [],
        }
    )
    folder.compact()
    return path


def planted(path: Path, design: Design, accuracy: Accuracy, **options: object) -> Study:
    return load(plant(path, design, accuracy, **options))  # type: ignore[arg-type]


def _history(design: Design, runs: list[Run], accuracy: Accuracy) -> History:
    test = np.array([[accuracy(run, epoch) for epoch in range(design.epochs + 1)] for run in runs], dtype=float)
    both = np.stack([test, test], axis=-1)
    facts = design.facts
    counts = np.nan_to_num(both * [facts.n_train, facts.n_test]).round().astype(np.int64)
    correct = np.arange(facts.n_test) < counts[:, -1, 1:]
    return History(1 - both, counts, np.isfinite(test), correct, n_steps=10)
