"""The page of many arms: it names them, tells each from the others, and stays one that can be read."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from analysis.findings.results import analyse
from analysis.findings.secondary.all_pairs import AllPairs, all_pairs
from analysis.records.tables import load
from analysis.report import write
from analysis.report.export.figure_files import evidence
from analysis.report.figures.arms import Entry, Ranked, matrix, ranking
from analysis.report.figures.style import MEDIA, arm_style
from analysis.report.first_screen.cards import MAX_ARMS
from analysis.report.sections import arms, order
from study.spec.arms import ARMS, Arm
from study.spec.design import Design
from tests.analysis.planted import plant
from tests.analysis.report.test_report import Page
from tests.analysis.report.test_statcheck import Page as Tables
from tests.analysis.several_arms import SIX, plant_arms, registered, score
from tests.conftest import undrawn

MANY = tuple(f"kind{i}" for i in range(16))


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> write.Written:
    """The report of six arms, whose drawings are left empty."""
    with undrawn(), registered():
        return write.write_report(plant_arms(tmp_path_factory.mktemp("results") / "six", SIX, n_seeds=6))


@pytest.fixture(scope="module")
def found(made: write.Written) -> AllPairs:
    with registered():
        every = all_pairs(load(made.page.parent), 0.05, 0.002)
    assert every is not None
    return every


def text_of(made: write.Written) -> str:
    return Page(made.page.read_text("utf-8")).text


def csv(made: write.Written, name: str) -> pd.DataFrame:
    return pd.read_csv(made.page.parent / "tables" / f"{name}.csv")


def test_the_first_screen_names_the_arms(made: write.Written) -> None:
    title = made.report["title"]
    assert title.startswith("6 arms compared on scikit-learn's digits: with BN and 2 more beat without BN")
    assert len(title.split()) <= 15
    titles = [card["title"] for card in made.report["cards"]]
    assert titles[:2] == ["With BN, each arm in its best setting", "With LN, each arm in its best setting"]
    assert titles[2:] == ["The other arms", "Runs that failed"]
    others = [line["text"] for line in made.report["cards"][MAX_ARMS - 1]["lines"]]
    assert [" ".join(line.split()[:2]) for line in others] == ["with amber", "with coral", "with ivory"]
    assert others[2].endswith(": worse")
    assert made.report["how_sure"].startswith("The 95 % intervals of all 5 arms hold together, from 6 seeds.")


def test_every_arm_has_its_verdict_and_the_notice_says_that_they_are_one_family(made: write.Written) -> None:
    verdicts = {verdict["arm"]: verdict["verdict"] for verdict in made.report["verdicts"]}
    assert list(verdicts) == ["bn", "layer", "amber", "coral", "ivory"]
    assert [verdicts[arm] for arm in ("bn", "layer", "amber", "ivory")] == ["better"] * 3 + ["worse"]
    page = text_of(made)
    assert all(verdict["headline"] in page for verdict in made.report["verdicts"])
    assert "5 arms are compared with no batch normalisation as one family" in page
    assert "The 5 arms are compared with no batch normalisation as one family (Dunnett 1955)" in page
    assert "All 15 pairs of arms are another such family" in page
    assert "the arm that every other one is compared with: no batch normalisation" in page


def test_the_ranking_and_the_pairs_are_tables_and_in_the_json(made: write.Written, found: AllPairs) -> None:
    ranked = csv(made, "arms")
    assert ranked.arm.tolist() == ["bn", "layer", "amber", "coral", "no_bn", "ivory"]
    assert ranked.verdict.tolist()[4] == "baseline"
    contrasts = csv(made, "contrasts")
    at = contrasts[(contrasts.endpoint == "last3") & (contrasts.lr == 0.01)].set_index("arm")
    for row in ranked[ranked.arm != "no_bn"].itertuples():
        assert row.difference == pytest.approx(at.mean_diff[row.arm])
        assert (row.difference_low, row.difference_high) == (at.ci_sim_low[row.arm], at.ci_sim_high[row.arm])
    every = csv(made, "pairs-of-arms-all")
    assert len(every) == 15 * 3
    assert len(csv(made, "pairs-of-arms")) == 15
    content = json.loads((made.page.parent / "report.json").read_text("utf-8"))
    assert content["baseline"] == "no_bn"
    assert [one["arm"] for one in content["all_pairs"]["ranked"]] == ranked.arm.tolist()
    assert every.difference.tolist() == pytest.approx([one["mean_diff"] for one in content["all_pairs"]["members"]])


def test_no_table_of_a_figure_is_wider_than_seven_columns_and_many_arms_are_folded(made: write.Written) -> None:
    html = made.page.read_text("utf-8")
    tables = Tables(html).tables
    for name in ("arms", "pairs-of-arms", "pairs-of-arms-all"):
        assert len(tables[name][0]) <= 7, name
    assert html.count('<details class="arm"') > 10
    assert "<summary>Layer normalisation against no batch normalisation</summary>" in html


def test_two_arms_are_told_as_before(tmp_path: Path, without_drawings: None) -> None:
    made = write.write_report(plant_arms(tmp_path / "two", ("bn", "no_bn"), n_seeds=6, lrs=(0.01,)))
    assert "all_pairs" not in made.report
    assert not (made.page.parent / "tables" / "arms.csv").exists()
    page = made.page.read_text("utf-8")
    assert "Arms against one another" not in page
    assert '<details class="arm"' not in page
    assert "Dunnett" not in page


# --- figures


def test_the_ranking_draws_each_arm_s_own_difference_in_its_look(made: write.Written, found: AllPairs) -> None:
    study = load(made.page.parent)
    by_arm = {one.arm: found.at(one.arm, "no_bn")[0] for one in found.ranked if one.arm != "no_bn"}
    rows = [Ranked(one.arm, one.arm, by_arm[one.arm].shown if one.arm in by_arm else None) for one in found.ranked]
    (axes,) = ranking(rows).axes
    points = {line.get_ydata()[0]: line for line in axes.get_lines() if line.get_marker() not in ("None", None, "")}
    assert len(points) == len(study.design.arms)
    for place, row in enumerate(rows):
        estimate = 0.0 if row.difference is None else 100 * row.difference.estimate
        assert points[place].get_xdata()[0] == estimate
        assert to_hex(points[place].get_color()) == to_hex(arm_style(row.arm)["color"])


@pytest.mark.parametrize("medium", MEDIA)
def test_the_matrix_is_row_minus_column(found: AllPairs, medium: object) -> None:
    names = [one.arm for one in found.ranked]

    def entry(row: int, column: int) -> Entry:
        member, sign = found.at(names[row], names[column])
        return Entry(sign * member.mean_diff, member.verdict.startswith(("better", "worse")))

    (axes,) = matrix(names, entry, medium=medium).axes  # type: ignore[arg-type]
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert [tick.get_text() for tick in axes.get_yticklabels()] == names
    assert [tick.get_text() for tick in axes.get_xticklabels()] == names
    means = {one.arm: 100 * one.accuracy for one in found.ranked}
    for i, row in enumerate(names):
        for j, column in enumerate(names):
            if i != j:  # x is the column
                assert float(texts[j, i]) == pytest.approx(means[row] - means[column], abs=0.051)


def test_of_many_arms_the_matrix_has_signs_alone() -> None:
    (axes,) = matrix(MANY, lambda i, j: Entry(0.01 * (j - i), abs(i - j) > 3), medium=MEDIA[1]).axes
    assert {text.get_text() for text in axes.texts} == {"+", "\N{MINUS SIGN}", "", "·"}


def test_arms_without_a_look_of_their_own_are_told_apart() -> None:
    with registered(MANY):
        looks = [tuple(arm_style(arm).values()) for arm in (*SIX, *MANY)]
        assert len({*looks}) == len(looks)
        assert arm_style("bn")["color"] == ARMS["bn"].colour
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARMS, "mine", Arm("mine", "mine", "mine", "mine", None, colour="#123456", line="-", marker="o"))
        assert arm_style("mine") == {"color": "#123456", "linestyle": "-", "marker": "o"}


def test_too_few_seeds_decide_nothing_and_draw_no_intervals(tmp_path: Path, without_drawings: None) -> None:
    made = write.write_report(plant_arms(tmp_path / "s", SIX[:3], n_seeds=3, lrs=(0.01,)))
    assert made.report["title"] == "3 arms compared on scikit-learn's digits: 3 seeds cannot decide"
    page = text_of(made)
    assert "Most accurate with BN; none can be tested yet" in page
    assert "No pair of arms can be tested" in page
    assert "beat" not in page.split("The whole answer")[0]
    assert csv(made, "arms").difference_low.isna().all()
    assert csv(made, "pairs-of-arms").p_adjusted.isna().all()


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [(0.1, "Every run failed: no arm is told from another."), (0.9, "All arms are equally accurate")],
)
def test_arms_that_are_alike_have_no_best(accuracy: float, said: str, tmp_path: Path, without_drawings: None) -> None:
    design = Design("digits", SIX[:3], batch_sizes=(32,), lrs=(0.01,), seeds=tuple(range(6)), epochs=1)
    made = write.write_report(plant(tmp_path / "s", design, lambda run, epoch: accuracy if epoch else 0.1))
    assert said in text_of(made)
    assert "Most accurate" not in text_of(made)


def test_folded_figures_are_exported_too(made: write.Written) -> None:
    study = load(made.page.parent)
    results = analyse(study, 0.05, 0.002)
    names = {figure.name for figure in evidence(order.sections(study, results))}
    assert names >= {f"effect-{arm}" for arm in study.treatments} | {"arms", "arms-matrix"}


def test_a_setting_that_an_arm_lacks_is_not_the_ranking_s(tmp_path: Path) -> None:
    """Batch norm cannot train on batches of one, where the others are best."""
    design = Design("digits", ("bn", "no_bn", "layer"), (1, 32), (0.01,), (0, 1), epochs=1)
    study = load(plant(tmp_path / "s", design, lambda run, epoch: score(run, epoch) + 0.1 * (run.cell.batch_size == 1)))
    found = all_pairs(study, 0.05, 0.002)
    assert found is not None
    assert found.cell.batch_size == 32
    assert np.isfinite([one.accuracy for one in found.ranked]).all()


def test_a_study_of_several_arms_without_a_common_setting_says_so(tmp_path: Path, without_drawings: None) -> None:
    design = Design("digits", ("bn", "no_bn", "layer"), (1,), (0.01,), (0, 1), epochs=1)
    made = write.write_report(plant(tmp_path / "s", design, score))
    assert "No setting has runs of every arm yet:" in text_of(made)
    assert arms.TITLE in text_of(made)
