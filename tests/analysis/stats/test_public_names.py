"""What the package offers and what it needs: its functions by name, numpy and scipy."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from analysis import stats
from tests import ROOT

FILES = sorted((ROOT / "analysis" / "stats").rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_import_is_of_the_standard_library_numpy_scipy_or_this_package(file: Path) -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "scipy"}
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.module.startswith("analysis.stats") or node.module.partition(".")[0] in allowed


def test_the_package_loads_no_tables_drawings_or_networks() -> None:
    script = (
        "import sys\nfrom analysis.stats import max_t, paired_t, sign_flip, simultaneous\n"
        "assert not {'pandas', 'matplotlib', 'seaborn', 'torch', 'pyarrow', 'study'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_public_names_are_functions_and_none_hides_a_module() -> None:
    assert all(inspect.isfunction(getattr(stats, name)) for name in stats.__all__)
    assert set(stats.__all__) & {file.stem for file in FILES if file.parent.name == "stats"} == set()
