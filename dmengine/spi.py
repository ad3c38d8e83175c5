"""The contracts that a plugin implements, with the value types they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, BinaryIO, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.paths import FieldPath

Uniqueness = Literal["injective", "lossy", "unknown"]
Scope = Literal["value", "row", "column"]
Severity = Literal["info", "warning", "error"]
Words = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know about a plan or a run; never a value."""

    severity: Severity
    message: str
    where: str = ""
    hint: str = ""


# ---------------------------------------------------------------------------------------------- maskers


@dataclass(frozen=True, slots=True)
class Limits:
    """What the target can hold in one field. None: no limit of its own beyond the Arrow type."""

    max_bytes: int | None = None
    precision: int | None = None
    scale: int | None = None


class MaskContext(Protocol):
    """What a masker may know beside the values: its domain, keyed bits, and the rest of the record."""

    @property
    def domain(self) -> str:
        """The pseudonymisation domain: equal values of one domain get equal masks."""
        ...

    def bits(self, values: pa.Array, purpose: str = "") -> Words:
        """Return the keyed PRF of the canonical form of each value, as (n, 2) uint64."""
        ...

    def row_bits(self, purpose: str = "") -> Words:
        """Return keyed bits of (part, record, element), for masks that are not consistent."""
        ...

    def key(self, purpose: str, size: int) -> bytes:
        """Return a key of this domain, for ciphers."""
        ...

    def beside(self, field: str) -> pa.Array:
        """Return the ORIGINAL values of another field, aligned one to one with `values`."""
        ...

    def mismatch(self, where: npt.NDArray[np.bool_]) -> None:
        """Report the values that this mask cannot take; what it returns there is thrown away."""
        ...


@runtime_checkable
class Masker(Protocol):
    """A pure function over one column. A frozen dataclass: its fields are its parameters.

    The engine calls `mask` with values that hold no nulls and no dictionary, perhaps only with the
    distinct ones (scope "value"), and puts nulls and duplicates back.

    Two more things a masker may declare: `keyed = False` where the key has no say in the result, and
    `reads`, the names of the fields that it asks for by `ctx.beside`.
    """

    @property
    def name(self) -> str:
        """The name that rulesets use."""
        ...

    @property
    def consistent(self) -> bool:
        """Equal in, equal out."""
        ...

    @property
    def uniqueness(self) -> Uniqueness:
        """Whether different values stay different."""
        ...

    @property
    def reversible(self) -> bool:
        """Whether the key gives the original back."""
        ...

    @property
    def scope(self) -> Scope:
        """Whether one value, its record, or a whole part decides the result."""
        ...

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse (PlanError) a field that this mask cannot take, or say what comes out."""
        ...

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return the masked values: as many as came in, of the planned type."""
        ...


def is_keyed(masker: Masker) -> bool:
    """Say whether the key has a say in what a mask returns; one that declares nothing is taken as keyed."""
    return bool(getattr(masker, "keyed", True))


def fields_read(masker: Masker) -> tuple[str, ...]:
    """Name the fields that a mask reads beside its own."""
    return tuple(getattr(masker, "reads", ()))


# ---------------------------------------------------------------------------------------------- records


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


@runtime_checkable
class Records(Protocol):
    """A batch of records, in the form its format keeps. Immutable: changes return a new batch."""

    @property
    def num_rows(self) -> int:
        """How many records the batch has."""
        ...

    def fields(self, opened: Iterable[FieldPath] = ()) -> Iterable[FieldPath]:
        """Name what is present: leaves, and containers that hold none of the `opened` paths (not looked into)."""
        ...

    def select(self, path: FieldPath) -> Sequence[Selection]:
        """Return what is at the path, one selection for each kind of value present."""
        ...

    def replace(self, path: FieldPath, selections: Sequence[Selection]) -> Records:
        """Put the values of (all) selections of `select` back, changed."""
        ...

    def drop(self, path: FieldPath) -> Records:
        """Remove the field, as if it had never been there."""
        ...

    def blank(self, path: FieldPath) -> Records:
        """Make the field null, with all that is below it."""
        ...


@dataclass(frozen=True, slots=True)
class RecordStream:
    """Batches of records of one part, with the form they were read in.

    Attributes:
        batches: Pulled by the sink; nothing is read before.
        schema: The Arrow schema, or None where each record says for itself what it holds (documents).
        form: Format, codec, dialect, metadata as read: what the writer needs to write the same form again.
        findings: What of the form a person should know: what is not carried over, or not exactly.
    """

    batches: Iterator[Records]
    schema: pa.Schema | None
    form: Any = None
    findings: tuple[Finding, ...] = ()


