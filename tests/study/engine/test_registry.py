"""Which engine a study gets, and that it keeps it."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from study.data import dataset
from study.engine import devices, registry
from study.engine.kernel import build, library
from study.engine.kernel.training import Training as KernelTraining
from study.engine.lockstep.training import Training
from study.errors import EnvironmentFault, UsageError
from study.spec.design import Design
from study.store.study_folder import Folder
from tests.conftest import SMALL
from tests.study.studies import tables

StudyRun = Callable[..., int]

DESIGN = Design("digits")
TORCH = devices.numerics_id("cpu", tf32=False)
SOONER = ("--epochs", "1", "--batch-sizes", "256", "--no-ablation")


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> library.Library:
        raise build.NoKernel("there is no C compiler (cc, gcc, clang)")

    monkeypatch.setattr(library, "load", none)


def engine_of(folder: Path) -> str:
    manifest = Folder(folder).read_manifest()
    assert manifest
    return str(manifest["device"]["engine"])


def test_auto_is_what_the_study_began_with_and_the_kernel_for_a_new_one_on_a_cpu() -> None:
    assert registry.choose("auto", DESIGN, "cpu", False, None) == (registry.KERNEL, None)
    assert registry.choose("auto", DESIGN, "cpu", False, registry.KERNEL) == (registry.KERNEL, None)
    assert registry.choose("auto", DESIGN, "cpu", False, "kernel-1/cpu/float32") == (registry.KERNEL, None)
    assert registry.choose("auto", DESIGN, "cpu", False, TORCH) == (TORCH, None)
    assert registry.choose("auto", DESIGN, "cuda", False, None) == (devices.numerics_id("cuda", False), None)
    assert registry.choose("auto", replace(DESIGN, hidden=(32, 257)), "cpu", False, None) == (TORCH, None)
    assert registry.choose("kernel", replace(DESIGN, hidden=(32, 257)), "cpu", False, None) == (registry.KERNEL, None)
    assert registry.trainer_factory(registry.KERNEL) is KernelTraining
    assert registry.trainer_factory(TORCH) is Training


@pytest.mark.parametrize(("asked", "began"), [("torch", registry.KERNEL), ("kernel", TORCH), ("auto", "kernel-0/cpu")])
def test_a_study_is_not_trained_by_both(asked: registry.Engine, began: str) -> None:
    with pytest.raises(UsageError, match=f"trained with the engine {began} and this command would use"):
        registry.choose(asked, DESIGN, "cpu", False, began)


def test_without_a_compiler_there_is_a_notice_or_a_reason(no_compiler: None) -> None:
    engine, notice = registry.choose("auto", DESIGN, "cpu", False, None)
    assert (engine, notice) == (
        TORCH,
        "there is no C compiler (cc, gcc, clang): the torch engine trains, several times slower",
    )
    assert registry.choose("torch", DESIGN, "cpu", False, None) == (TORCH, None)
    with pytest.raises(EnvironmentFault, match=r"--engine kernel: there is no C compiler .*; choose --engine torch"):
        registry.choose("kernel", DESIGN, "cpu", False, None)
    with pytest.raises(EnvironmentFault, match=r"was trained with the engine kernel-1/float32, and here there is no"):
        registry.choose("auto", DESIGN, "cpu", False, registry.KERNEL)


def test_the_kernel_is_for_a_cpu_and_the_arms_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--engine kernel: the kernel trains only on a CPU; choose --engine torch"):
        registry.choose("kernel", DESIGN, "cuda", False, None)
    monkeypatch.setattr(registry, "KERNEL_NORMS", (None,))
    assert registry.why_no_kernel(DESIGN, "cpu") == "the kernel does not know the arm bn"


def test_the_command_records_the_engine_and_refuses_the_other(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_run(*SOONER, "--seeds", "1", "--engine", "torch") == 0
    assert engine_of(tmp_path / "s") == TORCH
    before = tables(tmp_path / "s")
    assert study_run(*SOONER, "--seeds", "2", "--engine", "kernel") == 2
    assert "their records do not mix" in capsys.readouterr().err
    assert tables(tmp_path / "s") == before
    assert study_run(*SOONER, "--seeds", "2") == 0
    assert engine_of(tmp_path / "s") == TORCH
    assert study_run(*SOONER, "--seeds", "1", "--study-id", "k") == 0
    assert engine_of(tmp_path / "k") == registry.KERNEL
    assert tables(tmp_path / "k") != before


def test_on_a_machine_without_a_compiler_the_command_trains_by_torch(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [sys.executable, "-m", "study.run", *SMALL, *SOONER, "--seeds", "1", "--out", str(tmp_path)]
    command.remove("--quiet")
    environment = os.environ | {"PATH": str(empty), "XDG_CACHE_HOME": str(empty)}
    done = subprocess.run(
        [*command, "--study-id", "s"], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("there is no C compiler (cc, gcc, clang): the torch engine trains") == 1
    assert engine_of(tmp_path / "s") == TORCH


def test_workers_train_by_the_kernel_and_give_its_bytes(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run("--seeds", "3", "--engine", "kernel", "--no-ablation") == 0
    once = tables(tmp_path / "s")
    assert study_run("--seeds", "3", "--engine", "kernel", "--no-ablation", "--workers", "3", "--study-id", "w") == 0
    assert [len(table) for table in tables(tmp_path / "w")] == [len(table) for table in once]
    assert engine_of(tmp_path / "w") == registry.KERNEL


def test_the_library_is_found_by_whoever_trains(digits: dataset.Dataset) -> None:
    assert registry.why_no_kernel(DESIGN, "cpu") is None
