"""The page has the same bytes whatever the user's matplotlib configuration, backend and working folder are."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.report import __main__ as report
from analysis.report.figures import unconfigured
from tests import ROOT
from tests.analysis.planted import plant
from tests.analysis.report.exported import SMALL, score

NOTEBOOK = "module://matplotlib_inline.backend_inline"
"""The backend that every notebook sets for its processes."""
LINES = (
    "backend: nonsense", "backend: TkAgg", f"backend: {NOTEBOOK}", "interactive: True", "toolbar: toolmanager",
    "text.usetex: True", "font.size: 20", "font.family: serif", "mathtext.fontset: stix", "axes.grid: True",
    "axes.facecolor: grey", "axes.prop_cycle: cycler('color', ['r', 'g'])", "axes.unicode_minus: False",
    "axes.formatter.use_locale: True", "axes.xmargin: 0.3", "figure.dpi: 50", "figure.facecolor: pink",
    "figure.figsize: 20, 20", "figure.constrained_layout.use: True", "figure.autolayout: True", "savefig.bbox: tight",
    "savefig.dpi: 30", "savefig.transparent: True", "savefig.pad_inches: 2", "svg.fonttype: path", "svg.hashsalt: mine",
    "svg.image_inline: False", "lines.linewidth: 9", "path.simplify: False", "path.sketch: 1, 100, 2",
    "image.cmap: jet", "xtick.direction: in", "legend.frameon: True", "timezone: Asia/Tokyo",
    "date.epoch: 2000-01-01T00:00:00", "no.such.key: 3", "no line at all", "\udcff\udcfe",
)  # fmt: skip
"""Lines of a matplotlibrc, the last of which is no text."""


def page(study: Path, folder: Path, rc: str, **environment: str) -> bytes:
    """The page of a study, made by the command in ``folder``, with ``rc`` as its configuration there and elsewhere."""
    folder.mkdir()
    (folder / "matplotlibrc").write_text(rc, "utf-8", "surrogateescape")
    named = {"MATPLOTLIBRC": str(folder / "matplotlibrc"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "analysis.report", str(study), "--to", str(folder)]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | named | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "matplotlib" not in done.stderr
    return (folder / "report.html").read_bytes()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study whose page has figures of most kinds."""
    return plant(tmp_path_factory.mktemp("studies") / "s", replace(SMALL, epochs=1), score)


@pytest.fixture(scope="module")
def plain(study: Path) -> bytes:
    assert report.main([str(study)]) == 0
    return (study / "report.html").read_bytes()


def test_a_notebooks_backend_and_all_lines_at_once_change_nothing(study: Path, plain: bytes, tmp_path: Path) -> None:
    assert page(study, tmp_path / "folder", "\n".join(LINES), MPLBACKEND=NOTEBOOK) == plain


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_no_line_of_a_configuration_changes_the_page(line: str, study: Path, plain: bytes, tmp_path: Path) -> None:
    assert page(study, tmp_path / "folder", line) == plain


def test_without_care_that_backend_ends_the_import(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe")
    for environment, folder in (({"MPLBACKEND": NOTEBOOK}, ROOT), ({}, tmp_path)):
        done = subprocess.run(
            [sys.executable, "-c", "import matplotlib"], cwd=folder, env=os.environ | environment, capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode


def test_the_import_gives_back_the_environment_and_the_working_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, NOTEBOOK):
        monkeypatch.delenv("MPLBACKEND", raising=False) if value is None else monkeypatch.setenv("MPLBACKEND", value)
        before = dict(os.environ), Path.cwd()
        unconfigured.import_matplotlib()
        assert (dict(os.environ), Path.cwd()) == before
