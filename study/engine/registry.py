"""Which engine trains: torch's, which knows every device and arm, the kernel in C, which is faster on a CPU, or the
plain loop, which knows every network.

A study keeps to the engine that it began with, since their bits differ. All have one contract
(``lockstep.training.Training``), so whoever trains asks here by the numerics id and needs to know no more.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from study.engine import costs, devices
from study.errors import EnvironmentFault, UsageError
from study.spec.arms import ARMS, Arm, Norm
from study.spec.design import Design

if TYPE_CHECKING:
    from study.data.dataset import Dataset
    from study.engine.lockstep.training import TrainerFactory

Engine = Literal["auto", "torch", "kernel", "plain"]
"""The values of ``--engine``."""

KERNEL = "kernel-1/float32"
"""The kernel's numerics id, of any device; its version is to be raised when the bits of a run change."""
PLAIN = "plain-1/cpu/float32"
"""The plain loop's numerics id; its version is to be raised when the bits of a run change."""
NAMES = {"kernel": "C kernel", "torch": "torch engine", "plain": "plain loop of torch.nn"}
"""By the values of ``--engine``."""
KERNEL_NORMS = (None, Norm("batch"))
"""The arms' normalisations that the kernel knows."""
KERNEL_FACTORS = ("batch_size", "lr", "depth", "width", "init", "n_train", "label_noise", "scale")
"""The factors that the kernel knows: of shapes, of first weights and of data, and none of its arithmetic."""
STACK_OPTIMISERS = ("adam", "adamw", "sgd", "momentum")
"""The optimisers of which a stack takes the step (``optimisers.OPTIMISERS``); by any other the plain loop trains."""
MAX_UNITS = 256
"""The widest layer that ``auto`` gives to the kernel; in wider ones torch's products are as fast (results/LOG.md)."""


def choose(engine: Engine, design: Design, device: str, tf32: bool, of_study: str | None) -> tuple[str, str | None]:
    """Return the numerics id, and a notice where another engine would have been faster.

    ``auto`` is the engine that the study began with, by its numerics id ``of_study``; for a new study the kernel where
    it can train and is faster. Raise StudyError where the engine cannot train here, or is not the study's.
    """
    of_study = of_study and devices.as_today(of_study)
    torch = devices.numerics_id(device, tf32)
    wanted = _wanted(engine, design, of_study)
    if wanted == "plain":
        devices.check_numerics(PLAIN, of_study)
        check_plain_device(device)
        return PLAIN, None
    unknown = _unknown_to_stacks(design)
    if unknown:
        raise UsageError(f"--engine {engine}: it does not know {unknown}; leave --engine out: the plain loop does")
    if wanted == "torch":
        devices.check_numerics(torch, of_study)
        return torch, None
    reason = why_no_kernel(design, device)
    if reason is None:
        devices.check_numerics(KERNEL, of_study)
        return KERNEL, None
    if engine == "kernel":
        raise (UsageError if device != "cpu" else EnvironmentFault)(f"--engine kernel: {reason}; choose --engine torch")
    if of_study is not None:
        raise EnvironmentFault(
            f"the study was trained with the engine {of_study}, and here {reason};"
            " continue where it began, or choose another --study-id."
        )
    return torch, f"{reason}: the torch engine trains, several times slower" if device == "cpu" else None


def likely_costs(engine: Engine, design: Design, device: str, of_study: str | None) -> costs.CostModel:
    """Return the costs of the engine that will train, as far as known without torch and without building the kernel."""
    from study.engine.kernel import build

    wanted = _wanted(engine, design, of_study)
    if wanted == "plain":
        return costs.PLAIN
    able = not device.startswith("cuda") and _unknown_to_kernel(design) is None and build.has_compiler()
    return costs.KERNEL if wanted == "kernel" and able else costs.TORCH


