"""Part 8, and what tuning adds to part 1, recomputed from the records and the trials as in ``test_statcheck``."""

import random
import re
from pathlib import Path
from typing import Any

import pytest

from study.spec.design import Design
from study.spec.factors import REFERENCE_SETTING, Cell
from study.spec.runs import Run
from tests.analysis.planted import in_gains, on_a_cliff, on_a_hill, plant, plant_tuned, points
from tests.analysis.report.test_statcheck import PLACES, Page, altered, differences, score, written
from tests.study.values import slow

FEW = points(8)


def below(run: Run, epoch: int) -> float:
    """Untuned, batch norm loses."""
    return in_gains(run, epoch) - (0.1 if run.arm == "bn" and run.cell == REFERENCE_SETTING else 0)


def fails_tuned(run: Run, epoch: int) -> float | None:
    """Tuned, batch norm diverges after an epoch in the first six seeds."""
    gone = run.arm == "bn" and run.cell != REFERENCE_SETTING and run.seed < 6 and epoch > 1
    return None if gone else in_gains(run, epoch)


def by_search(run: Run, epoch: int) -> float:
    """Of each search another gain."""
    return in_gains(run, epoch) + (run.arm == "bn") * (run.seed // 1_000_000 * 7 % 5) / 360


def widened(run: Run, epoch: int) -> float:
    """Untuned, batch norm gains ten images less."""
    untuned = run.arm == "bn" and run.cell == REFERENCE_SETTING
    return by_search(run, epoch) - (15 + run.seed // 1_000_000 % 3) / 360 * untuned


def turned(run: Run, epoch: int) -> float:
    """Tuned, batch norm loses."""
    return by_search(run, epoch) - 18 / 360 * (run.arm == "bn" and run.cell != REFERENCE_SETTING)


def unsure(run: Run, epoch: int) -> float:
    """Tuned, batch norm gains in half of the searches."""
    tuned = run.arm == "bn" and run.cell != REFERENCE_SETTING
    return in_gains(run, epoch) + (20 * (run.seed // 1_000_000 % 2) - 17) / 360 * tuned


def is_untuned(arm: str, at: Cell, k: int) -> float:
    return 0.9 + 0.01 * k if at == REFERENCE_SETTING else 0.5


STOPPED = {("bn", 0), ("bn", 5), ("no_bn", 0), ("no_bn", 7)}
"""Of ``FEW`` points: in trial 0 all seeds diverged without batch norm, and in 7."""
SIX: dict[str, Any] = {"n_searches": 6, "seeds": (0,)}
ODD: dict[str, dict[str, Any]] = {
    "one of everything": {"tried": points(1), "seeds": (0,), "n_trial_seeds": 1},
    "four seeds, and batch norm loses untuned": {"tried": FEW, "seeds": range(4), "accuracy": below},
    "pruned": {"tried": FEW, "trial": on_a_cliff, "pruned": STOPPED},
    "other points, and runs are missing": {
        "tried": {"bn": FEW, "no_bn": points(8, 1)},
        "sampler": "tpe",
        "lost": {Run(32, 0.01, seed=2, arm="bn"), Run(32, 0.01, seed=3, arm="no_bn")},
    },
    "the untuned setting itself is best": {"tried": [REFERENCE_SETTING, *FEW], "trial": is_untuned},
    "every trial of an arm diverged": {"tried": FEW, "trial": lambda *of: None if of[0] == "bn" else on_a_hill(*of)},
    "tuned runs diverged": {"tried": FEW, "accuracy": fails_tuned},
    "runs do not differ": {"tried": FEW, "accuracy": lambda run, epoch: 0.9},
    "tuning widened the gap": {"tried": FEW, "accuracy": widened},
    "two searches of one seed": {"tried": FEW, "accuracy": by_search, "n_searches": 2, "seeds": (0,)},
    "three searches": {"tried": FEW, "accuracy": by_search, "n_searches": 3, "seeds": range(3)},
    "six searches": {"tried": FEW, "accuracy": by_search, **SIX},
    "six searches, tuning widened the gap": {"tried": FEW, "accuracy": widened, **SIX},
    "six searches, and the gap changed its sign": {"tried": FEW, "accuracy": turned, **SIX},
    "six searches that do not decide": {"tried": FEW, "accuracy": unsure, **SIX},
    "six searches that do not differ": {"tried": FEW, "accuracy": lambda run, epoch: 0.9, **SIX},
    "six searches, of which runs are missing": {
        "tried": FEW, "accuracy": by_search, "lost": {Run(REFERENCE_SETTING, seed=2_000_000, arm="bn")}, **SIX,
    },
}  # fmt: skip
ODDEST = (
    "one of everything",
    "three searches",
)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in ODDEST)) for name in ODD])
def test_the_page_of_an_odd_tuned_study_says_what_its_tables_say(name: str, tmp_path: Path) -> None:
    study = plant_tuned(tmp_path / "s", **{"accuracy": in_gains, "trial": on_a_hill, **ODD[name]})
    assert differences(written(study), study) == []


