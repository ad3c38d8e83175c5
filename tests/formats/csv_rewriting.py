"""What tests of CSV share: reading, masking and writing a file as the engine does."""

from __future__ import annotations

import io

import pyarrow as pa

from dmengine_connectors.formats.csv import Csv, read_blocks
from tests.formats.rewriting import NO_CHANGE, Masks, Values, columns_of, rewritten


def rewrite(
    content: bytes,
    options: Csv = Csv(),  # noqa: B008  # frozen
    masks: Masks = NO_CHANGE,
    *,
    drop: tuple[str, ...] = (),
    block_bytes: int = 1 << 20,
) -> bytes:
    """Read, mask, drop and write, as the engine does."""
    stream = read_blocks(options, io.BytesIO(content), block_bytes)
    assert stream.schema is not None

    schema = pa.schema([field for field in stream.schema if field.name not in drop])
    return rewritten(options, stream, schema, masks, drop)


def columns(content: bytes, options: Csv = Csv(), block_bytes: int = 1 << 20) -> dict[str, Values]:  # noqa: B008
    """Read all columns of a file."""
    return columns_of(read_blocks(options, io.BytesIO(content), block_bytes))
