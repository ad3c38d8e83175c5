"""Fixed and Null."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dmengine.arrow import NUMBER
from dmengine.errors import PlanError
from dmengine.spi import Limits
from dmengine.testing.context import mask_array
from dmengine_maskers import Fixed, Null

READ = [
    ("x", pa.string(), "x"),
    (5, pa.large_string(), "5"),
    (True, pa.large_string(), "true"),
    ("12", pa.int8(), 12),
    (12.0, pa.int64(), 12),
    ("18446744073709551615", pa.uint64(), 2**64 - 1),
    ("1.5", pa.float32(), 1.5),
    (1, pa.float64(), 1.0),
    (0.1, pa.decimal128(5, 2), Decimal("0.10")),
    ("-1.5", pa.decimal256(50, 1), Decimal("-1.5")),
    ("1.10", NUMBER, "1.10"),
    (7, NUMBER, "7"),
    ("false", pa.bool_(), False),
    (True, pa.bool_(), True),
    ("2000-02-29", pa.date32(), date(2000, 2, 29)),
    ("2000-02-29", pa.date64(), date(2000, 2, 29)),
    ("2000-02-29T12:00:00", pa.timestamp("us"), datetime(2000, 2, 29, 12)),
    ("2000-02-29T12:00:00+01:00", pa.timestamp("ms", "UTC"), datetime(2000, 2, 29, 11, tzinfo=UTC)),
    ("12:30", pa.time64("us"), time(12, 30)),
    ("ab", pa.binary(), b"ab"),
    ("ab", pa.binary(2), b"ab"),
]
REFUSED = [
    (True, pa.int8()),
    ("x", pa.int64()),
    (1.5, pa.int64()),
    (300, pa.int8()),
    (-1, pa.uint64()),
    (10**400, pa.float64()),
    (1e300, pa.float32()),
    (True, pa.float64()),
    (0.123, pa.decimal128(5, 2)),
    (12345, pa.decimal128(5, 2)),
    ("01", NUMBER),
    ("NaN", NUMBER),
    ("maybe", pa.bool_()),
    (2, pa.bool_()),
    ("2001-02-29", pa.date32()),
    ("2000-01-01T00:00:00Z", pa.timestamp("us")),
    ("2000-01-01T00:00:00", pa.timestamp("us", "UTC")),
    ("9999-01-01T00:00:00", pa.timestamp("ns")),
    (5, pa.binary()),
    ("abc", pa.binary(2)),
    ("x", pa.list_(pa.string())),
    ("x", pa.struct([("a", pa.string())])),
]


@pytest.mark.parametrize(("value", "kind", "expected"), READ)
def test_fixed_value_is_read_as_the_type_of_the_column(value: Any, kind: pa.DataType, expected: Any) -> None:
    """A value given as text or number becomes the value of the column's type that it says."""
    masked = mask_array(Fixed(value), pa.nulls(0, kind) if kind == NUMBER else pa.array([], kind))
    filled = Fixed(value).mask(pa.nulls(2, kind), ctx=None)  # type: ignore[arg-type]  # needs no key

    assert len(masked) == 0
    assert filled.type == kind
    assert filled.to_pylist() == [expected, expected]


@pytest.mark.parametrize(("value", "kind"), REFUSED)
def test_fixed_value_that_does_not_fit_is_refused(value: Any, kind: pa.DataType) -> None:
    """A value that the column cannot hold exactly is refused when the run is planned."""
    with pytest.raises(PlanError, match="cannot be held"):
        Fixed(value).plan(pa.field("f", kind), Limits())


def test_fixed_text_longer_than_the_target_is_refused() -> None:
    """The limit of the target is in bytes of UTF-8."""
    Fixed("äö").plan(pa.field("f", pa.string()), Limits(max_bytes=4))

    with pytest.raises(PlanError, match="needs 4 bytes where the target holds 3"):
        Fixed("äö").plan(pa.field("f", pa.string()), Limits(max_bytes=3))


def test_null_refuses_a_column_that_cannot_be_null() -> None:
    """A column declared not null is never emptied."""
    with pytest.raises(PlanError, match="cannot be null"):
        Null().plan(pa.field("f", pa.string(), nullable=False), Limits())


def test_null_leaves_no_byte_behind() -> None:
    """The buffers of an emptied column hold no trace of what was there."""
    masked = mask_array(Null(), pa.array(["secret-1", "secret-2"]))

    assert masked.null_count == 2
    assert not any(buffer is not None and b"secret" in buffer.to_pybytes() for buffer in masked.buffers())
