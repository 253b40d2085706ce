"""The kernel is built without a thought, gives the same bits however it is built, and does nothing undefined."""

import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from study.data import dataset
from study.engine import registry
from study.engine.kernel import build, library, training
from study.engine.kernel.images import NONZERO, ROWS, Form, prepare
from tests import ROOT
from tests.study.engine.lockstep.test_training import ARMS, design_of
from tests.study.engine.test_grouping import Bits, bits
from tests.study.values import cohort_of, slow

X86 = platform.machine() in ("x86_64", "AMD64")
BUILDS: dict[str, tuple[str, ...]] = {
    "no optimisation": ("-std=gnu11", "-O0"),
    "vectors of 4": ("-std=gnu11", "-O3", "-DLANES=4"),
    "vectors of 8": ("-std=gnu11", "-O2", "-DLANES=8", *(("-mavx2", "-mfma") if X86 else ())),
    "vectors of 16 that the processor need not have": ("-std=gnu11", "-O1", "-DLANES=16"),
}


def trained(digits: dataset.Dataset, by: library.Library, monkeypatch: pytest.MonkeyPatch) -> Bits:
    """Two epochs in both forms of the images."""
    monkeypatch.setattr(training, "load", lambda: by)
    found: Bits = {}
    forms: dict[Form, tuple[int, int]] = {ROWS: (32, 32), NONZERO: (33, 5)}
    for form, hidden in forms.items():
        prepared = prepare(by, digits, (64, *hidden, 10), form)
        monkeypatch.setattr(training, "prepared", lambda *_, prepared=prepared: prepared)
        design = design_of(150, (1e-2, 1e20 if form == ROWS else 2e20), (0,), epochs=2, hidden=hidden)
        cohort = cohort_of(150, ARMS, design.lrs, design.seeds)
        trainer = training.Training(design, cohort, digits)
        for epoch in (1, 2):
            trainer.epoch(epoch)
            trainer.evaluate()
        found |= bits([cohort], [trainer.history()])
    return found


@pytest.mark.parametrize("name", ["no optimisation", "vectors of 4", *map(slow, [*BUILDS][2:])])
def test_however_it_is_compiled_it_gives_the_same_bits(
    name: str, digits: dataset.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optimisation levels and vector widths; one of the runs diverges."""
    ours = trained(digits, library.load(), monkeypatch)
    assert trained(digits, library.Library(build.build(tmp_path, BUILDS[name])), monkeypatch) == ours


# --- on its own, from a program in C

PROGRAM = Path(__file__).with_name("kernel_elsewhere.c")
CLANG = (sys.executable, "-m", "ziglang", "cc")
DIGEST = "259b77fd8c5c6efd"
"""Of all that kernel-1 makes of the program's images; where it changes, so does the engine's name."""


def digest(compiler: Sequence[str], flags: Sequence[str], folder: Path, run_by: Sequence[str] = ()) -> str:
    """What the program prints, built so."""
    program = folder / "program"
    contract = ("-std=gnu11", "-ffp-contract=off", *build.DEFINED, f"-I{build.SOURCE.parent}")
    environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": str(folder), "ZIG_LOCAL_CACHE_DIR": str(folder)}
    command = [*compiler, *flags, *contract, str(PROGRAM), "-lm", "-o", str(program)]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return subprocess.run([*run_by, str(program)], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("flags", [("-O3", "-march=native"), ("-O1",)])
def test_its_bits_are_those_that_its_name_stands_for(flags: Sequence[str], tmp_path: Path) -> None:
    assert registry.KERNEL.startswith("kernel-1/")
    assert digest([build.find_compiler()], flags, tmp_path) == DIGEST


@pytest.mark.slow
@pytest.mark.parametrize("flags", [("-O3", "-march=native"), ("-O0",)])
def test_clang_gives_the_same_bits(flags: Sequence[str], tmp_path: Path) -> None:
    assert digest(CLANG, flags, tmp_path) == DIGEST


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="needs qemu-aarch64 (apt-get install qemu-user)")
@pytest.mark.parametrize("flag", ["-O3", "-O0"])
def test_an_arm_gives_the_same_bits(flag: str, tmp_path: Path) -> None:
    """With the vectors of NEON."""
    flags = (flag, "-target", "aarch64-linux-musl", "-static")
    assert digest(CLANG, flags, tmp_path, ["qemu-aarch64"]) == DIGEST


# --- the building


def test_it_is_built_once_whole_and_by_what_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "not" / "there"
    path = build.build(folder)
    assert [*folder.iterdir()] == [path]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = path.stat().st_mtime_ns
    assert build.build(folder).stat().st_mtime_ns == before
    assert build.build(folder, (*build.FLAGS, "-O1")) != path
    monkeypatch.setattr(build, "_processor", lambda: "another")
    assert build.build(folder) != path


def test_what_cannot_be_built_has_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(build.NoKernel, match=r"did not compile the kernel \(.*error.*\)"):
        build.build(tmp_path, ("-DLANES=none",))
    assert not [*tmp_path.iterdir()]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    build.library_path.cache_clear()
    try:
        with pytest.raises(build.NoKernel, match="the kernel cannot be kept in"):
            build.library_path()
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(build.NoKernel, match="there is no C compiler"):
            build.library_path()
    finally:
        build.library_path.cache_clear()


def test_nothing_is_left_to_the_compiler_s_mercy(tmp_path: Path) -> None:
    """As strict as it can be."""
    build.build(tmp_path, ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wundef", "-Werror"))


@pytest.mark.slow
def test_the_sanitizers_find_nothing(tmp_path: Path) -> None:
    """AddressSanitizer and UndefinedBehaviorSanitizer over the tests of the kernel, which are run once more with a
    library that is built so."""
    flags = ("-std=gnu11", "-O1", "-g", "-march=native", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    try:
        path = build.build(tmp_path, flags)
    except build.NoKernel as none:
        pytest.skip(str(none))
    compiler = build.find_compiler()
    runtime = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    script = (
        "import sys, pytest\nfrom pathlib import Path\nfrom study.engine.kernel import build\n"
        f"build.library_path = lambda: Path({str(path)!r})\n"
        "options = ['-q', '-s', '-p', 'no:cacheprovider', '-k', 'not mnist']\n"
        "files = [f'tests/study/engine/kernel/test_{name}.py' for name in ('training', 'library')]\n"
        "sys.exit(pytest.main([*options, *files]))\n"
    )
    environment = os.environ | {
        "LD_PRELOAD": runtime.stdout.strip(),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python's own, at its end
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "runtime error" not in done.stdout + done.stderr
