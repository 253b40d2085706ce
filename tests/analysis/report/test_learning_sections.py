"""How and how fast they learn, of any study: short titles that are true, small tables, failures as one sentence."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.findings.arms import claims
from analysis.findings.curves import arm_curves, difference_curves
from analysis.findings.results import times
from analysis.findings.secondary.generalisation import generalisation
from analysis.records.pairs import pair
from analysis.records.tables import PRIMARY, StudyData
from analysis.report.document import Block, Figure, Paragraph, Section, Table
from analysis.report.figures.style import MEDIA
from analysis.report.sections.learning import learning, speed
from study.spec.design import Design
from study.spec.runs import Run
from tests.analysis.planted import planted

DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(6)), epochs=3)
ONE = replace(DESIGN, batch_sizes=(32,), lrs=(0.01,))
Score = Callable[[Run, int], float | None]


def better(run: Run, epoch: int) -> float:
    """By 19 images of 360 on average, four more after the first epoch."""
    gain = 18 + run.seed % 3 + 4 * (epoch == 1) if run.arm == "bn" else 0
    return (280 + 14 * epoch + run.seed + gain) / 360


def equal(run: Run, epoch: int) -> float:
    return 0.9 + 0.02 * epoch


def worse(run: Run, epoch: int) -> float:
    return (320 - (18 + run.seed % 3 if run.arm == "bn" else 0)) / 360


def baseline_diverges(run: Run, epoch: int) -> float | None:
    return None if epoch and run.arm == "no_bn" else better(run, epoch)


def all_diverge(run: Run, epoch: int) -> float | None:
    return None if epoch else 0.1


def diverge_at_32(run: Run, epoch: int) -> float | None:
    return None if epoch and run.cell.batch_size == 32 and run.cell.lr == 0.01 else better(run, epoch)


STUDIES: Mapping[str, tuple[Design, Score]] = {
    "better": (DESIGN, better),
    "worse": (DESIGN, worse),
    "no difference": (DESIGN, equal),
    "one setting": (ONE, better),
    "one epoch": (replace(DESIGN, epochs=1), better),
    "one seed": (replace(DESIGN, seeds=(3,)), better),
    "one of all": (replace(ONE, epochs=1, seeds=(3,)), better),
    "one arm diverges": (DESIGN, baseline_diverges),
    "the shown setting diverges": (DESIGN, diverge_at_32),
    "all diverge": (DESIGN, all_diverge),
    "one arm": (replace(DESIGN, arms=("bn",)), better),
    "batch size 1": (replace(DESIGN, batch_sizes=(1, 32)), better),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Section, Section]]:
    """Both sections of every study."""
    folder, found = tmp_path_factory.mktemp("results"), {}
    for name, (design, score) in STUDIES.items():
        study = planted(folder / name.replace(" ", "-"), design, score)
        found[name] = both(study)
    return found


def both(study: StudyData) -> tuple[Section, Section]:
    """The sections of a study, by as many of its results as they take."""
    level, curves, pairs = 0.95, arm_curves(study, 0.95), [pair(study, arm, PRIMARY) for arm in study.treatments]
    of_arms = {
        of.arm: SimpleNamespace(
            arm=of.arm,
            baseline=of.baseline,
            gaps=difference_curves(study, of.arm, of.baseline, level),
            times=times(study, of, level),
        )
        for of in pairs
    }
    found: Any = SimpleNamespace(
        balanced=[],
        curves=curves,
        claims=claims(study, level),
        generalisation=generalisation(study, curves, level),
        of_arms=of_arms,
    )
    return learning.section(study, found), speed.section(study, found)


def evidence(sections: tuple[Section, Section]) -> list[Block]:
    return [block for section in sections for block in section.blocks]


def figures(sections: tuple[Section, Section]) -> dict[str, Figure]:
    return {block.name: block for block in evidence(sections) if isinstance(block, Figure)}


def words(sections: tuple[Section, Section]) -> str:
    return " ".join(block.text for block in evidence(sections) if isinstance(block, Paragraph))


@pytest.mark.parametrize("name", STUDIES)
def test_titles_are_short_and_evidence_tables_narrow(name: str, made: dict[str, tuple[Section, Section]]) -> None:
    for figure in figures(made[name]).values():
        assert len(figure.headline.split()) <= 12, figure.headline
        assert len(figure.subtitle.split()) <= 25, figure.subtitle
        assert figure.caption.count(". ") <= 2, figure.caption
        for text in (figure.headline, figure.subtitle, figure.caption, figure.alt):
            assert "nan" not in text
            assert "1 epochs" not in text
    tables = [block if isinstance(block, Table) else block.table for block in evidence(made[name])
              if isinstance(block, Table | Figure)]  # fmt: skip
    assert all(len(table.columns) <= 7 for table in tables)


@pytest.mark.parametrize("name", ["one of all", "one arm diverges", "the shown setting diverges", "batch size 1"])
def test_every_figure_can_be_drawn_for_both_widths(name: str, made: dict[str, tuple[Section, Section]]) -> None:
    for figure in figures(made[name]).values():
        for medium in MEDIA:
            figure.draw(medium=medium).draw_without_rendering()


@pytest.mark.parametrize(
    ("name", "headline"),
    [
        ("better", "The difference is +6.39 points after epoch 1, +5.28 after epoch 3"),
        ("worse", "The difference is -5.28 points after epochs 1 and 3"),
        ("no difference", "The difference is 0.00 points after epochs 1 and 3"),
        ("one epoch", "The difference is +6.39 points after epoch 1"),
    ],
)
def test_the_first_and_the_last_difference_are_said_once_where_they_are_one(
    name: str, headline: str, made: dict[str, tuple[Section, Section]]
) -> None:
    assert figures(made[name])["gap-bn"].headline == headline


def test_of_one_setting_nothing_is_said_over_settings(made: dict[str, tuple[Section, Section]]) -> None:
    for name in ("one setting", "one of all"):
        found = figures(made[name])
        assert "by-cell" not in found
        text = " ".join(f"{one.headline} {one.subtitle} {one.caption}" for one in found.values())
        assert "settings" not in text
        assert "at batch size 32, rate 0.01" in text


def test_a_band_is_named_only_where_there_is_one(made: dict[str, tuple[Section, Section]]) -> None:
    for name, has_band in (("better", True), ("one seed", False), ("one of all", False)):
        captions = [one.caption for one in figures(made[name]).values() if not one.name.startswith("reached")]
        assert all(("and:" in caption) == has_band for caption in captions)


def test_how_a_diverged_run_counts_is_said_only_where_there_is_one(made: dict[str, tuple[Section, Section]]) -> None:
    assert "diverged: 6 of 6 without BN" in figures(made["one arm diverges"])["curves"].subtitle
    assert "counts as guessing (accuracy 10 %, loss 2.30)" in figures(made["one arm diverges"])["curves"].caption
    assert "Diverged, and counted as guessing: 0 of 6 runs with BN and 6 of 6" in words(made["one arm diverges"])
    for figure in figures(made["better"]).values():
        assert "diverge" not in f"{figure.subtitle} {figure.caption}"


def test_where_all_runs_diverge_a_sentence_stands_for_the_figures(made: dict[str, tuple[Section, Section]]) -> None:
    assert figures(made["all diverge"]) == {}
    assert words(made["all diverge"]) == (
        "No run has a loss or an accuracy after its first epoch: all diverged in it."
        " No run reaches 90 % test accuracy within 3 epochs."
    )
    shown = made["the shown setting diverges"]
    assert "curves" not in figures(shown)
    assert "At batch size 32, rate 0.01 every run diverged in its first epoch: there is no curve to draw." in words(
        shown
    )
    assert "Every run at batch size 32, rate 0.01 diverged: there is no loss to compare." in words(shown)


def test_accuracies_that_no_run_reaches_are_not_drawn(made: dict[str, tuple[Section, Section]]) -> None:
    figure = figures(made["better"])["reached-bn"]
    titles = [axes.get_title(loc="left") for axes in figure.draw().axes]
    assert titles == ["90 % test accuracy", "95 % test accuracy"]
    assert figure.caption.endswith("No run reaches 97 %.")
    assert {row["threshold"] for row in figure.table.rows} == {0.9, 0.95, 0.97}


def test_the_tutorial_is_named_where_its_numbers_stand(tmp_path: Path) -> None:
    design = Design("mnist", batch_sizes=(32,), lrs=(0.01,), seeds=tuple(range(6)), epochs=10)
    study = planted(tmp_path / "s", design, lambda run, epoch: 0.95 + 0.001 * run.seed if epoch else 0.1)
    text = words(both(study))
    for part in (
        "Korean post on batch normalisation", "two hidden layers of 32 units", "batch size 32, rate 0.01", "10 epochs",
        "It reports 95.55 % without BN, inside our 95 % prediction interval for a single run: 95.2",
        "It reports 97.80 % with BN, outside our 95 % prediction interval for a single run: 95.2",
    ):  # fmt: skip
        assert part in text
