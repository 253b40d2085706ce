"""Every command that a page prints can be run from the folder that holds results: training ones as dry runs."""

import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import documents
from tests.analysis.planted import in_gains, on_a_hill, plant_tuned, points
from tests.analysis.report.test_report import Page

PAGES: dict[str, Callable[[Path, Path], object]] = {
    "trained": lambda folder, small: shutil.copytree(small, folder),
    "tuned": lambda folder, small: plant_tuned(folder, in_gains, on_a_hill, points(8)),
}
TRAINING = ("study.run", "study.tune", "study.ablate")


def commands_on(page: str) -> list[str]:
    code = [html.unescape(text) for text in re.findall(r"<code>(.*?)</code>", page)]
    return [text for text in dict.fromkeys(code) if text.startswith("python -m ")]


def fails(command: str) -> str | None:
    """What a command says where it cannot be run."""
    program, argv = documents.words_of(command)
    dry = ["--dry-run"] if program[-1] in TRAINING else []
    code, said = documents.call(program[-1], [*argv, *dry])
    return said if code else None


@pytest.mark.usefixtures("without_drawings")
@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_a_page_runs_from_the_folder_that_holds_results(
    name: str, small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = Path("results") / small_study.name
    PAGES[name](study, small_study)
    assert documents.call("analysis.report", [str(study)])[0] == 0
    page = (study / "report.html").read_text("utf-8")
    found = commands_on(page)
    assert f"python -m analysis.report {study} --margin 0.002 --alpha 0.05" in found
    assert len(found) > 2
    assert {command: said for command in found if (said := fails(command))} == {}
    assert "The commands on this page run from the folder that holds results." in Page(page).text


def test_a_command_that_cannot_be_run_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("python -m analysis.report small", "python -m study.run --no-such-option"):
        assert commands_on(f"<p><code>{command}</code></p>") == [command]
        assert fails(command)
