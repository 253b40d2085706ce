"""The command makes what is missing, once, and its tables are a pure function of what is committed."""

import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from analysis.errors import AnalysisError
from analysis.records.tables import load
from study import run
from study.claims.measuring import Measured
from study.claims.plan import Ledger
from study.spec.claims.experiments import EXPERIMENTS, STUDIES
from study.spec.claims.fixed import Fixed
from study.spec.datasets import DATASETS
from study.store.claims_folder import COLUMNS, MEASUREMENTS, PICTURES, ClaimsFolder
from study.store.study_folder import Folder
from tests.study.claims.ledgers import BARE, OURS, WITH_STUDIES, copy, litter, make, only, part_of, tables
from tests.study.claims.probes_of_ours import TRAP


def test_a_probe_has_a_row_for_each_unit_under_its_key(ledger: Path) -> None:
    table = ClaimsFolder(ledger / "claims").read(MEASUREMENTS)
    assert table.column_names == ["experiment", *(name for name, _ in COLUMNS[MEASUREMENTS])][1:]
    rows = [(row["experiment"], row["measure"], row["seed"]) for row in table.to_pylist()]
    probes = ("formulas", "repeat", "speed")
    assert rows == [(key, measure, seed) for key in probes for measure in ("mean", "negative") for seed in (0, 1)]


def test_columns_of_the_table_are_the_fields_of_a_measured_row() -> None:
    assert {name for name, _ in COLUMNS[MEASUREMENTS]} == {"experiment", *Measured._fields}


def test_the_same_command_again_writes_nothing(ledger: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in ledger.rglob("*.parquet")}
    manifest = (ledger / "claims" / "manifest.json").read_bytes()
    assert make(ledger) == 0
    assert {path: path.stat().st_mtime_ns for path in ledger.rglob("*.parquet")} == before
    assert (ledger / "claims" / "manifest.json").read_bytes() == manifest


def test_a_fresh_ledger_has_the_same_tables(whole: Path, tmp_path: Path) -> None:
    assert make(tmp_path) == 0
    assert tables(tmp_path) == tables(whole)


@pytest.mark.parametrize("name", ["measurements", "pictures"])
def test_a_table_that_is_lost_or_changed_is_made_again(name: str, ledger: Path, whole: Path) -> None:
    (ledger / "claims" / f"{name}.parquet").unlink()
    assert make(ledger) == 0
    path = ledger / "claims" / f"{name}.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    assert make(ledger) == 0
    assert tables(ledger) == tables(whole)


def test_what_was_left_over_is_measured_and_the_rest_is_not(ledger: Path, whole: Path) -> None:
    lost = part_of(ledger, "speed/bn-1")
    lost.unlink()
    before = {path: path.stat().st_mtime_ns for path in lost.parent.iterdir()}
    assert make(ledger) == 0
    after = {path: path.stat().st_mtime_ns for path in lost.parent.iterdir()}
    assert {*after} - {*before} == {lost}
    assert before.items() <= after.items()
    assert tables(ledger) == tables(whole)
    manifest = json.loads((ledger / "claims" / "manifest.json").read_text())
    assert {*manifest["timings"]} == {"speed"}
    assert [{*command["timings"]} for command in manifest["earlier"]] == [{"formulas", "repeat", "speed"}]


