"""The contracts that a plugin implements: masker, records, format, source, sink, store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.errors import RunError
from dmengine.paths import FieldPath
from dmengine.values import (
    Check,
    CheckStatus,
    DatasetInfo,
    Described,
    Finding,
    Leftovers,
    Limits,
    Outcome,
    Part,
    Positions,
    Sealed,
    Selection,
    Severity,
    Side,
    TargetLimits,
    Words,
)

Uniqueness = Literal["injective", "lossy", "unknown"]
Scope = Literal["value", "row", "column"]

__all__ = [
    "Check", "CheckStatus", "Checked", "DatasetInfo", "Described", "Finding", "Format", "GoneError", "Leftovers",
    "Limits", "MaskContext", "Masker", "Outcome", "Part", "Positions", "RecordStream", "Records", "RunInfo", "Scope",
    "Sealed", "Selection", "Severity", "Side", "Sink", "Source", "Store", "TargetLimits", "Uniqueness", "Words",
    "domains_used", "fields_read", "findings_of", "is_keyed",
]  # fmt: skip


# ---------------------------------------------------------------------------------------------- maskers


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

    def count(self, what: str, each: Positions) -> None:
        """Say how often something was found in each value: the report has the sum over the run."""
        ...

    def in_domain(self, domain: str) -> MaskContext:
        """Return the context of another domain, with mismatches of its own: for values found inside of a value."""
        ...


@runtime_checkable
class Masker(Protocol):
    """A pure function over one column. A frozen dataclass: its fields are its parameters.

    The engine calls `mask` with values that hold no nulls and no dictionary, perhaps only with the
    distinct ones (scope "value"), and puts nulls and duplicates back.

    Three more things a masker may declare: `keyed = False` where the key has no say in the result; `reads`, the
    names of the fields that it asks for by `ctx.beside`; and `domains`, pairs of the domains that it asks for by
    `ctx.in_domain` with the masks that it uses there.

    One that a person should be warned of, or whose domain is small, may have `findings(field)`: what the plan is to
    say of it for a field of this type (null, where documents say for themselves what they hold). One that chooses among
    a known number of results, as if by lot, may say so by `capacity`, and by `unique` that it shall keep values apart:
    the plan says how many values are expected to share a result.
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


def findings_of(masker: Masker, field: pa.Field) -> tuple[Finding, ...]:
    """Return what a mask has to say of itself in a plan: its warnings, and the size of a small domain."""
    said: Callable[[pa.Field], Iterable[Finding]] | None = getattr(masker, "findings", None)
    return tuple(said(field)) if said is not None else ()


def domains_used(masker: Masker) -> tuple[tuple[str, Masker], ...]:
    """Name the domains that a mask works in beside its rule's own, each with the mask that it uses there."""
    return tuple(getattr(masker, "domains", ()))


# ---------------------------------------------------------------------------------------------- records


@runtime_checkable
class Records(Protocol):
    """A batch of records, in the form its format keeps. Immutable: changes return a new batch.

    It may say by `nbytes` how much memory it takes, for masks of whole columns, which hold all batches of a part.
    """

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
        format: The format that read them, where files are; the sink writes with it.
        codec: How the file was compressed as a whole, where files are; the sink compresses so.
    """

    batches: Iterator[Records]
    schema: pa.Schema | None
    form: Any = None
    findings: tuple[Finding, ...] = ()
    format: Format | None = None
    codec: str = ""

    def close(self) -> None:
        """Let go of what the records are read from, whether or not all of them were pulled."""
        if isinstance(self.batches, Generator):
            self.batches.close()


# ---------------------------------------------------------------------------------------------- formats


@runtime_checkable
class Format(Protocol):
    """Reads a file as records, and writes records back in the form they were read in.

    A frozen dataclass: its fields are the options a user may set. One that knows without reading records how many
    different values the fields have may have `look(file)`, which returns the schema and these counts by path
    (`DatasetInfo.most`).
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


class Store(Protocol):
    """A place for small objects: the journal's ground. A folder here, a bucket prefix elsewhere."""

    @property
    def location(self) -> str:
        """Where it lies, as a person would write it."""
        ...

    @property
    def at_once(self) -> int:
        """How many objects are worth reading at the same time."""
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

    def delete(self, *names: str) -> Sequence[Finding]:
        """Remove objects, in any order; no error for one that is not there. Say what stays, for want of rights."""
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


class GoneError(RunError):
    """What was sealed is gone and not published either: the engine seals these parts again, from the source.

    Attributes:
        parts: Their ids.
    """

    def __init__(self, message: str, *, hint: str = "", parts: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.parts = tuple(parts)

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), hint=self.hint, parts=self.parts), (self.message,), {"place": self.place}


@runtime_checkable
class Checked(Protocol):
    """A source or sink that can say whether it would work, and whether it is safe, before anything is read."""

    def check(self, side: Side, *, probe: bool = False, brief: bool = False) -> Iterable[Check]:
        """Look at identities, rights and settings, as what it is to be used.

        Args:
            side: What it is to be used as.
            probe: Whether something may be written to prove the rights; it is removed again. Without, nothing changes.
            brief: Only what could be dangerous, before a run: what a run would come upon by itself is left out.
        """
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
        """Make sealed parts visible, one by one. Idempotent; rolls forward only.

        Raises:
            GoneError: parts are neither sealed any more nor published; all the others are published.
        """
        ...

    def discard(self, run: RunInfo) -> None:
        """Remove every part of this run that is not published."""
        ...

    def cleanup(self, run: RunInfo) -> Leftovers:
        """Remove what the run needed and name what could not be removed."""
        ...
