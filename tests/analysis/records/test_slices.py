"""A slice of a study says what a study of these levels alone would say, and refuses what the study lacks."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import analysis
from analysis.errors import AnalysisError
from analysis.findings import contrasts
from analysis.findings.contrasts import contrast_rows
from analysis.records import slices
from analysis.records.slices import parse, sliced
from analysis.records.tables import StudyData, load, record_looks
from analysis.report.__main__ import main
from tests.analysis.many_factors import NAMES, design, registered, score
from tests.analysis.planted import in_gains, on_a_hill, plant, plant_tuned, planted, points

LRS, TURNS = (0.01, 0.1), (2, 5)


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("results") / "deep"
    return plant(path, design(lrs=LRS, activation=NAMES, turns=TURNS), score)


def numbers(study: StudyData) -> str:
    return repr(contrast_rows(contrasts.compute_contrasts(study, 0.05, 0.002), study.cell_key))


def test_a_slice_says_what_a_study_of_these_levels_alone_says(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = numbers(planted(tmp_path / "s", design(lrs=LRS, activation=("tanh",), turns=(5,)), score))
    whole = load(folder)
    at = {"turns": 5, "activation": "tanh"}
    assert numbers(sliced(whole, at)) == alone != numbers(whole)
    assert sliced(whole, {}) is whole
    assert analysis.load(folder, at={"turns": 5}).design.levels("turns") == (5,)
    rows = slices._rows  # and one that takes a wrong cell is seen
    monkeypatch.setattr(slices, "_rows", lambda table, cell, levels: rows(table, cell.but(turns=2), levels))
    with pytest.raises(AnalysisError, match="do not belong together"):
        sliced(whole, at)


def test_the_family_is_the_slice_s(folder: Path) -> None:
    whole = load(folder)
    for study in (whole, sliced(whole, {"turns": 2})):
        found = contrasts.compute_contrasts(study, 0.05, 0.002)
        members = {one.joint.n_members for one in found if one.joint is not None}
        assert members == {1 + len(study.design.cells)}


def test_levels_are_read_as_they_are_shown_and_named_in_the_order_of_the_factors(folder: Path) -> None:
    whole = load(folder)
    for words in (["lr=0.1", "turns=5"], ["turns=5", "lr=1e-1"]):
        found = sliced(whole, parse(words))
        assert (found.at_words, found.title) == (["lr=0.1", "turns=5"], "deep at rate 0.1, turns 5")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["turns"], "--at turns: give factors with a level each, such as --at depth=2 activation=tanh"),
        (["=2"], "--at =2: give factors with a level each"),
        (["turns=2", "turns=5"], "--at turns=2 turns=5: turns is given twice"),
        (
            ["turn=2"],
            r"--at turn=2: turn is no factor \(did you mean turns\?\); choose from batch_size, lr, activation",
        ),
        (["drag=0"], "--at drag=0: deep does not vary drag; choose from .* turns, such as --at lr=0.01"),
        (["turns=3"], "--at turns=3: deep has turns 2, 5; give one of these, such as --at turns=2"),
        (["activation=gelu"], "--at activation=gelu: deep has activation relu, tanh; give one of these"),
        (["batch_size=32"], "--at batch_size=32: every setting of deep has it"),
    ],
)
def test_a_slice_that_cannot_be_is_refused_with_what_can(folder: Path, words: list[str], said: str) -> None:
    with pytest.raises(AnalysisError, match=f"^{said}"):
        sliced(load(folder), parse(words))


def test_a_tuned_study_has_no_slices(tmp_path: Path) -> None:
    study = load(plant_tuned(tmp_path / "s", in_gains, on_a_hill, points(8)))
    with pytest.raises(AnalysisError, match=r"^--at lr=0\.01: s is a tuned study"):
        sliced(study, {"lr": 0.01})


def test_looks_at_slices_stand_beside_those_at_the_whole(tmp_path: Path) -> None:
    folder = plant(tmp_path / "s", design(activation=NAMES, turns=TURNS), score)
    whole, seen = [{**LOOK, "seeds": 6}], [{**LOOK, "at": "turns 2"}]
    record_looks(sliced(load(folder), {"turns": 2}), seen)
    record_looks(load(folder), whole)
    assert load(folder).manifest["looks"] == whole + seen
    more = [*seen, {**seen[0], "seeds": 7}]
    record_looks(sliced(load(folder), {"turns": 2}), more)
    assert load(folder).manifest["looks"] == whole + more


LOOK = {"arm": "bn", "alpha": 0.05, "seeds": 6, "mean_diff": 0.1, "p_t": 0.01, "p_sign_flip": 0.03125}


@pytest.mark.usefixtures("without_drawings")
def test_the_report_of_a_slice_stands_in_a_folder_of_its_own_and_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = plant(tmp_path / "deep", design(activation=NAMES, turns=TURNS), score)
    (folder / "report.html").write_text("the whole")
    assert main([str(folder), "--at", "turns=5"]) == 0
    assert (folder / "report.html").read_text() == "the whole"
    made = folder / "report-turns=5"
    said, page = json.loads((made / "report.json").read_text()), (made / "report.html").read_text("utf-8")
    assert said["at"] == {"turns": 5}
    assert said["warnings"][0].startswith("A SLICE of the study, turns 5 alone: 2 of its 4 settings.")
    assert {look["at"] for look in load(folder).manifest["looks"]} == {"turns 5"}
    for words in (
        "Study deep at turns 5",
        "This is a slice of the study, turns 5 alone: 2 of its 4 settings",
        "slice</dt>",
    ):
        assert words in page, words
    assert "results/deep --margin 0.002 --alpha 0.05 --at turns=5" in page
    assert main([str(folder), "--at", "turns=5", "--compare", str(folder)]) == 2
    assert "--at and --compare: whole studies are compared" in capsys.readouterr().err
