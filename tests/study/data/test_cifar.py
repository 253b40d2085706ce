"""CIFAR-10 by torchvision's real download, from a server on localhost: a tiny archive of the same form.

The files are pickles, which this test makes and the program never opens by itself.
"""

import hashlib
import io
import pickle
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from study.data import dataset, download
from study.errors import EnvironmentFault
from study.spec.datasets import CIFAR, DATASETS
from tests.study.data.server import serving

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 3072), np.uint8)
LABELS = [i % 10 for i in range(24)]
FILES = {
    name: pickle.dumps({"data": PIXELS[4 * i : 4 * i + 4], "labels": LABELS[4 * i : 4 * i + 4]})
    for i, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"])
} | {"batches.meta": pickle.dumps({"label_names": list("abcdefghij")})}


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = archive()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def cifar(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """torchvision's CIFAR-10, small, from a server on this machine."""
    of_class, name = torchvision.datasets.CIFAR10, "cifar-10-python.tar.gz"
    listed = [[file, md5(FILES[file])] for file in CIFAR.files]
    monkeypatch.setattr(of_class, "tgz_md5", md5(ARCHIVE))
    monkeypatch.setattr(of_class, "train_list", listed[:5])
    monkeypatch.setattr(of_class, "test_list", listed[5:6])
    monkeypatch.setattr(of_class, "meta", {**of_class.meta, "md5": listed[6][1]})
    monkeypatch.setitem(DATASETS, "cifar10", replace(DATASETS["cifar10"], n_train=20, n_test=4))
    with serving({name: ARCHIVE}) as mirror:
        monkeypatch.setattr(of_class, "url", mirror.url + name)
        yield mirror.url + name


def test_cifar_is_downloaded_checked_and_has_its_channels_first(cifar: str, tmp_path: Path) -> None:
    assert not download.is_present("cifar10", tmp_path)
    found = dataset.load("cifar10", tmp_path)
    assert download.is_present("cifar10", tmp_path)
    assert torch.equal(found.train.images, torch.from_numpy(PIXELS[:20]).float() / 255)
    assert torch.equal(found.test.images, torch.from_numpy(PIXELS[20:]).float() / 255)
    assert [*found.train.labels.tolist(), *found.test.labels.tolist()] == LABELS
    assert found.sha256 == {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


def test_a_pickle_of_another_md5_is_never_opened(cifar: str, tmp_path: Path) -> None:
    dataset.load("cifar10", tmp_path)

    class Harm:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "harm",)

    (path := tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(EnvironmentFault, match=r"test_batch is damaged: its md5 is .*, cifar10's is .*\. Delete it"):
        dataset.load("cifar10", tmp_path)
    assert not (tmp_path / "harm").exists()
    pickle.loads(path.read_bytes())
    assert (tmp_path / "harm").exists()  # who opened it would have been harmed
    path.unlink()
    assert len(dataset.load("cifar10", tmp_path).test.labels) == 4  # unpacked again


def test_an_archive_of_another_md5_is_not_unpacked(cifar: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", "0" * 32)
    with pytest.raises(download.Unreachable, match=r"cifar10 is not in .* cannot be downloaded .*Put data_batch_1, "):
        dataset.load("cifar10", tmp_path)
    assert not (tmp_path / "cifar-10-batches-py").exists()
