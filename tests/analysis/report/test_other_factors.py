"""A third factor, registered and varied: loaded, paired and labelled, and nothing of the analysis knows of it."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.errors import AnalysisError
from analysis.findings.results import Results, analyse
from analysis.records.checks import check
from analysis.records.pairs import pair
from analysis.records.tables import load
from study.spec.checks import one_of
from study.spec.design import Design
from study.spec.factors import FACTORS, Cell, Factor, Level
from study.spec.runs import Run
from tests.analysis.planted import plant, planted
from tests.analysis.report.test_report import Page, make

NAMES = ("relu", "tanh", "sigmoid")
ACTIVATION = Factor("activation", str, "activation", "activation", NAMES, one_of(NAMES), settles=("activation",))
DECAY = Factor("decay", float, "decay", "weight decay", (0.01, 0.1), lambda *_: None)
SIZES, LRS, SEEDS = (32, 64), (0.01, 0.1), tuple(range(6))
BASE = {"relu": 200, "tanh": 240, "sigmoid": 280}
"""Images of 360 without batch norm: a pair of two activations would be far off."""
GAIN = {"relu": 12, "tanh": 24, "sigmoid": -6}
WOBBLE = (0, 2, 1, 3, 1, 2)


def score(run: Run, epoch: int) -> float:
    """At rate 0.1 batch norm gains six images more, whatever the activation."""
    name, more = run.cell["activation"], 6 if run.cell.lr == 0.1 else 0
    gain = GAIN[name] + more + WOBBLE[run.seed] if run.arm == "bn" else 0
    return (BASE[name] + 4 * epoch + 3 * run.seed + gain) / 360


def design(**vary: tuple[Level, ...]) -> Design:
    return Design("digits", batch_sizes=SIZES, lrs=LRS, seeds=SEEDS, epochs=3, vary=tuple(vary.items()))


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FACTORS, "activation", ACTIVATION)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = plant(tmp_path_factory.mktemp("results") / "s", design(activation=NAMES), score)
    make(path)
    return path


@pytest.fixture(scope="module")
def found(folder: Path) -> Results:
    return analyse(load(folder), 0.05, 0.002)


def test_pairs_are_joined_by_the_factor_too(folder: Path) -> None:
    pairs = pair(load(folder), "bn", "final")
    assert len(pairs.cells) == 12
    assert len(pairs.table) == 12 * 6
    for cell in pairs.cells:
        gains = np.array([GAIN[cell["activation"]] + 6 * (cell.lr == 0.1) + wobble for wobble in WOBBLE]) / 360
        assert pairs.cell(cell).difference.to_numpy() == pytest.approx(gains)


def test_what_has_no_partner_is_named_with_its_level(tmp_path: Path) -> None:
    lost = {Run(32, 0.1, activation="tanh", seed=2, arm="bn")}
    study = planted(tmp_path / "s", design(activation=NAMES), score, lost=lost)
    assert study.unpaired("bn", "no_bn") == ["batch size 32, rate 0.1, activation tanh, seed 2: bn has no records"]


def test_cells_are_in_the_order_of_the_levels_and_not_of_the_alphabet(found: Results) -> None:
    in_order = [cell.cell["activation"] for cell in found.arm_cells if cell.arm == "bn"][:3]
    assert in_order == [curve.cell["activation"] for curve in found.curves[::8]][:3] == list(NAMES)
    assert [scores.cell for scores in found.of_arms["bn"].scores][1:] == sorted({cell.cell for cell in found.arm_cells})


def test_every_two_names_and_neighbouring_numbers_are_compared_and_rates_are_sought_at_every_level(
    found: Results,
) -> None:
    of_arm = found.of_arms["bn"]
    changes = {(d.name, d.lower, d.upper): 360 * d.interval.estimate for d in of_arm.level_differences}
    assert changes == pytest.approx(
        {
            ("batch_size", 32, 64): 0,
            ("activation", "relu", "tanh"): 12,
            ("activation", "relu", "sigmoid"): -18,
            ("activation", "tanh", "sigmoid"): -30,
            ("lr", 0.01, 0.1): 6,
        },
        abs=1e-9,
    )
    assert [best.at for best in of_arm.best_rates] == [
        {"batch_size": size, "activation": name} for size in SIZES for name in NAMES
    ]
    assert {best.found.best_arm for best in of_arm.best_rates} == {0.1}
    assert [usable.found.n_runs for usable in of_arm.usable_rates] == [6 * 2 * 3] * 2
    assert of_arm.best_cell is not None
    best = of_arm.best_cell.cells[of_arm.best_cell.found.best_arm or 0]
    assert best["activation"] == "sigmoid"


def test_tables_and_json_have_the_factor_s_column_behind_the_others(folder: Path) -> None:
    for name in ("contrasts", "pairs-bn", "effect-bn", "failures-bn", "robustness", "curves", "gap-bn", "noise-bn"):
        table = pd.read_csv(folder / "tables" / f"{name}.csv")
        assert table.columns[:3].tolist() == ["batch_size", "lr", "activation"], name
        assert {*table.activation.dropna()} <= {*NAMES}, name
    said = json.loads((folder / "report.json").read_text("utf-8"))
    assert list(said["contrasts"][0])[:4] == ["batch_size", "lr", "activation", "baseline"]
    assert said["contrasts"][0]["activation"] is None
    assert {contrast["activation"] for contrast in said["contrasts"][1:13]} == {*NAMES}
    assert [row["activation"] for row in said["completeness"][:4]] == [None, None, "relu", "relu"]
    assert said["findings"]["bn"]["best_cell"]["cells"][1] == [32, 0.01, "tanh"]


def test_page_and_figures_call_it_by_its_name(folder: Path) -> None:
    page = Page((folder / "report.html").read_text("utf-8"))
    for words in (
        "with BN at batch size 32, rate 0.1, activation sigmoid",
        "batch sizes 32, 64; learning rates 0.01, 0.1; activations relu, tanh, sigmoid; 6 seeds",
        "in points, by batch size, learning rate and activation;",
        "by learning rate, batch size and activation; 6 seeds per point",
        "points from activation tanh to sigmoid",
        "share of 36 (seeds x batch sizes x activations)",
        "by arm, batch size and activation",
        "one combination of batch size, learning rate and activation",
        "two runs with the same batch size, learning rate, activation and seed",
    ):
        assert words in page.text, words
    assert "with ReLU" not in json.loads((folder / "report.json").read_text("utf-8"))["scope"]
    drawn = {name: (folder / "figures" / f"{name}.svg").read_text("utf-8") for name in ("effect-bn", "robustness")}
    assert ">tanh<" in drawn["effect-bn"]
    assert ">batch size<" in drawn["effect-bn"]
    assert ">sigmoid, batch size 64<" in drawn["robustness"]


def test_where_it_is_left_alone_nothing_is_said_of_it(tmp_path: Path) -> None:
    folder = plant(tmp_path / "s", replace(design(), batch_sizes=(32,), lrs=(0.01,)), score)
    page = make(folder)
    assert "activation" not in page.text
    assert "with ReLU" in page.text
    assert "activation" not in (folder / "report.json").read_text("utf-8")


def test_tables_without_the_column_are_refused_in_one_sentence(folder: Path) -> None:
    study = load(folder)
    with pytest.raises(AnalysisError, match=r"^runs has no column activation, which the design has levels of$"):
        check(study.records, study.runs.drop(columns="activation"), study.name, study.design)


def test_of_another_factor_of_numbers_neighbours_are_compared_and_the_rate_stays_across(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(FACTORS, "decay", DECAY)

    def falling(run: Run, epoch: int) -> float:
        gain = 20 - 4 * math.log10(run.cell["decay"]) + WOBBLE[run.seed] if run.arm == "bn" else 0
        return (240 + gain) / 360

    found = analyse(planted(tmp_path / "s", design(decay=(0.01, 0.1)), falling), 0.05, 0.002).of_arms["bn"]
    assert [difference.name for difference in found.level_differences] == ["batch_size", "decay", "lr"]
    change = found.level_differences[1]
    assert (change.lower, change.upper, change.interval.estimate) == (0.01, 0.1, pytest.approx(-4 / 360))
    assert [best.at for best in found.best_rates][:2] == [
        {"batch_size": 32, "decay": 0.01},
        {"batch_size": 32, "decay": 0.1},
    ]
    assert Cell(32, 0.01, decay=0.1).said.keys() == {"batch_size", "lr", "decay"}
