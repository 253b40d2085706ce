"""How long and how much memory a plan will take: from the last study on this device, else from a
matrix product timed here and now. Knows no torch, so that ``--dry-run`` answers at once.

The unit of work is one image under one run's parameters in a training step. A step has a price of its own for
each run (Adam) and under torch's engine for each arm (its operations are called, however many runs share them); an
evaluated image costs less than a trained one. The numbers are from a measurement (results/LOG.md); what they miss of
a machine, the rate makes good.
"""

import json
import math
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from study.errors import StudyError
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.store.untrusted_parquet import file_bytes

MOST_BYTES = 2**24  # of a manifest
PROCESS_BYTES = 600e6  # torch as it comes from PyPI, imported
ABLATED_FEATURES = 100  # of each test image, that a worker at the inference modes has in hand, over a layer's width


@dataclass(frozen=True)
class Prices:
    """What training by one of the engines costs, in units of work: images."""

    kind: str
    """How the engine's name begins."""
    step_of_run: float
    step_of_arm: float
    evaluated_image: float
    ablated_image: float
    """Of the test set, by every way to predict of one network with batch norm; torch does that under either engine."""
    per_flop: float
    """Units of work a second for each FLOP a second of the timed matrix product, over the parameters."""
    start_seconds: float
    """torch imported, in the command and in its workers where these are processes."""
    in_threads: bool

    def work(self, design: Design, cohort: Cohort) -> float:
        """Of a cohort, evaluation included."""
        steps = design.epochs * design.steps_per_epoch(cohort.batch_size)
        evaluated = (design.epochs + 1) * (design.facts.n_train + design.facts.n_test)
        images = steps * (cohort.batch_size + self.step_of_run) + self.evaluated_image * evaluated
        n_runs = len(cohort.seeds) * len(cohort.lrs)
        return sum(design.n_parameters(arm) * (n_runs * images + steps * self.step_of_arm) for arm in cohort.arms)

    def seconds(self, design: Design, cohorts: Iterable[Cohort], workers: int, rate: float) -> float:
        """Wall time at ``rate`` work per second and worker, cohorts taken in order by the idle worker."""
        free = [0.0] * workers
        for cohort in cohorts:
            first = free.index(min(free))
            free[first] += self.work(design, cohort) / rate
        return self.start_seconds + max(free)

    def ablation_seconds(self, design: Design, cohorts: Iterable[Cohort], workers: int, rate: float) -> float:
        """Wall time of the inference modes on the clean test images, of the networks that ``cohorts`` train."""
        n_networks = sum(run.arm == "bn" for cohort in cohorts for run in cohort.runs)
        return n_networks * self.ablated_image * design.facts.n_test * design.n_parameters("bn") / rate / workers

    def memory(self, design: Design, cohorts: Sequence[Cohort], workers: int) -> float:
        """Bytes of the command while it trains: the data once, and for each worker its largest cohort; of processes
        each has torch as well."""
        facts = design.facts
        data = 4.0 * (facts.n_train + facts.n_test) * facts.n_features
        largest = max((cohort_bytes(design, cohort) for cohort in cohorts), default=0.0)
        if self.in_threads:  # with the images in the kernel's own form
            return PROCESS_BYTES + 2 * data + workers * largest
        return PROCESS_BYTES + data + workers * (PROCESS_BYTES + largest)

    def expected_rate(self, design: Design, out: Path) -> tuple[float, str]:
        """Work per second and worker on this processor, and where that is known from."""
        recorded = _recorded_rate(self.kind, design, out)
        if recorded is not None:
            return recorded, "the last study on this processor"
        return self.per_flop * _flop_per_second(), "a matrix product timed now; rough"


TORCH = Prices("torch-", 28, 300, 0.4, 100, per_flop=0.33, start_seconds=8, in_threads=False)
KERNEL = Prices("kernel-", 27, 0, 0.5, 330, per_flop=0.8, start_seconds=4, in_threads=True)


def of(engine: str) -> Prices:
    """By the engine's name."""
    return KERNEL if engine.startswith(KERNEL.kind) else TORCH


def ablation_bytes(design: Design, workers: int) -> float:
    """What the workers at the inference modes have in hand, beside torch and the data."""
    return 4.0 * ABLATED_FEATURES * max(design.hidden) * design.facts.n_test * workers


def cohort_bytes(design: Design, cohort: Cohort) -> float:
    """Parameters, gradient, Adam's two moments; each layer's features about four times; the batch."""
    features = 4 * sum(design.widths[1:]) * cohort.batch_size
    per_run = sum(4.0 * (4 * design.n_parameters(run.arm) + features) for run in cohort.runs)
    return per_run + 4.0 * len(cohort.seeds) * cohort.batch_size * design.facts.n_features


def _recorded_rate(kind: str, design: Design, out: Path) -> float | None:
    """The rate of the newest study under ``out`` that trained such networks on such images by this processor and such
    an engine."""
    newest = sorted(out.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest:
        try:
            manifest = json.loads(file_bytes(path, MOST_BYTES))
            other = Design.from_dict(manifest["design"])
            alike = (other.dataset, other.widths) == (design.dataset, design.widths)
            rate = float(manifest["timings"]["work_per_second_and_worker"])
            alike = alike and manifest["device"].get("engine", TORCH.kind).startswith(kind)
            if alike and manifest["device"]["name"] == processor() and 0 < rate < math.inf:
                return rate
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, StudyError):
            continue  # a folder that is not ours, or that has not trained yet, has no say in a forecast
    return None


def _flop_per_second() -> float:
    """Of one core, in a matrix product of the first layer's shape.

    By the processor's time, which counts every core that numpy's product takes.
    """
    a, b = np.ones((512, 784), np.float32), np.ones((784, 256), np.float32)
    a_b = a @ b
    n, began = 0, time.process_time()
    while n == 0 or time.process_time() - began < 0.05:
        np.matmul(a, b, out=a_b)
        n += 1
    return 2 * a.size * b.shape[1] * n / (time.process_time() - began)


def processor() -> str:
    """The processor's name, such as it is in the manifest of a study that trained on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
