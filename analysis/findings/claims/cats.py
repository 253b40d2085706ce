"""What networks answer whose training images had a background tied to their class group: by background, arm, mode."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.stats.intervals import Interval, t_interval
from study.spec.arms import DEFAULT_ARMS

CONDITIONS = {
    "same": "as in training",
    "absent": "no background",
    "half": "half as strong",
    "brighter": "brighter cats",
    "everywhere": "dogs too",
    "swapped": "swapped",
}
"""Backgrounds of the test images by key, in words."""


@dataclass(frozen=True)
class Answers:
    """One arm in one inference mode: a share at each background."""

    arm: str
    mode: str
    shares: dict[str, Interval]
    """By background: the mean over seeds with its interval, pointwise (Student's t)."""


def answers(measurements: pd.DataFrame, experiment: str, measure: str, level: float) -> list[Answers]:
    """Return the shares ``accuracy`` or ``as_other`` by arm and mode, those without batch norm first."""
    rows = measurements[(measurements.experiment == experiment) & (measurements.measure == measure)]
    keys = sorted({(str(arm), str(mode)) for arm, mode in zip(rows.arm, rows["mode"], strict=True)}, key=_order)
    return [Answers(arm, mode, _shares(rows, arm, mode, level)) for arm, mode in keys]


def _shares(rows: pd.DataFrame, arm: str, mode: str, level: float) -> dict[str, Interval]:
    own = rows[(rows.arm == arm) & (rows["mode"] == mode)]
    of = {name: own.value[own.condition == name].to_numpy(float) for name in CONDITIONS}
    return {name: t_interval(values, level) for name, values in of.items() if len(values)}


def _order(key: tuple[str, str]) -> tuple[int, str, int, str]:
    arm, mode = key
    places = {"none": 0, "running": 1, "population": 2}
    return [*DEFAULT_ARMS[::-1], arm].index(arm), arm, places.get(mode, 3), mode


@dataclass(frozen=True)
class Pictures:
    """Images of the protocol: of each background the same examples."""

    by_condition: dict[str, list[np.ndarray]]
    """(height, width) in [0, 1], dogs before cats."""
    labels: Sequence[int]


MOST_PICTURES = 4


def pictures(table: pd.DataFrame | None, first_cat: int) -> Pictures | None:
    """Return square images of ``pictures.parquet``: as many dogs as cats, at most four of each background."""
    if table is None or not len(table):
        return None
    by_index = {int(i): int(label) for i, label in zip(table["index"], table.label, strict=True)}
    of_group = [[i for i, label in by_index.items() if (label >= first_cat) == cat] for cat in (False, True)]
    chosen = [i for of in of_group for i in of[: MOST_PICTURES // 2]]
    found: dict[str, list[np.ndarray]] = {}
    for name in CONDITIONS:
        own = table[table.condition == name].set_index("index").pixels
        if set(chosen) <= set(own.index):
            found[name] = [_square(own.loc[i]) for i in chosen]
    return Pictures(found, [by_index[i] for i in chosen]) if found else None


def _square(pixels: Sequence[float]) -> np.ndarray:
    values = np.clip(np.asarray(pixels, float), 0, 1)
    side = round(len(values) ** 0.5)
    return values[: side * side].reshape(side, side)
