"""Reads ORC files, and writes them in the form they were read in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, ClassVar, Final, cast

import pyarrow as pa
from pyarrow import orc

from dmengine.errors import InputError, MaskError, PlanError
from dmengine.nested import refuse_duplicates
from dmengine.records import TableRecords
from dmengine.spi import Finding, Records, RecordStream
from dmengine_connectors.formats.arrow_calls import Sink, names, parsed, refuse_unstorable, written
from dmengine_connectors.formats.limited import Limits, Reader, glance

MIB: Final = 1 << 20
MAGIC: Final = b"ORC"
HIVE_DICTIONARY_THRESHOLD: Final = 0.8
"""ORC's Java writer, which Hive and Spark use, begins a dictionary where so few of the texts differ."""
DEFAULT_STRIPE: Final = 64 * MIB
DEFAULT_STRIDE: Final = 10_000


@dataclass(frozen=True, slots=True)
class OrcForm:
    """How an ORC file is stored; it holds no values.

    Attributes:
        compression: How chunks are compressed.
        block_bytes: How large chunks are before that.
        stripe_bytes: About how large stripes are.
        index_stride: The records between two entries of a row index.
        version: The format's version.
    """

    compression: str = "zlib"
    block_bytes: int = 65_536
    stripe_bytes: int = DEFAULT_STRIPE
    index_stride: int = DEFAULT_STRIDE
    version: str = "0.12"


@dataclass(frozen=True, slots=True)
class Footer:
    """What the end of an ORC file says, but for the schema."""

    nstripes: int
    nrows: int
    compression: str
    compression_size: int
    content_length: int
    row_index_stride: int
    file_version: str
    metadata: list[str]


@dataclass(frozen=True, slots=True)
class Orc:
    """Apache ORC, with nested columns.

    Files are read in processes of their own, with limits: Arrow's reader may die of a damaged one.

    >>> import io
    >>> source, target = io.BytesIO(), io.BytesIO()
    >>> orc.write_table(pa.table({"id": [1, 2]}), source, compression="zstd")
    >>> stream = Orc().read(source)
    >>> Orc().write(stream, target), orc.ORCFile(target).compression
    (2, 'ZSTD')

    Attributes:
        batch_rows: Records in a batch, at most.
        max_stripe_bytes: A file whose stripes are larger than this, as stored, is refused: each is read as a whole.
        max_memory_bytes: The memory that reading a stripe may take.
        max_stripe_seconds: How long it may take, without what the storage takes.
    """

    name: ClassVar[str] = "orc"
    suffixes: ClassVar[tuple[str, ...]] = (".orc",)
    codecs: ClassVar[bool] = False

    batch_rows: int = 131_072
    max_stripe_bytes: int = 256 * MIB
    max_memory_bytes: int = 4096 * MIB
    max_stripe_seconds: float = 60.0

    def for_name(self, name: str) -> Orc:
        """Return the format itself: a name implies no option here."""
        return self

    def schema(self, file: BinaryIO) -> pa.Schema:
        """Read the schema from the footer.

        Raises:
            InputError: the file is not ORC, or damaged.
        """
        with glance(), closing(self._reader(file)) as reader:
            return self._opened(reader)[1]

    def read(self, file: BinaryIO) -> RecordStream:
        """Read the footer now, and a stripe at a time as it is asked for.

        Raises:
            InputError: as `schema`; while reading, for damaged stripes and timestamps beyond nanoseconds too.
        """
        reader = self._reader(file)
        try:
            footer, schema = self._opened(reader)
            first = _stripe(reader, 0) if footer.nstripes else 0
            records = self._records(reader, footer, schema, first)
            next(records)  # from here on the reader is given back with the iterator, even if nobody pulls a batch
        except BaseException:
            reader.close()
            raise
        findings = tuple(_findings(footer, schema))
        return RecordStream(cast(Iterator[Records], records), schema, _form(footer, first), findings)

    def write(self, stream: RecordStream, file: BinaryIO) -> int:
        """Write all batches; a stream without a form is written as Hive would.

        Raises:
            PlanError: the stream has no schema, or one that ORC cannot hold.
            MaskError: the records are not what the schema says.
        """
        if stream.schema is None:
            raise PlanError("orc needs a schema, and these records have none", hint="write them in their own format")
        form = stream.form if isinstance(stream.form, OrcForm) else OrcForm()
        refuse_unstorable("orc", stream.schema, _store)
        sink = Sink(file)
        try:
            return _write(stream.batches, stream.schema, form, sink)
        except BaseException:
            sink.dead = True  # what is there must not look like a whole file: no footer
            raise

    def _reader(self, file: BinaryIO) -> Reader:
        file.seek(0)
        if file.read(len(MAGIC)) != MAGIC:
            raise InputError("the file is empty, or not an ORC file", hint="copy it again, or exclude it")
        return Reader("ORC", file, Limits(self.max_memory_bytes, self.max_stripe_seconds))

    def _opened(self, reader: Reader) -> tuple[Footer, pa.Schema]:
        told = parsed("ORC", lambda: reader.ask(b"o", self.max_memory_bytes, reader.size))
        footer = parsed("ORC", lambda: Footer(**json.loads(told.to_pybytes())))
        schema = parsed("ORC", lambda: pa.ipc.read_schema(reader.ask(b"d")))
        refuse_duplicates(parsed("ORC", lambda: names(schema)))
        if _extended(schema):
            raise InputError(
                "columns of the ORC file claim a type that ORC does not have",
                hint="write it anew without the attribute ARROW:extension:name",
            )
        if reader.size / max(footer.nstripes, 1) > self.max_stripe_bytes:
            raise InputError(
                f"the stripes of the ORC file are larger than {self.max_stripe_bytes:,} bytes",
                hint="set max_stripe_bytes higher if you have the memory: a stripe is read as a whole",
            )
        return footer, schema

    def _records(self, reader: Reader, footer: Footer, schema: pa.Schema, first: int) -> Iterator[TableRecords | None]:
        """Yield batches, after one None."""
        with closing(reader):
            yield None
            rows = 0
            for number in range(footer.nstripes):
                count = _stripe(reader, number) if number else first
                rows += count
                for start in range(0, count, self.batch_rows):
                    yield TableRecords(_batch(reader, schema, start, self.batch_rows))
        if rows != footer.nrows:
            raise InputError("the stripes do not hold as many records as the ORC footer says", hint="copy it again")


