"""The one place where an address leaves Python: what each array has to be is checked here, call by call.

Raises ValueError for an array of the wrong kind or length, before the kernel sees it.
"""

import ctypes
from ctypes import POINTER, byref, c_double, c_int32, c_int64, c_void_p
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.engine.kernel import build
from study.engine.kernel.layout import LINE, Layout, aligned

BLOCK = 256
"""Images of a block, as in vector.h."""
MAX_VALUES = 256
MAX_LINEARS = 101
MAX_GROUPS = 2**16
"""The most groups that a plan's visits can number (16 bits)."""


class _Network(ctypes.Structure):
    _fields_ = (
        ("n_linears", c_int32), ("batch_norm", c_int32), ("n_classes", c_int32),
        ("widths", c_int32 * (MAX_LINEARS + 1)),
    )  # fmt: skip


class _Run(ctypes.Structure):
    _fields_ = (
        ("w", c_void_p), ("m", c_void_p), ("v", c_void_p), ("running", c_void_p), ("sums", c_void_p),
        ("lr", c_double), ("beta1_t", c_double), ("beta2_t", c_double),
    )  # fmt: skip


class _Plan(ctypes.Structure):
    _fields_ = (("starts", c_void_p), ("visits", c_void_p), ("entries", c_void_p))


class _Lit(ctypes.Structure):
    _fields_ = (*_Plan._fields_, ("values", c_void_p), ("n_groups", c_int64), ("n_visits", c_int64))


class _Images(ctypes.Structure):
    _fields_ = (("rows", c_void_p), ("lit", _Lit), ("labels", c_void_p))


SIGNATURES = {
    "kernel_lanes": (c_int64, ()),
    "kernel_group": (c_int64, ()),
    "kernel_scratch_floats": (c_int64, (POINTER(_Network), c_int64)),
    "kernel_values": (c_int64, (c_void_p, c_int64, c_void_p, c_int64)),
    "kernel_entries": (c_int32, (c_void_p, c_int64, c_int64, c_void_p, c_int64, c_void_p, c_void_p)),
    "kernel_plan": (None, (c_void_p, c_void_p, c_void_p, *[c_int64] * 3, c_void_p, c_int64, _Plan, c_void_p)),
    "kernel_train": (None, (POINTER(_Network), POINTER(_Run), _Images, c_int64, c_int64, c_void_p, c_void_p)),
    "kernel_fold": (None, (POINTER(_Network), POINTER(_Run), c_void_p)),
    "kernel_evaluate": (c_double, (POINTER(_Network), c_void_p, _Images, c_int64, c_void_p, c_double, c_void_p)),
}


@dataclass(frozen=True)
class Entries:
    """The nonzero pixels of images, image after image (plan.h); made by ``Library.entries``."""

    starts: NDArray[np.int64]
    """(images + 1,), the index of each image's first entry."""
    entries: NDArray[np.uint64]
    group: int
    """Neighbouring pixels that share an entry."""
    n_groups: int

    def count(self, order: NDArray[np.int32]) -> int:
        """Return the number of entries of the images in ``order``."""
        return int((self.starts[order + 1] - self.starts[order]).sum())


@dataclass(frozen=True)
class Plan:
    """The entries of some images sorted by blocks and groups, and what their codes stand for (plan.h)."""

    starts: NDArray[np.uint32]
    """(blocks, groups + 1)"""
    visits: NDArray[np.uint16]
    """(blocks, groups that are nonzero in a training image)"""
    entries: NDArray[np.uint64]
    values: NDArray[np.float32]
    """(MAX_VALUES,)"""
    batch: int
    """Images; a block ends with its batch."""
    group: int


@dataclass(frozen=True)
class Images:
    """Some images in one of the two forms, and their labels."""

    labels: NDArray[np.int32]
    rows: NDArray[np.float32] | None = None
    """(n, padded features)"""
    plan: Plan | None = None
    checked: dict[tuple[int, int, int], _Images] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The kernel's argument by features, classes and batch size, kept since several runs train on the same images."""


class Run:
    """The state of a run in training: parameters, Adam's moments, statistics."""

    def __init__(self, layout: Layout, lr: float):
        self.layout = layout
        self.w, self.m, self.v = (aligned(layout.n_parameters) for _ in range(3))
        self.running = aligned(layout.n_statistics)
        self.sums = aligned(layout.n_statistics, np.float64)
        arrays = (self.w, self.m, self.v, self.running)
        self.address = _Run(
            *(_floats(array, array.size) for array in arrays), _address(self.sums, np.float64, layout.n_statistics),
            lr, 1.0, 1.0,
        )  # fmt: skip


