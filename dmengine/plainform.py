"""The plain JSON form of rules and masks: what their fingerprints are made of."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

from dmengine.errors import RulesetError
from dmengine.paths import FieldPath

ADDED_LATER: Final = MappingProxyType({"added": "later"})
"""The metadata of a field that came with a later version, and counts in a fingerprint only if it is used."""


def fingerprint_of(value: object) -> str:
    """Return the SHA-256 of a value's plain form, in hex: equal for equal values, in every process and version.

    >>> fingerprint_of((1, "a"))[:8], fingerprint_of((1, "b"))[:8]
    ('20109453', '263ba88d')
    """
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def plain(value: Any) -> Any:
    """Return a value as JSON types; types that JSON lacks are named, so that 1, "1" and Decimal(1) stay apart.

    >>> plain((Decimal("1.50"), date(2024, 1, 31), True))
    [{'Decimal': '1.50'}, {'date': '2024-01-31'}, True]

    Raises:
        RulesetError: a mask has a parameter that cannot be written down.
    """
    if value is None or (isinstance(value, (str, bool, int)) and not isinstance(value, Enum)):
        return value
    if isinstance(value, FieldPath):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _dataclass(value)
    if isinstance(value, Mapping):
        pairs = [[plain(key), plain(item)] for key, item in value.items()]
        return {"map": sorted(pairs, key=json.dumps)}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return {"set": sorted((plain(item) for item in value), key=json.dumps)}
    return {type(value).__name__: _text(value)}


def _dataclass(value: Any) -> dict[str, Any]:
    name = getattr(value, "name", None)
    title = name if isinstance(name, str) else type(value).__name__
    told = [f for f in dataclasses.fields(value) if f.compare and not _is_unused(f, value)]
    shown = {f.name: plain(getattr(value, f.name)) for f in told}
    return {"": title, **shown}


def _is_unused(f: dataclasses.Field[Any], value: Any) -> bool:
    """Say whether a field is as if it were not there: rules of before it came keep their fingerprints."""
    return f.metadata == ADDED_LATER and getattr(value, f.name) == f.default


def _text(value: Any) -> str:
    match value:
        case float():
            return repr(value)
        case Decimal() | PurePath() | pa.DataType():
            return str(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return str(value // timedelta(microseconds=1))
        case bytes():
            return value.hex()
        case Enum():
            return value.name
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}:{value.__qualname__}"
    raise RulesetError(
        f"a parameter of type {type(value).__name__} cannot be part of a ruleset's fingerprint",
        hint="give masks parameters that are text, numbers, dates, tuples, mappings or frozen dataclasses of them",
    )
