"""The command that tunes, from outside: what it writes and refuses, stops of every kind, and company."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import optuna
import pandas as pd
import pytest

from study import run, tune
from study.runner.outcome import Outcome, OutOfTime, Terminated
from study.spec.factors import REFERENCE_SETTING
from study.store.study_folder import JOURNAL, Folder
from study.tuning import loop, trials_table
from study.tuning.budget import FIRST_SEED
from study.tuning.complete import Optimisation
from study.tuning.lease import Lease
from study.tuning.search import Score, Search, SearchConfiguration
from study.tuning.storage import open_storage
from tests.study.studies import Child, launch_tuning, litter, say, tuned_study, tuned_tables

Tune = Callable[..., int]
N_TRIALS = 8
UNTUNED = (REFERENCE_SETTING.batch_size, REFERENCE_SETTING.lr)


@pytest.fixture
def study_tune(tmp_path: Path) -> Tune:
    """``study.tune`` on a small study of digits under ``tmp_path``; later options override."""
    return lambda *options: tune.main(tuned_study(tmp_path, *options))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tuned study; read it, never write to it."""
    out = tmp_path_factory.mktemp("tuned")
    assert tune.main(tuned_study(out)) == 0
    return out / "s"


@pytest.fixture(scope="module")
def whole(finished: Path) -> dict[str, bytes]:
    return tuned_tables(finished)


def told(folder: Path) -> list[tuple[int, int]]:
    """(study, index) of every trial that was told, from the lines of the journal."""
    lines = [json.loads(line) for line in (folder / JOURNAL).read_bytes().splitlines() if line.endswith(b"}")]
    made = [(line["study_id"], line["user_attrs"].get("slot")) for line in lines if line["op_code"] == 4]
    return [made[line["trial_id"]] for line in lines if line["op_code"] == 6 and line["state"] == 1]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kept(folder: Path) -> tuple[dict[str, bytes], list[tuple[int, int]]]:
    """All files, but of the journal, in which Optuna notes that it looked, what was told."""
    return {name: content for name, content in files(folder).items() if name != JOURNAL}, told(folder)


# --- what it writes


