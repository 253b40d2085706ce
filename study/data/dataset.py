"""Images and labels as two tensors per split, checked by sha256 and resident on the device.

Left out on purpose: no augmentation, no normalisation beside [0, 1], no loader. A batch is an
index into these tensors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from study.data import download
from study.data.images import Images, from_images, from_shared
from study.errors import EnvironmentFault
from study.spec.datasets import DATASETS, Torchvision
from study.spec.design import digest


@dataclass(frozen=True)
class Split:
    images: Tensor
    """(n, features) in [0, 1]."""
    labels: Tensor
    """(n,) int64, 0 to n_classes - 1."""
    form: Images | None = None
    """The images in the form of ``pixels``, where it is known already."""

    @cached_property
    def pixels(self) -> Images:
        """The images in the form that the first layer of torch's engine multiplies fastest."""
        return self.form or from_images(self.images)


@dataclass(frozen=True)
class Dataset:
    name: str
    train: Split
    test: Split
    sha256: dict[str, str]
    """Digests by file of the source."""

    @property
    def digest(self) -> str:
        """One sha256 for all files."""
        return digest(self.sha256)

    @cached_property
    def variants(self) -> "dict[tuple[object, ...], Dataset]":
        """What ``study.data.variants`` has made of it; it goes when the data set goes."""
        return {}

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> "Dataset":
        """Return the same images on another device or in another precision."""
        train, test = (
            Split(split.images.to(device, dtype), split.labels.to(device)) for split in (self.train, self.test)
        )
        return Dataset(self.name, train, test, self.sha256)


def load(name: str, data_dir: Path) -> Dataset:
    """Return the data set ``name`` (a key of DATASETS), downloaded if need be; float32 on the CPU.

    Raises EnvironmentFault where it is absent and not to be downloaded, or is not what it should be.
    """
    spec = DATASETS[name]
    data = _load_idx(spec.key, spec.source, data_dir) if isinstance(spec.source, Torchvision) else load_digits()
    shape = (*data.train.images.shape, *data.test.images.shape)
    if shape != (spec.n_train, spec.n_features, spec.n_test, spec.n_features):
        raise EnvironmentFault(f"{name} has the shape {shape}, expected {spec}")
    return data


def load_digits() -> Dataset:
    """Return scikit-learn's 1,797 digits of 8x8 pixels, four fifths to train, stratified by class."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images / 16, labels, test_size=360, stratify=labels, random_state=0)
    x_train, x_test, y_train, y_test = (np.ascontiguousarray(part) for part in parts)
    sha256 = {
        "digits-images": digest(images.astype(int).tolist()),
        "digits-split": digest([y_train.tolist(), y_test.tolist(), (x_train * 16).astype(int).tolist()]),
    }
    return Dataset("digits", _split(x_train, y_train), _split(x_test, y_test), sha256)


def _load_idx(name: str, source: Torchvision, data_dir: Path) -> Dataset:
    download.obtain(name, data_dir)
    sha256 = download.verify(name, source, data_dir)
    from torchvision.datasets.mnist import read_image_file, read_label_file

    # The readers, not the class: it would prefer an unchecked processed/training.pt if one lies about.
    folder = download.folder_of(source, data_dir)
    images, labels = _reader(folder, read_image_file), _reader(folder, read_label_file)
    train = Split(_unit_interval(images("train-images-idx3-ubyte")), labels("train-labels-idx1-ubyte"))
    test = Split(_unit_interval(images("t10k-images-idx3-ubyte")), labels("t10k-labels-idx1-ubyte"))
    return Dataset(name, train, test, sha256)


def _reader(folder: Path, read: Callable[[str], Tensor]) -> Callable[[str], Tensor]:
    return lambda file: read(str(folder / file))


def _unit_interval(pixels: Tensor) -> Tensor:
    """Return uint8 (n, 28, 28) as float32 (n, 784) in [0, 1]."""
    return pixels.flatten(1).to(torch.float32).div_(255)


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    return Split(torch.from_numpy(images).to(torch.float32), torch.from_numpy(labels).to(torch.int64))


def share(data: Dataset, folder: Path) -> None:
    """Write ``data`` where other processes map it: one copy in memory, however many workers.

    Files in a temporary folder rather than shared memory, which containers cap at 64 MB.
    """
    for part, split in (("train", data.train), ("test", data.test)):
        arrays = {"images": split.images.numpy(), "labels": split.labels.numpy(), **split.pixels.arrays()}
        for name, array in arrays.items():
            np.save(folder / f"{part}-{name}.npy", array)


def open_shared(name: str, sha256: dict[str, str], folder: Path) -> Dataset:
    """Return the data set that ``share`` wrote, mapped and not read."""
    train, test = (_open_split(folder, part) for part in ("train", "test"))
    return Dataset(name, train, test, sha256)


def _open_split(folder: Path, part: str) -> Split:
    # "c": torch wants a writable array; copy-on-write pages stay shared as long as nobody writes.
    arrays = {
        path.stem.removeprefix(f"{part}-"): np.asarray(np.load(path, mmap_mode="c"))
        for path in folder.glob(f"{part}-*.npy")
    }
    images, labels = (torch.from_numpy(arrays.pop(name)) for name in ("images", "labels"))
    return Split(images, labels, from_shared(images, arrays))
