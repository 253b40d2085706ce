"""The images of a data set in the form that the kernel multiplies fastest: lit pixels, or whole rows.

Both forms give the same bits, since what is left out adds nothing and the order of every sum is one. So which is
taken is a matter of speed: where more than MOST_LIT of the pixels' groups are lit, or where they have too many values
for codes, whole rows serve.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from study.data import Dataset
from study.kernel.layout import aligned, padded
from study.kernel.library import BLOCK, MOST_GROUPS, MOST_VALUES, Entries, Images, Library

MOST_LIT = 0.45
"""Of the groups of neighbouring pixels; where more are lit, whole rows are as fast (results/LOG.md)."""
PIECE = 8192
"""Images that are prepared at once, for all runs of a seed."""


class Room:
    """Memory for one piece after another, which is faulted in once."""

    def __init__(self) -> None:
        self.memory = aligned(0, np.uint8)

    def of(self, n: int, dtype: type) -> NDArray:
        """(n,) of anything."""
        wanted = n * np.dtype(dtype).itemsize
        if wanted > self.memory.size:
            self.memory = aligned(wanted + wanted // 8, np.uint8)
        return self.memory[:wanted].view(dtype)


class Pixels(Protocol):
    """The images of a split."""

    def piece(self, order: NDArray[np.int32], batch: int, room: Room) -> Images:
        """Those at ``order``, in batches; valid until ``room`` has another piece."""
        ...

    def chunks(self, n: int) -> Iterator[Images]:
        """All of them in their own order, n at a time."""
        ...


class Rows:
    """Whole rows, padded to lines."""

    def __init__(self, images: NDArray[np.float32], labels: NDArray[np.int32]):
        self.labels = labels
        self.n, n_features = images.shape
        self.width = padded(n_features)
        self.images = aligned(self.n * self.width).reshape(self.n, self.width)
        self.images[:, :n_features] = images

    def piece(self, order: NDArray[np.int32], batch: int, room: Room) -> Images:
        rows = room.of(len(order) * self.width, np.float32).reshape(len(order), self.width)
        np.take(self.images, order, axis=0, out=rows, mode="clip")
        return Images(self.labels[order], rows)

    def chunks(self, n: int) -> Iterator[Images]:
        for start in range(0, self.n, n):
            yield Images(self.labels[start : start + n], self.images[start : start + n])


class Lit:
    """The entries of the lit pixels."""

    def __init__(
        self, library: Library, entries: Entries, labels: NDArray[np.int32], values: NDArray[np.float32],
        ever: NDArray[np.uint8],
    ):  # fmt: skip
        """``ever`` (groups,): whether a group is lit in any training image."""
        self.library, self.entries, self.labels, self.values, self.ever = library, entries, labels, values, ever
        self.natural = self.piece(np.arange(len(labels), dtype=np.int32), BLOCK, Room())

    def piece(self, order: NDArray[np.int32], batch: int, room: Room) -> Images:
        entries = room.of(self.entries.count(order), np.uint64)
        plan = self.library.plan(self.entries, order, batch, self.ever, self.values, entries)
        return Images(self.labels[order], plan=plan)

    def chunks(self, n: int) -> Iterator[Images]:
        """n a multiple of BLOCK."""
        plan = self.natural.plan
        assert plan is not None, "lit pixels have a plan"
        ends = plan.starts[:, -1].cumsum(dtype=np.int64)
        for start in range(0, len(self.labels), n):
            block, stop = start // BLOCK, (start + n) // BLOCK
            entries = plan.entries[ends[block - 1] if block else 0 :]
            some = replace(plan, starts=plan.starts[block:stop], visits=plan.visits[block:stop], entries=entries)
            yield Images(self.labels[start : start + n], plan=some)


class Prepared:
    """Both splits of a data set."""

    def __init__(self, library: Library, data: Dataset, most_lit: float = MOST_LIT):
        splits = [(_numbers(split.images), split.labels.numpy().astype(np.int32)) for split in (data.train, data.test)]
        lit = _lit(library, splits, most_lit)
        self.train, self.test = lit or [Rows(*split) for split in splits]


def _lit(
    library: Library, splits: list[tuple[NDArray[np.float32], NDArray[np.int32]]], most_lit: float
) -> list[Pixels] | None:
    """The splits as lit pixels; None where whole rows are better."""
    values = np.zeros(1, np.float32)
    for images, _ in splits:
        found = library.values(images, values)
        if found is None:
            return None
        values = found
    if splits[0][0].shape[1] > library.group * MOST_GROUPS:
        return None
    entries = [library.entries(images, values) for images, _ in splits]
    if len(entries[0].entries) > most_lit * entries[0].n_groups * len(splits[0][0]):
        return None
    ever = np.zeros(entries[0].n_groups, np.uint8)
    ever[entries[0].entries >> 32] = 1
    table = np.zeros(MOST_VALUES, np.float32)
    table[: len(values)] = values
    return [Lit(library, own, labels, table, ever) for own, (_, labels) in zip(entries, splits, strict=True)]


def _numbers(images: Tensor) -> NDArray[np.float32]:
    array = images.numpy()
    if array.dtype != np.float32:
        raise ValueError(f"the kernel trains on float32, these images are {array.dtype}")
    return np.ascontiguousarray(array)
