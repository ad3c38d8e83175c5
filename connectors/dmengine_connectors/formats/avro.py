"""Reads Avro object container files, and writes them in the form they were read in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, ClassVar, Final, Literal

import pyarrow as pa

from dmengine.errors import InputError, PlanError, RunError, at
from dmengine.paths import FieldPath
from dmengine.spi import Finding, RecordStream
from dmengine_connectors.formats.avro_codecs import compressed, decompressed, refuse_unknown
from dmengine_connectors.formats.avro_header import (
    CODEC,
    SCHEMA,
    SYNC_SIZE,
    Header,
    exactly,
    read_header,
    read_long,
    written_header,
    written_long,
)
from dmengine_connectors.formats.avro_records import AvroRecords
from dmengine_connectors.formats.avro_schema import Node, arrow_schema, read_schema
from dmengine_connectors.formats.avro_without import without

MIB: Final = 1 << 20
LARGEST: Final = 1 << 30
KNOWN_METADATA: Final = ("avro.", "writer.model.name", "org.apache.spark.", "iceberg.schema")


@dataclass(frozen=True, slots=True)
class AvroForm:
    """How an Avro file is stored; it holds no values of records.

    Attributes:
        header: Its head as it will be written.
    """

    header: Header


@dataclass(frozen=True, slots=True)
class Avro:
    """Avro object container files, which hold their schema. Fields that are not changed keep their bytes.

    >>> import io
    >>> from dmengine_connectors.formats.avro_header import Header, written_header
    >>> schema = b'{"type": "record", "name": "R", "fields": [{"name": "id", "type": "long"}]}'
    >>> file = io.BytesIO(written_header(Header({"avro.schema": schema}, bytes(16))) + bytes([4, 4, 2, 4]) + bytes(16))
    >>> stream, copy = Avro().read(file), io.BytesIO()
    >>> Avro().write(stream, copy), stream.schema.names
    (2, ['id'])

    Attributes:
        metadata: Whether the file's own metadata is kept. It may hold anything, values of fields too.
        batch_bytes: About how many plain bytes of blocks are a batch.
        max_block_bytes: A block of more plain bytes is refused; at most 1 GiB.
        max_header_bytes: A file with a longer head, which holds the schema, is refused.
    """

    name: ClassVar[str] = "avro"
    suffixes: ClassVar[tuple[str, ...]] = (".avro",)
    codecs: ClassVar[bool] = False

    metadata: Literal["keep", "drop"] = "keep"
    batch_bytes: int = 4 * MIB
    max_block_bytes: int = 64 * MIB
    max_header_bytes: int = 4 * MIB

    def for_name(self, name: str) -> Avro:
        """Return the format itself: a name implies no option here."""
        return self

    def schema(self, file: BinaryIO) -> pa.Schema | None:
        """Read the schema; None where a value may be of several types, or a record holds its own type.

        Raises:
            InputError: the file is no object container, its schema is not valid, or its codec is not known.
        """
        return arrow_schema(self._opened(file)[1])

    def read(self, file: BinaryIO) -> RecordStream:
        """Read the head now, and the blocks as they are asked for.

        Raises:
            InputError: as `schema`; while batches are pulled, for damaged or oversized blocks too.
        """
        header, root = self._opened(file)
        kept, findings = self._metadata(header)
        form = AvroForm(Header(kept, _new_sync(header)))
        return RecordStream(self._records(file, header, root), arrow_schema(root), form, findings)

    def write(self, stream: RecordStream, file: BinaryIO) -> int:
        """Write block by block, with as many records in each as there were.

        Raises:
            PlanError: the records were not read from Avro, or masks change the type of a field.
        """
        form = stream.form
        if not isinstance(form, AvroForm):
            raise PlanError(
                "avro writes only what avro has read: its schema says more than Arrow's", hint="use the same format"
            )
        _refuse_changes(form, stream.schema)
        rows = 0
        dropped: tuple[FieldPath, ...] | None = None
        for records in stream.batches:
            if not isinstance(records, AvroRecords):
                raise PlanError("these records were not read from Avro", hint="use the same format for both sides")
            if dropped is None:
                dropped = records.dropped
                schema = without(form.header.metadata[SCHEMA], dropped)
                file.write(written_header(replace(form.header, metadata={**form.header.metadata, SCHEMA: schema})))
            if set(dropped) != set(records.dropped):
                raise RunError("records of one file drop different fields", hint="drop a field from all of them")
            for count, block in records.blocks():
                packed = compressed(form.header.codec, block)
                file.write(written_long(count) + written_long(len(packed)) + packed + form.header.sync)
            rows += records.num_rows
        if dropped is None:
            file.write(written_header(form.header))
        return rows

    def _opened(self, file: BinaryIO) -> tuple[Header, Node]:
        if file.seekable():
            file.seek(0)
        header = read_header(file, self.max_header_bytes)
        refuse_unknown(header.codec)
        root = read_schema(header.metadata[SCHEMA])
        if any(branch.kind != "record" for branch in root.branches() or [root]):
            raise InputError(
                "the Avro file holds bare values, not records: its schema is no record",
                hint="wrap each value in a record of one field",
            )
        return header, root

    def _metadata(self, header: Header) -> tuple[dict[str, bytes], tuple[Finding, ...]]:
        """Say what of the file's metadata is written again, and what a person should know of it."""
        if self.metadata == "drop":
            return {key: value for key, value in header.metadata.items() if key in (SCHEMA, CODEC)}, ()
        if kept := [key for key in header.metadata if not key.startswith(KNOWN_METADATA)]:
            message = f"metadata of the file is kept as it is: {', '.join(kept)}"
            hint = 'set metadata="drop" if it may hold people\'s data'
            return header.metadata, (Finding("warning", message, hint=hint),)
        return header.metadata, ()

    def _records(self, file: BinaryIO, header: Header, root: Node) -> Iterator[AvroRecords]:
        blocks: list[tuple[int, bytes]] = []
        held = rows = batches = 0
        for block in self._blocks(file, header):
            if blocks and held + len(block[1]) > max(self.batch_bytes, 1):
                yield AvroRecords.parse(root, blocks, first=rows)
                rows, held, blocks, batches = rows + sum(count for count, _ in blocks), 0, [], batches + 1
            blocks.append(block)
            held += len(block[1])
        if blocks or not batches:  # an empty file is a batch too, so that what is dropped goes from its schema
            yield AvroRecords.parse(root, blocks, first=rows)

    def _blocks(self, file: BinaryIO, header: Header) -> Iterator[tuple[int, bytes]]:
        limit = min(self.max_block_bytes, LARGEST)
        number = 0
        while (count := read_long(file)) is not None:
            with at(block=str(number)):
                size = read_long(file)
                if count < 0 or size is None or size < 0:
                    raise InputError("a block of the Avro file is damaged: its head is", hint="copy the file again")
                if size > limit:
                    raise InputError(
                        f"a block of the Avro file is {size:,} bytes long; at most {limit:,} are read",
                        hint="set max_block_bytes higher if you trust the file and have the memory",
                    )
                packed = exactly(file, size)
                if exactly(file, SYNC_SIZE) != header.sync:
                    raise InputError("a block of the Avro file does not end in the sync marker", hint="copy it again")
                plain = decompressed(header.codec, packed, limit)
            yield count, plain
            number += 1