def test_a_row_for_each_trial_and_seed_and_the_runs_of_what_was_chosen(finished: Path) -> None:
    table = trials_table.read(Folder(finished)).to_pandas()
    assert len(table) == 2 * N_TRIALS * 2
    assert set(table.seed) == {FIRST_SEED, FIRST_SEED + 1}
    assert (table.n_correct / table.n_examples == table.accuracy).all()
    assert set(table.n_examples) == {1437 // 6}
    means = table.groupby(["arm", "batch_size", "lr"]).accuracy.mean()
    chosen = {arm: means[arm].idxmax() for arm in ("bn", "no_bn")}
    runs = pd.read_parquet(finished / "runs.parquet")
    cells = {(run.arm, run.batch_size, run.lr) for run in runs.itertuples()}
    assert cells == {(arm, *cell) for arm in chosen for cell in (UNTUNED, chosen[arm])}
    assert set(runs.seed) == {0, 1, 2}
    assert set(pd.read_parquet(finished / "records.parquet").query("split == 'test'").n_examples) == {360}


def test_the_manifest_says_what_was_tuned_and_chosen(finished: Path) -> None:
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["tuning"].pop("optuna")
    assert manifest["tuning"] == {
        "trials": N_TRIALS, "first_seed": FIRST_SEED, "n_seeds": 2, "storage": JOURNAL, "sampler": "sobol",
        "space": "lr=0.001:1.0,batch_size=64:256", "epochs": 1, "sampler_seed": 0, "pruner": "none",
    }  # fmt: skip
    assert [chosen["arm"] for chosen in manifest["design"]["tuned"]] == ["bn", "no_bn"]
    assert set(manifest["tables"]) == {"trials", "records", "runs", "labels"}
    assert manifest["argv"].startswith("python -m study.tune --dataset digits ")


def test_both_arms_have_the_same_trials(finished: Path) -> None:
    table = trials_table.read(Folder(finished)).to_pandas()
    points = table.set_index(["trial", "seed"])[["arm", "batch_size", "lr"]]
    bn, no_bn = (points[points.arm == arm].drop(columns="arm") for arm in ("bn", "no_bn"))
    assert bn.equals(no_bn)


def test_nothing_is_left_behind(finished: Path) -> None:
    assert litter(finished) == []
    assert sorted(told(finished)) == [(study, index) for study in (0, 1) for index in range(N_TRIALS)]


def test_the_same_command_again_changes_no_byte(study_tune: Tune, tmp_path: Path) -> None:
    assert study_tune() == 0
    before = kept(tmp_path / "s")
    assert study_tune() == 0
    assert kept(tmp_path / "s") == before


def slow(*values: object) -> list[object]:
    """Cases that are like another one."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


@pytest.mark.parametrize(
    "options", [("--at-once", "1"), ("--at-once", "3", "--workers", "2"), ("--device", "cpu", "--at-once", "100")]
)
def test_numbers_depend_neither_on_workers_nor_on_how_many_train_at_once(
    options: tuple[str, ...], study_tune: Tune, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    assert study_tune(*options) == 0
    assert tuned_tables(tmp_path / "s") == whole


@pytest.mark.parametrize(
    "options", [("--trials", "3"), ("--seeds", "1"), ("--trials", "1", "--seeds", "2", "--at-once", "2")]
)
def test_more_trials_or_seeds_give_the_tables_of_one_command(
    options: tuple[str, ...], study_tune: Tune, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    assert study_tune(*options) == 0
    assert tuned_tables(tmp_path / "s") != whole
    assert study_tune() == 0
    assert tuned_tables(tmp_path / "s") == whole
    assert litter(tmp_path / "s") == []


@pytest.mark.parametrize("sampler", ["tpe", pytest.param("gp", marks=pytest.mark.slow)])
def test_other_samplers_tune_and_go_on(sampler: str, study_tune: Tune, tmp_path: Path) -> None:
    """In one go, or after a stop where a batch ends."""
    options = ("--sampler", sampler, "--at-once", "4", "--tune-seeds", "1", "--seeds", "1")
    assert study_tune(*options, "--trials", "12", "--out", str(tmp_path / "whole")) == 0
    for n_trials in ("4", "12"):
        assert study_tune(*options, "--trials", n_trials) == 0
    assert tuned_tables(tmp_path / "s") == tuned_tables(tmp_path / "whole" / "s")


def test_every_seed_that_diverges_is_recorded(study_tune: Tune, tmp_path: Path) -> None:
    space = ("--space", "lr=1e20:1e21,batch_size=64:128")
    assert study_tune("--trials", "2", "--seeds", "1", *space) == 0
    table = trials_table.read(Folder(tmp_path / "s")).to_pandas()
    assert len(table) == 2 * 2 * 2
    diverged = table[table.status == "diverged"]
    assert set(diverged.arm) >= {"no_bn"}
    assert diverged[["loss", "accuracy", "n_correct"]].isna().all().all()
    assert set(diverged.first_bad_epoch) == {1}


@pytest.mark.parametrize("pruner", ["median", *slow("halving")])
def test_a_pruner_stops_trials_of_both_arms_which_are_told_and_never_chosen(
    pruner: str, study_tune: Tune, tmp_path: Path
) -> None:
    options = ("--trials", "16", "--epochs", "4", "--pruner", pruner, "--seeds", "1", "--tune-seeds", "1")
    assert study_tune(*options) == 0
    table = pd.read_parquet(tmp_path / "s" / "trials.parquet")
    stopped = table[table.status == "pruned"]
    assert set(stopped.arm) == {"bn", "no_bn"}
    assert (stopped.epoch < 4).all()
    assert (table.epoch[table.status == "ok"] == 4).all()
    assert stopped.accuracy.notna().all()
    assert table.groupby("arm").trial.nunique().tolist() == [16, 16]
    design = json.loads((tmp_path / "s" / "manifest.json").read_text())["design"]
    whole = table[table.status == "ok"]
    for chosen in design["tuned"]:
        of_arm = whole[whole.arm == chosen["arm"]]
        best = of_arm.loc[of_arm.accuracy.idxmax()]
        assert (chosen["batch_size"], chosen["lr"]) == (best.batch_size, best.lr)
    before = tuned_tables(tmp_path / "s")
    assert study_tune(*options) == 0
    assert tuned_tables(tmp_path / "s") == before


def test_the_study_is_named_after_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Folder] = []
    monkeypatch.setattr(Optimisation, "complete", lambda asked: said.append(asked.folder) or Outcome(failures=1))
    options = tuned_study(tmp_path)
    at = options.index("--study-id")
    assert tune.main([*options[:at], *options[at + 2 :]]) == 1
    assert [folder.path for folder in said] == [tmp_path / "digits-tuned"]


# --- what it refuses


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--trials 0", "--trials 0: give a whole number from 1 to 10000"),
        ("--trials 100000", "--trials 100000: give a whole number from 1 to 10000"),
        ("--trials 1_0", "--trials 1_0: give a whole number in the digits 0 to 9"),
        ("--tune-seeds 0", "--tune-seeds 0: give a whole number from 1 to 1000"),
        ("--seeds 0", "--seeds 0: "),
        ("--at-once 0", "--at-once 0: give a whole number from 1 to 10000"),
        ("--sampler-seed -1", "--sampler-seed -1: give a whole number from 0 to 2147483647"),
        ("--first-seed 1073741822", "--first-seed 1073741822: seeds from 1073741824 on are for trials; give a lower"),
        ("--sampler random", "--sampler 'random' is unknown"),
        ("--sampler spbol", "--sampler 'spbol' is unknown (did you mean sobol?); choose from: sobol, tpe, gp"),
        ("--pruner hyperband", "--pruner 'hyperband' is unknown"),
        ("--space lr=2:1", "--space lr=2.0:1.0: the low end comes first; give ranges such as"),
        ("--space depth=1:2", "--space depth=1:2: 'depth' cannot be tuned"),
        ("--space batch_size=64:2048", "--space batch_size=64:2048: 1198 images of digits train a trial; give a range"),
        ("--epochs 0", "--epochs 0: "),
        ("--dataset nmist", r"--dataset 'nmist' is unknown (did you mean mnist?)"),
        ("--study-id ../up", "--study-id '../up': "),
        ("--max-time soon", "--max-time soon: "),
        ("--storage trials.db", "--storage trials:... is not a database URL; give one such as"),
        ("--storage sqlite://", "--storage sqlite:// would lose its trials; name a file"),
    ],
)  # fmt: skip
def test_a_wrong_command_exits_2_in_one_sentence_and_makes_nothing(
    options: str, message: str, study_tune: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_tune(*options.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"study.tune: {message}")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", ["--trial 3", "--trials"])
def test_what_is_no_option_exits_2_and_makes_nothing(
    options: str, study_tune: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_tune(*options.split()) == 2
    assert capsys.readouterr().err.endswith("; see python -m study.tune --help\n")
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_cannot_be_reached_exits_3_and_makes_nothing(
    study_tune: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("psycopg")
    assert study_tune("--storage", "postgresql+psycopg://ada:secret@127.0.0.1:1/trials") == 3
    error = capsys.readouterr().err
    assert error.startswith("study.tune: --storage postgresql+psycopg://ada:***@127.0.0.1:1/trials cannot be reached")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--trials 7", "--trials 7: the search of bn has 8 trials already; give 8 or more"),
        ("--seeds 2", "seeds: the study has 0 1 2, the command asks for 0 1"),
        ("--first-seed 1", "seeds: the study has 0 1 2, the command asks for 1 2 3"),
        ("--epochs 2", "epochs: the study has 1, the command asks for 2"),
        ("--hidden 12", "hidden: the study has 12 9, the command asks for 12"),
        ("--tune-seeds 3", "seeds: the search has 1073741824 1073741825, the command asks for 1073741824"),
        ("--sampler tpe", "sampler: the search has 'sobol', the command asks for 'tpe'"),
        ("--sampler-seed 1", "sampler_seed: the search has 0, the command asks for 1"),
        ("--space lr=1e-3:1", "space: the search has 'lr=0.001:1.0,batch_size=64:256', the command asks for"),
    ],
)
def test_what_would_be_another_study_is_refused_with_the_difference(
    options: str, message: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = kept(finished)
    assert tune.main(tuned_study(finished.parent, *options.split())) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert kept(finished) == before


GRID = ("--dataset", "digits", "--epochs", "1", "--hidden", "12", "9", "--seeds", "3", "--quiet", "--workers", "1")


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_a_grid_is_not_trained_where_a_tuning_has_not_ended(
    dry: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / JOURNAL).touch()
    assert run.main([*GRID, "--out", str(tmp_path), "--study-id", "s", *dry]) == 2
    error = capsys.readouterr().err
    assert error == (
        f"study.run: {tmp_path / 's'} holds an unfinished tuning. Choose another --study-id, or finish it with"
        f" the command that began it, such as python -m study.tune --out {tmp_path} --study-id s\n"
    )
    assert [path.name for path in (tmp_path / "s").iterdir()] == [JOURNAL]


def test_a_grid_is_not_trained_in_a_tuned_study(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Though all else is equal."""
    before, (batch_size, lr) = files(finished), UNTUNED
    options = [*GRID, "--batch-sizes", str(batch_size), "--lrs", str(lr), "--out", str(finished.parent)]
    assert run.main([*options, "--study-id", "s"]) == 2
    assert "tuned: the study has a tuned cell, the command asks for none" in capsys.readouterr().err
    assert files(finished) == before


def test_the_study_of_a_grid_is_not_tuned(study_tune: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([*GRID, "--batch-sizes", "512", "--lrs", "0.1", "--out", str(tmp_path), "--study-id", "s"]) == 0
    before = files(tmp_path / "s")
    assert study_tune() == 2
    assert capsys.readouterr().err == (
        f"study.tune: {tmp_path / 's'} holds a study that was not tuned; choose another --study-id.\n"
    )
    assert files(tmp_path / "s") == before


def test_a_damaged_journal_is_one_sentence(
    study_tune: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_tune("--trials", "1", "--seeds", "1") == 0
    path = tmp_path / "s" / JOURNAL
    path.write_bytes(b"no line\n" + path.read_bytes())
    before = files(tmp_path / "s")
    assert study_tune() == 3
    error = capsys.readouterr().err
    assert error.startswith(f"study.tune: {path} is damaged: ")
    assert error.count("\n") == 1
    assert files(tmp_path / "s") == before


@pytest.mark.parametrize("arguments", [["--help"], ["--trials", "0"]])
def test_help_and_a_wrong_option_import_neither_torch_nor_optuna(arguments: list[str]) -> None:
    script = (
        f"import sys\nfrom study import tune\ntry: tune.main({arguments})\nexcept SystemExit: pass\n"
        "assert not {'torch', 'torchvision', 'sklearn', 'scipy', 'optuna', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


# --- secrets


@pytest.mark.parametrize("form", ["--storage {}", *slow("--storage={}", "--storage sqlite:///x?p=s3cret --storage {}")])
def test_the_password_of_a_storage_stands_in_no_file_and_in_no_output(
    form: str, study_tune: Tune, tmp_path: Path, capfd: pytest.CaptureFixture[str], whole: dict[str, bytes]
) -> None:
    url = f"sqlite:///{tmp_path}/trials.db?password=s3cret"
    assert study_tune(*form.format(url).split()) == 0
    assert study_tune(*form.format(url).split(), "--trials", "4") == 2
    for name, content in files(tmp_path).items():
        assert b"s3cret" not in content, name
    out = capfd.readouterr()
    assert "s3cret" not in out.out + out.err
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text())
    assert manifest["tuning"]["storage"] == f"sqlite:///{tmp_path}/trials.db"
    assert f"sqlite:///{tmp_path}/trials.db" in manifest["argv"]
    assert tuned_tables(tmp_path / "s") == whole
    assert not (tmp_path / "s" / JOURNAL).exists()


# --- stops


def stop_at(n: int, stop: BaseException) -> Callable[..., None]:
    """A report of a trained cohort, of which the ``n``-th brings ``stop`` instead."""
    report, left = loop.TrialBatch.committed, iter(range(n))

    def committed(*arguments: object) -> None:
        if next(left, None) is None:
            raise stop
        report(*arguments)  # type: ignore[arg-type]

    return committed


@pytest.mark.parametrize(
    ("stop", "code", "sentence"),
    [
        (OutOfTime(), 75, "--max-time has passed: finished trials are saved; repeat the command to continue ({})"),
        (
            KeyboardInterrupt(),
            130,
            "study.tune: interrupted; finished trials and runs are saved; repeat the command to continue",
        ),
        (
            Terminated(),
            143,
            "study.tune: terminated; finished trials and runs are saved; repeat the command to continue",
        ),
        (OSError(28, "No space left on device"), 3, "study.tune: [Errno 28] No space left on device; finished"),
    ],
)
@pytest.mark.parametrize("n", [1, *slow(0, 3)])
def test_a_stop_in_the_searches_is_one_sentence_and_the_same_command_goes_on(
    n: int, stop: BaseException, code: int, sentence: str, study_tune: Tune, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], whole: dict[str, bytes],
) -> None:  # fmt: skip
    with monkeypatch.context() as stopping:
        stopping.setattr(loop.TrialBatch, "committed", stop_at(n, stop))
        assert study_tune("--at-once", "3") == code
    error = capsys.readouterr().err
    assert error.startswith(sentence.format(tmp_path / "s"))
    assert error.count("\n") == 1
    assert litter(tmp_path / "s") == []
    assert not (tmp_path / "s" / "manifest.json").exists()
    assert study_tune() == 0
    assert tuned_tables(tmp_path / "s") == whole


@pytest.mark.parametrize("place", ["ask", "_tell"])
@pytest.mark.parametrize("n", [1, *slow(0, 3)])
def test_a_stop_while_trials_are_asked_for_or_given_back_holds_nobody_up(
    place: str, n: int, study_tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes]
) -> None:
    """The next command need not wait until this worker is given up as one elsewhere."""
    method, left = getattr(Search, place), iter(range(n))

    def stop(*arguments: object) -> object:
        done = method(*arguments)
        if next(left, None) is None:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as stopping:
        stopping.setattr(loop.TrialBatch, "committed", stop_at(1, KeyboardInterrupt()))
        stopping.setattr(Search, place, stop)
        assert study_tune("--at-once", "4") == 130
    with monkeypatch.context() as impatient:
        impatient.setattr(loop, "WAIT_SECONDS", "nobody is at work")
        assert study_tune() == 0
    assert tuned_tables(tmp_path / "s") == whole
    assert litter(tmp_path / "s") == []


def test_a_time_that_is_over_at_once_stops_with_75(
    study_tune: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str], whole: dict[str, bytes]
) -> None:
    assert study_tune("--max-time", "0.000001s") == 75
    assert capsys.readouterr().err.startswith("--max-time has passed: ")
    assert study_tune("--max-time", "1h") == 0
    assert tuned_tables(tmp_path / "s") == whole


