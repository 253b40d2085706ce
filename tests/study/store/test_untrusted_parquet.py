"""Parquet from strangers: what is ours is read as it is, all else refused before it is decoded."""

import io
import os
import random
import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from study.spec.cohorts import cohorts, missing_runs
from study.spec.design import Design
from study.store import untrusted_parquet
from study.store.parts import encode
from study.store.schemas import (
    MADE_BY,
    explode_epochs,
    factor_keys,
    for_reading,
    names_of,
    part_schema,
    part_table,
    records_schema,
)
from study.store.untrusted_parquet import InvalidFile
from tests.study.store.test_study_folder import history_of

DESIGN = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0, 1, 2), epochs=2)
PART = part_schema([*factor_keys(DESIGN), *names_of(MADE_BY)])
WORDS = pa.schema([("word", pa.string()), ("x", pa.float64())])


def part() -> pa.Table:
    (cohort,) = cohorts(missing_runs(DESIGN, ()))
    return part_table(DESIGN, cohort.runs, history_of(cohort))


def written(table: pa.Table, **options: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def words(*values: str, n: int = 1000) -> pa.Table:
    return pa.table({"word": (list(values) * n)[:n], "x": [0.0] * n}, schema=WORDS)


def test_what_this_program_writes_is_read_as_it_is() -> None:
    nested = part()
    for table, schema in ((nested, part_schema), (for_reading(explode_epochs(nested, DESIGN), "s"), records_schema)):
        assert untrusted_parquet.read_bytes(encode(table), schema).equals(table)
        assert untrusted_parquet.read_bytes(encode(table.slice(0, 0)), schema).equals(table.slice(0, 0))


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "device"])
def test_what_is_no_regular_file_is_not_opened_as_one(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    if kind == "link":
        (tmp_path / "elsewhere").write_bytes(encode(part()))
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path("/dev/zero")
    with pytest.raises(InvalidFile, match="regular file"):
        untrusted_parquet.file_bytes(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(encode(part()))
    monkeypatch.setattr(untrusted_parquet, "MAX_BYTES", 1000)
    with pytest.raises(InvalidFile, match=r"has [\d,]+ bytes, at most 1,000 are read"):
        untrusted_parquet.file_bytes(path)


def test_other_columns_are_refused_before_any_is_read() -> None:
    with pytest.raises(InvalidFile, match=r"has the columns \['word', 'x'\]; expected \['run_id'"):
        untrusted_parquet.read_bytes(encode(words("a")), part_schema)


def test_whole_numbers_in_fewer_bits_are_widened_also_in_lists_and_the_footer_stays() -> None:
    wide = pa.schema([("x", pa.int32()), ("h", pa.list_(pa.struct([("e", pa.int32()), ("s", pa.string())])))])
    rows = [{"x": 2**15 - 1, "h": [{"e": -5, "s": "a"}, {"e": None, "s": None}]}, {"x": None, "h": []}]
    for narrow in (pa.int8(), pa.int16(), pa.int32()):
        old = pa.schema([("x", pa.int16()), ("h", pa.list_(pa.struct([("e", narrow), ("s", pa.string())])))])
        content = encode(pa.Table.from_pylist(rows, old.with_metadata({"study.unit_id": "u"})))
        read = untrusted_parquet.read_bytes(content, wide)
        assert read.schema.equals(wide)
        assert read.to_pylist() == rows
        assert read.schema.metadata[b"study.unit_id"] == b"u"


@pytest.mark.parametrize("other", [pa.int64(), pa.uint8(), pa.float32(), pa.bool_(), pa.string()])
def test_no_other_type_is_taken_for_whole_numbers(other: pa.DataType) -> None:
    content = encode(pa.table({"x": pa.array([1, 0]).cast(other)}))
    with pytest.raises(InvalidFile, match=r"it has the columns \['x'\]; expected \['x'\] in their types"):
        untrusted_parquet.read_bytes(content, pa.schema([("x", pa.int32())]))


def test_a_bomb_of_rows_is_refused_in_the_memory_that_it_takes_to_say_so() -> None:
    """300 million rows in a megabyte."""
    content = bomb()
    assert len(content) < 2_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidFile, match=r"says that it has 300,000,000 rows, at most 20,000,000 are read"):
        untrusted_parquet.read_bytes(content, pa.schema([("x", pa.int8())]))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def bomb() -> bytes:
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, pa.schema([("x", pa.int8())]), compression="zstd") as writer:
        chunk = pa.table({"x": pa.repeat(pa.scalar(0, pa.int8()), 30_000_000)})
        for _ in range(10):
            writer.write_table(chunk, row_group_size=30_000_000)
    return buffer.getvalue()


