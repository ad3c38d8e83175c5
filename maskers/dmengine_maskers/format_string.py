"""Make texts by a format string."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import is_text, text_from_matrix
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness, Words
from dmengine_maskers.drawing import Stream, stream
from dmengine_maskers.format_grammar import (
    Alternatives,
    Characters,
    FormatError,
    Part,
    Range,
    Text,
    capacity,
    longest,
    parse,
)
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type

_TABLE: Final = 20_000
_ALMOST_UNIQUE: Final = 1 << 64

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class FormatString:
    """Replace every value with a random text of the form that `format` describes, chosen by key.

    In braces stand `[A-Z0-9]` (one character of a set; `[A-Z],3` for three), `(red|green)` (one of them), `0:999`
    (a number, both ends included; `0:999,03` with leading zeros to three digits) and `0x0:0xff,02` (in hexadecimal);
    `{{` and `}}` are braces. Equal values get equal texts; with `consistent=False` every record draws for itself.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(FormatString("{[A-Z],2}-{0:999,03} {(red|blue)}"), ["Alice", "Bob", "Alice", None])
    ['IU-798 blue', 'PQ-638 red', 'IU-798 blue', None]
    """

    format: str
    consistent: bool = True

    name: ClassVar[str] = "format_string"
    reversible: ClassVar[bool] = False

    @property
    def uniqueness(self) -> Uniqueness:
        """Different texts are almost surely different where the format has enough of them."""
        return "unknown" if (self.capacity or 0) >= _ALMOST_UNIQUE else "lossy"

    @property
    def scope(self) -> Scope:
        """The record decides where equal values need not be equal."""
        return "value" if self.consistent else "row"

    @property
    def capacity(self) -> int | None:
        """How many texts of the format there are."""
        try:
            return capacity(parse(self.format))
        except FormatError:
            return None

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, a format that cannot be read, and a target narrower than its longest text."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use number or random_date")
        problem = ""
        try:
            parts = parse(self.format)
        except FormatError as error:
            problem = str(error)
        if problem:
            raise wrong_option(self.name, "format", f"be readable: {problem}", "see the page of this mask")
        require_room(self.name, sum(map(longest, parts)), limits, "give a shorter format")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return made-up texts."""
        draws = stream(self, values, ctx)
        return _joined(_pieces(parse(self.format), draws), len(values)).cast(values.type)


Piece: TypeAlias = "pa.Array | Bytes | bytes"


def _pieces(parts: tuple[Part, ...], draws: Stream) -> list[Piece]:
    pieces: list[Piece] = []
    for part in parts:
        match part:
            case Text(text):
                pieces.append(text.encode())
            case Characters(alphabet, size):
                pieces += _characters(alphabet, size, draws)
            case Alternatives(texts):
                pieces.append(pa.array(texts, pa.string()).take(pa.array(draws.below(len(texts)))))
            case Range():
                pieces.append(_numbers(part, draws.below(part.high - part.low + 1)))
    return pieces


def _characters(alphabet: str, count: int, draws: Stream) -> list[Piece]:
    """Draw several characters at once, from a table of all of their combinations."""
    pieces: list[Piece] = []
    chunk = 1
    while chunk < min(count, 8) and len(alphabet) ** (chunk + 1) <= _TABLE:
        chunk += 1
    while count > 0:
        size = min(chunk, count)
        index = draws.below(len(alphabet) ** size)
        if alphabet.isascii():
            pieces.append(combinations(alphabet, size).take(index.view(np.int64), axis=0))
        else:
            pieces.append(_texts(alphabet, size).take(pa.array(index)))
        count -= size
    return pieces


@lru_cache(maxsize=64)
def combinations(alphabet: str, size: int) -> Bytes:
    """Return every text of `size` ASCII characters as rows of bytes, in order.

    >>> combinations("ab", 2).tobytes()
    b'aaabbabb'
    """
    places = np.indices((len(alphabet),) * size).reshape(size, -1).T
    return np.frombuffer(alphabet.encode(), np.uint8)[places]


@lru_cache(maxsize=64)
def _texts(alphabet: str, size: int) -> pa.Array:
    places = np.indices((len(alphabet),) * size).reshape(size, -1)
    characters = pa.array(list(alphabet))
    return pc.binary_join_element_wise(*(characters.take(pa.array(place)) for place in places), "")


def _numbers(part: Range, index: Words) -> Piece:
    """Write numbers: as rows of bytes where all are equally long."""
    base, digits = (16, "0123456789abcdef") if part.hexadecimal else (10, "0123456789")
    width = max(part.width, _length(part.low, base))
    numbers = index.astype(np.int64) + part.low
    size = max(part.width, _length(part.high, base))
    matrix = np.empty((len(numbers), size), np.uint8)
    chunk = 4 if base == 10 else 3
    table = combinations(digits, chunk)
    rest = numbers
    for end in range(size, 0, -chunk):
        rest, low = np.divmod(rest, base**chunk)
        take = min(chunk, end)
        matrix[:, end - take : end] = table.take(low, axis=0)[:, chunk - take :]
    if width == size:
        return matrix
    texts = pc.utf8_ltrim(text_from_matrix(matrix), "0")
    return pc.utf8_lpad(texts, max(width, 1), "0")


def _length(number: int, base: int) -> int:
    return len(f"{number:x}" if base == 16 else str(number))


def _joined(pieces: list[Piece], count: int) -> pa.Array:
    """Join the pieces: runs of equally long ones as one matrix, and texts of any length last."""
    arrays: list[pa.Array] = []
    run: list[Bytes | bytes] = []
    for piece in pieces:
        if isinstance(piece, pa.Array):
            if run:
                arrays.append(_matrix(run, count))
            run = []
            arrays.append(piece)
        else:
            run.append(piece)
    if run or not arrays:
        arrays.append(_matrix(run, count))
    return arrays[0] if len(arrays) == 1 else pc.binary_join_element_wise(*arrays, "")


def _matrix(run: list[Bytes | bytes], count: int) -> pa.Array:
    width = sum(len(piece) if isinstance(piece, bytes) else piece.shape[1] for piece in run)
    matrix = np.empty((count, width), np.uint8)
    at = 0
    for piece in run:
        size = len(piece) if isinstance(piece, bytes) else piece.shape[1]
        matrix[:, at : at + size] = np.frombuffer(piece, np.uint8) if isinstance(piece, bytes) else piece
        at += size
    return text_from_matrix(matrix)
