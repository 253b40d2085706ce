"""Files of networks that anybody may have made: some tensors of many, read by their places, within what they take.

The format (huggingface/safetensors, README): 8 bytes with the length of the header, little-endian; the header, a JSON
object from each tensor's name to its dtype, shape and place in the bytes that follow. Nothing in it can be executed.
What a header promises is checked before a tensor's bytes are asked for, and other tensors are never read.
"""

import json
import math
import os
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.store.untrusted_parquet import InvalidFile

MAX_HEADER = 2**25
"""Bytes of a header."""
DTYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I16": np.int16,
    "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip
"""The types that are read, by their names in a header."""


@dataclass(frozen=True)
class Place:
    """Where a tensor lies in a file, and what it is."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    """Byte of the file."""

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Directory:
    """The tensors of a file by name, and the bytes that it has for them."""

    places: dict[str, Place]
    n_bytes: int


def directory(file: BufferedReader) -> Directory:
    """Return what lies where in an open file; an InvalidFile where its header does not describe the file."""
    size = os.fstat(file.fileno()).st_size
    n_header = int.from_bytes(file.read(8), "little")
    if size < 8 or not 2 <= n_header <= min(MAX_HEADER, size - 8):
        raise InvalidFile("it is no safetensors file: it ends before its header does, or has none")
    try:
        header = json.loads(file.read(n_header).decode("utf-8"), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise InvalidFile(f"its header is not JSON ({str(error)[:100]})") from None
    if not isinstance(header, dict):
        raise InvalidFile("its header is no object")
    n_bytes = size - 8 - n_header
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    return Directory({name: _place(entry, 8 + n_header, n_bytes) for name, entry in tensors.items()}, n_bytes)


def load(file: BufferedReader, place: Place) -> NDArray[Any]:
    """Return one tensor of an open file."""
    tensor = np.empty(place.shape, place.dtype)
    file.seek(place.start)
    if file.readinto(tensor.reshape(-1).view(np.uint8).data) != place.n_bytes:
        raise InvalidFile("it ends before a tensor does")
    return tensor


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise InvalidFile("its header has a name twice")
    return dict(pairs)


def _place(entry: Any, first: int, n_bytes: int) -> Place:
    """Return the place of a tensor of a file that has ``n_bytes`` for all of them from byte ``first`` on."""
    try:
        dtype, shape, (start, stop) = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"]), entry["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise InvalidFile("its header has an entry that is no tensor of a type that is read") from None
    whole = all(type(number) is int and number >= 0 for number in (*shape, start, stop))
    if not whole or len(shape) > 32 or not start <= stop <= n_bytes:
        raise InvalidFile("its header has a tensor that lies outside of the file")
    place = Place(dtype, shape, first + start)
    if place.n_bytes != stop - start:
        raise InvalidFile("its header has a tensor of another size than its shape")
    return place
