"""What the tests of the command share: a study's tables and parts, and the command as a process."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import SMALL


def tables(folder: Path) -> tuple[bytes, ...]:
    return tuple((folder / f"{name}.parquet").read_bytes() for name in ("records", "runs"))


def parts(folder: Path) -> dict[str, float]:
    return {path.name: path.stat().st_mtime for path in (folder / "parts").iterdir()}


def start(out: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "study.run", *SMALL, "--out", str(out), "--study-id", "s", *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
