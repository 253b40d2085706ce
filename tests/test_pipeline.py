"""The two commands of the README, on digits, from nothing to a page."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests import ROOT


def test_two_commands_make_a_report(tmp_path: Path) -> None:
    """With no MNIST in reach: the fallback is said on the terminal, in the manifest and on the page."""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}

    def call(module: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *options]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)

    small = "--seeds 6 --epochs 3 --batch-sizes 32 --lrs 0.001 0.01"
    trained = call("study.run", *small.split(), "--data-dir", "nowhere")
    told = call("analysis.report")
    folder = tmp_path / "results" / "digits"
    notice = json.loads((folder / "manifest.json").read_text())["data"]["notice"]
    assert notice.startswith("THIS IS NOT MNIST.")
    assert notice in trained.stderr
    assert notice in told.stderr
    assert "THIS IS NOT MNIST." in (folder / "report.html").read_text()
    table = pd.read_csv(folder / "tables" / "contrasts.csv")
    whole = table[table.batch_size.isna() & (table.endpoint == "last3")].iloc[0]
    assert whole.n_pairs == 6
    assert whole.mean_diff > 0.05  # two epochs of digits at small rates: batch norm learns faster
    assert whole.p_sign_flip == 2 / 64


@pytest.mark.slow
def test_looks_stay_in_the_manifest_when_seeds_are_added(tmp_path: Path) -> None:
    from analysis.report import __main__ as report
    from study import run

    def seen(n_seeds: int) -> list[int]:
        small = f"--dataset digits --seeds {n_seeds} --epochs 1 --batch-sizes 32 --lrs 0.01 --quiet --out {tmp_path}"
        assert run.main(small.split()) == 0
        assert report.main([str(tmp_path / "digits")]) == 0
        manifest = json.loads((tmp_path / "digits" / "manifest.json").read_text())
        return [look["seeds"] for look in manifest["looks"]]

    assert [seen(2), seen(3), seen(3)] == [[2], [2, 3], [2, 3]]
