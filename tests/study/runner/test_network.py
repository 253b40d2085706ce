"""A study of one's own network: trained, resumed, extended, evaluated; refused before anything is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import analysis
import study
from study import ablate
from study.engine.plain import loading
from study.errors import StudyError, UsageError
from study.spec.design import Design
from tests.study.networks_of_ours import CNN, MLP, made, write
from tests.study.studies import results, tables

StudyRun = Callable[..., int]
ONE = ("--batch-sizes", "64", "--lrs", "0.01", "--epochs", "1")


@pytest.fixture
def file(tmp_path: Path) -> str:
    return write(tmp_path, MLP)


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def test_a_study_of_ones_own_network_is_like_any_other(file: str, tmp_path: Path, study_run: StudyRun) -> None:
    """In one go and seed by seed: the same bytes of networks, records and inference modes."""
    arms = ("--arms", "bn", "no_bn")
    assert study_run("--network", file, *ONE, *arms, "--seeds", "2", "--study-id", "whole") == 0
    for seeds in ("1", "2"):
        more = ("--seeds", seeds, *(("--no-ablation",) if seeds == "1" else ()))
        assert study_run("--network", file, *ONE, *arms, *more, "--study-id", "grown") == 0
    whole, grown = tmp_path / "whole", tmp_path / "grown"
    assert tables(whole)[0].count(b"grown") == 0
    for name in ("records", "runs", "ablation", "statistics", "swaps", "compositions"):
        one, other = (pq.read_table(folder / f"{name}.parquet").drop_columns("study_id") for folder in (whole, grown))
        assert one.equals(other), name
    weights = [{n: b for n, b in results(folder).items() if n.endswith("safetensors")} for folder in (whole, grown)]
    assert len({*map(str, weights)}) == 1
    said = manifest(whole)
    assert (said["device"]["engine"], said["design"]["network"]["name"]) == ("plain-1/cpu/float32", "my_net.py:make")
    assert str(tmp_path) not in json.dumps(said["design"])
    assert (whole / "network" / "my_net.py").read_text() == MLP
    assert study.read(whole, "runs").n_parameters.unique().tolist() == [1746, 1682]
    assert study.read(whole, "ablation").arm.unique().tolist() == ["bn", "no_bn"]


def test_the_page_says_what_was_trained(file: str, tmp_path: Path, study_run: StudyRun, without_drawings: None) -> None:
    assert study_run("--network", file, *ONE, "--seeds", "2") == 0
    page = analysis.write_report(tmp_path / "s").read_text()
    assert "Networks are made by the function my_net.py:make (sha256 " in page
    assert "64-32-32-10" not in page
    assert "of each hidden layer" not in page.partition("Networks and training")[2].partition("Seeds:")[0]


def test_the_analysis_runs_no_network(file: str, tmp_path: Path, study_run: StudyRun) -> None:
    assert study_run("--network", file, *ONE, "--seeds", "2", "--no-ablation") == 0
    (tmp_path / "s" / "network" / "my_net.py").write_text("raise SystemExit('it was run')")
    Path(file.removesuffix(":make")).unlink()
    assert analysis.load(tmp_path / "s").design.network.name == "my_net.py:make"


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["run", "plan"])
def test_what_is_wrong_is_said_before_anything_is_written(
    options: tuple[str, ...], tmp_path: Path, study_run: StudyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = write(tmp_path, made("raise ValueError('no')"))
    assert study_run("--network", wrong, *ONE, *options) == 2
    told = capsys.readouterr().err
    assert "my_net.py:make for the arm bn raised ValueError: no (line 8 of my_net.py)" in told
    assert "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["my_net.py"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--vary", "activation=relu,tanh"), "--vary activation=: the network my_net.py:make decides that itself"),
        (("--hidden", "8"), "--hidden: the network my_net.py:make decides that itself; leave it out"),
        (("--engine", "kernel"), "--engine kernel: it does not know the network my_net.py:make; leave --engine out"),
        (("--engine", "torch"), "--engine torch: it does not know the network my_net.py:make; leave --engine out"),
        (("--device", "cuda"), "--device cuda: the plain loop trains on a CPU; choose --device cpu"),
    ],
)
def test_what_a_network_cannot_obey_is_refused(
    options: tuple[str, ...], sentence: str, file: str, tmp_path: Path, study_run: StudyRun,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert study_run("--network", file, *ONE, *options) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "s" / "manifest.json").exists()


def test_another_network_is_another_study(
    file: str, tmp_path: Path, study_run: StudyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_run("--network", file, *ONE, "--seeds", "1", "--no-ablation") == 0
    before = results(tmp_path / "s")
    assert study_run("--network", write(tmp_path, MLP + "\n"), *ONE, "--seeds", "2") == 2
    assert study_run(*ONE, "--seeds", "2") == 2
    told = capsys.readouterr().err
    assert "network: the study has my_net.py:make (sha256 " in told
    assert "the command asks for the multilayer perceptron" in told
    assert results(tmp_path / "s") == before
    copy = tmp_path / "s" / "network" / "my_net.py"
    assert study_run("--network", f"{copy}:make", *ONE, "--seeds", "2", "--no-ablation") == 0


def test_an_arm_is_added_to_a_study_of_ones_own_network(file: str, tmp_path: Path, study_run: StudyRun) -> None:
    assert study_run("--network", file, *ONE, "--seeds", "1", "--arms", "bn", "no_bn", "--no-ablation") == 0
    before = {name: content for name, content in results(tmp_path / "s").items() if "safetensors" in name}
    assert study_run("--network", file, *ONE, "--seeds", "1", "--arms", "bn", "no_bn", "layer", "--no-ablation") == 0
    assert before.items() < results(tmp_path / "s").items()
    assert study.read(tmp_path / "s", "runs").arm.tolist() == ["bn", "layer", "no_bn"]


def test_a_folders_code_is_run_only_where_it_is_named(
    file: str, tmp_path: Path, study_run: StudyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody's study arrives as a folder, and its file would do something."""
    assert study_run("--network", file, *ONE, "--seeds", "1", "--no-ablation") == 0
    folder, copy = tmp_path / "s", tmp_path / "s" / "network" / "my_net.py"
    loading._function.cache_clear()
    planted = MLP + f"\nopen({str(tmp_path / 'was_run')!r}, 'w')\n"
    for options, sentence in (
        ((), f"is code. Read it, then name the file to have it run: python -m study.ablate {folder} --network {copy}"),
        (("--network", write(tmp_path, planted, "other.py")), "is another network than that of"),
        (("--network", "cnn"), "is another network than that of"),
    ):
        assert ablate.main([str(folder), "--clean", "--workers", "1", *options]) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "was_run").exists()
    assert ablate.main([str(folder), "--clean", "--workers", "1", "--quiet", "--network", f"{copy}:make"]) == 0
    assert len(study.read(folder, "ablation")) == 63 + 1
    assert study.evaluate(folder, network=f"{copy}:make", workers=1) == folder


