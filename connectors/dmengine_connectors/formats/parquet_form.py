"""What the writer of a Parquet file must repeat so that it has the form of the file that was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from dmengine.spi import Finding

ARROW_SCHEMA = b"ARROW:schema"
ENCODINGS = ("DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT")
LOST = ("INTERVAL", "ENUM", "BSON")
GROUPS_LOOKED_AT = 16
V2_PAGE = b"\x15\x06"
"""How the header of a version 2 data page begins: field 1 of PageHeader is an i32, DATA_PAGE_V2 = 3 (zigzag 6)."""


class Leaf(NamedTuple):
    """A Parquet column, which is a leaf of an Arrow schema.

    Attributes:
        key: The way to it that holds whatever a writer calls list elements and map entries.
        path: Its dotted path in the file that we write.
        kind: Its Arrow type, without dictionary and extension.
    """

    key: tuple[str, ...]
    path: str
    kind: pa.DataType


@dataclass(frozen=True, slots=True)
class ColumnForm:
    """How one column is stored."""

    key: tuple[str, ...]
    kind: pa.DataType
    codec: str
    dictionary: bool
    encoding: str | None
    statistics: bool
    bloom: bool


@dataclass(frozen=True, slots=True)
class ParquetForm:
    """How a Parquet file is stored; it holds no values.

    Attributes:
        columns: How each column is stored; one that is not named is stored in the way of the first.
        groups: The records of each row group to write, after large ones are split.
        version: The format version, "1.0" or "2.6".
        data_pages: The version of the data pages, "1.0" or "2.0".
        arrow_schema: Whether the Arrow schema is stored under `ARROW:schema`.
        page_index: Whether there is a page index.
        int96: Whether timestamps are INT96.
        integer_decimals: Whether decimals of up to 18 digits are INT32 and INT64.
        utc_times: Whether times of day are in UTC.
        element_names: Whether list elements keep their Arrow names; else they are called `element`.
        findings: What of the file's form a person should know.
    """

    columns: tuple[ColumnForm, ...] = ()
    groups: tuple[int, ...] = ()
    version: str = "2.6"
    data_pages: str = "1.0"
    arrow_schema: bool = True
    page_index: bool = False
    int96: bool = False
    integer_decimals: bool = False
    utc_times: bool = False
    element_names: bool = False
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    def stored(self, schema: pa.Schema) -> list[tuple[Leaf, ColumnForm]]:
        """Say how to store each leaf of the schema to write."""
        known = {column.key: column for column in self.columns}
        first = self.columns[0] if self.columns else ColumnForm((), pa.null(), "SNAPPY", True, None, True, False)
        named = leaves(schema, element_names=self.element_names)
        plain = replace(first, encoding=None, statistics=True, bloom=False)
        return [(leaf, known.get(leaf.key, plain)) for leaf in named]

    def options(self, schema: pa.Schema) -> dict[str, Any]:
        """Return the arguments of `pyarrow.parquet.ParquetWriter` for a schema."""
        stored = [(leaf.path, leaf.kind, column) for leaf, column in self.stored(schema)]
        blooms = {path: {"ndv": max(self.groups, default=1)} for path, _, column in stored if column.bloom}
        return {
            "version": "2.6" if any(_needs_version_2(kind, self.int96) for _, kind, _ in stored) else self.version,
            "data_page_version": self.data_pages,
            "compression": {path: column.codec for path, _, column in stored},
            "use_dictionary": [path for path, _, column in stored if column.dictionary],
            "column_encoding": {
                path: column.encoding for path, kind, column in stored if column.encoding and column.kind == kind
            },
            "write_statistics": [path for path, _, column in stored if column.statistics],
            "use_deprecated_int96_timestamps": self.int96,
            "store_decimal_as_integer": self.integer_decimals,
            "write_time_adjusted_to_utc": self.utc_times,
            "use_compliant_nested_type": not self.element_names,
            "write_page_index": self.page_index,
            "write_page_checksum": True,
            "store_schema": False,  # the writer stores it itself, so that dictionaries it adds do not show
        } | ({"bloom_filter_options": blooms} if blooms else {})


def leaves(schema: pa.Schema, *, element_names: bool = True) -> list[Leaf]:
    """Name the Parquet columns of a schema, in the order of the file.

    >>> [leaf.path for leaf in leaves(pa.schema({"id": pa.int8(), "tags": pa.list_(pa.string())}))]
    ['id', 'tags.list.item']
    """
    return [leaf for field in schema for leaf in _leaves(field.type, (field.name,), field.name, element_names)]


def read_form(file: pq.ParquetFile, raw: BinaryIO, schema: pa.Schema) -> ParquetForm:
    """Read the form from the footer, and the page version from the first page header.

    Args:
        file: The opened file.
        raw: The same file as bytes.
        schema: Its Arrow schema without dictionaries of our own making.
    """
    footer = file.metadata
    groups = [footer.row_group(i) for i in looked_at(footer.num_row_groups)]
    columns = _columns(file, groups, schema)
    stored = [file.schema.column(i) for i in range(footer.num_columns)]
    short = [column for column in stored if _logical(column) == "DECIMAL" and column.precision <= 18]
    times = [column for column in stored if _logical(column) == "TIME"]
    return ParquetForm(
        columns=columns,
        version="1.0" if footer.format_version == "1.0" else "2.6",
        data_pages=_page_version(groups, raw),
        arrow_schema=ARROW_SCHEMA in (footer.metadata or {}),
        page_index=any(group.column(i).has_column_index for group in groups for i in range(group.num_columns)),
        integer_decimals=bool(short) and all(column.physical_type in ("INT32", "INT64") for column in short),
        utc_times=bool(times) and all('"isAdjustedToUTC":true' in _json(column) for column in times),
        element_names=True,
    )


def losses(file: pq.ParquetFile, schema: pa.Schema) -> list[Finding]:
    """Say what of a file's form Arrow cannot write again."""
    findings = []
    stored = [file.schema.column(i) for i in range(file.metadata.num_columns)]
    if lost := [f"{column.path} ({column.converted_type})" for column in stored if column.converted_type in LOST]:
        findings.append(Finding("warning", f"columns lose their annotation, readers see bytes: {', '.join(lost)}"))
    named = leaves(schema)
    if moved := [column.path for column, leaf in zip(stored, named, strict=False) if column.path != leaf.path]:
        message = f"lists and maps are written with the standard group names: {', '.join(moved)}"
        findings.append(Finding("info", message))
    if any(file.metadata.row_group(i).sorting_columns for i in looked_at(file.metadata.num_row_groups)):
        findings.append(Finding("info", "the declared sort order is not carried over: masked values sort otherwise"))
    return findings


