"""What tests of text tables share: masking a stream as the engine does, reading its fields, and refusals."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa
import pytest

from dmengine.errors import DmengineError
from dmengine.paths import FieldPath
from dmengine.spi import Format, Records, RecordStream

Values = list[str | None]
Masks = Mapping[str, Callable[[Values], Values]]
NO_CHANGE: Masks = {}


def rewritten(
    form: Format, stream: RecordStream, schema: pa.Schema | None, masks: Masks, drop: tuple[str, ...]
) -> bytes:
    """Mask, drop and write what a stream holds, with the schema that is left of it."""

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
    form.write(RecordStream(changed(), schema, stream.form), target)
    return target.getvalue()


def columns_of(stream: RecordStream) -> dict[str, Values]:
    """Read all fields of a stream."""
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
