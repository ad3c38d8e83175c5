"""The dialect of one CSV file: how its bytes say where cells and records end."""

from __future__ import annotations

from dataclasses import dataclass

from dmengine.errors import PlanError
from dmengine_connectors.formats.csv_encoding import can_encode

LF, CR = 10, 13


@dataclass(frozen=True, slots=True)
class Dialect:
    """A dialect that `make_dialect` has checked.

    Attributes:
        delimiter: The byte between cells.
        quote: The byte around quoted cells; None: there are none.
        null: What an unquoted cell must be to be null.
        encoding: The exact encoding of the file, byte order included.
        max_record_bytes: The longest record that is read, in bytes of UTF-8.
    """

    delimiter: int
    quote: int | None
    null: str
    encoding: str
    max_record_bytes: int

    @property
    def specials(self) -> tuple[int, ...]:
        """The bytes that a cell can only hold in quotes."""
        return (self.delimiter, LF, CR) if self.quote is None else (self.delimiter, LF, CR, self.quote)


def make_dialect(delimiter: str, quote: str, null: str, *, encoding: str, max_record_bytes: int) -> Dialect:
    """Check the options of a CSV file, and return its dialect.

    >>> make_dialect(";", '"', "", encoding="utf-8", max_record_bytes=100).specials
    (59, 10, 13, 34)

    Raises:
        PlanError: the options cannot be told apart in a file.
    """
    for name, text in (("delimiter", delimiter), ("quote", quote)):
        if text == "" and name == "quote":
            continue
        if len(text) != 1 or not text.isascii() or text in "\r\n":
            raise PlanError(f"the {name} must be one ASCII character, no line end", hint="use , ; | or a tab")
    if delimiter == quote:
        raise PlanError("delimiter and quote are the same character", hint="choose two different characters")
    if any(special in null for special in (delimiter, quote, "\r", "\n") if special):
        raise PlanError("the null text holds a delimiter, quote or line end", hint=r"use a text such as NULL or \N")
    if not can_encode(null.encode(), encoding):
        raise PlanError(f"the null text cannot be written in {encoding}", hint="choose a null text in plain ASCII")
    if max_record_bytes < 1:
        raise PlanError("max_record_bytes must be at least 1", hint="leave it out for 16 MiB")
    return Dialect(ord(delimiter), ord(quote) if quote else None, null, encoding, max_record_bytes)
