"""In which environment are numbers computed? The program's versions, the compiler, the processor, the device.

No date, no host and no number of workers: the same environment has the same digest wherever and whenever it works.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from study.engine import costs, devices
from study.engine.machine import processor
from study.engine.numerics import Numerics, first_of
from study.spec.design import digest

PACKAGES = ("torch", "torchvision", "numpy", "pyarrow", "scikit-learn")
LENGTH = 16
"""Hex digits of an environment's digest."""


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and the packages, read without importing them."""
    installed = {"python": sys.version.split()[0]}
    for package in packages:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            installed[package] = "absent"
    return installed


def describe(device: str, engine: str) -> dict[str, Any]:
    """Return what a manifest spells out of the environment in which an engine trains on a device."""
    import torch

    described: dict[str, Any] = {
        "versions": versions(),
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": devices.name(device),
    }
    compiled_by = compiler() if costs.for_engine(engine) is costs.KERNEL else None
    return described | ({"compiler": compiled_by} if compiled_by else {})


@dataclass(frozen=True)
class Machine:
    """The environment of a command and its numerics digests, as they stand in a manifest."""

    environment: dict[str, Any]
    numerics: Numerics

    @property
    def digest(self) -> str:
        """The digest of the environment."""
        return digest(self.environment)[:LENGTH]

    def entry(self) -> dict[str, Any]:
        """Return the fields of a command's entry."""
        facts: dict[str, Any] = {
            name: self.environment[name] for name in ("versions", "processor", "compiler") if name in self.environment
        }
        return {**facts, "environment": self.digest, "numerics": dict(self.numerics.digests)}

    def of_study(self, manifest: Mapping[str, Any] | None, work: str) -> dict[str, Any]:
        """Return the fields of the study, to which this machine's are added; ``work``: what it does."""
        manifest, first = manifest or {}, first_of(manifest)
        mixed, entry = [*manifest.get("mixed_numerics", [])], self.numerics.mixed_entry(first, work, self.digest)
        mixed += [each for each in entry if each not in mixed]
        return {
            "environments": {**manifest.get("environments", {}), self.digest: self.environment},
            "first_numerics": self.numerics.added_to(first),
            **({"mixed_numerics": mixed} if mixed else {}),
        }


@cache
def compiler() -> dict[str, str] | None:
    """Return name and version of the compiler that builds the kernel here, None where there is none."""
    from study.engine.kernel import build

    try:
        path = build.find_compiler()
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (build.NoKernel, OSError, subprocess.TimeoutExpired):
        return None
    lines = [line for line in said.splitlines() if line.isprintable() and line.strip()]
    return {"name": Path(path).resolve().name, "version": lines[0][:200] if lines else "not told"}
