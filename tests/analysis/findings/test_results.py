"""A study with planted effects, failures, missing pairs and times: the report says what was planted."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.findings import results as findings
from analysis.findings.results import Findings, Results
from analysis.report import __main__ as report
from analysis.stats import null_calibration, sign_e_process
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from study.store.study_folder import Folder
from tests.analysis.planted import plant, planted

pytestmark = pytest.mark.usefixtures("no_drawings")
SEEDS = tuple(range(8))
DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.001, 0.01, 0.1), seeds=SEEDS, epochs=5)
WOBBLE = (0, 2, 5, 1, 7, 3, 4, 6)
"""Images of 360 by which seeds differ."""


def score(run: Run, epoch: int) -> float | None:
    """Without batch norm a rate of 0.1 diverges for five seeds of batch size 32 and stays at chance for one; with it
    a run gains 18 images and reaches 90 % in epoch 2 instead of 4."""
    if run.arm == "no_bn" and run.cell == Cell(32, 0.1):
        if run.seed < 5 and epoch >= 3:
            return None
        if run.seed == 5:
            return 36 / 360
    level = 330 if epoch >= (2 if run.arm == "bn" else 4) else 200
    gain = 18 + WOBBLE[run.seed] % 3 if run.arm == "bn" else 0
    return (level + WOBBLE[run.seed] + gain + (epoch == 5)) / 360


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return results(tmp_path_factory.mktemp("results") / "s").of_arms["bn"]


def results(path: Path, **options: object) -> Results:
    return findings.analyse(planted(path, DESIGN, score, **options), alpha=0.05, margin=0.002)


def test_failures_are_found_where_they_were_planted(found: Findings) -> None:
    over_all, *cells = found.failures
    assert (over_all.n_failed_baseline, over_all.n_failed_arm, over_all.n_runs) == (6, 0, 48)
    assert over_all.n_diverged_baseline == 5
    at = {in_cell.cell: in_cell for in_cell in cells}
    bad = at.pop(Cell(32, 0.1))
    assert bad.n_only_baseline == 6
    assert bad.test.pvalue == pytest.approx(2 * 0.5**6)
    assert bad.interval
    assert bad.interval.high < 0
    assert bad.survivors.n_dropped == 5
    assert bad.survivors.low < bad.survivors.interval.estimate < bad.survivors.high
    assert all(cell.n_failed_baseline == 0 and cell.test.pvalue == 1 for cell in at.values())


def test_over_all_cells_survivors_are_averaged_by_seed(found: Findings) -> None:
    survivors = found.failures[0].survivors
    assert (survivors.n, survivors.n_dropped, survivors.interval.n) == (43, 5, 8)


def test_a_gap_is_banded_and_a_diverged_run_scores_chance_in_it(found: Findings) -> None:
    gap = next(gap for gap in found.gaps if gap.cell == Cell(64, 0.01))
    planted_gap = np.mean([18 + wobble % 3 for wobble in WOBBLE]) / 360
    assert gap.epochs == [1, 2, 3, 4, 5]
    assert gap.mean[4] == pytest.approx(planted_gap)
    assert gap.mean[1] == pytest.approx(planted_gap + 130 / 360)
    for low, high, band_low, band_high in zip(gap.low, gap.high, gap.band_low, gap.band_high, strict=True):
        assert band_low <= low <= high <= band_high
    bad = next(gap for gap in found.gaps if gap.cell == Cell(32, 0.1))
    with_bn = np.mean([331 + wobble + 18 + wobble % 3 for wobble in WOBBLE]) / 360
    without = np.mean([36] * 6 + [331 + WOBBLE[6], 331 + WOBBLE[7]]) / 360
    assert bad.mean[4] == pytest.approx(with_bn - without)


def test_times_to_accuracy_are_those_that_were_planted(found: Findings) -> None:
    ninety = next(row for row in found.times if row.threshold == 0.9)
    assert (ninety.n_reached_baseline, ninety.n_reached_arm, ninety.n_runs) == (42, 48, 48)
    assert (ninety.median_baseline, ninety.median_arm) == (4, 2)
    in_bad_cell = 3 * 6 + 2 * 2  # epochs: five seeds and the one at chance never reach it
    assert ninety.interval.estimate == pytest.approx(-(2 * 40 + in_bad_cell) / 48)
    assert ninety.n_faster == 48


def test_a_run_that_diverges_after_it_reached_an_accuracy_has_not_reached_it(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=SEEDS, epochs=3)
    study = planted(tmp_path / "s", design, lambda run, epoch: None if (run.seed, epoch) == (0, 3) else 0.99)
    row = findings.analyse(study, 0.05, 0.002).of_arms["bn"].times[0]
    assert (row.n_reached_baseline, row.n_reached_arm, row.n_runs) == (7, 7, 8)


def test_the_largest_rate_that_learns_is_lower_without_batch_norm(found: Findings) -> None:
    learning, of_best = found.usable_rates
    assert (learning.level.what, learning.level.accuracy) == ("learns", pytest.approx(0.2))
    assert learning.found.interval.estimate == pytest.approx(6 / 16)  # six of sixteen pairs lose a tenfold
    best_mean = np.mean([331 + wobble + 18 + wobble % 3 for wobble in WOBBLE]) / 360
    assert of_best.level.accuracy == pytest.approx(0.9 * best_mean)
    assert [best.at for best in found.best_rates] == [{"batch_size": 32}, {"batch_size": 64}]


def test_noise_is_told_from_the_answers_and_a_diverged_run_has_chance_for_every_image(found: Findings) -> None:
    over_all, *cells = found.noise
    at = {in_cell.cell: in_cell.two_way for in_cell in cells}
    with_bn = np.mean([331 + wobble + 18 + wobble % 3 for wobble in WOBBLE]) / 360
    without = np.mean([36] * 6 + [331 + WOBBLE[6], 331 + WOBBLE[7]]) / 360
    assert (at[Cell(32, 0.1)].n_seeds, over_all.two_way.n_seeds) == (8, 8)
    assert at[Cell(32, 0.1)].this_test_set.estimate == pytest.approx(with_bn - without)
    d = np.array([18 + wobble % 3 for wobble in WOBBLE]) / 360
    low, high = stats.t.interval(0.95, 7, d.mean(), d.std(ddof=1) / math.sqrt(8))
    two_way = at[Cell(64, 0.01)]
    assert (two_way.this_test_set.low, two_way.this_test_set.high) == pytest.approx((low, high))
    assert two_way.new_images.high - two_way.new_images.low > high - low


def test_exact_methods_keep_their_level_over_all_swaps_and_the_table_says_so(found: Findings) -> None:
    sizes = {size.method: size for size in found.sizes}
    assert set(sizes) == set(null_calibration.METHODS)
    for method in ("sign-flip over the grid", "Wilcoxon over the grid", "any cell, step-down max-T"):
        assert sizes[method].every_swap
        assert sizes[method].size <= 0.05
    assert sizes["any cell, t uncorrected"].size > sizes["any cell, step-down max-T"].size


def test_missing_pairs_leave_the_grid_and_stay_in_their_cells(tmp_path: Path) -> None:
    lost = {Run(64, 0.01, seed=2, arm="no_bn"), Run(64, 0.1, seed=2, arm="bn"), Run(64, 0.1, seed=6, arm="bn")}
    found = results(tmp_path / "s", lost=lost)
    of_arm = found.of_arms["bn"]
    assert of_arm.plan.n == 6
    assert {in_cell.cell: in_cell.n_runs for in_cell in of_arm.failures}[Cell(64, 0.1)] == 6
    assert {gap.cell: gap.n for gap in of_arm.gaps}[None] == 6
    assert of_arm.times[0].n_runs == 36


@pytest.mark.slow
def test_every_look_is_kept_in_the_manifest_once(tmp_path: Path) -> None:
    """First with six seeds, twice, then with eight: two looks, the second in the report with the first."""
    six = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=SEEDS[:6], epochs=1)
    eight = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=SEEDS, epochs=1)
    folder = plant(tmp_path / "s", six, score)
    for _ in range(2):
        assert report.main([str(folder)]) == 0
    first = Folder(folder).read_manifest()
    assert first
    assert [look["seeds"] for look in first["looks"]] == [6]
    plant(folder, eight, score)
    now = Folder(folder).read_manifest()
    assert now
    Folder(folder).write_manifest({**now, "looks": first["looks"]})
    assert report.main([str(folder)]) == 0
    said = json.loads((folder / "report.json").read_text())
    assert [look["seeds"] for look in said["looks"]] == [6, 8]
    assert "analysed 2 times, with 6, 8 seeds" in " ".join(said["notes"])


def test_a_look_of_an_earlier_program_keeps_its_gaussian_e_value_and_is_no_new_look(tmp_path: Path) -> None:
    folder = plant(tmp_path / "s", Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=SEEDS[:6], epochs=1), score)
    assert report.main([str(folder)]) == 0
    [look] = (manifest := Folder(folder).read_manifest() or {})["looks"]
    assert look["sign_e_value"] > 0
    assert "e_value" not in look
    older = {name: value for name, value in look.items() if name != "sign_e_value"} | {"e_value": 16256.4}
    Folder(folder).write_manifest({**manifest, "looks": [older]})
    assert report.main([str(folder)]) == 0
    assert (Folder(folder).read_manifest() or {})["looks"] == [older]
    later = {**older, "seeds": 5}
    Folder(folder).write_manifest({**manifest, "looks": [later]})
    assert report.main([str(folder)]) == 0
    assert (Folder(folder).read_manifest() or {})["looks"] == [later, look]


def test_the_e_value_counts_a_failed_run_as_worse_whatever_the_mean_says(tmp_path: Path) -> None:
    """In each seed the arm gains a point in one cell; in three seeds one of its runs fails, and loses more."""

    def collapsing(run: Run, epoch: int) -> float:
        is_bn = run.arm == "bn"
        failed = is_bn and run.seed < 3 and run.cell.lr == 0.1
        return 0.1 if failed else 0.9 + 0.01 * is_bn

    design = Design("digits", batch_sizes=(32,), lrs=(0.01, 0.1), seeds=SEEDS, epochs=1)
    evidence = findings.analyse(planted(tmp_path / "s", design, collapsing), 0.05, 0.005).of_arms["bn"].evidence
    assert (evidence.n, evidence.n_better, evidence.n_worse) == (8, 5, 3)
    assert evidence.sign == sign_e_process([-1.0] * 3 + [1.0] * 5).tolist()


def test_best_cells_are_chosen_on_all_seeds_but_one_and_scored_on_that(tmp_path: Path) -> None:
    """Without batch norm two cells differ by luck alone: which is better on five seeds is worse on the sixth."""
    luck = np.array([[0, 3], [4, 0], [0, 3], [4, 0], [0, 3], [4, 3]])
    design = Design("digits", batch_sizes=(32,), lrs=(0.01, 0.1), seeds=SEEDS[:6], epochs=1)

    def lucky(run: Run, _: int) -> float:
        gain = 20 * (run.cell.lr == 0.1) if run.arm == "bn" else luck[run.seed, int(run.cell.lr == 0.1)]
        return (300 + gain) / 360

    best = findings.analyse(planted(tmp_path / "s", design, lucky), 0.05, 0.002).of_arms["bn"].best_cell
    assert best
    assert best.cells == [Cell(32, 0.01), Cell(32, 0.1)]
    assert (best.found.best_baseline, best.found.best_arm) == (0, 1)
    others = [luck.sum(0) - row for row in luck]
    held_out = [20 - row[int(sums[1] > sums[0])] for row, sums in zip(luck, others, strict=True)]
    assert best.found.interval.estimate == pytest.approx(np.mean(held_out) / 360)
    assert best.found.naive == pytest.approx((20 - luck.mean(0).max()) / 360)
    assert best.found.interval.estimate > best.found.naive
    chosen = [int(sums[1] > sums[0]) for sums in others]
    assert set(chosen) == {0, 1}
    assert best.scores.cell is None
    assert best.scores.seeds == list(SEEDS[:6])
    assert best.scores.of_baseline == pytest.approx([(300 + luck[k, at]) / 360 for k, at in enumerate(chosen)])
    assert best.scores.of_arm == pytest.approx([320 / 360] * 6)
    assert best.scores.differences == pytest.approx(np.array(held_out) / 360)
    assert best.scores.learned == [True] * 6


def test_held_out_scores_leave_out_a_seed_with_a_gap_and_mark_one_that_failed_where_it_is_scored(
    tmp_path: Path,
) -> None:
    """At 0.1 every run of seed 5 fails; the baseline is scored there, the arm is not."""
    design = Design("digits", batch_sizes=(32,), lrs=(0.01, 0.1), seeds=SEEDS, epochs=1)

    def failing(run: Run, _: int) -> float:
        better = run.cell.lr == (0.1 if run.arm == "no_bn" else 0.01)
        return 36 / 360 if (run.seed, run.cell.lr) == (5, 0.1) else (300 + run.seed + 20 * better) / 360

    lost = {Run(32, 0.01, seed=2, arm="bn")}
    best = findings.analyse(planted(tmp_path / "s", design, failing, lost=lost), 0.05, 0.002).of_arms["bn"].best_cell
    assert best
    assert best.scores.seeds == [0, 1, 3, 4, 5, 6, 7]
    assert best.scores.learned == [seed != 5 for seed in best.scores.seeds]
    assert best.scores.of_baseline[4] == 0.1
    assert np.mean(best.scores.differences) == pytest.approx(best.found.interval.estimate)


def test_a_single_seed_has_no_held_out_scores(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(32,), lrs=(0.01, 0.1), seeds=(0,), epochs=1)
    best = findings.analyse(planted(tmp_path / "s", design, score), 0.05, 0.002).of_arms["bn"].best_cell
    assert best
    assert (best.scores.seeds, best.found.choices_arm) == ([], (None,))


def test_of_one_cell_or_without_a_whole_seed_there_is_no_best_cell(tmp_path: Path) -> None:
    one = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=SEEDS, epochs=1)
    two = Design("digits", batch_sizes=(32,), lrs=(0.01, 0.1), seeds=(0, 1), epochs=1)
    lost = {Run(32, 0.01, seed=0, arm="bn"), Run(32, 0.1, seed=1, arm="no_bn")}
    for name, study in (
        ("one", planted(tmp_path / "one", one, score)),
        ("gaps", planted(tmp_path / "two", two, score, lost=lost)),
    ):
        assert findings.analyse(study, 0.05, 0.002).of_arms["bn"].best_cell is None, name
