"""CSV and TSV files: read as records, and written back with every byte kept that no mask changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, ClassVar

import pyarrow as pa

from dmengine.errors import InputError, PlanError, PluginError
from dmengine.paths import FieldPath
from dmengine.spi import RecordStream
from dmengine_connectors.formats.codecs import codec_of
from dmengine_connectors.formats.csv_block import Block
from dmengine_connectors.formats.csv_cells import Column, read_column
from dmengine_connectors.formats.csv_dialect import Dialect, make_dialect
from dmengine_connectors.formats.csv_encoding import as_utf8, encoding_name, from_utf8
from dmengine_connectors.formats.csv_reader import Reader
from dmengine_connectors.formats.csv_records import CsvRecords

BLOCK_BYTES = 2 << 20
MAX_RECORD_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Csv:
    """Delimited text. What no mask changes is kept byte for byte.

    >>> import io
    >>> content = b'id;name\\r\\n007;"Ann"\\r\\n'
    >>> target = io.BytesIO()
    >>> Csv(delimiter=";").write(Csv(delimiter=";").read(io.BytesIO(content)), target)
    1
    >>> target.getvalue() == content
    True

    Attributes:
        delimiter: One ASCII character; None: a tab for `.tsv`, else a comma.
        quote: One ASCII character; "": cells are never quoted.
        header: Whether the first line that is not empty names the columns.
        encoding: One that Python knows: utf-8, utf-16, latin-1, cp1252.
        null: What an unquoted cell must be to be null.
        column_names: Names for a file without a header; None: column_1, column_2 and so on.
        max_record_bytes: The longest record that is read, in bytes of UTF-8.
    """

    delimiter: str | None = None
    quote: str = '"'
    header: bool = True
    encoding: str = "utf-8"
    null: str = ""
    column_names: tuple[str, ...] | None = None
    max_record_bytes: int = MAX_RECORD_BYTES

    name: ClassVar[str] = "csv"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")
    codecs: ClassVar[bool] = True

    def for_name(self, name: str) -> Csv:
        """Return these options with the delimiter that a file's name asks for, unless one is set.

        >>> Csv().for_name("people.tsv.gz").delimiter
        '\\t'
        """
        if self.delimiter is None and codec_of(name)[1].lower().endswith(".tsv"):
            return replace(self, delimiter="\t")
        return self

    def schema(self, file: BinaryIO) -> pa.Schema:
        """Read the names of the columns; all are text.

        >>> import io
        >>> Csv().schema(io.BytesIO(b"id,name")).names
        ['id', 'name']
        """
        schema = self.read(file).schema
        assert schema is not None, "a CSV file always has a schema"
        return schema

    def read(self, file: BinaryIO) -> RecordStream:
        """Read the head of a file now, and its records as they are pulled.

        Raises:
            PlanError: the options contradict each other.
            InputError: the file is not what the options say; from the batches too.
        """
        return read_blocks(self, file, BLOCK_BYTES)

    def write(self, stream: RecordStream, file: BinaryIO) -> int:
        """Write records in the form they were read in, and return how many there are.

        Columns that the stream's schema does not name any more are left out of the header.

        Raises:
            PluginError: the stream was not read from CSV, or its batches do not fit its schema.
        """
        form = stream.form
        if not isinstance(form, CsvForm):
            raise PluginError("csv writes only what csv has read", hint="use the same format for source and target")
        kept = form.names if stream.schema is None else tuple(stream.schema.names)
        encoding = form.dialect.encoding
        file.write(from_utf8(form.head(kept), encoding))
        rows = 0
        for records in stream.batches:
            if not isinstance(records, CsvRecords) or records.kept != kept:
                raise PluginError("the records do not have the columns of their schema", hint="report this as a bug")
            file.write(from_utf8(records.content(), encoding))
            rows += records.num_rows
        return rows


@dataclass(frozen=True, slots=True)
class CsvForm:
    """The form a CSV file was read in.

    Attributes:
        dialect: How its bytes say where cells end.
        names: Its columns.
        before: What stands before the header and the records: byte order mark, empty lines.
        header: The header, as a block of one record.
    """

    dialect: Dialect
    names: tuple[str, ...]
    before: bytes
    header: Block | None

    def head(self, kept: tuple[str, ...]) -> bytes:
        """Return what stands before the records, with the header cells of kept columns only.

        Raises:
            PlanError: the header would be an empty line.
        """
        if self.header is None:
            return self.before
        header = CsvRecords(self.header, self.names, self.dialect)
        for name in self.names:
            if name not in kept:
                header = header.drop(FieldPath.of(name))
        content = bytes(header.content())
        if not content.strip(b"\r\n"):
            raise PlanError("the only column left has no name", hint="keep a second column, or name it in the file")
        return self.before + content


def read_blocks(options: Csv, file: BinaryIO, block_bytes: int) -> RecordStream:
    """Read a file in blocks of a given size. Results do not depend on it."""
    readable, encoding = as_utf8(file, encoding_name(options.encoding))
    dialect = make_dialect(
        "," if options.delimiter is None else options.delimiter,
        options.quote,
        options.null,
        encoding=encoding,
        max_record_bytes=options.max_record_bytes,
    )
    reader = Reader(readable, dialect, block_bytes)
    form = _read_head(options, reader, dialect)
    schema = pa.schema([pa.field(name, pa.string()) for name in form.names])
    return RecordStream(_batches(reader, form), schema, form)


def _batches(reader: Reader, form: CsvForm) -> Iterator[CsvRecords]:
    if form.names:
        for block in reader.blocks(len(form.names)):
            yield CsvRecords(block, form.names, form.dialect)


def _read_head(options: Csv, reader: Reader, dialect: Dialect) -> CsvForm:
    if options.column_names is not None:
        _check_names(options.column_names, options.header)
    before, empty = reader.mark(), reader.empty_lines()
    if options.header:
        header = reader.header()
        if header is None:
            return CsvForm(dialect, (), before + reader.as_in_file(empty), None)
        return CsvForm(dialect, _header_names(header, dialect), before + empty, header)
    first = reader.first_record()
    names = tuple(options.column_names or ())
    width = len(names) if first is None else first.ends.shape[1]
    if names and len(names) != width:
        raise InputError(
            f"the first record has {width} cells, but column_names has {len(names)}",
            hint="name each column once, and check the delimiter",
        )
    names = names or tuple(f"column_{index + 1}" for index in range(width))
    if width == 1:  # an empty line is a record here
        reader.give_back(empty)
        empty = b""
    return CsvForm(dialect, names, before + reader.as_in_file(empty), None)


def _header_names(header: Block, dialect: Dialect) -> tuple[str, ...]:
    plain = replace(dialect, null="")
    names: dict[str, int] = {}
    for index in range(header.ends.shape[1]):
        column = read_column(header, index, plain)
        if not isinstance(column, Column):
            raise InputError(f"column {index + 1} of the header is not utf-8 text", hint="set the file's encoding")
        name = column.values[0].as_py() or ""
        if name in names:
            raise InputError(
                f"columns {names[name] + 1} and {index + 1} of the header have the same name",
                hint="rename one of them; or, if there is no header, set header to false",
            )
        names[name] = index
    return tuple(names)


def _check_names(names: tuple[str, ...], header: bool) -> None:
    if header:
        raise PlanError("column_names is set for a file with a header", hint="set header to false, or leave names out")
    if not names or len(set(names)) < len(names):
        raise PlanError("column_names is empty or names a column twice", hint="give each column its own name")
