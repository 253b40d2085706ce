"""Where a data set's files come from: present, downloaded by torchvision, or unreachable.

torchvision checks the md5 of the archives that it downloads and of MNIST's kin never the files that it extracts, so
every start checks those here, by sha256. The files of CIFAR-10 are pickles, so they have their md5 before torchvision
opens them.
"""

import gzip
import hashlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from study.errors import EnvironmentFault
from study.spec.datasets import AUTO, DATASETS, FALLBACK, PREFERRED, Cifar, Tied, Torchvision

PROBE_SECONDS = 5  # of a mirror that answers at all
STALL_SECONDS = 10  # of a download in which nothing arrives
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def _files(source: Torchvision | Cifar) -> Sequence[str]:
    return source.files if isinstance(source, Cifar) else FILES


def folder_of(source: Torchvision | Cifar, data_dir: Path) -> Path:
    """Return where torchvision keeps the files of a data set."""
    return data_dir / source.folder if isinstance(source, Cifar) else data_dir / source.class_name / "raw"


def _downloaded(name: str) -> Torchvision | Cifar | None:
    """Return the source of a data set that is downloaded, None of one that is bundled or a file of one's own; what is
    made of another's images has that one's."""
    source = DATASETS[name].source if name in DATASETS else None
    if isinstance(source, Tied):
        return _downloaded(source.base)
    return source if isinstance(source, Torchvision | Cifar) else None


def is_present(name: str, data_dir: Path) -> bool:
    """Whether a data set needs no download."""
    source = _downloaded(name)
    return source is None or all((folder_of(source, data_dir) / file).is_file() for file in _files(source))


def describe_absence(asked: str, name: str, data_dir: Path) -> str | None:
    """Return what there is to say of the files of ``name`` where they are absent; ``asked`` may be ``auto``."""
    if is_present(name, data_dir):
        return None
    otherwise = f"; if that fails, {FALLBACK} is used instead" if asked == AUTO else ""
    return f"{name} is not in {data_dir} yet and will be downloaded{otherwise}"


class Unreachable(EnvironmentFault):
    """An error of files that are absent and on no mirror that answers; ``reason`` says why."""

    def __init__(self, text: str, reason: str):
        super().__init__(text)
        self.reason = reason


def choose(name: str, data_dir: Path) -> tuple[str, str | None]:
    """Return the data set to use for ``name`` and, if it is not what was wanted, the notice that says so.

    ``auto`` is MNIST where it is present or can be downloaded, else scikit-learn's digits. Files that
    are present and wrong are an error, never a reason to fall back.
    """
    if name != AUTO:
        obtain(name, data_dir)
        return name, None
    try:
        obtain(PREFERRED, data_dir)
    except Unreachable as fault:
        return FALLBACK, (
            "THIS IS NOT MNIST. MNIST is not in the data folder and could not be downloaded, so this study"
            " uses scikit-learn's 8x8 digits instead: 1,437 training images. Its numbers say nothing about"
            " MNIST. With a network, or with the files in place, the same command uses MNIST."
            f" The reason: {fault.reason}."
        )
    return PREFERRED, None


def obtain(name: str, data_dir: Path) -> None:
    """Make the files of ``name`` present, by torchvision's download where they are absent."""
    source = _downloaded(name)
    if source is None or is_present(name, data_dir):
        return
    torchvision_class = _torchvision_class(source)
    reason = _unreachable(_addresses(source, torchvision_class))
    if reason is None:
        reason = _download(torchvision_class, data_dir)
    if reason is not None:
        text = (
            f"{name} is not in {folder_of(source, data_dir)} and cannot be downloaded ({reason})."
            f" Put {', '.join(_files(source))} there, or use --dataset {FALLBACK}, which needs no network."
        )
        raise Unreachable(text, reason)


def _addresses(source: Torchvision | Cifar, torchvision_class: Any) -> list[str]:
    """Return the address of a file at every mirror."""
    if isinstance(source, Cifar):
        return [torchvision_class.url]
    return [mirror + torchvision_class.resources[0][0] for mirror in torchvision_class.mirrors]


