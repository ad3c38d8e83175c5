"""What tests of CSV share: reading, masking and writing a file as the engine does."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from dmengine.errors import DmengineError
from dmengine.paths import FieldPath
from dmengine.spi import Records, RecordStream
from dmengine_connectors.formats.csv import Csv, read_blocks

Values = list[str | None]
NO_CHANGE: dict[str, Callable[[Values], Values]] = {}


def rewrite(
    content: bytes,
    options: Csv = Csv(),  # noqa: B008  # frozen
    masks: dict[str, Callable[[Values], Values]] = NO_CHANGE,
    *,
    drop: tuple[str, ...] = (),
    block_bytes: int = 1 << 20,
) -> bytes:
    """Read, mask, drop and write, as the engine does."""
    stream = read_blocks(options, io.BytesIO(content), block_bytes)
    assert stream.schema is not None

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

    schema = pa.schema([field for field in stream.schema if field.name not in drop])
    target = io.BytesIO()
    options.write(RecordStream(changed(), schema, stream.form), target)
    return target.getvalue()


def columns(content: bytes, options: Csv = Csv(), block_bytes: int = 1 << 20) -> dict[str, Values]:  # noqa: B008
    """Read all columns of a file."""
    stream = read_blocks(options, io.BytesIO(content), block_bytes)
    assert stream.schema is not None
    found: dict[str, Values] = {name: [] for name in stream.schema.names}
    for records in stream.batches:
        for name in found:
            (selection,) = records.select(FieldPath.of(name))
            found[name] += selection.values.to_pylist()
    return found


def refusal(act: Callable[[], object], kind: type[DmengineError], *secrets: str) -> str:
    """Return the message of an error, having checked that nothing of it holds a secret."""
    with pytest.raises(kind) as caught:
        act()
    told = "".join(traceback.format_exception(caught.value)) if secrets else ""
    lines = [line for line in told.splitlines() if not line.startswith("    ")]  # without source lines
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert not any(secret in line for line in lines for secret in secrets)
    return str(caught.value)
