"""How long and how much memory will a plan take? From the last study on this device, else from a matrix product timed
here and now. Imports no torch, so that ``--dry-run`` answers at once."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from study.engine import costs
from study.engine.costs import TORCH, CostModel
from study.engine.machine import processor
from study.errors import StudyError
from study.runner.execution import Execution
from study.spec.cohorts import Cohort, cohorts
from study.spec.design import Design
from study.store import inference_tables
from study.store.manifest import MAX_BYTES
from study.store.study_folder import Folder, newest_first
from study.store.untrusted_parquet import file_bytes


@dataclass(frozen=True)
class Forecast:
    """Time and memory of a plan, and the source of the throughput."""

    seconds: float
    memory: float
    """Bytes."""
    source: str


def forecast(
    model: CostModel, design: Design, plan: Sequence[Cohort], evaluated: Sequence[Cohort], n_workers: int, studies: Path
) -> Forecast:
    """Return time and memory of training ``plan``, then evaluating the networks of ``evaluated``, on ``n_workers``."""
    throughput, source = expected_throughput(model, design, studies)
    seconds, memory = model.seconds(design, plan, n_workers, throughput), model.memory(design, plan, n_workers)
    if evaluated:
        seconds += model.inference_seconds(design, evaluated, n_workers, throughput)
        memory += costs.inference_bytes(design, n_workers)
    return Forecast(seconds, memory, source)


def unevaluated(folder: Folder, design: Design, execution: Execution) -> list[Cohort]:
    """Return the networks of the grid, trained or to be trained, that this command evaluates first in the inference
    modes; none where it leaves them to another."""
    if not execution.evaluates or execution.shard[1] > 1:
        return []
    done = {run_id for run_id, _ in inference_tables.Store(folder.path).done(design)}
    return cohorts(run for run in design.grid if run.applicable and design.run_id(run) not in done)


def expected_throughput(model: CostModel, design: Design, studies: Path) -> tuple[float, str]:
    """Return the work per second and worker on this processor, and the source of that number."""
    recorded = _recorded_throughput(model.kind, design, studies)
    if recorded is not None:
        return recorded, "the last study on this processor"
    return model.throughput_per_flop * _flop_per_second(), "a matrix product timed just now (rough)"


def _recorded_throughput(kind: str, design: Design, studies: Path) -> float | None:
    """Return the throughput of the newest study under ``studies`` with this data set, these widths of networks,
    processor and kind of engine, None where there is none."""
    for path in newest_first(studies):
        try:
            manifest = json.loads(file_bytes(path, MAX_BYTES))
            other = Design.from_dict(manifest["design"])
            alike = (other.dataset, costs.all_widths(other)) == (design.dataset, costs.all_widths(design))
            alike = alike and _same_network(other, design)
            throughput = float(manifest["timings"]["work_per_second_and_worker"])
            alike = alike and manifest["device"].get("engine", TORCH.kind).startswith(kind)
            if alike and manifest["device"]["name"] == processor() and 0 < throughput < math.inf:
                return throughput
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, StudyError):
            continue  # a folder that is not ours, or that has not trained yet, does not count
    return None


def _same_network(one: Design, other: Design) -> bool:
    sha256 = [None if design.network is None else design.network.sha256 for design in (one, other)]
    return sha256[0] == sha256[1]


def _flop_per_second() -> float:
    """Return the floating point operations per second of one core, in a matrix product of the first layer's shape.

    Timed in CPU time, which counts every core that numpy's product takes.
    """
    a, b = np.ones((512, 784), np.float32), np.ones((784, 256), np.float32)
    a_b = a @ b
    n, began = 0, time.process_time()
    while n == 0 or time.process_time() - began < 0.05:
        np.matmul(a, b, out=a_b)
        n += 1
    return 2 * a.size * b.shape[1] * n / (time.process_time() - began)
