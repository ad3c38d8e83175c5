"""pandas frames as Arrow tables and back, with their dtypes and their index."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dmengine.errors import PlanError, PluginError

if TYPE_CHECKING:
    import pandas as pd


def mask_frame(frame: pd.DataFrame, mask: Callable[[pa.Table], pa.Table]) -> pd.DataFrame:
    """Mask a frame through its Arrow table; a named index is masked as a column of that name.

    Raises:
        PlanError: columns that no rule could name, or an index that holds values and has no name.
    """
    pandas = _pandas()
    _check(frame, pandas)
    index = [name for name in frame.index.names if name is not None]
    flat = frame.reset_index() if index else frame
    masked: pd.DataFrame = mask(_as_table(flat)).to_pandas()
    dtypes = {name: flat[name].dtype for name in masked.columns if _goes_back(flat[name].dtype, masked[name].dtype)}
    masked = masked.astype(dtypes)
    if not index:
        masked.index = frame.index
        return masked
    dropped = [name for name in index if name not in masked.columns]
    return masked if dropped else masked.set_index(index)


def _as_table(frame: pd.DataFrame) -> pa.Table:
    """Return the frame as Arrow; what Arrow says of a column that has no one type quotes values, so it stays here."""
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        mixed = [str(name) for name in frame.columns if not _has_one_type(frame[name])]
    raise PlanError(
        f"columns hold values of several types, or of none that Arrow has: {', '.join(mixed)}",
        hint='give each one type: frame["..."].astype("string")',
    )


def _has_one_type(column: pd.Series[Any]) -> bool:
    try:
        pa.Array.from_pandas(column)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return False
    return True


def _goes_back(before: Any, after: Any) -> bool:
    """Say whether a masked column is cast to its old dtype: not to one that lists the original values."""
    return bool(before != after and str(before) != "object" and not hasattr(before, "categories"))


def _check(frame: pd.DataFrame, pandas: Any) -> None:
    labels = list(frame.columns)
    if not all(isinstance(label, str) for label in labels):
        raise PlanError("some columns have labels that are not text", hint="rename them: frame.columns = [...]")
    names = [*labels, *(name for name in frame.index.names if name is not None)]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise PlanError(f"columns are there twice: {', '.join(twice)}", hint="rename them, the index included")
    unnamed = any(name is None for name in frame.index.names)
    if unnamed and not (frame.index.nlevels == 1 and pandas.api.types.is_integer_dtype(frame.index.dtype)):
        raise PlanError(
            "the index holds values and has no name, so no rule can speak of it",
            hint="name it (frame.index.name = ...) and give it a rule, or drop it with reset_index(drop=True)",
        )


def _pandas() -> Any:
    missing = False
    try:
        import pandas
    except ImportError:
        missing = True
    if missing:
        raise PluginError("pandas is not installed", hint='pip install "dmengine[notebook]"')
    return pandas
