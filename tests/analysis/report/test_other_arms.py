"""A third arm, registered and trained: its numbers stand under its own name, in its own look, all over the page."""

import contextlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.findings.comparison import compared
from analysis.records.tables import load
from analysis.report import number_format as words
from study.spec.arms import ARMS, Arm
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests.analysis.findings.test_inference_modes import plant_modes
from tests.analysis.planted import in_gains, on_a_hill, plant, plant_tuned, points
from tests.analysis.report.test_report import Page, make
from tests.analysis.report.test_statcheck import Page as Tables

LAYER = Arm("layer", "layer normalisation", "with LN", "with LN", None, colour="#029e73", line="-.", marker="^")
THREE = ("bn", "layer", "no_bn")
GAINS = {"bn": (20, 21, 22, 20, 21, 22), "layer": (10, 11, 10, 11, 10, 11)}
"""Images of 360 against no_bn, by seed."""


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARMS, "layer", LAYER)
        yield


def score(run: Run, epoch: int) -> float | None:
    """At batch size 64 and rate 0.1 a seed of layer normalisation diverges, and two without any."""
    if run.cell == Cell(64, 0.1) and run.seed in {"layer": (5,), "no_bn": (0, 1)}.get(run.arm, ()):
        return None if epoch else 0.1
    return (290 + 4 * epoch + 3 * run.seed + (GAINS[run.arm][run.seed] if run.arm in GAINS else 0)) / 360


