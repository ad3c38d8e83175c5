"""Replace web addresses with ones that lead nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import booleans, is_text, text_from_matrix
from dmengine.prf import below
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers import corpora
from dmengine_maskers.email import SAFE_DOMAINS
from dmengine_maskers.handles import people
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type

_HEX: Final = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)
_PATH: Final = 16
_SITE: Final = r"^(?P<site>[A-Za-z][A-Za-z0-9+.\-]{1,15}://[^/?#@\\\s]+)(?:[/?#]|$)"


@dataclass(frozen=True, slots=True)
class Url:
    """Replace every web address with a made-up one: a name, a domain that is reserved, and a random path.

    With `site="keep"` the scheme and the host (with its port) stay, and all behind them is replaced; a value that has
    no scheme and host, or a user name in it, is then a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Url(), ["https://crm.corp.com/customers/17?mail=a@b.de", None])
    ['https://buckley.example.org/578700c05ff67969', None]
    >>> mask_values(Url(site="keep"), ["https://crm.corp.com/customers/17?mail=a@b.de"])
    ['https://crm.corp.com/578700c05ff67969']
    """

    site: Literal["safe", "keep"] = "safe"

    name: ClassVar[str] = "url"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    @property
    def longest_bytes(self) -> int | None:
        """The most bytes that a result may have; None where it has the length of the site."""
        return None if self.site == "keep" else corpora.longest(self._names()) + len("https://.example.com/") + _PATH

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text, and a target too narrow."""
        if self.site not in ("safe", "keep"):
            raise wrong_option(self.name, "site", 'be "safe" or "keep"', "leave it out for safe")
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use redact")
        if self.longest_bytes is not None:
            require_room(self.name, self.longest_bytes, limits, "use hash with a size")
        elif limits.max_bytes is not None:
            raise wrong_option(self.name, "site", "be safe for a target with a byte limit", "or put truncate behind it")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return web addresses."""
        bits = ctx.bits(values, self.name)
        path = text_from_matrix(_HEX.take(np.ascontiguousarray(bits[:, 1:]).view(np.uint8)).view(np.uint8))
        if self.site == "keep":
            found = pc.struct_field(pc.extract_regex(values, _SITE), "site")
            missing = booleans(pc.is_null(found))
            if missing.any():
                ctx.mismatch(missing)
            return pc.binary_join_element_wise(
                pc.fill_null(found, ""), path.cast(values.type), pa.scalar("/", values.type)
            )
        names, ends = self._names(), pa.array([f".{domain}/" for domain in SAFE_DOMAINS])
        parts = (
            pa.scalar("https://"),
            names.take(pa.array(below(bits[:, 0], len(names)))),
            ends.take(pa.array(below(bits[:, 0] << np.uint64(32), len(ends)))),
            path,
        )
        return pc.binary_join_element_wise(*parts, "").cast(values.type)

    def _names(self) -> pa.Array:
        return people("en_US").last_plain
