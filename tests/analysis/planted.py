"""A study with planted outcomes: the analysis must find what was put in."""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.records.tables import StudyData, load
from study.spec.analysis_rule import AskedRule, FixedRule
from study.spec.arms import DEFAULT_ARMS
from study.spec.cohorts import cohorts, missing_runs
from study.spec.design import Design
from study.spec.factors import REFERENCE_SETTING, Cell
from study.spec.history import History
from study.spec.runs import Run
from study.spec.tuning.searches import TRIAL_SEEDS_APART, final_seeds
from study.spec.tuning.trial_design import TrialDesign
from study.store.inference_tables import Store
from study.store.schemas import SCHEMA_VERSION, keys_of, part_table
from study.store.study_folder import Folder
from study.tuning import trials_table
from study.tuning.search import Finished, Score
from study.tuning.space import DEFAULT, Space, point

Accuracy = Callable[[Run, int], float | None]
"""Test accuracy of a run after an epoch; None from where it has diverged."""
TrialAccuracy = Callable[[str, Cell, int], float | None]
"""Accuracy on the held-out images of an arm at a configuration, by the number of the trial's seed from 0 on; None where
it diverged."""
FIRST_SEED = 2**30


RULE = AskedRule().fix("2026-11-30")


def plant(
    path: Path,
    design: Design,
    accuracy: Accuracy,
    notice: str | None = None,
    lost: AbstractSet[Run] = frozenset(),
    rule: FixedRule | None = RULE,
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
            "date": "2026-12-01",
            "earlier": [],
            **({} if rule is None else {"analysis_rule": asdict(rule)}),
        }
    )
    folder.compact()
    return path


def planted(path: Path, design: Design, accuracy: Accuracy, **options: object) -> StudyData:
    return load(plant(path, design, accuracy, **options))  # type: ignore[arg-type]


def _history(design: Design, runs: list[Run], accuracy: Accuracy) -> History:
    test = np.array([[accuracy(run, epoch) for epoch in range(design.epochs + 1)] for run in runs], dtype=float)
    both = np.stack([test, test], axis=-1)
    data = design.data
    counts = np.nan_to_num(both * [data.n_train, data.n_test]).round().astype(np.int64)
    correct = np.arange(data.n_test) < counts[:, -1, 1:]
    return History(1 - both, counts, np.isfinite(test), correct, n_steps=10)


# --- a tuned study


def points(n: int, seed: int = 0) -> list[Cell]:
    """Of a Sobol set over the default space."""
    return [point(params) for params in Space.parse(DEFAULT).sobol(n, seed)]


UNTUNED_GAINS = (18, 22, 15, 20, 25, 17, 19, 21)
TUNED_GAINS = (6, 9, 5, 8, 9, 4, 8, 7)
"""Images of 360 that batch norm gains, by seed."""
TUNING_GAINS = (14, 10, 13, 9, 16, 12, 11, 15)
"""Images that tuning gains without batch norm."""


def in_gains(run: Run, epoch: int) -> float:
    """What a run of digits scores, untuned and tuned."""
    k, of_arm, tuned = run.seed % 8, run.arm == "bn", run.cell != REFERENCE_SETTING
    gain = TUNING_GAINS[k] + of_arm * TUNED_GAINS[k] if tuned else of_arm * UNTUNED_GAINS[k]
    return (290 + 4 * epoch + k + gain) / 360


def on_a_hill(arm: str, at: Cell, k: int) -> float:
    """What a trial scores: with batch norm the top is higher, broader and at a larger rate."""
    with_bn = arm == "bn"
    off = (math.log10(at.lr) + (1.5 if with_bn else 2.5)) / (1.6 if with_bn else 1)
    uneven = 0.004 * abs(math.log2(at.batch_size) - 6) + 0.0005 * ((3 * k + at.batch_size) % 8)
    return max(0.1, 0.97 + 0.01 * with_bn - 0.05 * off**2 - uneven)


def on_a_cliff(arm: str, at: Cell, k: int) -> float | None:
    """A hill where large rates diverge, without batch norm earlier: all seeds but the second, and beyond all."""
    edge = 0.3 if arm == "bn" else 0.05
    return None if at.lr > edge and (k != 1 or at.lr > 2 * edge) else on_a_hill(arm, at, k)


