"""A study at the tutorial's setting with a planted ledger: what the page must say of it is known."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.findings.claims.cats import CONDITIONS
from analysis.findings.claims.ledger import Ledger, LedgerEntry
from analysis.findings.claims.verdicts import claim_verdicts
from analysis.findings.results import Results, analyse
from analysis.records.tables import StudyData
from study.spec.claims.experiments import ALL, DEPTHS, QUICK, TWO_EPOCHS
from study.spec.claims.rows import ROWS, Row
from study.spec.claims.rules import NOT_ASKED
from study.spec.datasets import DATASETS
from study.spec.design import Design
from study.spec.factors import REFERENCE_GRID
from study.spec.runs import Run
from tests.analysis.claims_study import in_memory
from tests.analysis.planted import planted

SEEDS = range(6)
EXCHANGED = {"bn": "no_bn", "no_bn": "bn"}
OUTSIDE = ("5a", "7c-relu-slow", "14", "17b-running", "12a", "3c-bn")
"""Rows that the plain ledger contradicts; its others are supported, but for those that follow."""
OPEN, SILENT = ("7c-relu",), ("15c", "7c-tanh")
"""Rows that it leaves undecided, and that were not asked."""


def entry(row: Row, inside: bool | None = True, asked: bool = True) -> LedgerEntry:
    """An entry inside the claimed region, outside, or across its bound (None)."""
    bound = row.rule.bound
    if not asked:
        why = {"reason": "the search was not made", "command": "python -m study.claims"}
        return LedgerEntry(row=row, verdict=NOT_ASKED, **why)
    middle = _where(row, inside)
    half = 0.5 if row.rule.kind == "reported" else 0.05 * max(abs(bound), 0.2)
    low, high = middle - half, middle + half
    if row.rule.kind == "exact":
        low, high = (0.0, 0.0) if inside else (11.0, 22.0)
        middle = (low + high) / 2
    p = math.nan if row.rule.kind == "exact" else 0.5 if inside is None else 2 / 1024
    verdict = row.rule.verdict(low, high)
    return LedgerEntry(middle, low, high, 0.95, p, p, 6, "seeds", row=row, verdict=verdict)


def _where(row: Row, inside: bool | None) -> float:
    bound = row.rule.bound
    far = {None: 0.0, True: 1.0, False: -1.0}[inside] * max(abs(bound), 0.2)
    if row.rule.kind == "within":
        return {None: bound, True: 0.0, False: 3 * bound}[inside]
    if row.rule.kind == "reported":
        return bound - (0.1 if inside else 0.7)
    return bound + (far if row.rule.kind == "above" else -far)


def ledger(outside: Sequence[str] = OUTSIDE, undecided: Sequence[str] = OPEN, silent: Sequence[str] = SILENT) -> Ledger:
    """The ledger whose rows are inside, but for those named."""
    entries = [
        entry(row, None if key in undecided else key not in outside, key not in silent) for key, row in ROWS.items()
    ]
    return of_entries(entries)


def of_entries(entries: Sequence[LedgerEntry]) -> Ledger:
    return Ledger(entries, claim_verdicts(entries), 0.05)


# --- measurements

COLUMNS = ("experiment", "measure", "condition", "arm", "mode", "seed", "layer", "step", "value", "n")
DRIFT = {"no_bn": 0.05, "bn": 0.0025, "noisy": 0.18}
SPREAD = {"no_bn": 0.129, "bn": 0.024, "noisy": 0.194}
ICS = {"no_bn": 0.42, "bn": 0.40, "noisy": 0.92}
STEPS = (20, 100, 200, 300, 400, 600)


def _row(experiment: str, measure: str, value: float, **other: Any) -> dict[str, Any]:
    empty = {"condition": "", "arm": "", "mode": "", "seed": None, "layer": None, "step": None, "n": None}
    return {"experiment": experiment, "measure": measure, **empty, **other, "value": value}


def _drift(experiment: str, noise: np.random.Generator) -> Iterator[dict[str, Any]]:
    for arm in DRIFT:
        for seed in SEEDS:
            for i, step in enumerate(STEPS):
                own = {"arm": arm, "seed": seed, "step": step}
                yield _row(experiment, "loss", 1.2 / (i + 1) * (0.8 if arm == "bn" else 1.0), **own)
                for layer in range(1, 11):
                    at, luck = {**own, "layer": layer}, float(np.exp(0.1 * noise.standard_normal()))
                    grown = 1.13**layer if experiment != "drift-tanh" else 1.0
                    yield _row(experiment, "drift", DRIFT[arm] * grown * luck, **at)
                    yield _row(experiment, "sampling", SPREAD[arm] * luck, **at)
                    yield _row(experiment, "live", 0.6 if arm == "no_bn" else 1.0, **at)
                    for measure in ("gradient_l2", "gradient_cos"):
                        yield _row(experiment, measure, ICS[arm] * luck, **at)


AS_OTHER = {"no_bn": 0.957, "bn": 0.98, "layer": 0.956}


def _cats(experiment: str, noise: np.random.Generator) -> Iterator[dict[str, Any]]:
    for arm, share in AS_OTHER.items():
        modes = ("running", "population", "batch_1000") if arm == "bn" else ("none",)
        for mode in modes:
            for i, condition in enumerate(CONDITIONS):
                for seed in SEEDS:
                    own = {"condition": condition, "arm": arm, "mode": mode, "seed": seed, "n": 10_000}
                    luck = 0.01 * float(noise.standard_normal())
                    yield _row(experiment, "accuracy", 0.96 - 0.18 * i + luck, **own)
                    yield _row(experiment, "as_other", share + luck if condition == "absent" else 0.02, **own)


def measurements(exchange: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Of drift, cats and bits; with arms exchanged where asked."""
    noise, rows = np.random.default_rng(1), []
    for experiment in ("drift-relu", "drift-relu-slow", "drift-tanh"):
        rows += [*_drift(experiment, noise)]
    for experiment in ("cats-answers", "cats-weak-answers"):
        rows += [*_cats(experiment, noise)]
    rows.append(_row("formulas", "error", 3e-13, condition="training"))
    rows += [_row("repeat", "differing_bits", 0.0, arm="bn", seed=seed) for seed in SEEDS]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"seed": "Int32", "layer": "Int16", "step": "Int32"})
    return table.assign(arm=table.arm.replace(exchange)) if exchange else table


