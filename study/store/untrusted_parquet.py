"""Parquet files that anybody may have made, read within bounds: refused before they are decoded, not after.

A few kilobytes of parquet can ask for a terabyte: by the number of rows, by pages that decompress to more than they
say, by runs of one long string, by encodings that repeat a prefix. So the schema, the sizes of every page and its
encoding are checked first, from the footer and from the pages' own headers (parquet-format, PageHeader), and strings
stay dictionaries until their lengths are known. Links, pipes and devices are not files. Imports no torch.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

MAX_BYTES = 2**31
"""Bytes of a file."""
MAX_VALUES = 20_000_000
"""Values in a column, and rows of a table."""
BYTES_A_ROW = 4096
"""Decompressed bytes of all columns together, beside 64 for every nested value and SLACK for the file."""
SLACK = 2**20
MAX_LENGTH = 256
"""Characters of a string."""
NESTED_DICTIONARY = 256
"""Bytes of the dictionary of strings in lists, which are decoded before their lengths can be checked."""

MAGIC = b"PAR1"
BYTE_ARRAY = 6
DATA, DICTIONARY, DATA_V2 = 0, 2, 3
PAGE_HEADERS = {DATA: (5, 2), DICTIONARY: (7, 2), DATA_V2: (8, 4)}
"""Fields by kind of page: that of its own header, and therein that of the encoding."""
PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY = 0, 2, 3, 8
ENCODINGS = (PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY)


Struct = dict[int, Any]
"""The fields of a Thrift structure by number (parquet-format, parquet.thrift)."""


Expected = Any
"""A pyarrow.Schema that a file must have, or a function that makes it from the names of the columns that it has."""


class InvalidFile(ValueError):
    """An error of bytes that are no table of the schema, or ask for more than they could hold; its text says which."""


def file_bytes(path: Path, most: int | None = None) -> bytes:
    """Return the content of a regular file of at most MAX_BYTES, or ``most``.

    Links are not followed, nothing waits on a pipe. An OSError where the machine does not let it be read.
    """
    most = MAX_BYTES if most is None else most
    with regular_file(path) as file:
        n_bytes = os.fstat(file.fileno()).st_size
        if n_bytes > most:
            raise InvalidFile(f"it has {n_bytes:,} bytes, at most {most:,} are read")
        return file.read(most)


@contextmanager
def regular_file(path: Path) -> Iterator[io.BufferedReader]:
    """Open a regular file to read, for the time of a ``with`` block; refused as by ``file_bytes``, but for its size."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise InvalidFile("it is a link or a socket, not a regular file") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise InvalidFile("it is not a regular file")
        with open(handle, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(handle)


def read_bytes(content: bytes, expected: Expected) -> pa.Table:
    """Return the table with its metadata; an InvalidFile where the bytes are not one of the schema, within bounds.

    Whole numbers in fewer bits than the schema's are widened to its type.
    """
    _check(content, footer(content))
    try:
        given = pq.ParquetFile(io.BytesIO(content)).schema_arrow
        schema = expected if isinstance(expected, pa.Schema) else expected(given.names)
        if given.names != schema.names or not all(map(_fits, given, schema)):
            raise InvalidFile(f"it has the columns {given.names}; expected {schema.names} in their types")
        strings = [field.name for field in schema if pa.types.is_string(field.type)]
        table = pq.ParquetFile(io.BytesIO(content), read_dictionary=strings).read(use_threads=False)
        plain = _with_plain_strings(table, schema)
        return plain if given.equals(schema) else plain.cast(schema.with_metadata(plain.schema.metadata))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InvalidFile(f"it is not a parquet file: {' '.join(str(error).split())[:200]}") from None


def _fits(given: pa.Field, expected: pa.Field) -> bool:
    """Whether a column is of the type that is expected, or of whole numbers in fewer bits, as an earlier program wrote
    them; also in the structures of a list."""
    one, other = given.type, expected.type
    if given.nullable != expected.nullable:
        return False
    if pa.types.is_list(one) and pa.types.is_list(other):
        return _fits(one.value_field, other.value_field)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        names = [[field.name for field in kind] for kind in (one, other)]
        return names[0] == names[1] and all(map(_fits, one, other))
    if pa.types.is_signed_integer(one) and pa.types.is_signed_integer(other):
        return bool(one.bit_width <= other.bit_width)
    return bool(one == other)


def _check(content: bytes, facts: Struct) -> None:
    """Check rows, values and bytes of all pages against one another and the limits (FileMetaData: 3 rows, 4 row groups;
    RowGroup: 1 columns, 3 rows)."""
    n_rows, groups = _number(facts, 3), _structs(facts, 4)
    if n_rows > MAX_VALUES:
        raise InvalidFile(f"it says that it has {n_rows:,} rows, at most {MAX_VALUES:,} are read")
    n_bytes = n_nested = 0
    full = [group for group in groups if _number(group, 3)]  # a column of no rows has no place in the file
    for column in (column for group in full for column in _structs(group, 1)):
        pages, nested = _checked_pages(content, column), len(_path(column)) > 1
        n_bytes += sum(page.n_bytes for page in pages)
        n_nested += sum(page.n_values for page in pages if page.kind != DICTIONARY) if nested else 0
    most = SLACK + BYTES_A_ROW * n_rows + 64 * n_nested
    if sum(_number(group, 3) for group in groups) != n_rows or n_bytes > most:
        raise InvalidFile(f"its pages hold {n_bytes:,} bytes; {n_rows:,} rows have room for {most:,}")


def _checked_pages(content: bytes, column: Struct) -> "list[Page]":
    """Return the pages of a ColumnChunk (1 path of another file, 3 ColumnMetaData: 1 type, 5 values)."""
    name = ".".join(_path(column))
    facts: Struct = column[3]
    pages = list(_pages(content, facts, name))
    n_values = sum(page.n_values for page in pages if page.kind != DICTIONARY)
    if 1 in column or n_values != _number(facts, 5) or n_values > MAX_VALUES:
        raise InvalidFile(f"{name} has {n_values:,} values; its footer says {_number(facts, 5):,}")
    for page in pages:
        if page.encoding not in ENCODINGS:
            raise InvalidFile(f"{name} has the encoding {page.encoding}, which this program never writes")
        nested_strings = "." in name and _number(facts, 1) == BYTE_ARRAY
        if nested_strings and page.kind == DICTIONARY and page.n_bytes > NESTED_DICTIONARY:
            raise InvalidFile(f"{name} has words of {page.n_bytes:,} bytes")
    return pages


def _with_plain_strings(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with dictionaries as strings; an InvalidFile where one is too long."""
    for i, field in enumerate(schema):
        if pa.types.is_string(field.type):
            column = table.column(i)
            for chunk in column.chunks:
                strings = chunk.dictionary if isinstance(chunk, pa.DictionaryArray) else chunk
                if any(len(string) > MAX_LENGTH for string in strings.to_pylist() if string is not None):
                    raise InvalidFile(f"{field.name} holds a text of more than {MAX_LENGTH} characters")
            table = table.set_column(i, field, column.cast(field.type))
    return table


# --- footer and pages


@dataclass(frozen=True)
class Page:
    kind: int
    n_bytes: int
    """Decompressed."""
    n_values: int
    encoding: int


def footer(content: bytes) -> Struct:
    """Return FileMetaData by the numbers of its fields.

    Read here and not by pyarrow, whose look at the metadata of a column can end the process (an exception of the C++
    library that its binding does not catch, met in fuzzing).
    """
    if len(content) < 12 or content[:4] != MAGIC or content[-4:] != MAGIC:
        raise InvalidFile("it is not a parquet file: it does not begin and end with PAR1")
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    if start < 4:
        raise InvalidFile("it is not a parquet file: its footer is longer than itself")
    return _Thrift(content, start).struct()


def _pages(content: bytes, facts: Struct, name: str) -> Iterator[Page]:
    """Yield each page by its header (ColumnMetaData: 7 bytes, 9 offset of data, 11 of the dictionary)."""
    at = min(_number(facts, 9), _number(facts, 11)) if 11 in facts else _number(facts, 9)
    end = at + _number(facts, 7)
    if not 0 <= at <= end <= len(content):
        raise InvalidFile(f"{name} lies outside of the file")
    while at < end:
        header = _Thrift(content, at)
        page, n_compressed = _page(header.struct())
        yield page
        at = header.at + n_compressed
    if at != end:
        raise InvalidFile(f"a page of {name} ends outside of its column")


def _page(header: Struct) -> tuple[Page, int]:
    """Return a page and its compressed bytes (PageHeader: 1 type, 2 and 3 sizes, and by type 5, 7 or 8 with
    1 num_values and 2 or 4 encoding)."""
    kind = _number(header, 1)
    if kind not in PAGE_HEADERS:
        raise InvalidFile("a page is of a kind that this program never writes")
    own_field, encoding_field = PAGE_HEADERS[kind]
    own = header.get(own_field)
    if not isinstance(own, dict):
        raise InvalidFile("a page has no header of its kind")
    page = Page(kind, _number(header, 2), _number(own, 1), _number(own, encoding_field))
    return page, _number(header, 3)


def _number(struct: Struct, field: int) -> int:
    value = struct.get(field)
    if not isinstance(value, int) or value < 0:
        raise InvalidFile("a number in its footer or in a page's header is missing or below zero")
    return value


def _structs(struct: Struct, field: int) -> list[Struct]:
    values = struct.get(field)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise InvalidFile("its footer has no row groups or columns where they belong")
    return values


def _path(column: Struct) -> list[str]:
    """Return the path in the schema (ColumnMetaData: 3)."""
    facts = column.get(3)
    path = facts.get(3) if isinstance(facts, dict) else None
    if not isinstance(path, list) or not all(isinstance(name, bytes) for name in path):
        raise InvalidFile("a column in its footer has no name")
    return [name.decode(errors="replace") for name in path]


class _Thrift:
    """A reader of Thrift's compact protocol, from ``content`` at ``at`` on."""

    MAX_DEPTH = 12

    def __init__(self, content: bytes, at: int):
        self.content, self.at = content, at

    def struct(self, depth: int = 0) -> Struct:
        """Return the fields of a structure by number."""
        fields: Struct = {}
        number = 0
        while byte := self._byte():
            # the high half is the step of the field's number, 0 where the number follows; the low half is the type
            number = number + (byte >> 4) if byte >> 4 else self._zigzag()
            kind = byte & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        """Return the value of a field or of an item of a list, in which a boolean takes a byte."""
        if depth > self.MAX_DEPTH:
            raise InvalidFile("its footer is nested deeper than any that this program writes")
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._zigzag()
        if kind in (7, 8):
            return self._bytes(8 if kind == 7 else self._varint())
        if kind in (9, 10):
            return self._list(depth)
        if kind == 12:
            return self.struct(depth + 1)
        raise InvalidFile("its footer or a page's header is not what this program writes")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        n = head >> 4 if head >> 4 < 15 else self._varint()
        if n > len(self.content) - self.at:  # an item takes a byte at the least
            raise InvalidFile("a list in its footer is longer than the file")
        return [self._value(head & 15, depth + 1) for _ in range(n)]

    def _bytes(self, n: int) -> bytes:
        if not 0 <= n <= len(self.content) - self.at:
            raise InvalidFile("a text in its footer ends outside of the file")
        self.at += n
        return self.content[self.at - n : self.at]

    def _byte(self) -> int:
        if not 0 <= self.at < len(self.content):
            raise InvalidFile("its footer or a page's header ends outside of the file")
        self.at += 1
        return self.content[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 128:
            value |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise InvalidFile("a number in its footer or in a page's header is too long")
        return value | byte << shift

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
