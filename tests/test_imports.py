"""Imports run one way, from vocabulary to entry point: the arrows of the house, held by a test."""

import ast
import subprocess
import sys
from pathlib import Path

from tests import ROOT

ARROWS = {
    "study": set(),
    "study.errors": set(),
    "study.storages": {"study.errors"},
    "study.arguments": {"study.errors"},
    "study.space": {"study.arguments", "study.errors"},
    "study.presence": set(),
    "study.search": {"study.errors", "study.presence", "study.space"},
    "study.history": set(),
    "study.design": {"study", "study.errors"},
    "study.plan": {"study.design"},
    "study.provenance": set(),
    "study.streams": set(),
    "study.parameters": set(),
    "study.normalization": {"study.parameters"},
    "study.pixels": set(),
    "study.network": {"study.normalization", "study.parameters", "study.pixels", "study.streams"},
    "study.sources": {"study.errors"},
    "study.data": {"study.design", "study.errors", "study.pixels", "study.sources"},
    "study.held_out": {"study.data", "study.design"},
    "study.evaluation": {"study.network", "study.pixels"},
    "study.lockstep": {"study.design", "study.network", "study.pixels", "study.plan"},
    "study.passes": {"study.data", "study.lockstep", "study.pixels"},
    "study.training": {
        "study.data", "study.design", "study.evaluation", "study.history", "study.lockstep", "study.passes",
        "study.plan", "study.streams",
    },
    "study.reference": {"study.data", "study.design", "study.streams"},
    "study.records": {"study", "study.design", "study.errors", "study.history"},
    "study.kernel": set(),
    "study.kernel.build": set(),
    "study.kernel.layout": set(),
    "study.kernel.library": {"study.kernel.build", "study.kernel.layout"},
    "study.kernel.images": {"study.data", "study.kernel.layout", "study.kernel.library"},
    "study.kernel.training": {
        "study.data", "study.design", "study.history", "study.kernel.images", "study.kernel.layout",
        "study.kernel.library", "study.plan", "study.streams",
    },
    "study.parquet": set(),
    "study.manifest": {"study", "study.design", "study.errors", "study.parquet", "study.records"},
    "study.folder": {"study.design", "study.errors", "study.manifest", "study.parquet", "study.plan", "study.records"},
    "study.trials": {"study.design", "study.errors", "study.folder", "study.history", "study.records", "study.search"},
    "study.weights": {"study.design", "study.errors", "study.folder", "study.history", "study.parquet"},
    "study.modes": {"study.normalization"},
    "study.moments": {"study.modes"},
    "study.predictions": {"study.modes"},
    "study.shifts": {"study.streams"},
    "study.ablation": {
        "study.data", "study.design", "study.modes", "study.moments", "study.normalization", "study.predictions",
        "study.records", "study.shifts", "study.streams", "study.weights",
    },
    "study.ablation_tables": {"study.design", "study.errors", "study.folder", "study.parquet", "study.records"},
    "study.forecast": {"study.design", "study.errors", "study.parquet", "study.plan"},
    "study.devices": {"study.errors", "study.forecast"},
    "study.engines": {
        "study.data", "study.design", "study.devices", "study.errors", "study.forecast", "study.kernel.build",
        "study.kernel.library", "study.kernel.training", "study.training",
    },
    "study.loading": {"study.data"},
    "study.options": {"study", "study.arguments", "study.design", "study.engines", "study.errors", "study.parquet"},
    "study.tune_options": {
        "study", "study.arguments", "study.design", "study.engines", "study.errors", "study.options", "study.search",
        "study.space",
    },
    "study.progress": {"study.plan"},
    "study.workers": {
        "study.data", "study.design", "study.devices", "study.engines", "study.errors", "study.folder",
        "study.forecast", "study.history", "study.plan", "study.records", "study.training", "study.weights",
    },
    "study.team": {
        "study.data", "study.devices", "study.engines", "study.errors", "study.plan", "study.training", "study.workers",
    },
    "study.pruning": {
        "study.data", "study.devices", "study.engines", "study.plan", "study.search", "study.space", "study.training",
        "study.workers",
    },
    "study.tuning": {
        "study.data", "study.design", "study.history", "study.plan", "study.progress", "study.pruning", "study.search",
        "study.space", "study.team", "study.workers",
    },
    "study.session": {
        "study.data", "study.design", "study.devices", "study.engines", "study.errors", "study.folder",
        "study.forecast", "study.loading", "study.manifest", "study.options", "study.plan", "study.progress",
        "study.provenance", "study.records", "study.team", "study.workers",
    },
    "study.ablate": {
        "study.ablation", "study.ablation_tables", "study.arguments", "study.data", "study.design", "study.devices",
        "study.errors", "study.folder", "study.history", "study.loading", "study.options", "study.shifts",
        "study.weights",
    },
    "study.run": {
        "study.ablate", "study.design", "study.devices", "study.engines", "study.errors", "study.folder",
        "study.forecast", "study.loading", "study.options", "study.plan", "study.progress", "study.session",
        "study.sources", "study.storages", "study.weights",
    },
    "study.tune": {
        "study", "study.data", "study.design", "study.devices", "study.engines", "study.errors", "study.folder",
        "study.forecast", "study.held_out", "study.loading", "study.manifest", "study.options", "study.plan",
        "study.presence", "study.progress", "study.run", "study.search", "study.session", "study.sources",
        "study.space", "study.storages", "study.trials", "study.tune_options", "study.tuning", "study.workers",
    },
    "study.bench": set(),
    "study.bench.ways": {
        "study.data", "study.design", "study.kernel.training", "study.lockstep", "study.plan", "study.reference",
        "study.streams", "study.training",
    },
    "study.bench.jax_way": {"study.bench.ways", "study.normalization"},
    "study.bench.team": {
        "study.bench.jax_way", "study.bench.ways", "study.data", "study.devices", "study.engines", "study.errors",
    },
    "study.bench.scaling": set(),
    "study.bench.ablation": set(),
    "study.bench.report": {
        "study.design", "study.folder", "study.history", "study.plan", "study.provenance", "study.records",
    },
    "study.bench.__main__": {
        "study.arguments", "study.bench.ablation", "study.bench.report", "study.bench.scaling", "study.bench.team",
        "study.bench.ways", "study.data", "study.design", "study.errors", "study.forecast", "study.options",
        "study.provenance", "study.sources",
    },
    "analysis": set(),
    "analysis.flips": set(),
    "analysis.paired": {"analysis.flips"},
    "analysis.intervals": {"analysis.flips", "analysis.paired"},
    "analysis.effects": {"analysis.paired"},
    "analysis.power": {"analysis.paired"},
    "analysis.failures": {"analysis.intervals", "analysis.paired"},
    "analysis.variance": {"analysis.intervals"},
    "analysis.factors": {"analysis.flips", "analysis.intervals", "analysis.paired"},
    "analysis.times": {"analysis.intervals", "analysis.paired"},
    "analysis.aa": {"analysis.flips", "analysis.intervals", "analysis.paired"},
    "analysis.budget": {"analysis.flips"},
    "analysis.crossfit": {"analysis.factors", "analysis.flips", "analysis.intervals"},
    "analysis.regions": {"analysis.budget", "analysis.intervals", "analysis.paired"},
    "analysis.tables": {
        "analysis", "study", "study.ablation_tables", "study.design", "study.errors", "study.folder", "study.history",
        "study.manifest",
    },
    "analysis.trials": {
        "analysis", "analysis.tables", "study", "study.errors", "study.folder", "study.held_out", "study.history",
        "study.space", "study.trials",
    },
    "analysis.pairs": {"analysis.tables"},
    "analysis.contrasts": {
        "analysis.effects", "analysis.intervals", "analysis.paired", "analysis.pairs", "analysis.power",
        "analysis.tables",
    },
    "analysis.tuned": {
        "analysis.budget", "analysis.contrasts", "analysis.crossfit", "analysis.intervals", "analysis.paired",
        "analysis.pairs", "analysis.regions", "analysis.tables", "analysis.times", "analysis.trials", "study",
    },
    "analysis.curves": {"analysis.intervals", "analysis.tables"},
    "analysis.modes": {"analysis.intervals", "analysis.paired", "analysis.tables"},
    "analysis.words": {"analysis.intervals", "analysis.paired", "analysis.tables"},
    "analysis.mode_words": {"analysis.intervals", "analysis.modes", "analysis.words"},
    "analysis.figures": set(),
    "analysis.readme": {"analysis", "study.arguments", "study.errors"},
    "analysis.arms": {"analysis.intervals", "analysis.tables", "study"},
    "analysis.comparison": {"analysis", "analysis.intervals", "analysis.paired", "analysis.pairs", "analysis.tables"},
    "analysis.completeness": {"analysis.tables"},
    "analysis.document": set(),
    "analysis.columns": {"analysis.document", "analysis.intervals", "analysis.paired", "analysis.words"},
    "analysis.figures.style": {"analysis.words"},
    "analysis.figures.curves": {"analysis.curves", "analysis.figures.style", "analysis.times", "analysis.words"},
    "analysis.figures.modes": {
        "analysis.figures.style", "analysis.intervals", "analysis.mode_words", "analysis.modes", "analysis.words",
    },
    "analysis.figures.rates": {"analysis.arms", "analysis.figures.style", "analysis.words"},
    "analysis.figures.tuning": {"analysis.budget", "analysis.figures.style", "analysis.tuned", "analysis.words"},
    "analysis.parts": set(),
    "analysis.parts.shown": {"analysis.arms", "analysis.curves"},
    "analysis.sensitivity": {"analysis.contrasts", "analysis.intervals", "analysis.paired", "analysis.pairs"},
    "analysis.svg": {"analysis.figures.style"},
    "analysis.page": {"analysis.document", "analysis.svg", "analysis.tables"},
    "analysis.parts.shifts": {
        "analysis.columns", "analysis.document", "analysis.figures.modes", "analysis.figures.style",
        "analysis.mode_words", "analysis.modes", "analysis.words",
    },
    "analysis.failing": {"analysis.failures", "analysis.intervals", "analysis.paired", "analysis.pairs"},
    "analysis.findings": {
        "analysis.aa", "analysis.arms", "analysis.comparison", "analysis.contrasts", "analysis.crossfit",
        "analysis.curves", "analysis.factors", "analysis.failing", "analysis.modes", "analysis.pairs", "analysis.power",
        "analysis.sensitivity", "analysis.tables", "analysis.times", "analysis.tuned", "analysis.variance",
    },
    "analysis.figures.effects": {
        "analysis.contrasts", "analysis.figures.style", "analysis.findings", "analysis.intervals", "analysis.words",
    },
    "analysis.looks": {"analysis.contrasts", "analysis.findings", "analysis.tables"},
    "analysis.parts.cells": {
        "analysis.columns", "analysis.contrasts", "analysis.document", "analysis.findings", "analysis.tables",
        "analysis.words",
    },
    "analysis.parts.compared": {
        "analysis.columns", "analysis.comparison", "analysis.document", "analysis.figures.effects",
        "analysis.figures.style", "analysis.findings", "analysis.tables", "analysis.words",
    },
    "analysis.parts.evidence": {
        "analysis.columns", "analysis.contrasts", "analysis.document", "analysis.figures.effects",
        "analysis.figures.style", "analysis.findings", "analysis.parts.shown", "analysis.tables", "analysis.words",
    },
    "analysis.parts.glossary": {"analysis.document", "analysis.findings", "analysis.tables"},
    "analysis.parts.learning": {
        "analysis.arms", "analysis.columns", "analysis.curves", "analysis.document", "analysis.figures.curves",
        "analysis.figures.style", "analysis.findings", "analysis.parts.shown", "analysis.tables", "analysis.words",
    },
    "analysis.parts.methods": {"analysis.document", "analysis.findings", "analysis.tables", "analysis.words"},
    "analysis.parts.noise": {"analysis.columns", "analysis.document", "analysis.findings", "analysis.words"},
    "analysis.parts.provenance": {
        "analysis.document", "analysis.findings", "analysis.looks", "analysis.tables", "analysis.words",
    },
    "analysis.parts.robustness": {
        "analysis.arms", "analysis.columns", "analysis.document", "analysis.factors", "analysis.failing",
        "analysis.figures.rates", "analysis.figures.style", "analysis.findings", "analysis.tables", "analysis.words",
    },
    "analysis.parts.seeds": {"analysis.document", "analysis.findings", "analysis.words"},
    "analysis.parts.speed": {
        "analysis.columns", "analysis.document", "analysis.figures.curves", "analysis.figures.style",
        "analysis.findings", "analysis.tables", "analysis.times", "analysis.words",
    },
    "analysis.parts.trust": {
        "analysis.aa", "analysis.columns", "analysis.completeness", "analysis.document", "analysis.figures.effects",
        "analysis.figures.style", "analysis.findings", "analysis.parts.noise", "analysis.parts.seeds",
        "analysis.sensitivity", "analysis.tables", "analysis.words",
    },
    "analysis.parts.where": {
        "analysis.columns", "analysis.contrasts", "analysis.document", "analysis.factors", "analysis.figures.effects",
        "analysis.figures.style", "analysis.findings", "analysis.tables", "analysis.words",
    },
    "analysis.sentences": {
        "analysis.arms", "analysis.contrasts", "analysis.findings", "analysis.power", "analysis.sensitivity",
        "analysis.tuned", "analysis.words",
    },
    "analysis.contents": {
        "analysis.completeness", "analysis.contrasts", "analysis.findings", "analysis.looks", "analysis.mode_words",
        "analysis.power", "analysis.sentences", "analysis.tables", "analysis.words",
    },
    "analysis.parts.inference": {
        "analysis.columns", "analysis.document", "analysis.figures.modes", "analysis.figures.style",
        "analysis.findings", "analysis.mode_words", "analysis.modes", "analysis.parts.shifts", "analysis.tables",
        "analysis.words",
    },
    "analysis.parts.searches": {
        "analysis.budget", "analysis.columns", "analysis.document", "analysis.figures.style", "analysis.figures.tuning",
        "analysis.tuned", "analysis.words",
    },
    "analysis.parts.tuning": {
        "analysis.columns", "analysis.contrasts", "analysis.document", "analysis.findings", "analysis.parts.searches",
        "analysis.sentences", "analysis.tables", "analysis.tuned", "analysis.words",
    },
    "analysis.reading_order": {
        "analysis.document", "analysis.findings", "analysis.parts.cells", "analysis.parts.compared",
        "analysis.parts.evidence", "analysis.parts.glossary", "analysis.parts.inference", "analysis.parts.learning",
        "analysis.parts.methods", "analysis.parts.provenance", "analysis.parts.robustness", "analysis.parts.speed",
        "analysis.parts.trust", "analysis.parts.tuning", "analysis.parts.where", "analysis.tables",
    },
    "analysis.report": {
        "analysis", "analysis.completeness", "analysis.contents", "analysis.document", "analysis.findings",
        "analysis.page", "analysis.reading_order", "analysis.sentences", "analysis.tables", "study.arguments",
        "study.errors",
    },
}  # fmt: skip
"""Each module and what it may import of ours; listed so that everything a module names stands above it."""


