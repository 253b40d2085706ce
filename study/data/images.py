"""Images as the matrix that the first layer multiplies: whole rows, or their nonzero pixels alone.

Four fifths of MNIST's pixels are zero, and adding nothing for them is exact. On a CPU the nonzero pixels are
kept as a sparse matrix, and torch's embedding_bag does both products: forward an image is a bag of
pixels, a sum of rows of the weight; backward a pixel is a bag of images, a sum of rows of dL/dz. A column
of these sums is made from one run's numbers in the order of the pixels or of the images, so its bits do
not depend on what is trained beside it.

Which of the two forms the images take follows from the data set and the kind of device, never from the grid.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import embedding_bag

MAX_NONZERO = 0.45  # of the pixels; where more are, whole rows are as fast (results/LOG.md)
IMAGES_AT_ONCE = 2048  # are prepared: with fewer, calls cost more; more leave the cache


class ImageBatch(Protocol):
    """The images X (batch, features) of a step, for each of S seeds; the R rates of a seed share them."""

    def times(self, weight: Tensor) -> Tensor:
        """Return X W of every run: weight (S, features, R, out) -> (batch, S, R, out), in any order in memory."""
        ...

    def transposed_times(self, d_z: Tensor) -> Tensor:
        """Return X^T dz of every run: d_z (batch, S, R, out) -> (S, features, R, out)."""
        ...


class Images(Protocol):
    """All images of a split, from which batches are taken."""

    def batches(self, rows: Tensor) -> Iterator[ImageBatch]:
        """Yield the images at ``rows`` (steps, S, batch), step by step."""
        ...

    def chunk(self, start: int, stop: int) -> ImageBatch:
        """Return the images ``start`` to ``stop`` in their order, S = 1."""
        ...

    def arrays(self) -> dict[str, NDArray]:
        """Return the arrays that another process needs beside the images to have the same form."""
        ...


def from_images(images: Tensor) -> Images:
    """Return the faster form of ``images`` (n, features)."""
    if images.device.type == "cpu" and images.count_nonzero() <= MAX_NONZERO * images.numel():
        return SparseImages(csr_array(images.numpy()))
    return DenseImages(images)


def from_shared(images: Tensor, arrays: Mapping[str, NDArray]) -> Images:
    """Return the form whose ``arrays`` another process has written beside the images."""
    if not arrays:
        return DenseImages(images)
    parts = (arrays["values"], arrays["entries"], arrays["starts"])
    return SparseImages(csr_array(parts, shape=(images.shape[0], images.shape[1]), copy=False))


class DenseImages:
    """Whole rows (n, features) on any device."""

    def __init__(self, images: Tensor):
        self.images = images

    def batch(self, rows: Tensor) -> "DenseBatch":
        """Return the images at ``rows`` (S, batch)."""
        return DenseBatch(self.images.index_select(0, rows.flatten()).view(*rows.shape, -1))

    def batches(self, rows: Tensor) -> Iterator["DenseBatch"]:
        return map(self.batch, rows)

    def chunk(self, start: int, stop: int) -> "DenseBatch":
        return DenseBatch(self.images[None, start:stop])

    def arrays(self) -> dict[str, NDArray]:
        return {}


class DenseBatch:
    """Images (S, batch, features); one batched product a rate, so that a run's product has its own shape always."""

    def __init__(self, images: Tensor):
        self.images = images

    def times(self, weight: Tensor) -> Tensor:
        products = [torch.bmm(self.images, w) for w in weight.unbind(2)]
        return torch.stack(products, dim=2).transpose(0, 1)

    def transposed_times(self, d_z: Tensor) -> Tensor:
        return torch.stack([torch.bmm(self.images.mT, d.transpose(0, 1)) for d in d_z.unbind(2)], dim=2)


class SparseImages:
    """The nonzero pixels of n images, a sparse matrix (n, features) in compressed rows (CSR)."""

    def __init__(self, matrix: csr_array):
        self.matrix = matrix

    def batches(self, rows: Tensor) -> Iterator["SparseBatch"]:
        n_seeds, batch = rows.shape[1:]
        for steps in torch.split(rows, max(1, IMAGES_AT_ONCE // (n_seeds * batch))):
            yield from _steps(self.matrix[steps.flatten().numpy()], len(steps), n_seeds)

    def chunk(self, start: int, stop: int) -> "SparseBatch":
        first, last = self.matrix.indptr[[start, stop]]
        chunk = slice(first, last)
        starts = self.matrix.indptr[start : stop + 1] - first
        return SparseBatch(Bags(self.matrix.indices[chunk], starts, self.matrix.data[chunk]))

    def arrays(self) -> dict[str, NDArray]:
        return {"values": self.matrix.data, "entries": self.matrix.indices, "starts": self.matrix.indptr}


class Bags:
    """Weighted bags of rows of a table: the entries of bag i are those from starts[i] to starts[i + 1]."""

    def __init__(self, entries: NDArray[np.int32], starts: NDArray[np.int32], values: NDArray[np.float32]):
        self.entries, self.starts, self.values = map(torch.from_numpy, (entries, starts, values))

    def sums(self, table: Tensor) -> Tensor:
        """Return the weighted sum of each bag's rows: table (groups, rows, R, out) -> (groups, bags, R, out)."""
        sums = embedding_bag(
            self.entries, table.flatten(2).flatten(0, 1), self.starts,
            mode="sum", per_sample_weights=self.values, include_last_offset=True,
        )  # fmt: skip
        return sums.view(len(table), -1, *table.shape[2:])


class SparseBatch:
    """The bags of a step's images, seed after seed, and those of each seed's features."""

    def __init__(self, images: Bags, features: Bags | None = None):
        self.images, self.features = images, features

    def times(self, weight: Tensor) -> Tensor:
        return self.images.sums(weight).transpose(0, 1)

    def transposed_times(self, d_z: Tensor) -> Tensor:
        assert self.features is not None, "a chunk is only evaluated"
        return self.features.sums(d_z.transpose(0, 1))


def _steps(matrix: csr_array, n_steps: int, n_seeds: int) -> Iterator[SparseBatch]:
    """Yield the nonzero pixels (steps S batch, features) of several steps, step after step and seed after seed.

    They are transposed at once, as the blocks of a block-diagonal matrix: a call of scipy takes as long as
    hundreds of images.
    """
    n_blocks, n_features = n_steps * n_seeds, matrix.shape[1]
    n_images, n_columns = matrix.shape[0] // n_steps, n_seeds * n_features  # of a step
    edges = matrix.indptr[:: n_images // n_seeds]
    first_column = n_features * np.arange(n_blocks, dtype=np.int32)
    matrix.indices += np.repeat(first_column, np.diff(edges))
    blocks = csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(n_steps * n_images, n_blocks * n_features))
    transposed = blocks.tocsc()
    for step in range(n_steps):
        start, stop = edges[step * n_seeds], edges[(step + 1) * n_seeds]
        images, features = (
            Bags(
                m.indices[start:stop] - step * width,
                m.indptr[step * n : (step + 1) * n + 1] - start,
                m.data[start:stop],
            )
            for m, n, width in ((blocks, n_images, n_columns), (transposed, n_columns, n_images))
        )
        yield SparseBatch(images, features)
