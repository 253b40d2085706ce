"""A report says by which alpha and margin it judges, and whether they stood before the first run."""

import json
from pathlib import Path
from typing import Any

import pytest

import analysis
from analysis.records.rule import rule_of
from analysis.report import __main__ as report
from study.spec.analysis_rule import AskedRule, FixedRule
from study.spec.design import Design
from study.spec.runs import Run
from tests.analysis.planted import plant
from tests.analysis.report.test_report import Page

pytestmark = pytest.mark.usefixtures("without_drawings")
DESIGN = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=tuple(range(6)), epochs=3)
FIXED = AskedRule(alpha=0.01, margin=0.03).fix("2026-11-30")
AFTER = (
    "Alpha 0.05 and a margin of 0.2 points were chosen after looking: this study fixed neither before its first run."
)


def score(run: Run, epoch: int) -> float:
    return 0.7 + 0.05 * epoch + 0.003 * run.seed + (0.02 + 0.002 * (run.seed % 3) if run.arm == "bn" else 0)


def planted(path: Path, rule: FixedRule | None = FIXED) -> Path:
    return plant(path, DESIGN, score, rule=rule)


def said(folder: Path, *options: str) -> tuple[dict[str, Any], str]:
    """The content of report.json and the text of the page."""
    assert report.main([str(folder), *options]) == 0
    content: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
    return content, Page((folder / "report.html").read_text("utf-8")).text


def test_a_report_takes_what_the_study_fixed_and_says_when(tmp_path: Path) -> None:
    content, page = said(planted(tmp_path / "s"))
    assert (content["alpha"], content["margin"]) == (0.01, 0.03)
    assert content["contrasts"][0]["alpha"] == 0.01
    assert content["scope"].endswith(
        " Alpha 0.01 and a margin of 3 points were fixed on 2026-11-30, before the first run."
    )
    assert content["scope"] in page
    assert "two-part-1, alpha 0.01 and a margin of 3 points, fixed on 2026-11-30" in page
    assert "command, 2026-12-01" in page
    assert "which was fixed" not in page
    assert "chosen after looking" not in page


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--alpha", "0.05"), "Alpha 0.05 instead of 0.01, which was fixed on 2026-11-30 before the first run."),
        (
            ("--margin", "0.2pt"),
            "A margin of 0.2 points instead of 3 points, which was fixed on 2026-11-30 before the first run.",
        ),
        (
            ("--margin", "0.002", "--alpha", "0.05"),
            "Alpha 0.05 instead of 0.01 and a margin of 0.2 points instead of 3 points, which were fixed on 2026-11-30"
            " before the first run.",
        ),
    ],
)
def test_other_values_are_possible_and_said_on_the_page_and_the_terminal(
    options: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, page = said(planted(tmp_path / "s"), *options)
    assert sentence in content["warnings"]
    assert page.index(sentence) < page.index("How sure?")
    assert f"{sentence}\n" in capsys.readouterr().err
    assert "Alpha 0.01 and a margin of 3 points were fixed on 2026-11-30, before the first run." in page


def test_naming_what_was_fixed_changes_no_byte(tmp_path: Path) -> None:
    folder = planted(tmp_path / "s")
    said(folder)
    before = (folder / "report.html").read_bytes()
    said(folder, "--alpha", "0.01", "--margin", "3pt")
    assert (folder / "report.html").read_bytes() == before


def test_without_a_rule_they_were_chosen_after_looking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, page = said(planted(tmp_path / "s", rule=None))
    assert AFTER in content["warnings"]
    assert page.index(AFTER) < page.index("How sure?")
    assert "none fixed before the first run: alpha and margin were chosen after looking" in page
    assert f"{AFTER}\n" in capsys.readouterr().err
    assert content["scope"].endswith("6 seeds, the same for both arms.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--alpha", "0.5"), "--alpha 0.5: give a number between 0 and 0.5, such as 0.05"),
        (("--margin", "2"), "--margin 2: give a fraction from 0 to below 1 such as 0.002, or points such as 0.2pt"),
        (("--margin", "5 points"), "--margin 5 points: give a fraction such as 0.002, or points such as 0.2pt"),
    ],
)
def test_what_can_be_no_level_or_margin_is_refused(
    options: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = planted(tmp_path / "s")
    assert report.main([str(folder), *options]) == 2
    assert capsys.readouterr().err == f"analysis.report: {message}\n"
    assert not (folder / "report.html").exists()


def test_the_functions_take_what_the_study_fixed(tmp_path: Path) -> None:
    folder = planted(tmp_path / "s")
    data = analysis.load(folder)
    assert {contrast.alpha for contrast in analysis.contrasts(data)} == {0.01}
    assert {contrast.margin for contrast in analysis.contrasts(data, margin=0.1)} == {0.1}
    results = analysis.analyse(data, alpha=0.2)
    assert (results.alpha, results.margin) == (0.2, 0.03)
    assert analysis.write_report(folder, 0.2, 0.03).is_file()
    assert json.loads((folder / "report.json").read_text("utf-8"))["alpha"] == 0.2
    assert rule_of(data, 0.2).changed == {"alpha": (0.2, 0.01)}


def test_a_rule_that_is_none_is_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = planted(tmp_path / "s")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["analysis_rule"]["alpha"] = "as it comes"
    path.write_text(json.dumps(manifest), "utf-8")
    assert report.main([str(folder)]) == 2
    error = capsys.readouterr().err
    assert "has 'as it comes' as analysis_rule.alpha; a number between 0 and 0.5 belongs there" in error
    assert error.count("\n") == 1
