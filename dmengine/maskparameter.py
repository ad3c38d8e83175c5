"""A mask as a parameter of another mask, for masks that are made of masks."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dmengine.spi import Masker

READ: Final = "read a mask"
"""In a validation's context: the function that makes a mask of its long form, or returns the list of problems."""

WRITE: Final = "write a mask"
"""In a serialization's context: the function that returns what a file says for a mask."""

PROBLEMS: Final = "mask"
"""The type of pydantic's error for a mask that is wrong; its context has the problems."""

PLACEHOLDER: Final = {"title": "mask", "$comment": "any mask"}
"""What stands for a mask in the JSON Schema of parameters, until the schema of all masks is known."""


def mask_spec(written: Any) -> dict[str, Any]:
    """Return a mask in its long form, `{type: ...}`; `{keep: ...}` stays as it is.

    >>> mask_spec("email"), mask_spec(None)
    ({'type': 'email'}, {'type': 'null'})

    Raises:
        ValueError: it is neither; with a message for the author.
    """
    if written is None:
        return {"type": "null"}
    if isinstance(written, str):
        return {"type": written}
    if isinstance(written, dict) and (isinstance(written["type"], str) if "type" in written else "keep" in written):
        return written
    raise ValueError("this names no mask; write the mask's name, or {type: name, ...}")


class AsMask:
    """Reads a parameter as rulesets write masks: by its name, or as `{type: name, ...}`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """Read with the function of the context, and write with the other."""
        write = core_schema.plain_serializer_function_ser_schema(_write, info_arg=True)
        return core_schema.with_info_plain_validator_function(_read, serialization=write)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Stand for the schema of all masks."""
        return dict(PLACEHOLDER)


MaskParameter = Annotated[Masker, AsMask()]
"""The type of a parameter that is a mask; `tuple[MaskParameter, ...]` for several."""


def _read(written: Any, info: Any) -> Masker:
    if isinstance(written, Masker):
        return written
    spec = mask_spec(written)
    if "type" not in spec:
        raise ValueError("this names no mask; a part cannot be kept, so write the mask's name, or {type: name, ...}")
    if READ not in (info.context or {}):
        raise ValueError("masks inside of masks are read in rulesets only; give the mask itself")
    found = info.context[READ](spec)
    if isinstance(found, list):
        raise PydanticCustomError(PROBLEMS, "a mask with mistakes", {"problems": found})
    masker: Masker = found
    return masker


def _write(masker: Masker, info: Any) -> Any:
    return info.context[WRITE](masker)
