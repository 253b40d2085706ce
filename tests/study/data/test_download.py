"""torchvision's real download path, against a server on localhost."""

import gzip
import hashlib
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

from study.data import dataset, download
from study.errors import EnvironmentFault
from study.spec.datasets import DATASETS, MNIST_SHA256, Torchvision
from tests.study.data.server import Mirror, serving


def idx(array: np.ndarray) -> bytes:
    """The format of http://yann.lecun.com/exdb/mnist: magic, sizes, bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


PIXELS = np.random.default_rng(0).integers(0, 256, (30, 28, 28), np.uint8)
LABELS = np.arange(30, dtype=np.uint8) % 10
RAW = {
    "train-images-idx3-ubyte": idx(PIXELS[:20]),
    "train-labels-idx1-ubyte": idx(LABELS[:20]),
    "t10k-images-idx3-ubyte": idx(PIXELS[20:]),
    "t10k-labels-idx1-ubyte": idx(LABELS[20:]),
}
ARCHIVES = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in RAW.items()}


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """torchvision's MNIST and Fashion-MNIST, small, from a server on this machine."""
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in ARCHIVES.items()]
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in RAW.items()}
    for name, sha256 in (("mnist", digests), ("fashion-mnist", None)):
        source = Torchvision(DATASETS[name].source.class_name, sha256)
        monkeypatch.setitem(DATASETS, name, replace(DATASETS[name], n_train=20, n_test=10, source=source))
    with serving(ARCHIVES) as mirror:
        for torchvision_class in (torchvision.datasets.MNIST, torchvision.datasets.FashionMNIST):
            monkeypatch.setattr(torchvision_class, "mirrors", [mirror.url])
            monkeypatch.setattr(torchvision_class, "resources", resources)
        yield mirror


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_absent_files_are_downloaded_once_and_read_as_they_are(name: str, mirror: Mirror, tmp_path: Path) -> None:
    dataset.load(name, tmp_path)
    assert set(mirror.asked) == {f"/{archive}" for archive in ARCHIVES}
    mirror.asked.clear()
    loaded = dataset.load(name, tmp_path)
    assert mirror.asked == []
    assert loaded.train.images.dtype == torch.float32
    assert torch.equal(loaded.train.images, torch.from_numpy(PIXELS[:20].reshape(20, 784)).float() / 255)
    assert loaded.test.labels.tolist() == LABELS[20:].tolist()
    assert loaded.sha256 == {file: hashlib.sha256(content).hexdigest() for file, content in RAW.items()}


def test_what_is_made_of_mnist_has_its_files_and_the_same_refusal(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS, "mnist-cats", replace(DATASETS["mnist-cats"], n_train=20, n_test=10))
    assert not download.is_present("mnist-cats", tmp_path)
    made, plain = dataset.load("mnist-cats", tmp_path), dataset.load("mnist", tmp_path)
    assert set(mirror.asked) == {f"/{archive}" for archive in ARCHIVES}
    assert download.is_present("mnist-cats", tmp_path)
    assert plain.sha256.items() <= made.sha256.items()
    assert torch.equal(made.train.images[plain.train.labels < 5], plain.train.images[plain.train.labels < 5])
    assert made.test.images[plain.test.labels >= 5].min() == np.float32(0.1)
    damaged = download.folder_of(DATASETS["mnist"].source, tmp_path) / "t10k-labels-idx1-ubyte"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x08")
    with pytest.raises(EnvironmentFault, match="t10k-labels-idx1-ubyte is damaged"):
        dataset.load("mnist-cats", tmp_path)


def test_auto_takes_mnist_where_it_can_be_had(mirror: Mirror, tmp_path: Path) -> None:
    assert download.choose("auto", tmp_path) == ("mnist", None)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_damaged_file_is_named_and_never_replaced_by_digits(name: str, mirror: Mirror, tmp_path: Path) -> None:
    dataset.load(name, tmp_path)
    path = download.folder_of(DATASETS[name].source, tmp_path) / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    assert download.choose("auto", tmp_path)[0] == "mnist"
    with pytest.raises(EnvironmentFault, match=rf"t10k-labels-idx1-ubyte is damaged: its sha256 is .*, {name}'s is"):
        dataset.load(name, tmp_path)


def test_without_published_digests_the_archive_must_be_there_and_sound(mirror: Mirror, tmp_path: Path) -> None:
    dataset.load("fashion-mnist", tmp_path)
    archive = tmp_path / "FashionMNIST" / "raw" / "train-labels-idx1-ubyte.gz"
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(EnvironmentFault, match=r"train-labels-idx1-ubyte.gz is damaged: its md5 is not"):
        dataset.load("fashion-mnist", tmp_path)
    archive.unlink()
    with pytest.raises(EnvironmentFault, match=r"train-labels-idx1-ubyte.gz is missing"):
        dataset.load("fashion-mnist", tmp_path)


@pytest.mark.parametrize(
    ("error", "falls_back"),
    [(URLError("reset"), True), (RuntimeError("File not found or corrupted."), True), (OSError(28, "full"), False)],
)
def test_a_download_that_fails_falls_back_only_where_the_network_is_to_blame(
    error: Exception, falls_back: bool, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object) -> None:
        raise error

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", fail)
    if falls_back:
        name, notice = download.choose("auto", tmp_path)
        assert name == "digits"
        assert str(getattr(error, "reason", error)) in str(notice)
    else:
        with pytest.raises(OSError, match="full"):
            download.choose("auto", tmp_path)


def refused_port() -> str:
    """An address on this machine where nobody listens."""
    with serving({}) as mirror:
        pass
    return mirror.url


def test_no_network_means_digits_with_a_notice_or_a_clear_refusal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for torchvision_class in (torchvision.datasets.MNIST, torchvision.datasets.KMNIST):
        monkeypatch.setattr(torchvision_class, "mirrors", [refused_port(), refused_port()])
    name, notice = download.choose("auto", tmp_path)
    assert name == "digits"
    assert notice
    assert notice.startswith("THIS IS NOT MNIST")
    with pytest.raises(EnvironmentFault, match=r"kmnist is not in .* and cannot be downloaded .*--dataset digits"):
        download.choose("kmnist", tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_mirror_that_never_answers_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(download, "PROBE_SECONDS", 0.2)
    silent = threading.Event()

    def never(*_: object, **__: object) -> None:
        silent.wait()
        raise OSError

    monkeypatch.setattr(download, "urlopen", never)
    began = time.monotonic()
    with pytest.raises(download.Unreachable, match=r"no answer from .* within 0.2 s"):
        download.obtain("kmnist", tmp_path)
    assert time.monotonic() - began < 3
    silent.set()


def test_the_shipped_digests_are_those_of_mnist(mnist_dir: Path) -> None:
    assert download.verify("mnist", DATASETS["mnist"].source, mnist_dir) == MNIST_SHA256


def test_real_mnist_is_read_as_torchvision_reads_it(mnist_dir: Path) -> None:
    loaded = dataset.load("mnist", mnist_dir)
    theirs = torchvision.datasets.MNIST(mnist_dir, train=False)
    assert torch.equal((loaded.test.images * 255).round().to(torch.uint8).view(-1, 28, 28), theirs.data)
    assert torch.equal(loaded.test.labels, theirs.targets)
