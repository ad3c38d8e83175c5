"""The plain values that the contracts of plugins speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Severity = Literal["info", "warning", "error"]
Words = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know about a plan or a run; never a value."""

    severity: Severity
    message: str
    where: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the target can hold in one field. None: no limit of its own beyond the Arrow type."""

    max_bytes: int | None = None
    precision: int | None = None
    scale: int | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Values of one kind found at one path of a batch, with the place of each.

    Attributes:
        values: A flat Arrow array. Explicit nulls are nulls; absent values are not in it.
        rows: The record (within the batch) of each value, not decreasing; None: value i is record i's.
        elements: For each list or map level of the path, the ordinal of the element within its record.
        slots: The format's own note of where to put each value back. The engine only hands it on.
    """

    values: pa.Array = field(repr=False)
    rows: Positions | None = field(default=None, repr=False)
    elements: tuple[Positions, ...] = field(default=(), repr=False)
    slots: Any = field(default=None, repr=False)

    def with_values(self, values: pa.Array) -> Selection:
        """Return the same places with other values."""
        return Selection(values, self.rows, self.elements, self.slots)


@dataclass(frozen=True, slots=True)
class Part:
    """One independently readable piece of a source: a file, a shard, a slice.

    Attributes:
        id: Unique and stable within the source; file parts use the path below the source's root.
        dataset: The name that a ruleset's `match` is held against.
        size: Bytes, where known.
        pin: What must still be true of it when it is read (ETag, version, mtime and size).
        action: "mask", or "copy" for an object that the user asked to carry over as it is.
    """

    id: str
    dataset: str
    size: int | None = None
    pin: str = ""
    action: Literal["mask", "copy"] = "mask"


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a source knows of one dataset without side effects.

    Attributes:
        name: The name that a ruleset's `match` is held against.
        schema: None where each record says for itself what it holds.
        size: Bytes, where known.
        form: The name of its format.
        most: How many different values a field has at most, by its path, where that is known.
    """

    name: str
    schema: pa.Schema | None
    size: int | None = None
    form: str = ""
    most: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, or will happen, to an object that is not masked: `copied`, `skipped`, `excluded`."""

    name: str
    outcome: str
    why: str


@dataclass(frozen=True, slots=True)
class Described:
    """A source, described without side effects."""

    kind: str
    location: str
    datasets: tuple[DatasetInfo, ...]
    fingerprint: str
    outcomes: tuple[Outcome, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetLimits:
    """What a sink can hold, and what it cannot carry."""

    fields: Mapping[str, Limits] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A part that is durable and complete at the target, but not yet visible.

    Attributes:
        part: The part's id.
        location: Where it will be visible.
        rows: Records written.
        size: Bytes written.
        checksum: SHA-256 of the bytes written, in hex.
        notes: The sink's own notes for publish (temp name, upload id).
    """

    part: str
    location: str
    rows: int
    size: int
    checksum: str
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is left behind after clean-up, each thing named; empty means proven clean.

    Attributes:
        names: What is left.
        denied: We may remove none of it, so that trying again is of no use.
    """

    names: tuple[str, ...] = ()
    denied: bool = False
