"""How long the inference modes take: those of the default command beside its training, in one run, then the rest."""

import json
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
    """The times of the inference modes; those of study.ablate are of whole commands, imports and data included."""

    training_seconds: float
    """The training of the default command."""
    inference_seconds: float
    """Its inference modes: one cell in detail, the others in the main ways."""
    clean_seconds: float
    """Every other inference mode on the test images as they are, by study.ablate."""
    all_seconds: float
    """Then the main ones under all other conditions."""
    peak_bytes: float
    """The memory of the largest process."""

    @property
    def share_of_training(self) -> float:
        """The time of the default command's inference modes over that of its training."""
        return self.inference_seconds / self.training_seconds


def measure(dataset: str, data_dir: Path, n_seeds: int = SEEDS) -> AblationTiming:
    """Run the default study in a temporary folder, and then ``study.ablate`` on it."""
    with tempfile.TemporaryDirectory() as out:
        common = ["--data-dir", str(data_dir), "--out", out, "--quiet"]
        _time("study.run", ["--dataset", dataset, "--seeds", str(n_seeds), *common])
        (manifest,) = Path(out).glob("*/manifest.json")
        timings = json.loads(manifest.read_text("utf-8"))["timings"]
        clean = _time("study.ablate", ["--clean", *common])
        all_conditions = _time("study.ablate", common)
    peak = 1024.0 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return AblationTiming(timings["training_seconds"], timings["inference_seconds"], clean, all_conditions, peak)


def _time(program: str, options: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", program, *options], check=True)
    return time.perf_counter() - began


def line(took: AblationTiming) -> str:
    return (
        f"study.run: training {took.training_seconds:.1f} s, inference modes {took.inference_seconds:.1f} s,"
        f" {took.share_of_training:.2f} of it; study.ablate: the rest of the clean test images"
        f" {took.clean_seconds:.0f} s, all other conditions {took.all_seconds / 60:.1f} min,"
        f" {took.peak_bytes / 1e9:.2f} GB in the largest process"
    )
