"""Planted differences, and Student's sleep data as a study."""

import math
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.findings import contrasts
from analysis.findings.contrasts import COLUMNS, by_cell, overall, verdict
from analysis.findings.curves import arm_curves
from analysis.records.completeness import OUTCOMES, completeness
from analysis.stats.intervals import Interval, t_interval
from analysis.stats.paired_tests import Test
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests.analysis.planted import planted

CELL = ["batch_size", "lr"]
SEEDS = tuple(range(10))
DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=SEEDS, epochs=3)
GAINS = np.array([18, 20, 22, 17, 19, 25, 18, 21, 20, 20])
"""Images out of 360 that batch norm gains, by seed, in every cell; half of it at rate 0.1."""


def score(run: Run, epoch: int) -> float | None:
    gain = GAINS[run.seed] if run.cell.lr == 0.01 else GAINS[run.seed] / 2
    base = 280 + 3 * run.seed + (run.cell.batch_size == 64)
    return (base + (gain if run.arm == "bn" else 0)) / 360


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[contrasts.Contrast]:
    study = planted(tmp_path_factory.mktemp("results") / "s", DESIGN, score)
    return contrasts.compute_contrasts(study, alpha=0.05, margin=0.002)


def test_a_cell_has_the_numbers_of_its_pairs(found: list[contrasts.Contrast]) -> None:
    cell = by_cell(found, "bn", "final")[Cell(64, 0.01)]
    d = GAINS / 360
    assert cell.mean_diff == pytest.approx(d.mean())
    assert cell.sd_diff == pytest.approx(d.std(ddof=1))
    assert cell.t.statistic == pytest.approx(d.mean() / d.std(ddof=1) * math.sqrt(10))
    assert (cell.n_pairs, cell.t.df, cell.n_runs) == (10, 9, 10)
    assert cell.sign_flip.pvalue == 2 / 1024
    assert cell.mean_arm - cell.mean_baseline == pytest.approx(cell.mean_diff)
    assert cell.mean_baseline == pytest.approx((281 + 3 * 4.5) / 360)
    assert cell.d_z.estimate == pytest.approx(d.mean() / d.std(ddof=1))
    assert cell.verdict == "better"


def test_over_all_cells_the_seed_is_the_unit(found: list[contrasts.Contrast]) -> None:
    total = overall(found, "bn", "final")
    d = 0.75 * GAINS / 360
    assert (total.cell, total.n_pairs, total.t.df, total.n_runs) == (None, 10, 9, 40)
    assert total.mean_diff == pytest.approx(d.mean())
    assert total.sd_diff == pytest.approx(d.std(ddof=1), rel=0.01)  # counts of halves are rounded


def test_each_endpoint_has_a_row_for_every_cell_and_one_for_all(found: list[contrasts.Contrast]) -> None:
    assert len(found) == 2 * (4 + 1)
    assert {c.endpoint for c in found} == {"final", "last3"}
    assert sum(c.over_all_cells for c in found) == 2


def test_the_csv_has_the_columns_of_the_contract_and_empty_cells_for_all(
    found: list[contrasts.Contrast], tmp_path: Path
) -> None:
    promised = (
        "batch_size lr baseline arm endpoint n_pairs n_runs n_failed_baseline n_failed_arm"
        " mean_baseline mean_arm mean_diff sd_diff ci_low ci_high t df p_t d_z"
        " p_sign_flip p_sign_flip_extreme p_sign_flip_patterns p_wilcoxon p_wilcoxon_extreme p_wilcoxon_patterns"
        " hl hl_low hl_high g_z g_z_low g_z_high prob_better p_max_t p_max_t_extreme p_max_t_patterns"
        " ci_sim_low ci_sim_high p_holm p_tost verdict reason"
    )
    path = tmp_path / "contrasts.csv"
    pd.DataFrame(contrasts.contrast_rows(found, CELL)).to_csv(path, index=False)
    table = pd.read_csv(path)
    assert " ".join(table.columns) == promised
    assert table.batch_size.isna().sum() == table.lr.isna().sum() == 2
    row = table[(table.endpoint == "final") & (table.batch_size == 64) & (table.lr == 0.01)].iloc[0]
    cell = by_cell(found, "bn", "final")[Cell(64, 0.01)]
    expected = {name: attrgetter(path)(cell) for name, path in COLUMNS.items()}
    assert all(row[name] == value or (pd.isna(row[name]) and value is None) for name, value in expected.items())


