"""A ledger's folder as the analysis takes it: the study of the tutorial's setting, with the ledger in it."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.errors import AnalysisError
from analysis.findings.claims.verdicts import ledger
from analysis.records.claims import NotRunYet
from analysis.records.tables import load
from analysis.report.write import write_report
from study.spec.claims.experiments import FULL, STUDIES
from study.spec.claims.fixed import Fixed
from study.spec.datasets import DATASETS
from study.store.claims_folder import MEASUREMENTS, ClaimsFolder
from study.store.claims_manifest import LEDGER_VERSION, is_ledger
from tests.analysis.planted import in_gains, plant

EXTENT = replace(FULL, seeds=8, runs=8)


def plant_ledger(path: Path, studies: tuple[str, ...] = ("post",), name: str = "claims") -> Path:
    """Write the folder of a ledger on digits: these sub-studies, and one probe."""
    fixed = Fixed.begin(DATASETS["digits"], EXTENT, 0.05)
    folder = ClaimsFolder(path)
    folder.parts.mkdir(parents=True)
    folder.write_manifest(
        {
            "kind": "claims", "schema_version": LEDGER_VERSION, "study_id": name, **fixed.to_dict(),
            "begun": "2026-12-01", "data": {"name": "digits", "sha256": {"file": "0" * 64}, "notice": None},
            "argv": "python -m study.claims --dataset digits", "versions": {"python": "3.11"},
            "git": {"commit": None, "dirty": None}, "device": {"kind": "cpu", "name": "abacus", "workers": 1},
            "timings": {}, "date": "2026-12-01", "processor": "abacus", "earlier": [],
        }
    )  # fmt: skip
    row = {"experiment": "formulas", "measure": "error", "condition": "", "arm": "", "mode": "", "value": 1e-13}
    folder.commit("formulas/all", fixed, [row])
    folder.compact()
    for key in studies:
        plant(folder.studies / key, STUDIES[key].design(DATASETS["digits"], EXTENT), in_gains)
    return path


def test_a_ledger_is_the_study_of_the_tutorials_setting_with_the_ledger_in_it(tmp_path: Path) -> None:
    path = plant_ledger(tmp_path / "claims", name="mine")
    study = load(path)
    assert study.claims is not None
    assert (study.name, study.title, study.place) == ("mine", "mine", path)
    assert study.path == path / "studies" / "post"
    assert study.design == STUDIES["post"].design(DATASETS["digits"], EXTENT)
    found = {one.row.key: one for one in ledger(study.claims).entries}
    assert (found["8"].verdict, found["15a"].n, found["6a-relu"].reason) == ("exact", 8, "not run yet")
    assert found["12a"].reason == "not run yet: the networks of post have not been evaluated"
    assert study.claims.study("depth") is None
    assert study.claims.study("post") is not None


def test_a_study_of_its_own_has_no_ledger(tmp_path: Path) -> None:
    path = plant(tmp_path / "s", STUDIES["post"].design(DATASETS["digits"], EXTENT), in_gains)
    study = load(path)
    assert not is_ledger(path)
    assert (study.claims, study.name, study.place) == (None, "s", path)


@pytest.mark.slow
def test_the_report_of_a_ledger_stands_in_its_folder_and_its_looks_in_the_study(tmp_path: Path) -> None:
    path = plant_ledger(tmp_path / "claims")
    before = (path / "manifest.json").read_bytes()
    written = write_report(path)
    assert written.page == path / "report.html"
    assert not (path / "studies" / "post" / "report.html").exists()
    assert (path / "manifest.json").read_bytes() == before
    assert json.loads((path / "studies" / "post" / "manifest.json").read_text())["looks"]
    assert written.report["study_id"] == "claims"


def test_what_a_sub_study_lacks_is_said(tmp_path: Path) -> None:
    data = load(plant_ledger(tmp_path / "claims")).claims
    assert data is not None
    assert data.study("depth") is data.begun("depth") is None
    assert data.study("post") is data.complete("post")
    with pytest.raises(NotRunYet, match=r"^not run yet$"):
        data.complete("depth")
    with pytest.raises(NotRunYet, match=r"^not run yet$"):
        data.measured("formulas", "error", range(2), arm="bn")
    assert data.measured("formulas", "error").value.tolist() == [1e-13]
    assert data.pictures.empty


def test_a_ledger_without_the_tutorials_setting_has_no_report_yet(tmp_path: Path) -> None:
    path = plant_ledger(tmp_path / "claims", studies=())
    with pytest.raises(AnalysisError, match="has no runs of the tutorial's setting yet") as stopped:
        load(path)
    assert str(stopped.value).endswith(f"To go on: python -m study.claims --out {tmp_path}")


def test_a_rule_that_was_changed_after_the_first_run_is_refused(tmp_path: Path) -> None:
    path = plant_ledger(tmp_path / "claims")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["rows"][0]["rule"]["bound"] = 0.4
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(AnalysisError, match="has other rows, rules, alpha or experiments"):
        load(path)


def test_a_table_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = plant_ledger(tmp_path / "claims")
    table = path / f"{MEASUREMENTS}.parquet"
    changed = bytearray(table.read_bytes())
    changed[40] ^= 1
    table.write_bytes(bytes(changed))
    assert hashlib.sha256(bytes(changed)).hexdigest() not in (path / "manifest.json").read_text()
    with pytest.raises(AnalysisError, match="cannot be read"):
        load(path)


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    path = plant_ledger(tmp_path / "claims")
    (path / "manifest.json").write_text('{"kind": "claims", "schema_version": 1}')
    with pytest.raises(AnalysisError, match=r"manifest\.json lacks alpha, "):
        load(path)
