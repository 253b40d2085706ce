"""What is said of a study beside others: names everywhere, a short finding that is true of any, honest refusals."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from analysis.findings.comparison import Comparison, compared
from analysis.findings.tuning import tuned
from analysis.records.tables import StudyData, load
from analysis.report import __main__ as report
from analysis.report.sections.compared import sentences as say
from analysis.report.sections.compared.rows import rows
from study.spec.design import Design
from study.spec.runs import Run
from tests.analysis.planted import in_gains, on_a_hill, plant, plant_tuned, points

WOBBLE = (0, 3, 1, 4, 2, 6, 5, 7)
GRIDS = {
    "home": {},
    "lower": {},
    "part": {"lrs": (0.1, 1.0)},
    "apart": {"batch_sizes": (128,)},
    "one": {"batch_sizes": (16,), "lrs": (0.1,)},
    "seed": {"seeds": (0,)},
    "alike": {"seeds": tuple(range(7))},
    "elsewhen": {"seeds": tuple(range(10, 16))},
    "failed": {},
}
GAINS = {"lower": -20, "alike": 30}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Studies of one data set by name: grids that overlap in all, in part or not, of one seed, in which all failed."""
    root = tmp_path_factory.mktemp("results")
    for name, changes in GRIDS.items():
        options = {"batch_sizes": (32, 64), "lrs": (0.01, 0.1), "seeds": tuple(range(6)), "epochs": 1} | changes
        plant(root / name, Design("digits", **options), scoring(name))  # type: ignore[arg-type]
    plant_tuned(root / "tuned", in_gains, on_a_hill, points(4))
    return root


def scoring(name: str):  # type: ignore[no-untyped-def]
    def score(run: Run, epoch: int) -> float | None:
        if name == "failed":
            return None if epoch else 0.1
        gain = GAINS.get(name, 30) + WOBBLE[run.seed % 8] if run.arm == "bn" else 0
        return (200 + gain + (run.seed * len(name)) % 3) / 360

    return score


@pytest.fixture(scope="module")
def studies(folder: Path) -> dict[str, StudyData]:
    return {path.name: load(path) for path in folder.iterdir()}


def comparisons(studies: Mapping[str, StudyData], name: str, *others: str) -> list[Comparison]:
    of = studies[name]
    return compared(of, [studies[other] for other in others], tuned(of, 0.05, 0.002), 0.05, 0.002)


HEADLINES = {
    ("home", "lower"): "Difference 13.89 points higher in home than in lower",
    ("lower", "home"): "Difference 13.89 points lower in lower than in home",
    ("home", "seed"): "+9.07 points in home, +8.33 in seed",
    ("home", "elsewhen"): "+9.07 points in home, +9.49 in elsewhen",
    ("home", "tuned"): "Difference 7.1 points higher in home than in tuned",
    ("apart", "one"): "No significant difference between apart and one: +9.07 and +9.07 points",
    ("one", "seed"): "No difference can be given for seed",
    ("home", "failed"): "Difference 9.1 points higher in home than in failed",
    ("home", "lower", "part", "apart", "tuned", "seed"): "Differences from -4.81 to +9.07 points in 6 studies",
    ("part", "apart", "one"): "Differences of +9.07 points in 3 studies",
}
"""Of the first study beside the others."""


@pytest.mark.parametrize("names", HEADLINES, ids="-".join)
def test_a_headline_has_at_most_twelve_words_and_says_the_finding(
    names: tuple[str, ...], studies: Mapping[str, StudyData]
) -> None:
    said = say.headline(comparisons(studies, *names))
    assert said == HEADLINES[names]
    assert len(said.split()) <= 12


def test_nothing_is_said_of_a_mean_over_one_setting(studies: Mapping[str, StudyData]) -> None:
    found = rows(comparisons(studies, "home", "tuned"))
    assert [row.label for row in found] == ["each arm at its best", "batch size 32, rate 0.01"]


def test_what_designs_have_in_common_is_said_by_name(studies: Mapping[str, StudyData]) -> None:
    said = {
        found.name: say.common(found) for found in comparisons(studies, "home", "part", "apart", "elsewhen", "tuned")
    }
    assert said == {
        "part": "part has 2 settings in common with home, and 6 seeds.",
        "apart": "apart has no setting in common with home: each arm is compared at its best.",
        "elsewhen": "elsewhen has 4 settings in common with home, but no seed to compare them within.",
        "tuned": "tuned has 1 setting in common with home, and 6 seeds. The designs differ: epochs 1 in home and 4 in"
        " tuned.",
    }


def test_the_terminal_has_a_line_a_study_with_its_difference_and_interval(studies: Mapping[str, StudyData]) -> None:
    lines = say.numbers(comparisons(studies, "home", "lower", "apart"))
    assert [name for name, _ in lines] == ["home", "lower", "home", "apart"]
    of_home, of_lower = (text for _, text in lines[:2])
    assert re.fullmatch(r"\+9\.1 \[.*\] points, 6 seeds \(the 4 settings in common with lower\)", of_home)
    assert re.fullmatch(
        r"-4\.8 \[.*\] points, 6 seeds \(the 4 settings in common with lower\); home minus lower: \+13\.\d+ \[.*\]",
        of_lower,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["home", "--compare", "lower", "../{root}/home"],
            "compare ../{root}/home: it is the folder home, and a study is",
        ),
        (
            ["home", "--compare", "lower", "lower/"],
            "compare lower: it is the folder lower, and each study is named once",
        ),
        (["home", "--compare", "nowhere"], "compare nowhere: nowhere holds no study"),
        (["home", "--compare"], "--compare names no study; give the folder of one, such as --compare results/NAME"),
        (["--compare", "lower", "home"], "--compare lower home: the study whose report is made comes first"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_exit_code_2(
    words: list[str], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert report.main([word.format(root=folder.name) for word in words]) == 2
    error = capsys.readouterr().err
    assert said.format(root=folder.name) in error
    assert error.count("\n") == 1