# ---------------------------------------------------------------------------------------------- formats


@runtime_checkable
class Format(Protocol):
    """Reads a file as records, and writes records back in the form they were read in.

    A frozen dataclass: its fields are the options a user may set.
    """

    @property
    def name(self) -> str:
        """The name that job files use."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings, without a codec's: `.csv`, `.tsv`."""
        ...

    @property
    def codecs(self) -> bool:
        """Whether the file as a whole may be compressed (`.gz`, `.zst`)."""
        ...

    def for_name(self, name: str) -> Format:
        """Return the format with the options that a file's name implies (a tab for `.tsv`)."""
        ...

    def schema(self, file: BinaryIO) -> pa.Schema | None:
        """Read just enough to know the schema; None for documents."""
        ...

    def read(self, file: BinaryIO) -> RecordStream:
        """Read the file lazily, in batches of bounded memory. Parquet needs a seekable file."""
        ...

    def write(self, stream: RecordStream, file: BinaryIO) -> int:
        """Write all batches in the stream's own form, and return the number of records."""
        ...


# ---------------------------------------------------------------------------------------------- connectors


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
    """What a source knows of one dataset without side effects."""

    name: str
    schema: pa.Schema | None
    size: int | None = None
    form: str = ""


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
    """What is left behind after clean-up, each thing named; empty means proven clean."""

    names: tuple[str, ...] = ()


class Store(Protocol):
    """A place for small objects: the journal's ground. A folder here, a bucket prefix elsewhere."""

    @property
    def location(self) -> str:
        """Where it lies, as a person would write it."""
        ...

    def names(self, prefix: str = "") -> list[str]:
        """List the objects below a prefix, sorted."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, or None if there is none."""
        ...

    def create(self, name: str, body: bytes) -> bool:
        """Write a whole new object durably; False, and no change, if there is one already."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object; no error if there is none."""
        ...


class RunInfo(Protocol):
    """A run as its connectors see it: an id, and notes that outlive a crash. It pickles."""

    @property
    def run_id(self) -> str:
        """The name of the run."""
        ...

    def note(self, part: str, key: str, value: str) -> None:
        """Write a note durably, once: a second note of the same name must be equal."""
        ...

    def get(self, part: str, key: str) -> str | None:
        """Read a note back, in any process of the run."""
        ...


@runtime_checkable
class Source(Protocol):
    """Where records come from."""

    def describe(self) -> Described:
        """Say what is there. No side effects."""
        ...

    def sample(self, dataset: str, rows: int) -> RecordStream:
        """Read about `rows` records. No side effect on the store."""
        ...

    def prepare(self, run: RunInfo) -> Iterable[Part]:
        """List, export or UNLOAD; the same parts again when called again for one run id."""
        ...

    def read(self, part: Part) -> RecordStream:
        """Read one part, in any process."""
        ...

    def cleanup(self, run: RunInfo) -> Leftovers:
        """Remove what `prepare` made; called at the end, whatever happened."""
        ...


@runtime_checkable
class Sink(Protocol):
    """Where masked records go. One object may be source and sink, so no two methods share a name by chance."""

    @property
    def location(self) -> str:
        """Where it lies, as a person would write it."""
        ...

    def limits(self, source: Described) -> TargetLimits:
        """Say what the target can hold, and refuse a target that must not be. No side effects."""
        ...

    def journal(self) -> Store:
        """Return the place where journals of runs into this target lie by default."""
        ...

    def start(self, run: RunInfo, source: Described) -> None:
        """Make ready for parts."""
        ...

    def write(self, run: RunInfo, part: Part, records: RecordStream) -> Sealed:
        """Write one part durably but not visibly. May be called again for the same part."""
        ...

    def copy(self, run: RunInfo, part: Part, source: Source) -> Sealed:
        """Carry an object over as it is (action "copy")."""
        ...

    def publish(self, run: RunInfo, sealed: Iterable[Sealed]) -> None:
        """Make sealed parts visible, one by one. Idempotent; rolls forward only."""
        ...

    def discard(self, run: RunInfo) -> None:
        """Remove every part of this run that is not published."""
        ...

    def cleanup(self, run: RunInfo) -> Leftovers:
        """Remove what the run needed and name what could not be removed."""
        ...
