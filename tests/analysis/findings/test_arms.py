"""Each arm on its own, and the tutorial's numbers against ours."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.findings.arms import arm_cells, claims
from analysis.records.tables import StudyData
from analysis.stats.intervals import prediction
from study.spec.design import Design
from study.spec.networks import NetworkArm, NetworkSpec
from study.spec.runs import Run
from tests.analysis.planted import plant, planted

DESIGN = Design("digits", batch_sizes=(32,), lrs=(0.01, 0.1), seeds=tuple(range(6)), epochs=3)


def score(run: Run, epoch: int) -> float | None:
    if run.arm == "no_bn" and run.cell.lr == 0.1:
        return None if run.seed < 2 else 0.1 if run.seed == 2 else 0.9
    return (300 + 6 * run.seed) / 360


def test_an_arm_in_a_cell_has_its_mean_and_its_failures(tmp_path: Path) -> None:
    cells = {(c.cell.lr, c.arm): c for c in arm_cells(planted(tmp_path / "s", DESIGN, score), 0.95)}
    scores = np.array([300 + 6 * seed for seed in range(6)]) / 360
    sound, bad = cells[0.01, "bn"], cells[0.1, "no_bn"]
    low, high = stats.t.interval(0.95, 5, scores.mean(), stats.sem(scores))
    assert (sound.accuracy.low, sound.accuracy.high) == pytest.approx((low, high))
    assert (bad.n, bad.n_failed, bad.n_diverged) == (6, 3, 2)
    assert (bad.failing.low, bad.failing.high) == pytest.approx((0.118, 0.882), abs=1e-3)  # Clopper-Pearson 3 of 6
    assert bad.accuracy.estimate == pytest.approx((0.1 + 0.1 + 0.1 + 3 * 0.9) / 6)


def test_where_one_more_value_would_lie_covers_it_as_often_as_said() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(4000, 7))
    covered = [found.low <= last <= found.high for *six, last in drawn for found in [prediction(six, 0.9)]]
    assert np.mean(covered) == pytest.approx(0.9, abs=3.3 * np.sqrt(0.09 / 4000))


def post_study(path: Path, **changes: object) -> StudyData:
    """MNIST at the tutorial's setting; its 10,000 answers are not planted, so the runs' counts are of 360."""
    options: dict = {"batch_sizes": (32,), "lrs": (0.01,), "seeds": tuple(range(5)), "epochs": 10} | changes
    design = Design("mnist", **options)

    def accuracy(run: Run, epoch: int) -> float:
        return (344 + run.seed % 2 if run.arm == "no_bn" else 350) / 360

    from analysis.records.tables import load

    return load(plant(path, design, accuracy))


def test_the_tutorial_s_numbers_are_inside_or_outside_of_where_one_more_run_would_lie(tmp_path: Path) -> None:
    without, with_bn = claims(post_study(tmp_path / "s"), 0.95)
    assert (without.arm, without.claimed, without.inside) == ("no_bn", 0.9555, True)
    assert (with_bn.arm, with_bn.claimed, with_bn.inside) == ("bn", 0.978, False)


def test_one_seed_does_not_say_where_another_would_lie(tmp_path: Path) -> None:
    assert [claim.inside for claim in claims(post_study(tmp_path / "s", seeds=(0,)), 0.95)] == [None, None]


NETWORK = NetworkSpec("net.py:make", "0" * 64, tuple(NetworkArm(arm, 1000, 1000) for arm in ("bn", "no_bn")))


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 9}, {"hidden": (32,)}, {"lrs": (0.02,)}, {"batch_sizes": (64,)}, {"network": NETWORK},
        {"seed_of": "weights"}, {"vary": {"activation": ["tanh"]}},
    ],
)  # fmt: skip
def test_another_setting_has_nothing_to_say_of_the_tutorial(changes: dict, tmp_path: Path) -> None:
    assert claims(post_study(tmp_path / "s", **changes), 0.95) == []


def test_a_run_that_failed_is_counted_beside_the_prediction_for_one_that_learns(tmp_path: Path) -> None:
    """Five of ten runs with batch norm diverge: the interval is of the others, and says how many there are."""
    design = Design("mnist", batch_sizes=(32,), lrs=(0.01,), seeds=tuple(range(10)), epochs=10)

    def half(run: Run, epoch: int) -> float | None:
        return None if run.arm == "bn" and run.seed < 5 and epoch else (350 + run.seed % 3) / 360

    without, with_bn = claims(planted(tmp_path / "s", design, half), 0.95)
    assert (without.n, without.ours.n, with_bn.n, with_bn.ours.n) == (10, 10, 10, 5)
    assert with_bn.ours.estimate == pytest.approx(np.mean([350 + seed % 3 for seed in range(5, 10)]) / 360, abs=1e-4)
