"""Studies of every kind that a paper may be written of, and the texts of their exports."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.findings.results import Results, analyse
from analysis.records import tables
from analysis.records.rule import rule_of
from analysis.records.slices import sliced
from analysis.records.tables import StudyData
from analysis.report import report_json
from analysis.report.export import export
from analysis.report.first_screen.screen import screen
from study.spec.design import Design
from study.spec.factors import REFERENCE_SETTING
from study.spec.runs import Run
from study.store.study_folder import Folder
from tests import ROOT
from tests.analysis.planted import in_gains, on_a_cliff, on_a_hill, plant, plant_tuned, points

SPECIALS = r"50 %_&#$ {x} \y ~^ <a|b> [c] `q` – Møller é 한"
DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(6)), epochs=3)
SMALL = replace(DESIGN, batch_sizes=(32,), lrs=(0.01,))


def score(run: Run, epoch: int) -> float:
    gain = 0.02 + 0.002 * (run.seed % 3) + 0.1 * run.cell.lr
    return 0.6 + 0.05 * epoch + 0.003 * run.seed + (gain if run.arm == "bn" else 0)


def failing(run: Run, epoch: int) -> float | None:
    """Two runs without normalisation diverge at the larger rate, one stays at chance."""
    if run.arm == "no_bn" and run.cell.lr == 0.1 and run.seed < 3:
        return 0.1 if run.seed == 2 or not epoch else None
    return score(run, epoch)


def failing_when_tuned(run: Run, epoch: int) -> float:
    """One tuned run without normalisation stays at chance."""
    lost = run.arm == "no_bn" and run.seed == 2 and run.cell != REFERENCE_SETTING
    return 0.1 if lost else in_gains(run, epoch)


def renamed(path: Path, **changes: Any) -> Path:
    """The study in ``path`` with other entries in its manifest."""
    store = Folder(path)
    manifest = store.read_manifest()
    assert manifest is not None
    store.write_manifest({**manifest, **changes})  # type: ignore[typeddict-item]
    store.compact()
    return path


def without_rule(path: Path) -> Path:
    return plant(path, SMALL, score, rule=None)


THREE_FACTORS = replace(DESIGN, vary={"activation": ("relu", "tanh")})
THREE_ARMS = replace(DESIGN, batch_sizes=(32,), arms=("bn", "no_bn", "layer"))
STUDIES: dict[str, Callable[[Path], Path]] = {
    "with a hostile name": lambda path: renamed(plant(path, DESIGN, score), study_id=SPECIALS),
    "of three arms with failures": lambda path: plant(path, THREE_ARMS, failing),
    "that was tuned": lambda path: plant_tuned(path, in_gains, on_a_hill, points(8)),
    "of one arm": lambda path: plant(path, replace(SMALL, arms=("bn",), seeds=(0, 1), epochs=1), score),
}
MORE: dict[str, Callable[[Path], Path]] = {
    "of one seed": lambda path: plant(path, replace(SMALL, seeds=(0,)), score),
    "that was tuned by six searches": lambda path: plant_tuned(path, in_gains, on_a_cliff, points(50), n_searches=6),
    "whose tuned runs failed": lambda path: plant_tuned(path, failing_when_tuned, on_a_hill, points(8)),
    "that was tuned twice": lambda path: plant_tuned(path, in_gains, on_a_hill, points(8), n_searches=2),
    "whose tuning learned and pruned": lambda path: plant_tuned(
        path, in_gains, on_a_hill, points(8), pruned={("bn", 3)}, sampler="tpe"
    ),
    "without batch normalisation": lambda path: plant(path, replace(SMALL, arms=("no_bn", "layer")), score),
    "of three tuned arms": lambda path: plant_tuned(
        path, in_gains, on_a_hill, points(8), arms=("bn", "no_bn", "layer")
    ),
    "that fixed no rule": without_rule,
    "with runs missing": lambda path: plant(path, DESIGN, score, lost={Run(32, 0.01, seed=2, arm="bn")}),
    "with batches of one": lambda path: plant(path, replace(SMALL, batch_sizes=(1, 32)), score),
    "of 18 seeds": lambda path: plant(path, replace(SMALL, seeds=tuple(range(18))), score),
    "of another engine": lambda path: renamed(
        plant(path, SMALL, score), device={"kind": "cpu", "name": "abacus", "workers": 1}
    ),
    "in which all runs failed": lambda path: plant(path, DESIGN, lambda run, epoch: None if epoch else 0.1),
    "of Fashion-MNIST": lambda path: plant(path, replace(SMALL, dataset="fashion-mnist"), score),
    "of KMNIST": lambda path: plant(path, replace(SMALL, dataset="kmnist"), score),
    "of three factors": lambda path: plant(path, THREE_FACTORS, failing),
    "that is a slice": lambda path: plant(path, THREE_FACTORS, failing),
    "that is shipped": lambda path: Path(shutil.copytree(ROOT / "results" / "reference-mnist", path)),
}
ALPHA = {"of 18 seeds": 0.01}
"""Levels of analyses that are not the one that was fixed."""
AT = {"that is a slice": {"activation": "tanh"}}
"""Levels of what is a part of a study."""
BESIDE = {"of KMNIST": DESIGN}
"""Another study that stands beside it: with a setting in common, and others."""


class Exported:
    """The texts of a study's export, with what they were made of."""

    def __init__(
        self, path: Path, alpha: float | None = None, beside: Path | None = None, at: Mapping[str, str] | None = None
    ):
        self.study: StudyData = sliced(tables.load(path), at or {})
        rule = rule_of(self.study, alpha)
        others = [] if beside is None else [tables.load(beside)]
        self.results: Results = analyse(self.study, rule.alpha, rule.margin, others)
        self.report = report_json.contents(self.study, self.results, screen(self.study, self.results))
        self.texts = export.texts(self.study, self.results, self.report)

    def write(self, folder: Path) -> Path:
        for name, text in self.texts.items():
            (folder / name).write_text(text, "utf-8")
        return folder


def made(name: str, path: Path) -> Exported:
    """The export of a study of this name, planted in ``path``."""
    beside = plant(path.with_name(f"{path.name} beside"), BESIDE[name], score) if name in BESIDE else None
    return Exported((STUDIES | MORE)[name](path), ALPHA.get(name), beside, AT.get(name))


Make = Callable[[str], Exported]
every_study = pytest.mark.parametrize(
    "name", [*STUDIES, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
)
