"""A small study at the tutorial's setting, and what a probe is given, on digits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import study
from study.claims.measuring import Context
from study.data.dataset import Dataset
from study.spec.claims.experiments import PROBES, QUICK, STUDIES, Extent
from study.spec.datasets import DATASETS

DIGITS = DATASETS["digits"]
TWO_SEEDS = replace(QUICK, seeds=2, runs=2, best_epoch=2)

ContextOf = Callable[..., Context]


@pytest.fixture(scope="session")
def extent() -> Extent:
    return TWO_SEEDS


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of sub-studies, with ``post``."""
    folder = tmp_path_factory.mktemp("studies")
    design = STUDIES["post"].design(DIGITS, TWO_SEEDS)
    study.train(design, folder / "post", workers=1, inference_modes=False)
    return folder


@pytest.fixture(scope="session")
def context_of(digits: Dataset, studies: Path) -> ContextOf:
    """A function of a probe's key, and of the folder of sub-studies where it is another."""

    def context(key: str, studies: Path = studies) -> Context:
        return Context(DIGITS, TWO_SEEDS, digits, studies, PROBES[key].settings)

    return context
