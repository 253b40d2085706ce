"""Which engine trains: torch's, which knows every device and arm, or the kernel in C, which is faster on a CPU.

A study keeps to the engine that it began with, since their bits differ. Both have one contract
(``lockstep.training.Training``), so whoever trains asks here by the engine's name and needs to know no more.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from study.engine import costs as forecast
from study.engine import devices
from study.errors import EnvironmentFault, UsageError
from study.spec.design import Design

if TYPE_CHECKING:
    from study.data.dataset import Dataset
    from study.engine.lockstep.training import Make

Engine = Literal["auto", "torch", "kernel"]
"""As ``--engine`` asks for one."""

KERNEL = "kernel-1/cpu/float32"
"""To be raised when the bits of a run change."""
KNOWN_ARMS = frozenset({"bn", "no_bn"})
MOST_UNITS = 256
"""Of a layer; where there are more, torch's products are as fast (results/LOG.md)."""


def choose(asked: Engine, design: Design, device: str, tf32: bool, of_study: str | None) -> tuple[str, str | None]:
    """The engine's name, and a notice where another would have been faster.

    ``auto`` is the engine that the study began with, ``of_study``; for a new study the kernel where it can train and is
    faster. A StudyError where the engine cannot train here, or is not the study's.
    """
    torch = devices.engine(device, tf32)
    wanted = _wanted(asked, design, of_study)
    if wanted == "torch":
        devices.check_engine(torch, of_study)
        return torch, None
    reason = why_no_kernel(design, device)
    if reason is None:
        devices.check_engine(KERNEL, of_study)
        return KERNEL, None
    if asked == "kernel":
        raise (UsageError if device != "cpu" else EnvironmentFault)(f"--engine kernel: {reason}; choose --engine torch")
    if of_study is not None:
        raise EnvironmentFault(
            f"the study was trained by the engine {of_study}, and here {reason};"
            " go on where it began, or choose another --study-id."
        )
    return torch, f"{reason}: the torch engine trains, several times slower" if device == "cpu" else None


def likely_prices(asked: Engine, design: Design, device: str, of_study: str | None) -> forecast.Prices:
    """Of the engine that will train, as far as that can be told without torch and without building the kernel."""
    from study.engine.kernel import build

    wanted = _wanted(asked, design, of_study)
    able = not device.startswith("cuda") and KNOWN_ARMS.issuperset(design.arms) and build.has_compiler()
    return forecast.KERNEL if wanted == "kernel" and able else forecast.TORCH


def _wanted(asked: Engine, design: Design, of_study: str | None) -> str:
    if asked != "auto":
        return asked
    if of_study is not None:
        return "kernel" if forecast.of(of_study) is forecast.KERNEL else "torch"
    return "kernel" if max(design.hidden) <= MOST_UNITS else "torch"


def why_no_kernel(design: Design, device: str) -> str | None:
    """In words, None where there is one; it is built if need be."""
    if device != "cpu":
        return "the kernel trains on a CPU alone"
    unknown = sorted(set(design.arms) - KNOWN_ARMS)
    if unknown:
        return f"the kernel does not know the arm {unknown[0]}"
    from study.engine.kernel import build, library

    try:
        library.load()
    except build.NoKernel as none:
        return str(none)
    return None


def first_layer(engine: str, design: Design, data: "Dataset") -> dict[str, Any] | None:
    """In which form the kernel takes the images, which it times at start, and by how much; None of another engine."""
    if engine != KERNEL:
        return None
    from study.engine.kernel.training import prepared

    images = prepared(design, data)
    return {"form": images.form, "microseconds_of_an_image": dict(images.microseconds)}


def in_threads(engine: str) -> bool:
    """Whether several workers of ``engine`` are best threads of one process: the kernel lets go of Python's lock."""
    return forecast.of(engine).in_threads


def training_of(engine: str, between: Callable[[], None] | None = None) -> "Make":
    """What makes the training of a cohort by ``engine``; one in threads calls ``between`` many times a second, and ends
    by what that raises."""
    if engine == KERNEL:
        from study.engine.kernel.training import Training

        return partial(Training, between=between) if between else Training
    from study.engine.lockstep import training

    return training.Training
