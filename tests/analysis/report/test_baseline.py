"""The baseline is a value: the study's own, by default or named before its first run, or the report's."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.errors import AnalysisError
from analysis.records.tables import load
from analysis.report import __main__ as report
from analysis.report import write
from study.spec.analysis_rule import AskedRule
from study.spec.arms import default_baseline
from study.spec.design import Design
from study.store.manifest import baseline_of
from tests.analysis.planted import plant
from tests.analysis.report.test_report import Page
from tests.analysis.several_arms import plant_arms, score

StudyRun = Callable[..., int]
ONE_SETTING = ("--batch-sizes", "64", "--lrs", "0.01", "--seeds", "2", "--epochs", "1", "--no-ablation")


def manifest_of(path: Path) -> dict[str, object]:
    return dict(json.loads((path / "s" / "manifest.json").read_text("utf-8")))


def test_it_is_no_bn_where_that_is_an_arm_else_the_first() -> None:
    assert default_baseline(["bn", "no_bn", "layer"]) == "no_bn"
    assert default_baseline(Design("digits", ("layer", "bn")).arms) == "bn"


def test_a_study_without_no_bn_has_a_full_report(tmp_path: Path, without_drawings: None) -> None:
    made = write.write_report(plant_arms(tmp_path / "s", ("bn", "layer"), n_seeds=6, lrs=(0.01,)))
    page = Page(made.page.read_text("utf-8")).text
    (verdict,) = made.report["verdicts"]
    assert (verdict["arm"], verdict["verdict"]) == ("layer", "worse")
    assert "layer normalisation lowered test accuracy" in verdict["headline"]
    assert "training with layer normalisation and with batch normalisation" in page
    assert re.search(r"Accuracy was [0-9.]+ % with BN and [0-9.]+ % with LN", page)
    assert "without" not in made.report["title"]
    assert "baseline" not in manifest_of(tmp_path)


def test_the_report_takes_another_and_says_so(
    tmp_path: Path, without_drawings: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = plant_arms(tmp_path / "s", ("bn", "no_bn"), n_seeds=6, lrs=(0.01,))
    own = write.write_report(path)
    assert report.main([str(path), "--baseline", "bn"]) == 0
    said = "Baseline: batch normalisation instead of no batch normalisation, the study's own, chosen after looking."
    assert said in capsys.readouterr().err
    content = json.loads((path / "report.json").read_text("utf-8"))
    assert said in content["warnings"]
    assert not any("Baseline" in warning for warning in own.report["warnings"])
    before, after = (one["contrasts"][0] for one in (own.report, content))
    assert (after["arm"], after["baseline"]) == ("no_bn", "bn")
    assert after["mean_diff"] == -before["mean_diff"]
    assert [look.get("baseline") for look in content["looks"]] == [None, "bn"]
    assert baseline_of(manifest_of(tmp_path)) == "no_bn"
    again = write.write_report(path)  # a look of another question is not one of this
    assert again.report["contrasts"] == own.report["contrasts"]
    assert not any("analysed" in note for note in again.report["notes"])


def test_a_baseline_that_is_no_arm_is_refused_with_a_choice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = plant(tmp_path / "s", Design("digits", seeds=(0, 1), epochs=1), score)
    with pytest.raises(
        AnalysisError, match=r"baseline no_ln: .* has the arms bn, no_bn; name one of them: .* --baseline no_bn"
    ):
        load(path).against("no_ln")
    assert report.main([str(path), "--baseline", "layer"]) == 2
    assert "layer" in capsys.readouterr().err
    assert not (path / "report.html").exists()


def test_study_run_keeps_a_named_one_outside_of_the_design(tmp_path: Path, study_run: StudyRun) -> None:
    assert study_run(*ONE_SETTING, "--arms", "bn", "no_bn", "layer", "--baseline", "layer") == 0
    manifest = manifest_of(tmp_path)
    assert manifest["baseline"] == "layer"
    assert (
        Design.from_dict(manifest["design"]).digest
        == Design("digits", ("bn", "no_bn", "layer"), (64,), (0.01,), (0, 1), 1).digest
    )  # type: ignore[arg-type]
    assert load(tmp_path / "s").treatments == ["bn", "no_bn"]
    assert study_run(*ONE_SETTING, "--arms", "bn", "no_bn", "layer", "--seeds", "3") == 0
    assert manifest_of(tmp_path)["baseline"] == "layer"


def test_study_run_refuses_another_than_the_study_s_and_one_that_is_no_arm(
    tmp_path: Path, study_run: StudyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_run(*ONE_SETTING, "--baseline", "layer") == 2
    said = capsys.readouterr().err
    assert "--baseline layer: the baseline is one of the study's arms, which are bn, no_bn" in said
    assert "train it too: --arms bn no_bn layer" in said
    assert not (tmp_path / "s" / "manifest.json").exists()
    assert study_run(*ONE_SETTING) == 0
    assert "baseline" not in manifest_of(tmp_path)
    assert study_run(*ONE_SETTING, "--baseline", "no_bn") == 0
    capsys.readouterr()
    assert study_run(*ONE_SETTING, "--baseline", "bn") == 2
    said = capsys.readouterr().err
    assert "are compared with no_bn since its first run" in said
    assert f"python -m analysis.report {tmp_path / 's'} --baseline bn" in said


def test_arms_that_are_added_leave_it_as_it_is() -> None:
    """Batch norm against layer norm keeps its baseline when no_bn, the default, joins."""
    before = {"design": {"arms": ["bn", "layer"]}}
    assert baseline_of(before) == "bn"
    AskedRule(baseline="bn").check_baseline(Path("s"), ("bn", "no_bn", "layer"), baseline_of(before))


def test_a_manifest_whose_baseline_is_no_arm_is_refused(tmp_path: Path) -> None:
    path = plant_arms(tmp_path / "s", ("bn", "no_bn"), n_seeds=2)
    manifest = manifest_of(tmp_path)
    (path / "manifest.json").write_text(json.dumps(manifest | {"baseline": "layer"}))
    with pytest.raises(AnalysisError, match=r"'layer' as baseline; one of bn, no_bn belongs there"):
        load(path)
    (path / "manifest.json").write_text(json.dumps(manifest | {"baseline": "bn"}))
    assert load(path).baseline == "bn"


def test_nothing_in_the_analysis_names_an_arm() -> None:
    """But for documented columns and for examples: no literal, and no rule of the style sheet."""
    import ast

    import analysis

    root = Path(analysis.__file__).parent
    for path in root.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        literals = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert not literals & {"bn", "no_bn"}, path
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
        assert "BASELINE" not in names, path
    assert ".arm-" not in (root / "report" / "html" / "page.css").read_text("utf-8")