def plant_tuned(
    path: Path,
    accuracy: Accuracy,
    trial: TrialAccuracy,
    tried: Sequence[Cell] | Mapping[str, Sequence[Cell]],
    n_trial_seeds: int = 3,
    pruned: AbstractSet[tuple[str, int]] = frozenset(),
    seeds: Sequence[int] = tuple(range(8)),
    untuned: Cell = REFERENCE_SETTING,
    arms: Sequence[str] = DEFAULT_ARMS,
    lost: AbstractSet[Run] = frozenset(),
    n_searches: int = 1,
    **tuning: Any,
) -> Path:
    """Write a tuned study of digits: of the points that were ``tried``, the same for all arms or by arm, each arm has
    its best in the tuned cell; those in ``pruned``, (arm, trial), were stopped after the first epoch. Searches beyond
    the first try as many other points."""
    setting = {"batch_sizes": (untuned.batch_size,), "lrs": (untuned.lr,)}
    design = Design("digits", arms=tuple(arms), **setting, seeds=final_seeds(seeds, n_searches), epochs=4)
    by_arm = tried if isinstance(tried, Mapping) else dict.fromkeys(design.arms, tried)
    n_points = max(map(len, by_arm.values()))
    others = [dict.fromkeys(design.arms, points(n_points, seed=search)) for search in range(1, n_searches)]
    searches = [
        {
            arm: [
                _finished(design, arm, i, at, trial, range(first, first + n_trial_seeds), (arm, i) in pruned)
                for i, at in enumerate(of)
            ]
            for arm, of in one.items()
        }
        for first, one in zip(itertools.count(FIRST_SEED, TRIAL_SEEDS_APART), [by_arm, *others], strict=False)
    ]
    tuned = trials_table.Tuned(searches)
    plant(path, replace(design, tuned=tuned.chosen), accuracy, lost=lost)
    terms = {
        "trials": n_points, "first_seed": FIRST_SEED, "n_seeds": n_trial_seeds,
        "storage": "tuning.journal", "optuna": "5.0.0", "space": str(Space.parse(DEFAULT)), "epochs": design.epochs,
        "sampler": "sobol", "sampler_seed": 0, "pruner": "median" if pruned else "none",
    }  # fmt: skip
    trials_table.write(Folder(path), tuned, terms | tuning)
    return path


def _finished(
    design: Design, arm: str, index: int, at: Cell, trial: TrialAccuracy, seeds: range, pruned: bool
) -> Finished:
    n, epoch = TrialDesign.of(design).data.n_test, 1 if pruned else design.epochs

    def score(k: int) -> Score:
        accuracy = trial(arm, at, k)
        if accuracy is None:
            return Score(seeds[k], epoch, None, None, n, 1)
        return Score(seeds[k], epoch, 1 - accuracy, round(n * accuracy), n, None)

    return Finished(index, at, tuple(map(score, range(len(seeds)))), pruned)


# --- the inference modes

Way = tuple[str, int | None, str | None]
"""To predict: by which statistics, the size of the test batch, the order of its images."""
Row = dict[str, Any]
CLEAN, WITHOUT_NORM = ("clean", 0), ("none", None, None)


def plant_ablation(path: Path, design: Design, answers: Callable[[Run], Mapping[str, Sequence[Row]]]) -> Path:
    """Into a planted study: what each run said when it was asked to predict by other statistics. ``answers`` are the
    rows of the ablation's tables by name, less what says whose they are."""
    tables: dict[str, list[Row]] = defaultdict(list)
    for run in design.runs:
        for name, rows in answers(run).items():
            tables[name] += [keys_of(design, run) | row for row in rows]
    store = Store(path)
    store.commit(tables, design)
    store.compact(path.name, design)
    return path


def answer(way: Way, condition: tuple[str, int], n_correct: int, **other: object) -> Row:
    """A row of the table ``ablation``, of 360 images."""
    inference, size, order = way
    return {
        "epoch": 1, "inference": inference, "eval_batch_size": size, "order": order, "shift": condition[0],
        "severity": condition[1], "loss": 1 - n_correct / 360, "accuracy": n_correct / 360, "n_correct": n_correct,
        "n_examples": 360, "ece": 0.01, "n_flips": None if way == WITHOUT_NORM else 36, "degenerate": False,
        "last_batch": None,
    } | other  # fmt: skip
