"""The study in the repository: what it says, and that the README quotes it."""

import io
import json
import os
from pathlib import Path

import pandas as pd
import pytest

from analysis import contents, contrasts, findings, readme, tables

ROOT = Path(__file__).parent.parent
STUDY = ROOT / "results" / "reference-mnist"


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
    found = findings.results(study, 0.05, 0.002)
    assert contents.notices(study, found) == [
        "Some runs failed: 9 of 90 without BN and 0 of 90 with BN. They count as they ended, a diverged one as chance."
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
    found = contrasts.contrasts(tables.load(STUDY), alpha=0.05, margin=0.002)
    recomputed = pd.read_csv(io.StringIO(pd.DataFrame(contrasts.rows(found)).to_csv(index=False)))
    pd.testing.assert_frame_equal(recomputed, table, rtol=1e-9)


def test_the_shipped_report_says_what_the_program_says_of_the_records() -> None:
    study = tables.load(STUDY)
    said = contents.contents(study, findings.results(study, 0.05, 0.002))
    shipped = json.loads((STUDY / "report.json").read_text("utf-8"))
    for part in ("notices", "verdicts", "scope", "completeness", "unpaired", "looks"):
        assert said[part] == shipped[part]
    page = (STUDY / "report.html").read_text("utf-8")
    assert shipped["verdicts"][0]["headline"] in page


def test_the_readme_quotes_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = Path("README.md").read_text("utf-8")
    assert readme.update(text, readme.quoted(Path("results/reference-mnist"))) == text


def test_the_shipped_study_names_no_folder_of_the_machine_that_made_it() -> None:
    for name in ("manifest.json", "report.json"):
        text = (STUDY / name).read_text("utf-8")
        assert os.fspath(Path.home()) not in text
        assert "/tmp" not in text


def test_a_readme_without_marks_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("no marks")
    assert readme.main([str(STUDY), str(tmp_path / "README.md")]) == 2
    assert "once each" in capsys.readouterr().err
    assert readme.main([]) == 2
