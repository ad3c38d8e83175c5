"""What a person should know about the masks of a plan before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pyarrow as pa

from dmengine.decisions import Decision
from dmengine.errors import at
from dmengine.merging import merging_findings, needs_a_count, refuse_merging
from dmengine.spi import DatasetInfo, Finding, Masker, findings_of

WHOLE_PART: Final = 256 << 20
"""How many bytes of a part's records are held in memory for a mask of whole columns."""


def mask_findings(decision: Decision, given: pa.Field | None) -> Iterator[Finding]:
    """Say what the masks of a rule have to say of themselves, for one field; None: documents, of any type."""
    values = given if given is not None else pa.field(decision.path.leaf, pa.null())
    for masker in (decision.masker, decision.rule.otherwise):
        if not isinstance(masker, Masker) or pa.types.is_nested(values.type):
            continue
        for finding in findings_of(masker, values):
            yield replace(finding, where=str(decision.path))
        if masker.scope == "column":
            yield _column_finding(masker, str(decision.path))


def _column_finding(masker: Masker, path: str) -> Finding:
    return Finding(
        "warning",
        f"{masker.name} masks each object or table as a whole: what comes out depends on all that is in it, so equal "
        "values are masked differently in another one",
        path,
        "use a mask that takes values one by one where columns are joined",
    )


class Counted:
    """How many different values each masked field has at most, over all datasets of a source."""

    def __init__(self) -> None:
        self._most: dict[tuple[str, int], tuple[Masker, int | None]] = {}

    def add(self, decision: Decision, info: DatasetInfo) -> None:
        """Count the field of one dataset; one that does not know makes the whole unknown."""
        masker, path = decision.masker, str(decision.path)
        if masker is None:
            return
        before = self._most.get((path, id(decision.rule)), (masker, 0))[1]
        here = info.most.get(path)
        self._most[path, id(decision.rule)] = masker, None if before is None or here is None else before + here

    def findings(self) -> Iterator[Finding]:
        """Say how many values of each field are expected to share a result."""
        for (path, _), (masker, most) in self._most.items():
            for finding in merging_findings(masker, most):
                yield replace(finding, where=path)


def check_unique(decision: Decision, column: pa.ChunkedArray) -> None:
    """Count the values of a table's column, where its mask shall keep more apart than it may be able to.

    Raises:
        PlanError: the mask has too few results.
    """
    masker, rows = decision.masker, len(column) - column.null_count
    if masker is not None and decision.rule.when is None and needs_a_count(masker, rows):
        with at(field=str(decision.path)):
            refuse_merging(masker, len(column.unique()) - bool(column.null_count))


def too_large(info: DatasetInfo) -> Finding | None:
    """Say whether an object is sure to be larger than what may be held for a mask of whole columns."""
    if info.size is None or info.size <= WHOLE_PART:
        return None
    return Finding(
        "error",
        f"a mask of whole columns holds an object in memory, and this one has more than {WHOLE_PART >> 20} MiB",
        info.name,
        "write the source in smaller objects, or use a mask that takes values one by one",
    )
