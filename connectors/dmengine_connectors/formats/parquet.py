"""Reads Parquet files, and writes them in the form they were read in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO, ClassVar, Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from dmengine.errors import InputError, PlanError
from dmengine.nested import refuse_duplicates
from dmengine.records import TableRecords
from dmengine.spi import Finding, Records, RecordStream
from dmengine_connectors.formats.arrow_calls import Failure, attempted
from dmengine_connectors.formats.parquet_counts import most_different
from dmengine_connectors.formats.parquet_dictionaries import share
from dmengine_connectors.formats.parquet_form import ARROW_SCHEMA, ParquetForm, losses, read_form
from dmengine_connectors.formats.parquet_groups import GroupWriter
from dmengine_connectors.formats.parquet_int96 import Unit, compared, int96_columns, other_unit, refuse_mixed
from dmengine_connectors.formats.parquet_layout import Layout, probe, runs, split

MIB = 1 << 20
TAIL = 8
"""A file ends in the length of its footer, four bytes, and the magic bytes PAR1 (PARE: the footer is encrypted)."""
KNOWN_METADATA = ("pandas", "org.apache.spark.", "parquet.avro.schema", "iceberg.schema", "writer.model.name")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Parquet:
    """Apache Parquet, with nested columns.

    >>> import io
    >>> source, target = io.BytesIO(), io.BytesIO()
    >>> pq.write_table(pa.table({"id": [1, 2]}), source, compression="zstd")
    >>> stream = Parquet().read(source)
    >>> stream.schema.names, stream.form.groups
    (['id'], (2,))
    >>> Parquet().write(stream, target)
    2

    Attributes:
        batch_rows: Records in a batch, at most.
        max_batch_bytes: Arrow bytes in a batch, about; long records make shorter batches.
        max_group_bytes: Row groups of more Arrow bytes than this are split.
        max_footer_bytes: A file with a longer footer is refused.
        int96_unit: What INT96 timestamps are read in: microseconds for all years, or nanoseconds for 1677 to 2262.
        int96_as: What they are written as.
        metadata: What happens to the file's own key-value metadata, which may hold anything, values of fields too:
            `keep` names the keys that are not well known, `drop` leaves all of it out, `fail` refuses such keys.
    """

    name: ClassVar[str] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    codecs: ClassVar[bool] = False

    batch_rows: int = 131_072
    max_batch_bytes: int = 8 * MIB
    max_group_bytes: int = 128 * MIB
    max_footer_bytes: int = 16 * MIB
    int96_unit: Unit = "us"
    int96_as: Literal["int96", "int64"] = "int96"
    metadata: Literal["keep", "drop", "fail"] = "keep"

    def for_name(self, name: str) -> Parquet:
        """Return the format itself: a name implies no option here."""
        return self

    def schema(self, file: BinaryIO) -> pa.Schema:
        """Read the schema from the footer.

        Raises:
            InputError: the file is not Parquet, is encrypted, damaged, or of a kind that cannot be written again.
        """
        return self.look(file)[0]

    def look(self, file: BinaryIO) -> tuple[pa.Schema, dict[str, int]]:
        """Read the schema, and how many different values each plain column has at most."""
        opened = self._opened(file)
        schema = self._schema(opened)
        return schema, _parsed(lambda: most_different(opened.metadata, schema))

    def read(self, file: BinaryIO) -> RecordStream:
        """Read the footer and the first records now, and the rest as it is asked for.

        A text column of the schema may come as a dictionary of such text, where the file stores it so.

        Raises:
            InputError: as `schema`; while reading, for damaged pages too.
        """
        opened = self._opened(file)
        schema = self._schema(opened)
        reopen = partial(self._reader, file, opened)
        size = file.seek(0, 2)
        layout = _parsed(lambda: probe(opened, schema, reopen, batch_rows=self.batch_rows, file_size=size))
        form = self._form(opened, file, schema, layout)
        return RecordStream(self._records(file, opened, schema, layout), schema, form, form.findings)

    def write(self, stream: RecordStream, file: BinaryIO) -> int:
        """Write row groups as the form has them; a stream without a form is written as Arrow would.

        Raises:
            PlanError: the stream has no schema, or Parquet cannot hold it.
            MaskError: the records are not what the schema says.
        """
        if stream.schema is None:
            raise PlanError(
                "parquet needs a schema, and these records have none", hint="write them in their own format"
            )
        form = stream.form if isinstance(stream.form, ParquetForm) else ParquetForm()
        writer = GroupWriter(file, stream.schema, form, max_bytes=2 * self.max_group_bytes)
        try:
            for records in stream.batches:
                writer.add(_batch(records))
            writer.close()
        except BaseException:
            writer.abandon()
            raise
        return writer.rows

    def _opened(self, file: BinaryIO) -> pq.ParquetFile:
        self._look_at_tail(file)
        opened = _parsed(lambda: self._reader(file))
        refuse_duplicates(opened.schema_arrow.names)
        if self.int96_as == "int96":
            refuse_mixed(opened)
        return opened

    def _look_at_tail(self, file: BinaryIO) -> None:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL))
        tail = file.read(TAIL)
        if tail[4:] == b"PARE":
            raise InputError("the parquet file is encrypted", hint="decrypt it first, or exclude it")
        if size < TAIL or tail[4:] != b"PAR1":
            raise InputError("the file is truncated or not a parquet file", hint="copy it again, or exclude it")
        footer = int.from_bytes(tail[:4], "little")
        if footer > self.max_footer_bytes:
            raise InputError(
                f"the parquet footer is {footer:,} bytes long; at most {self.max_footer_bytes:,} are read",
                hint="set max_footer_bytes higher if you trust the file",
            )

    def _reader(
        self, file: BinaryIO, opened: pq.ParquetFile | None = None, dictionaries: Sequence[str] = (), unit: str = ""
    ) -> pq.ParquetFile:
        return pq.ParquetFile(
            pa.PythonFile(file, mode="r"),
            metadata=opened.metadata if opened else None,
            read_dictionary=list(dictionaries),
            buffer_size=MIB,
            pre_buffer=False,
            coerce_int96_timestamp_unit=unit or self.int96_unit,
            thrift_string_size_limit=self.max_footer_bytes,
            page_checksum_verification=True,
        )

    def _schema(self, opened: pq.ParquetFile) -> pa.Schema:
        """Return the Arrow schema with all key-value metadata; Arrow leaves out what its own schema does not repeat."""
        schema = opened.schema_arrow
        if self.metadata == "drop":
            return schema.remove_metadata()
        stored = {key: opened.metadata.metadata[key] for key in _stored(opened)}
        schema = schema.with_metadata({**(schema.metadata or {}), **stored} or None)
        if self.metadata == "fail" and (odd := odd_metadata(schema)):
            raise InputError(
                f"the file has key-value metadata, which is refused: {', '.join(odd)}",
                hint='set metadata="drop" to leave it out, or "keep" if it holds nobody\'s data',
            )
        return schema

    def _form(self, opened: pq.ParquetFile, file: BinaryIO, schema: pa.Schema, layout: Layout) -> ParquetForm:
        findings = _parsed(lambda: losses(opened, schema))
        if large := sum(size > self.max_group_bytes for size in layout.sizes):
            limit = f"{self.max_group_bytes / MIB:g} MiB"
            message = f"{large} of {len(layout.sizes)} row groups hold more than {limit} of Arrow data and are split"
            findings.append(Finding("info", message, hint="set max_group_bytes higher to keep them whole"))
        if self.metadata == "drop" and (left := [key.decode(errors="replace") for key in _stored(opened)]):
            findings.append(Finding("info", f"key-value metadata of the file is left out: {', '.join(left)}"))
        elif kept := odd_metadata(schema):
            message = f"key-value metadata of the file is kept as it is: {', '.join(kept)}"
            findings.append(Finding("warning", message, hint='set metadata="drop" if it may hold people\'s data'))
        return replace(
            _parsed(lambda: read_form(opened, file, schema)),
            groups=split(layout.rows, layout.sizes, self.max_group_bytes),
            int96=self.int96_as == "int96" and bool(int96_columns(opened)),
            findings=tuple(findings),
        )

    def _records(
        self, file: BinaryIO, opened: pq.ParquetFile, schema: pa.Schema, layout: Layout
    ) -> Iterator[TableRecords]:
        reader = _parsed(lambda: self._reader(file, opened, layout.dictionaries))
        batches = self._batches(reader, layout)
        if names := int96_columns(opened):
            unit = other_unit(self.int96_unit)
            twin = _parsed(lambda: self._reader(file, opened, unit=unit))
            batches = compared(batches, self._batches(twin, layout, names), self.int96_unit)
        before: list[Any] = [None] * len(schema)
        for batch in batches:
            columns = [share(_typed(c, f), b) for c, f, b in zip(batch.columns, schema, before, strict=True)]
            fields = [field.with_type(column.type) for field, column in zip(schema, columns, strict=True)]
            before = columns
            yield TableRecords(pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, schema.metadata)))

    def _batches(
        self, reader: pq.ParquetFile, layout: Layout, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        for run in runs(layout.rows, self.batch_rows, apart=bool(layout.dictionaries)):
            promised = sum(layout.rows[group] for group in run)
            size = sum(layout.sizes[group] for group in run)
            rows = max(1, min(self.batch_rows, self.max_batch_bytes * promised // max(1, size)))
            found = iter(reader.iter_batches(rows, row_groups=run, columns=columns))
            while (batch := _parsed(partial(next, found, None))) is not None:
                promised -= batch.num_rows
                yield batch
            if promised:
                raise InputError("a row group does not hold as many records as the footer says", hint="copy it again")


def odd_metadata(schema: pa.Schema) -> list[str]:
    """Name the metadata of a schema that may hold more than what the schema is.

    >>> odd_metadata(pa.schema([pa.field("id", pa.int8(), metadata={"comment": "x"})], {"pandas": "{}", "owner": "x"}))
    ['owner', 'comment of id']
    """
    keys = [(key.decode(errors="replace"), value) for key, value in (schema.metadata or {}).items()]
    odd = [key for key, _ in keys if not key.startswith(KNOWN_METADATA)]
    odd += [f"attributes of {key}" for key, value in keys if key == "pandas" and _has_attributes(value)]
    own = [(key.decode(errors="replace"), field.name) for field in schema for key in field.metadata or {}]
    return odd + [f"{key} of {name}" for key, name in own if not key.startswith("PARQUET:")]


def _has_attributes(pandas: bytes) -> bool:
    """Say whether what pandas stores holds a frame's own attributes, or cannot be read."""
    try:
        found = json.loads(pandas)
    except ValueError:
        return True
    return not isinstance(found, dict) or bool(found.get("attributes"))


