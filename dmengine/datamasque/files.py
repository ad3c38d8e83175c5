"""Seed files of DataMasque rulesets, and the masks that give such values here."""

from __future__ import annotations

from typing import Any, Final

from dmengine import registry

_LISTS: Final = (("firstname", "first_name"), ("lastname", "last_name"), ("companies", "company"),
                 ("occupation", "job"), ("country", "country"), ("credit_card", "credit_card"))  # fmt: skip
_ADDRESS: Final = (("street", "street"), ("address", "street"), ("suburb", "city"), ("city", "city"),
                   ("postcode", "postcode"), ("zip", "postcode"), ("state", "state"))  # fmt: skip


def from_file(seed_file: str, column: str) -> dict[str, Any] | None:
    """Name the mask in place of a seed file and its column; None where neither the file nor the column is known.

    Files that come with DataMasque have lists of ours in their place; those of one's own stay what they are.

    >>> from_file("DataMasque_firstNames_mixed.csv", "firstname-mixed")
    {'type': 'first_name'}
    >>> from_file("our_branches.csv", "branch")
    {'type': 'from_file', 'file': 'our_branches.csv', 'column': 'branch'}
    """
    name, asked = seed_file.casefold(), column.casefold()
    if name.startswith("datamasque_"):
        of_address = "address" in name
        word = asked if of_address else name
        mask = next((mask for part, mask in (_ADDRESS if of_address else _LISTS) if part in word), None)
        if mask in registry.names("dmengine.maskers"):
            return {"type": mask}
        if mask in ("street", "city"):
            return {"type": "lookup", "corpus": mask}
        if mask is not None:
            return {"type": "address", "part": mask}
    return {"type": "from_file", "file": seed_file, "column": column} if column else None