def test_the_sleep_data_come_through_the_whole_way(tmp_path: Path) -> None:
    """Hours of sleep as accuracies: 0.5 + hours / 36 is a whole number of images out of 360."""
    one = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    two = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    design = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=SEEDS, epochs=1)
    study = planted(tmp_path / "s", design, lambda run, _: 0.5 + (one if run.arm == "bn" else two)[run.seed] / 36)
    cell = by_cell(contrasts.compute_contrasts(study, 0.05, 0.002), "bn", "final")[Cell(32, 0.01)]
    assert cell.t.statistic == pytest.approx(-4.06212768338204, rel=1e-9)
    assert cell.t.pvalue == pytest.approx(0.00283289019738427, rel=1e-9)
    assert cell.sign_flip.pvalue == cell.wilcoxon.pvalue == 4 / 1024
    assert cell.joint
    assert cell.joint.max_t.pvalue == cell.joint.p_holm == 4 / 1024
    assert (36 * cell.ci.low, 36 * cell.ci.high) == pytest.approx((-2.45988576327698, -0.700114236723018), rel=1e-9)
    assert cell.verdict == "worse"


def test_failures_are_counted_by_kind_and_scored_at_chance(tmp_path: Path) -> None:
    def failing(run: Run, epoch: int) -> float | None:
        if run.arm == "no_bn" and run.cell.lr == 0.1:
            if run.seed < 3 and epoch >= 1:
                return None
            if run.seed == 3:
                return 0.15
        return 0.9

    study = planted(tmp_path / "s", DESIGN, failing)
    found = contrasts.compute_contrasts(study, 0.05, 0.002)
    cell = by_cell(found, "bn", "last3")[Cell(32, 0.1)]
    assert (cell.n_failed_baseline, cell.n_diverged_baseline, cell.n_failed_arm) == (4, 3, 0)
    assert cell.n_pairs == 10
    assert cell.mean_diff == pytest.approx((3 * 0.8 + 0.75) / 10)
    total = overall(found, "bn")
    assert (total.n_failed_baseline, total.n_diverged_baseline, total.n_runs) == (8, 6, 40)
    counts = completeness(study)
    everywhere = next(row for row in counts if row["arm"] == "no_bn" and row["batch_size"] is None)
    assert [everywhere[name] for name in OUTCOMES] == [40, 40, 2, 6, 0, 0]
    bad = next(row for row in counts if (row["arm"], row["batch_size"], row["lr"]) == ("no_bn", 32, 0.1))
    assert [bad[name] for name in OUTCOMES] == [10, 10, 1, 3, 0, 0]


def test_one_seed_is_described_and_not_tested(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0,), epochs=1)
    total = overall(contrasts.compute_contrasts(planted(tmp_path / "s", design, score), 0.05, 0.002), "bn")
    assert total.mean_diff == pytest.approx(18 / 360)
    assert math.isnan(total.t.pvalue)
    assert math.isnan(total.sign_flip.pvalue)
    assert (total.verdict, total.reason) == ("not testable", "1 pair: no estimate of the spread")


def test_equal_differences_are_no_finding(tmp_path: Path) -> None:
    """Two seeds that happen to gain the same: an interval of no width would always exclude zero."""
    design = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0, 1), epochs=1)
    study = planted(tmp_path / "s", design, lambda run, _: 0.9 if run.arm == "bn" else 0.8)
    cell = by_cell(contrasts.compute_contrasts(study, 0.05, 0.002), "bn")[Cell(32, 0.01)]
    assert cell.verdict == "not testable"
    assert cell.reason == "all differences are equal: the spread is zero"
    assert cell.sign_flip.pvalue == 0.5


