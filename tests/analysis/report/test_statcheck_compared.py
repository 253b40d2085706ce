"""The section beside other studies, recomputed from their records as in ``test_statcheck``: a grid that overlaps in
part, one that does not, and a tuned study."""

import re
from pathlib import Path

import pytest

from study.spec.arms import ARMS, DEFAULT_ARMS
from study.spec.design import Design
from tests.analysis.planted import in_gains, on_a_hill, plant, plant_tuned, points
from tests.analysis.report.test_statcheck import Page, differences, other_score, score, written

OTHERS = ("part", "apart", "tuned")
UNNAMED = re.compile(r"this study|the other\b|\bhere\b|\bthere\b", re.IGNORECASE)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    home = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(8)), epochs=3)
    part = Design("digits", batch_sizes=(16, 32), lrs=(0.01, 0.1), seeds=tuple(range(1, 9)), epochs=3)
    apart = Design("digits", batch_sizes=(128,), lrs=(0.001, 0.01), seeds=tuple(range(6)), epochs=4, hidden=(16,))
    plant(root / "home", home, score)
    plant(root / "part", part, other_score)
    plant(root / "apart", apart, other_score)
    plant_tuned(root / "tuned", in_gains, on_a_hill, points(4))
    return root


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return written(folder / "home", "--compare", *(str(folder / name) for name in OTHERS))


def wrong(text: str, folder: Path) -> list[str]:
    return differences(text, folder / "home", 0.05, 0.002, *(folder / name for name in OTHERS))


def test_beside_a_grid_in_part_another_and_a_tuned_study_every_number_is_right(page: str, folder: Path) -> None:
    assert wrong(page, folder) == []
    found = Page(page).tables
    settings = {(row["setting"], row["study"]) for row in found["compared-bn"]}
    assert settings == {
        ("each arm at its best", "part"),
        ("each arm at its best", "apart"),
        ("each arm at its best", "tuned"),
        ("the 2 settings in common with part", "part"),
        ("batch size 32, rate 0.01", "part"),
        ("batch size 32, rate 0.01", "tuned"),
        ("batch size 32, rate 0.1", "part"),
    }
    assert len(found["studies-bn"][0]) <= 7


def section_of(page: str) -> str:
    start = page.index('<section aria-labelledby="compared"')
    return page[start : page.index("</section>", start)]


def test_studies_have_their_names_and_colours_that_none_of_their_arms_has(page: str) -> None:
    section = section_of(page)
    assert "Beside other studies" in section
    assert not UNNAMED.search(re.sub("<[^>]*>", " ", section))
    assert "home minus it, points" in section
    drawings = re.findall(r"<svg.*?</svg>", section, re.DOTALL)
    assert len(drawings) == 2
    for drawing in drawings:
        assert {"home", *OTHERS} <= {*re.findall(r"<text[^>]*>([^<]*)<", drawing)}
        assert not [arm for arm in DEFAULT_ARMS if ARMS[arm].colour in drawing]
    assert "--compare results/part results/apart results/tuned" in page


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        (r"(Differences from )\S+", r"\g<1>-9.99"),
        (r"(the 2 settings in common with part: )\S+", r"\g<1>+9.99"),
        (r"(tuned</td><td[^>]*>)[^<]+(?=</td><td[^>]*>8 seeds)", r"\g<1>+9.99 [+9.98, +10.00]"),
        (r"8 seeds", "9 seeds"),
        (r"apart has no setting in common", "apart has 1 setting in common"),
    ],
)
def test_another_number_in_it_is_reported(said: str, instead: str, page: str, folder: Path) -> None:
    start = page.index('<section aria-labelledby="compared"')
    altered, n = re.subn(said, instead, page[start:])
    assert n
    assert wrong(page[:start] + altered, folder)