@pytest.mark.parametrize("unit", ["speed/bn-1", "begun"])
def test_a_damaged_part_is_set_aside_and_measured_again(
    unit: str, ledger: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = part_of(ledger, unit)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert make(ledger) == 0
    assert f"{path.name} was damaged and moved to" in capsys.readouterr().err
    assert (ledger / "claims" / "quarantine" / path.name).read_bytes() == content
    assert tables(ledger) == tables(whole)
    assert make(ledger) == 0
    assert not capsys.readouterr().err


def test_two_parts_that_disagree_are_an_error(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ClaimsFolder(ledger / "claims")
    fixed = folder.fixed()
    assert fixed is not None
    (row, *_) = pq.read_table(part_of(ledger, "speed/bn-1")).to_pylist()
    folder.commit("speed/bn-1", fixed, [row | {"value": 0.5}])
    assert make(ledger) == 1
    assert re.search(r"two parts of .* hold speed/bn-1", capsys.readouterr().err)


def test_a_unit_that_fails_is_told_and_tried_again_by_the_next_command(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(TRAP, str(tmp_path))
    (tmp_path / "raise").touch()
    assert make(tmp_path) == 1
    told = capsys.readouterr().err.splitlines()
    text = "bn-1 failed: ZeroDivisionError: by the trap; repeat the command to try it again"
    assert told == [f"{key}: {text}" for key in ("formulas", "repeat", "speed")]
    (tmp_path / "raise").unlink()
    assert make(tmp_path) == 0
    assert tables(tmp_path) == tables(whole)


def test_a_fault_of_the_machine_ends_the_command_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(TRAP, str(tmp_path))
    (tmp_path / "fault").touch()
    assert make(tmp_path) == 3
    assert capsys.readouterr().err == (
        "study.claims: the trap is closed; finished runs and measurements are saved; repeat the command to continue\n"
    )


def test_a_second_process_is_refused(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FileLock(ledger / "claims" / ".lock"):
        assert make(ledger) == 3
    assert "another process is at work on" in capsys.readouterr().err


def test_an_archived_ledger_is_left_alone(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (ledger / "claims" / "parts").iterdir():
        path.unlink()
    before = {path: path.read_bytes() for path in ledger.rglob("*") if path.is_file()}
    for options in ((), ("--dry-run",)):
        assert make(ledger, *options) == 2
        assert "holds the tables of a finished ledger without its parts" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in ledger.rglob("*") if path.is_file()} == before
    assert ClaimsFolder(ledger / "claims").read(MEASUREMENTS).num_rows == 12


def test_pictures_stand_in_a_table_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = [Picture("same", 3, 7, (0.0, 0.5)), Picture("absent", 3, 7, (0.25, 1.0))]
    module = SimpleNamespace(pictures=lambda data, images: shown if data.key == images.name else [])
    monkeypatch.setitem(sys.modules, "study.claims.pictures", module)
    monkeypatch.setattr(Ledger, "has_pictures", True)
    assert make(tmp_path) == 0
    table = ClaimsFolder(tmp_path / "claims").read(PICTURES)
    assert [Picture(**{**row, "pixels": (*row["pixels"],)}) for row in table.to_pylist()] == shown[::-1]
    shown.clear()  # which is not asked for again
    assert make(tmp_path) == 0
    assert len(ClaimsFolder(tmp_path / "claims").read(PICTURES)) == 2
    capsys.readouterr()
    assert make(tmp_path, "--dry-run") == 0
    assert not re.search("^time", capsys.readouterr().out, re.MULTILINE)


@dataclass
class Picture:
    condition: str
    index: int
    label: int
    pixels: tuple[float, ...]


# --- studies


@pytest.fixture(scope="module")
def with_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("studies")
    assert make(out, extent=WITH_STUDIES) == 0
    return out


def test_studies_have_folders_of_their_own_and_networks_where_they_are_needed(with_studies: Path) -> None:
    studies = with_studies / "claims" / "studies"
    assert {path.name for path in studies.iterdir()} == {"post", "unpaired"}
    assert (studies / "post" / "weights").exists()
    assert not (studies / "unpaired" / "weights").exists()
    for key, n_seeds in (("post", 3), ("unpaired", 2)):
        design = Folder(studies / key).design()
        assert design == STUDIES[key].design(DATASETS["digits"], WITH_STUDIES)
        assert design.seeds == tuple(range(n_seeds))
    assert not litter(with_studies / "claims")


def test_the_networks_of_the_shared_seeds_are_evaluated_under_all_conditions(with_studies: Path) -> None:
    ways = pq.read_table(with_studies / "claims" / "studies" / "post" / "ablation.parquet").to_pandas()
    assert {*ways.seed} == {0, 1}
    assert {*ways[ways["shift"] == "clean"].inference} >= {
        "none", "running", "population", "precise", "cumulative_all", "cumulative_last"
    }  # fmt: skip
    assert {*ways["shift"]} > {"clean", "rotate", "brightness"}


@pytest.mark.slow
def test_the_same_command_again_leaves_studies_as_they_are(with_studies: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in with_studies.rglob("*.parquet")}
    assert make(with_studies, extent=WITH_STUDIES) == 0
    assert {path: path.stat().st_mtime_ns for path in with_studies.rglob("*.parquet")} == before


def test_an_experiment_runs_where_a_row_that_is_asked_needs_it() -> None:
    digits, everything = DATASETS["digits"], only(*EXPERIMENTS)
    fixed = Fixed.begin(digits, everything, 0.05)
    impossible = {key for key, experiment in EXPERIMENTS.items() if experiment.why_not(digits)}
    assert {*fixed.experiments} == {*EXPERIMENTS} - impossible
    assert "post" in Fixed.begin(digits, only("post", "single-image"), 0.05).experiments
    alone = Fixed.begin(digits, only("single-image"), 0.05)  # whose networks are left out
    assert not {*alone.experiments}
    assert all(alone.why_not(row) for row in alone.rows)


@pytest.mark.slow
def test_processes_give_the_same_bytes_even_if_one_dies(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRAP, str(tmp_path))
    (tmp_path / "die-once").touch()
    assert make(tmp_path, "--workers", "2") == 0
    assert not (tmp_path / "die-once").exists()
    assert tables(tmp_path) == tables(whole)
    assert not litter(tmp_path / "claims")


@pytest.mark.slow
def test_a_unit_that_fails_in_a_process_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(TRAP, str(tmp_path))
    (tmp_path / "raise").touch()
    assert make(tmp_path, "--workers", "2") == 1
    assert capsys.readouterr().err.count("ZeroDivisionError: by the trap") == 3


@pytest.mark.slow
def test_a_search_is_part_of_a_ledger(tmp_path: Path) -> None:
    extent = only("tuned")
    assert make(tmp_path, extent=extent) == 0
    study = tmp_path / "claims" / "studies" / "tuned"
    before = {path: path.stat().st_mtime_ns for path in study.glob("*.parquet")}
    assert {path.stem for path in before} == {"trials", "records", "runs", "labels"}
    assert {*pq.read_table(study / "trials.parquet").to_pandas().batch_size} == {32}
    assert make(tmp_path, extent=extent) == 0
    assert {path: path.stat().st_mtime_ns for path in study.glob("*.parquet")} == before


def test_every_extent_of_these_tests_is_one_of_the_program() -> None:
    assert {*OURS} == {*EXPERIMENTS} - {*STUDIES, "tuned"}
    assert BARE.name == "full"


def test_a_study_that_was_killed_before_its_tables_were_made_goes_on(with_studies: Path, tmp_path: Path) -> None:
    out = copy(with_studies, tmp_path)
    post = out / "claims" / "studies" / "post"
    whole = (post / "runs.parquet").read_bytes()
    (post / "runs.parquet").unlink()
    assert make(out, extent=WITH_STUDIES) == 0
    (post / "runs.parquet").write_bytes(whole[:-1])
    assert make(out, extent=WITH_STUDIES) == 0
    assert (post / "runs.parquet").read_bytes() == whole


def test_damaged_labels_of_a_study_are_made_again(with_studies: Path, tmp_path: Path) -> None:
    labels = copy(with_studies, tmp_path) / "claims" / "studies" / "post" / "labels.parquet"
    whole = labels.read_bytes()
    labels.write_bytes(whole[:-1])
    assert make(tmp_path, extent=WITH_STUDIES) == 0
    assert labels.read_bytes() == whole


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_ledger_of_other_images_than_its_studies_is_refused(
    options: tuple[str, ...], with_studies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy(with_studies, tmp_path) / "claims" / "manifest.json"
    values = json.loads(path.read_text())
    values["data"]["sha256"] = {"train": "0" * 64}
    path.write_text(json.dumps(values))
    assert make(tmp_path, *options, extent=WITH_STUDIES) == 2
    told = capsys.readouterr().err
    assert "names other images in data.sha256 than those on which its study post was trained. Restore it" in told
    assert told.count("\n") == 1


def test_a_study_of_a_ledger_is_extended_by_no_other_command(
    with_studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--out", str(with_studies / "claims" / "studies"), "--study-id", "post", "--dataset", "digits"]
    assert run.main([*options, "--seeds", "9"]) == 2
    assert "belongs to the ledger" in capsys.readouterr().err


def test_a_study_that_the_ledger_did_not_fix_is_not_reported(with_studies: Path, tmp_path: Path) -> None:
    studies = copy(with_studies, tmp_path) / "claims" / "studies"
    shutil.rmtree(studies / "post")
    shutil.copytree(studies / "unpaired", studies / "post")
    with pytest.raises(AnalysisError, match="is another study than the ledger fixed"):
        load(tmp_path / "claims")


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_study_without_its_manifest_is_named_with_the_way_on(
    options: tuple[str, ...], with_studies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    post = copy(with_studies, tmp_path) / "claims" / "studies" / "post"
    (post / "manifest.json").unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert make(tmp_path, *options, extent=WITH_STUDIES) == 3
    told = capsys.readouterr().err
    assert told.startswith(f"study.claims: {post / 'manifest.json'} is lost")
    assert told.endswith(f"move {post} away and repeat the command, which trains it again.\n")
    assert told.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("damaged", [False, True])
def test_a_study_whose_networks_are_needed_and_not_there_is_trained_again_once_it_was_moved_away(
    damaged: bool, with_studies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    post = copy(with_studies, tmp_path) / "claims" / "studies" / "post"
    for path in post.glob("weights/*"):
        path.write_bytes(path.read_bytes()[:-1]) if damaged else path.unlink()
    shutil.rmtree(post / "ablation")
    assert make(tmp_path, extent=WITH_STUDIES) == 3
    (told,) = capsys.readouterr().err.splitlines()
    assert ("cannot be read: " if damaged else "is missing: ") in told
    assert told.endswith(f" Restore it, or move {post} away and repeat the command, which trains it again.")
    post.rename(tmp_path / "away")
    assert make(tmp_path, extent=WITH_STUDIES) == 0
    tables_of = [pq.read_table(folder / "claims/studies/post/ablation.parquet") for folder in (with_studies, tmp_path)]
    assert tables_of[0] == tables_of[1]


@pytest.mark.parametrize("lost", [["measurements.parquet"], ["measurements.parquet", "parts"]])
def test_rules_to_which_nothing_is_bound_are_not_reported(lost: list[str], with_studies: Path, tmp_path: Path) -> None:
    folder = copy(with_studies, tmp_path) / "claims"
    for name in lost:
        shutil.rmtree(folder / name) if name == "parts" else (folder / name).unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["rows"][0]["rule"]["bound"] = -99.0
    manifest.pop("tables", None)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(AnalysisError, match="fixed before"):
        load(folder)