@pytest.fixture(scope="module")
def tuned_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 24 trials, some of which diverged, with six seeds each."""
    folder = tmp_path_factory.mktemp("results") / "tuned"
    return plant_tuned(folder, in_gains, on_a_cliff, points(24), n_trial_seeds=6)


@pytest.fixture(scope="module")
def page(tuned_study: Path) -> str:
    return written(tuned_study)


def test_a_tuned_page_says_what_the_trials_say_with_bands_and_failures(page: str, tuned_study: Path) -> None:
    assert differences(page, tuned_study) == []
    found = Page(page).tables
    assert {"tuned-bn", "budget-bn", "breadth-bn", "trials-bn"} <= found.keys()
    assert sum("[" in row["difference, points"] for row in found["budget-bn"]) == 3  # budgets of 1, 2 and 4 of 24 / 4
    assert any(row["seeds that diverged"] == "5" for row in found["trials-bn"])


@pytest.mark.slow
def test_at_another_level_and_margin_too(tuned_study: Path) -> None:
    assert differences(written(tuned_study, "--alpha", "0.1", "--margin", "0.5"), tuned_study, 0.1, 0.5) == []
    written(tuned_study)


def without_resampled(page: str) -> str:
    """The page without the intervals whose ends are resampled: they are known to a tolerance, not to the digit."""
    gone = r'<table id="table-budget-bn".*?</table>|(?<=<p>)On the trials themselves.*?(?=</p>)'
    left, n = re.subn(gone, "", page, flags=re.DOTALL)
    assert n == 2
    return left


ON_TUNING = re.compile(r'(<section aria-labelledby="tuned(?:-details)?">.*?</section>)', re.DOTALL)
"""The section's evidence, and its details."""
MIDDLE = "<hr>"
"""Between the two while a digit is altered."""


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
@pytest.mark.parametrize("kind", PLACES)
def test_one_wrong_digit_or_verdict_in_what_is_said_of_tuning_is_reported(
    kind: str, seed: int, page: str, tuned_study: Path
) -> None:
    left = without_resampled(page)
    known = set(differences(left, tuned_study))
    before, evidence, between, details, after = ON_TUNING.split(left)
    wrong = altered(evidence + MIDDLE + details, kind, random.Random(seed)).replace(MIDDLE, between)
    assert set(differences(before + wrong + after, tuned_study)) - known


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("the two configurations that one search", "the configurations that searches"),
        ("trials chose on held-out training images", "trials chose on test images"),
        ("tuning narrowed it by", "tuning widened it by"),
        ("This is one search (8 seeds)", "This is one search (9 seeds)"),
        ("of 6 seeds and 4 epochs", "of 3 seeds and 4 epochs"),
        ("One trial with BN matches the best of", "One trial with BN matches the best of 1"),
        ("Good settings: ", "Good settings: 1"),
        ("After tuning both, the gap is +", "After tuning both, the gap is -"),
    ],
)
def test_another_sentence_about_tuning_is_reported(said: str, instead: str, page: str, tuned_study: Path) -> None:
    assert said in page
    assert differences(page.replace(said, instead), tuned_study)


def test_a_resampled_end_a_fifth_off_is_reported(page: str, tuned_study: Path) -> None:
    """Of the band of the first budget, and of the cross-fitted difference."""
    sentence = re.search(r"differ by (\S+ \[.*?\]) points on held-out", page)
    assert sentence
    for text in (Page(page).tables["budget-bn"][0]["difference, points"], sentence[1]):
        size, low, high = text.replace("[", "").replace("]", "").replace(",", "").split()
        wide = 0.2 * (float(high) - float(low))
        places = len(low.partition(".")[2])
        for ends in ((float(low) - wide, float(high)), (float(low), float(high) + wide)):
            wrong = f"{size} [{ends[0]:+.{places}f}, {ends[1]:+.{places}f}]"
            assert differences(page.replace(text, wrong), tuned_study)


# --- best cells of a grid


@pytest.mark.parametrize("n_seeds", [slow(1), 4, slow(7)])
def test_best_cells_of_a_grid_are_cross_fitted(n_seeds: int, tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(32, 64), lrs=(0.001, 0.01), seeds=tuple(range(n_seeds)), epochs=3)
    study = plant(tmp_path / "s", design, score)
    text = written(study)
    assert differences(text, study) == []
    row = Page(text).tables["best-cell-bn"][0]
    assert ("[" in row["difference, points"]) == (n_seeds >= 6)
    assert differences(text.replace(row["difference, points"], "+9.99 [+9.98, +10.00]"), study)


def test_of_one_cell_there_is_no_best_one(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=tuple(range(3)), epochs=1)
    study = plant(tmp_path / "s", design, score)
    text = written(study)
    assert differences(text, study) == []
    assert "best-cell-bn" not in Page(text).tables
