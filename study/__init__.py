"""Train the same small network under several arms for many seeds, and record every epoch.

The words, one meaning each, in code, tables and report:

arm       what is compared: ``bn`` (with batch normalisation) and ``no_bn`` (without), and others
factor    what is varied beside the arm and the seed: batch size, learning rate, activation
cell      one combination of the factors
run       one training: (arm, cell, seed)
pair      the runs of one cell and seed that differ in the arm alone
cohort    runs trained together in lockstep; a matter of speed that never shows in a number
record    one row: (run, epoch, split)

The study trains and knows no statistics; ``analysis`` concludes and imports no torch. Nothing heavy is imported before
a name is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api import evaluate, fit, optimise, own_data, read, train
    from study.engine.plain.layers import norm_layer
    from study.engine.plain.probing import network
    from study.errors import StudyError
    from study.spec.arms import ARMS, BASELINE, Arm, Norm
    from study.spec.datasets import DATASETS, DatasetSpec
    from study.spec.design import Design
    from study.spec.factors import FACTORS, Cell, Factor
    from study.spec.history import History
    from study.spec.runs import Run

__all__ = [
    "ARMS", "BASELINE", "DATASETS", "FACTORS", "Arm", "Cell", "DatasetSpec", "Design", "Factor", "History", "Norm",
    "Run", "StudyError", "evaluate", "fit", "network", "norm_layer", "optimise", "own_data", "read", "train",
]  # fmt: skip

_HOME = {
    "StudyError": "errors",
    **dict.fromkeys(("ARMS", "BASELINE", "Arm", "Norm"), "spec.arms"),
    **dict.fromkeys(("FACTORS", "Cell", "Factor"), "spec.factors"),
    **dict.fromkeys(("DATASETS", "DatasetSpec"), "spec.datasets"),
    "network": "engine.plain.probing",
    "norm_layer": "engine.plain.layers",
    "Design": "spec.design",
    "History": "spec.history",
    "Run": "spec.runs",
}
"""Modules by name; the functions are in ``api``."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'study' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"study.{_HOME.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return __all__