def _stored(opened: pq.ParquetFile) -> list[bytes]:
    return [key for key in opened.metadata.metadata or {} if key != ARROW_SCHEMA]


def _parsed(call: Callable[[], Result]) -> Result:
    """Call Arrow; what it says of a failure may quote the file, so it goes no further."""
    found = attempted(call)
    if not isinstance(found, Failure):
        return found
    text = found.text.lower()
    if "crc" in text or "checksum" in text:
        raise InputError("a page of the parquet file is damaged: its checksum is wrong", hint="copy the file again")
    if "encrypt" in text or "decrypt" in text:
        raise InputError("columns of the parquet file are encrypted", hint="decrypt it first, or exclude it")
    if issubclass(found.kind, NotImplementedError):
        raise InputError(
            "the parquet file uses a type or a codec that cannot be read here", hint="write it anew without"
        )
    raise InputError(f"the parquet file is damaged ({found.kind.__name__})", hint="copy it again, or exclude it")


def _typed(column: pa.Array, field: pa.Field) -> pa.Array:
    """Give a dictionary that we asked for the width of text that the schema says."""
    if not pa.types.is_dictionary(column.type) or pa.types.is_dictionary(field.type):
        return column
    if column.type.value_type == field.type:
        return column
    return pa.DictionaryArray.from_arrays(column.indices, column.dictionary.cast(field.type))


def _batch(records: Records) -> pa.RecordBatch:
    if not isinstance(records, TableRecords):
        raise PlanError("parquet holds tables, and these records are not rows of one", hint="use their own format")
    return records.batch
