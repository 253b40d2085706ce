"""Imports run one way, from vocabulary to entry point: the arrows of the house, held by a test."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

ARROWS = {
    "study": set(),
    "study.errors": set(),
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
    "study.evaluation": {"study.network", "study.pixels"},
    "study.lockstep": {"study.design", "study.network", "study.pixels", "study.plan"},
    "study.passes": {"study.data", "study.lockstep", "study.pixels"},
    "study.training": {
        "study.data", "study.design", "study.evaluation", "study.history", "study.lockstep", "study.passes",
        "study.plan", "study.streams",
    },
    "study.reference": {"study.streams", "study.data", "study.design"},
    "study.records": {"study", "study.design", "study.errors", "study.history"},
    "study.folder": {"study.design", "study.errors", "study.plan", "study.records"},
    "study.weights": {"study.design", "study.errors", "study.folder", "study.history"},
    "study.modes": {"study.normalization"},
    "study.moments": {"study.modes"},
    "study.predictions": {"study.modes"},
    "study.shifts": {"study.streams"},
    "study.ablation": {
        "study.data", "study.design", "study.modes", "study.moments", "study.normalization", "study.predictions",
        "study.records", "study.shifts", "study.streams", "study.weights",
    },
    "study.ablation_tables": {"study.design", "study.errors", "study.folder", "study.records"},
    "study.forecast": {"study.design", "study.errors", "study.plan"},
    "study.devices": {"study.errors", "study.forecast"},
    "study.options": {"study", "study.design", "study.errors"},
    "study.progress": {"study.plan"},
    "study.workers": {
        "study.data", "study.design", "study.devices", "study.errors", "study.folder", "study.forecast", "study.plan",
        "study.records", "study.training", "study.weights",
    },
    "study.session": {
        "study.data", "study.design", "study.devices", "study.errors", "study.folder", "study.forecast",
        "study.options", "study.plan", "study.progress", "study.provenance", "study.records", "study.workers",
    },
    "study.ablate": {
        "study.ablation", "study.ablation_tables", "study.data", "study.design", "study.devices", "study.errors",
        "study.folder", "study.history", "study.options", "study.shifts", "study.weights",
    },
    "study.run": {
        "study.ablate", "study.design", "study.devices", "study.errors", "study.folder", "study.forecast",
        "study.options", "study.plan", "study.progress", "study.session", "study.sources", "study.weights",
    },
    "study.bench": set(),
    "study.bench.ways": {
        "study.data", "study.design", "study.lockstep", "study.plan", "study.reference", "study.streams",
        "study.training",
    },
    "study.bench.jax_way": {"study.bench.ways", "study.normalization"},
    "study.bench.team": {
        "study.bench.jax_way", "study.bench.ways", "study.data", "study.devices", "study.errors",
    },
    "study.bench.scaling": set(),
    "study.bench.ablation": set(),
    "study.bench.report": {
        "study.design", "study.folder", "study.history", "study.plan", "study.provenance", "study.records",
    },
    "study.bench.__main__": {
        "study.bench.ablation", "study.bench.report", "study.bench.scaling", "study.bench.team", "study.bench.ways",
        "study.data", "study.design", "study.errors", "study.forecast", "study.options", "study.provenance",
        "study.sources",
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
    "analysis.tables": {
        "analysis", "study", "study.ablation_tables", "study.design", "study.errors", "study.folder", "study.history",
    },
    "analysis.pairs": {"analysis.tables"},
    "analysis.contrasts": {
        "analysis.effects", "analysis.intervals", "analysis.paired", "analysis.pairs", "analysis.power",
        "analysis.tables",
    },
    "analysis.curves": {"analysis.intervals", "analysis.tables"},
    "analysis.modes": {"analysis.intervals", "analysis.paired", "analysis.tables"},
    "analysis.findings": {
        "analysis.aa", "analysis.contrasts", "analysis.curves", "analysis.factors", "analysis.failures",
        "analysis.intervals", "analysis.modes", "analysis.paired", "analysis.pairs", "analysis.power",
        "analysis.tables", "analysis.times", "analysis.variance",
    },
    "analysis.words": {"analysis.contrasts", "analysis.paired", "analysis.tables"},
    "analysis.mode_words": {"analysis.intervals", "analysis.modes", "analysis.words"},
    "analysis.contents": {
        "analysis.contrasts", "analysis.findings", "analysis.mode_words", "analysis.pairs", "analysis.power",
        "analysis.tables", "analysis.words",
    },
    "analysis.sections": {
        "analysis.aa", "analysis.factors", "analysis.findings", "analysis.intervals", "analysis.mode_words",
        "analysis.modes", "analysis.times", "analysis.words",
    },
    "analysis.figures": {"analysis.contrasts", "analysis.curves", "analysis.words"},
    "analysis.mode_figures": {
        "analysis.figures", "analysis.intervals", "analysis.mode_words", "analysis.modes",
    },
    "analysis.pictures": {
        "analysis.contrasts", "analysis.curves", "analysis.figures", "analysis.findings", "analysis.mode_figures",
        "analysis.modes", "analysis.tables", "analysis.words",
    },
    "analysis.page": {
        "analysis.findings", "analysis.pictures", "analysis.sections", "analysis.tables", "analysis.words",
    },
    "analysis.report": {
        "analysis", "analysis.contents", "analysis.contrasts", "analysis.findings", "analysis.modes", "analysis.page",
        "analysis.pictures", "analysis.tables",
    },
    "analysis.readme": {"analysis"},
}  # fmt: skip
"""Each module and what it may import of ours; listed so that everything a module names stands above it."""


def modules() -> dict[str, Path]:
    files = sorted([*ROOT.glob("study/**/*.py"), *ROOT.glob("analysis/*.py")])
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


def test_only_tables_crosses_from_analysis_to_study() -> None:
    crossing = {
        m for m, imports in ARROWS.items() if m.startswith("analysis") and any(i.startswith("study") for i in imports)
    }
    assert crossing == {"analysis.tables"}


def test_the_analysis_imports_no_torch() -> None:
    script = (
        "import sys\nfrom analysis import contents, findings, page, pictures, report, tables\n"
        "assert not {'torch', 'torchvision', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
