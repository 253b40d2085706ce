"""Data and small studies that several tests share."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from scipy.sparse import csr_array

from study import run
from study.data import dataset, images
from study.engine import devices
from study.spec.arms import ARMS, BUILT_IN

settings.register_profile("study", deadline=None)
settings.load_profile("study")
"""No example has a deadline: how long one takes says how busy the machine is."""


@pytest.fixture(scope="session", autouse=True)
def torch_as_in_a_worker() -> None:
    """One thread and flushed denormals, as every training has them."""
    devices.prepare(devices.numerics_id("cpu", tf32=False))


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_stops() -> None:
    """Also where a shell's background has taken Ctrl-C from the tests, and with that from what they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_arm_stays_known() -> Iterator[None]:
    """Forget the arms that a test has spelled out, whose keys the next one may give to others."""
    yield
    for key in {*ARMS} - {arm.key for arm in BUILT_IN}:
        del ARMS[key]


@pytest.fixture(scope="session")
def digits() -> dataset.Dataset:
    return dataset.load_digits()


def as_lit(data: dataset.Dataset) -> dataset.Dataset:
    """The same images, multiplied as a sparse matrix."""
    train, test = (
        dataset.Split(split.images, split.labels, images.SparseImages(csr_array(split.images.numpy())))
        for split in (data.train, data.test)
    )
    return dataset.Dataset(data.name, train, test, data.sha256)


@pytest.fixture(scope="session", params=["rows", "lit"])
def both(request: pytest.FixtureRequest, digits: dataset.Dataset) -> dataset.Dataset:
    """Digits in either form that the first layer knows."""
    return digits if request.param == "rows" else as_lit(digits)


@pytest.fixture(scope="session")
def both64(both: dataset.Dataset) -> dataset.Dataset:
    double = both.to("cpu", torch.float64)
    return double if isinstance(both.train.pixels, images.DenseImages) else as_lit(double)


@pytest.fixture(scope="session")
def digits64(digits: dataset.Dataset) -> dataset.Dataset:
    return digits.to("cpu", torch.float64)


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The folder named by STUDY_DATA_DIR; the tests of MNIST itself are skipped without it."""
    folder = Path(os.environ.get("STUDY_DATA_DIR", "data"))
    if not (folder / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
        pytest.skip("MNIST is not here; name its folder in STUDY_DATA_DIR")
    return folder


SMALL = (
    *("--dataset", "digits", "--epochs", "2", "--workers", "1", "--quiet"),
    *("--batch-sizes", "64", "256", "--lrs", "0.01", "0.1"),
)


@pytest.fixture
def study_run(tmp_path: Path) -> Callable[..., int]:
    """``study.run`` on a small study of digits under ``tmp_path``; later options override."""

    def call(*options: str) -> int:
        return run.main([*SMALL, "--out", str(tmp_path), "--study-id", "s", *options])

    return call


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished small study of 6 seeds; read it, never write to it."""
    out = tmp_path_factory.mktemp("results")
    assert run.main([*SMALL, "--seeds", "6", "--out", str(out), "--study-id", "small"]) == 0
    return out / "small"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names of test cases without addresses of memory, which differ between the processes that share the tests."""
    return argname if " at 0x" in repr(val) else None


@pytest.fixture
def without_drawings() -> Iterator[None]:
    """Leave the drawings of pages empty, which are most of the time that a page takes: for tests of their words."""
    with undrawn():
        yield


@pytest.fixture(scope="module")
def no_drawings() -> Iterator[None]:
    """The same for a whole module, and for the pages that its tests share."""
    with undrawn():
        yield


@contextmanager
def undrawn() -> Iterator[None]:
    from analysis.report.document import Figure

    empty = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "drawn", lambda figure, medium: empty)
        yield
