"""The trained networks of a study, ``weights/<run_id>.safetensors``: for new inference modes without new training.

Tensors under the names of torch.nn (``linears.0.weight`` (out, in), ``norms.0.running_mean``, ...) and the cumulative
statistics of each batch norm. safetensors holds numbers and names alone; nothing in it can be executed.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from study.errors import UsageError
from study.spec.arms import ARMS
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.history import History
from study.spec.runs import Run
from study.store.atomic import make_subfolder, write_atomically
from study.store.untrusted_parquet import InvalidFile, file_bytes

MAX_BYTES = 2**28
"""Bytes of a network's file that are read."""


def path_of(study: Path, run_id: str) -> Path:
    return study / "weights" / f"{run_id}.safetensors"


def write(study: Path, design: Design, runs: Sequence[Run], history: History) -> None:
    """Write the networks of a cohort, but for those that diverged: nothing in them is worth keeping."""
    make_subfolder(study, "weights")
    for run, bad, tensors in zip(runs, history.first_bad_epoch, history.weights, strict=True):
        if bad is None:
            # save takes bytes as they lie
            in_rows = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
            write_atomically(path_of(study, design.run_id(run)), save(in_rows, {"run_id": design.run_id(run)}))


def read(
    study: Path, design: Design, run: Run, expected: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Return the network of a run; a UsageError where its file is missing, damaged, or of another design.

    ``expected``: the shapes of its tensors, where it is none of the program's own networks.
    """
    path = path_of(study, design.run_id(run))
    try:
        tensors = load(file_bytes(path, MAX_BYTES))
    except FileNotFoundError:
        raise UsageError(
            f"{path} is missing: trained before networks were kept, or removed. Restore it, or train under another"
            " --study-id."
        ) from None
    except (OSError, SafetensorError, InvalidFile) as error:
        raise UsageError(f"{path} cannot be read: {error}. Restore it, or train under another --study-id.") from None
    _check(path, tensors, shapes(design, run.arm, run.cell) if expected is None else expected)
    return tensors


def shapes(design: Design, arm: str, cell: Cell) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors of one network of ``design``."""
    expected: dict[str, tuple[int, ...]] = {}
    widths = design.widths_in(cell)
    for index, (n_in, n_out) in enumerate(pairwise(widths)):
        expected |= {f"linears.{index}.weight": (n_out, n_in), f"linears.{index}.bias": (n_out,)}
    norm = ARMS[arm].norm
    if norm is not None:
        learnt = [name for name, there in (("weight", norm.gamma), ("bias", norm.beta)) if there]
        kept = [*learnt, *(f"{name}_{what}" for name in norm.statistics for what in ("mean", "var"))]
        expected |= {f"norms.{i}.{what}": (n,) for i, n in enumerate(widths[1:-1]) for what in kept}
    return expected


def _check(path: Path, tensors: Mapping[str, NDArray], expected: Mapping[str, tuple[int, ...]]) -> None:
    given = {name: tensor.shape for name, tensor in tensors.items()}
    if given != expected:
        wrong = sorted(name for name in given.keys() | expected.keys() if given.get(name) != expected.get(name))
        raise UsageError(
            f"{path} holds a network of another design: {wrong[0]} is {given.get(wrong[0], 'not there')},"
            f" this study has {expected.get(wrong[0], 'none')}"
        )