def why(numerics: str, design: Design, device: str, of_study: str | None) -> str | None:
    """Return in a few words why ``auto`` chose the engine; None where the notice of ``choose`` says it."""
    if of_study is not None:
        return "with which the study began"
    if numerics == PLAIN:
        return f"the one that knows {_unknown_to_stacks(design)}"
    if numerics == KERNEL:
        return "the fastest that knows every arm and factor here"
    if device != "cpu":
        return "the one that trains on a GPU"
    return f"in layers of more than {MAX_UNITS} units as fast" if costs.widest(design) > MAX_UNITS else None


def _wanted(engine: Engine, design: Design, of_study: str | None) -> str:
    if engine != "auto":
        return engine
    if of_study is not None:
        return costs.for_engine(of_study).engine
    if _unknown_to_stacks(design):
        return "plain"
    return "kernel" if costs.widest(design) <= MAX_UNITS else "torch"


def check_plain_device(device: str) -> None:
    """Refuse another device than a CPU to the plain loop, whose bits elsewhere nobody has looked at."""
    if devices.kind(device) != "cpu":
        raise UsageError(f"--device {device}: the plain loop trains on a CPU; choose --device cpu")


def likely_device(device: str, engine: Engine, design: Design, of_study: str | None) -> str:
    """Return ``--device``: that of the plain loop is a CPU where it is ``auto``."""
    return "cpu" if device == "auto" and _wanted(engine, design, of_study) == "plain" else device


def in_words(numerics: str) -> str:
    """Return the name of an engine, by its numerics id."""
    return NAMES[costs.for_engine(numerics).engine]


def why_no_kernel(design: Design, device: str) -> str | None:
    """Return why the kernel cannot train the design there, None where it can; it is built if need be."""
    if device != "cpu":
        return "the kernel trains only on a CPU"
    unknown = _unknown_to_kernel(design)
    if unknown:
        return f"the kernel does not know {unknown}"
    from study.engine.kernel import build, library

    try:
        library.load()
    except build.NoKernel as none:
        return str(none)
    return None


def why_another_study(design: Design, of_study: str | None) -> str | None:
    """Return what of a design the engine that a study began with does not know, so that it cannot be added."""
    if of_study is None:
        return None
    trained = costs.for_engine(of_study)
    if trained is costs.KERNEL and (unknown := _unknown_to_kernel(design)):
        return f"its runs were trained by the kernel, which does not know {unknown}"
    if trained is costs.TORCH and (unknown := _unknown_to_stacks(design)):
        return f"its runs were trained by the torch engine, which does not know {unknown}"
    return None


def _unknown_to_stacks(design: Design) -> str | None:
    """Return what of a design the plain loop alone trains."""
    if design.network is not None:
        return f"the network {design.network.name}"
    return next((f"the optimiser {key}" for key in design.levels("optimizer") if key not in STACK_OPTIMISERS), None)


def _unknown_to_kernel(design: Design) -> str | None:
    arms = [f"the arm {arm}" for arm in design.arms if not _knows(ARMS[arm])]
    factors = [f"the factor {factor.key}" for factor in design.factors if factor.key not in KERNEL_FACTORS]
    return next(iter([*arms, *factors]), None)


def _knows(arm: Arm) -> bool:
    """Whether the kernel trains the arm."""
    return arm.norm in KERNEL_NORMS and not arm.dropout


def first_layer(numerics: str, design: Design, data: "Dataset") -> dict[str, Any] | None:
    """Return the form in which the kernel takes the images, with the times that it is chosen by; None of torch."""
    if numerics != KERNEL:
        return None
    from study.engine.kernel.training import prepared

    images = prepared(design, data)
    return {"form": images.form, "microseconds_of_an_image": dict(images.microseconds)}


def trainer_factory(numerics: str, check_cancelled: Callable[[], None] | None = None) -> "TrainerFactory":
    """Return what makes the trainer of a cohort by an engine; the kernel's calls ``check_cancelled`` often, and ends by
    what that raises."""
    if numerics == KERNEL:
        from study.engine.kernel.training import Training

        return partial(Training, check_cancelled=check_cancelled) if check_cancelled else Training
    if numerics == PLAIN:
        from study.engine.plain.training import Training as Plain

        return Plain
    from study.engine.lockstep import training

    return training.Training