def tuned_score(run: Run, epoch: int) -> float:
    """Batch normalisation gains what it gains elsewhere, layer normalisation 30 images, tuned and untuned."""
    return in_gains(run, epoch) + (30 / 360 if run.arm == "layer" else 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The study with its report, and what the command said."""
    design = Design("digits", THREE, batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(6)), epochs=3)
    path = plant_modes(tmp_path_factory.mktemp("results") / "three", design, score)
    with contextlib.redirect_stdout(io.StringIO()) as told:
        make(path)
    return path, told.getvalue()


@pytest.fixture(scope="module")
def folder(made: tuple[Path, str]) -> Path:
    return made[0]


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text("utf-8"))


def csv(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "tables" / f"{name}.csv")


def test_every_arm_is_in_the_question_the_answer_and_the_notices(page: Page, folder: Path) -> None:
    assert "3 arms compared on scikit-learn's digits: with BN and with LN beat without BN here" in page.text
    assert "the same for all arms" in page.text
    assert "training with batch normalisation, with layer normalisation and with no batch normalisation" in page.text
    assert "2 arms are compared with no batch normalisation as one family" in page.text
    notice = "Some runs did not learn: 2 of 24 without BN, 0 of 24 with BN and 1 of 24 with LN."
    assert notice in page.text
    verdicts = json.loads((folder / "report.json").read_text("utf-8"))["verdicts"]
    assert [verdict["arm"] for verdict in verdicts] == ["bn", "layer"]
    for verdict, name in zip(verdicts, ("batch normalisation", "layer normalisation"), strict=True):
        assert f"With each arm in its best setting, {name} raised test accuracy on" in verdict["headline"]
        assert verdict["headline"] in page.text


def test_each_arm_s_numbers_stand_under_its_own_name(folder: Path) -> None:
    contrasts, arms = csv(folder, "contrasts"), csv(folder, "robustness").set_index(["batch_size", "lr", "arm"])
    seeds = [np.mean([score(Run(32, 0.01, seed=k, arm=arm), e) for e in (1, 2, 3)]) for arm in THREE for k in range(6)]
    means = dict(zip(("with BN", "with LN", "without BN"), np.reshape(seeds, (3, 6)).mean(1), strict=True))
    for name, mean in means.items():
        assert arms.loc[(32, 0.01, name)].accuracy == pytest.approx(mean)
    cell = contrasts[(contrasts.endpoint == "last3") & (contrasts.batch_size == 32) & (contrasts.lr == 0.01)]
    assert cell.arm.tolist() == ["bn", "layer"]
    assert cell.mean_arm.tolist() == pytest.approx([means["with BN"], means["with LN"]])
    assert cell.mean_diff.tolist() == pytest.approx([np.mean(GAINS[arm]) / 360 for arm in ("bn", "layer")])
    for arm, (n_baseline, n_arm) in {"bn": (2, 0), "layer": (2, 1)}.items():
        assert csv(folder, f"failures-{arm}")[["n_failed_baseline", "n_failed_arm"]].iloc[0].tolist() == [
            n_baseline, n_arm,
        ]  # fmt: skip


def test_no_table_of_an_arm_speaks_of_another(folder: Path) -> None:
    tables = Tables((folder / "report.html").read_text("utf-8")).tables
    of_layer = {name: rows for name, rows in tables.items() if name.endswith("-layer")}
    assert of_layer.keys() >= {f"{name}-layer" for name in ("pairs", "effect", "failures", "times", "noise", "gap")}
    for name, rows in of_layer.items():
        heads = " ".join(rows[0])
        assert not re.search(r"with BN|without(?! BN)|with(?!out| LN)", heads), name
    assert "failed without BN | with LN" in of_layer["failures-layer"][0]
    assert "failed without | with" in tables["failures-bn"][0]
    assert {row["arm"] for row in tables["contrasts"]} == {"with BN", "with LN"}
    assert "with BN" not in tables["contrasts"][0]


def test_what_is_said_of_an_arm_stands_below_its_name(page: Page) -> None:
    headings = [f"{name} normalisation against no batch normalisation:" for name in ("Batch", "Layer")]
    part = page.text.rpartition("Setting by setting")[0].rpartition("Setting by setting")[2]
    assert part.index(headings[0]) < part.index("Test accuracy with BN minus") < part.index(headings[1])
    assert part.index(headings[1]) < part.index("Test accuracy with LN minus without BN")


def test_figures_have_every_arm_s_look(folder: Path) -> None:
    for name, arms in (("curves", THREE), ("robustness", THREE), ("by-cell", THREE), ("reached-layer", THREE[1:])):
        drawn = (folder / "figures" / f"{name}.svg").read_text("utf-8")
        for arm in arms:
            assert ARMS[arm].colour in drawn, name
            assert f">{ARMS[arm].short}<" in drawn, name
    assert ARMS["bn"].short not in (folder / "figures" / "pairs-layer.svg").read_text("utf-8")


def test_inference_modes_are_compared_with_the_baseline_and_no_other_arm(folder: Path) -> None:
    table = csv(folder, "modes").set_index(["shift", "inference"])
    running = table.loc[("clean", "running")]
    assert running.n_seeds == 6
    assert running.diff_no_bn == pytest.approx(20 / 360)  # 330 right of 360 against 310; layer normalisation has 320


def test_the_terminal_says_of_which_arm(made: tuple[Path, str]) -> None:
    for arm in ("bn", "layer"):
        assert f"{words.side(arm)}: the mean over the settings" in made[1]
        assert f"{words.side(arm)}: runs that did not learn" in made[1]


def test_of_a_tuned_study_each_search_is_its_own_arm_s(tmp_path: Path) -> None:
    tried = points(12)
    best = tried[3]

    def trial(arm: str, at: Cell, k: int) -> float:
        return (0.99 if at == best else 0.5) if arm == "layer" else on_a_hill(arm, at, k)

    folder = plant_tuned(tmp_path / "s", tuned_score, trial, tried, arms=THREE)
    page = make(folder)
    (of_bn, of_layer) = json.loads((folder / "report.json").read_text("utf-8"))["tuned"]
    assert [chosen["arm"] for chosen in of_layer["chosen"]] == ["no_bn", "layer"]
    assert of_layer["chosen"][1]["trial"] == 3
    assert of_layer["chosen"][1]["score"] == pytest.approx(0.99, abs=1 / 239)
    assert of_layer["chosen"][0] == of_bn["chosen"][0]
    assert of_layer["after"]["interval"]["estimate"] == pytest.approx(30 / 360)
    assert page.text.count("At the two configurations that one search with equal budgets chose") >= 2
    assert "and with LN minus without BN (points)" in page.text
    assert "One trial does no better with LN than without BN" in page.text
    assert set(csv(folder, "trials-layer").arm) == {"no_bn", "layer"}
    assert LAYER.colour in (folder / "figures" / "trials-layer.svg").read_text("utf-8")


@pytest.mark.parametrize("arms", [("layer", "no_bn"), ("layer",)])
def test_a_study_without_batch_normalisation_has_no_word_of_runs_with_it(arms: Sequence[str], tmp_path: Path) -> None:
    design = Design("digits", tuple(arms), batch_sizes=(32,), lrs=(0.01, 0.1), seeds=tuple(range(6)), epochs=3)
    page = make(plant(tmp_path / "s", design, score))
    assert "with BN" not in page.text
    assert "with batch normalisation" not in page.text.split("Methods")[0]


def test_beside_a_study_of_fewer_arms_those_are_compared_that_both_have(folder: Path, tmp_path: Path) -> None:
    other = plant(tmp_path / "two", Design("digits", ("layer", "no_bn"), (32,), (0.01,), tuple(range(6)), 3), score)
    assert [comparison.arm for comparison in compared(load(folder), [load(other)], [], 0.05, 0.002)] == ["layer"]


def test_an_arm_that_nobody_registered_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="nobody"):
        words.side("nobody")