@pytest.mark.parametrize("left", [0.0, 1e-9, 0.0004])
def test_no_time_left_for_the_runs_stops_with_75_too(
    left: float, study_tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], whole: dict[str, bytes],
) -> None:  # fmt: skip
    train_chosen = Optimisation._train_chosen

    def late(asked: Optimisation, *arguments: object) -> Outcome:
        stopped.setattr(time, "monotonic", lambda: float("inf") if not left else asked.began + 3600 - left)
        return train_chosen(asked, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as stopped:
        stopped.setattr(Optimisation, "_train_chosen", late)
        assert study_tune("--max-time", "3600s") == 75
    assert capsys.readouterr().err.startswith("--max-time has passed: ")
    assert study_tune() == 0
    assert tuned_tables(tmp_path / "s") == whole


def test_a_stop_before_the_table_of_trials_is_mended_by_the_same_command(
    study_tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopping:
        stopping.setattr(trials_table, "write", interrupt)
        assert study_tune() == 130
    assert study_tune() == 0
    assert tuned_tables(tmp_path / "s") == whole


def test_a_cohort_of_trials_that_fails_exits_1_and_is_tried_again(
    study_tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    whole: dict[str, bytes],
) -> None:  # fmt: skip
    with monkeypatch.context() as failing:
        failing.setattr(loop, "score", lambda *_: 1 / 0)
        assert study_tune() == 1
    assert "of trials failed; repeat the command to try them again" in capsys.readouterr().err
    assert litter(tmp_path / "s") == []
    assert study_tune() == 0
    assert tuned_tables(tmp_path / "s") == whole


def wait_for_told(folder: Path, n: int) -> None:
    deadline = time.monotonic() + 60
    while not (folder / JOURNAL).exists() or len(told(folder)) < n:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -9, marks=pytest.mark.slow),
    ],
)
def test_a_signal_in_the_searches_ends_it_in_one_sentence_and_it_goes_on(
    number: signal.Signals, code: int, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    child = launch_tuning(tmp_path, "--at-once", "1")
    wait_for_told(tmp_path / "s", 3)
    ended = child.end(0, number)
    assert ended.code == code
    assert (ended.error.count("\n"), "repeat the command to continue" in ended.error) == (
        (0, False) if code == -9 else (1, True)
    )
    assert not (tmp_path / "s" / "manifest.json").exists()
    if number != signal.SIGKILL:
        assert litter(tmp_path / "s") == []
    assert launch_tuning(tmp_path).end().code == 0
    assert tuned_tables(tmp_path / "s") == whole
    assert litter(tmp_path / "s") == []


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_at_random_moments_end_it_in_one_sentence_and_it_goes_on(
    number: signal.Signals, code: int, tmp_path: Path, whole: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    moments, n_stops, n_studies = random.Random(number), 0, 0
    while n_stops < 15:
        out = tmp_path / str(n_studies)
        out.mkdir()
        while (ended := launch_tuning(out, "--at-once", "2").end(moments.uniform(0.05, 1.5), number)).code:
            assert (ended.code, ended.error.count("\n")) == (code, 1), ended.error
            assert "repeat the command to continue" in ended.error
            n_stops += 1
        assert tuned_tables(out / "s") == whole
        assert litter(out / "s") == []
        n_studies += 1
    say(capsys, f"{number.name} to study.tune: {n_stops} times in {n_studies} studies, all equal")


# --- company


class Pair:
    """Two workers on one study; who was killed is started again."""

    def __init__(self, out: Path, *options: str):
        self.out, self.options, self.kills = out, options, 0
        self.workers: dict[int, Child] = {}

    def start(self, *which: int) -> None:
        for index in which:
            self.workers[index] = launch_tuning(self.out, *self.options, errors=f"stderr{index}")

    def kill(self, *which: int) -> None:
        """At one moment, those of them that live."""
        for index in which:
            if (pid := self.workers[index].process.pid) and self.workers[index].process.is_alive():
                os.kill(pid, signal.SIGKILL)
        for index in which:
            ended = self.workers.pop(index).end()
            assert ended.code in (0, -signal.SIGKILL), ended.error
            assert ended.error == ""
            self.kills += ended.code != 0

    @property
    def alive(self) -> list[int]:
        return [index for index, child in self.workers.items() if child.process.is_alive()]

    def end(self) -> None:
        ended = [child.end() for child in self.workers.values()]
        assert [(child.code, child.error) for child in ended] == [(0, "")] * len(ended)


def assert_each_index_was_told_once(folder: Path, n_trials: int) -> None:
    assert Counter(told(folder)) == {(study, index): 1 for study in (0, 1) for index in range(n_trials)}


@pytest.mark.parametrize("moment", [7, *slow(1, 12)])
def test_two_workers_one_of_whom_is_killed_tell_each_index_once_as_one_undisturbed(
    moment: int, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    pair = Pair(tmp_path, "--at-once", "2")
    pair.start(0, 1)
    wait_for_told(tmp_path / "s", moment)
    pair.kill(0)
    pair.start(0)
    pair.end()
    assert_each_index_was_told_once(tmp_path / "s", N_TRIALS)
    assert tuned_tables(tmp_path / "s") == whole
    assert litter(tmp_path / "s") == []


@pytest.mark.parametrize("more", [4, 6])
def test_who_has_nothing_left_waits_for_the_others_until_its_own_total_is_told(
    more: int, study_tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker has one of four trials of bn in hand, and tells it, or six, while this one waits."""
    assert study_tune("--trials", "3") == 0
    waits = iter(range(2))

    def others_turn(_: float) -> None:
        assert next(waits, None) is not None, "it waits for more than its total"
        other.enqueue_missing(more, more)
        other.ask(more)
        for index in [*other.owned]:
            assert other.tell(index, [Score(FIRST_SEED + i, 1, 0.1, 1, 239, None) for i in range(2)])

    lease = Lease(tmp_path / "s")
    with lease.hold(), open_storage(tmp_path / "s", None) as storage:
        asked = optuna.load_study(study_name="s/bn", storage=storage).user_attrs["terms"]
        configuration = SearchConfiguration(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in asked.items()}
        )
        other = Search(storage, "s/bn", configuration, lease, shared_lock=True)
        other.enqueue_missing(4, 4)
        assert len(other.ask(1)) == 1
        monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=time.monotonic, sleep=others_turn))
        assert study_tune("--trials", "4") == 0
    table = trials_table.read(Folder(tmp_path / "s")).to_pandas()
    assert table.groupby("arm").trial.nunique().to_dict() == {"bn": more, "no_bn": 4}


@pytest.mark.slow
def test_twenty_random_kills_of_two_workers_lose_no_index_and_double_none(
    tmp_path: Path, whole: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """One of them, or both at one moment."""
    moments, kills, n_studies, both = random.Random(11), 0, 0, 0
    while kills < 20 or not both:
        out = tmp_path / str(n_studies)
        out.mkdir()
        pair = Pair(out, "--at-once", "2")
        pair.start(0, 1)
        while pair.alive:
            time.sleep(moments.uniform(0.1, 1.2))
            victims = moments.choice([(0,), (1,), (0, 1)])
            if not pair.alive:
                break
            before = pair.kills
            pair.kill(*victims)
            both += pair.kills - before == 2
            pair.start(*victims)
        pair.end()
        kills, n_studies = kills + pair.kills, n_studies + 1
        assert_each_index_was_told_once(out / "s", N_TRIALS)
        assert tuned_tables(out / "s") == whole
        assert litter(out / "s") == []
    say(capsys, f"{kills} kills of two tuning workers ({both} of both at once) in {n_studies} studies, all equal")
