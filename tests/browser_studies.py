"""The studies whose pages are opened in a browser: the default one, and planted ones that are odd or hostile."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from study.spec.design import Design
from study.spec.runs import Run
from study.store.study_folder import Folder
from tests import ROOT
from tests.analysis.planted import in_gains, on_a_cliff, on_a_hill, plant, plant_tuned, points

SHIPPED = ROOT / "results" / "reference-mnist"
DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(6)), epochs=3)
HOSTILE = "<script>alert(1)</script>\"'&한국어{{ 7 * 7 }}".ljust(200, "x")
"""Of 200 characters, the last of which cannot be broken into lines."""


def score(run: Run, epoch: int) -> float:
    """Better with batch normalisation, in every cell by something else."""
    gain = 0.02 + 0.002 * (run.seed % 3) + 0.1 * run.cell.lr + 0.0005 * run.cell.batch_size
    return 0.6 + 0.05 * epoch + 0.003 * run.seed + (gain if run.arm == "bn" else 0)


def diverged(run: Run, epoch: int) -> float | None:
    return None if epoch else 0.1


def named(path: Path, name: str) -> Path:
    """A study that has the name ``name`` in its manifest and its tables, and in the words of its owner."""
    folder = Folder(plant(path, replace(DESIGN, batch_sizes=(32,), lrs=(0.01,)), score, notice=name))
    manifest = folder.read_manifest()
    assert manifest is not None
    folder.write_manifest({**manifest, "study_id": name, "argv": name, "versions": {name: name}})
    folder.compact()
    return path


def shipped(path: Path) -> Path:
    shutil.copytree(SHIPPED, path)
    return path


STUDIES: dict[str, Callable[[Path], Path]] = {
    "of one seed": lambda path: plant(path, replace(DESIGN, seeds=(0,)), score),
    "of one cell": lambda path: plant(path, replace(DESIGN, batch_sizes=(32,), lrs=(0.01,)), score),
    "in which all runs failed": lambda path: plant(path, DESIGN, diverged),
    "of digits instead, without the inference modes": lambda path: plant(path, DESIGN, score, notice="NOT MNIST."),
    "of one arm": lambda path: plant(path, replace(DESIGN, arms=("bn",)), score),
    "that was tuned": lambda path: plant_tuned(path, in_gains, on_a_cliff, points(64)),
    "that was tuned with one seed": lambda path: plant_tuned(path, in_gains, on_a_hill, points(4), 1, seeds=(0,)),
    "with a hostile name": lambda path: named(path, HOSTILE),
    "the default": shipped,
}
PLAIN, DEFAULT, TUNED = "of digits instead, without the inference modes", "the default", "that was tuned"
