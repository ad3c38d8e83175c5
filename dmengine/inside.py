"""What a rule says of one field inside of a document that is a value itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

from dmengine.maskparameter import MaskParameter
from dmengine.normalizing import Step


@dataclass(frozen=True, slots=True)
class Inside:
    """What happens to one field inside of a document: give a `mask`, or the reason to `keep` it.

    `domain` and `normalize` are those of rules: values of one domain get equal masks, in a document or in a column.
    A document without the field is left alone, or is a `mismatch` (`on_missing`); so is one in which it is null
    (`on_null`). A value that the mask cannot take makes the document a mismatch, or becomes `null` (`on_mismatch`).
    """

    field: str
    mask: MaskParameter | None = None
    keep: str | None = None
    domain: str | None = None
    normalize: tuple[Step, ...] = ()
    on_missing: Literal["skip", "mismatch"] = "skip"
    on_null: Literal["keep", "mismatch"] = "keep"
    on_mismatch: Literal["mismatch", "null"] = "mismatch"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @property
    def redacts(self) -> bool:
        """Whether it hides whatever is there, containers too."""
        return self.mask is not None and self.mask.name == "redact"
