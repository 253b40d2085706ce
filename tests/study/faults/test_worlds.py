"""The same command in other worlds: time zones, languages, hash seeds, masks, folders, and a clock that goes back."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from study import run
from tests import ROOT
from tests.conftest import SMALL
from tests.study.studies import tables

SEEDS = ("--seeds", "6", "--no-ablation")
WORLDS: dict[str, dict[str, str]] = {
    "east of Greenwich": {"TZ": "Pacific/Kiritimati"},
    "west of Greenwich": {"TZ": "America/St_Johns"},
    "no language": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Korean": {"LC_ALL": "ko_KR.UTF-8"},
    "Turkish": {"LC_ALL": "tr_TR.UTF-8"},
    "another hash seed": {"PYTHONHASHSEED": "4711"},
    "optimised": {"PYTHONOPTIMIZE": "2"},
}
ALL_AT_ONCE = {"TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "4711", "PYTHONOPTIMIZE": "2"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ...]:
    out = tmp_path_factory.mktemp("here")
    assert run.main([*SMALL, *SEEDS, "--out", str(out), "--study-id", "s"]) == 0
    return tables(out / "s")


def study_and_report(out: Path, world: Mapping[str, str], umask: int = -1) -> Path:
    """The two commands of the README as processes of their own, in ``world``; the study's folder."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(out), **world}
    commands = (
        ["-m", "study.run", *SMALL, *SEEDS, "--out", str(out), "--study-id", "s"],
        ["-m", "analysis.report", str(out / "s")],
    )
    for command in commands:
        done = subprocess.run(
            [sys.executable, *command], env=environment, cwd=ROOT, umask=umask, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
    return out / "s"


@pytest.mark.slow
def test_all_worlds_at_once_give_the_tables_and_the_page_of_this_one(here: tuple[bytes, ...], tmp_path: Path) -> None:
    """A folder with blanks and Korean letters, and a mask that hides everything from others, too."""
    out = tmp_path / "결과 of a study"
    out.mkdir()
    folder = study_and_report(out, ALL_AT_ONCE, umask=0o077)
    assert tables(folder) == here
    page = (folder / "report.html").read_bytes()
    study_and_report(out, {})
    assert (folder / "report.html").read_bytes() == page
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    assert modes <= {0o600, 0o644}


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_each_world_gives_the_tables_of_this_one(world: str, here: tuple[bytes, ...], tmp_path: Path) -> None:
    assert tables(study_and_report(tmp_path, WORLDS[world])) == here


def test_a_clock_that_goes_back_changes_no_record(
    here: tuple[bytes, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [2e9]

    def backwards() -> float:
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr(time, "time", backwards)
    assert run.main([*SMALL, *SEEDS, "--out", str(tmp_path), "--study-id", "s"]) == 0
    assert run.main([*SMALL, *SEEDS, "--out", str(tmp_path), "--study-id", "s"]) == 0
    assert tables(tmp_path / "s") == here


def test_files_have_the_mode_that_the_mask_gives_new_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert run.main([*SMALL, "--seeds", "1", "--no-ablation", "--out", str(tmp_path), "--study-id", "s"]) == 0
    finally:
        os.umask(before)
    kept = [path for path in (tmp_path / "s").rglob("*") if path.suffix in (".parquet", ".json", ".safetensors")]
    assert {oct(path.stat().st_mode & 0o777) for path in kept} == {"0o640"}
