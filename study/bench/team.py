"""One process a core, which time the same way in the same moment.

A processor's cores share its caches and its clock, so one busy core says little of all. Each process is bound to
its core where the system can do that; it makes its ways anew for each task and trains on, window by window, as
told. The engine and its peers have processes of their own: how the study sets a process up is a part of the
engine, and what one would write instead runs as its author would start it, but for one thread a process.
"""

import importlib.util
import math
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from study.bench.ways import Implementation
from study.engine import devices
from study.engine import registry as engines
from study.errors import StudyError

if TYPE_CHECKING:
    from study.bench.ways import Task

AGREEMENT = 1e-3  # relative difference of the first losses, in float32
COMPARED = 5  # losses
PEAK = "matrix product"


@dataclass(frozen=True)
class Facts:
    """What a process says of a way that it has made."""

    n_runs: int
    whole_machine: bool
    losses: list[float]


class Team:
    """The processes of the engine, or those of its peers, and what they are told together."""

    def __init__(self, of_engine: bool, name: str, sha256: dict[str, str], shared_data: Path):
        context = multiprocessing.get_context("spawn")
        self.cores = _cores()
        self.pipes: list[Connection] = []
        for core in self.cores:
            pipe, child = context.Pipe()
            context.Process(target=_work, args=(child, core, of_engine, name, sha256, shared_data), daemon=True).start()
            child.close()
            self.pipes.append(pipe)

    def make(self, batch_size: int, arm: str) -> dict[str, Facts]:
        """Have every process make its ways to train one arm at one batch size."""
        return dict(self._ask(self.pipes, ("make", batch_size, arm))[0])

    def time(self, way: str, seconds: float, whole_machine: bool) -> float:
        """Run-steps a second of all cores together; of the matrix product, products a second."""
        pipes = self.pipes[:1] if whole_machine else self.pipes
        return sum(self._ask(pipes, ("time", way, seconds)))

    def _ask(self, pipes: Sequence[Connection], question: object) -> list:
        for pipe in pipes:
            pipe.send(question)
        answers = [pipe.recv() for pipe in pipes]
        for answer in answers:
            if isinstance(answer, str):
                raise StudyError(answer)
        return answers

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.close()


def check_agreement(facts: dict[str, Facts]) -> None:
    """The first losses of every way against those of the plain loop; a StudyError where they differ."""
    losses = {way: of_way.losses for way, of_way in facts.items()}
    first = next(found for way, found in losses.items() if way.startswith("torch.nn"))
    for way, found in losses.items():
        if not all(math.isclose(a, b, rel_tol=AGREEMENT) for a, b in zip(found, first, strict=True)):
            raise StudyError(f"the losses of {way!r}, {found}, are not torch.nn's, {first}; nothing is timed")


# --- in a process


def _work(pipe: Connection, core: int, of_engine: bool, name: str, sha256: dict[str, str], shared_data: Path) -> None:
    _bind([core])
    import torch

    from study.bench.ways import Task, matrix_product
    from study.data.dataset import open_shared

    if of_engine:
        devices.prepare(devices.numerics_id("cpu", tf32=False))
    torch.set_num_threads(1)
    data = open_shared(name, sha256, shared_data)
    ways = {PEAK: matrix_product()}
    with suppress(EOFError):
        while True:
            try:
                match pipe.recv():
                    case ("make", batch_size, arm):
                        facts, made = _make(Task(data, batch_size, arm), of_engine)
                        ways |= made
                        pipe.send(facts)
                    case ("time", way, seconds):
                        pipe.send(_run_steps_a_second(ways[way], seconds))
            except (ArithmeticError, RuntimeError, ValueError) as error:
                pipe.send(f"{type(error).__name__}: {error}")


def _make(task: "Task", of_engine: bool) -> tuple[dict[str, Facts], dict[str, "Implementation"]]:
    """The engines' or the peers' ways to train ``task``, with their first losses; the kernel's where it can be built,
    JAX's where it is installed."""
    from study.bench import ways

    makers = list(ways.ENGINE if of_engine else ways.PEERS)
    if of_engine and engines.why_no_kernel(task.design, "cpu") is None:
        makers += ways.KERNEL
    if not of_engine and importlib.util.find_spec("jax"):
        from study.bench.jax_way import scanned

        makers.append(scanned)
    facts, made = {}, {}
    for way in (make(task) for make in makers):
        losses = list(islice(chain.from_iterable(losses_of() for losses_of in way.turns), COMPARED))
        facts[way.name] = Facts(way.n_runs, way.whole_machine, losses)
        made[way.name] = way
    return facts, made


def _run_steps_a_second(way: "Implementation", seconds: float) -> float:
    with _all_cores() if way.whole_machine else nullcontext():
        n, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            next(way.turns)
            n += 1
        return n * way.n_runs * way.n_steps / (time.perf_counter() - began)


@contextmanager
def _all_cores() -> Iterator[None]:
    import torch

    own = _cores()
    _bind(range(os.cpu_count() or 1))
    torch.set_num_threads(len(_cores()))
    try:
        yield
    finally:
        torch.set_num_threads(1)
        _bind(own)


def _cores() -> list[int]:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _bind(cores: Sequence[int] | range) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
