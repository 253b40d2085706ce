"""One process a core, which time the same implementation at the same moment.

A processor's cores share its caches and its clock, so one busy core does not represent all. Each process is bound to
its core where the system can do that; it makes its implementations anew for each task and trains on, window by window,
on request. The engine and its peers have processes of their own: how the study sets a process up is a part of the
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

from study.engine import devices, registry
from study.errors import StudyError

if TYPE_CHECKING:
    from study.bench.implementations import Implementation, Task

AGREEMENT = 1e-3  # relative difference of the first losses, in float32
COMPARED = 5  # losses
PEAK = "matrix product"


@dataclass(frozen=True)
class Facts:
    """A process's report on an implementation that it has made."""

    n_runs: int
    whole_machine: bool
    losses: list[float]


class WorkerPool:
    """The processes of the engine, or those of its peers, which get the same requests at the same time."""

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
        """Have every process make its implementations for one arm at one batch size; return the facts of each."""
        return dict(self._request(self.pipes, ("make", batch_size, arm))[0])

    def time(self, name: str, seconds: float, whole_machine: bool) -> float:
        """Return the run-steps a second of all cores together; of the matrix product, products a second."""
        pipes = self.pipes[:1] if whole_machine else self.pipes
        return sum(self._request(pipes, ("time", name, seconds)))

    def _request(self, pipes: Sequence[Connection], request: object) -> list:
        for pipe in pipes:
            pipe.send(request)
        replies = [pipe.recv() for pipe in pipes]
        for reply in replies:
            if isinstance(reply, str):
                raise StudyError(reply)
        return replies

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.close()


def check_agreement(facts: dict[str, Facts]) -> None:
    """Refuse to time implementations whose first losses are not those of the plain loop."""
    expected = next(made.losses for name, made in facts.items() if name.startswith("torch.nn"))
    for name, made in facts.items():
        if not all(math.isclose(a, b, rel_tol=AGREEMENT) for a, b in zip(made.losses, expected, strict=True)):
            raise StudyError(f"the losses of {name!r}, {made.losses}, are not torch.nn's, {expected}; nothing is timed")


# --- in a process


def _work(pipe: Connection, core: int, of_engine: bool, name: str, sha256: dict[str, str], shared_data: Path) -> None:
    _bind([core])
    import torch

    from study.bench.implementations import Task, matrix_product
    from study.data.dataset import open_shared

    if of_engine:
        devices.prepare(devices.numerics_id("cpu", tf32=False))
    torch.set_num_threads(1)
    data = open_shared(name, sha256, shared_data)
    implementations = {PEAK: matrix_product()}
    with suppress(EOFError):
        while True:
            try:
                match pipe.recv():
                    case ("make", batch_size, arm):
                        facts, made = _make(Task(data, batch_size, arm), of_engine)
                        implementations |= made
                        pipe.send(facts)
                    case ("time", implementation, seconds):
                        pipe.send(_run_steps_a_second(implementations[implementation], seconds))
            except (ArithmeticError, RuntimeError, ValueError) as error:
                pipe.send(f"{type(error).__name__}: {error}")


def _make(task: "Task", of_engine: bool) -> tuple[dict[str, Facts], dict[str, "Implementation"]]:
    """Return the facts of the engines' or the peers' implementations of ``task``, and these; the kernel's where it can
    be built, JAX's where it is installed."""
    from study.bench import implementations

    makers = list(implementations.ENGINE if of_engine else implementations.PEERS)
    if of_engine and registry.why_no_kernel(task.design, "cpu") is None:
        makers += implementations.KERNEL
    if not of_engine and importlib.util.find_spec("jax"):
        from study.bench.jax_implementation import scanned

        makers.append(scanned)
    facts, made = {}, {}
    for trainer in (make(task) for make in makers):
        losses = list(islice(chain.from_iterable(losses_of() for losses_of in trainer.turns), COMPARED))
        facts[trainer.name] = Facts(trainer.n_runs, trainer.whole_machine, losses)
        made[trainer.name] = trainer
    return facts, made


def _run_steps_a_second(trainer: "Implementation", seconds: float) -> float:
    with _all_cores() if trainer.whole_machine else nullcontext():
        n, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            next(trainer.turns)
            n += 1
        return n * trainer.n_runs * trainer.n_steps / (time.perf_counter() - began)


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
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _bind(cores: Sequence[int] | range) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
