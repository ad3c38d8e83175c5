"""Redact."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from dmengine.arrow import NUMBER, plain_type
from dmengine.errors import PlanError
from dmengine.spi import Limits
from dmengine_maskers import Redact

SIGNS = [
    (pa.string(), "*"),
    (pa.large_string(), "*"),
    (pa.string_view(), "*"),
    (pa.int8(), 0),
    (pa.uint64(), 0),
    (pa.float16(), 0.0),
    (pa.decimal32(5, 2), Decimal("0.00")),
    (pa.decimal256(60, 5), Decimal("0.00000")),
    (NUMBER, "0"),
    (pa.bool_(), False),
    (pa.date32(), date(1900, 1, 1)),
    (pa.date64(), date(1900, 1, 1)),
    (pa.timestamp("us"), datetime(1900, 1, 1)),
    (pa.timestamp("ms", "UTC"), datetime(1900, 1, 1, tzinfo=UTC)),
    (pa.time32("s"), time(0)),
    (pa.duration("us"), timedelta(0)),
    (pa.binary(), b""),
    (pa.large_binary(), b""),
    (pa.binary_view(), b""),
    (pa.binary(3), b"\0\0\0"),
    (pa.uuid(), UUID(int=0)),
    (pa.null(), None),
]


@pytest.mark.parametrize(("kind", "sign"), SIGNS)
def test_redacted_value_is_one_sign_of_its_type(kind: pa.DataType, sign: Any) -> None:
    """Whatever the value was, what is left says nothing but its type."""
    masked = Redact().mask(pa.nulls(2, plain_type(kind)), ctx=None)  # type: ignore[arg-type]  # needs no key

    assert masked.type == plain_type(kind)
    assert masked.to_pylist() == [sign, sign]


def test_default_text_fits_the_narrowest_column() -> None:
    """With its defaults the mask never refuses a text column."""
    Redact().plan(pa.field("f", pa.string()), Limits(max_bytes=1))

    with pytest.raises(PlanError, match="shorter text"):
        Redact(text="hidden").plan(pa.field("f", pa.string()), Limits(max_bytes=5))


@pytest.mark.parametrize("kind", [pa.list_(pa.int8()), pa.struct([("a", pa.int8())]), pa.map_(pa.string(), pa.int8())])
def test_container_is_refused(kind: pa.DataType) -> None:
    """A value that holds fields is not hidden as if it were one value."""
    with pytest.raises(PlanError, match="fields inside it"):
        Redact().plan(pa.field("f", kind), Limits())
