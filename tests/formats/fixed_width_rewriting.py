"""What tests of fixed width share: reading, masking and writing a file as the engine does."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pyarrow as pa

from dmengine.paths import FieldPath
from dmengine.spi import Records, RecordStream
from dmengine_connectors.formats.fixed_width import FixedWidth

Values = list[str | None]
NO_CHANGE: dict[str, Callable[[Values], Values]] = {}


def rewrite(
    content: bytes,
    options: FixedWidth,
    masks: dict[str, Callable[[Values], Values]] = NO_CHANGE,
    *,
    drop: tuple[str, ...] = (),
) -> bytes:
    """Read, mask, drop and write, as the engine does."""
    stream = options.read(io.BytesIO(content))

    def changed() -> Iterator[Records]:
        for records in stream.batches:
            for name, mask in masks.items():
                path = FieldPath.of(name)
                (selection,) = records.select(path)
                values = pa.array(mask(selection.values.to_pylist()), pa.string())
                records = records.replace(path, [selection.with_values(values)])
            for name in drop:
                records = records.drop(FieldPath.of(name))
            yield records

    target = io.BytesIO()
    options.write(RecordStream(changed(), stream.schema, stream.form), target)
    return target.getvalue()


def columns(content: bytes, options: FixedWidth) -> dict[str, Values]:
    """Read all fields of a file."""
    stream = options.read(io.BytesIO(content))
    assert stream.schema is not None
    found: dict[str, Values] = {name: [] for name in stream.schema.names}
    for records in stream.batches:
        for name in found:
            (selection,) = records.select(FieldPath.of(name))
            found[name] += selection.values.to_pylist()
    return found
