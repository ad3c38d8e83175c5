"""One value, as often as a column is long."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def repeat(value: Any, count: int, kind: pa.DataType) -> pa.Array:
    """Return an array of one value. For an extension type give the value as it is stored.

    >>> repeat("0", 2, pa.string()).to_pylist()
    ['0', '0']
    """
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, repeat(value, count, kind.storage_type))
    return pa.repeat(pa.scalar(value, kind), count)
