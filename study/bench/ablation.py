"""How long the inference modes take: the networks of the default study, trained for one epoch, on all conditions."""

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

SEEDS = 10


@dataclass(frozen=True)
class AblationTiming:
    """The times of whole commands, imports and data included."""

    clean_seconds: float
    """Every inference mode on the test images as they are."""
    all_seconds: float
    """Then the main ones under all other conditions."""
    peak_bytes: float
    """The memory of the largest process."""


def measure(dataset: str, data_dir: Path, n_seeds: int = SEEDS) -> AblationTiming:
    """Train the default grid in a temporary folder, and time ``study.ablate`` on it."""
    with tempfile.TemporaryDirectory() as out:
        common = ["--data-dir", str(data_dir), "--out", out, "--quiet"]
        train = ["--dataset", dataset, "--seeds", str(n_seeds), "--epochs", "1", "--no-ablation"]
        subprocess.run([sys.executable, "-m", "study.run", *train, *common], check=True)
        clean = _time(["--clean", *common])
        all_conditions = _time(common)
    peak = 1024.0 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return AblationTiming(clean, all_conditions, peak)


def _time(options: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "study.ablate", *options], check=True)
    return time.perf_counter() - began


def line(took: AblationTiming) -> str:
    return (
        f"clean test images {took.clean_seconds:.0f} s, all other conditions {took.all_seconds / 60:.1f} min,"
        f" {took.peak_bytes / 1e9:.2f} GB in the largest process"
    )
