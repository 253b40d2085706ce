"""Does this machine compute with the bits of the machine on which a study began? Tried, not inferred from its name.

A *numerics digest* is the sha256 over the bits of a network after three training steps from the study's own streams on
its own images. An engine has one for each arm, batch size and shape of network, since kernels choose their path by
shape. A study keeps the first of each (``first_numerics`` in its manifest); a machine that gives another one does not
compute for the study, unless it is asked to mix numerics. Costs some hundredths of a second a digest.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.engine import devices, registry
from study.errors import EnvironmentFault
from study.spec.arms import default_baseline
from study.spec.checks import counted
from study.spec.design import Design
from study.spec.factors import REFERENCE_SETTING, Cell
from study.spec.runs import Run

if TYPE_CHECKING:
    from study.data.dataset import Dataset
    from study.engine.lockstep.training import TrainerFactory

STEPS = 3
"""Steps at the least: with fewer batches in an epoch there are several epochs."""
N_TEST = 16
"""Test images of a trial, whose evaluation is not part of the digest."""
LENGTH = 32
"""Hex digits of a digest."""
MAX_NAME = 60
"""Characters of a network's widths in the name of a digest."""

First = Mapping[str, Mapping[str, str]]
"""Digests by engine and name: ``first_numerics`` of a manifest."""


@dataclass(frozen=True)
class Numerics:
    """The numerics digests of this machine by an engine."""

    engine: str
    digests: Mapping[str, str]
    """By name, such as ``b0032-784x32x32x10-relu-bn``."""

    def differing(self, first: First) -> dict[str, str]:
        """Return those that differ from the study's."""
        known = first.get(self.engine, {})
        return {name: digest for name, digest in self.digests.items() if known.get(name, digest) != digest}

    def added_to(self, first: First) -> dict[str, dict[str, str]]:
        """Return the study's digests with those that it had none of."""
        all_engines = {engine: dict(digests) for engine, digests in first.items()}
        all_engines[self.engine] = {**self.digests, **all_engines.get(self.engine, {})}
        return {engine: digests for engine, digests in all_engines.items() if digests}

    def mixed_entry(self, first: First, work: str, environment: str) -> list[dict[str, Any]]:
        """Return what ``mixed_numerics`` of a manifest says of ``work`` by this machine: nothing where none differs."""
        differing = self.differing(first)
        return [{"work": work, "environment": environment, "numerics": differing}] if differing else []

    def check(self, first: First, mixed: bool) -> str | None:
        """Refuse a machine that computes otherwise, or return a sentence that says so where it may (``mixed``)."""
        differing = self.differing(first)
        if not differing:
            return None
        name, own = next(iter(differing.items()))
        said = (
            f"this machine computes with other bits than the study by {self.engine}: {name} gives {own}, the study has"
            f" {first[self.engine][name]}{_more(len(differing) - 1)}"
        )
        if mixed:
            return f"{said}; the study's numerics are mixed from here on (--mixed-numerics)"
        raise EnvironmentFault(
            f"{said}. Go on where the study began, or add --mixed-numerics: its numbers are then of several machines,"
            " and the report says so."
        )


def first_of(manifest: Mapping[str, Any] | None) -> First:
    """Return the study's digests; none of a new study, and of one of schema version 1."""
    return (manifest or {}).get("first_numerics", {})


def _more(n: int) -> str:
    return f" ({counted(n, 'more digest')} {'differs' if n == 1 else 'differ'})" if n else ""


def of_cells(design: Design, cells: Iterable[Cell], data: "Dataset", engine: str) -> Numerics:
    """Return the digests of the networks of ``cells``, of the baseline and the first other arm, by an engine."""
    devices.prepare(engine)
    make, digests = registry.trainer_factory(engine), {}
    for cell in sorted({_plain(design, cell) for cell in cells}):
        for arm in _compared(design.arms):
            run = Run(cell, seed=0, arm=arm)
            if run.applicable:
                digests[name_of(design, run)] = _digest(design.of_run(run), run, data, make)
    return Numerics(engine, digests)


def name_of(design: Design, run: Run) -> str:
    """Return what a run's digest is called: batch size, widths, activation, what else is not as by default, arm."""
    widths, network = "x".join(map(str, design.widths_in(run.cell))), design.network
    if network is not None:
        widths = f"network {network.sha256[:12]}"
    if len(widths) > MAX_NAME:
        widths = f"{widths[:MAX_NAME]}-{hashlib.sha256(widths.encode()).hexdigest()[:8]}"
    cell = run.cell
    others = [key for key in cell.identity if not cell.factors[key].always and key != "activation"]
    levels = [str(cell[key]) if isinstance(cell[key], str) else f"{key}{cell[key]}" for key in others]
    return "-".join([f"b{cell.batch_size:04d}", widths, cell.activation, *levels, run.arm])


def _compared(arms: Sequence[str]) -> list[str]:
    baseline = default_baseline(arms)
    return [baseline, *[arm for arm in arms if arm != baseline][:1]]


def _plain(design: Design, cell: Cell) -> Cell:
    """Return a cell at the tutorial's rate, with the default of every further number that leaves the widths alone: what
    a design varies there makes no other kernels."""
    cell = cell.but(lr=REFERENCE_SETTING.lr)
    for key, factor in cell.factors.items():
        default = cell.but(**{key: factor.default[0]})
        if factor.is_numeric and not factor.always and design.widths_in(default) == design.widths_in(cell):
            cell = default
    return cell


def _digest(design: Design, run: Run, data: "Dataset", make: "TrainerFactory") -> str:
    import torch

    from study.data.dataset import Dataset, Split
    from study.spec.cohorts import Cohort

    n = min(STEPS, len(data.train.labels) // run.cell.batch_size) * run.cell.batch_size
    train = Split(data.train.images[:n], data.train.labels[:n])
    test = Split(data.test.images[:N_TEST], data.test.labels[:N_TEST])
    few = Dataset(data.name, train, test, data.sha256)
    with torch.no_grad():
        training = make(design, Cohort((run.cell,), (run.arm,), (run.seed,)), few)
        for epoch in range(-(-STEPS * run.cell.batch_size // n)):
            training.epoch(epoch + 1)
        (tensors,) = training.history().weights
    bits = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        bits.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        bits.update(tensor.tobytes())
    return bits.hexdigest()[:LENGTH]
