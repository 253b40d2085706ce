"""The first screen holds the numbers of the answer: cards, two figures, how sure, what was not tested, what to copy."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.findings.results import Results, analyse
from analysis.records.tables import StudyData, load
from analysis.report.first_screen.screen import screen
from analysis.report.first_screen.take_away import latex_row
from study.spec.design import Design
from study.spec.runs import Run
from tests.analysis.planted import in_gains, on_a_hill, plant, plant_tuned, points

MEASURE = "mean test accuracy of the last three epochs"
DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(6)), epochs=3)


def score(run: Run, epoch: int) -> float | None:
    """One run without batch normalisation diverges, in a setting that is not the tutorial's."""
    if (run.arm, run.cell.lr, run.cell.batch_size, run.seed) == ("no_bn", 0.1, 64, 2) and epoch:
        return None
    return (280 + 10 * epoch + run.seed + (9 + run.seed % 3 if run.arm == "bn" else 0)) / 360


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyData, Results]:
    study = load(plant(tmp_path_factory.mktemp("results") / "a_study", DESIGN, score))
    return study, analyse(study, 0.05, 0.002)


def test_cards_stand_in_the_order_of_the_parts_with_the_failures_before_the_mean(
    grid: tuple[StudyData, Results],
) -> None:
    cards = {card.key: card for card in screen(*grid).cards}
    assert list(cards) == ["best", "setting", "failures", "mean"]
    setting = cards["setting"]
    assert (setting.value, setting.unit) == ("+2.78", "points")
    assert [line.text for line in setting.lines][:2] == ["84.03 % without BN", "86.81 % with BN"]
    assert setting.lines[2].text.startswith("95 % interval [+2.")
    assert setting.lines[3].text == "better in 6 of 6 seeds"
    assert [line.arm for line in setting.lines] == ["no_bn", "bn", None, None]
    failures = cards["failures"]
    assert (failures.value, failures.unit) == ("1", "of 48 runs")
    assert [line.text for line in failures.lines] == [
        "1 of 24 without BN",
        "0 of 24 with BN",
        "diverged or ended below 20 %",
    ]


def test_the_pairs_of_the_first_part_and_the_map_stand_side_by_side(grid: tuple[StudyData, Results]) -> None:
    first = screen(*grid)
    assert [figure.name for figure in first.figures] == ["first-pairs", "first-map"]
    assert "each arm in its best setting" in first.figures[0].subtitle


def test_one_setting_has_no_map(tmp_path: Path) -> None:
    study = load(plant(tmp_path / "s", replace(DESIGN, batch_sizes=(32,), lrs=(0.01,)), score))
    found = screen(study, analyse(study, 0.05, 0.002))
    assert [figure.name for figure in found.figures] == ["first-pairs"]
    assert [card.key for card in found.cards] == ["setting", "failures"]


def test_where_every_run_failed_there_is_no_difference_to_take_away(tmp_path: Path) -> None:
    study = load(plant(tmp_path / "s", DESIGN, lambda run, epoch: None if epoch else 0.1))
    found = screen(study, analyse(study, 0.05, 0.002))
    assert found.title == "Every run failed: there is nothing to compare on scikit-learn's digits"
    assert [card.key for card in found.cards] == ["failures"]
    assert (found.figures, [one.key for one in found.take_aways]) == ([], ["citation"])
    assert not any(character.isdigit() for character in found.how_sure)


def test_one_seed_is_titled_by_the_part_that_has_a_difference(tmp_path: Path) -> None:
    study = load(plant(tmp_path / "s", replace(DESIGN, seeds=(0,)), score))
    title = screen(study, analyse(study, 0.05, 0.002)).title
    assert title == "1 seed cannot decide: batch normalisation changed scikit-learn's digits accuracy by +2.50 points"


def test_a_tuned_study_begins_with_the_tuned_arms(tmp_path: Path) -> None:
    study = load(plant_tuned(tmp_path / "s", in_gains, on_a_hill, points(16)))
    found = screen(study, analyse(study, 0.05, 0.002))
    assert found.cards[0].title == "Both arms tuned"
    assert [figure.name for figure in found.figures] == ["first-pairs", "first-trials"]
    assert found.title.startswith("Both tuned: batch normalisation raised")
    assert "both arms tuned" in found.figures[0].subtitle
    assert "learning rates outside 0.0001 to 1" in found.not_tested
    assert "learning rates other than" not in found.not_tested


def test_study_data_set_and_date_are_said_and_a_missing_date_too(grid: tuple[StudyData, Results]) -> None:
    study, results = grid
    assert list(screen(study, results).about) == [
        "Study a_study",
        "scikit-learn's digits",
        "trained 2026-12-01",
        MEASURE,
    ]
    undated = {key: value for key, value in study.manifest.items() if key != "date"}
    assert screen(replace(study, manifest=undated), results).about[2] == "date not recorded"


def test_what_was_not_tested_follows_the_design(grid: tuple[StudyData, Results]) -> None:
    assert screen(*grid).not_tested == (
        "Not tested: data other than scikit-learn's digits, networks other than 64-32-32-10, optimisers other than"
        " Adam, more than 3 epochs, batch sizes other than 32 and 64 or learning rates other than 0.01 and 0.1."
    )


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (6, "The 95 % interval is ["),
        (2, "No verdict: 2 seeds say nothing of others. At least 6"),
        (1, "No verdict: 1 seed says nothing"),
    ],
)
def test_how_sure_names_the_evidence_or_that_there_is_none(n: int, said: str, tmp_path: Path) -> None:
    study = load(plant(tmp_path / "s", replace(DESIGN, seeds=tuple(range(n))), score))
    assert screen(study, analyse(study, 0.05, 0.002)).how_sure.startswith(said)


def test_a_row_for_latex_has_the_numbers_of_the_part_and_no_special_characters(
    grid: tuple[StudyData, Results],
) -> None:
    study, results = grid
    answer = results.answers["bn"]
    assert answer.setting
    row = latex_row(study, answer, answer.setting)
    assert row.startswith(r"scikit-learn's digits, with BN, tutorial's setting & 84.03 & 86.81 & $+2.78$ $[+2.")
    assert row.endswith(r" & 6 seeds \\")
    texts = {one.key: one.text for one in screen(study, results).take_aways}
    assert row in texts["latex"].splitlines()
    assert r"study a\_study on scikit-learn's digits" in texts["citation"]
    assert "year = {2026}" in texts["citation"]
