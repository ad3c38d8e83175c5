"""What lies in Parquet files and Arrow tables: pages, dictionaries, statistics, metadata, buffers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_MAGIC = b"PAR1"
_DICTIONARY, _DATA_V2 = 2, 3


def is_parquet(content: bytes) -> bool:
    """Say whether bytes are a whole Parquet file."""
    return len(content) > 12 and content.startswith(_MAGIC) and content.endswith(_MAGIC)


def of_parquet(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the pages unpacked, the dictionaries whole, the statistics and metadata, and the values as text."""
    file = pq.ParquetFile(pa.BufferReader(content))
    footer = file.metadata
    columns = [footer.row_group(g).column(i) for g in range(footer.num_row_groups) for i in range(footer.num_columns)]
    yield "footer", b"\n".join([*(footer.metadata or {}).values(), *map(_statistics, columns)])
    yield "pages", b"".join(page for column in columns for page in _pages(content, column))
    names = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
    coded = pq.ParquetFile(pa.BufferReader(content), read_dictionary=names).read(names)
    yield "dictionaries", b"\n".join(as_text(d) for column in coded.columns for c in column.chunks for d in _pools(c))
    yield "values", b"\n".join(as_text(column) for column in file.read().columns)


def buffers_of(table: pa.Table) -> Iterator[tuple[str, bytes]]:
    """Yield all memory that a table refers to, and the file it would be written as."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        for chunk in column.chunks:
            yield f"buffers of {name}", b"\n".join(_buffers(chunk))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    yield "ipc", sink.getvalue().to_pybytes()
    yield "values", b"\n".join(as_text(column) for column in table.columns)


def as_text(values: pa.Array | pa.ChunkedArray) -> bytes:
    """Write values as JSON lines, dates and numbers in their usual form."""
    plain = [value.as_py(maps_as_pydicts=None) for value in values]
    return "\n".join(json.dumps(value, default=_spelt, ensure_ascii=False) for value in plain).encode(
        "utf-8", "replace"
    )


def _spelt(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _statistics(column: Any) -> bytes:
    found = column.statistics
    if found is None or not found.has_min_max:
        return b""
    return "\n".join(_spelt(edge) for edge in (found.min, found.max, found.min_raw, found.max_raw)).encode()


def _buffers(array: pa.Array) -> Iterator[bytes]:
    yield from (buffer.to_pybytes() for buffer in array.buffers() if buffer is not None)
    for pool in _pools(array):
        yield from _buffers(pool)


def _pools(array: pa.Array) -> Iterator[pa.Array]:
    """Yield the dictionaries of an array, at any depth."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        yield array.dictionary
        yield from _pools(array.dictionary)
    elif pa.types.is_struct(kind):
        for index in range(kind.num_fields):
            yield from _pools(array.field(index))
    elif pa.types.is_map(kind):
        yield from (pool for child in (array.keys, array.items) for pool in _pools(child))
    elif pa.types.is_nested(kind) and hasattr(array, "values"):
        yield from _pools(array.values)


# ------------------------------------------------------------------------------------------ pages


def _pages(content: bytes, column: Any) -> Iterator[bytes]:
    """Walk the pages of a column chunk, and unpack each."""
    starts = [column.data_page_offset]
    if column.has_dictionary_page and column.dictionary_page_offset:
        starts.append(column.dictionary_page_offset)
    place = min(starts)
    end = place + column.total_compressed_size
    while place < end:
        header, place = _struct(content, place)
        size = header[3]
        body, place = content[place : place + size], place + size
        levels = 0
        if header[1] == _DATA_V2:
            levels = header[8][5] + header[8][6]
        packed = column.compression != "UNCOMPRESSED" and header.get(8, {}).get(7, True)
        yield body[:levels]
        yield _unpacked(body[levels:], header[2] - levels, column.compression) if packed else body[levels:]


def _unpacked(body: bytes, size: int, codec: str) -> bytes:
    name = {"LZ4": "lz4_raw"}.get(codec, codec.lower())
    return bytes(pa.decompress(body, size, codec=name)) if body else b""


def _struct(content: bytes, place: int) -> tuple[dict[int, Any], int]:
    """Read one struct of Thrift's compact protocol: field id -> value."""
    found: dict[int, Any] = {}
    field = 0
    while (head := content[place]) != 0:
        place += 1
        if head >> 4:
            field += head >> 4
        else:
            field, place = _zigzag(content, place)
        found[field], place = _value(content, place, head & 15)
    return found, place + 1


def _value(content: bytes, place: int, kind: int) -> tuple[Any, int]:
    if kind in (1, 2):
        return kind == 1, place
    if kind == 3:
        return content[place], place + 1
    if kind in (4, 5, 6):
        return _zigzag(content, place)
    if kind == 7:
        return content[place : place + 8], place + 8
    if kind == 8:
        size, place = _varint(content, place)
        return content[place : place + size], place + size
    if kind in (9, 10):
        head = content[place]
        count, place = (head >> 4, place + 1) if head >> 4 < 15 else _varint(content, place + 1)
        values = []
        for _ in range(count):
            value, place = _value(content, place, head & 15)
            values.append(value)
        return values, place
    if kind == 12:
        return _struct(content, place)
    raise ValueError(f"thrift kind {kind} in a page header")


def _varint(content: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = content[place]
        place += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, place


def _zigzag(content: bytes, place: int) -> tuple[int, int]:
    number, place = _varint(content, place)
    return (number >> 1) ^ -(number & 1), place
