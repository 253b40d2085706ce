"""The command from outside: exit codes, what is done and what is not, stops of every kind."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

from study import run, session, workers
from study.folder import Folder
from tests.conftest import SMALL

StudyRun = Callable[..., int]


def tables(folder: Path) -> tuple[bytes, ...]:
    return tuple((folder / f"{name}.parquet").read_bytes() for name in ("records", "runs"))


def parts(folder: Path) -> dict[str, float]:
    return {path.name: path.stat().st_mtime for path in (folder / "parts").iterdir()}


def test_the_command_of_the_contract_gives_24_runs_of_3_epochs_and_2_splits(tmp_path: Path) -> None:
    command = "--seeds 3 --batch-sizes 64 256 --lrs 0.01 0.1 --epochs 2 --dataset digits --study-id t --out"
    assert run.main([*command.split(), str(tmp_path)]) == 0
    table = pd.read_parquet(tmp_path / "t" / "records.parquet")
    assert len(table) == 24 * 3 * 2
    assert table.run_id.nunique() == 24
    assert sorted(table.epoch.unique()) == [0, 1, 2]
    assert sorted(table.split.unique()) == ["test", "train"]
    assert (table.n_correct / table.n_examples == table.accuracy).all()


def test_the_same_command_again_does_nothing(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run("--seeds", "2") == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "s").rglob("*.*") if path.suffix != ".lock"}
    assert study_run("--seeds", "2") == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_longer_lists_train_what_is_missing_and_give_the_same_tables(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run("--seeds", "1", "--lrs", "0.01") == 0
    first = parts(tmp_path / "s")
    assert study_run("--seeds", "2", "--lrs", "0.01", "0.1") == 0
    later = parts(tmp_path / "s")
    assert first.items() <= later.items()
    extended = tables(tmp_path / "s")
    assert study_run("--seeds", "2", "--out", str(tmp_path / "fresh")) == 0
    assert tables(tmp_path / "fresh" / "s") == extended


def test_the_manifest_keeps_what_earlier_commands_said(study_run: StudyRun, tmp_path: Path) -> None:
    study_run("--seeds", "1")
    study_run("--seeds", "2")
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text())
    assert manifest["argv"].endswith("--seeds 2")
    assert [command["argv"].split()[-1] for command in manifest["earlier"]] == ["1"]
    assert manifest["design"]["seeds"] == [0, 1]
    assert set(manifest) == {
        "schema_version", "study_id", "design", "digest", "data", "argv", "versions", "git", "device", "timings",
        "earlier",
    }  # fmt: skip
    assert set(manifest["data"]) == {"name", "sha256", "notice"}


def test_a_changed_design_is_refused_with_the_difference(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study_run("--seeds", "2")
    before = tables(tmp_path / "s")
    assert study_run("--seeds", "2", "--epochs", "3") == 2
    assert "epochs: the study has 2, the command asks for 3" in capsys.readouterr().err
    assert study_run("--seeds", "1") == 2
    assert "seeds: the study has 0 1, the command asks for 0" in capsys.readouterr().err
    assert tables(tmp_path / "s") == before


@pytest.mark.parametrize(
    "options",
    ["--seeds 0", "--lrs nan", "--lrs 1e400", "--lrs 0", "--lrs -0.1", "--lrs", "--lrs 0.1 0.10", "--batch-sizes 0",
     "--batch-sizes 2000", "--batch-sizes -1", "--arms nb", "--dataset nmist", "--shard 2", "--config none.toml"],
)  # fmt: skip
def test_a_wrong_command_exits_2_in_one_sentence_and_makes_nothing(
    options: str, study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_run(*options.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("study.run: ")
    assert "Traceback" not in error
    assert not (tmp_path / "s").exists()


def test_cuda_asked_for_and_absent_exits_3(study_run: StudyRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert study_run("--device", "cuda:99") == 3
    assert "--device cuda:99: torch sees" in capsys.readouterr().err


def test_batch_norm_on_batches_of_one_is_recorded_and_not_trained(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run("--batch-sizes", "1", "--lrs", "0.001", "--seeds", "1", "--epochs", "1") == 0
    runs = pd.read_parquet(tmp_path / "s" / "runs.parquet").set_index("arm")
    assert runs.status.to_dict() == {"bn": "not_applicable", "no_bn": "ok"}
    assert runs.n_steps.to_dict() == {"bn": 0, "no_bn": 1437}


def test_a_study_of_nothing_but_the_impossible_ends_well(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run("--arms", "bn", "--batch-sizes", "1", "--seeds", "1") == 0
    assert len(pd.read_parquet(tmp_path / "s" / "records.parquet")) == 2 * 3 * 2


def test_a_diverging_run_is_recorded_and_its_neighbours_do_not_notice(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run("--seeds", "1", "--lrs", "0.01", "1e38", "--arms", "no_bn", "--batch-sizes", "64") == 0
    runs = pd.read_parquet(tmp_path / "s" / "runs.parquet").set_index("lr")
    assert runs.status.to_dict() == {0.01: "ok", 1e38: "diverged"}
    table = pd.read_parquet(tmp_path / "s" / "records.parquet")
    bad = table[(table.lr == 1e38) & (table.epoch > 0)]
    assert bad[["loss", "accuracy", "n_correct"]].isna().all().all()
    assert (bad.status == "diverged").all()


def test_a_second_process_on_the_folder_exits_3(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s").mkdir()
    with FileLock(tmp_path / "s" / ".lock"):
        assert study_run("--seeds", "1") == 3
    assert "another process is at work on" in capsys.readouterr().err
    assert study_run("--seeds", "1") == 0


def test_a_folder_that_cannot_be_made_exits_3(study_run: StudyRun, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert study_run("--out", str(tmp_path / "file")) == 3


def test_tables_that_were_shipped_are_never_written_over(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study_run("--seeds", "1")
    for path in (tmp_path / "s" / "parts").iterdir():
        path.unlink()
    before = tables(tmp_path / "s")
    assert study_run("--seeds", "1") == 2
    assert "choose another --study-id" in capsys.readouterr().err
    assert tables(tmp_path / "s") == before


def test_other_data_under_the_same_study_are_refused(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study_run("--seeds", "1")
    folder = Folder(tmp_path / "s")
    manifest = folder.read_manifest()
    assert manifest
    manifest["data"]["sha256"]["digits-split"] = "other"
    folder.write_manifest(manifest)
    assert study_run("--seeds", "2") == 2
    assert "was made from data with the sha256" in capsys.readouterr().err


def test_a_dry_run_tells_and_touches_nothing(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_run("--dry-run") == 0
    assert "80 planned, 0 done, 80 missing" in capsys.readouterr().out
    assert not (tmp_path / "s").exists()
    study_run("--seeds", "1")
    study_run("--dry-run", "--batch-sizes", "1", "64", "256")
    told = capsys.readouterr().out
    assert "120 planned, 8 done, 92 missing, 20 not applicable" in told
    assert "time     about" in told
    assert "memory   about" in told


def test_help_and_dry_run_import_no_torch() -> None:
    script = (
        "import sys; from study import run\n"
        "run.main(['--dry-run', '--dataset', 'digits', '--out', 'nowhere'])\n"
        "assert not {'torch', 'torchvision', 'sklearn', 'scipy', 'seaborn'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_shards_together_are_the_whole(study_run: StudyRun, tmp_path: Path) -> None:
    for part in ("2/3", "1/3", "3/3"):
        assert study_run("--seeds", "3", "--shard", part) == 0
    assert study_run("--seeds", "3", "--out", str(tmp_path / "whole")) == 0
    assert tables(tmp_path / "s") == tables(tmp_path / "whole" / "s")


def test_max_time_stops_with_75_and_the_same_command_goes_on(
    study_run: StudyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(10_000))  # each look at the clock is a second
    monkeypatch.setattr(workers.time, "monotonic", lambda: float(next(ticks)))
    command = ("--seeds", "4", "--epochs", "10")
    assert study_run(*command, "--max-time", "30s") == 75
    monkeypatch.undo()
    assert len(parts(tmp_path / "s")) == 1
    assert study_run(*command) == 0
    assert len(parts(tmp_path / "s")) == 2
    study_run(*command, "--out", str(tmp_path / "whole"))
    assert tables(tmp_path / "s") == tables(tmp_path / "whole" / "s")


def test_a_cohort_that_fails_exits_1_and_is_tried_again(
    study_run: StudyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = Folder.commit

    def fail_once(self: Folder, unit: str, table: object) -> Path:
        if not list(self.parts.iterdir()):
            monkeypatch.setattr(Folder, "commit", commit)
            raise RuntimeError("out of memory")
        return commit(self, unit, table)  # type: ignore[arg-type]

    monkeypatch.setattr(Folder, "commit", fail_once)
    assert study_run("--seeds", "2") == 1
    assert "out of memory; given up" in capsys.readouterr().err
    assert study_run("--seeds", "2") == 0


# --- whole processes


def start(out: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "study.run", *SMALL, "--out", str(out), "--study-id", "s", *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


LONG = ("--seeds", "20", "--epochs", "10", "--batch-sizes", "32", "64")


def wait_for_parts(folder: Path, process: subprocess.Popen, n: int = 1) -> None:
    deadline = time.monotonic() + 120
    while len(list((folder / "parts").glob("*.parquet"))) < n:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ...]:
    out = tmp_path_factory.mktemp("whole")
    assert run.main([*SMALL, *LONG, "--out", str(out), "--study-id", "s"]) == 0
    return tables(out / "s")


@pytest.mark.parametrize(
    ("signals", "code"),
    [((signal.SIGKILL,), -9), ((signal.SIGTERM,), 143), ((signal.SIGINT,), 130)],
)
def test_stopped_in_the_middle_and_started_again_gives_equal_bytes(
    signals: tuple[signal.Signals, ...], code: int, tmp_path: Path, uninterrupted: tuple[bytes, ...]
) -> None:
    process = start(tmp_path, *LONG)
    wait_for_parts(tmp_path / "s", process)
    for number in signals:
        os.kill(process.pid, number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in error
    assert run.main([*SMALL, *LONG, "--out", str(tmp_path), "--study-id", "s"]) == 0
    assert tables(tmp_path / "s") == uninterrupted
    assert not list((tmp_path / "s").glob(".data*"))


def test_workers_in_processes_give_the_same_bytes_even_if_one_is_killed(
    tmp_path: Path,
    uninterrupted: tuple[bytes, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two processes, one of them killed at its first epoch: its cohort is tried once more, nothing is lost."""
    monkeypatch.setattr(session.forecast, "START_SECONDS", 0.0)
    killed = []

    class Killing(run.Progress):
        def epoch(self, cohort) -> None:
            super().epoch(cohort)
            if not killed:
                killed.append(next(w for w in workers.multiprocessing.active_children()))
                killed[0].kill()

    monkeypatch.setattr(run, "Progress", Killing)
    options = [*SMALL, *LONG, "--out", str(tmp_path), "--study-id", "s", "--workers", "2"]
    assert run.main(options) == 0
    assert "its worker died with exit code -9; trying once more" in capsys.readouterr().err
    assert tables(tmp_path / "s") == uninterrupted


