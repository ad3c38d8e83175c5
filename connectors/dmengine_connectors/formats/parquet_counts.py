"""How many different values a column of a Parquet file has at most, as its footer says."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dmengine.paths import FieldPath


def most_different(footer: pq.FileMetaData, schema: pa.Schema) -> dict[str, int]:
    """Return the most different values of each plain column: its rows without nulls, or fewer where its range is small.

    >>> import io
    >>> file = io.BytesIO()
    >>> pq.write_table(pa.table({"name": ["a", None, "c"], "age": [40, 41, 41], "born": [[1], [2], []]}), file)
    >>> opened = pq.ParquetFile(file)
    >>> most_different(opened.metadata, opened.schema_arrow)
    {'name': 2, 'age': 2}
    """
    fields = {field.name: field for field in schema if not pa.types.is_nested(field.type)}
    paths = [footer.schema.column(place).path for place in range(footer.num_columns)]
    plain = [(place, fields[path]) for place, path in enumerate(paths) if path in fields]
    return {str(FieldPath.of(field.name)): _most(footer, place, field.type) for place, field in plain}


def _most(footer: pq.FileMetaData, place: int, kind: pa.DataType) -> int:
    chunks = [footer.row_group(group).column(place) for group in range(footer.num_row_groups)]
    rows = sum(map(_different, chunks))
    counts = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    within = _within([chunk.statistics for chunk in chunks]) if counts else None
    return rows if within is None else min(rows, within)


def _different(chunk: Any) -> int:
    """Return the different values of one row group, or how many it has at all."""
    known = chunk.statistics
    if known is None:
        return int(chunk.num_values)
    if known.has_distinct_count and known.distinct_count:
        return int(known.distinct_count)
    return int(chunk.num_values) - (int(known.null_count) if known.has_null_count else 0)


def _within(known: list[Any]) -> int | None:
    """Count the whole numbers from the least value to the greatest; None where these are not known."""
    ranges = [one for one in known if one is not None and one.num_values]
    if not ranges or any(one is None for one in known) or not all(one.has_min_max for one in ranges):
        return None
    return int(max(one.max for one in ranges)) - int(min(one.min for one in ranges)) + 1
