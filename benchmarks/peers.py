"""What other tools need for the work of a mask: bound, timed, and checked to have done it."""

from __future__ import annotations

import importlib
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from dmengine.spi import Masker

Work = Callable[[], Any]
Check = Callable[[pa.ChunkedArray, pa.Array, pa.Array], bool]
"""Gets the originals, what the peer made of them, and what ours did."""

FASTEST: Final = 1.0
"""The limit of a peer that the catalogue names none for: it is to be beaten."""


class MissingPeerError(Exception):
    """A peer is not installed."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One tool's way to do what a mask does.

    Attributes:
        tool: Its name.
        does: How it is asked.
        mask: Ours.
        column: What both are given, by its name in `mask_columns`.
        bind: Makes the work, with all that can be made before the clock starts; raises `MissingPeerError`.
        check: Whether a result is the work; ours is held to it too.
        limit: How many times faster than it ours is to be.
        values: At most so many are given to it; ours always takes all of them.
        less: What it leaves out that ours does; empty where nothing.
    """

    tool: str
    does: str
    mask: Masker
    column: str
    bind: Callable[[pa.ChunkedArray], Work]
    check: Check
    limit: float = FASTEST
    values: int = 1_000_000
    less: str = ""


@dataclass(frozen=True, slots=True)
class Timed:
    """CPU time for one value in nanoseconds; None: not installed."""

    values: int
    min_ns: float | None
    median_ns: float | None


def measure_peer(
    peer: Peer, column: pa.ChunkedArray, ours: Callable[[pa.ChunkedArray], pa.Array], rounds: int
) -> Timed:
    """Time a peer over the first of these values.

    Raises:
        AssertionError: what came out, of the peer or of ours, is not what was asked.
    """
    given = column.slice(0, peer.values).combine_chunks()
    given = pa.chunked_array([given] if isinstance(given, pa.Array) else given.chunks)
    try:
        work = peer.bind(given)
    except MissingPeerError:
        return Timed(len(given), None, None)
    made = _as_array(work())
    if len(made) != len(given) or not peer.check(given, made, ours(given)):
        raise AssertionError(f"{peer.tool}: {peer.does}: that is not what {peer.mask.name} does of {peer.column}")
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append((time.process_time() - start) / len(given) * 1e9)
    return Timed(len(given), min(times), statistics.median(times))


def _as_array(made: Any) -> pa.Array:
    if isinstance(made, pa.Table):
        made = made.column(0)
    elif hasattr(made, "to_series"):
        made = made.to_series().to_arrow()
    array = made if isinstance(made, (pa.Array, pa.ChunkedArray)) else pa.array(made)
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return whole.cast(pa.string()) if pa.types.is_large_string(whole.type) else whole


def like(pattern: str) -> Check:
    """Take results that look like this in full, and are not the originals.

    >>> like("[A-Z][a-z]+")(pa.chunked_array([["x"]]), pa.array(["Ann"]), pa.array(["Bob"]))
    True
    """
    whole = re.compile(pattern)

    def looks(given: pa.ChunkedArray, theirs: pa.Array, ours: pa.Array) -> bool:
        return all(_is_like(whole, given, made) for made in (theirs, ours))

    return looks


def _is_like(whole: re.Pattern[str], given: pa.ChunkedArray, made: pa.Array) -> bool:
    few = made.slice(0, 2_000).cast(pa.string()).to_pylist()
    before = given.slice(0, len(few)).cast(pa.string()).to_pylist()
    kept = sum(old == new for old, new in zip(before, few, strict=True))
    return all(text is not None and whole.fullmatch(text) for text in few) and kept <= len(few) // 10


def same(given: pa.ChunkedArray, theirs: pa.Array, ours: pa.Array) -> bool:
    """Take results that equal ours, value by value."""
    if pa.types.is_floating(ours.type):
        return bool(pc.all(pc.less(pc.abs(pc.subtract(theirs.cast(ours.type), ours)), 1e-9)).as_py())
    return bool(theirs.cast(ours.type).equals(ours))


def near(most: float) -> Check:
    """Take numbers that differ from ours by no more: rounding has more than one rule for ties."""

    def close(given: pa.ChunkedArray, theirs: pa.Array, ours: pa.Array) -> bool:
        return bool(pc.max(pc.abs(pc.subtract(theirs, ours))).as_py() <= most)

    return close


def permuted(given: pa.ChunkedArray, theirs: pa.Array, ours: pa.Array) -> bool:
    """Take the originals in another order."""
    wanted = pc.value_counts(given.take(pc.sort_indices(given)))
    return all(pc.value_counts(made.take(pc.sort_indices(made))).equals(wanted) for made in (theirs, ours))


def module(name: str) -> Any:
    """Import a peer."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingPeerError(name) from None


def each(function: Callable[[str], Any]) -> Callable[[list[str]], Work]:
    """Call a function for each value: for tools that know no other way."""
    return lambda texts: lambda: [function(text) for text in texts]
