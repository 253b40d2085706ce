"""Parts: immutable parquet files named by the sha256 of their bytes, so that one that is damaged is seen."""

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from study.store import untrusted_parquet
from study.store.atomic import write_atomically


def encode(table: pa.Table) -> bytes:
    """Return parquet bytes that depend on the rows alone: fixed settings, one chunk a column."""
    buffer = io.BytesIO()
    pq.write_table(
        table.combine_chunks(),
        buffer,
        compression="zstd",
        version="2.6",
        row_group_size=1 << 20,
        use_dictionary=True,
        write_statistics=True,
    )
    return buffer.getvalue()


def write(folder: Path, name: str, table: pa.Table) -> Path:
    """Make ``table`` a part ``<name>-<digest>.parquet`` of ``folder``, durably; doing it twice is doing it once.

    A part that was damaged has the name of the sound one, which takes its place.
    """
    content = encode(table)
    path = folder / f"{name}-{_digest(content)}.parquet"
    if not _holds(path, content):
        write_atomically(path, content)
    return path


def read(path: Path, schema: untrusted_parquet.Expected) -> pa.Table | None:
    """Return the rows of a part with its metadata, None where its bytes are not those that its name promises."""
    try:
        content = untrusted_parquet.file_bytes(path)
        if _digest(content) != path.stem.partition("-")[2]:
            return None
        return untrusted_parquet.read_bytes(content, schema)
    except (untrusted_parquet.Refused, FileNotFoundError):
        return None


def read_all(folder: Path, pattern: str, of: Callable[[Path], pa.Table | None]) -> Iterator[pa.Table]:
    """Yield every sound part whose name matches, by name."""
    for path in sorted(folder.glob(pattern)):
        table = of(path)
        if table is not None:
            yield table


def _holds(path: Path, content: bytes) -> bool:
    try:
        return untrusted_parquet.file_bytes(path) == content
    except (untrusted_parquet.Refused, OSError):  # what cannot be read is written, or that fails in better words
        return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
