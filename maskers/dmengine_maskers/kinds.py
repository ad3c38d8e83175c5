"""How the built-in masks refuse a column or a target that does not suit them."""

from __future__ import annotations

import pyarrow as pa

from dmengine.errors import PlanError
from dmengine.spi import Limits


def wrong_type(mask: str, takes: str, field: pa.Field, hint: str) -> PlanError:
    """Return the refusal of a type.

    >>> print(wrong_type("email", "text", pa.field("age", pa.int8()), "use number"))
    email masks text, not int8
      To fix: use number
    """
    return PlanError(f"{mask} masks {takes}, not {field.type}", hint=hint)


def wrong_option(mask: str, option: str, must: str, hint: str) -> PlanError:
    """Return the refusal of a parameter.

    >>> print(wrong_option("hash", "size", "be 8 to 32", "leave it out"))
    hash: size must be 8 to 32
      To fix: leave it out
    """
    return PlanError(f"{mask}: {option} must {must}", hint=hint)


def require_room(mask: str, needed: int, limits: Limits, hint: str) -> None:
    """Refuse a target that holds fewer bytes than the longest masked value has.

    Raises:
        PlanError: the target is too narrow.
    """
    if limits.max_bytes is not None and needed > limits.max_bytes:
        raise PlanError(f"{mask} needs {needed} bytes where the target holds {limits.max_bytes}", hint=hint)
