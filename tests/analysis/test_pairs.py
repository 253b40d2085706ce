from pathlib import Path

import pandas as pd
import pytest

from analysis import AnalysisError
from analysis.pairs import pair
from analysis.tables import Study, check, load
from study.design import Design, Run
from study.folder import Folder
from tests.analysis.planted import plant, planted

DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=(3, 4, 5), epochs=4)


def score(run: Run, epoch: int) -> float | None:
    """Multiples of 1/360, so that counts are exact; batch norm gains 36 + seed images."""
    gain = 36 + run.seed if run.arm == "bn" else 0
    return (180 + 10 * epoch + run.batch_size // 32 + gain) / 360


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return planted(tmp_path_factory.mktemp("results") / "planted", DESIGN, score)


def test_differences_are_joined_by_key(study: Study) -> None:
    pairs = pair(study, "bn", "final")
    assert len(pairs.table) == 2 * 2 * 3
    expected = (36 + pairs.table.seed) / 360
    assert pairs.table.difference.to_numpy() == pytest.approx(expected.to_numpy())
    assert pairs.unpaired == []


def test_the_order_of_the_rows_is_nothing(study: Study) -> None:
    shuffled = Study(
        study.path, study.manifest, study.design, study.records.sample(frac=1, random_state=1), study.runs.iloc[::-1]
    )
    for endpoint in ("final", "last3"):
        pd.testing.assert_frame_equal(pair(shuffled, "bn", endpoint).table, pair(study, "bn", endpoint).table)


def test_endpoints_are_the_last_epoch_and_the_mean_of_the_last_three(study: Study) -> None:
    run = study.outcomes.set_index(["batch_size", "lr", "seed", "arm"]).loc[(32, 0.01, 3, "no_bn")]
    assert run.final == pytest.approx((180 + 40 + 1) / 360)
    assert run.last3 == pytest.approx((180 + 30 + 1) / 360)


def test_the_untrained_network_is_no_part_of_an_endpoint(tmp_path: Path) -> None:
    short = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0,), epochs=2)
    outcomes = planted(tmp_path / "short", short, lambda run, epoch: [0.1, 0.8, 0.9][epoch]).outcomes
    assert outcomes.last3.to_numpy() == pytest.approx([0.85] * 2)


def test_a_diverged_run_scores_chance_and_counts_as_failed(tmp_path: Path) -> None:
    def diverging(run: Run, epoch: int) -> float | None:
        return None if run == Run(32, 0.01, 4, "no_bn") and epoch >= 2 else score(run, epoch)

    table = pair(planted(tmp_path / "s", DESIGN, diverging), "bn", "last3").cell(32, 0.01).set_index("seed")
    assert table.loc[4, "of_baseline"] == 0.1
    assert table.diverged_baseline.to_dict() == {3: False, 4: True, 5: False}
    assert table.failed_baseline.to_dict() == {3: False, 4: True, 5: False}
    assert not table.failed_arm.any()


def test_a_run_below_twice_chance_failed_to_learn_though_its_loss_is_finite(tmp_path: Path) -> None:
    def stuck(run: Run, epoch: int) -> float | None:
        return 0.11 if run.seed == 5 and run.arm == "no_bn" else score(run, epoch)

    table = pair(planted(tmp_path / "s", DESIGN, stuck), "bn", "last3").table
    assert table.failed_baseline.sum() == 4
    assert not table.diverged_baseline.any()
    assert table[table.seed == 5].of_baseline.to_numpy() == pytest.approx([40 / 360] * 4)


def test_what_has_no_partner_is_named_and_never_dropped_in_silence(tmp_path: Path) -> None:
    lost = {Run(32, 0.01, 3, "bn"), Run(64, 0.1, 5, "no_bn"), Run(64, 0.1, 4, "bn"), Run(64, 0.1, 4, "no_bn")}
    pairs = pair(planted(tmp_path / "s", DESIGN, score, lost=lost), "bn", "final")
    assert len(pairs.table) == 12 - 3
    assert pairs.unpaired == [
        "batch size 32, rate 0.01, seed 3: bn has no records",
        "batch size 64, rate 0.1, seed 4: bn has no records and no_bn has no records",
        "batch size 64, rate 0.1, seed 5: no_bn has no records",
    ]
    assert pairs.complete.empty


def test_a_batch_of_one_is_no_pair_and_says_so(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(1, 32), lrs=(0.01,), seeds=(0, 1), epochs=3)
    pairs = pair(planted(tmp_path / "s", design, score), "bn", "final")
    assert pairs.unpaired == [f"batch size 1, rate 0.01, seed {seed}: bn cannot be trained" for seed in (0, 1)]
    assert pairs.cells == [(32, 0.01)]
    assert pairs.complete.seed.tolist() == [0, 1]


def test_a_cell_without_any_pair_is_still_a_cell_that_every_seed_lacks(tmp_path: Path) -> None:
    """As after a stop in the middle: the other cells alone are not "all cells"."""
    lost = {run for run in DESIGN.runs if run.batch_size == 64}
    pairs = pair(planted(tmp_path / "s", DESIGN, score, lost=lost), "bn", "final")
    assert len(pairs.cells) == 4
    assert len(pairs.table) == 6
    assert pairs.complete.empty


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r, s: (r.iloc[:0], s), "the records are empty"),
        (lambda r, s: (pd.concat([r, r[7:9]]), s), r"records holds rows twice: batch_size 32, lr 0.01, .* and 1 more"),
        (lambda r, s: (r, pd.concat([s, s[:1]])), "runs holds rows twice: batch_size 32, lr 0.01, seed 3, arm bn"),
        (lambda r, s: (r.assign(study_id="other"), s), "hold rows of other studies: other"),
        (lambda r, s: (r[r.epoch < 4], s), r"do not belong together: bn_b0032_lr1e-02_s003-.* and 23 more"),
        (lambda r, s: (r, s.iloc[:-1]), "do not belong together: no_bn_b0064_lr1e-01_s005-"),
        (lambda r, s: (r.assign(loss=r.loss.where(r.index != 11)), s), r"a metric is missing .* status is ok: .*epoch"),
    ],
)
def test_tables_that_say_nothing_or_two_things_are_refused(study: Study, spoil, message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        check(*spoil(study.records, study.runs), study.name, study.design)


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"holds no study \(no manifest.json\); run python -m study.run first"):
        load(tmp_path)


def test_a_study_without_tables_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, DESIGN, score)
    (tmp_path / "records.parquet").unlink()
    with pytest.raises(AnalysisError, match=r"records.parquet does not exist"):
        load(tmp_path)
    Folder(tmp_path).manifest.write_text('{"schema_version": 1}')
    with pytest.raises(AnalysisError, match=r"manifest\.json lacks argv, data"):
        load(tmp_path)


def test_a_manifest_of_a_smaller_design_than_the_tables_is_refused(study: Study, tmp_path: Path) -> None:
    smaller = Design("digits", batch_sizes=(32,), lrs=(0.01, 0.1), seeds=(3, 4, 5), epochs=4)
    with pytest.raises(AnalysisError, match="do not belong together"):
        check(study.records, study.runs, study.name, smaller)
