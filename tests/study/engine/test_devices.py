import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from study.engine import costs, devices
from study.errors import EnvironmentFault, UsageError
from study.runner import session
from study.store.study_folder import Folder
from tests.study.studies import tables

StudyRun = Callable[..., int]


def test_auto_is_the_study_s_own_kind_of_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.choose("auto", of_study=None) == "cuda"
    assert devices.choose("auto", of_study="cpu") == "cpu"
    assert devices.choose("cuda:1", of_study="cuda") == "cuda:1"
    with pytest.raises(EnvironmentFault, match="--device cuda:2: torch sees 2 CUDA devices"):
        devices.choose("cuda:2", of_study=None)
    with pytest.raises(UsageError, match="--device cuda: the study was trained on cpu"):
        devices.choose("cuda", of_study="cpu")


def test_the_engine_names_the_device_and_the_arithmetic() -> None:
    assert devices.numerics_id("cpu", tf32=False) == "torch-2/cpu/float32"
    assert devices.numerics_id("cuda:1", tf32=True) == "torch-2/cuda/tf32"
    with pytest.raises(UsageError, match="--tf32: only a GPU has it"):
        devices.numerics_id("cpu", tf32=True)


def test_tf32_is_off_unless_the_engine_says_so() -> None:
    before = torch.get_float32_matmul_precision()
    try:
        devices.prepare("torch-2/cuda/tf32")
        assert torch.get_float32_matmul_precision() == "high"
        devices.prepare("torch-2/cuda/float32")
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision(before)


def test_a_product_below_the_normal_numbers_is_zero_once_all_is_prepared() -> None:
    torch.set_flush_denormal(False)
    try:
        assert float(torch.tensor(2.0**-100) * 2.0**-40) == 2.0**-140
        devices.prepare(devices.numerics_id("cpu", tf32=False))
        assert float(torch.tensor(2.0**-100) * 2.0**-40) == 0
        assert torch.get_num_threads() == 1
    finally:
        torch.set_flush_denormal(True)


@pytest.mark.parametrize("engine", ["torch-2/cpu/other", None])
def test_a_study_is_not_trained_by_two_engines(
    engine: str | None, study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``None`` is a study of before engines had a name."""
    assert study_run("--seeds", "1") == 0
    before = tables(tmp_path / "s")
    manifest = Folder(tmp_path / "s").read_manifest()
    assert manifest
    manifest["device"] = {k: v for k, v in (manifest["device"] | {"engine": engine}).items() if v}
    Folder(tmp_path / "s").write_manifest(manifest)
    assert study_run("--seeds", "2") == 2
    assert f"trained with the engine {engine or 'torch-1'} and this command would use" in capsys.readouterr().err
    assert tables(tmp_path / "s") == before


def test_little_memory_means_fewer_workers_and_then_a_clear_refusal(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("--seeds", "2", "--epochs", "1", "--workers", "4", "--no-ablation", "--engine", "torch")
    at_once = [replace(model, start_seconds=0.0) for model in costs.MODELS]  # however little there is to do
    monkeypatch.setattr(costs, "MODELS", at_once)
    room = 1.5 * costs.PROCESS_BYTES
    monkeypatch.setattr(session, "memory_left", lambda device: room)
    assert study_run(*command) == 3
    assert "training needs about 1.2 GB of memory and 0.9 GB are free" in capsys.readouterr().err
    room = 3.5 * costs.PROCESS_BYTES
    assert study_run(*command) == 0
    manifest = Folder(tmp_path / "s").read_manifest()
    assert manifest
    assert manifest["device"]["workers"] == 2
    assert "memory is short, so 2 of 4 workers train" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_memory_that_a_step_takes_and_frees_is_not_faulted_in_again() -> None:
    """A process of its own, since one that has freed as much before keeps it either way."""
    script = (
        "import ctypes, resource, sys\n"
        "from study.engine import devices\n"
        "if sys.argv[1] == 'prepared': devices.prepare('torch-2/cpu/float32')\n"
        "libc, size = ctypes.CDLL(None), 24 << 20\n"
        "libc.malloc.restype = libc.memset.restype = ctypes.c_void_p\n"
        "libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]\n"
        "libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for time in range(2):\n"
        "    before = faults()\n"
        "    libc.free(libc.memset(libc.malloc(size), 1, size))\n"
        "print(faults() - before)\n"
    )
    prepared, as_it_is = (
        int(subprocess.run([sys.executable, "-c", script, kind], check=True, capture_output=True, text=True).stdout)
        for kind in ("prepared", "as it is")
    )
    assert prepared < 100 < as_it_is