def test_one_long_word_a_thousand_times_is_refused_while_it_stands_there_once() -> None:
    content = encode(words("a" * 1_000_000))
    assert len(content) < 20_000
    with pytest.raises(InvalidFile, match="word holds a text of more than 256 characters"):
        untrusted_parquet.read_bytes(content, WORDS)


def test_pages_that_decompress_to_more_than_rows_can_hold_are_refused() -> None:
    content = written(words(*(f"{i:0250d}" * 40 for i in range(1000))), use_dictionary=False, compression="zstd")
    with pytest.raises(InvalidFile, match=r"its pages hold 1\d,\d{3},\d{3} bytes; 1,000 rows have room for"):
        untrusted_parquet.read_bytes(content, WORDS)


def test_encodings_that_repeat_a_prefix_are_refused() -> None:
    content = written(words("abc" * 80, "abc" * 81), use_dictionary=False, column_encoding={"word": "DELTA_BYTE_ARRAY"})
    with pytest.raises(InvalidFile, match="word has the encoding 7, which this program never writes"):
        untrusted_parquet.read_bytes(content, WORDS)


def test_long_words_inside_of_lists_are_refused() -> None:
    table = part()
    history = [[{**row, "status": "x" * 300} for row in rows] for rows in table["history"].to_pylist()]
    longer = table.set_column(
        table.num_columns - 1, PART.field("history"), pa.array(history, PART.field("history").type)
    )
    with pytest.raises(InvalidFile, match=r"history.list.element.status has words of \d+ bytes"):
        untrusted_parquet.read_bytes(encode(longer), part_schema)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Flipped, cut, emptied, zeroed, doubled or shuffled somewhere."""
    a, b = sorted(rng.choices(range(len(content)), k=2))
    kind = rng.randrange(6)
    if kind == 0:
        return content[:a] + bytes([content[a] ^ 1 << rng.randrange(8)]) + content[a + 1 :]
    if kind == 1:
        return content[:a]
    if kind == 2:
        return content[:a] + content[b:]
    if kind == 3:
        return content[:a] + bytes(b - a) + content[b:]
    if kind == 4:
        return content[:b] + content[a:]
    return content[:a] + rng.randbytes(min(16, b - a)) + content[a + min(16, b - a) :]


def survives(n: int, seed: int) -> int:
    """How many of ``n`` damaged tables are refused; the others are tables of the schema, within bounds."""
    rng, refused = random.Random(seed), 0
    contents = [encode(part()), encode(words("a", "b", "c"))]
    for _ in range(n):
        which = rng.randrange(2)
        try:
            table = untrusted_parquet.read_bytes(damaged(contents[which], rng), (PART, WORDS)[which])
        except InvalidFile:
            refused += 1
        else:
            assert table.schema.equals((PART, WORDS)[which])
    return refused


def test_a_damaged_table_is_refused_or_a_table_never_an_accident() -> None:
    assert survives(400, seed=0) > 200


@pytest.mark.slow
def test_of_twenty_thousand_damaged_tables_none_is_an_accident() -> None:
    assert survives(20_000, seed=1) > 10_000