def test_the_perceptron_has_no_network_to_name(
    tmp_path: Path, small_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate.main([str(small_study), "--clean", "--network", "cnn"]) == 2
    assert "has the multilayer perceptron; leave --network out" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cnn", "residual"])
def test_a_network_that_comes_with_the_program_trains_and_is_evaluated_unasked(name: str, tmp_path: Path) -> None:
    spec = study.network(name, "digits")
    design = Design("digits", batch_sizes=(64,), lrs=(0.01,), seeds=(0,), epochs=3, network=spec)
    path = study.train(design, tmp_path / name, workers=1, inference_modes=False)
    records = study.read(path)
    last = records[(records.epoch == 3) & (records.split == "test")]
    assert last.accuracy.min() > 0.6
    if name == "residual":  # faster
        study.evaluate(path, workers=1)
        assert {*study.read(path, "statistics").layer} == {0, 1}


def test_from_python_a_network_is_a_value(file: str, tmp_path: Path) -> None:
    spec = study.network(file, "digits")
    design = Design("digits", batch_sizes=(64,), lrs=(0.01,), seeds=(0, 1), epochs=1, network=spec)
    history = study.fit(design, study.Run(64, 0.01, seed=1, arm="bn"))
    path = study.train(design, tmp_path / "s", workers=1, inference_modes=False)
    records = study.read(path).query("seed == 1 and arm == 'bn' and split == 'test'")
    assert records.loss.tolist() == history.loss[0, :, 1].tolist()
    unplaced = Design.from_dict(design.to_dict())
    with pytest.raises(UsageError, match=r"the file of the network my_net.py:make \(sha256 .*load it by study.network"):
        study.fit(unplaced, study.Run(64, 0.01, seed=1, arm="bn"))


def test_a_function_that_fails_later_ends_the_command_in_a_sentence(tmp_path: Path) -> None:
    counted = "calls = []\n\ndef make(arm):\n    calls.append(1)\n    assert len(calls) < 6, 'enough'"
    text = CNN.replace("def make(arm):", counted)
    design = Design(
        "digits", batch_sizes=(64,), lrs=(0.01,), seeds=(0, 1, 2), epochs=1,
        network=study.network(write(tmp_path, text), "digits"),
    )  # fmt: skip
    with pytest.raises(StudyError, match=r"raised AssertionError: enough \(line 11 of my_net.py\)"):
        study.train(design, tmp_path / "s", workers=1)


@pytest.mark.slow
def test_processes_train_the_bits_of_one(file: str, tmp_path: Path, study_run: StudyRun) -> None:
    few = ("--network", file, "--lrs", "0.01", "--epochs", "2", "--seeds", "4", "--no-ablation")
    for workers in ("1", "3"):
        assert study_run(*few, "--workers", workers, "--study-id", f"by{workers}") == 0
    one, three = (results(tmp_path / f"by{workers}") for workers in ("1", "3"))
    assert {n: b for n, b in one.items() if "safetensors" in n} == {
        n: b for n, b in three.items() if "safetensors" in n
    }


def test_the_plain_loop_trains_the_perceptron_too(tmp_path: Path, study_run: StudyRun) -> None:
    assert study_run("--engine", "plain", *ONE, "--seeds", "1", "--no-ablation") == 0
    assert manifest(tmp_path / "s")["device"]["engine"] == "plain-1/cpu/float32"
    assert study_run(*ONE, "--seeds", "2") == 0  # auto goes on by it, and the modes read its networks
    assert manifest(tmp_path / "s")["device"]["engine"] == "plain-1/cpu/float32"
    assert len(study.read(tmp_path / "s", "ablation")) == 2 * (63 + 1)
    assert study_run("--engine", "torch", *ONE, "--seeds", "3") == 2
    shutil.rmtree(tmp_path / "s")


def test_networks_of_the_same_file_name_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    first = study.network(write(tmp_path / "a", CNN), "digits")
    other = study.network(write(tmp_path / "b", MLP), "digits")
    ids = [Design("digits", network=spec).pair_id(study.Run(32, 0.01, seed=0, arm="bn")) for spec in (first, other)]
    assert len({*ids, Design("digits").pair_id(study.Run(32, 0.01, seed=0, arm="bn"))}) == 3
