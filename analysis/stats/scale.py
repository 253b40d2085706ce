"""Samples of any size, from 1e-300 to 1e300: a unit for each, and what is nothing beside its largest value.

Squares of numbers beyond 1e154 are infinite and those of numbers below 1e-162 are zero, so what squares divides by a
unit first. Units are powers of two, which no digit notices; a sample of ordinary size has the unit 1.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEGLIGIBLE = 1e-9
"""Values below this share of a sample's largest count as zero: they are nearer to its rounding than to it."""
ORDINARY = 100
"""Sizes from 2^-100 to 2^100 are left as they are: their squares, and sums of these, are numbers."""

MAX_EXPONENT = 1023
"""Of the largest power of two that is a number."""


@dataclass(frozen=True)
class Sample:
    """A sample in a unit of its own, less what is negligible in it."""

    values: NDArray[np.float64]
    """In ``unit``; infinite ones stay so, NaN stays NaN."""
    unit: float
    """A power of two."""
    n_negligible: int
    """Values that are not zero and count as zero."""
    n: int
    """Values that are numbers, infinity too."""

    @property
    def note(self) -> str | None:
        """Return what counts as zero, in words; None where nothing does."""
        if not self.n_negligible:
            return None
        counted = "they count as zero" if self.n_negligible > 1 else "it counts as zero"
        verb = "are" if self.n_negligible > 1 else "is"
        return f"{self.n_negligible} of {self.n} values {verb} below {NEGLIGIBLE:g} of the largest: {counted}"

    @property
    def too_few(self) -> str | None:
        """Return why the sample says nothing, where fewer than half of what is not zero remains; None where it does."""
        n_moved = self.n_negligible + int(np.count_nonzero(self.values[~np.isnan(self.values)]))
        if 2 * self.n_negligible <= n_moved:
            return None
        return f"{self.n_negligible} of {n_moved} values are below {NEGLIGIBLE:g} of the largest: too few remain"


def unit_of(*arrays: NDArray[np.float64]) -> float:
    """Return the power of two that brings the largest finite size of all ``arrays`` to 1/2 or more, below 1.

    1 for ordinary sizes and for zeros.
    """
    exponent = math.frexp(max((_largest(array) for array in arrays), default=0.0))[1]
    return 1.0 if abs(exponent) <= ORDINARY else math.ldexp(1.0, min(exponent, MAX_EXPONENT))


def in_unit(values: NDArray[np.float64], unit: float) -> NDArray[np.float64]:
    """Return ``values / unit``; themselves where the unit is 1."""
    return values if unit == 1.0 else np.asarray(values / unit)


def rescale(d: NDArray[np.float64]) -> Sample:
    """Return ``d`` as a sample in a unit of its own."""
    unit = unit_of(d)
    values = in_unit(d, unit)
    small = (d != 0) & (np.abs(values) < NEGLIGIBLE * _largest(values))
    there = int(np.count_nonzero(~np.isnan(d)))
    return Sample(np.where(small, 0.0, values), unit, int(np.count_nonzero(small)), there)


def rescale_columns(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[Sample]]:
    """Return ``table`` (n, m) with each column in its own unit, and the columns as samples."""
    samples = [rescale(column) for column in table.T]
    return np.column_stack([sample.values for sample in samples]) if samples else table, samples


def standard_deviation(d: NDArray[np.float64]) -> float:
    """Return the standard deviation of ``d`` (n,), n - 1 in the denominator; NaN below two values."""
    unit = unit_of(d)
    return unit * float(in_unit(d, unit).std(ddof=1)) if len(d) > 1 else math.nan


def without_unit(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``table`` (n,) or (n, m), each column over its largest size, to ten digits: what no unit changes."""
    if not table.size:
        return table
    unit = unit_of(table) if table.ndim == 1 else np.array([unit_of(column) for column in table.T])
    scaled = table / unit
    sizes = np.where(np.isfinite(scaled), np.abs(scaled), 0.0).max(axis=0)
    return np.asarray(np.round(scaled / np.where(sizes > 0, sizes, 1.0), 10) + 0.0)


def _largest(array: NDArray[np.float64]) -> float:
    """Return the largest finite size in ``array``; 0 where there is none."""
    sizes = np.abs(array[np.isfinite(array)])
    return float(sizes.max(initial=0.0))