def verify(name: str, source: Torchvision | Cifar, data_dir: Path) -> dict[str, str]:
    """Return the sha256 of every file of ``name``; an EnvironmentFault names one that is not what it should be."""
    folder = folder_of(source, data_dir)
    if isinstance(source, Cifar):
        return _verify_md5(name, source, folder)
    expected = source.sha256 or _digests_of_archives(source, folder)
    digests = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in FILES}
    for file in FILES:
        if digests[file] != expected[file]:
            raise EnvironmentFault(
                f"{folder / file} is damaged: its sha256 is {digests[file]}, {name}'s is {expected[file]}."
                " Delete it to have it downloaded again, or name another folder with --data-dir."
            )
    return digests


def _verify_md5(name: str, source: Cifar, folder: Path) -> dict[str, str]:
    """Return the sha256 of every file, each of which has the md5 that torchvision's class lists."""
    of_class = _torchvision_class(source)
    listed = {file: md5 for file, md5 in (*of_class.train_list, *of_class.test_list)}
    expected = listed | {of_class.meta["filename"]: of_class.meta["md5"]}
    digests = {}
    for file in source.files:
        content = (folder / file).read_bytes()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if md5 != expected[file]:
            raise EnvironmentFault(
                f"{folder / file} is damaged: its md5 is {md5}, {name}'s is {expected[file]}. Delete it to have it"
                " unpacked again, or name another folder with --data-dir."
            )
        digests[file] = hashlib.sha256(content).hexdigest()
    return digests


def _digests_of_archives(source: Torchvision, folder: Path) -> dict[str, str]:
    digests = {}
    for archive, md5 in _torchvision_class(source).resources:
        path = folder / archive
        if not path.is_file():
            raise EnvironmentFault(
                f"{path} is missing: no digest of the uncompressed files is published, so the archives"
                " vouch for them. Put it back, or delete the folder to have all downloaded again."
            )
        packed = path.read_bytes()
        if hashlib.md5(packed, usedforsecurity=False).hexdigest() != md5:
            raise EnvironmentFault(f"{path} is damaged: its md5 is not {md5}. Delete the folder and run again.")
        digests[path.stem] = hashlib.sha256(gzip.decompress(packed)).hexdigest()
    return digests


def _torchvision_class(source: Torchvision | Cifar) -> Any:
    import torchvision.datasets

    return getattr(torchvision.datasets, source.class_name)


def _download(torchvision_class: Any, data_dir: Path) -> str | None:
    """Return the reason why no mirror has the data set, None after a download; a full disk is an OSError."""
    try:
        with _socket_timeout(STALL_SECONDS):
            torchvision_class(root=data_dir, download=True)
    except (URLError, TimeoutError, ConnectionError, RuntimeError) as error:
        return " ".join(str(error).split())
    return None


def _unreachable(addresses: list[str]) -> str | None:
    """Return the reason why no mirror answers within PROBE_SECONDS, None where one does.

    torchvision connects without a time limit, and a name look-up has none: so each mirror is probed in a
    thread that nobody waits for.
    """
    answered = threading.Event()
    errors: list[str] = []

    def probe(url: str) -> None:
        try:
            urlopen(Request(url, method="HEAD"), timeout=PROBE_SECONDS).close()
        except HTTPError:
            pass  # a server that answers is a server
        except OSError as error:
            errors.append(f"{urlsplit(url).hostname}: {getattr(error, 'reason', error)}")
            if len(errors) == len(addresses):
                answered.set()
            return
        answered.set()

    for address in addresses:
        threading.Thread(target=probe, args=(address,), daemon=True).start()
    if not answered.wait(PROBE_SECONDS):
        hosts = ", ".join(address.rpartition("/")[0] + "/" for address in addresses)
        return f"no answer from {hosts} within {PROBE_SECONDS} s"
    return "; ".join(sorted(errors)) if len(errors) == len(addresses) else None


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
