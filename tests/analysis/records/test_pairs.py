from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.errors import AnalysisError
from analysis.records.checks import check
from analysis.records.frames import from_frame
from analysis.records.pairs import pair
from analysis.records.tables import StudyData, load, load_ablation
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from study.store.study_folder import Folder
from tests.analysis.planted import plant, planted

DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=(3, 4, 5), epochs=4)


def score(run: Run, epoch: int) -> float | None:
    """Multiples of 1/360, so that counts are exact; batch norm gains 36 + seed images."""
    gain = 36 + run.seed if run.arm == "bn" else 0
    return (180 + 10 * epoch + run.cell.batch_size // 32 + gain) / 360


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyData:
    return planted(tmp_path_factory.mktemp("results") / "planted", DESIGN, score)


def test_differences_are_joined_by_key(study: StudyData) -> None:
    pairs = pair(study, "bn", "final")
    assert len(pairs.table) == 2 * 2 * 3
    expected = (36 + pairs.table.seed) / 360
    assert pairs.table.difference.to_numpy() == pytest.approx(expected.to_numpy())
    assert pairs.missing.empty
    assert study.unpaired("bn", "no_bn") == []


def test_the_order_of_the_rows_is_nothing(study: StudyData) -> None:
    shuffled = StudyData(
        study.path, study.manifest, study.design, study.records.sample(frac=1, random_state=1), study.runs.iloc[::-1]
    )
    for endpoint in ("final", "last3"):
        pd.testing.assert_frame_equal(pair(shuffled, "bn", endpoint).table, pair(study, "bn", endpoint).table)


def test_endpoints_are_the_last_epoch_and_the_mean_of_the_last_three(study: StudyData) -> None:
    run = study.outcomes.set_index(["batch_size", "lr", "seed", "arm"]).loc[(32, 0.01, 3, "no_bn")]
    assert run.final == pytest.approx((180 + 40 + 1) / 360)
    assert run.last3 == pytest.approx((180 + 30 + 1) / 360)


def test_the_untrained_network_is_no_part_of_an_endpoint(tmp_path: Path) -> None:
    short = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0,), epochs=2)
    outcomes = planted(tmp_path / "short", short, lambda run, epoch: [0.1, 0.8, 0.9][epoch]).outcomes
    assert outcomes.last3.to_numpy() == pytest.approx([0.85] * 2)


def test_a_diverged_run_scores_chance_and_counts_as_failed(tmp_path: Path) -> None:
    def diverging(run: Run, epoch: int) -> float | None:
        return None if run == Run(32, 0.01, seed=4, arm="no_bn") and epoch >= 2 else score(run, epoch)

    table = pair(planted(tmp_path / "s", DESIGN, diverging), "bn", "last3").cell(Cell(32, 0.01)).set_index("seed")
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
    lost = {
        Run(32, 0.01, seed=3, arm="bn"),
        Run(64, 0.1, seed=5, arm="no_bn"),
        Run(64, 0.1, seed=4, arm="bn"),
        Run(64, 0.1, seed=4, arm="no_bn"),
    }
    study = planted(tmp_path / "s", DESIGN, score, lost=lost)
    pairs = pair(study, "bn", "final")
    assert len(pairs.table) == 12 - 3
    assert len(pairs.missing) == 3
    assert study.unpaired("bn", "no_bn") == [
        "batch size 32, rate 0.01, seed 3: bn has no records",
        "batch size 64, rate 0.1, seed 4: bn has no records and no_bn has no records",
        "batch size 64, rate 0.1, seed 5: no_bn has no records",
    ]
    assert pairs.complete.empty


