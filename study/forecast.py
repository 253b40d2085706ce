"""How long and how much memory a plan will take: from the last study on this device, else from a
matrix product timed here and now. Knows no torch, so that ``--dry-run`` answers at once.

The unit of work is the multiply-add's two floating-point operations (FLOP). A training step costs three
passes over its batch (forward, two gradients), an evaluation one pass over every image; a step also has
a price of its own (Adam, calls), counted as extra images.
"""

import json
import platform
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from study.design import Design
from study.errors import StudyError
from study.plan import Cohort

STEP_OVERHEAD = 35  # images; from the times at batch sizes 32, 128 and 512 (results/LOG.md)
SHARE_OF_PEAK = 0.6  # of the timed matrix product that a whole study reaches (results/LOG.md)
START_SECONDS = 8.0  # torch imported, in the command and in its workers
PROCESS_BYTES = 450e6  # torch, imported


def work(design: Design, cohort: Cohort) -> float:
    """FLOP of a cohort, evaluation included."""
    passes = 3 * design.epochs * design.steps_per_epoch(cohort.batch_size) * (cohort.batch_size + STEP_OVERHEAD)
    passes += (design.epochs + 1) * (design.facts.n_train + design.facts.n_test)
    return sum(2.0 * design.n_parameters(run.arm) * passes for run in cohort.runs)


def seconds(design: Design, cohorts: Iterable[Cohort], workers: int, rate: float) -> float:
    """Wall time at ``rate`` FLOP per second and worker, cohorts taken in order by the idle worker."""
    free = [0.0] * workers
    for cohort in cohorts:
        first = free.index(min(free))
        free[first] += work(design, cohort) / rate
    return START_SECONDS + max(free)


def memory(design: Design, cohorts: Iterable[Cohort], workers: int) -> float:
    """Bytes of all workers together: data once, and for each its process and its largest cohort."""
    facts = design.facts
    data = 4.0 * (facts.n_train + facts.n_test) * facts.n_features
    largest = max((_cohort_bytes(design, cohort) for cohort in cohorts), default=0.0)
    return data + PROCESS_BYTES + workers * (PROCESS_BYTES + largest)


def _cohort_bytes(design: Design, cohort: Cohort) -> float:
    """Parameters, gradient, Adam's two moments; each layer's features about four times; the batch."""
    features = 4 * sum(design.widths[1:]) * cohort.batch_size
    per_run = sum(4.0 * (4 * design.n_parameters(run.arm) + features) for run in cohort.runs)
    return per_run + 4.0 * len(cohort.seeds) * cohort.batch_size * design.facts.n_features


def expected_rate(design: Design, out: Path) -> tuple[float, str]:
    """FLOP per second and worker on this processor, and where that is known from."""
    recorded = _recorded_rate(design, out)
    if recorded is not None:
        return recorded, "the last study on this processor"
    return _measured_rate(), "a matrix product timed now; rough"


def _recorded_rate(design: Design, out: Path) -> float | None:
    """The rate of the newest study under ``out`` that trained such networks on this processor."""
    newest = sorted(out.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest:
        try:
            manifest = json.loads(path.read_text("utf-8"))
            same_network = Design.from_dict(manifest["design"]).widths == design.widths
            if same_network and manifest["device"]["name"] == processor():
                return float(manifest["timings"]["flop_per_second_and_worker"])
        except (OSError, ValueError, KeyError, TypeError, StudyError):
            continue  # a folder that is not ours, or that has not trained yet, has no say in a forecast
    return None


def _measured_rate() -> float:
    """FLOP per second and core to expect, from a matrix product of the first layer's shape.

    By the processor's time, which counts every core that numpy's product takes.
    """
    a, b = np.ones((512, 784), np.float32), np.ones((784, 256), np.float32)
    n, began, a_b = 0, time.process_time(), a @ b
    while time.process_time() - began < 0.05:
        np.matmul(a, b, out=a_b)
        n += 1
    return SHARE_OF_PEAK * 2 * a.size * b.shape[1] * n / (time.process_time() - began)


def processor() -> str:
    """The processor's name, such as it is in the manifest of a study that trained on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
