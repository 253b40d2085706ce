"""The studies in the repository: what they say."""

import functools
import io
import json
import os
from pathlib import Path

import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from analysis.findings import contrasts
from analysis.findings import results as findings
from analysis.records import tables, trials
from analysis.report import report_json as contents
from analysis.report.first_screen.screen import screen
from tests import ROOT

STUDY = ROOT / "results" / "reference-mnist"
TUNED = ROOT / "results" / "reference-mnist-tuned"
ARMS = ROOT / "results" / "reference-arms"
CLAIMS = ROOT / "results" / "reference-claims"
EXPECTED = {
    "no_bn": (95.46, 0.40), "bn": (97.23, 0.17), "bn_after": (96.86, 0.24), "bn_no_affine": (97.24, 0.17),
    "ghost_8": (96.50, 0.32), "layer": (97.01, 0.24), "rms": (96.90, 0.30), "noisy": (96.50, 0.33),
}  # fmt: skip
"""Final test accuracy in the tutorial's cell by another engine, which shares the streams alone: mean and sd, in %."""


@functools.cache
def analysed(folder: Path) -> findings.Results:
    return findings.analyse(tables.load(folder), 0.05, 0.002)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(STUDY / "tables" / "contrasts.csv")


def test_the_study_is_the_default_design_on_real_mnist() -> None:
    study = tables.load(STUDY)
    assert study.design.dataset == "mnist"
    assert len(study.runs) == 180
    assert len(study.records) == 180 * 11 * 2
    assert study.manifest["data"]["notice"] is None
    assert study.manifest["data"]["sha256"]["t10k-images-idx3-ubyte"].startswith("0fa7898d")
    found = analysed(STUDY)
    assert contents.warnings(study, found) == []
    assert contents.notes(study, found) == [
        "Some runs did not learn: 8 of 90 without BN and 0 of 90 with BN. Each arm's best and the mean include them at"
        " the accuracy that they reached, diverged runs at chance (10 %).",
    ]


def test_the_post_s_cell_lies_where_the_post_and_the_small_trials_put_it(table: pd.DataFrame) -> None:
    """Batch 32, rate 0.01: 95.55 % without is ordinary, 97.2 +- 0.2 with, a gap of about 1.9 points."""
    cell = table[(table.endpoint == "final") & (table.batch_size == 32) & (table.lr == 0.01)].iloc[0]
    assert cell.mean_baseline == pytest.approx(0.9555, abs=0.005)
    assert cell.mean_arm == pytest.approx(0.972, abs=0.002)
    assert cell.mean_diff == pytest.approx(0.019, abs=0.004)
    assert cell.n_failed_arm == 0


def test_without_batch_norm_adam_at_a_tenth_mostly_fails_and_with_it_does_not(table: pd.DataFrame) -> None:
    cell = table[(table.endpoint == "last3") & (table.batch_size == 32) & (table.lr == 0.1)].iloc[0]
    assert cell.n_failed_baseline >= 5
    assert cell.n_failed_arm == 0


def test_the_shipped_tables_are_those_of_the_shipped_records(table: pd.DataFrame) -> None:
    found = contrasts.compute_contrasts(tables.load(STUDY), alpha=0.05, margin=0.002)
    recomputed = pd.read_csv(
        io.StringIO(pd.DataFrame(contrasts.contrast_rows(found, ["batch_size", "lr"])).to_csv(index=False))
    )
    pd.testing.assert_frame_equal(recomputed, table, rtol=1e-9)


@pytest.mark.parametrize("folder", [STUDY, TUNED], ids=["grid", "tuned"])
def test_the_shipped_report_says_what_the_program_says_of_the_records(folder: Path) -> None:
    study = tables.load(folder)
    results = analysed(folder)
    said = contents.contents(study, results, screen(study, results))
    shipped = json.loads((folder / "report.json").read_text("utf-8"))
    for part in ("title", "cards", "warnings", "notes", "verdicts", "scope", "completeness", "unpaired", "looks"):
        assert said[part] == shipped[part]
    page = (folder / "report.html").read_text("utf-8")
    assert shipped["title"] in page


def test_the_tuned_study_is_the_default_tuning_on_real_mnist() -> None:
    study = tables.load(TUNED)
    assert study.manifest["tuning"]["space"] == "lr=0.0001:1.0,batch_size=16:1024"
    assert study.manifest["data"]["sha256"] == tables.load(STUDY).manifest["data"]["sha256"]
    tried = trials.load_trials(study)[0]
    assert {arm: scores.shape for arm, scores in tried.by_seed.items()} == {"bn": (3, 64), "no_bn": (3, 64)}
    assert study.tuned is not None
    assert len(study.tuned.runs) == len(study.runs) == 20 * study.design.n_searches


def test_of_the_gap_at_the_post_s_setting_about_half_is_tuning() -> None:
    (found,) = analysed(TUNED).tuned
    assert found.before.interval.estimate == pytest.approx(0.018, abs=0.003)
    assert found.after.interval.estimate == pytest.approx(0.008, abs=0.002)
    assert found.verdict == "better"
    assert found.share is not None
    assert found.share.estimate == pytest.approx(0.56, abs=0.1)


def test_optuna_opens_the_shipped_journal() -> None:
    storage = JournalStorage(JournalFileBackend(str(TUNED / "tuning.journal")))
    studies = {study.study_name: study for study in storage.get_all_studies()}
    assert {name.split("/")[1] for name in studies} == {"bn", "no_bn"}
    for study in studies.values():
        states = [trial.state for trial in storage.get_all_trials(study._study_id)]
        assert states == [TrialState.COMPLETE] * 64


@pytest.mark.parametrize("folder", [STUDY, TUNED, CLAIMS], ids=["grid", "tuned", "claims"])
def test_a_shipped_study_names_no_folder_of_the_machine_that_made_it(folder: Path) -> None:
    for path in folder.rglob("*.[jc]*"):
        text = path.read_text("utf-8")
        assert os.fspath(Path.home()) not in text
        assert "/tmp" not in text


def test_eight_arms_end_where_another_engine_ends() -> None:
    """Within three standard errors of a difference of two means of ten seeds."""
    last = pd.read_parquet(ARMS / "records.parquet").query("split == 'test' and epoch == 10 and lr == 0.01")
    means = 100 * last.groupby("arm").accuracy.mean()
    assert {*means.index} == {*EXPECTED}
    assert (last.groupby("arm").size() == 10).all()
    for arm, (mean, sd) in EXPECTED.items():
        assert means[arm] == pytest.approx(mean, abs=3 * sd * (2 / 10) ** 0.5), arm


def test_the_page_of_eight_arms_says_what_its_tables_say() -> None:
    report = json.loads((ARMS / "report.json").read_text("utf-8"))
    ranked = pd.read_csv(ARMS / "tables" / "arms.csv")
    assert report["title"].startswith(f"{len(EXPECTED)} arms compared on MNIST: with BN and ")
    assert [one["arm"] for one in report["all_pairs"]["ranked"]] == ranked.arm.tolist()
    assert len(pd.read_csv(ARMS / "tables" / "pairs-of-arms.csv")) == 28
