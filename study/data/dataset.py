"""Images and labels as two tensors per split, checked by sha256 and resident on the device.

Left out on purpose: no augmentation, no normalisation beside [0, 1], no loader. A batch is an
index into these tensors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from study.data import backgrounds, bundled, download, own_file
from study.data.arrays import Arrays
from study.data.images import Images, from_images, from_shared
from study.errors import EnvironmentFault, UsageError
from study.spec.datasets import DATASETS, Bundled, Cifar, DatasetSpec, OwnFile, Tied, Torchvision
from study.spec.design import digest


@dataclass(frozen=True)
class Split:
    images: Tensor
    """(n, features), in [0, 1] where they are pixels."""
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


def load(data: str | DatasetSpec, data_dir: Path) -> Dataset:
    """Return a data set, given as a value or as a key of DATASETS, downloaded if need be; float32 on the CPU.

    Raises EnvironmentFault where it is absent and not to be downloaded, or is not what it should be.
    """
    spec = DATASETS[data] if isinstance(data, str) else data
    loaded = load_digits() if spec.key == "digits" else _from_arrays(spec, _read(spec, data_dir))
    shape = (*loaded.train.images.shape, *loaded.test.images.shape)
    if shape != (spec.n_train, spec.n_features, spec.n_test, spec.n_features):
        raise EnvironmentFault(f"{spec.key} has the shape {shape}, expected {spec}")
    return loaded


def load_digits() -> Dataset:
    """Return scikit-learn's 1,797 digits of 8x8 pixels, four fifths to train, stratified by class."""
    return _from_arrays(DATASETS["digits"], bundled.read(DATASETS["digits"]))


def _from_arrays(spec: DatasetSpec, arrays: Arrays) -> Dataset:
    train, test = (Split(torch.from_numpy(x), torch.from_numpy(y)) for x, y in (arrays.train, arrays.test))
    return Dataset(spec.key, train, test, arrays.sha256)


def _read(spec: DatasetSpec, data_dir: Path) -> Arrays:
    return _READERS[type(spec.source)](spec, data_dir)


def _read_idx(spec: DatasetSpec, data_dir: Path) -> Arrays:
    assert isinstance(spec.source, Torchvision)
    download.obtain(spec.key, data_dir)
    sha256 = download.verify(spec.key, spec.source, data_dir)
    from torchvision.datasets.mnist import read_image_file, read_label_file

    # The readers, not the class: it would prefer an unchecked processed/training.pt if one lies about.
    folder = download.folder_of(spec.source, data_dir)

    def split(name: str) -> Any:
        pixels = read_image_file(str(folder / f"{name}-images-idx3-ubyte"))
        return _unit_interval(pixels).numpy(), read_label_file(str(folder / f"{name}-labels-idx1-ubyte")).numpy()

    return Arrays(split("train"), split("t10k"), sha256)


def _read_cifar(spec: DatasetSpec, data_dir: Path) -> Arrays:
    """Return the pixels, channels first. The files are pickles: torchvision opens them, once each has its md5."""
    assert isinstance(spec.source, Cifar)
    download.obtain(spec.key, data_dir)
    sha256 = download.verify(spec.key, spec.source, data_dir)
    import torchvision.datasets

    of_class = getattr(torchvision.datasets, spec.source.class_name)

    def split(train: bool) -> Any:
        read = of_class(root=data_dir, train=train)
        pixels = torch.from_numpy(read.data.transpose(0, 3, 1, 2))
        return _unit_interval(pixels).numpy(), np.array(read.targets, np.int64)

    return Arrays(split(True), split(False), sha256)


def _read_own(spec: DatasetSpec, data_dir: Path) -> Arrays:
    """Return the arrays of the file that the data set was made of, or of one of its name in the data folder."""
    assert isinstance(spec.source, OwnFile)
    file = f"{spec.name}.npz"
    places = [spec.source.path, data_dir / file] if spec.source.path else [data_dir / file, Path(file)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        looked = " nor in ".join(str(place.parent) for place in places)
        raise UsageError(
            f"{file}, the data of this study, is neither in {looked}; name its folder, such as --data-dir my-data"
        )
    found = own_file.read(path)
    if found.data.source != spec.source:
        raise UsageError(
            f"{path} is not the file of this study: its sha256 is {next(iter(found.arrays.sha256.values()))}, the"
            f" study's is {spec.source.sha256}; name the folder of the right one with --data-dir"
        )
    return found.arrays


def _read_tied(spec: DatasetSpec, data_dir: Path) -> Arrays:
    assert isinstance(spec.source, Tied)
    return backgrounds.tied(_read(DATASETS[spec.source.base], data_dir), spec.source.background, spec.first_cat)


_READERS: dict[type, Callable[[DatasetSpec, Path], Arrays]] = {
    Torchvision: _read_idx,
    Cifar: _read_cifar,
    Bundled: lambda spec, data_dir: bundled.read(spec),
    Tied: _read_tied,
    OwnFile: _read_own,
}
"""What reads the arrays of a data set, by the kind of its source."""


def _unit_interval(pixels: Tensor) -> Tensor:
    """Return uint8 (n, ...) as float32 (n, features) in [0, 1]."""
    return pixels.flatten(1).to(torch.float32).div_(255)


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
