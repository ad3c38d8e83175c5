"""Reads Arrow IPC files and streams (Feather version 2 is the file), and writes them in the form they were read in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, ClassVar, Final, Literal

import pyarrow as pa

from dmengine.errors import InputError, PlanError
from dmengine.nested import refuse_duplicates
from dmengine.records import TableRecords
from dmengine.spi import Finding, Records, RecordStream
from dmengine_connectors.formats.arrow_calls import Sink, names, parsed, written
from dmengine_connectors.formats.arrow_clean import Pools

MIB: Final = 1 << 20
FILE_MAGIC: Final = b"ARROW1"
FEATHER_1: Final = b"FEA1"
CONTINUED: Final = b"\xff\xff\xff\xff"
KNOWN_METADATA: Final = ("pandas",)


@dataclass(frozen=True, slots=True)
class IpcForm:
    """How an Arrow IPC file is stored; it holds no values.

    Attributes:
        stream: Whether it is a stream, without a footer.
        compression: How buffers are compressed: `lz4`, `zstd`, or not at all.
        metadata: The key-value metadata of a file's footer.
    """

    stream: bool = False
    compression: str | None = None
    metadata: dict[bytes, bytes] | None = None


@dataclass(frozen=True, slots=True)
class ArrowIpc:
    """Arrow IPC, as a file or as a stream; told apart by the first bytes.

    >>> import io
    >>> source, target = io.BytesIO(), io.BytesIO()
    >>> table = pa.table({"id": [1, 2]})
    >>> with pa.ipc.new_file(source, table.schema) as writer:
    ...     writer.write_table(table)
    >>> stream = ArrowIpc().read(source)
    >>> ArrowIpc().write(stream, target), pa.ipc.open_file(target).read_all() == table
    (2, True)

    Attributes:
        metadata: Whether the file's own key-value metadata is kept. It may hold anything, values of fields too.
        max_batch_bytes: A record batch of more bytes is refused.
    """

    name: ClassVar[str] = "arrow_ipc"
    suffixes: ClassVar[tuple[str, ...]] = (".arrow", ".arrows", ".feather", ".ipc")
    codecs: ClassVar[bool] = False

    metadata: Literal["keep", "drop"] = "keep"
    max_batch_bytes: int = 1024 * MIB

    def for_name(self, name: str) -> ArrowIpc:
        """Return the format itself: a name implies no option here."""
        return self

    def schema(self, file: BinaryIO) -> pa.Schema:
        """Read the schema.

        Raises:
            InputError: the file is no Arrow IPC, is damaged, or of a kind that cannot be written again.
        """
        return self._schema(self._opened(file)[0])

    def read(self, file: BinaryIO) -> RecordStream:
        """Read the schema now, and a record batch at a time as they are asked for.

        Raises:
            InputError: as `schema`; while reading, for damaged batches too.
        """
        reader, is_stream = self._opened(file)
        schema = self._schema(reader)
        footer = None if is_stream else getattr(reader, "metadata", None)
        batches = self._batches(reader, is_stream)
        compression = _compression(file, is_stream)
        first = next(batches, None)
        kept = dict(footer) if footer and self.metadata == "keep" else None
        form = IpcForm(is_stream, compression, kept)
        keys = [key.decode(errors="replace") for key in {**(schema.metadata or {}), **(kept or {})}]
        findings = []
        if unknown := [key for key in keys if not key.startswith(KNOWN_METADATA)]:
            message = f"key-value metadata of the file is kept as it is: {', '.join(unknown)}"
            findings.append(Finding("warning", message, hint='set metadata="drop" if it may hold people\'s data'))
        return RecordStream(self._records(first, batches, schema), schema, form, tuple(findings))

    def write(self, stream: RecordStream, file: BinaryIO) -> int:
        """Write each batch as a record batch; a stream without a form is written as a file.

        Raises:
            PlanError: the stream has no schema.
            MaskError: the records are not what the schema says.
        """
        if stream.schema is None:
            raise PlanError("arrow_ipc needs a schema, and these records have none", hint="use their own format")
        form = stream.form if isinstance(stream.form, IpcForm) else IpcForm()
        sink = Sink(file)
        options = pa.ipc.IpcWriteOptions(compression=form.compression, emit_dictionary_deltas=True)
        try:
            return _write(stream.batches, stream.schema, form, sink, options)
        except BaseException:
            sink.dead = True  # what is there must not look like a whole file: no footer
            raise

    def _opened(self, file: BinaryIO) -> tuple[Any, bool]:
        """Open a file or a stream, by its first bytes."""
        file.seek(0)
        start = file.read(8)
        file.seek(0)
        if start.startswith(FEATHER_1):
            raise InputError(
                "the file is Feather version 1, which no current library writes",
                hint="read it with pyarrow or pandas and write it anew: version 2 is the Arrow IPC file",
            )
        is_stream = not start.startswith(FILE_MAGIC)
        if is_stream and not (start.startswith(CONTINUED) or 0 < int.from_bytes(start[:4], "little") < 16 * MIB):
            raise InputError("the file is empty, or neither an Arrow IPC file nor a stream", hint="copy it again")
        opener = pa.ipc.open_stream if is_stream else pa.ipc.open_file
        reader = parsed("Arrow", lambda: opener(pa.PythonFile(file, mode="r")))
        refuse_duplicates(parsed("Arrow", lambda: names(reader.schema)))
        return reader, is_stream

    def _schema(self, reader: Any) -> pa.Schema:
        schema = reader.schema
        return schema.remove_metadata() if self.metadata == "drop" else schema

    def _batches(self, reader: Any, is_stream: bool) -> Iterator[pa.RecordBatch]:
        """Read batches, and check that each is what it says: a damaged one could crash whoever uses it."""
        calls: Iterator[Callable[[], pa.RecordBatch]]
        if is_stream:
            calls = iter(lambda: partial(next, reader, None), None)
        else:
            calls = (partial(reader.get_batch, number) for number in range(reader.num_record_batches))
        for call in calls:
            batch = parsed("Arrow", call)
            if batch is None:
                return
            parsed("Arrow", partial(batch.validate, full=True))
            if batch.nbytes > self.max_batch_bytes:
                raise InputError(
                    f"a record batch holds {batch.nbytes:,} bytes; at most {self.max_batch_bytes:,} are read",
                    hint="set max_batch_bytes higher if you have the memory",
                )
            yield batch

    def _records(
        self, first: pa.RecordBatch | None, batches: Iterator[pa.RecordBatch], schema: pa.Schema
    ) -> Iterator[TableRecords]:
        if first is not None:
            yield TableRecords(first.replace_schema_metadata(schema.metadata))
        for batch in batches:
            yield TableRecords(batch.replace_schema_metadata(schema.metadata))


def _write(batches: Iterator[Records], schema: pa.Schema, form: IpcForm, sink: Sink, options: Any) -> int:
    pools = Pools()
    file = pa.PythonFile(sink, mode="w")
    if form.stream:
        writer = pa.ipc.new_stream(file, schema, options=options)
    else:
        writer = pa.ipc.new_file(file, schema, options=options, metadata=form.metadata)
    rows = 0
    for records in batches:
        if not isinstance(records, TableRecords):
            raise PlanError("arrow_ipc holds tables, and these records are no rows of one", hint="use their own format")
        batch = records.batch
        if batch.schema.names != schema.names:
            raise PlanError("the columns to write are not those of the schema", hint="write what the plan says")
        columns = [pools.column(column, field) for column, field in zip(batch.columns, schema, strict=True)]
        written("Arrow", partial(writer.write_batch, pa.RecordBatch.from_arrays(columns, schema=schema)))
        rows += batch.num_rows
    written("Arrow", writer.close)
    return rows


def _compression(file: BinaryIO, is_stream: bool) -> str | None:
    """Read from the head of the first record batch how it is compressed; Arrow does not tell."""
    here = file.tell()
    head = parsed("Arrow", lambda: _in_stream(file) if is_stream else _in_file(file))
    file.seek(here)
    return None if head is None else parsed("Arrow", partial(_codec, head))


def _in_stream(file: BinaryIO) -> bytes | None:
    """Return the head of a stream's first record batch."""
    file.seek(0)
    for message in pa.ipc.MessageReader.open_stream(pa.PythonFile(file, mode="r")):
        if message.type == "record batch":
            return bytes(message.metadata.to_pybytes())
    return None


