"""Five of ten runs with batch norm diverge at the tutorial's setting: no sentence, title or table shows what the other
five did as what the arm does."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from study.spec.design import Design
from study.spec.runs import Run
from tests.analysis.planted import plant
from tests.analysis.report.test_statcheck import Page, differences, written

DESIGN = Design("mnist", batch_sizes=(32,), lrs=(0.01,), seeds=tuple(range(10)), epochs=10)
WITH_BN = (0.9639, 0.9694, 0.9751, 0.9778, 0.9777)
"""Of the runs that learn: none has their mean."""
WITHOUT = (0.9431, 0.9456, 0.9462, 0.9449, 0.9417)
SURVIVORS = 100 * np.mean(WITH_BN)
GAIN = 100 * (np.mean(WITH_BN) - np.mean(WITHOUT))
ALL_RUNS = (5 * 10 + 5 * SURVIVORS) / 10
SAYS_SO = re.compile(r"surviv|that learn|both (runs )?learn|neither (run )?diverged|analyses of (th|both)")
NUMBER = re.compile(r"\d+\.\d+")


def half_diverge(run: Run, epoch: int) -> float | None:
    if epoch == 0 or run.arm == "no_bn":
        return WITHOUT[run.seed % 5] if epoch else 0.1
    return None if run.seed < 5 else WITH_BN[run.seed % 5]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(tmp_path_factory.mktemp("results") / "half", DESIGN, half_diverge)


@pytest.fixture(scope="module")
def text(study: Path) -> str:
    return written(study)


def of_survivors(text: str) -> bool:
    """Whether a number in it is their mean or their mean difference, to as many decimals as it has."""
    numbers = NUMBER.findall(text)
    return any(f"{mean:.{len(n.split('.')[1])}f}" == n for n in numbers for mean in (SURVIVORS, GAIN))


def unsaid(text: str) -> Iterator[str]:
    """What shows a number of the survivors and does not say so: sentences, and cells of tables by row and head."""
    page = Page(text)
    for part, words in [*page.prose, *page.drawn]:
        for sentence in re.split(r"(?<=[.;])\s+", words):
            if of_survivors(sentence) and not SAYS_SO.search(words):
                yield f"{part}: {sentence}"
    for name, rows in page.tables.items():
        for row in rows:
            for head, cell in row.items():
                if of_survivors(cell) and not SAYS_SO.search(f"{head} {' '.join(row.values())}"):
                    yield f"{name}: {cell} under {head}"


def test_no_number_of_the_survivors_is_shown_without_saying_so(text: str) -> None:
    assert [*unsaid(text)] == []


def test_the_title_of_the_curves_is_the_mean_of_all_runs_and_counts_the_diverged(text: str) -> None:
    words = [words for _, words in Page(text).prose]
    at = next(i for i, said in enumerate(words) if "Test accuracy ends at" in said)
    (shown,) = re.findall(r"ends at (\d+) % with BN", words[at])
    assert int(shown) == round(ALL_RUNS)
    assert words[at + 1].endswith("10 seeds; diverged: 5 of 10 with BN.")


def test_means_of_the_arm_are_those_of_all_its_runs(text: str) -> None:
    tables = Page(text).tables
    (last,) = (row for row in tables["curves"] if (row["arm"], row["metric"], row["images"], row["epoch"]) ==
               ("with BN", "accuracy", "test", "10"))  # fmt: skip
    (robust,) = (row for row in tables["robustness"] if row["arm"] == "with BN")
    assert {last["mean [band]"].split()[0], robust["test accuracy"].split()[0]} == {f"{ALL_RUNS:.0f}"}
    assert (last["runs"], last["diverged by then"], robust["failed"]) == ("10", "5", "5 of 10")
    noise = next(row for row in tables["noise-bn"] if row["batch size"] == "all")
    difference = ALL_RUNS - 100 * np.mean(WITHOUT)
    assert (noise["n"], noise["these test images, points"].split()[0]) == ("10", f"{difference:+.0f}")


def test_the_tutorial_s_number_stands_beside_the_runs_that_learned_and_their_count(text: str) -> None:
    said = next(words for _, words in Page(text).prose if "The tutorial is" in words)
    assert re.search(r"for a single run that learns: 97\.\d+ % \[.*\] \(5 of 10 runs that learned\)", said)


def test_the_check_sees_a_title_of_the_survivors(text: str) -> None:
    wrong = text.replace("Test accuracy ends at ", f"Test accuracy ends at {SURVIVORS:.2f} % with BN; ", 1)
    assert any("ends at" in line for line in unsaid(wrong))


def test_every_number_of_the_page_is_that_of_the_records(text: str, study: Path) -> None:
    assert differences(text, study) == []


def test_cells_that_are_counted_alone_are_not_said_to_lack_pairs(text: str) -> None:
    page = Page(text)
    words = [words for _, words in page.prose]
    assert not any("No setting has a pair" in said for said in words)
    assert any("Too few runs learn to give a difference in any setting" in said for said in words)
    assert sum("both arms learn in fewer than 6 of 10 pairs" in said.lower() for said in words) >= 1
