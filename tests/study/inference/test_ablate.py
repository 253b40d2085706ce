"""The command that evaluates trained networks, from outside: what is done, what is not, stops, and bad input."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save

from study import ablate, run
from study.data import dataset
from study.data.lazy import ImageSource
from study.errors import UsageError
from study.inference import complete
from study.runner.outcome import Terminated
from study.runner.progress import Progress
from study.spec.inference import conditions
from study.store import parts, parts_folder, study_folder, weights
from study.store.inference_tables import COLUMNS, LATER, Store, read_table
from study.store.study_folder import Folder
from tests.conftest import SMALL

HIDDEN = ("--hidden", "12", "9", "--epochs", "1")
FEW = tuple(conditions.Condition(*key) for key in (("clean", 0), ("gain", 5), ("background", 2), ("one_class", 0)))
CLEAN_TABLES = ("statistics", "swaps", "compositions")
GROUPS = 4  # 2 batch sizes, 2 arms
PARTS = GROUPS * len(FEW) + 2 * (len(CLEAN_TABLES) + 1)  # with batch norm, the further ways too

StudyRun = Callable[..., int]
slow = partial(pytest.param, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 16 runs that was trained and not evaluated; copy it."""
    out = tmp_path_factory.mktemp("trained")
    options = [*SMALL, *HIDDEN, "--no-ablation", "--seeds", "2", "--out", str(out), "--study-id", "s"]
    assert run.main(options) == 0
    return out / "s"


@pytest.fixture
def study(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "s")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four conditions instead of 71: what is to be done is the same."""
    monkeypatch.setattr(conditions, "CONDITIONS", FEW)


@pytest.fixture(scope="module")
def whole(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The tables of an evaluation by one process that nobody stopped, under four conditions."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("whole") / "s")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "CONDITIONS", FEW)
        assert evaluate(folder) == 0
    assert len(committed(folder)) == PARTS
    return tables(folder)


def evaluate(folder: Path, *options: str) -> int:
    return ablate.main([str(folder), "--workers", "1", "--quiet", *options])


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"{name}.parquet").read_bytes() for name in COLUMNS}


def committed(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "ablation").iterdir()}


def contents(folder: Path) -> dict[Path, bytes]:
    """Everything in a folder but its locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".ablating")
    return {path: path.read_bytes() for path in files}