def _extended(fields: Iterable[pa.Field]) -> bool:
    """Whether an attribute of a column made Arrow see more in it than is there."""
    return any(
        isinstance(field.type, pa.BaseExtensionType)
        or _extended([field.type.field(i) for i in range(field.type.num_fields)])
        for field in fields
    )


def _stripe(reader: Reader, number: int) -> int:
    """Let a stripe be read, and return how many records it has."""
    told = parsed("ORC", lambda: reader.ask(b"s", number))
    return int.from_bytes(told.to_pybytes(), "little")


def _batch(reader: Reader, schema: pa.Schema, start: int, count: int) -> pa.RecordBatch:
    """Return some records of the stripe that was read last."""
    batch = parsed("ORC", lambda: pa.ipc.read_record_batch(reader.ask(b"b", start, count), schema))
    parsed("ORC", lambda: batch.validate(full=True))
    return batch


def _form(footer: Footer, first: int) -> OrcForm:
    share = first / footer.nrows if first and footer.nrows else 1
    return OrcForm(
        compression=footer.compression.lower(),
        block_bytes=max(1, footer.compression_size),
        stripe_bytes=max(1, int(0.9 * footer.content_length * share)) if footer.nstripes > 1 else DEFAULT_STRIPE,
        index_stride=footer.row_index_stride or DEFAULT_STRIDE,  # 0: without an index, which Arrow cannot write
        version="0.11" if footer.file_version == "0.11" else "0.12",
    )


def _findings(footer: Footer, schema: pa.Schema) -> Iterator[Finding]:
    if footer.metadata:
        yield Finding("info", f"metadata of the ORC file is not carried over: {', '.join(footer.metadata)}")
    if any(pa.types.is_string(field.type) for field in schema):
        yield Finding("info", "char and varchar columns of ORC files, if there are any, become strings")


def _write(batches: Iterator[Records], schema: pa.Schema, form: OrcForm, sink: Sink) -> int:
    rows = 0
    begin = partial(
        orc.ORCWriter,
        pa.PythonFile(sink, mode="w"),
        file_version=form.version,
        stripe_size=form.stripe_bytes,
        compression=form.compression,
        compression_block_size=form.block_bytes,
        row_index_stride=form.index_stride,
        dictionary_key_size_threshold=HIVE_DICTIONARY_THRESHOLD,
    )
    writer = written("ORC", begin)
    empty = True
    for records in batches:
        batch = _fitted(records, schema)
        written("ORC", partial(writer.write, pa.Table.from_batches([batch])))
        rows, empty = rows + batch.num_rows, False
    if empty:
        written("ORC", partial(writer.write, schema.empty_table()))
    written("ORC", writer.close)
    return rows


def _fitted(records: Records, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch in the types to write; the texts of Arrow's errors quote values, so they go no further."""
    if not isinstance(records, TableRecords):
        raise PlanError("orc holds tables, and these records are not rows of one", hint="use their own format")
    batch = records.batch
    if batch.schema.names != schema.names:
        raise PlanError("the columns to write are not those of the schema", hint="write what the plan says")
    columns = [_cast(column, field) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, field: pa.Field) -> pa.Array:
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type)
    except (pa.ArrowException, ValueError, TypeError):
        pass
    raise MaskError(f"{field.name}: values of type {column.type} do not fit the planned type {field.type}")


def _store(schema: pa.Schema) -> None:
    orc.write_table(schema.empty_table(), pa.BufferOutputStream())
