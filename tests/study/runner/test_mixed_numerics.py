"""A study that was begun where bits are others, and one that keeps no networks: planted, and told."""

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import study
from analysis.report import __main__ as report
from study import ablate, tune
from study.errors import EnvironmentFault, UsageError
from study.spec.design import Design
from study.store.inference_tables import Store
from study.store.study_folder import Folder
from tests.study.studies import networks, parts, tables, tuned_study

StudyRun = Callable[..., int]

SOON = ("--seeds", "1", "--epochs", "1", "--batch-sizes", "256", "--lrs", "0.01")
BN, NO_BN = "b0256-64x32x32x10-relu-bn", "b0256-64x32x32x10-relu-no_bn"

pytestmark = pytest.mark.usefixtures("without_drawings")


def manifest_of(folder: Path) -> dict[str, Any]:
    manifest = Folder(folder).read_manifest()
    assert manifest
    return dict(manifest)


def plant(folder: Path, digests: dict[str, str]) -> str:
    """As if another machine had begun the study; returns the engines of the digests."""
    manifest = manifest_of(folder)
    engines = manifest["first_numerics"]
    for known in engines.values():
        known |= {name: digest for name, digest in digests.items() if name in known}
    Folder(folder).write_manifest(manifest)  # type: ignore[arg-type]
    return next(iter(engines))


def page_of(folder: Path) -> str:
    assert report.main([str(folder)]) == 0
    return html.unescape((folder / "report.html").read_text("utf-8"))


