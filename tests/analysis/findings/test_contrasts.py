"""Planted differences, and Student's sleep data as a study."""

import math
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.findings import contrasts
from analysis.findings.contrasts import COLUMNS, by_cell, overall
from analysis.findings.curves import arm_curves
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
        " hl hl_low hl_high g_z g_z_low g_z_high prob_better p_adjusted p_adjusted_extreme p_adjusted_patterns"
        " ci_sim_low ci_sim_high p_holm p_tost tipping_rate tipping_limit verdict reason"
    )
    path = tmp_path / "contrasts.csv"
    pd.DataFrame(contrasts.contrast_rows(found, CELL)).to_csv(path, index=False)
    table = pd.read_csv(path)
    assert " ".join(table.columns) == promised
    assert table.batch_size.isna().sum() == table.lr.isna().sum() == 2
    row = table[(table.endpoint == "final") & (table.batch_size == 64) & (table.lr == 0.01)].iloc[0]
    cell = by_cell(found, "bn", "final")[Cell(64, 0.01)]
    expected = {name: attrgetter(path)(cell) for name, path in COLUMNS.items()}
    assert cell.verdict == "better"
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
    assert cell.joint.p_holm == 4 / 1024
    assert cell.joint.n_members == 2  # the cell and the mean over the one cell
    assert (36 * cell.ci.low, 36 * cell.ci.high) == pytest.approx((-2.45988576327698, -0.700114236723018), rel=1e-9)
    assert cell.verdict == "worse"


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
