"""A small ledger on digits, by the command itself: few experiments, two seeds, probes of our own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from study.claims import __main__ as command
from study.claims.registry import Entry, Registry
from study.spec.claims.experiments import EXPERIMENTS, PROBES, Extent
from study.spec.datasets import DatasetSpec
from study.store.claims_folder import SCHEMAS, ClaimsFolder, unit_id
from tests.study.claims.probes_of_ours import TRAP
from tests.study.studies import Child

OURS: Registry = {key: Entry("tests.study.claims.probes_of_ours", 1.0) for key in PROBES}
OPTIONS = ("--dataset", "digits", "--quiet", "--workers", "1")


def only(*keys: str, seeds: int = 2) -> Extent:
    """The extent of these experiments alone, which has the name of the full one."""
    left_out = tuple(key for key in EXPERIMENTS if key not in keys)
    return Extent("full", seeds=seeds, runs=3, unpaired=2, best_epoch=2, trials=2, splits=1, left_out=left_out)


BARE = only("formulas", "repeat", "speed")
"""No study: six units in some milliseconds."""
WITH_STUDIES = only("post", "unpaired", "single-image")


def units(data: DatasetSpec, extent: Extent) -> list[str]:
    return [f"bn-{seed}" for seed in range(extent.seeds)]


@contextmanager
def ours(extent: Extent = BARE, registry: Registry = OURS) -> Iterator[None]:
    """The command has this extent and probes of ours, for the time of a ``with`` block."""
    with pytest.MonkeyPatch.context() as patch:
        for key, probe in PROBES.items():
            patch.setitem(PROBES, key, replace(probe, units=units))
        patch.setattr(command, "FULL", extent)
        patch.setattr(command, "REGISTRY", registry)
        yield


def make(out: Path, *options: str, extent: Extent = BARE) -> int:
    """Run the command on the ledger ``claims`` under ``out``; later options override."""
    with ours(extent):
        return command.main([*OPTIONS, "--out", str(out), *options])


def launch(out: Path, *options: str, extent: Extent = BARE) -> Child:
    """Start the command in a process of its own, for which traps lie in ``out``."""
    return Child(out / "stderr", _make_with_trap, out, options, extent)


def _make_with_trap(out: Path, options: tuple[str, ...], extent: Extent) -> int:
    os.environ[TRAP] = str(out)
    return make(out, *options, extent=extent)


def tables(out: Path) -> dict[str, bytes]:
    return {name: (out / "claims" / f"{name}.parquet").read_bytes() for name in SCHEMAS}


def part_of(out: Path, unit: str) -> Path:
    """The part of a unit."""
    folder = ClaimsFolder(out / "claims")
    fixed = folder.fixed()
    assert fixed is not None
    (path,) = folder.parts.glob(f"{unit_id(fixed.digest, unit)}-*")
    return path


def litter(folder: Path) -> list[str]:
    """Hidden files of a ledger that are no locks."""
    return [str(path) for path in folder.rglob(".*") if not path.name.startswith((".lock", ".writing", ".ablating"))]


def copy(ledger: Path, to: Path) -> Path:
    shutil.copytree(ledger / "claims", to / "claims")
    return to
