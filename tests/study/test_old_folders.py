"""Folders that an earlier program made live on: this one resumes, extends and reports them.

What tests/fixtures holds, by commit, is told in tests/fixtures/make.py. No number is compared with one that was trained
elsewhere, since bits may follow the processor: what is checked is that the old ones stay as they are.
"""

import html
import json
import shlex
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis.report import __main__ as report
from study import ablate, read, run, tune
from study.engine import registry
from study.spec.cohorts import missing_runs
from study.spec.design import Design
from study.store import weights
from study.store.inference_tables import COLUMNS, Store
from study.store.manifest import Manifest, session_of
from study.store.study_folder import JOURNAL, Folder
from tests import ROOT
from tests.fixtures.make import SUFFIX
from tests.study.studies import LOCKS, litter

pytestmark = pytest.mark.usefixtures("without_drawings")
ARCHIVES = {
    f"{path.parent.name}-{path.name.removesuffix(SUFFIX)}": path
    for path in sorted((ROOT / "tests" / "fixtures").glob(f"*/*{SUFFIX}"))
}
"""By commit and study."""
HALF, WHOLE = ("half", "half-torch"), ("modes", "tuned", "clean")
WIDENED = ("epoch", "first_bad_epoch", "severity", "layer")
"""Columns of 8 or 16 bits in schema version 1."""
COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "study.run": run.main,
    "study.tune": tune.main,
    "study.ablate": ablate.main,
    "analysis.report": report.main,
}


def study_of(path: Path) -> str:
    """The name of the study in an archive."""
    return path.name.removesuffix(SUFFIX)


def of(*names: str) -> pytest.MarkDecorator:
    """A test of these studies, of every commit that left them; the oldest of a kind is tried by the fast tests."""
    kept = {name: path for name, path in ARCHIVES.items() if study_of(path) in names}
    oldest = {study_of(path): name for name, path in reversed(kept.items())}
    found = [
        pytest.param(path, id=name, marks=[] if name in oldest.values() else [pytest.mark.slow])
        for name, path in kept.items()
    ]
    return pytest.mark.parametrize("study", found, indirect=True)


