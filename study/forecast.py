"""How long and how much memory a plan will take: from the last study on this device, else from a
matrix product timed here and now. Knows no torch, so that ``--dry-run`` answers at once.

The unit of work is one image under one run's parameters in a training step. A step has a price of its own for
each run (Adam) and for each arm (its operations are called, however many runs share them); an evaluated image
costs less than a trained one. The numbers are from a measurement (results/LOG.md); what they miss of a machine,
the rate makes good.
"""

import json
import math
import platform
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from study.design import Design
from study.errors import StudyError
from study.parquet import file_bytes
from study.plan import Cohort

STEP_OF_RUN = 28.0  # images
STEP_OF_ARM = 300.0
EVALUATED_IMAGE = 0.4
PER_FLOP = 0.33  # units of work a second for each FLOP a second of the timed matrix product, over the parameters
ABLATION = 300.0  # evaluations of the test images: every way to predict of one network with batch norm
START_SECONDS = 8.0  # torch imported, in the command and in its workers
MOST_BYTES = 2**24  # of a manifest
PROCESS_BYTES = 450e6  # torch, imported


def work(design: Design, cohort: Cohort) -> float:
    """Of a cohort, evaluation included."""
    steps = design.epochs * design.steps_per_epoch(cohort.batch_size)
    evaluated = (design.epochs + 1) * (design.facts.n_train + design.facts.n_test)
    images = steps * (cohort.batch_size + STEP_OF_RUN) + EVALUATED_IMAGE * evaluated
    n_runs = len(cohort.seeds) * len(cohort.lrs)
    return sum(design.n_parameters(arm) * (n_runs * images + steps * STEP_OF_ARM) for arm in cohort.arms)


def seconds(design: Design, cohorts: Iterable[Cohort], workers: int, rate: float) -> float:
    """Wall time at ``rate`` work per second and worker, cohorts taken in order by the idle worker."""
    free = [0.0] * workers
    for cohort in cohorts:
        first = free.index(min(free))
        free[first] += work(design, cohort) / rate
    return START_SECONDS + max(free)


def ablation_seconds(design: Design, cohorts: Iterable[Cohort], workers: int, rate: float) -> float:
    """Wall time of the inference modes on the clean test images, of the networks that ``cohorts`` train."""
    n_networks = sum(run.arm == "bn" for cohort in cohorts for run in cohort.runs)
    evaluated = ABLATION * EVALUATED_IMAGE * design.facts.n_test
    return n_networks * evaluated * design.n_parameters("bn") / rate / workers


def memory(design: Design, cohorts: Iterable[Cohort], workers: int) -> float:
    """Bytes of all workers together: data once, and for each its process and its largest cohort."""
    facts = design.facts
    data = 4.0 * (facts.n_train + facts.n_test) * facts.n_features
    largest = max((cohort_bytes(design, cohort) for cohort in cohorts), default=0.0)
    return data + PROCESS_BYTES + workers * (PROCESS_BYTES + largest)


def cohort_bytes(design: Design, cohort: Cohort) -> float:
    """Parameters, gradient, Adam's two moments; each layer's features about four times; the batch."""
    features = 4 * sum(design.widths[1:]) * cohort.batch_size
    per_run = sum(4.0 * (4 * design.n_parameters(run.arm) + features) for run in cohort.runs)
    return per_run + 4.0 * len(cohort.seeds) * cohort.batch_size * design.facts.n_features


def expected_rate(design: Design, out: Path) -> tuple[float, str]:
    """Work per second and worker on this processor, and where that is known from."""
    recorded = _recorded_rate(design, out)
    if recorded is not None:
        return recorded, "the last study on this processor"
    return _measured_rate(), "a matrix product timed now; rough"


def _recorded_rate(design: Design, out: Path) -> float | None:
    """The rate of the newest study under ``out`` that trained such networks on such images by this processor."""
    newest = sorted(out.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest:
        try:
            manifest = json.loads(file_bytes(path, MOST_BYTES))
            other = Design.from_dict(manifest["design"])
            alike = (other.dataset, other.widths) == (design.dataset, design.widths)
            rate = float(manifest["timings"]["work_per_second_and_worker"])
            if alike and manifest["device"]["name"] == processor() and 0 < rate < math.inf:
                return rate
        except (OSError, ValueError, KeyError, TypeError, RecursionError, StudyError):
            continue  # a folder that is not ours, or that has not trained yet, has no say in a forecast
    return None


def _measured_rate() -> float:
    """Work per second and core to expect, from a matrix product of the first layer's shape.

    By the processor's time, which counts every core that numpy's product takes.
    """
    a, b = np.ones((512, 784), np.float32), np.ones((784, 256), np.float32)
    a_b = a @ b
    n, began = 0, time.process_time()
    while n == 0 or time.process_time() - began < 0.05:
        np.matmul(a, b, out=a_b)
        n += 1
    return PER_FLOP * 2 * a.size * b.shape[1] * n / (time.process_time() - began)


def processor() -> str:
    """The processor's name, such as it is in the manifest of a study that trained on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
