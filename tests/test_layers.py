"""Imports run one way, from vocabulary to entry point: the layers, drawn and held."""

import ast
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from tests import ROOT

EXAMPLES = "study.networks"
"""Networks as a user writes them: they import the public face, and nothing else of ours."""
COMMANDS = ("study.run", "study.ablate", "study.tune", "study.bench", "study.claims", "study.api", "study.__main__")
LAYERS = [
    ("study.errors",),
    ("study.spec",),
    ("study.data", "study.store"),
    ("study.engine",),
    ("study.inference",),
    ("study.runner",),
    ("study.tuning",),
    ("study.cli",),
    COMMANDS,
    (EXAMPLES,),
    ("analysis.errors",),
    ("analysis.stats",),
    ("analysis.records",),
    ("analysis.findings",),
    ("analysis.report",),
    ("analysis.notebook",),
    ("analysis.api", "analysis.figures", "analysis.readme", "analysis.picture", "analysis.__main__"),
]
"""A module imports from its own package and from those above it here, of ``study`` or of ``analysis``."""
CROSSING = {
    "analysis.records": ("study.errors", "study.spec", "study.store", "study.tuning"),
    "analysis.findings": ("study.spec",),
    "analysis.report": ("study.errors", "study.spec", "study.store", "study.cli"),
    "analysis.readme": ("study.errors", "study.spec", "study.cli"),
    "analysis.picture": ("study.errors", "study.spec", "study.cli"),
    "analysis.figures": ("study.spec",),
    "analysis.__main__": ("study.cli",),
}
"""What the parts of ``analysis`` import of ``study``; ``study`` imports nothing of ``analysis``."""


def layer_of(module: str) -> tuple[int, str] | None:
    """The place in LAYERS and the package of a module; None of the public faces themselves."""
    for place, packages in enumerate(LAYERS):
        for package in packages:
            if module == package or module.startswith(f"{package}."):
                return place, package
    return None


def imported(path: Path) -> set[str]:
    """What a file imports of ours, at its top or inside its functions; a relative import as one of nothing known."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    plain = (alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names)
    froms = (
        f"{'study.relative' if node.level else node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    )
    return {name for name in chain(plain, froms) if name.split(".")[0] in ("study", "analysis")}


def modules() -> dict[str, Path]:
    files = sorted([*ROOT.glob("study/**/*.py"), *ROOT.glob("analysis/**/*.py")])
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in files}
    return {name.removesuffix(".__init__"): path for name, path in names.items()}


def against_the_layers(module: str, other: str) -> bool:
    """Whether ``module`` may not import ``other``."""
    mine, theirs = layer_of(module), layer_of(other)
    if mine is None:
        return False
    if mine[1] == EXAMPLES:
        return theirs is not None
    if theirs is None:  # a public face: it imports from everywhere
        return True
    (place, package), (their_place, their_package) = mine, theirs
    if package.split(".")[0] != their_package.split(".")[0]:
        return their_package not in CROSSING.get(package, ())
    return package != their_package and their_place >= place


def test_every_import_runs_down_the_layers() -> None:
    wrong = [(m, other) for m, path in modules().items() for other in imported(path) if against_the_layers(m, other)]
    assert not wrong


@pytest.mark.parametrize("line", ["import study", "from study import train", "import analysis", "from ..x import y"])
@pytest.mark.parametrize("module", ["study.spec.design", "analysis.stats.intervals"])
def test_no_package_imports_a_public_face_or_relatively(module: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(line)
    assert any(against_the_layers(module, found) for found in imported(tmp_path / "planted.py"))


@pytest.mark.parametrize(
    ("module", "other"),
    [
        ("study.spec.design", "study.engine.registry"),
        ("study.store.parts", "study.data.dataset"),
        ("study.runner.jobs", "study.cli.exits"),
        ("study.run", "study.tune"),
        ("study.api", "analysis.api"),
        ("analysis.stats.intervals", "analysis.records.tables"),
        ("analysis.findings.results", "analysis.report.document"),
        ("analysis.report.write", "study.engine.registry"),
        ("study.networks.cnn", "study.engine.plain.layers"),
        ("study.engine.plain.loading", "study.networks.cnn"),
    ],
)
def test_an_import_up_or_across_the_layers_is_seen(module: str, other: str, tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    package, name = other.rsplit(".", 1)
    for line in (f"import {other}", f"from {package} import {name}", f"def f():\n    from {other} import x"):
        planted.write_text(line)
        assert any(against_the_layers(module, found) for found in imported(planted)), line


def test_every_module_has_its_layer() -> None:
    assert [module for module in modules() if layer_of(module) is None] == ["analysis", "study"]


def test_no_command_imports_another() -> None:
    for command in COMMANDS[:3]:
        others = [layer_of(other) for other in imported(modules()[command])]
        assert not {package for layer in others if layer for package in layer[1:]} & {*COMMANDS}, command


def test_a_folder_has_at_most_eighteen_entries_and_says_its_contract() -> None:
    for module, path in modules().items():
        if path.name == "__init__.py":
            entries = [entry for entry in path.parent.iterdir() if entry.name != "__pycache__"]
            assert len(entries) <= 18, module
            assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), module


def test_no_library_takes_the_options_of_a_command() -> None:
    """Only commands and the command line's own package know them."""
    takers = [m for m, path in modules().items() if any("_options" in name for name in imported(path))]
    assert {layer_of(m)[1] for m in takers if layer_of(m)} <= {"study.cli", *COMMANDS[:4]}  # type: ignore[index]


def test_the_analysis_imports_no_torch() -> None:
    names = [name for name in modules() if name.startswith("analysis")]
    script = f"import sys, importlib\nfor name in {names}: importlib.import_module(name)\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert "analysis.report.write" in loaded
    assert not {"torch", "torchvision", "sklearn", "optuna"} & {*loaded}


@pytest.mark.parametrize("command", [*COMMANDS[:5], "analysis.report"])
def test_help_imports_nothing_heavy(command: str) -> None:
    asked = [sys.executable, "-X", "importtime", "-m", command, "--help"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stderr
    loaded = {line.rpartition("|")[2].strip() for line in told.splitlines()}
    assert "tyro" in loaded
    assert not {"torch", "pandas", "scipy", "matplotlib", "optuna", "sqlalchemy", "sklearn"} & loaded
    assert command != "analysis.report" or not {"numpy", "pyarrow"} & loaded