def test_a_batch_of_one_is_no_pair_and_says_so(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(1, 32), lrs=(0.01,), seeds=(0, 1), epochs=3)
    study = planted(tmp_path / "s", design, score)
    pairs = pair(study, "bn", "final")
    assert study.unpaired("bn", "no_bn") == [
        f"batch size 1, rate 0.01, seed {seed}: bn cannot be trained" for seed in (0, 1)
    ]
    assert pairs.missing.empty
    assert pairs.cells == [Cell(32, 0.01)]
    assert pairs.complete.seed.tolist() == [0, 1]


def test_a_cell_without_any_pair_is_still_a_cell_that_every_seed_lacks(tmp_path: Path) -> None:
    """As after a stop in the middle: the other cells alone are not "all cells"."""
    lost = {run for run in DESIGN.runs if run.cell.batch_size == 64}
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
def test_tables_that_say_nothing_or_two_things_are_refused(study: StudyData, spoil, message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        check(*spoil(study.records, study.runs), study.name, study.design)


def at(table: pd.DataFrame, column: str, value: object, row: int = 7) -> pd.DataFrame:
    """The table with one other value."""
    changed = table.astype({column: object})
    changed.iloc[row, changed.columns.get_loc(column)] = value
    return changed if isinstance(value, str | bytes | None) else changed.astype({column: "float64"})


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("study_id", None, "records has a key missing: batch_size 32, lr 0.01, seed 3, arm bn, epoch 3, split train"),
        ("study_id", "\x1b[2J", r"hold rows of other studies: '\\x1b\[2J'"),
        ("study_id", "x" * 256, "hold rows of other studies: x{80}...$"),
        ("run_id", None, "records has a key missing"),
        ("run_id", "bn_of_another", "do not belong together: bn_b0032_lr1e-02_s003-.* and 1 more runs differ"),
        (
            "pair_id",
            "another",
            "records has a run_id that belongs to another key: .* arm bn, run_id bn_b0032_lr1e-02_s003-",
        ),
        ("arm", "layer_norm", "records has a run_id that belongs to another key: .* arm layer_norm"),
        ("seed", 4, "records holds rows twice: batch_size 32, lr 0.01, seed 4"),
        ("seed", 9, "records has a run_id that belongs to another key: .* seed 9"),
        ("batch_size", 33, "records has a run_id that belongs to another key: batch_size 33"),
        ("lr", np.nan, "records has a key missing: batch_size 32, lr nan"),
        ("lr", np.inf, "records has a run_id that belongs to another key: batch_size 32, lr inf"),
        ("epoch", 5, "an epoch lies outside of 0 to 4: .* epoch 5"),
        ("epoch", -1, "an epoch lies outside of 0 to 4: .* epoch -1"),
        ("split", "validation", "a split is neither train nor test: .* split validation"),
        ("status", "cooked", "records has a status that is none of ok, diverged and not_applicable: .* status cooked"),
        ("status", "diverged", "there is a metric though the status is not ok"),
        ("n_examples", 1438, "n_examples is not what the data set has"),
        ("n_correct", -1, "n_correct lies outside of 0 to n_examples"),
        ("n_correct", 1438, "n_correct lies outside of 0 to n_examples"),
        ("n_correct", 1, "accuracy is not n_correct over n_examples"),
        ("accuracy", 7.0, "accuracy is not n_correct over n_examples: .* and 0 more"),
        ("accuracy", np.nan, "a metric is missing though the status is ok"),
        ("n_correct", np.nan, "a metric is missing though the status is ok"),
        ("loss", np.inf, "the loss is not finite though the status is ok"),
        ("loss", -np.inf, "the loss is not finite though the status is ok"),
    ],
)
def test_a_record_that_cannot_be_is_refused(study: StudyData, column: str, value: object, message: str) -> None:
    row = 7 if column not in ("n_correct", "n_examples") else 6  # the test images of an epoch come before its others
    row += study.records.split.iloc[row] != "train"
    with pytest.raises(AnalysisError, match=message) as refusal:
        check(at(study.records, column, value, row), study.runs, study.name, study.design)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("run_id", "another", "do not belong together"),
        ("pair_id", "another", "runs has a run_id that belongs to another key|records has a run_id that belongs"),
        ("seed", 9, "has a run_id that belongs to another key"),
        ("status", "cooked", "runs has a status that is none of ok, diverged and not_applicable: .* status cooked"),
        ("status", "not_applicable", "not_applicable does not go with the run: batch_size 32, lr 0.01, seed 3, arm bn"),
        ("status", "diverged", "the first bad epoch is not one of a run that diverged"),
        ("first_bad_epoch", 2, "the first bad epoch is not one of a run that diverged"),
        ("n_steps", -1, "n_steps is below zero or missing"),
        ("n_steps", np.nan, "n_steps is below zero or missing"),
        ("n_parameters", 5, "n_parameters is not what the design has"),
        ("test_correct", None, "test_correct is not a bit for each test image of a run that is ok"),
        ("test_correct", b"\xff" * 44, "test_correct is not a bit for each test image"),
        ("test_correct", b"\xff" * 45, "test_correct has another count than the last epoch: .* epoch 4, split test"),
    ],
)
def test_a_run_that_cannot_be_is_refused(study: StudyData, column: str, value: object, message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        check(study.records, at(study.runs, column, value, 0), study.name, study.design)


def test_a_run_that_diverged_has_the_records_of_one(tmp_path: Path) -> None:
    def diverging(run: Run, epoch: int) -> float | None:
        return None if run == Run(32, 0.01, seed=3, arm="bn") and epoch >= 2 else score(run, epoch)

    study = planted(tmp_path / "s", DESIGN, diverging)
    for epoch in (1, 3):
        runs = at(study.runs, "first_bad_epoch", epoch, 0)
        with pytest.raises(AnalysisError, match=r"a record has another status than its run: .* arm bn, epoch [12]"):
            check(study.records, runs, study.name, study.design)
    with pytest.raises(AnalysisError, match="the first bad epoch is not one of a run that diverged"):
        check(study.records, at(study.runs, "first_bad_epoch", 5, 0), study.name, study.design)
    check(study.records, study.runs, study.name, study.design)


def test_tables_of_the_inference_modes_that_cannot_be_read_are_refused_in_words(study: StudyData) -> None:
    (study.path / "ablation.parquet").mkdir()
    with pytest.raises(AnalysisError, match=r"ablation\.parquet cannot be read: it is not a regular file"):
        load_ablation(study)
    (study.path / "ablation.parquet").rmdir()


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"holds no study \(no manifest.json\). To train it: python -m study.run"):
        load(tmp_path)


