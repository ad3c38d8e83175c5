"""The plain values that the contracts of plugins speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Severity = Literal["info", "warning", "error"]
Side = Literal["source", "target", "staging"]
CheckStatus = Literal["passed", "warning", "unknown", "failed"]
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
class Check:
    """What came of looking at one thing that a run stands on: a role, a right, how a bucket is set up. Never a value.

    "failed" stops a run: it could not work, or would be dangerous. "warning" is a thing that a person should know.
    "unknown" is what could not be looked at: neither a pass nor a failure.

    Attributes:
        name: What was looked at, the same in every version: "bucket.public", "session.hop".
        status: What came of it.
        subject: Whose: `s3://bucket/`, a role's ARN, `table users`.
        answer: What was found, in plain words.
        call: The call that told it, as AWS names it: "GetBucketPolicyStatus".
        remedy: What to do about it.
        policy: The statements that would allow what is missing, as a policy document.
    """

    name: str
    status: CheckStatus
    subject: str
    answer: str
    call: str = ""
    remedy: str = ""
    policy: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the target can hold in one field. None: no limit of its own beyond the Arrow type.

    Attributes:
        max_bytes: How many bytes of UTF-8 a text may take; masks plan for these.
        precision: How many digits a number may have.
        scale: How many of them behind the point.
        counts: What is counted when masked texts are held to `max_bytes`: bytes, or characters where the target
            writes each as one.
    """

    max_bytes: int | None = None
    precision: int | None = None
    scale: int | None = None
    counts: Literal["bytes", "characters"] = "bytes"


_LIMIT = b"dmengine.max_"


def limited(field: pa.Field, limits: Limits) -> pa.Field:
    """Return a field that says how long texts may be, for formats whose fields have a width.

    >>> limits_of(limited(pa.field("name", pa.string()), Limits(10, counts="characters")))
    Limits(max_bytes=10, precision=None, scale=None, counts='characters')
    """
    return field.with_metadata({**(field.metadata or {}), _LIMIT + limits.counts.encode(): str(limits.max_bytes)})


def limits_of(field: pa.Field) -> Limits | None:
    """Return what `limited` has said; None: nothing."""
    for counts in ("bytes", "characters"):
        said = (field.metadata or {}).get(_LIMIT + counts.encode())
        if said is not None and said.isdigit():
            return Limits(int(said), counts="bytes" if counts == "bytes" else "characters")
    return None


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
        target: What it is called at the target, where folders of its id are named by values that a rule masks.
    """

    id: str
    dataset: str
    size: int | None = None
    pin: str = ""
    action: Literal["mask", "copy"] = "mask"
    target: str = ""

    @property
    def name(self) -> str:
        """What sinks, journals, reports and errors call it: its id may hold values, its name does not."""
        return self.target or self.id


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a source knows of one dataset without side effects.

    Attributes:
        name: The name that a ruleset's `match` is held against.
        schema: The Arrow schema, or None where each record says for itself what it holds.
        size: Bytes, where known.
        form: The name of its format.
        target: What it is called at the target, where its own name holds values that a rule masks.
        most: How many different values a field has at most, by its path, where that is known.
    """

    name: str
    schema: pa.Schema | None
    size: int | None = None
    form: str = ""
    target: str = ""
    most: Mapping[str, int] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """What plans, reports and errors call it."""
        return self.target or self.name


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
        findings: What of the writing a person should know: what could not be carried over.
    """

    part: str
    location: str
    rows: int
    size: int
    checksum: str
    notes: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is left behind after clean-up, each thing named; without a finding, empty means proven clean.

    Attributes:
        names: What is left.
        denied: We may remove none of it, so that trying again is of no use.
        findings: What could not be looked at, or stays without any content.
    """

    names: tuple[str, ...] = ()
    denied: bool = False
    findings: tuple[Finding, ...] = ()
