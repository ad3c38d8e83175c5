"""The Parquet files that the end-to-end benchmarks read: made-up people, none of them from our word lists."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dmengine.arrow import text_from_matrix

VERSION = 1  # of the values: with another one, files that lie in the cache are made anew
GROUP_ROWS = 131_072
MASKED = ("first_name", "last_name", "email", "phone", "card", "street", "city")
SCHEMA = pa.schema(
    [("id", pa.int64())]
    + [(name, pa.string()) for name in MASKED]
    + [("amount", pa.decimal128(12, 2)), ("created", pa.timestamp("us"))]
)

Codes = npt.NDArray[np.uint64]

_SYLLABLES = np.frombuffer("".join(c + v for c in "bdfghklmnprstvwz" for v in "aeio").encode(), np.uint16)
_CODE_BITS = 30  # five syllables of six bits
_CODES = np.uint64((1 << _CODE_BITS) - 1)


@dataclass(frozen=True, slots=True)
class People:
    """A file of people: ten columns, seven of them personal text.

    Attributes:
        rows: How many.
        distinct: The share of each personal column's values that differ: 1.0, or 0.005 for one in two hundred.
        one_group: Whether all rows lie in one row group, instead of groups of 131,072.
    """

    rows: int
    distinct: float = 1.0
    one_group: bool = False

    @property
    def name(self) -> str:
        """The folder that the file lies in."""
        return f"people-v{VERSION}-{self.rows}-{self.distinct:g}-{'one-group' if self.one_group else 'groups'}"

    @property
    def group_rows(self) -> int:
        """Rows of a row group."""
        return self.rows if self.one_group else min(self.rows, GROUP_ROWS)

    def file(self, cache: Path) -> Path:
        """Return the path of the file; make the file if it is not there yet."""
        path = cache / self.name / "people.parquet"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(f".{os.getpid()}")
            with pq.ParquetWriter(unfinished, SCHEMA, compression="zstd") as writer:
                tables = iter([pa.concat_tables(self.tables())]) if self.one_group else self.tables()
                for table in tables:
                    writer.write_table(table, row_group_size=self.group_rows)
            unfinished.rename(path)
        return path

    def tables(self) -> Iterator[pa.Table]:
        """Yield the people, a row group of usual size at a time; the same ones every time."""
        rng = np.random.default_rng(VERSION)
        for start in range(0, self.rows, GROUP_ROWS):
            rows = np.arange(start, min(start + GROUP_ROWS, self.rows), dtype=np.uint64)
            yield pa.table(self._columns(rows, rng), schema=SCHEMA)

    def _columns(self, rows: Codes, rng: np.random.Generator) -> list[pa.Array]:
        def codes(column: int) -> Codes:
            pool = max(1, round(self.rows * self.distinct))
            picked = rows if self.distinct == 1 else rng.integers(0, pool, len(rows), np.uint64)
            return _mixed(picked + np.uint64(column << 26))

        cents = np.zeros((len(rows), 2), np.int64)
        cents[:, 0] = rng.integers(100, 10**7, len(rows))
        created = 1_600_000_000_000_000 + rng.integers(0, 10**14, len(rows))
        return [
            pa.array(rows.astype(np.int64) + 1_000_000),
            _word(codes(1), capital=True),
            _word(codes(2), capital=True),
            _email(codes(3)),
            _pattern(codes(4), 10, "(...) ...-...."),
            _pattern(codes(5), 16, "................"),
            _street(codes(6)),
            _join(_word(codes(7), capital=True), "ville"),
            pa.Array.from_buffers(pa.decimal128(12, 2), len(rows), [None, pa.py_buffer(cents)]),
            pa.array(created).cast(pa.timestamp("us")),
        ]


def _mixed(numbers: Codes) -> Codes:
    """Permute the numbers of 30 bits: equal ones stay equal, others differ, and the order is lost."""
    numbers = numbers & _CODES
    for factor in (0x2C1B_3C6D, 0x297A_2D39):
        numbers ^= numbers >> np.uint64(15)
        numbers = numbers * np.uint64(factor) & _CODES
    return numbers ^ numbers >> np.uint64(15)


def _word(codes: Codes, *, capital: bool = False) -> pa.Array:
    index = np.stack([codes >> np.uint64(shift) & np.uint64(63) for shift in range(0, _CODE_BITS, 6)], axis=1)
    words = _SYLLABLES[index.astype(np.intp)].view(np.uint8)
    if capital:
        words[:, 0] -= ord("a") - ord("A")
    return text_from_matrix(words)


def _pattern(codes: Codes, digits: int, form: str) -> pa.Array:
    """Write each code with so many digits, in the places of the dots."""
    numbers = codes * np.uint64(9_301_237) % np.uint64(10**digits)
    matrix = np.tile(np.frombuffer(form.encode(), np.uint8), (len(codes), 1))
    for place in reversed([i for i, character in enumerate(form) if character == "."]):
        numbers, digit = np.divmod(numbers, np.uint64(10))
        matrix[:, place] = digit + ord("0")
    return text_from_matrix(matrix)


def _email(codes: Codes) -> pa.Array:
    return _join(_word(codes), _small_number(codes), "@mail.test")


def _street(codes: Codes) -> pa.Array:
    return _join(_small_number(codes), " ", _word(codes, capital=True), " Street")


def _small_number(codes: Codes) -> pa.Array:
    return pa.array(codes % np.uint64(997) + np.uint64(1)).cast(pa.string())


def _join(*parts: pa.Array | str) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")
