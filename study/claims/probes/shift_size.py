"""How far does a corruption shift the first layer, the units' inputs to its normalisation or activation?

Measure ``shift``: the 2-Wasserstein distance between a unit's values over the clean and over the corrupted test images,
divided by the standard deviation over the clean ones, mean over the units. On a line the distance between two samples
of one size is the root mean square difference of the sorted values, exactly (Villani 2003, Topics in Optimal
Transportation, Theorem 2.18).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from study.claims.measuring import Context, Measured
from study.claims.networks import groups
from study.inference.corruptions import Form, corrupt
from study.inference.evaluate import Group
from study.spec.inference.conditions import SEVERITIES, Condition

STUDY = "post"


def measure(unit: str, context: Context) -> Sequence[Measured]:
    test, form = context.images.test, Form.of(context.data)
    asked = groups(context, STUDY, range(context.extent.seeds))
    clean = [_sorted(group, test.images) for group in asked]
    rows = []
    for severity in SEVERITIES:
        images = corrupt(Condition(unit, severity), test.images, test.labels, form=form)
        for group, of_clean in zip(asked, clean, strict=True):
            context.check_cancelled()
            shifts = shift(of_clean, _sorted(group, images))
            rows += [
                Measured("shift", float(value), f"{unit}_{severity}", run.arm, seed=run.seed, layer=1, n=len(images))
                for run, value in zip(group.runs, shifts, strict=True)
            ]
    return rows


def _sorted(group: Group, images: Tensor) -> NDArray[np.float32]:
    """Return what each unit of the first layer is given, (networks, units, n), in ascending order over the n images."""
    z = group.networks.units(group.networks.inputs(group.scale(images)))
    values: NDArray[np.float32] = z.mT.contiguous().numpy()
    values.sort(-1)
    return values


def shift(clean: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean over the units of the 2-Wasserstein distance over the clean standard deviation, (networks,).

    Both are (networks, units, n), sorted over n. A unit that is constant on clean images has no scale and is left out.

    >>> clean = np.array([[[-1.0, 1.0]]], np.float32)
    >>> shift(clean, clean + 3).tolist()
    [3.0]
    """
    sd = clean.std(-1, dtype=np.float64)
    distance = np.sqrt(np.square(other - clean).mean(-1, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nanmean(np.where(sd > 0, distance / sd, np.nan), -1)
