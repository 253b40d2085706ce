"""How long ``analysis.report`` takes over a million records: a made-up study, and the command as a whole."""

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from study.engine import environment
from study.spec.arms import BASELINE
from study.spec.cohorts import cohorts, missing_runs
from study.spec.design import Design
from study.spec.history import History
from study.spec.runs import Run
from study.store.schemas import SCHEMA_VERSION, part_table
from study.store.study_folder import Folder

DESIGN = Design(
    "mnist",
    batch_sizes=(16, 32, 64, 128, 256),
    lrs=(0.0003, 0.001, 0.003, 0.01, 0.03),
    seeds=tuple(range(100)),
    epochs=100,
)


@dataclass(frozen=True)
class ReportTiming:
    """One whole command, and the sizes of what it wrote."""

    rows: int
    seconds: float
    """The time of the command, its imports and figures included."""
    peak_bytes: float
    json_bytes: int
    html_bytes: int


def measure(design: Design = DESIGN) -> ReportTiming:
    """Write a study of ``design`` with learning curves made up, report it, and return what that took."""
    with tempfile.TemporaryDirectory() as out:
        folder = _made_up(Path(out) / "made-up", design)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "analysis.report", str(folder)], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        peak = 1024.0 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        sizes = [(folder / name).stat().st_size for name in ("report.json", "report.html")]
    return ReportTiming(2 * len(design.runs) * (design.epochs + 1), seconds, peak, *sizes)


def line(took: ReportTiming) -> str:
    return (
        f"{took.rows:,} records: {took.seconds:.1f} s for the whole command, {took.peak_bytes / 1e9:.2f} GB at most;"
        f" report.json {took.json_bytes / 1e6:.1f} MB, report.html {took.html_bytes / 1e6:.1f} MB"
    )


def _made_up(path: Path, design: Design) -> Path:
    folder = Folder(path)
    folder.prepare()
    rng = np.random.default_rng(0)
    for cohort in cohorts(missing_runs(design, done=())):
        folder.commit("synthetic", part_table(design, cohort.runs, _history(design, cohort.runs, rng)))
    folder.write_manifest(
        {
            "schema_version": SCHEMA_VERSION,
            "study_id": path.name,
            "design": design.to_dict(),
            "digest": design.digest,
            "data": {"name": design.dataset, "sha256": {}, "notice": "Made up, to time the report."},
            "argv": "python -m study.bench --report",
            "versions": environment.versions(),
            "git": {"commit": None, "dirty": None},
            "device": {"kind": "cpu", "name": "none", "engine": "none", "workers": 1},
            "timings": {},
            "earlier": [],
        }
    )
    folder.compact()
    return path


def _history(design: Design, runs: list[Run], rng: np.random.Generator) -> History:
    """Return accuracies that rise from chance to about 97 %, a little higher under batch norm, with noise by run."""
    epochs = np.arange(design.epochs + 1)
    top = np.array([0.965 + 0.008 * (run.arm != BASELINE) for run in runs]) + rng.normal(0, 0.002, len(runs))
    rise = top[:, None] - (top[:, None] - 0.1) * np.exp(-epochs / 2) + rng.normal(0, 0.001, (len(runs), len(epochs)))
    accuracy = np.stack([rise, rise], axis=-1).clip(0, 1)
    n_examples = [design.data.n_train, design.data.n_test]
    counts = (accuracy * n_examples).round().astype(np.int64)
    correct = rng.random((len(runs), design.data.n_test)) < accuracy[:, -1, :1]
    return History(1 - accuracy, counts, np.ones(rise.shape, bool), correct, n_steps=1)