@pytest.fixture
def study(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a study as an earlier program left it; its files are of 1970."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / study_of(request.param)


@pytest.fixture
def trainable(study: Path) -> Path:
    """The same, on a machine that can train more of it."""
    if manifest_of(study)["device"]["engine"].startswith("kernel"):
        reason = registry.why_no_kernel(design_of(study), "cpu")
        if reason is not None:
            pytest.skip(f"a study of the kernel: {reason}")
    return study


def manifest_of(study: Path) -> Manifest:
    manifest = Folder(study).read_manifest()
    assert manifest
    return manifest


def design_of(study: Path) -> Design:
    return Design.from_dict(manifest_of(study)["design"])


def sessions(study: Path) -> list[dict]:
    """What the manifest says of every command, the last one at the end."""
    manifest = manifest_of(study)
    return [*manifest["earlier"], session_of(manifest)]


def again(study: Path, *options: str) -> int:
    """The command that stands in the manifest, of the whole study and not of a shard; later options override."""
    _, _, program, *words = shlex.split(manifest_of(study)["argv"])
    whole = ["--shard", "1/1"] if "--shard" in words else []
    return COMMANDS[program]([*words, *whole, "--out", str(study.parent), *options])


def committed(study: Path) -> dict[str, tuple[bytes, int]]:
    """What parts, networks and parts of the inference modes hold, and when they were written."""
    paths = [path for name in ("parts", "weights", "ablation") for path in (study / name).glob("[!.]*")]
    return {str(path.relative_to(study)): (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def trained(study: Path) -> list[str]:
    """The runs of every part."""
    return [run_id for part in Folder(study).read_parts() for run_id in part["run_id"].to_pylist()]


def planned(design: Design) -> list[str]:
    """The runs that can be trained."""
    return [design.run_id(run) for run in missing_runs(design, done=())]


def table(study: Path, name: str) -> pd.DataFrame:
    """A parquet table, the types of whose columns do not follow from what is missing in them, nor from the version."""
    found = pd.read_parquet(study / f"{name}.parquet", dtype_backend="numpy_nullable")
    return found.astype({name: "Int32" for name in WIDENED if name in found})


def assert_whole(study: Path) -> None:
    """Every run that can be trained was, once; both tables have every run of the design."""
    design = design_of(study)
    assert sorted(trained(study)) == sorted(planned(design))
    everything = [design.run_id(run) for run in design.runs]
    assert sorted(table(study, "runs").run_id) == sorted(everything)
    assert Counter(table(study, "records").run_id) == dict.fromkeys(everything, 2 * (design.epochs + 1))
    assert litter(study) == []


def extend(study: Path, *options: str) -> None:
    """Ask for two more seeds: they are trained, and what was committed or looked at is as it was."""
    before, design, manifest = committed(study), design_of(study), manifest_of(study)
    longer = replace(design, seeds=tuple(range(len(design.seeds) + 2)))
    assert again(study, "--seeds", str(len(longer.seeds)), *options) == 0
    assert design_of(study) == longer
    assert_whole(study)
    assert before.items() <= committed(study).items()
    assert manifest_of(study)["looks"] == manifest["looks"]
    assert manifest_of(study).get("analysis_rule") == manifest.get("analysis_rule")


def test_there_are_folders_of_an_earlier_program() -> None:
    assert {*HALF, *WHOLE} <= {study_of(path) for path in ARCHIVES.values()}


@of(*HALF, *WHOLE)
def test_a_folder_says_which_commit_made_it(study: Path, request: pytest.FixtureRequest) -> None:
    for session in sessions(study):
        assert session["git"]["commit"].startswith(request.node.callspec.id.split("-")[0])
        assert not session["git"]["dirty"]


# --- training


@of(*HALF)
def test_the_same_command_trains_what_is_missing_and_nothing_else(trainable: Path) -> None:
    before, said = committed(trainable), sessions(trainable)
    assert 0 < len(trained(trainable)) < len(planned(design_of(trainable)))
    assert again(trainable) == 0
    assert_whole(trainable)
    assert before.items() <= committed(trainable).items()
    assert sessions(trainable)[:-1] == said


@of(*WHOLE)
def test_the_same_command_leaves_a_whole_study_as_it_is(trainable: Path) -> None:
    before, said = committed(trainable), sessions(trainable)
    assert_whole(trainable)
    assert again(trainable) == 0
    assert_whole(trainable)
    assert len(read(trainable, "labels")) == design_of(trainable).data.n_test
    assert before.items() <= committed(trainable).items()
    assert all("ablation" in Path(name).parts for name in committed(trainable).keys() - before.keys())
    assert sessions(trainable) == said


@of("modes", "tuned")
def test_a_folder_whose_runs_began_without_a_rule_takes_none(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(study)
    assert again(study, "--alpha", "0.05") == 2
    assert f"--alpha 0.05: {study} fixed no alpha before its first run. Leave it out" in capsys.readouterr().err
    assert files(study) == before


@of(*HALF)
def test_a_longer_list_of_seeds_extends_a_study(trainable: Path) -> None:
    extend(trainable, "--no-ablation")


@of(*HALF)
def test_a_damaged_part_is_set_aside_and_its_runs_train_again(
    trainable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, path, all_runs = committed(trainable), min((trainable / "parts").iterdir()), set(trained(trainable))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    lost = all_runs.difference(trained(trainable))
    assert 0 < len(lost) < len(all_runs)
    assert again(trainable, "--no-ablation") == 0
    assert f"{path.name} was damaged and moved to {trainable / 'quarantine'}" in capsys.readouterr().err
    assert (trainable / "quarantine" / path.name).read_bytes() == content
    assert_whole(trainable)
    others = {name: kept for name, kept in before.items() if Path(name).stem not in {path.stem, *lost}}
    assert others.items() <= committed(trainable).items()


# --- inference modes


def evaluated(study: Path) -> dict[str, pd.DataFrame]:
    return {name: table(study, name) for name in COLUMNS}


@of("modes")
def test_inference_modes_are_not_evaluated_again_but_for_draws_that_all_networks_shared(trainable: Path) -> None:
    before, tables = committed(trainable), evaluated(trainable)
    assert ablate.main([str(trainable), "--workers", "1", "--quiet"]) == 0
    after = committed(trainable)
    assert before.items() <= after.items()
    assert {Path(name).name.split("-")[0] for name in after.keys() - before.keys()} == {"swaps", "compositions"}
    for name in ("ablation", "statistics"):
        assert evaluated(trainable)[name].equals(tables[name])
    for name in ("swaps", "compositions"):
        assert "draw_seed" not in tables[name]
        assert evaluated(trainable)[name].draw_seed.equals(evaluated(trainable)[name].seed)
        assert {*evaluated(trainable)[name].run_id} == {*tables[name].run_id}
    assert ablate.main([str(trainable), "--workers", "1", "--quiet"]) == 0
    assert committed(trainable) == after


@of("modes")
def test_a_report_says_that_all_networks_shared_one_draw(study: Path) -> None:
    assert report.main([str(study)]) == 0
    said = "All networks share one draw, made by an earlier program"
    assert said in (study / "report.html").read_text("utf-8")
    assert ablate.main([str(study), "--workers", "1", "--quiet"]) == 0
    assert report.main([str(study)]) == 0
    assert said not in (study / "report.html").read_text("utf-8")


@of("modes")
def test_new_seeds_get_their_inference_modes_beside_the_old_ones(trainable: Path) -> None:
    before = evaluated(trainable)
    extend(trainable)
    networks = table(trainable, "runs").query("status == 'ok'")
    for name, after in evaluated(trainable).items():
        old = after[after.run_id.isin(before[name].run_id)].reset_index(drop=True)
        assert old.equals(before[name]) or name in ("swaps", "compositions")
        assert {*after.run_id} == {*networks[(networks.arm == "bn") | (name == "ablation")].run_id}


# --- schema version 1


@of("clean")
def test_what_is_added_to_a_study_of_version_1_is_of_version_2_and_the_rest_stays(trainable: Path) -> None:
    manifest, before, tables = manifest_of(trainable), committed(trainable), evaluated(trainable)
    assert (manifest["schema_version"], manifest["device"]["engine"]) == (1, "kernel-1/cpu/float32")
    assert pd.read_parquet(trainable / "records.parquet").epoch.dtype == "int16"
    assert read(trainable, "records").epoch.dtype == "int32"
    extend(trainable)
    manifest, design = manifest_of(trainable), design_of(trainable)
    assert (manifest["schema_version"], manifest["device"]["engine"]) == (2, "kernel-1/float32")
    assert pd.read_parquet(trainable / "records.parquet").epoch.dtype == "int32"
    assert len(read(trainable, "labels")) == design.data.n_test
    rows = {row["run_id"]: row for part in Folder(trainable).read_parts() for row in part.to_pylist()}
    networks = weights.Networks(trainable, design)
    for one in design.runs:
        row, old = rows[design.run_id(one)], one.seed < 2
        assert networks.path(one).name == (f"{design.run_id(one)}.safetensors" if old else row["network_file"])
        assert (row["environment"] is None) == old
        assert old or row["environment"] in manifest["environments"]
        assert networks.read(one)
    made_by = Store(trainable).read("ablation", design).to_pandas()
    assert {*made_by[made_by.network_sha256.isna()].seed} == {0, 1}
    assert {*made_by[~made_by.network_sha256.isna()].network_sha256} == {
        networks.sha256(one) for one in design.runs if one.seed > 1
    }
    assert all(name in committed(trainable) for name in before)
    for name, found in evaluated(trainable).items():
        assert found[found.seed < 2].reset_index(drop=True).equals(tables[name])


@of("clean")
def test_a_study_of_version_1_keeps_to_its_engine_whose_name_had_the_device(
    trainable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(trainable)
    assert again(trainable, "--seeds", "3", "--engine", "torch") == 2
    assert "trained with the engine kernel-1/float32 and this command would use torch" in capsys.readouterr().err
    assert files(trainable) == before


# --- tuning


def trials_made(study: Path) -> list[dict]:
    """The lines of Optuna's journal that ask for a trial or tell what came of it."""
    lines = map(json.loads, (study / JOURNAL).read_text("utf-8").splitlines())
    return [line for line in lines if line["op_code"] in (4, 6)]


@of("tuned")
def test_a_tuning_that_is_done_makes_no_trial_again_whatever_seeds_follow(trainable: Path) -> None:
    made, trials = trials_made(trainable), table(trainable, "trials")
    assert again(trainable) == 0
    assert trials_made(trainable) == made
    extend(trainable)
    assert trials_made(trainable) == made
    assert table(trainable, "trials").equals(trials)


@of("tuned")
def test_a_tuning_goes_on_after_the_trials_that_were_told(trainable: Path) -> None:
    made, trials, n = trials_made(trainable), table(trainable, "trials"), manifest_of(trainable)["tuning"]["trials"]
    assert again(trainable, "--trials", str(n + 2)) == 0
    assert trials_made(trainable)[: len(made)] == made
    after, n_seeds = table(trainable, "trials"), manifest_of(trainable)["tuning"]["n_seeds"]
    assert after[after.trial < n].reset_index(drop=True).equals(trials)
    assert Counter(after.trial) == dict.fromkeys(range(n + 2), 2 * n_seeds)


@of("tuned")
def test_a_tuning_of_before_there_were_searches_gets_another(trainable: Path) -> None:
    made, trials = trials_made(trainable), table(trainable, "trials")
    assert again(trainable, "--searches", "2") == 0
    assert trials_made(trainable)[: len(made)] == made
    after = table(trainable, "trials")
    assert after[after.search == 1].drop(columns="search").reset_index(drop=True).equals(trials)
    assert (after.search == 2).sum() == len(trials)
    assert report.main([str(trainable)]) == 0
    assert json.loads((trainable / "report.json").read_text("utf-8"))["tuned"][0]["scope"] == "listed"


# --- reports


def headline(study: Path, capsys: pytest.CaptureFixture[str], fixed: bool = False) -> str:
    """That of a report which is written now, on the terminal and on the page; ``fixed``: its rule, before it ran."""
    assert report.main([str(study)]) == 0
    said: str = json.loads((study / "report.json").read_text("utf-8"))["verdicts"][0]["headline"]
    out = capsys.readouterr()
    assert said in out.out
    page = html.unescape((study / "report.html").read_text("utf-8"))
    assert said in page
    assert all(("were chosen after looking" in text) != fixed for text in (out.err, page))
    assert ("a margin of 0.2 points were fixed on 2026-11-30, before the first run" in page) == fixed
    return said


@of(*HALF, *WHOLE)
def test_a_folder_is_reported_as_it_was_found(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, fixed = committed(study), "analysis_rule" in manifest_of(study)
    assert "test accuracy on scikit-learn's digits" in headline(study, capsys, fixed)
    assert committed(study) == before


@pytest.mark.parametrize(
    "name", [pytest.param("reference-mnist", marks=pytest.mark.slow), "reference-mnist-tuned"], ids=["grid", "tuned"]
)
def test_a_shipped_study_is_reported_from_its_tables_alone(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped, but_reports = ROOT / "results" / name, shutil.ignore_patterns("report.*", "figures", "*.csv")
    study = Path(shutil.copytree(shipped, tmp_path / name, ignore=but_reports))
    before = json.loads((shipped / "report.json").read_text("utf-8"))
    assert committed(study) == {}
    assert headline(study, capsys, fixed=True) == before["verdicts"][0]["headline"]


# --- what is too old


def files(study: Path) -> dict[Path, bytes]:
    """Everything but locks."""
    paths = [path for path in study.rglob("*") if path.is_file() and path.name not in LOCKS]
    return {path: path.read_bytes() for path in paths if not path.name.startswith(".lock-")}


@pytest.fixture
def too_old(study: Path) -> Path:
    """The study, made by a program whose folders are no longer read."""
    path = study / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**manifest, "schema_version": 0}), "utf-8")
    return study


@of("modes")
@pytest.mark.parametrize("program", COMMANDS)
def test_a_folder_older_than_what_is_read_is_refused_in_one_sentence(
    program: str, too_old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, trains = files(too_old), program in ("study.run", "study.tune")
    place = ["--dataset", "digits", "--out", str(too_old.parent), "--study-id", too_old.name]
    assert COMMANDS[program](place if trains else [str(too_old)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{program}: {too_old / 'manifest.json'} was made by an older program (schema 0, ")
    assert error.count("\n") == 1
    assert files(too_old) == before
