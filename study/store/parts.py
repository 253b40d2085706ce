"""Parts: immutable parquet files named by the sha256 of their bytes, so that one that is damaged is noticed."""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from study.store.atomic import remove_stale_files, write_atomically
from study.store.untrusted_parquet import Expected, InvalidFile, file_bytes, read_bytes


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


def read(path: Path, schema: Expected) -> pa.Table | None:
    """Return the rows of a part with its metadata, None where its bytes are not those that its name promises."""
    try:
        content = file_bytes(path)
        if _digest(content) != path.stem.partition("-")[2]:
            return None
        return read_bytes(content, schema)
    except (InvalidFile, FileNotFoundError):
        return None


def read_all(folder: Path, pattern: str, read_part: Callable[[Path], pa.Table | None]) -> Iterator[pa.Table]:
    """Yield every sound part whose name matches, by name."""
    for path in sorted(folder.glob(pattern)):
        table = read_part(path)
        if table is not None:
            yield table


def write_tables(folder: Path, contents: Mapping[str, bytes]) -> dict[str, str]:
    """Write the tables of a folder, by name, whose bytes differ; returns the sha256 of each, for a manifest."""
    remove_stale_files(folder, *(f"{name}.parquet" for name in contents))
    for name, content in contents.items():
        path = folder / f"{name}.parquet"
        if not path.exists() or path.read_bytes() != content:
            write_atomically(path, content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def read_table(path: Path, promised: str | None, schema: Expected) -> pa.Table:
    """Return a table that has the sha256 ``promised`` by a manifest; an InvalidFile where it is another, a
    FileNotFoundError where absent."""
    content = file_bytes(path)
    if promised not in (None, hashlib.sha256(content).hexdigest()):
        raise InvalidFile("its sha256 is not the one in manifest.json: it was changed, or a command was killed")
    return read_bytes(content, schema)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return file_bytes(path) == content
    except (InvalidFile, OSError):
        return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
