"""Reads a CSV file block by block, each cut where a record ends."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dmengine.errors import InputError
from dmengine_connectors.formats.csv_block import Block, Ragged, lay_out
from dmengine_connectors.formats.csv_dialect import Dialect
from dmengine_connectors.formats.csv_encoding import UTF8
from dmengine_connectors.formats.csv_scan import Scan, scan
from dmengine_connectors.formats.filling import Readable

_HEAD_BYTES = 64 << 10


class Reader:
    """One pass over one file: what stands before the records first, then the records.

    A line end is added to a file that ends without one, so that every record has its own.
    """

    def __init__(self, file: Readable, dialect: Dialect, block_bytes: int) -> None:
        self._file = file
        self._dialect = dialect
        self._block_bytes = block_bytes
        self._content = b""  # read, but not yet given out
        self._offset = 0  # of `content` in the file
        self._records = 0  # given out
        self._whole = False  # whether `content` reaches to the end of the file
        self._unended = False  # whether its last line end was added
        self._after_cr = False  # whether the last record given out ends with a CR alone

    def mark(self) -> bytes:
        """Take the byte order mark, if there is one."""
        mark = codecs.BOM_UTF8
        self._fill(len(mark))
        return self._take(len(mark)) if self._content.startswith(mark) else b""

    def empty_lines(self) -> bytes:
        """Take the empty lines that come next."""
        size = self._head_bytes
        while True:
            self._fill(size)
            rest = self._content.lstrip(b"\r\n")
            if rest or self._whole:
                return self._take(len(self._content) - len(rest))
            self._check_length(len(self._content), 0)
            size = 2 * len(self._content)

    def give_back(self, content: bytes) -> None:
        """Put back what was taken last."""
        self._content = content + self._content
        self._offset -= len(content)

    def as_in_file(self, content: bytes) -> bytes:
        """Return the last bytes taken without a line end that was added to them."""
        return content[:-1] if content and self._unended and not self._content else content

    def first_record(self) -> Block | None:
        """Look at the next record, however many cells it has; None at the end of the file."""
        size = self._head_bytes
        while True:
            self._fill(size)
            if not self._content:
                return None
            found = scan(self._content, self._dialect)
            if self._complete(found):
                count = int(np.argmax(found.line_ends)) + 1
                return self._block(found, count, count)
            self._check_unfinished(found)
            size = 2 * len(self._content)

    def header(self) -> Block | None:
        """Take the next record as the header."""
        block = self.first_record()
        if block is None:
            return None
        self._after_cr = block.ends_in_cr
        return replace(block, content=self._take(block.size))  # the form must not hold records

    def blocks(self, columns: int) -> Iterator[Block]:
        """Take all records, in blocks of about `block_bytes`, or one record if that is longer."""
        size = self._block_bytes
        while True:
            self._fill(size)
            if not self._content:
                return
            found = scan(self._content, self._dialect)
            if count := self._complete(found):
                block = self._block(found, count, columns)
                self._records += block.num_rows
                self._after_cr = block.ends_in_cr if block.num_rows else self._after_cr
                self._take(block.size)
                yield block
                size = self._block_bytes
            else:
                self._check_unfinished(found)
                size = 2 * len(self._content)

    @property
    def _head_bytes(self) -> int:
        return min(_HEAD_BYTES, self._block_bytes)

    def _fill(self, size: int) -> None:
        chunks, length = [self._content], len(self._content)
        while length < size and not self._whole:
            chunk = self._file.read(size - length)
            chunks.append(chunk)
            length += len(chunk)
            self._whole = not chunk
            if self._whole and length and not b"".join(chunks[-2:]).endswith(b"\n"):
                chunks.append(b"\n")
                self._unended = True
        self._content = b"".join(chunks)

    def _take(self, size: int) -> bytes:
        taken, self._content = self._content[:size], self._content[size:]
        self._offset += size
        return taken

    def _complete(self, found: Scan) -> int:
        """How many separators belong to records that are whole, and before any misplaced quote."""
        line_ends = found.line_ends
        if found.bad_quote >= 0:
            line_ends = line_ends & (found.places < found.bad_quote)
        last = len(line_ends) - int(np.argmax(line_ends[::-1])) if len(line_ends) else 0
        return last if last and line_ends[last - 1] else 0

    def _block(self, found: Scan, count: int, columns: int) -> Block:
        places, line_ends = found.places[:count], found.line_ends[:count]
        block = lay_out(self._content, places, line_ends, columns)
        if isinstance(block, Ragged):
            raise InputError(
                f"{block.count} records of one block do not have {columns} cells; "
                f"the first is {self._spot(block.first, block.place)}, with {block.cells}",
                hint="check the delimiter and quote options, or mend the file",
            )
        if block.size > self._dialect.max_record_bytes and block.num_rows:
            lengths = np.diff(block.starts, append=np.int32(block.size))
            longest = int(np.argmax(lengths))
            self._check_length(int(lengths[longest]), int(block.starts[longest]), longest)
        unended = self._unended and block.size == len(self._content)
        return replace(block, unended=unended, record=self._records, offset=self._offset, after_cr=self._after_cr)

    def _check_unfinished(self, found: Scan) -> None:
        """Refuse what begins the buffer and is no record, unless more bytes may make it one."""
        if found.bad_quote >= 0:
            raise InputError(
                f"text follows a closing quote in {self._spot(0, found.bad_quote)}",
                hint='write a quote inside a quoted cell twice: "a ""b"" c"',
            )
        if self._whole:
            raise InputError(
                f"a quoted cell is not closed in {self._spot(0, found.open_quote)}",
                hint="the file may be cut short; copy it again, or set the quote option",
            )
        self._check_length(len(self._content), 0)

    def _check_length(self, length: int, place: int, ahead: int = 0) -> None:
        if length > self._dialect.max_record_bytes:
            raise InputError(
                f"a record is longer than {self._dialect.max_record_bytes} bytes: {self._spot(ahead, place)}",
                hint="a quote may not be closed there; if the record is right, raise max_record_bytes",
            )

    def _spot(self, ahead: int, place: int) -> str:
        return spot(self._dialect, self._records + ahead, self._offset + place)


def spot(dialect: Dialect, record: int, offset: int) -> str:
    """Name a place in a file: records are counted from 1, without the header; bytes from 0."""
    unit = "byte" if dialect.encoding == UTF8 else "UTF-8 byte"
    return f"record {record + 1} at {unit} {offset}"