def refused(said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By one sentence."""
    error = capsys.readouterr().err
    assert error.startswith("study.ablate: ")
    assert said in error
    assert "Traceback" not in error
    assert error.count("\n") == 1


# what is done


def test_every_run_is_evaluated_under_every_condition(study: Path) -> None:
    """All 71, by the whole command: 63 trials of the clean test images, 12 under the other conditions."""
    assert evaluate(study) == 0
    table = pd.read_parquet(study / "ablation.parquet")
    for arm, n_rows in (("bn", 63 + 70 * 12), ("no_bn", 71)):
        counts = table[table.arm == arm].groupby("run_id").size()
        assert counts.tolist() == [n_rows] * 8
    assert len(table[["shift", "severity"]].drop_duplicates()) == 71
    keys = ["run_id", "shift", "severity", "inference", "order", "eval_batch_size"]
    assert not table.duplicated(keys).any()
    assert set(table.study_id) == {"s"}
    for name in CLEAN_TABLES:
        assert pd.read_parquet(study / f"{name}.parquet").run_id.nunique() == 8


def test_the_rows_are_sorted_by_batch_size_rate_seed_and_arm_and_then_by_what_was_evaluated(
    whole: dict[str, bytes],
) -> None:
    table = pd.read_parquet(io.BytesIO(whole["ablation"]))
    keys = ["batch_size", "lr", "seed", "arm", "shift", "severity", "inference", "order", "eval_batch_size"]
    expected = table.sort_values(keys, kind="stable")[keys]
    assert expected.reset_index(drop=True).equals(table[keys])


def test_the_running_rows_repeat_the_records(study: Path) -> None:
    assert evaluate(study, "--clean") == 0
    table = pd.read_parquet(study / "ablation.parquet").set_index("run_id")
    records = pd.read_parquet(study / "records.parquet")
    last = records[(records.epoch == 1) & (records.split == "test")].set_index("run_id").n_correct
    for way in ("running", "none"):
        own = table[table.inference == way].n_correct
        assert len(own) == 8
        assert own.eq(last.loc[own.index]).all()


def test_clean_evaluates_the_images_as_they_are_and_the_rest_follows(
    few: None, study: Path, whole: dict[str, bytes]
) -> None:
    assert evaluate(study, "--clean") == 0
    assert set(pd.read_parquet(study / "ablation.parquet")["shift"]) == {"clean"}
    first = committed(study)
    assert evaluate(study) == 0
    assert first.items() < committed(study).items()
    assert tables(study) == whole


def test_the_same_command_again_writes_nothing_and_loads_no_images(
    few: None, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert evaluate(study) == 0
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*.parquet")}

    def refuse(*_: object) -> None:
        raise AssertionError("images were asked for")

    monkeypatch.setattr(dataset, "load", refuse)
    monkeypatch.setattr(weights.Networks, "read", refuse)
    assert evaluate(study) == 0
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*.parquet")} == before


def test_what_is_complete_imports_no_torch(study: Path) -> None:
    command = [*SMALL, *HIDDEN, "--seeds", "2", "--out", str(study.parent), "--study-id", "s"]
    assert run.main(command) == 0
    assert evaluate(study, "--clean") == 0
    before = contents(study)
    script = (
        f"import sys\nfrom study import ablate, run\nassert run.main({command}) == 0\n"
        f"assert ablate.main(['{study}', '--clean', '--quiet']) == 0\n"
        "assert not {'torch', 'torchvision', 'sklearn', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert contents(study) == before


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("ablation", lambda content: content[:-1]),
        ("statistics", lambda content: content + b"x"),
        ("swaps", lambda content: b""),
        ("compositions", lambda content: content[1:]),
    ],
)
def test_a_damaged_part_of_any_table_is_made_again(name: str, damage: Callable[[bytes], bytes], study: Path) -> None:
    assert evaluate(study, "--clean") == 0
    sound, whole = {path.name: path.read_bytes() for path in (study / "ablation").iterdir()}, tables(study)
    path = next((study / "ablation").glob(f"{name}-*"))
    path.write_bytes(damage(path.read_bytes()))
    assert evaluate(study, "--clean") == 0
    assert tables(study) == whole
    assert {path.name: path.read_bytes() for path in (study / "ablation").iterdir()} == sound


def test_a_part_whose_name_is_true_and_that_is_no_table_is_left_aside(
    few: None, study: Path, whole: dict[str, bytes]
) -> None:
    (study / "ablation").mkdir()
    (study / "ablation" / f"ablation-{hashlib.sha256(b'no parquet').hexdigest()[:32]}.parquet").write_bytes(
        b"no parquet"
    )
    assert evaluate(study) == 0
    assert tables(study) == whole


def test_a_damaged_table_is_mended_from_the_parts(few: None, study: Path, whole: dict[str, bytes]) -> None:
    assert evaluate(study) == 0
    before = committed(study)
    (study / "swaps.parquet").write_bytes(whole["swaps"][:-5])
    (study / "ablation.parquet").unlink()
    assert evaluate(study) == 0
    assert tables(study) == whole
    assert committed(study) == before


def test_seeds_that_are_added_later_extend_the_tables(
    few: None, study_run: StudyRun, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    assert study_run(*HIDDEN, "--no-ablation", "--seeds", "1") == 0
    assert evaluate(tmp_path / "s") == 0
    first = committed(tmp_path / "s")
    assert study_run(*HIDDEN, "--seeds", "2") == 0  # the clean part of it
    assert evaluate(tmp_path / "s") == 0
    assert first.items() < committed(tmp_path / "s").items()
    assert tables(tmp_path / "s") == whole


def test_two_threads_make_the_tables_of_one(few: None, study: Path, whole: dict[str, bytes]) -> None:
    assert evaluate(study, "--workers", "2") == 0
    assert tables(study) == whole


def test_groups_of_any_size_make_the_same_tables(
    few: None, study: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complete, "NETWORKS_PER_GROUP", 3)
    assert evaluate(study) == 0
    assert tables(study) == whole


def test_without_a_folder_the_study_that_was_trained_last_is_taken(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for age, name in enumerate(("newest", "older", "no-networks")):
        copy = shutil.copytree(trained, tmp_path / name)
        os.utime(copy / "manifest.json", (time.time() - age, time.time() - age))
    os.utime(copy / "manifest.json")
    shutil.rmtree(copy / "weights")
    assert ablate.main(["--out", str(tmp_path), "--clean", "--workers", "1"]) == 0
    newest = tmp_path / "newest"
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == f"{newest} is evaluated. Make the report: python -m analysis.report {newest}"
    )


# study.run


def test_study_run_evaluates_the_clean_part_by_itself_unless_told_otherwise(
    study_run: StudyRun, tmp_path: Path
) -> None:
    one = (*HIDDEN, "--seeds", "1", "--lrs", "0.01")
    assert study_run(*one, "--no-ablation") == 0
    assert not (tmp_path / "s" / "ablation.parquet").exists()
    shutil.copytree(tmp_path / "s", tmp_path / "copy")
    assert study_run(*one) == 0
    for table in read_all(tmp_path / "s").values():
        assert {*table["shift"].to_pylist()} == {"clean"} if "shift" in table.column_names else True
    assert evaluate(tmp_path / "s", "--clean") == 0
    assert evaluate(tmp_path / "copy", "--clean") == 0
    assert tables(tmp_path / "s") == tables(tmp_path / "copy")


def in_detail(folder: Path) -> set[tuple[int, float]]:
    """The cells whose networks with batch norm have all 63 ways, and those with swaps, which are the same."""
    ways = pd.read_parquet(folder / "ablation.parquet").query("arm == 'bn' and shift == 'clean'")
    n_ways = ways.groupby(["batch_size", "lr", "seed"]).size()
    assert {*n_ways} <= {11, 63}
    cells = {key[:2] for key in n_ways.index[n_ways == 63]}
    for name in CLEAN_TABLES:
        table = pd.read_parquet(folder / f"{name}.parquet")
        assert {*zip(table.batch_size, table.lr, strict=True)} == cells
    return cells


def test_study_run_evaluates_the_tutorials_cell_in_detail_and_the_others_in_the_main_ways(
    study_run: StudyRun, tmp_path: Path
) -> None:
    grid = (*HIDDEN, "--seeds", "2", "--batch-sizes", "32", "64")
    assert study_run(*grid) == 0
    assert in_detail(tmp_path / "s") == {(32, 0.01)}
    before = committed(tmp_path / "s")
    assert study_run(*grid) == 0
    assert committed(tmp_path / "s") == before
    assert evaluate(tmp_path / "s", "--clean") == 0
    assert len(in_detail(tmp_path / "s")) == 4
    assert before.items() < committed(tmp_path / "s").items(), "nothing that study.run left is made again"


def test_without_the_tutorials_cell_the_best_one_is_evaluated_in_detail(study_run: StudyRun, tmp_path: Path) -> None:
    """By the mean accuracy of the last three epochs; when more seeds make another the best, it gets its details."""
    grid = ("--hidden", "12", "9", "--epochs", "4", "--lrs", "0.0001", "0.02")
    assert study_run(*grid, "--seeds", "2") == 0
    table = pd.read_parquet(tmp_path / "s" / "records.parquet").query("split == 'test' and arm == 'bn' and epoch > 1")
    assert in_detail(tmp_path / "s") == {table.groupby(["batch_size", "lr"]).accuracy.mean().idxmax()}


def test_parts_of_one_draw_for_all_networks_are_made_again_and_never_mixed(study: Path) -> None:
    """As an earlier program left them: without the column draw_seed."""
    assert evaluate(study, "--clean") == 0
    expected, design = tables(study), Folder(study).design()
    assert design
    for name in ("swaps", "compositions"):
        for path in (study / "ablation").glob(f"{name}-*"):
            table = pq.read_table(path)
            table = table.drop_columns([column for column in LATER if column in table.column_names])
            path.unlink()
            parts.write(study / "ablation", name, table)
    old = committed(study)
    assert {one.table for _, one in Store(study).done(design)} == {"ablation", "statistics"}
    assert evaluate(study, "--clean") == 0
    assert tables(study) == expected
    made = committed(study).keys() - old.keys()
    assert {name.split("-")[0] for name in made} == {"swaps", "compositions"}


def test_a_table_of_one_draw_for_all_networks_is_read_as_such(study: Path) -> None:
    assert evaluate(study, "--clean") == 0
    drawn = read_table(study, "swaps")
    assert drawn
    assert drawn["draw_seed"].equals(drawn["seed"])
    content = parts.encode(drawn.drop_columns([*LATER]))
    study_folder.Folder(study).write_tables({"swaps": content})
    old = read_table(study, "swaps")
    assert old
    assert {*old["draw_seed"].to_pylist()} == {0}
    assert {*old["running_flips"].to_pylist()} == {None}
    assert old.drop_columns([*LATER]).equals(drawn.drop_columns([*LATER]))


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt, 130), slow(Terminated, 143)])
def test_study_run_stopped_while_it_evaluates_goes_on(
    stop: type[BaseException],
    code: int,
    study_run: StudyRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = (*HIDDEN, "--seeds", "1", "--lrs", "0.01")
    assert study_run(*one, "--study-id", "whole") == 0
    stop_after(2, monkeypatch, stop)
    assert study_run(*one) == code
    assert "repeat the command to continue" in capsys.readouterr().err
    monkeypatch.undo()
    assert len(committed(tmp_path / "s")) == 2
    assert study_run(*one) == 0
    expected = {name: table.drop_columns("study_id") for name, table in read_all(tmp_path / "whole").items()}
    assert {name: table.drop_columns("study_id") for name, table in read_all(tmp_path / "s").items()} == expected


def read_all(folder: Path) -> dict[str, pa.Table]:
    found = {name: read_table(folder, name) for name in COLUMNS}
    return {name: table.replace_schema_metadata() for name, table in found.items() if table is not None}


def test_a_study_whose_networks_with_batch_norm_all_diverged_is_complete(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_run("--seeds", "1", "--lrs", "1e20", "--batch-sizes", "64") == 0
    assert set(pd.read_parquet(tmp_path / "s" / "runs.parquet").status) == {"diverged"}
    assert evaluate(tmp_path / "s") == 2
    refused("has no trained run with batch normalisation", capsys)


def test_a_diverged_run_is_not_evaluated_and_its_neighbours_are(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run("--seeds", "1", "--lrs", "0.01", "1e20", "--batch-sizes", "64") == 0
    table = pd.read_parquet(tmp_path / "s" / "ablation.parquet")
    assert table.groupby("arm").lr.unique().map(list).to_dict() == {"bn": [0.01], "no_bn": [0.01]}


# stops


def stop_after(n: int, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException] = KeyboardInterrupt) -> None:
    """Of ``n`` commits, at the next."""
    commit, commits = Store.commit, iter(range(n))

    def counted(self: Store, *of_group: object) -> None:
        if next(commits, None) is None:
            raise stop
        commit(self, *of_group)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "commit", counted)


@pytest.mark.parametrize("n", [0, slow(1), 6, slow(PARTS - 1)])
def test_stopped_between_two_commits_and_started_again_gives_equal_bytes(
    n: int, few: None, study: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(n, patch)
        assert evaluate(study) == 130
    before = committed(study) if n else {}
    assert not (study / "ablation.parquet").exists()
    assert not list(study.glob(".data*"))
    assert evaluate(study) == 0
    assert tables(study) == whole
    assert before.items() <= committed(study).items()
    assert len(committed(study)) == PARTS


@pytest.mark.parametrize("n", [slow(1), 3, slow(PARTS - 1), slow(PARTS), PARTS + 2, slow(PARTS + 4)])
def test_stopped_between_two_files_and_started_again_gives_equal_bytes(
    n: int, few: None, study: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a commit, whose rows of the ablation come last; between the tables; and before their digests are kept."""
    write, writes = parts.write_atomically, iter(range(n))

    def counted(path: Path, content: bytes) -> None:
        if next(writes, None) is None:
            raise KeyboardInterrupt
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(parts, "write_atomically", counted)
        patch.setattr(parts_folder, "write_atomically", counted)
        assert evaluate(study) == 130
    assert evaluate(study) == 0
    assert tables(study) == whole


def test_an_error_of_a_thread_is_one_sentence_here_and_ends_the_others(
    study: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = sorted((study / "weights").iterdir())[0]
    path.unlink()
    before = set(threading.enumerate())
    assert evaluate(study, "--clean", "--workers", "2") == 2
    refused(f"{path} is missing", capfd)
    assert set(threading.enumerate()) == before


def test_when_the_lock_is_given_back_no_thread_is_at_work(
    few: None, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is told leaves, as under ``| head``; looked at while the error and all that it holds still lives."""
    folder = Folder(study)
    design, before, during = folder.design(), set(threading.enumerate()), None

    class Left(Progress):
        def evaluated(self, n_networks: int, work: float) -> None:
            raise BrokenPipeError

    assert design
    try:
        runs = complete.trained(folder, design)
        extent = complete.Extent()
        complete.complete_evaluation(
            folder, design, runs, ImageSource(design.data, study), "cpu", extent, 2, Left(quiet=True)
        )
    except BrokenPipeError:
        during = set(threading.enumerate())
    assert during == before


@pytest.fixture
def at_work(study: Path) -> Iterator[subprocess.Popen]:
    """The command with two threads at work, after the first commit."""
    command = [sys.executable, "-m", "study.ablate", str(study), "--workers", "2", "--quiet"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(study.glob("ablation/*.parquet")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stderr
    process.stderr.close()


def test_ctrl_c_ends_the_threads_soon_with_130_and_no_traceback(at_work: subprocess.Popen) -> None:
    began = time.monotonic()
    os.killpg(at_work.pid, signal.SIGINT)
    _, error = at_work.communicate(timeout=30)
    assert at_work.returncode == 130
    assert error.count("\n") == 1
    assert "repeat the command to continue" in error
    assert time.monotonic() - began < 5


def test_after_a_kill_the_next_command_mends_the_rest(
    at_work: subprocess.Popen, study: Path, few: None, whole: dict[str, bytes]
) -> None:
    at_work.kill()
    at_work.wait()
    assert evaluate(study) == 0
    table, expected = (pd.read_parquet(where) for where in (study / "ablation.parquet", io.BytesIO(whole["ablation"])))
    wanted = pd.MultiIndex.from_tuples([(condition.name, condition.severity) for condition in FEW])
    found = table[pd.MultiIndex.from_frame(table[["shift", "severity"]]).isin(wanted)]
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected)


# bad input


def spoil_other_hidden(study: Path) -> None:
    folder = Folder(study)
    design = folder.design()
    assert design
    found = weights.Networks(study, design)
    for path in (study / "weights").iterdir():
        runs = [run for run in design.runs if found.path(run) == path]
        shapes = {run: weights.shapes(replace(design, hidden=(12, 8)), run.arm, run.cell) for run in runs}
        other = {
            f"{design.run_id(run)}/{name}": np.zeros(shape, np.float32)
            for run in runs
            for name, shape in shapes[run].items()
        }
        path.write_bytes(save(other))


def spoil_truncated(study: Path) -> None:
    for path in (study / "weights").iterdir():
        path.write_bytes(path.read_bytes()[:-9])


def spoil_missing(study: Path) -> None:
    next((study / "weights").iterdir()).unlink()


def spoil_all_missing(study: Path) -> None:
    shutil.rmtree(study / "weights")


def spoil_other_images(study: Path) -> None:
    manifest = json.loads((study / "manifest.json").read_text())
    manifest["data"]["sha256"]["digits-split"] = "other"
    (study / "manifest.json").write_text(json.dumps(manifest))


def spoil_no_runs(study: Path) -> None:
    (study / "runs.parquet").unlink()


def spoil_runs(study: Path) -> None:
    (study / "runs.parquet").write_bytes((study / "runs.parquet").read_bytes()[:-9])


def spoil_manifest(study: Path) -> None:
    (study / "manifest.json").write_text("{")


def spoil_no_study(study: Path) -> None:
    (study / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (spoil_other_hidden, 2, "holds a network of another design: linears.1.bias is (8,), this study has (9,)"),
        (spoil_truncated, 2, "cannot be read: "),
        (spoil_missing, 2, "is missing: trained before networks were kept, or removed"),
        (spoil_all_missing, 2, "is missing: trained before networks were kept, or removed"),
        (spoil_other_images, 2, "holds other images than those that"),
        (spoil_no_runs, 2, "does not exist. Repeat the study's own command to make it; manifest.json names it."),
        (spoil_runs, 2, "cannot be read: its sha256 is not the one in manifest.json"),
        (spoil_manifest, 3, "cannot be read"),
        (spoil_no_study, 2, "holds no study (no manifest.json). Train one first: python -m study.run --out "),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_overwritten(
    spoil: Callable[[Path], None], code: int, said: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After an evaluation of the clean images, whose tables must stay."""
    assert evaluate(study, "--clean") == 0
    for path in (study / "ablation").glob("ablation-*"):
        path.unlink()
    spoil(study)
    before = contents(study)
    assert evaluate(study, "--clean") == code
    refused(said, capsys)
    after = contents(study)
    assert before.items() <= after.items()
    assert all("ablation" in path.parts for path in after.keys() - before.keys())


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ("--workers -1", 2, "--workers -1: give 1 or more"),
        ("--device tpu", 2, "--device 'tpu': choose cpu, cuda or cuda:0"),
        ("--device cuda:99", 3, "--device cuda:99: torch sees"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_makes_nothing(
    options: str, code: int, said: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(study)
    assert evaluate(study, *options.split()) == code
    refused(said, capsys)
    assert contents(study) == before


def test_a_study_without_batch_norm_has_nothing_to_compare(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_run("--arms", "no_bn", "--seeds", "1", "--epochs", "1") == 0
    before = contents(tmp_path / "s")
    assert evaluate(tmp_path / "s") == 2
    refused("s has no trained run with batch normalisation, so there are no inference modes to compare", capsys)
    assert contents(tmp_path / "s") == before


@pytest.mark.parametrize("name", ["nowhere", "empty", "file"])
def test_a_folder_without_a_study_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert evaluate(tmp_path / name) == (3 if name == "file" else 2)
    refused(str(tmp_path / name), capsys)
    assert ablate.main(["--out", str(tmp_path / name)]) == 2
    refused(f"there is no study with trained networks under {tmp_path / name}", capsys)


def test_a_disk_that_is_full_is_an_error_in_words(
    few: None, study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert evaluate(study) == 3
    refused("No space left on device", capsys)
    assert not (study / "ablation.parquet").exists()


def test_a_table_that_cannot_be_read_is_an_error_in_words(few: None, study: Path) -> None:
    assert read_table(study, "ablation") is None
    assert evaluate(study) == 0
    table = read_table(study, "ablation")
    assert table is not None
    path = study / "ablation.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(
        UsageError, match=r"ablation\.parquet cannot be read: .*Remove it, then evaluate again: python -m study.ablate "
    ):
        read_table(study, "ablation")
    pq.write_table(table.drop_columns("ece"), path)
    with pytest.raises(UsageError, match=r"its sha256 is not the one in manifest\.json"):
        read_table(study, "ablation")
    study_folder.Folder(study).write_tables({"ablation": path.read_bytes()})
    with pytest.raises(UsageError, match=r"has the columns \['study_id', .*\]; expected \['study_id', .*'ece'"):
        read_table(study, "ablation")