def _columns(file: pq.ParquetFile, groups: list[Any], schema: pa.Schema) -> tuple[ColumnForm, ...]:
    named = leaves(schema)
    if len(named) != file.metadata.num_columns:  # a type that Arrow shows otherwise than it is stored
        return ()
    return tuple(_column(leaf, [group.column(i) for group in groups]) for i, leaf in enumerate(named) if groups)


def _column(leaf: Leaf, chunks: list[Any]) -> ColumnForm:
    encodings = {encoding for chunk in chunks for encoding in chunk.encodings}
    codec = chunks[0].compression
    return ColumnForm(
        key=leaf.key,
        kind=leaf.kind,
        codec="NONE" if codec == "UNCOMPRESSED" else codec,
        dictionary=any("DICTIONARY" in encoding for encoding in encodings),
        encoding=next((encoding for encoding in ENCODINGS if encoding in encodings), None)
        if not any("DICTIONARY" in encoding for encoding in encodings)
        else None,
        statistics=any(chunk.is_stats_set for chunk in chunks),
        bloom=any(getattr(chunk, "bloom_filter_offset", None) is not None for chunk in chunks),
    )


def _page_version(groups: list[Any], raw: BinaryIO) -> str:
    filled = next((group for group in groups if group.num_rows and group.num_columns), None)
    if filled is None:
        return "1.0"
    raw.seek(filled.column(0).data_page_offset)
    return "2.0" if raw.read(len(V2_PAGE)) == V2_PAGE else "1.0"


def looked_at(groups: int) -> list[int]:
    """Choose row groups evenly: a file is written by one program in one way, so a few tell."""
    step = max(1, groups // GROUPS_LOOKED_AT)
    return list(range(0, groups, step))


def _leaves(kind: pa.DataType, key: tuple[str, ...], path: str, names: bool) -> Iterator[Leaf]:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_struct(kind):
        for inner in kind.fields:
            yield from _leaves(inner.type, (*key, inner.name), f"{path}.{inner.name}", names)
    elif pa.types.is_map(kind):
        yield from _leaves(kind.key_type, (*key, "{key}"), f"{path}.key_value.key", names)
        yield from _leaves(kind.item_type, (*key, "{*}"), f"{path}.key_value.value", names)
    elif pa.types.is_nested(kind):
        element = kind.value_field.name if names else "element"
        yield from _leaves(kind.value_type, (*key, "[*]"), f"{path}.list.{element}", names)
    else:
        yield Leaf(key, path, kind)


def _needs_version_2(kind: pa.DataType, int96: bool) -> bool:
    """Say whether version 1.0 would change a type: it widens uint32 and cuts nanoseconds."""
    return bool(pa.types.is_uint32(kind) or (pa.types.is_timestamp(kind) and kind.unit == "ns" and not int96))


def _logical(column: Any) -> str:
    return str(column.logical_type.type)


def _json(column: Any) -> str:
    return str(column.logical_type.to_json())