def modules() -> dict[str, Path]:
    files = sorted([*ROOT.glob("study/**/*.py"), *ROOT.glob("analysis/**/*.py")])
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


def imported(path: Path, known: set[str]) -> set[str]:
    """Our modules that a file imports, at its top or inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            whole = {f"{node.module}.{alias.name}" for alias in node.names} & known
            found |= whole if len(whole) == len(node.names) else {*whole, node.module}
    return found & known


def test_every_import_is_an_arrow_and_every_arrow_is_used() -> None:
    files = modules()
    assert {name: imported(path, set(files)) for name, path in files.items()} == ARROWS


def test_the_arrows_run_one_way() -> None:
    above: set[str] = set()
    for module, imports in ARROWS.items():
        assert imports <= above, f"{module} imports what stands below it: {imports - above}"
        above.add(module)


def test_only_readers_and_commands_cross_from_analysis_to_study() -> None:
    """Beyond its words, which stand in ``study`` itself."""
    crossing = {
        m for m, imports in ARROWS.items() if m.startswith("analysis") and any(i.startswith("study.") for i in imports)
    }
    readers, commands = {"analysis.tables", "analysis.trials"}, {"analysis.report", "analysis.readme"}
    assert crossing == readers | commands


def test_the_analysis_imports_no_torch() -> None:
    script = (
        "import sys\nfrom analysis.report import __main__, report_json\n"
        "from analysis.report.html import page\nfrom analysis.report.sections import order\n"
        "assert not {'torch', 'torchvision', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
