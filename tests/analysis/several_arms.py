"""Studies of several arms with planted numbers: the arms are registered for as long as a test takes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from study.spec.arms import ARMS, Arm, Norm
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests.analysis.planted import plant

GAINS = {"bn": 20, "layer": 14, "amber": 12, "coral": 0, "ivory": -12, "olive": 1}
"""Images of 360 that an arm gains on no_bn, before noise."""
EXTRA = ("amber", "coral", "ivory", "olive")
SIX = ("bn", "no_bn", "layer", *EXTRA[:3])


@contextmanager
def registered(keys: Sequence[str] = EXTRA) -> Iterator[None]:
    """Register an arm by each of these names, which nobody else has, without a look of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for key in keys:
            patch.setitem(ARMS, key, Arm(key, f"{key} normalisation", f"with {key}", f"with {key}", Norm("layer")))
        yield


def score(run: Run, epoch: int) -> float:
    """What a run scores: seeds differ alike in all arms, and every arm has noise of its own by seed and setting."""
    words = [ord(letter) for letter in f"{run.arm} {run.cell.lr} {run.cell.batch_size}"]
    noise = np.random.default_rng([run.seed, *words]).integers(-2, 3)
    rate = 4 if run.cell.lr == 0.01 else 0
    return float(285 + 5 * epoch + rate + run.seed % 3 + GAINS.get(run.arm, 5) * (run.arm != "no_bn") + noise) / 360


def plant_arms(path: Path, arms: Sequence[str], n_seeds: int = 8, lrs: Sequence[float] = (0.001, 0.01)) -> Path:
    """Write a study of these arms, which are registered."""
    seeds = tuple(range(n_seeds))
    return plant(path, Design("digits", tuple(arms), batch_sizes=(32,), lrs=tuple(lrs), seeds=seeds, epochs=3), score)


SETTING = Cell(32, 0.01)
"""The best setting of such a study."""