@pytest.mark.parametrize("engine", ["torch", pytest.param("kernel", marks=pytest.mark.slow)])
def test_a_machine_of_other_bits_trains_only_if_it_is_told_to_and_then_all_say_so(
    engine: str, study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, command = tmp_path / "s", (*SOON, "--engine", engine, "--no-ablation")
    assert study_run(*command) == 0
    own = manifest_of(path)["numerics"]
    assert {*own} == {BN, NO_BN}
    name = plant(path, {BN: "f" * 32})
    before, files = tables(path), parts(path)
    assert study_run(*command) == 0, "nothing is trained, so nothing is mixed"
    capsys.readouterr()
    assert study_run(*command, "--seeds", "2") == 3
    assert capsys.readouterr().err == (
        f"study.run: this machine computes with other bits than the study by {name}: {BN} gives {own[BN]}, the study"
        f" has {'f' * 32}. Go on where the study began, or add --mixed-numerics: its numbers are then of several"
        " machines, and the report says so.\n"
    )
    assert (tables(path), parts(path)) == (before, files)
    assert len(manifest_of(path)["earlier"]) == 0
    assert study_run(*command, "--seeds", "2", "--mixed-numerics") == 0
    assert "Warning: this machine computes with other bits" in capsys.readouterr().err
    manifest = manifest_of(path)
    assert manifest["first_numerics"][name][BN] == "f" * 32
    mixed = {"work": "training", "environment": manifest["environment"], "numerics": {BN: own[BN]}}
    assert manifest["mixed_numerics"] == [mixed]
    page = page_of(path)
    assert "Machines that compute with different bits made these numbers (--mixed-numerics)" in page
    assert f"training in environment {manifest['environment']}" in page
    assert "1 numerics digest differs from the study's first" in page


def test_a_shape_that_is_new_is_added_by_whoever_trains_it_first(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run(*SOON, "--no-ablation") == 0
    engine = plant(tmp_path / "s", {})
    assert study_run(*SOON, "--batch-sizes", "64", "256", "--no-ablation") == 0
    manifest = manifest_of(tmp_path / "s")
    assert {name[:5] for name in manifest["first_numerics"][engine]} == {"b0064", "b0256"}
    assert {name[:5] for name in manifest["numerics"]} == {"b0064"}, "of what it trained"
    assert {name[:5] for name in manifest["earlier"][0]["numerics"]} == {"b0256"}
    assert len(manifest["environments"]) == 1
    rows = [row for part in Folder(tmp_path / "s").read_parts() for row in part.to_pylist()]
    assert {row["environment"] for row in rows} == {manifest["environment"]}
    assert {row["engine"] for row in rows} == {engine}


def test_a_machine_of_other_bits_evaluates_only_if_it_is_told_to(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s"
    assert study_run(*SOON) == 0
    assert {*manifest_of(path)["first_numerics"]} == {"torch-2/cpu/float32", manifest_of(path)["device"]["engine"]}
    assert Store(path).done(Folder(path).design())  # type: ignore[arg-type]
    made_by = Store(path).read("ablation", Folder(path).design()).to_pylist()  # type: ignore[arg-type]
    assert {row["arithmetic"].split("-")[0] for row in made_by} == {"modes"}
    plant(path, {BN: "f" * 32})
    for part in (path / "ablation").glob("ablation-*"):
        part.unlink()
    quiet = [str(path), "--clean", "--workers", "1", "--quiet"]
    assert ablate.main(quiet) == 3
    assert "this machine computes with other bits than the study by torch-2/cpu/float32" in capsys.readouterr().err
    assert not [*(path / "ablation").glob("ablation-*")]
    with pytest.raises(EnvironmentFault, match="--mixed-numerics"):
        study.evaluate(path)
    assert ablate.main([*quiet, "--mixed-numerics"]) == 0
    (mixed,) = manifest_of(path)["mixed_numerics"]
    assert (mixed["work"], [*mixed["numerics"]]) == ("inference modes", [BN])
    assert mixed["environment"] in manifest_of(path)["environments"]


def test_a_tuning_is_not_extended_where_bits_are_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune.main(tuned_study(tmp_path)) == 0
    manifest = manifest_of(tmp_path / "s")
    at = "b0032-64x12x9x10-relu-bn"
    assert at in manifest["numerics"]
    plant(tmp_path / "s", {at: "f" * 32})
    journal = (tmp_path / "s" / "tuning.journal").read_bytes()
    assert tune.main(tuned_study(tmp_path, "--trials", "10")) == 3
    assert f"{at} gives {manifest['numerics'][at]}, the study has {'f' * 32}" in capsys.readouterr().err
    assert (tmp_path / "s" / "tuning.journal").read_bytes() == journal


# --- no networks


def test_a_study_without_networks_says_so_wherever_they_would_be_needed(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s"
    said = f"{path} kept no networks (--no-networks), so there are no inference modes to evaluate; they need the study"
    assert study_run(*SOON, "--no-networks") == 0
    assert capsys.readouterr().err.startswith(said)
    assert not (path / "weights").exists()
    assert manifest_of(path)["networks"] is False
    assert ablate.main([str(path), "--quiet"]) == 0
    assert capsys.readouterr().err.startswith(said)
    with pytest.raises(UsageError, match="kept no networks"):
        study.evaluate(path)
    page = page_of(path)
    assert "none kept (--no-networks): inference modes cannot be evaluated without them" in page
    assert "different bits" not in page
    assert study_run(*SOON, "--study-id", "whole") == 0
    assert tables(path) != tables(tmp_path / "whole"), "the name stands in the tables"
    assert study.read(path).drop(columns="study_id").equals(study.read(tmp_path / "whole").drop(columns="study_id"))


def test_networks_that_a_later_command_keeps_are_evaluated(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s"
    assert study_run(*SOON, "--no-networks", "--no-ablation") == 0
    assert study_run(*SOON, "--seeds", "2") == 0
    assert "2 of 4 networks were not kept; the inference modes omit them" in capsys.readouterr().err
    assert {name.partition("_s")[2][:3] for name in networks(path)} == {"001"}
    assert ablate.main([str(path), "--clean", "--quiet"]) == 0
    assert {*study.read(path, "ablation").seed} == {1}
    assert "none kept by 1 of 2 commands (--no-networks)" in page_of(path)


def test_from_python_too(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(256,), lrs=(0.01,), seeds=(0,), epochs=1)
    path = study.train(design, tmp_path / "s", networks=False, workers=1)
    assert not networks(path)
    assert json.loads((path / "manifest.json").read_text("utf-8"))["networks"] is False
    assert study.read(path, "labels").label.nunique() == 10
