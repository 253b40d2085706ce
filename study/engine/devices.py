"""Where a study trains: on which device, by which arithmetic, and how a process is prepared for it.

A study keeps to the kind of device and the arithmetic that it began with, since their bits differ. torch is
imported by those functions that need it, so that a command with nothing to train never does.
"""

import ctypes
import os
import re

from study.engine.machine import processor
from study.errors import EnvironmentFault, UsageError
from study.spec.checks import counted

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h

VERSION = "torch-2"
"""torch's part of a numerics id; to be raised when the bits of a run change."""
OLD_KERNEL = re.compile(r"(kernel-[0-9]+)/cpu/(\w+)")
"""The kernel's numerics id until schema version 2: its bits do not depend on the device."""


def choose(option: str, of_study: str | None) -> str:
    """Return ``cpu``, ``cuda`` or ``cuda:1``; ``auto`` is the study's own kind of device, else a GPU if there is one.

    Raise EnvironmentFault where the GPU is not there, UsageError where the study has another kind of device.
    """
    check_kind(option, of_study)
    import torch

    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = (of_study or ("cuda" if n_devices else "cpu")) if option == "auto" else option
    if device != "cpu" and int(device.partition(":")[2] or 0) >= n_devices:
        seen = counted(n_devices, "CUDA device")
        raise EnvironmentFault(f"--device {option}: torch sees {seen} here; use --device cpu for a new study.")
    return device


def check_kind(option: str, of_study: str | None) -> None:
    """Refuse a device of another kind than the study's; imports no torch."""
    if option != "auto" and of_study not in (None, kind(option)):
        raise UsageError(f"--device {option}: the study was trained on {of_study}; choose that, or another --study-id.")


def kind(device: str) -> str:
    return device.partition(":")[0]


def name(device: str) -> str:
    import torch

    return processor() if device == "cpu" else torch.cuda.get_device_name(device)


def numerics_id(device: str, tf32: bool) -> str:
    """Return an id such as ``torch-2/cpu/float32``: with the runs and the data it determines a record's bits."""
    if tf32 and kind(device) == "cpu":
        raise UsageError("--tf32: only a GPU has it; leave it out, or choose --device cuda")
    return f"{VERSION}/{kind(device)}/{'tf32' if tf32 else 'float32'}"


def as_today(numerics: str) -> str:
    """Return a study's numerics id as it is written today.

    >>> as_today("kernel-1/cpu/float32"), as_today("torch-2/cpu/float32")
    ('kernel-1/float32', 'torch-2/cpu/float32')
    """
    return OLD_KERNEL.sub(r"\1/\2", numerics)


def check_numerics(numerics: str, of_study: str | None) -> None:
    """Refuse to train one study under two numerics ids."""
    if of_study not in (None, numerics):
        raise UsageError(
            f"the study was trained with the engine {of_study} and this command would use {numerics}:"
            " their records do not mix. Train as before, or choose another --study-id."
        )


def prepare(numerics: str) -> None:
    """Set torch to one thread, since a kernel's bits may depend on their number; flush denormals, since dead units
    leave Adam's moments in them for ever; allow the GPU's reduced precision only where the numerics id has it."""
    import torch

    _keep_freed_memory()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high" if numerics.endswith("tf32") else "highest")


def _keep_freed_memory() -> None:
    """Make glibc return no memory to the system: a step allocates and frees the same tensors again and again, and
    page faults took up to a third of it (results/LOG.md). Does nothing under another C library."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)
