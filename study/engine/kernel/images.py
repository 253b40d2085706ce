"""The images of a data set in the form that the kernel multiplies fastest: nonzero pixels, or whole rows.

Both forms give the same bits, since the pixels left out add nothing and every sum has one order. So the choice
is a matter of speed, and is timed at start; pixels that have too many values for codes come as whole rows.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from study.data.dataset import Dataset, Split
from study.engine.kernel.layout import Layout, aligned, padded
from study.engine.kernel.library import BLOCK, MAX_GROUPS, MAX_VALUES, Entries, Images, Library, Run

Form = Literal["lit pixels", "whole rows"]
NONZERO: Form = "lit pixels"
ROWS: Form = "whole rows"
PIECE = 8192
"""Images prepared at once, for all runs of a seed."""
SAMPLE, TURNS = 2048, 4
"""Images that a form is timed on, and how often."""

Arrays = tuple[NDArray[np.float32], NDArray[np.int32]]
"""Images (n, features), labels (n,)."""


class ScratchBuffer:
    """Memory for one piece after another, whose pages are faulted in once."""

    def __init__(self) -> None:
        self.memory = aligned(0, np.uint8)

    def take(self, n: int, dtype: type) -> NDArray:
        """Return (n,) numbers of any value; the memory of the piece before is used again."""
        wanted = n * np.dtype(dtype).itemsize
        if wanted > self.memory.size:
            self.memory = aligned(wanted + wanted // 8, np.uint8)
        return self.memory[:wanted].view(dtype)


class Pixels(Protocol):
    """The images of a split."""

    labels: NDArray[np.int32]

    def piece(self, order: NDArray[np.int32], batch: int, buffer: ScratchBuffer) -> Images:
        """Return the images at ``order``, in batches; valid until ``buffer`` has another piece."""
        ...

    def chunks(self, n: int) -> Iterator[Images]:
        """Yield all images in their own order, n at a time."""
        ...


class Rows:
    """Images as whole rows, padded to lines."""

    def __init__(self, images: NDArray[np.float32], labels: NDArray[np.int32]):
        self.labels = labels
        self.n, n_features = images.shape
        self.width = padded(n_features)
        self.images = aligned(self.n * self.width).reshape(self.n, self.width)
        self.images[:, :n_features] = images

    def piece(self, order: NDArray[np.int32], batch: int, buffer: ScratchBuffer) -> Images:
        rows = buffer.take(len(order) * self.width, np.float32).reshape(len(order), self.width)
        np.take(self.images, order, axis=0, out=rows, mode="clip")
        return Images(self.labels[order], rows)

    def chunks(self, n: int) -> Iterator[Images]:
        for start in range(0, self.n, n):
            yield Images(self.labels[start : start + n], self.images[start : start + n])


class NonzeroPixels:
    """Images as the entries of their nonzero pixels."""

    def __init__(
        self, library: Library, entries: Entries, labels: NDArray[np.int32], values: NDArray[np.float32],
        ever_nonzero: NDArray[np.uint8],
    ):  # fmt: skip
        """``ever_nonzero`` (groups,): whether a group has a nonzero pixel in any training image."""
        self.library, self.entries, self.labels, self.values = library, entries, labels, values
        self.ever_nonzero = ever_nonzero
        self.natural = self.piece(np.arange(len(labels), dtype=np.int32), BLOCK, ScratchBuffer())

    def piece(self, order: NDArray[np.int32], batch: int, buffer: ScratchBuffer) -> Images:
        entries = buffer.take(self.entries.count(order), np.uint64)
        plan = self.library.plan(self.entries, order, batch, self.ever_nonzero, self.values, entries)
        return Images(self.labels[order], plan=plan)

    def chunks(self, n: int) -> Iterator[Images]:
        """Yield all images in their own order, n at a time; n is a multiple of BLOCK."""
        plan = self.natural.plan
        assert plan is not None, "nonzero pixels have a plan"
        ends = plan.starts[:, -1].cumsum(dtype=np.int64)
        for start in range(0, len(self.labels), n):
            block, stop = start // BLOCK, (start + n) // BLOCK
            entries = plan.entries[ends[block - 1] if block else 0 :]
            some = replace(plan, starts=plan.starts[block:stop], visits=plan.visits[block:stop], entries=entries)
            yield Images(self.labels[start : start + n], plan=some)


@dataclass(frozen=True)
class Prepared:
    """Both splits of a data set in one form, and the times that it was chosen by."""

    train: Pixels
    test: Pixels
    form: Form
    microseconds: Mapping[Form, float]
    """The time of an image in a training step, by the forms that these images can take."""


def prepare(library: Library, data: Dataset, widths: Sequence[int], form: Form | None = None) -> Prepared:
    """Return the images in the form by which a network of these ``widths`` trains faster here and now; or in ``form``
    where that is given and they can take it."""
    splits = [_arrays(split) for split in (data.train, data.test)]
    values = _values(library, splits)

    def in_form(form: Form, splits: Sequence[Arrays]) -> Sequence[Pixels]:
        if values is None or form == ROWS:
            return [Rows(*split) for split in splits]
        return _nonzero(library, splits, values)

    images, labels = splits[0]
    forms = (ROWS,) if values is None else (NONZERO, ROWS)
    samples = {form: in_form(form, [(images[:SAMPLE], labels[:SAMPLE])])[0] for form in forms}
    microseconds = _time(library, samples, Layout((widths[0], widths[1], widths[-1]), batch_norm=False))
    faster: Form = min(microseconds, key=microseconds.__getitem__)
    chosen = form if form in samples else faster
    train, test = in_form(chosen, splits)
    return Prepared(train, test, chosen, microseconds)


def _values(library: Library, splits: Sequence[Arrays]) -> NDArray[np.float32] | None:
    """Return the pixels' values, 0 first; None where there are more than codes, or too many pixels."""
    values: NDArray[np.float32] | None = np.zeros(1, np.float32)
    if splits[0][0].shape[1] > library.group * MAX_GROUPS:
        return None
    for images, _ in splits:
        values = None if values is None else library.values(images, values)
    return values


def _nonzero(library: Library, splits: Sequence[Arrays], values: NDArray[np.float32]) -> Sequence[NonzeroPixels]:
    entries = [library.entries(images, values) for images, _ in splits]
    ever_nonzero = np.zeros(entries[0].n_groups, np.uint8)
    ever_nonzero[entries[0].entries >> 32] = 1
    table = np.zeros(MAX_VALUES, np.float32)
    table[: len(values)] = values
    return [
        NonzeroPixels(library, own, labels, table, ever_nonzero)
        for own, (_, labels) in zip(entries, splits, strict=True)
    ]


def _time(library: Library, samples: Mapping[Form, Pixels], layout: Layout) -> dict[Form, float]:
    """Return the microseconds of an image in a training step by form, the best of TURNS."""
    took = dict.fromkeys(samples, float("inf"))
    for form in [*samples] * TURNS:
        n = len(samples[form].labels)
        batch = min(128, n)
        order = np.arange(n // batch * batch, dtype=np.int32)
        images, run = samples[form].piece(order, batch, ScratchBuffer()), Run(layout, lr=0.0)
        scratch = library.scratch(layout, batch)
        began = time.perf_counter()
        library.train(run, images, batch, scratch)
        took[form] = min(took[form], 1e6 * (time.perf_counter() - began) / len(order))
    return took


def _arrays(split: Split) -> Arrays:
    images = split.images.numpy()
    if images.dtype != np.float32:
        raise ValueError(f"the kernel trains on float32, these images are {images.dtype}")
    return np.ascontiguousarray(images), split.labels.numpy().astype(np.int32)
