"""Rows of a user's own CSV or parquet file, to pick from as a whole or within the rows of one key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from dmengine.arrow import booleans, flat
from dmengine.canonical import canonical
from dmengine.errors import PlanError
from dmengine.spi import Words


@dataclass(frozen=True, slots=True, eq=False)
class Seed:
    """A table whose rows lie sorted by a key column; without one, all rows have the same key."""

    table: pa.Table
    keys: pa.Array | None
    starts: Words
    sizes: Words

    def rows(self, bits: Words, wanted: pa.Array | None) -> tuple[Words, npt.NDArray[np.bool_]]:
        """Return the row that each value's bits choose among those of its key, and which values have no such key."""
        missing = np.zeros(len(bits), np.bool_)
        group = np.zeros(len(bits), np.int64)
        if self.keys is not None:
            assert wanted is not None, "a seed with keys is asked with the field that they are compared with"
            found = pc.index_in(canonical(flat(wanted)).cast(pa.string()), self.keys)
            missing = ~booleans(found.is_valid())
            group = pc.fill_null(found, 0).to_numpy(zero_copy_only=False).astype(np.int64)
        # a file of seeds has fewer than 2^32 rows, so the upper halves of the words suffice
        index = ((bits[:, 0] >> np.uint64(32)) * self.sizes[group] >> np.uint64(32)) + self.starts[group]
        return index, missing


def load_seed(file: str, key: str | None) -> Seed:
    """Read a file, or return it as it was read before, if it has not changed on disk since.

    Raises:
        PlanError: it cannot be read, or has no such column, or no rows.
    """
    path = Path(file)
    try:
        state = path.stat()
    except OSError as error:
        raise PlanError(f"from_file: {file} cannot be read", hint="give the path of a CSV or parquet file") from error
    return _load(file, key, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def digest(file: str, changed: int) -> str:
    """Return the SHA-256 of a file; `changed` is its time of change, so that a new one is read anew."""
    return sha256(Path(file).read_bytes()).hexdigest()


def column(seed: Seed, name: str) -> pa.Array:
    """Return a column of a seed.

    Raises:
        PlanError: there is none of that name, or it has nulls.
    """
    if name not in seed.table.column_names:
        raise PlanError(
            f"from_file: the file has no column {name!r}", hint=f"it has: {', '.join(seed.table.column_names)}"
        )
    values = flat(seed.table[name])
    if values.null_count:
        raise PlanError(f"from_file: the column {name!r} has empty entries", hint="take these rows out of the file")
    return values


@lru_cache(maxsize=16)
def _load(file: str, key: str | None, changed: int, size: int) -> Seed:
    table = _read(file)
    if table is None or table.num_rows == 0:
        raise PlanError(
            f"from_file: {file} has no rows to read", hint="give a CSV file with a header, or a parquet file"
        )
    whole = Seed(table, None, np.zeros(1, np.uint64), np.array([table.num_rows], np.uint64))
    if key is None:
        return whole
    keys = canonical(column(whole, key)).cast(pa.string())
    order = pc.sort_indices(keys)  # stable, so rows of one key stay in the order of the file
    counts = keys.take(order).value_counts()
    sizes = counts.field("counts").to_numpy().astype(np.uint64)
    return Seed(table.take(order), counts.field("values"), (np.cumsum(sizes) - sizes).astype(np.uint64), sizes)


def _read(file: str) -> pa.Table | None:
    """Read a table; of CSV all columns as text, so that postcodes keep their zeros."""
    try:
        if file.lower().endswith((".parquet", ".pq")):
            return pyarrow.parquet.read_table(file)
        names = pyarrow.csv.open_csv(file).schema.names
        options: Any = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
        return pyarrow.csv.read_csv(file, convert_options=options)
    except (pa.ArrowException, OSError):  # their messages may quote the file
        return None
