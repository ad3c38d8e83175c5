"""Promises of the scanner that the other proofs rest on: it finds what is planted, however it is hidden."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.leak.canaries import Canaries
from tests.leak.evidence import of_error, of_table
from tests.leak.matcher import Matcher
from tests.leak.sources import FILES, TABLES, zstd


def percent(content: bytes) -> bytes:
    return "".join(f"%{byte:02X}" for byte in content).encode()


def json_escaped(content: bytes) -> bytes:
    return "".join(f"\\u{byte:04x}" for byte in content).encode()


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "upper": bytes.upper,
    "lower": bytes.lower,
    "gzip": gzip.compress,
    "zstd": zstd,
    "hex": lambda content: content.hex().encode(),
    "hex in capitals": lambda content: content.hex().upper().encode(),
    "base64": base64.b64encode,
    "base64 for URLs": base64.urlsafe_b64encode,
    "utf-16-le": lambda content: content.decode().encode("utf-16-le"),
    "utf-16-be": lambda content: content.decode().encode("utf-16-be"),
    "utf-16 with mark": lambda content: content.decode().encode("utf-16"),
    "percent": percent,
    "quoted": lambda content: quote(content.decode()).encode(),
    "json": json_escaped,
    "json string": lambda content: json.dumps(content.decode()).encode(),
    "repr": lambda content: repr(content).encode(),
    "entities": lambda content: "".join(f"&#{byte};" for byte in content).encode(),
    "pickle": lambda content: pickle.dumps({"value": [content]}),
}
NESTED = [("gzip", "base64"), ("base64", "json"), ("hex", "percent"), ("utf-16-le", "base64"), ("json", "gzip"),
          ("zstd", "hex"), ("base64", "base64"), ("gzip", "gzip")]  # fmt: skip


def planted() -> tuple[Canaries, list[str]]:
    canaries = Canaries()
    made = [*canaries.texts(3), *canaries.emails(3), *canaries.cards(3), *canaries.phones(3)]
    for values in (canaries.integers(3), canaries.decimals(3), canaries.doubles(3), canaries.days(3)):
        made += map(str, values)
    return canaries, [*made, *(moment.isoformat() for moment in canaries.moments(3))]


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc"], ids=len)
@pytest.mark.parametrize("way", ENCODINGS)
def test_scanner_finds_what_is_planted(way: str, before: bytes) -> None:
    """A canary of any kind is found in every encoding, wherever it begins."""
    canaries, made = planted()

    missed = [value for value in made if not canaries.found(ENCODINGS[way](before + value.encode() + b" tail"))]

    assert missed == []


@pytest.mark.parametrize(("inner", "outer"), NESTED)
def test_scanner_finds_encodings_within_encodings(inner: str, outer: str) -> None:
    """A canary that is encoded twice is found too."""
    canaries, made = planted()

    missed = [v for v in made if not canaries.found(ENCODINGS[outer](ENCODINGS[inner](b"x" + v.encode() + b" tail")))]

    assert missed == []


def test_scanner_finds_numbers_and_times_as_machines_write_them() -> None:
    """Integers, decimals, floats and timestamps are found as eight bytes in either order."""
    canaries = Canaries()
    numbers = pa.array(canaries.integers(5))
    decimals = pa.array(canaries.decimals(5), pa.decimal128(20, 4))
    floats, moments = pa.array(canaries.doubles(5)), pa.array(canaries.moments(5))

    found = [
        len(set(canaries.search(array.buffers()[1].to_pybytes()))) for array in (numbers, decimals, floats, moments)
    ]

    assert found == [5, 5, 5, 5]


@pytest.mark.parametrize("name", sorted(FILES))
def test_scanner_finds_every_cell_of_every_format(name: str, tmp_path: Path) -> None:
    """In the sources of the proofs, each single canary is found: none is written in a way that hides it."""
    canaries, path = Canaries(), tmp_path / Path(name).name
    table = TABLES[name.split("/")[0]](canaries, 25)
    FILES[name](path, table)
    unused = 24 if name == "typed/plain.parquet" else 0  # written without dictionaries, so without unused entries

    found = {canary for canary, _ in canaries.search(path.read_bytes(), depth=1)}

    assert len(found) == canaries.count - unused


def test_scanner_finds_unused_dictionary_entries() -> None:
    """A value that no row points to any more is found, in a Parquet dictionary page and in Arrow memory."""
    canaries = Canaries()
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), ["plain", *canaries.texts(1)])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": coded}), sink, compression="snappy")

    in_file = {where.split(" ")[0] for _, where in canaries.search(sink.getvalue().to_pybytes())}
    in_memory = {name for name, content in of_table(pa.table({"a": coded})) if canaries.found(content)}

    assert {"pages", "dictionaries"} <= in_file
    assert {"buffers of a", "ipc"} <= in_memory


def test_scanner_finds_bytes_behind_nulls() -> None:
    """A value that only lies behind a null is found in Arrow memory."""
    canaries = Canaries()
    full = pa.array(canaries.texts(2))
    hidden = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\0"), *full.buffers()[1:]])

    found = {name for name, content in of_table(pa.table({"a": hidden})) if canaries.found(content)}

    assert "buffers of a" in found
    assert "values" not in found


def test_scanner_finds_what_errors_hold() -> None:
    """A canary in an attribute, in a suppressed context, or deep inside what an error holds is found."""
    canaries = Canaries()
    first, second, third = canaries.texts(3)
    error = ValueError("nothing")
    error.detail = {"rows": [(pa.array([first]),)]}  # type: ignore[attr-defined]
    error.__context__ = UnicodeDecodeError("utf-8", second.encode(), 0, 1, "bad")
    error.__suppress_context__ = True
    error.add_note(third)

    found = {hit.split(" ")[0] for _, content in of_error(error) for hit in canaries.found(content)}

    assert found == {first, second, third}


def test_scanner_does_not_cry_wolf() -> None:
    """Masked-looking data of the kinds that runs write holds no canary."""
    canaries, _ = planted()
    canaries.texts(10_000)
    canaries.cards(10_000)
    others = Canaries()
    others.count = 10_000_000
    noise = json.dumps({"texts": others.texts(3000), "cards": others.cards(3000), "whole": others.integers(3000)})

    assert canaries.found(noise.encode()) == []


def test_matcher_finds_what_a_plain_search_finds() -> None:
    """Needles are found at every offset, across the seams of its slices, and with shared beginnings."""
    needles = [b"aaaaaaaa", b"aaaaaaaab", b"12345678", b"1234567890123"]
    hay = b"x" * ((8 << 20) - 4) + b"aaaaaaaab12345678901234" + b"12345678"

    found = sorted(Matcher(needles).find(hay))

    assert found == sorted(
        (hay.find(n, i), n) for n in needles for i in range(len(hay) - 40, len(hay)) if hay.find(n, i) == i
    )
