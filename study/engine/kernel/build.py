"""The kernel's library: compiled by the system's compiler at first use, and kept in the user's cache.

A file is named by what made it (sources, flags, compiler, processor) and put in place whole, so that processes may
build at once and a home be shared by machines. No compiler is no error here: the reason is returned.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from study.spec.arms import Norm
from study.spec.constants import ADAM, NORM_EPS

SOURCE = Path(__file__).with_name("kernel.c")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math")
CONSTANTS = {
    "BETA1": ADAM.beta1,
    "BETA2": ADAM.beta2,
    "ADAM_EPS": ADAM.eps,
    "NORM_EPS": NORM_EPS,
    "MOMENTUM": Norm("batch").momentum,
}
"""The constants of a training by their names in C."""
DEFINED = tuple(f"-D{name}={value!r}" for name, value in CONSTANTS.items())
ALWAYS = ("-ffp-contract=off", "-shared", "-fPIC", *DEFINED)
"""Flags of every build: a multiplication and an addition stay two operations on every processor, for equal bits."""
TIMEOUT = 60
"""Seconds of a compilation, at most; it takes about one."""


class NoKernel(Exception):
    """A kernel that cannot be had; its message is the reason, one sentence without a full stop."""


def cache_folder() -> Path:
    """Return this project's folder in the user's cache, by freedesktop.org's base directory specification."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "batch-norm-study"


@cache
def library_path() -> Path:
    """Return the compiled library for this machine, built if need be; raise NoKernel where that cannot be."""
    try:
        return build(cache_folder())
    except OSError as error:
        raise NoKernel(f"the kernel cannot be kept in {cache_folder()} ({error.strerror or error})") from None


def build(folder: Path, flags: Sequence[str] = FLAGS) -> Path:
    """Return the library under ``folder``, compiled with ``flags`` unless it is there."""
    compiler = find_compiler()
    path = folder / f"kernel-{_key(compiler, flags)}.so"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as beside:
            made = Path(beside) / "kernel.so"
            _compile(compiler, flags, made)
            os.replace(made, path)
    return path


def has_compiler() -> bool:
    try:
        return bool(find_compiler())
    except NoKernel:
        return False


def find_compiler() -> str:
    for name in COMPILERS:
        path = shutil.which(name)
        if path:
            return path
    raise NoKernel("there is no C compiler (cc, gcc, clang)")


def _compile(compiler: str, flags: Sequence[str], made: Path) -> None:
    command = [compiler, *flags, *ALWAYS, str(SOURCE), "-o", str(made), "-lm"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise NoKernel(f"{compiler} had not compiled the kernel after {TIMEOUT} seconds") from None
    if done.returncode:
        complaint = next((line for line in done.stderr.splitlines() if "error" in line), f"exit code {done.returncode}")
        raise NoKernel(f"{compiler} did not compile the kernel ({complaint.strip()})")


def _key(compiler: str, flags: Sequence[str]) -> str:
    sources = [path.read_bytes() for path in sorted(SOURCE.parent.glob("*.[ch]"))]
    made_by = "\n".join((compiler, _version(compiler), *flags, *ALWAYS, platform.machine(), _processor()))
    return hashlib.sha256(b"\0".join((*sources, made_by.encode()))).hexdigest()[:24]


def _version(compiler: str) -> str:
    stat = os.stat(compiler)
    return f"{os.path.realpath(compiler)} {stat.st_size} {stat.st_mtime_ns}"


def _processor() -> str:
    """Return what ``-march=native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    kinds = ("model name", "flags", "Features", "CPU part", "CPU implementer")
    return "\n".join(sorted({line for line in lines if line.startswith(kinds)}))