def test_a_study_without_tables_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, DESIGN, score)
    (tmp_path / "records.parquet").unlink()
    with pytest.raises(AnalysisError, match=r"records.parquet does not exist"):
        load(tmp_path)
    Folder(tmp_path).manifest.write_text('{"schema_version": 1}')
    with pytest.raises(AnalysisError, match=r"manifest\.json lacks argv, data"):
        load(tmp_path)


def test_a_manifest_of_a_smaller_design_than_the_tables_is_refused(study: StudyData, tmp_path: Path) -> None:
    smaller = Design("digits", batch_sizes=(32,), lrs=(0.01, 0.1), seeds=(3, 4, 5), epochs=4)
    with pytest.raises(AnalysisError, match="do not belong together"):
        check(study.records, study.runs, study.name, smaller)


def test_a_frame_of_one_factor_has_its_differences_by_cell() -> None:
    rows = [
        {"seed": seed, "arm": arm, "lr": lr, "score": seed + (arm == "b") * (1 + lr)}
        for seed in range(3) for arm in "ab" for lr in (0.25, 0.5)
    ]  # fmt: skip
    data = from_frame(pd.DataFrame(rows), unit="seed", arm="arm", baseline="a", factors=["lr"], outcome="score")
    assert pair(data, "b", "score").rows(data.cells).tolist() == [[1.25, 1.5]] * 3
