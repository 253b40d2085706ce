"""Values of a study that many tests write."""

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import pytest

from study.spec.cohorts import Cohort
from study.spec.factors import Cell

slow = partial(pytest.param, marks=pytest.mark.slow)
"""A case that repeats another with other values."""


def cohort_of(batch_size: int, arms: Sequence[str], lrs: Sequence[float], seeds: Sequence[int]) -> Cohort:
    """Return the cohort of a batch size at several rates."""
    return Cohort(tuple(Cell(batch_size, lr) for lr in lrs), tuple(arms), tuple(seeds))


def a_third_of(*axes: Sequence[Any]) -> list[Any]:
    """Return the parameters of a product of at least three axes. Two thirds are slow; any two levels of two axes are
    together in the fast third."""
    found = []
    for at in product(*(range(len(axis)) for axis in axes)):
        values = [axis[i] for axis, i in zip(axes, at, strict=True)]
        marks = [pytest.mark.slow] if sum(at) % 3 else []
        found.append(pytest.param(*values, marks=marks, id="-".join(map(str, values))))
    return found