def _in_file(file: BinaryIO) -> bytes | None:
    """Return the head of a file's first record batch, which field 3 of the footer points to (File.fbs)."""
    size = file.seek(0, 2)
    file.seek(size - len(FILE_MAGIC) - 4)
    length = int.from_bytes(file.read(4), "little")
    file.seek(max(0, size - len(FILE_MAGIC) - 4 - length))
    footer = file.read(length)
    batches = _field(footer, _number(footer, 0), 3)
    vector = 0 if batches is None else batches + _number(footer, batches)
    if batches is None or _number(footer, vector) == 0:
        return None
    file.seek(_number(footer, vector + 4, 8))
    start = file.read(8)
    continued = start.startswith(CONTINUED)
    if not continued:
        file.seek(-4, 1)
    return file.read(min(int.from_bytes(start[4:] if continued else start[:4], "little"), 16 * MIB))


def _codec(head: bytes) -> str | None:
    """Read field 3 (compression) of the RecordBatch in a Message, as flatbuffers lay them out (Message.fbs)."""
    header = _field(head, _number(head, 0), 2)
    compression = None if header is None else _field(head, header + _number(head, header), 3)
    if compression is None:
        return None
    codec = _field(head, compression + _number(head, compression), 0)
    return "lz4" if codec is None or _number(head, codec, 1) == 0 else "zstd"


def _field(head: bytes, table: int, index: int) -> int | None:
    """Return where a field of a flatbuffers table lies, or None if it is not there."""
    vtable = table - _number(head, table, signed=True)
    if 4 + 2 * index >= _number(head, vtable, 2):
        return None
    offset = _number(head, vtable + 4 + 2 * index, 2)
    return table + offset if offset else None


def _number(head: bytes, at: int, size: int = 4, *, signed: bool = False) -> int:
    if at < 0 or at + size > len(head):
        raise ValueError("beyond the bytes")
    return int.from_bytes(head[at : at + size], "little", signed=signed)
