"""What tests of fixed width share: reading, masking and writing a file as the engine does."""

from __future__ import annotations

import io

from dmengine_connectors.formats.fixed_width import FixedWidth
from tests.formats.rewriting import NO_CHANGE, Masks, Values, columns_of, rewritten


def rewrite(
    content: bytes,
    options: FixedWidth,
    masks: Masks = NO_CHANGE,
    *,
    drop: tuple[str, ...] = (),
) -> bytes:
    """Read, mask, drop and write, as the engine does."""
    stream = options.read(io.BytesIO(content))
    return rewritten(options, stream, stream.schema, masks, drop)


def columns(content: bytes, options: FixedWidth) -> dict[str, Values]:
    """Read all fields of a file."""
    return columns_of(options.read(io.BytesIO(content)))
