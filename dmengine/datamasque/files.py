"""The seed files that come with DataMasque, and the masks that give such values here."""

from __future__ import annotations

from typing import Any, Final

from dmengine import registry

_LISTS: Final = (("firstname", "first_name"), ("lastname", "last_name"), ("companies", "company"),
                 ("occupation", "job"), ("country", "country"), ("credit_card", "credit_card"))  # fmt: skip
_ADDRESS: Final = (("street", "street"), ("address", "street"), ("suburb", "city"), ("city", "city"),
                   ("postcode", "postcode"), ("zip", "postcode"), ("state", "state"))  # fmt: skip


def from_file(seed_file: str, column: str) -> dict[str, Any] | None:
    """Name the mask in place of a seed file and its column; None for files of one's own, and where no mask is there.

    >>> from_file("DataMasque_firstNames_mixed.csv", "firstname-mixed")
    {'type': 'first_name'}
    >>> from_file("our_branches.csv", "branch")
    """
    name, column = seed_file.casefold(), column.casefold()
    if not name.startswith("datamasque_"):
        return None
    table = _ADDRESS if "address" in name else _LISTS
    asked = column if "address" in name else name
    mask = next((mask for word, mask in table if word in asked), None)
    if mask in registry.names("dmengine.maskers"):
        return {"type": mask}
    return {"type": "lookup", "corpus": mask} if mask in ("street", "city") else None
