"""An ablation with planted accuracies: the analysis finds what each way to predict does, paired by network."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.findings.modes import inference_modes as modes
from analysis.findings.modes.inference_modes import Modes
from analysis.records.tables import load, load_ablation
from analysis.report import __main__ as report
from analysis.report.sentences import inference as mode_words
from study.spec.arms import ARMS
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests.analysis.planted import CLEAN, WITHOUT_NORM, Accuracy, Row, Way, answer, plant, plant_ablation

SEEDS = tuple(range(7))
DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01,), seeds=SEEDS, epochs=1)
WOBBLE = (0, 3, 1, 4, 2, 6, 5)
LOSS = {
    ("batch", 8, "shuffled"): 40,
    ("batch", 32, "shuffled"): 6,
    ("batch", 32, "sorted"): 280,
    ("population", None, None): 0,
}
"""Images of 360 that a way to predict loses against the running averages, a seed's wobble aside."""


def n_correct(run: Run, way: Way, shift: str) -> int:
    base = {"bn": 330, "no_bn": 310}.get(run.arm, 320) + run.seed
    wobble = WOBBLE[run.seed] % 3 if LOSS.get(way) else 0
    change = -100 if shift == "gaussian_noise" and way == ("running", None, None) else 0
    return base - LOSS.get(way, 0) - wobble + change


def answers(run: Run) -> dict[str, list[Row]]:
    with_norm = ARMS[run.arm].statistics
    ways: list[Way] = [("running", None, None), *LOSS] if with_norm else [WITHOUT_NORM]
    asked = [
        answer(way, condition, n_correct(run, way, condition[0]))
        for condition in (CLEAN, ("gaussian_noise", 5))
        for way in ways
    ]
    if not with_norm:
        return {"ablation": asked}
    swap = {
        "eval_batch_size": 8, "n_swapped": 2, "mean_change": 0.25 + run.seed / 100, "value_change": 0.3,
        "logit_change": 2.0, "flip_rate": 0.1 + run.seed / 100, "draw_seed": run.seed, "n_images": 300,
        "running_flips": 0,
    }  # fmt: skip
    errors = [
        {"inference": name, "layer": 0, "rms_mean_error": 0.1, "rms_log_var_error": 0.2}
        for name in ("running", "precise")
    ]
    composed = {"eval_batch_size": 8, "draw_seed": run.seed, "any_flip": 0.7, "mates_share": 0.2}
    return {"ablation": asked, "swaps": [swap], "compositions": [composed], "statistics": errors}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant_modes(tmp_path_factory.mktemp("results") / "s", DESIGN)


def scores(run: Run, epoch: int) -> float:
    return 0.9 + 0.001 * run.seed


def plant_modes(path: Path, design: Design, accuracy: Accuracy = scores) -> Path:
    """A study whose networks have predicted in every way of LOSS; those without statistics in the only one."""
    return plant_ablation(plant(path, design, accuracy), design, answers)


@pytest.fixture(scope="module")
def found(folder: Path) -> Modes:
    study = load(folder)
    ablation = load_ablation(study)
    assert ablation
    return modes.modes(study, ablation, 0.05, 0.002)


def test_a_way_to_predict_is_paired_with_the_running_averages_of_the_same_network(found: Modes) -> None:
    result = found.clean("batch", 8, "shuffled")
    assert result
    d = np.array([-40 - wobble % 3 for wobble in WOBBLE]) / 360
    low, high = stats.t.interval(0.95, 6, d.mean(), d.std(ddof=1) / math.sqrt(7))
    assert result.against_running.estimate == pytest.approx(d.mean())
    assert (result.against_running.low, result.against_running.high) == pytest.approx((low, high))
    assert result.n == 7
    assert result.flip_rate == pytest.approx(0.1)
    assert result.p_running.pvalue == 2 / 128


def test_a_way_to_predict_is_paired_with_the_network_without_batch_norm_by_seed_and_cell(found: Modes) -> None:
    running = found.clean("running")
    assert running
    assert running.against_no_norm
    assert running.against_no_norm.estimate == pytest.approx(20 / 360)
    assert running.against_running.estimate == 0
    assert running.p_running.pvalue == 1


def test_the_networks_without_batch_norm_have_their_own_accuracy_under_every_condition(found: Modes) -> None:
    assert [(r.shift, r.severity, r.n) for r in found.no_norm] == [("clean", 0, 7), ("gaussian_noise", 5, 7)]
    without = found.without(("gaussian_noise", 5))
    assert without
    assert without.accuracy == pytest.approx((310 + 3) / 360)
    assert found.without(("invert", 1)) is None


def test_the_same_accuracy_is_no_difference(found: Modes) -> None:
    same = found.clean("population")
    assert same
    assert (same.against_running.estimate, same.p_running.pvalue) == (0, 1)


def test_conditions_are_families_of_their_own_and_the_clean_one_comes_first(found: Modes) -> None:
    assert [(r.shift, r.severity) for r in found.results] == [("clean", 0)] * 5 + [("gaussian_noise", 5)] * 5
    assert [r.inference for r in found.results[:2]] == ["running", "population"]
    shifted = next(r for r in found.results if r.shift != "clean" and r.eval_batch_size == 8)
    assert shifted.against_running.estimate == pytest.approx((60 - np.mean([w % 3 for w in WOBBLE])) / 360)


