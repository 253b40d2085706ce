"""Arrays of an npz file that anybody may have made: nothing is unpickled, and no memory is asked for unseen.

An npz file is a zip of npy files. Each begins with a header that says type and shape; the headers of all arrays are
read first. Features are read a piece at a time and kept as float32, so that beside them there is never a second copy.
"""

import math
import os
import stat
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from study.errors import UsageError, quote
from study.spec.datasets import MAKE_OWN

MAX_BYTES = 2**34
"""Bytes of a file."""
MAX_VALUES = 2**31
"""Values of all arrays together: 8 GB as float32."""
MAX_RATIO, SLACK = 100, 2**28
"""Bytes of all arrays for each byte of the file, beside SLACK: a few kilobytes of zip can ask for a terabyte."""
MAX_MEMBERS, MAX_HEADER = 1000, 10_000
PIECE = 2**20
"""Values read at once."""
NUMBERS = "biuf"
"""Kinds of numpy's numbers: truth values, integers and floats."""


@dataclass(frozen=True)
class Header:
    """What an npy file says of itself."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool

    @property
    def n_values(self) -> int:
        return math.prod(self.shape)

    @property
    def n_bytes(self) -> int:
        return self.n_values * self.dtype.itemsize


class Npz:
    """An open npz file: its headers, and its arrays when they are asked for."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, size: int, names: Sequence[str]):
        self.path, self.archive = path, archive
        self.headers = {name: self._header(name) for name in self._names(names)}
        n_values, n_bytes = (sum(getattr(h, what) for h in self.headers.values()) for what in ("n_values", "n_bytes"))
        if n_values > MAX_VALUES:
            raise UsageError(f"{path}: its arrays have {n_values:,} values; at most {MAX_VALUES:,} are read")
        if n_bytes > SLACK + MAX_RATIO * size:
            raise UsageError(
                f"{path}: {size:,} bytes that say they hold {n_bytes:,}, more than {MAX_RATIO} times as many;"
                " save such arrays with np.savez, not np.savez_compressed"
            )

    def _names(self, names: Sequence[str]) -> Sequence[str]:
        members = self.archive.namelist()
        if len(members) > MAX_MEMBERS:
            raise UsageError(f"{self.path}: it holds {len(members):,} arrays; at most {MAX_MEMBERS:,} are read")
        there = [member.removesuffix(".npy") for member in members]
        missing = [name for name in names if name not in there]
        if missing:
            found = ", ".join(quote(name) for name in there[:8]) or "none"
            raise UsageError(
                f"{self.path} has no array {' and no array '.join(missing)}, it has {found}; make it by {MAKE_OWN}"
            )
        return names

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self.archive.open(f"{name}.npy") as stream:
                yield stream
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise UsageError(f"{self.path}: {name} cannot be read ({error}); make it again by {MAKE_OWN}") from None

    def _header(self, name: str) -> Header:
        with self._open(name) as stream:
            try:
                return Header(*_read_header(stream))
            except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, OverflowError, TokenError):
                raise UsageError(f"{self.path}: {name} is no array that numpy wrote; make it by {MAKE_OWN}") from None

    def features(self, name: str) -> NDArray[np.float32]:
        """Return an array (n, ...) as float32 (n, values of a row), refusing what float32 does not hold."""
        header = self.headers[name]
        flat = np.empty(header.n_values, np.float32)
        for start, piece in self._pieces(name):
            with np.errstate(over="ignore"):
                flat[start : start + len(piece)] = piece
            finite = np.isfinite(flat[start : start + len(piece)])
            if not finite.all():
                first = int(finite.argmin())
                self._refuse_value(name, piece[first], start + first)
        if header.fortran_order:
            flat = np.ascontiguousarray(flat.reshape(header.shape[::-1]).T)
        return flat.reshape(header.shape[0], -1)

    def _refuse_value(self, name: str, value: Any, index: int) -> None:
        header = self.headers[name]
        row, *place = np.unravel_index(index, header.shape, "F" if header.fortran_order else "C")
        column = int(np.ravel_multi_index(place, header.shape[1:])) if place else 0
        what = f"is {value}" if not np.isfinite(value) else f"is {value}, beyond what float32 holds (3.4e38)"
        raise UsageError(
            f"{self.path}: {name} {what} in row {int(row)}, column {column} (counted from 0); give finite numbers, such"
            " as np.nan_to_num(X_train)"
        )

    def whole(self, name: str) -> NDArray[Any]:
        """Return an array as it is."""
        header = self.headers[name]
        pieces = [piece.copy() for _, piece in self._pieces(name)]
        flat = np.concatenate(pieces) if pieces else np.empty(0, header.dtype)
        return flat.reshape(header.shape, order="F" if header.fortran_order else "C")

    def _pieces(self, name: str) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (index of the first, values) of an array, in the order in which they are stored."""
        header = self.headers[name]
        with self._open(name) as stream:
            _read_header(stream)
            for start in range(0, header.n_values, PIECE):
                n = min(PIECE, header.n_values - start) * header.dtype.itemsize
                content = _exactly(stream, n)
                yield start, np.frombuffer(content, header.dtype)
            if stream.read(1):  # the end, where the zip's checksum is compared too
                raise EOFError("it is longer than its shape")


def _exactly(stream: IO[bytes], n: int) -> bytes:
    content = stream.read(n)
    if len(content) < n:
        raise EOFError("it is shorter than its shape")
    return content


def _read_header(stream: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    version = npy.read_magic(stream)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError("another version")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shape, fortran_order, dtype = read(stream, max_header_size=MAX_HEADER)
    if any(type(n) is not int or n < 0 for n in shape) or len(shape) > 32:
        raise ValueError("a shape that cannot be")
    return dtype, shape, fortran_order


@contextmanager
def opened(path: Path, names: Sequence[str]) -> Iterator[tuple[Npz, BufferedReader]]:
    """Open an npz file with the arrays ``names``: its arrays, and the file itself for its digest.

    A UsageError where it is no such file, or asks for more than is read.
    """
    with os.fdopen(_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            raise UsageError(f"{path} has {size:,} bytes; at most {MAX_BYTES:,} are read")
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
            raise UsageError(f"{path} is no npz file; make one by {MAKE_OWN}") from None
        with archive:
            yield Npz(path, archive, size, names), file


def _regular(path: Path) -> int:
    """Return a handle of a regular file; nothing waits on a pipe."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise UsageError(f"--dataset {quote(str(path))}: {error.strerror}; make one by {MAKE_OWN}") from None
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise UsageError(f"--dataset {quote(str(path))} is no file; make one by {MAKE_OWN}")
