"""The command from outside: exit codes, what is done and what is not, stops of every kind."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from study import run
from study.data import download
from study.store import parts as parts_on_disk
from study.store.study_folder import Folder
from tests.study.studies import parts, tables

StudyRun = Callable[..., int]


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
    files = [path for path in (tmp_path / "s").rglob("*.parquet")]
    before = {path: path.stat().st_mtime_ns for path in files}
    manifest = (tmp_path / "s" / "manifest.json").read_bytes()
    assert study_run("--seeds", "2") == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "s").rglob("*.parquet")} == before
    assert (tmp_path / "s" / "manifest.json").read_bytes() == manifest


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
        "date", "earlier", "looks", "tables", "analysis_rule", "processor", "environment", "numerics", "environments",
        "first_numerics", *(["compiler"] if "kernel" in manifest["device"]["engine"] else []),
    }  # fmt: skip
    assert set(manifest["data"]) == {"name", "sha256", "notice"}


def test_a_study_that_was_moved_keeps_its_name(study_run: StudyRun, tmp_path: Path) -> None:
    study_run("--seeds", "1")
    (tmp_path / "s").rename(tmp_path / "moved")
    for seeds in ("1", "2"):
        assert study_run("--seeds", seeds, "--study-id", "moved") == 0
        assert set(pd.read_parquet(tmp_path / "moved" / "records.parquet").study_id) == {"s"}
        assert json.loads((tmp_path / "moved" / "manifest.json").read_text())["study_id"] == "s"


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
    assert study_run("--seeds", "1", "--lrs", "0.01", "1e20", "--arms", "no_bn", "--batch-sizes", "64") == 0
    runs = pd.read_parquet(tmp_path / "s" / "runs.parquet").set_index("lr")
    assert runs.status.to_dict() == {0.01: "ok", 1e20: "diverged"}
    table = pd.read_parquet(tmp_path / "s" / "records.parquet")
    bad = table[(table.lr == 1e20) & (table.epoch > 0)]
    assert bad[["loss", "accuracy", "n_correct"]].isna().all().all()
    assert (bad.status == "diverged").all()


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


def test_a_dry_run_counts_the_time_of_what_is_missing_alone(
    study_run: StudyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither of a finished study, nor without the inference modes that its networks lack."""
    study_run("--seeds", "1", "--no-ablation")
    study_run("--seeds", "1", "--dry-run")
    assert "time     about" in capsys.readouterr().out
    for done in (("--no-ablation",), ()):
        study_run("--seeds", "1", *done)
        study_run("--seeds", "1", "--dry-run", *done)
        assert "time  " not in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["--dry-run", "--dataset", "digits", "--out", "nowhere"]])
def test_help_and_dry_run_import_no_torch(arguments: list[str]) -> None:
    script = (
        f"import sys\nfrom study import run\ntry: run.main({arguments})\nexcept SystemExit: pass\n"
        "assert not {'torch', 'torchvision', 'sklearn', 'scipy', 'seaborn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_a_stop_before_the_first_commit_leaves_a_study_that_goes_on(
    study_run: StudyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
    assert study_run("--seeds", "2", "--max-time", "1s") == 75
    monkeypatch.undo()
    assert parts(tmp_path / "s") == {}
    assert study_run("--seeds", "2") == 0
    assert len(pd.read_parquet(tmp_path / "s" / "runs.parquet")) == 16


@pytest.mark.parametrize("table", ["runs", "records"])
def test_a_stop_while_the_tables_are_written_is_mended_by_the_next_command(
    table: str, study_run: StudyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is committed by then, so the next command has nothing to train: it must look all the same."""
    study_run("--seeds", "1")
    write = parts_on_disk.write_atomically

    def stop(path: Path, content: bytes) -> None:
        if path.stem == table:
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(parts_on_disk, "write_atomically", stop)
    assert study_run("--seeds", "2") == 130
    monkeypatch.undo()
    assert study_run("--seeds", "2") == 0
    study_run("--seeds", "2", "--out", str(tmp_path / "whole"))
    assert tables(tmp_path / "s") == tables(tmp_path / "whole" / "s")


def test_an_extension_by_what_cannot_be_trained_reaches_the_tables(study_run: StudyRun, tmp_path: Path) -> None:
    one = ("--arms", "bn", "--seeds", "1", "--lrs", "0.01", "--epochs", "1")
    assert study_run(*one, "--batch-sizes", "64") == 0
    assert study_run(*one, "--batch-sizes", "1", "64") == 0
    assert pd.read_parquet(tmp_path / "s" / "runs.parquet").status.tolist() == ["not_applicable", "ok"]
    assert study_run(*one, "--batch-sizes", "1", "64") == 0


def test_a_dry_run_leaves_damage_alone_and_the_command_itself_sets_it_aside(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study_run("--seeds", "1")
    before = tables(tmp_path / "s")
    path = next((tmp_path / "s" / "parts").iterdir())
    path.write_bytes(path.read_bytes() + b"x")
    assert study_run("--seeds", "1", "--dry-run") == 0
    assert path.exists()
    assert study_run("--seeds", "1") == 0
    assert f"{path.name} was damaged" in capsys.readouterr().err
    assert (tmp_path / "s" / "quarantine" / path.name).exists()
    assert tables(tmp_path / "s") == before


def test_a_dry_run_asks_no_network_and_a_wrong_command_downloads_nothing(
    study_run: StudyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(download, "obtain", refuse)
    absent = ("--dataset", "kmnist", "--data-dir", str(tmp_path / "nowhere"))
    assert study_run("--dry-run", *absent) == 0
    assert "kmnist is not in" in capsys.readouterr().out
    assert study_run("--lrs", "-1", *absent) == 2


def test_a_study_keeps_to_its_kind_of_device(study_run: StudyRun, tmp_path: Path) -> None:
    study_run("--seeds", "1")
    folder = Folder(tmp_path / "s")
    manifest = folder.read_manifest()
    assert manifest
    manifest["device"]["kind"] = "cuda"
    folder.write_manifest(manifest)
    assert study_run("--seeds", "2", "--device", "cpu") == 2


def test_max_time_stops_with_75_and_the_same_command_goes_on(
    study_run: StudyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(10_000))  # each look at the clock is a second
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
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