def pictures() -> pd.DataFrame:
    """Rings and crosses of 28 x 28 pixels: dogs are 0 and 1, cats 8 and 9."""
    y, x = np.mgrid[:28, :28] / 13.5 - 1
    shapes = {0: abs(np.hypot(x, y) - 0.6) < 0.15, 1: abs(x) < 0.15, 8: abs(x * y) < 0.03, 9: abs(y) < 0.2}
    rows = [
        {"condition": name, "index": i, "label": label, "pixels": np.maximum(shape, 0.1 * (label > 4)).ravel().tolist()}
        for name in CONDITIONS
        for i, (label, shape) in enumerate(shapes.items())
    ]
    return pd.DataFrame(rows)


# --- studies


def at_the_post(run: Run, epoch: int) -> float:
    with_bn = run.arm == "bn"
    return (0.972 if with_bn else 0.954) - 0.08 / (epoch + 1) + 0.0008 * ((7 * run.seed) % 6 - 2.5)


def at_depth(run: Run, epoch: int) -> float:
    level = run.cell.said
    deep, activation = int(level["depth"]), str(level.get("activation", "relu"))
    loss = {"relu": 0.006, "tanh": 0.078, "sigmoid": 0.085}[activation] * max(0, deep - 2)
    if level.get("init", "torch") != "torch":
        loss /= 10
    of_arm = {"no_bn": loss, "noisy": loss / 4, "bn_no_affine": 0.03}.get(run.arm, loss / 10)
    return max(0.1, 0.955 - of_arm + 0.001 * ((5 * run.seed) % 6) - 0.02 * (epoch == 0))


def exchanged(score: Any) -> Any:
    """Scores with the two arms exchanged."""
    return lambda run, epoch: score(replace(run, arm=EXCHANGED.get(run.arm, run.arm)), epoch)


def _design(**fields: Any) -> Design:
    return Design("mnist", seeds=SEEDS, **fields)


def studies(path: Path, exchange: bool = False) -> dict[str, StudyData]:
    score = exchanged(at_depth) if exchange else at_depth
    varied: dict[str, dict[str, Any]] = {
        "depth": {"arms": ("bn", "no_bn", "noisy"), "vary": {"depth": DEPTHS, "activation": ALL}},
        "depth-kaiming": {"vary": {"depth": DEPTHS, "init": ("kaiming",)}},
        "depth-xavier": {"vary": {"depth": DEPTHS, "activation": ("tanh", "sigmoid"), "init": ("xavier",)}},
        "affine": {
            "arms": ("bn", "bn_gamma", "bn_beta", "bn_no_affine"),
            "vary": {"depth": (2, 10), "activation": ALL},
        },
    }
    return {key: planted(path / key, _design(**TWO_EPOCHS, **fields), score) for key, fields in varied.items()}


def study_with_claims(path: Path, exchange: bool = False, **other: Any) -> StudyData:
    """The study at the tutorial's setting with everything behind the ledger."""
    score = exchanged(at_the_post) if exchange else at_the_post
    post = planted(path / "post", _design(**REFERENCE_GRID, epochs=10), score)
    measured = measurements(EXCHANGED if exchange else None)
    given = {"pictures": pictures(), "studies": studies(path, exchange)} | other
    return replace(post, claims=in_memory(path.name, DATASETS["mnist"], QUICK, measured, **given))


def results_of(study: StudyData, found: Ledger | None = None) -> Results:
    """All results of the study, with a planted ledger."""
    return replace(analyse(replace(study, claims=None), 0.05, 0.002), ledger=found or ledger())
