"""How the time of a whole command grows with the seeds: linear or better, because of the constant cost of starting."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SEEDS = (1, 2, 5, 10, 20, 50)
EPOCHS = 1


@dataclass(frozen=True)
class CommandTiming:
    """One command that trained the default grid for ``EPOCHS``."""

    seeds: int
    seconds: float
    """The time of the whole command."""
    training_seconds: float
    """The time without importing, reading the data and starting the workers' parent, as the manifest has it."""


def measure(dataset: str, data_dir: Path, seeds: Sequence[int] = SEEDS) -> list[CommandTiming]:
    """Time ``python -m study.run`` for each number of seeds, in a temporary folder."""
    with tempfile.TemporaryDirectory() as out:
        return [_time(dataset, data_dir, n, Path(out)) for n in seeds]


def _time(dataset: str, data_dir: Path, n_seeds: int, out: Path) -> CommandTiming:
    command = [sys.executable, "-m", "study.run", "--quiet", "--dataset", dataset, "--data-dir", str(data_dir)]
    command += ["--seeds", str(n_seeds), "--epochs", str(EPOCHS), "--out", str(out), "--study-id", f"s{n_seeds}"]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - began
    manifest = json.loads((out / f"s{n_seeds}" / "manifest.json").read_text("utf-8"))
    return CommandTiming(n_seeds, seconds, manifest["timings"]["training_seconds"])


def table(studies: Sequence[CommandTiming]) -> str:
    """Return a table of the seconds a seed, and of each training time over the first one's times the seeds."""
    first = studies[0]
    lines = [f"{'seeds':>5} {'seconds':>8} {'starting':>9} {'training':>9} {'a seed':>7} {'of linear':>10}"]
    for study in studies:
        a_seed = study.training_seconds / study.seeds
        of_linear = a_seed / (first.training_seconds / first.seeds)
        lines.append(
            f"{study.seeds:>5} {study.seconds:>8.1f} {study.seconds - study.training_seconds:>9.1f}"
            f" {study.training_seconds:>9.1f} {a_seed:>7.2f} {of_linear:>10.2f}"
        )
    return "\n".join(lines)