def test_seeds_that_lack_a_cell_stay_out_of_the_grid_and_in_their_cells(tmp_path: Path) -> None:
    study = planted(tmp_path / "s", DESIGN, score, lost={Run(32, 0.1, seed=7, arm="bn")})
    found = contrasts.compute_contrasts(study, 0.05, 0.002)
    assert overall(found, "bn").n_pairs == 9
    assert [cell.n_pairs for cell in by_cell(found, "bn").values()] == [10, 9, 10, 10]


@pytest.mark.parametrize(
    ("estimate", "p", "inner", "expected"),
    [
        (0.02, 0.01, (0.012, 0.028), "better"),
        (-0.02, 0.05, (-0.028, -0.012), "worse"),
        (0.001, 0.01, (0.0003, 0.0017), "better, by less than the margin"),
        (-0.001, 0.01, (-0.0017, -0.0003), "worse, by less than the margin"),
        (-0.0003, 0.3, (-0.0019, 0.0012), "equivalent"),
        (-0.0005, 0.3, (-0.0021, 0.0012), "inconclusive"),
        (0.01, 0.051, (-0.005, 0.025), "inconclusive"),
        (math.nan, math.nan, (math.nan, math.nan), "not testable"),
    ],
)
def test_verdicts(estimate: float, p: float, inner: tuple[float, float], expected: str) -> None:
    test, interval = Test("t", 10, 0.0, p), Interval("t", 10, estimate, *inner, 0.9)
    assert verdict(test, estimate, interval, alpha=0.05, margin=0.002) == expected
    few = Test("t", 3, 0.0, p, reason="3 pairs: the exact test needs 6")
    assert verdict(few, estimate, interval, alpha=0.05, margin=0.002) == "not testable"


def test_over_all_cells_equivalence_is_two_one_sided_tests(tmp_path: Path) -> None:
    """A margin between the ends of the 90 and the 95 % interval: equivalent, as the p-value of the two tests says."""
    gains = (-2, 1, 2, -1, 0, 3, -3, 1, 0, -1)
    design = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=SEEDS, epochs=1)
    study = planted(tmp_path / "s", design, lambda run, _: (300 + (run.arm == "bn") * gains[run.seed]) / 360)
    d = np.array(gains) / 360
    margin = t_interval(d, 0.9).high + 1e-5
    assert t_interval(d).high > margin
    total = overall(contrasts.compute_contrasts(study, 0.05, margin), "bn")
    assert total.verdict == "equivalent"
    assert total.equivalence.pvalue < 0.05


def test_a_curve_counts_a_diverged_run_as_guessing_from_there_on(tmp_path: Path) -> None:
    def diverging(run: Run, epoch: int) -> float | None:
        return None if run.seed == 9 and epoch >= 2 else 0.5 + 0.01 * run.seed + 0.1 * epoch

    found = arm_curves(planted(tmp_path / "s", DESIGN, diverging), level=0.95)
    assert len(found) == 4 * 2 * 2 * 2
    curve = next(c for c in found if (c.arm, c.split, c.metric) == ("bn", "test", "accuracy"))
    assert curve.epochs == [0, 1, 2, 3]
    assert (curve.n, curve.n_diverged) == (10, [0, 0, 1, 1])
    assert curve.mean == pytest.approx([0.545, 0.645, (9 * 0.74 + 0.1) / 10, (9 * 0.84 + 0.1) / 10], abs=2e-3)
    loss = next(c for c in found if (c.cell, c.arm, c.split, c.metric) == (curve.cell, "bn", "test", "loss"))
    assert loss.mean[3] == pytest.approx((9 * 0.16 + np.log(10)) / 10, abs=2e-3)
    assert np.isnan(curve.seeds[9]).tolist() == [False, False, True, True]
    assert all(low < mean < high for low, mean, high in zip(curve.low, curve.mean, curve.high, strict=True))