class Library:
    """The compiled kernel, for networks of any shape."""

    def __init__(self, path: Path):
        self.c = ctypes.CDLL(str(path))
        for name, (returns, takes) in SIGNATURES.items():
            function = getattr(self.c, name)
            function.restype, function.argtypes = returns, takes

    @property
    def lanes(self) -> int:
        """Return the number of floats of a vector."""
        return int(self.c.kernel_lanes())

    @property
    def group(self) -> int:
        """Return the number of neighbouring pixels that share an entry."""
        return int(self.c.kernel_group())

    def values(self, images: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return ``known`` and then the other values of ``images``; None where these are more than MAX_VALUES."""
        values = np.zeros(MAX_VALUES, np.float32)
        _require(known.size <= MAX_VALUES, "too many values")
        values[: known.size] = known
        images_at = _address(images, np.float32, images.size)
        n = self.c.kernel_values(images_at, images.size, _address(values, np.float32, MAX_VALUES), known.size)
        return None if n < 0 else values[:n]

    def entries(self, images: NDArray[np.float32], values: NDArray[np.float32]) -> Entries:
        """Return the entries of images (n, features); ``values`` have to hold zero and all values of the images."""
        n, n_features = images.shape
        _require(
            n_features <= self.group * MAX_GROUPS and 0 < values.size <= MAX_VALUES,
            "more pixels or values than have codes",
        )
        starts = np.zeros(n + 1, np.int64)
        common = (
            _address(images, np.float32, n * n_features), n, n_features,
            _address(values, np.float32, values.size), values.size, _address(starts, np.int64, n + 1),
        )  # fmt: skip
        _require(self.c.kernel_entries(*common, None) == 1, "values without the pixels'")
        entries = np.zeros(int(starts[-1]), np.uint64)
        self.c.kernel_entries(*common, _address(entries, np.uint64, int(starts[-1])))
        return Entries(starts, entries, self.group, -(-n_features // self.group))

    def plan(
        self, entries: Entries, order: NDArray[np.int32], batch: int, ever_nonzero: NDArray[np.uint8],
        values: NDArray[np.float32], buffer: NDArray[np.uint64],
    ) -> Plan:  # fmt: skip
        """Return the plan of the images in ``order``; ``ever_nonzero`` (groups,) is 1 where a group has a nonzero
        pixel in a training image. The plan's entries are written to ``buffer``."""
        n, n_groups = len(order), entries.n_groups
        _require(entries.group == self.group, "entries of another library")
        _require(n > 0 and order.min() >= 0 and order.max() < len(entries.starts) - 1 and batch > 0, "another order")
        places = np.empty(n_groups, np.uint32)  # held by name: an address alone holds nothing
        plan = Plan(
            np.empty((n_blocks(n, batch), n_groups + 1), np.uint32),
            np.empty((n_blocks(n, batch), int(np.count_nonzero(ever_nonzero))), np.uint16),
            buffer,
            values,
            batch,
            entries.group,
        )
        self.c.kernel_plan(
            _address(entries.starts, np.int64, len(entries.starts)),
            _address(entries.entries, np.uint64, int(entries.starts[-1])),
            _address(order, np.int32, n), n, batch, n_groups,
            _address(ever_nonzero, np.uint8, n_groups), plan.visits.shape[1],
            _Plan(plan.starts.ctypes.data, plan.visits.ctypes.data, _address(buffer, np.uint64, entries.count(order))),
            _address(places, np.uint32, n_groups),
        )  # fmt: skip
        return plan

    def scratch(self, layout: Layout, batch: int) -> NDArray[np.float32]:
        """Return the memory that the kernel needs beside its inputs, for batches of one size."""
        return aligned(self.c.kernel_scratch_floats(byref(_network(layout)), batch))

    def train(self, run: Run, images: Images, batch: int, scratch: NDArray[np.float32]) -> NDArray[np.float64]:
        """Train ``run`` by a step on each batch of ``images``; return the mean losses before the steps."""
        layout = run.layout
        _require(batch > layout.batch_norm, "batch norm needs two images or more")
        n_steps, rest = divmod(len(images.labels), batch)
        _require(rest == 0, "an incomplete batch")
        network, losses = _network(layout), np.zeros(n_steps)
        self.c.kernel_train(
            byref(network), byref(run.address), self._images(images, layout, batch), batch, n_steps,
            self._scratch(scratch, network, batch), _address(losses, np.float64, n_steps),
        )  # fmt: skip
        return losses

    def fold(self, run: Run) -> NDArray[np.float32]:
        """Return the parameters as ``run`` predicts, batch norm folded into them."""
        folded = aligned(run.layout.n_parameters)
        self.c.kernel_fold(byref(_network(run.layout)), byref(run.address), _floats(folded, folded.size))
        return folded

    def evaluate(
        self, layout: Layout, folded: NDArray[np.float32], images: Images, scratch: NDArray[np.float32],
        losses: float = 0.0,
    ) -> tuple[float, NDArray[np.uint8]]:  # fmt: skip
        """Return ``losses`` plus those of the images, and which images are correct (n,); ``scratch`` is that of batches
        of BLOCK."""
        network, n = _network(layout), len(images.labels)
        correct = np.zeros(n, np.uint8)
        total = self.c.kernel_evaluate(
            byref(network), _floats(folded, layout.n_parameters), self._images(images, layout, BLOCK), n,
            self._scratch(scratch, network, BLOCK), losses, _address(correct, np.uint8, n),
        )  # fmt: skip
        return float(total), correct

    def _images(self, images: Images, layout: Layout, batch: int) -> _Images:
        facts = layout.padded_widths[0], layout.widths[-1], batch
        _require(images.plan is None or images.plan.group == self.group, "a plan of another library")
        if facts not in images.checked:
            images.checked[facts] = _check_images(images, *facts)
        return images.checked[facts]

    def _scratch(self, scratch: NDArray[np.float32], network: _Network, batch: int) -> int:
        return _floats(scratch, self.c.kernel_scratch_floats(byref(network), batch))


@cache
def load() -> Library:
    """Return the library of this machine, built if need be; raise build.NoKernel where that cannot be."""
    path = build.library_path()
    try:
        return Library(path)
    except (OSError, AttributeError) as error:
        raise build.NoKernel(f"{path} cannot be loaded ({error})") from None


def n_blocks(n: int, batch: int) -> int:
    """Return the number of blocks of n images, where a block ends with its batch.

    >>> n_blocks(1000, 500)
    4
    """
    batches, rest = divmod(n, batch)
    return batches * -(-batch // BLOCK) + -(-rest // BLOCK)


@cache
def _network(layout: Layout) -> _Network:
    widths = layout.padded_widths
    _require(2 <= len(widths) <= MAX_LINEARS + 1 and min(layout.widths) >= 1, "no network of this shape")
    array = (c_int32 * (MAX_LINEARS + 1))(*widths)
    return _Network(len(widths) - 1, layout.batch_norm, layout.widths[-1], array)


def _check_images(images: Images, n_features: int, n_classes: int, batch: int) -> _Images:
    n, labels = len(images.labels), images.labels
    _require(n == 0 or (labels.min() >= 0 and labels.max() < n_classes), "labels of other classes")
    at = _address(labels, np.int32, n)
    if images.rows is not None:
        return _Images(rows=_floats(images.rows, n * n_features), labels=at)
    plan = images.plan
    assert plan is not None, "images have one form"
    blocks, n_groups, n_visits = n_blocks(n, batch), plan.starts.shape[1] - 1, plan.visits.shape[1]
    _require(plan.group * n_groups <= n_features and len(plan.starts) >= blocks, "a plan of other images")
    _require(plan.batch == batch, f"a plan for batches of {plan.batch}")
    block = _Lit(
        _address(plan.starts, np.uint32, blocks * (n_groups + 1)), _address(plan.visits, np.uint16, blocks * n_visits),
        _address(plan.entries, np.uint64, int(plan.starts[:blocks, -1].sum(dtype=np.int64))),
        _address(plan.values, np.float32, MAX_VALUES), n_groups, n_visits,
    )  # fmt: skip
    return _Images(lit=block, labels=at)


def _floats(array: NDArray[np.float32], length: int) -> int:
    """Return the address of at least ``length`` floats that begin a line of the cache."""
    address = _address(array, np.float32, length)
    _require(length == 0 or address % (4 * LINE) == 0, "an array that is not aligned")
    return address


def _address(array: NDArray, dtype: type, length: int) -> int:
    _require(array.dtype == dtype and array.flags.c_contiguous, f"an array of {array.dtype}, or one with gaps")
    _require(array.size >= length, f"an array of {array.size} where {length} are needed")
    return int(array.ctypes.data)


def _require(right: bool, wrong: str) -> None:
    if not right:
        raise ValueError(f"the kernel was handed {wrong}")
