"""Sums under flipped signs, and random draws that are a function of the data.

Where the labels within a pair are exchangeable, each difference could as well have had the other sign (Fisher
1935): the reference set of a test is its statistic under every pattern of signs. Up to 16 units all of them
are taken; beyond, random ones. Nothing depends on the clock, the process or the order of the seeds.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.stats.scale import without_unit

MAX_EXACT_UNITS = 16
MAX_PATTERNS = 99_999
"""Random patterns of signs that a test takes beyond ``MAX_EXACT_UNITS``."""
BOOTSTRAP_RESAMPLES = 9_999
"""Resamples of a bootstrap, and random patterns of a critical value."""
CHUNK = 8192  # patterns at a time: memory stays small however many there are
SIGNS_OF_BYTE = 1.0 - 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")


def generator(purpose: str, *arrays: NDArray) -> np.random.Generator:
    """Return random numbers seeded by ``purpose`` and the data, whatever their unit.

    Arrays as they lie: give them in a canonical order. In another unit they give the same numbers.
    """
    digest = hashlib.sha256(purpose.encode())
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(without_unit(array), dtype=np.float64).tobytes())
    return np.random.default_rng(int.from_bytes(digest.digest()[:16], "big"))


def canonical_rows(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows of (n, m) in an order, and each with a sign, that do not depend on the order of rows and columns.

    Rows are sorted by the sizes in them, NaN as the largest, each in units of its column; no row has a negative sum of
    these. Flipped signs make the same reference set of it.
    """
    if not table.size:
        return table
    shares = without_unit(table)
    order = np.lexsort(np.sort(np.abs(shares), axis=1).T[::-1])
    return np.where(np.nansum(shares[order], axis=1, keepdims=True) < 0, -table[order], table[order])


def sorted_rows(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the columns of ``one`` and of ``other`` side by side, rows sorted: no trace of the order of the rows."""
    rows = np.column_stack([one, other])
    return rows[np.lexsort(rows.T[::-1])]


def is_exact(n: int) -> bool:
    """Return whether all 2^n patterns of signs are taken, not random ones."""
    return n <= MAX_EXACT_UNITS


def flipped_sums(
    table: NDArray[np.float64], rng: np.random.Generator, resamples: int = MAX_PATTERNS
) -> Iterator[NDArray[np.float64]]:
    """Yield blocks (k, m) of the column sums of ``table`` (n, m), each row with a sign of its own.

    Up to 16 rows under half of all patterns, those that leave the last row alone: the others mirror them. Beyond,
    under ``resamples`` random ones. Eight rows at a time, whose 256 sums are made once and looked up.
    """
    n, m = table.shape
    rows = np.zeros((-(-n // 8) * 8, m))
    rows[:n] = table
    looked_up = SIGNS_OF_BYTE @ rows.reshape(len(rows) // 8, 8, m)  # (bytes, 256, m)
    for patterns in _patterns(n, rng, resamples):
        total = np.zeros((len(patterns), m))
        for sums_of_byte, byte in zip(looked_up, patterns.T, strict=True):
            total += sums_of_byte[byte]
        yield total


def abs_t(sums: NDArray[np.float64], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the |t| (..., m) of flipped column sums (..., m); flipping leaves the sums of squares as they are."""
    n_of = (~np.isnan(table)).sum(0)
    squares = np.nansum(table**2, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(squares > 0, sums**2 / (n_of * squares), 0.0)  # t^2 = (n - 1) share / (1 - share)
        return np.sqrt((n_of - 1) * share / np.maximum(1 - share, 0))


def two_sided_counts(n_extreme: int, n: int) -> tuple[int, int]:
    """Return (extreme, total) of all patterns of n signs, from the number among those that ``flipped_sums`` gives."""
    if is_exact(n):
        return 2 * n_extreme, 2**n
    return 1 + n_extreme, 1 + MAX_PATTERNS  # the observed pattern is one of them (Phipson & Smyth 2010)


def _patterns(n: int, rng: np.random.Generator, resamples: int) -> Iterator[NDArray[np.uint8]]:
    """Yield blocks (k, bytes) of signs, eight to a byte, the first in its lowest bit."""
    n_bytes, exact = -(-n // 8), is_exact(n)
    total = 2 ** max(n - 1, 0) if exact else resamples
    for start in range(0, total, CHUNK):
        stop = min(start + CHUNK, total)
        if exact:
            yield np.arange(start, stop, dtype="<u2").view(np.uint8).reshape(-1, 2)[:, :n_bytes]
        else:
            yield rng.integers(0, 256, (stop - start, n_bytes), np.uint8)