def test_a_terminal_interrupt_reaches_workers_and_parent_alike(tmp_path: Path) -> None:
    """Ctrl-C goes to the whole process group: exit 130 from the parent, no traceback from a worker."""
    command = [sys.executable, "-m", "study.run", *SMALL, "--out", str(tmp_path), "--study-id", "s"]
    options = ["--workers", "2", "--seeds", "40", "--epochs", "200", "--batch-sizes", "16", "32"]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for_parts(tmp_path / "s", process, 0)
    time.sleep(6)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "the same command goes on" in error


@pytest.mark.slow
def test_twenty_kills_at_random_moments_leave_the_tables_of_an_uninterrupted_study(
    tmp_path: Path, uninterrupted: tuple[bytes, ...]
) -> None:
    """SIGKILL from before torch is imported to after the last commit; with one and with two workers."""
    moments = random.Random(2).choices(range(200, 7000), k=20)
    for number, milliseconds in enumerate(moments):
        process = start(tmp_path, *LONG, "--workers", str(1 + number % 2))
        time.sleep(milliseconds / 1000)
        process.kill()
        _, error = process.communicate(timeout=30)
        assert "Traceback" not in error
    assert run.main([*SMALL, *LONG, "--out", str(tmp_path), "--study-id", "s"]) == 0
    assert tables(tmp_path / "s") == uninterrupted