def _new_sync(header: Header) -> bytes:
    """Make the marker of the new file from the old one's, so that the same file gives the same bytes."""
    return hashlib.sha256(b"dmengine/avro" + header.sync).digest()[:SYNC_SIZE]


def _refuse_changes(form: AvroForm, planned: pa.Schema | None) -> None:
    """Refuse masks that make another type: the file's schema stays.

    Raises:
        PlanError: names the fields.
    """
    given = None if planned is None else arrow_schema(read_schema(form.header.metadata[SCHEMA]))
    if given is None or planned is None:
        return
    changed = list(_changed(list(given), list(planned), ""))
    if changed:
        raise PlanError(
            f"masks change the type of: {', '.join(changed)}; the schema of an Avro file stays as it is",
            hint="use masks that keep the type",
        )


def _changed(given: list[pa.Field], planned: list[pa.Field], around: str) -> Iterator[str]:
    before = {field.name: field for field in given}
    for field in planned:
        old = before.get(field.name)
        if old is None:
            continue
        if pa.types.is_nested(field.type) and pa.types.is_nested(old.type) and field.type.id == old.type.id:
            yield from _changed(_inner(old.type), _inner(field.type), f"{around}{field.name}.")
        elif field.type not in (old.type, _decoded(old.type)):
            yield f"{around}{field.name} ({old.type} to {field.type})"


def _inner(kind: pa.DataType) -> list[pa.Field]:
    return [kind.field(i) for i in range(kind.num_fields)]


def _decoded(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
