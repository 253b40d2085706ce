"""Small sub-studies of digits, as probes find them."""

from dataclasses import replace
from pathlib import Path

import study
from study.claims.measuring import Context
from study.data.dataset import Dataset
from study.spec.claims.experiments import PROBES, QUICK, STUDIES
from study.spec.datasets import DATASETS

DIGITS = DATASETS["digits"]
TWO_SEEDS = replace(QUICK, seeds=2, runs=2)


def trained(folder: Path, *keys: str) -> Path:
    """Train keys of STUDIES with two seeds; return the folder that has them."""
    for key in keys:
        design = STUDIES[key].design(DIGITS, TWO_SEEDS)
        study.train(design, folder / key, engine="torch", workers=1, inference_modes=False)
    return folder


def context(probe: str, digits: Dataset, studies: Path) -> Context:
    return Context(DIGITS, TWO_SEEDS, digits, studies, PROBES[probe].settings)