def test_swaps_and_statistics_are_summarised_by_seed(found: Modes) -> None:
    (swap,) = found.swaps
    assert (swap.law, swap.mean_change.estimate) == (pytest.approx(0.25), pytest.approx(0.28))
    assert swap.flip_rate.n == 7
    assert [(r.inference, r.mean_error.estimate) for r in found.statistics] == [
        ("running", pytest.approx(0.1)), ("precise", pytest.approx(0.1)),
    ]  # fmt: skip
    assert found.compositions[0].any_flip.estimate == pytest.approx(0.7)


def test_the_report_carries_the_ablation_in_page_json_and_table(folder: Path) -> None:
    assert report.main([str(folder)]) == 0
    page = (folder / "report.html").read_text()
    said = json.loads((folder / "report.json").read_text())
    table = pd.read_csv(folder / "tables" / "modes.csv")
    assert len(table) == len(said["modes"]["results"]) == 10
    assert all(line.split(":")[0].split("'")[0] in page for line in said["ledger"])
    assert "At test time, batch norm can use statistics saved in training or those of the test batch" in page
    assert "at batch size 32, rate 0.01, the tutorial" in page
    elsewhere = pd.read_csv(folder / "tables" / "modes-cells.csv")
    assert {*elsewhere.batch_size} == {64}
    assert len(elsewhere) == 4, "without the sorted order, which is no main way"
    assert (folder / "figures" / "modes.svg").exists()
    assert (folder / "figures" / "shifts.svg").exists()


def test_a_study_without_an_ablation_says_nothing_of_modes(tmp_path: Path) -> None:
    path = plant(tmp_path / "s", DESIGN, lambda run, _: 0.9 + 0.001 * run.seed)
    assert load_ablation(load(path)) is None
    assert report.main([str(path)]) == 0
    assert "<code>python -m study.ablate results/s</code>" in (path / "report.html").read_text()
    assert not (path / "tables" / "modes.csv").exists()


# which cell is shown


def modes_of(path: Path, design: Design, accuracy: Accuracy = scores) -> Modes:
    study = load(plant_modes(path, design, accuracy))
    ablation = load_ablation(study)
    assert ablation
    return modes.modes(study, ablation, 0.05, 0.002)


def test_the_tutorials_cell_is_shown_and_the_main_ways_of_the_others_stand_behind(found: Modes) -> None:
    assert found.cell == found.baseline_cell == Cell(32, 0.01)
    assert {r.cell for r in found.results} == {Cell(32, 0.01)}
    assert {(r.cell, r.shift) for r in found.elsewhere} == {(Cell(64, 0.01), "clean")}
    assert [r.order for r in found.elsewhere if r.inference == "batch"] == ["shuffled", "shuffled"]


def test_without_the_tutorials_cell_each_arm_is_shown_where_it_scores_best(tmp_path: Path) -> None:
    """By the mean primary score: without batch normalisation at the smaller rate, which is what it is compared with."""

    def better_elsewhere(run: Run, epoch: int) -> float:
        return 0.9 + (0.02 if (run.arm == "bn") == (run.cell.lr == 0.1) else 0) + 0.001 * run.seed

    design = Design("digits", batch_sizes=(32,), lrs=(0.001, 0.1), seeds=SEEDS, epochs=1)
    found = modes_of(tmp_path / "s", design, better_elsewhere)
    assert (found.cell, found.baseline_cell) == (Cell(32, 0.1), Cell(32, 0.001))
    running = found.clean("running")
    assert running
    assert running.against_no_norm
    assert (running.n, running.against_no_norm.n) == (7, 7)
    assert running.against_no_norm.estimate == pytest.approx(20 / 360)
    said = mode_words.where(found)
    assert said.startswith("at batch size 32, rate 0.1, where batch normalisation scores best on average")
    assert "(no batch normalisation: at batch size 32, rate 0.001, its own best)" in said


def test_a_network_that_is_not_there_leaves_its_seed_out_of_every_comparison(tmp_path: Path) -> None:
    path = plant(tmp_path / "s", DESIGN, lambda run, _: None if run.seed == 3 and run.arm == "bn" else 0.9)
    plant_ablation(path, DESIGN, lambda run: {} if run.seed == 3 and run.arm == "bn" else answers(run))
    study = load(path)
    ablation = load_ablation(study)
    assert ablation
    found = modes.modes(study, ablation, 0.05, 0.002)
    assert {r.n for r in found.results} == {6}
    assert {c.interval.n for c in found.compared} == {6}


def test_a_draw_that_all_networks_share_is_known_as_one(folder: Path, found: Modes) -> None:
    assert found.drawn_by_seed
    study = load(folder)
    ablation = load_ablation(study)
    assert ablation
    for table in ("swaps", "compositions"):
        shared = replace(ablation, **{table: getattr(ablation, table).assign(draw_seed=0)})
        assert not modes.modes(study, shared, 0.05, 0.002).drawn_by_seed


def test_each_comparison_has_the_simultaneous_interval_of_its_family(found: Modes) -> None:
    """Of the clean images in one family; under noise, where the running averages were planted to fail, in another."""
    clean = [c for c in found.compared if c.shift == "clean"]
    assert {(c.rule, c.way.inference) for c in clean} == {
        ("small", "batch"), ("sorted", "batch"), ("saved", "population"), ("no norm", "running"),
    }  # fmt: skip
    assert {c.interval.method for c in found.compared} == {"sup-t"}
    by_rule = {c.rule: c for c in clean}
    assert by_rule["sorted"].outcome == "worse"
    assert by_rule["saved"].outcome == "within"
    assert by_rule["no norm"].outcome == "better"
    result = found.clean("batch", 8, "shuffled")
    own = next(c for c in clean if c.way.size == 8).interval
    assert result
    assert own.estimate == pytest.approx(result.against_running.estimate)
    assert own.low <= result.against_running.low
