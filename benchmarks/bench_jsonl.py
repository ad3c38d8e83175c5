"""JSON Lines in, JSON Lines out, beside a plain copy and beside a loop: `python -m benchmarks.bench_jsonl`."""

from __future__ import annotations

import gzip
import hmac
import importlib
import io
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final, cast

from isal import igzip

import dmengine as dm
from benchmarks.filespeed import Measured, command, rewrite, rewrite_file, timed
from dmengine.connectors import LocalFiles
from dmengine.maskers import Hash
from dmengine_connectors.formats.codecs import GZIP_LEVEL, compressed, decompressed
from dmengine_connectors.formats.jsonl import JsonLines

ROWS: Final = 40_000
ROUNDS: Final = 9
MASKED: Final = ("first_name", "email", "phone")
NESTED: Final = ("customer.name", "items[*].sku", "customer.emails[*]")
Dumps = Callable[[Any], bytes]


def flat_record(i: int) -> dict[str, Any]:
    """Make a record of twelve attributes, about 280 bytes."""
    return {
        "id": i, "first_name": ("Alice", "Bob", "Carla")[i % 3], "last_name": f"Smith{i * 7919 % 9999}",
        "email": f"user{i}@example.com", "phone": f"+49 170 {i * 104729 % 10**7:07}", "city": "Berlin",
        "zip": f"{i * 31 % 99999:05}", "country": "DE", "created_at": f"2024-01-05T12:33:{i % 60:02}Z",
        "balance": i % 10**6 / 100, "active": i % 2 == 0, "note": "nothing, really: it is just a note here",
    }  # fmt: skip


def nested_record(i: int) -> dict[str, Any]:
    """Make a record with objects in lists and lists in objects."""
    items = [{"sku": f"S{k * i}", "qty": k, "price": 1.5 * k, "tags": ["x", "y"]} for k in range(i % 5)]
    address = {"street": f"Main st {i}", "zip": "12345"}
    return {"id": i, "customer": {"name": f"Ann {i}", "address": address, "emails": [f"a{i}@x.org"]}, "items": items}


def copy(content: bytes) -> None:
    """Copy the bytes in blocks, the floor of all work."""
    source, target = io.BytesIO(content), io.BytesIO()
    while block := source.read(1 << 20):
        target.write(block)


def by_loop(content: bytes, loads: Callable[[bytes], Any], dumps: Dumps, *, nested: bool) -> None:
    """Do the same record by record: no check of duplicate keys, and floats for numbers."""
    target, known = io.BytesIO(), set(flat_record(0)) | set(nested_record(0))
    for line in io.BytesIO(content):
        record = loads(line)
        assert record.keys() <= known
        if nested:
            record["customer"]["name"] = "Zoe Example"
            record["customer"]["emails"] = ["Zoe Example"] * len(record["customer"]["emails"])
            for item in record["items"]:
                item["sku"] = "Zoe Example"
        else:
            for name in MASKED:
                record[name] = "Zoe Example"
        target.write(dumps(record) + b"\n")


def peers() -> dict[str, tuple[Callable[[bytes], Any], Dumps]]:
    """Name the parsers that are installed."""
    msgspec = importlib.import_module("msgspec")
    found: dict[str, tuple[Callable[[bytes], Any], Dumps]] = {
        "loop of json": (json.loads, lambda record: json.dumps(record, separators=(",", ":")).encode()),
        "loop of msgspec": (msgspec.json.decode, msgspec.json.encode),
    }
    try:
        orjson = importlib.import_module("orjson")
    except ImportError:
        return found
    return {**found, "loop of orjson": (orjson.loads, orjson.dumps)}


def contenders(content: bytes, masked: tuple[str, ...], *, nested: bool) -> dict[str, Callable[[], None]]:
    """Name the work on one file."""
    work: dict[str, Callable[[], None]] = {
        "copy": lambda: copy(content),
        "dmengine, names checked, nothing replaced": lambda: rewrite(JsonLines(), content, ()),
        "dmengine, names checked, 3 fields replaced": lambda: rewrite(JsonLines(), content, masked),
    }
    for name, (loads, dumps) in peers().items():
        work[name] = lambda loads=loads, dumps=dumps: by_loop(content, loads, dumps, nested=nested)  # type: ignore[misc]
    return work


def run_on_files(content: bytes) -> None:
    """Mask a gzip file into another by a whole run: plan, journal, three masks that are keyed, checksum and publish."""
    rules = dm.Ruleset(
        [dm.Rule(name, Hash()) for name in MASKED], unlisted=dm.keep(because="a benchmark of the format")
    )
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "in"), Path(folder, "out")
        source.mkdir()
        (source / "data.jsonl.gz").write_bytes(content)
        dm.run(LocalFiles(source), LocalFiles(target), rules, dm.Key.generate(), workers=1)


def through(content: bytes, work: Callable[[BinaryIO, BinaryIO], None]) -> None:
    """Do work on the plain bytes of a gzip file, and write another, both by ISA-L."""
    with compressed(io.BytesIO(), "gzip") as target, decompressed(io.BytesIO(content), "gzip") as source:
        work(source, target)


def loop_on_files(
    content: bytes, loads: Callable[[bytes], Any], dumps: Dumps, *, isal: bool, mask: Callable[[str], str]
) -> None:
    """Mask a gzip file record by record, by ISA-L or as Python's gzip module does it at zlib's own level."""

    def lines(source: BinaryIO, target: BinaryIO) -> None:
        known = set(flat_record(0))
        for line in source:
            record = loads(line)
            assert record.keys() <= known
            for name in MASKED:
                record[name] = mask(record[name])
            target.write(dumps(record) + b"\n")

    if isal:
        through(content, lines)
        return
    with gzip.open(io.BytesIO(content)) as source, gzip.open(io.BytesIO(), "wb", compresslevel=6) as target:
        lines(cast(BinaryIO, source), cast(BinaryIO, target))


def rewrite_through(content: bytes) -> None:
    """Put values that are at hand in the places of three fields, from gzip to gzip."""
    through(content, lambda source, target: rewrite_file(JsonLines(), source, target, MASKED))


def on_gzip(content: bytes) -> dict[str, Callable[[], None]]:
    """Name the work from gzip to gzip."""

    def fixed(value: str) -> str:
        return "Zoe Example"

    def keyed(value: str) -> str:
        return hmac.digest(bytes(range(32)), value.encode(), "sha256").hex()

    work: dict[str, Callable[[], None]] = {
        "copy: decompress, compress": lambda: through(content, shutil.copyfileobj),
        "dmengine, 3 fields replaced": lambda: rewrite_through(content),
        "dmengine, a whole run with 3 keyed masks": lambda: run_on_files(content),
    }
    name, (loads, dumps) = list(peers().items())[-1]
    for isal, by in ((True, "ISA-L"), (False, "gzip")):
        for mask, what in ((fixed, "fixed"), (keyed, "HMAC")):
            work[f"{name} by {by}, {what}"] = partial(loop_on_files, content, loads, dumps, isal=isal, mask=mask)
    return work


def measure(rows: int, rounds: int) -> list[Measured]:
    """Time all contenders in turns, on all files."""
    results: list[Measured] = []
    for name, make, masked, gaps in (
        ("12 attributes", flat_record, MASKED, (",", ":")),
        ("12, spaces", flat_record, MASKED, (", ", ": ")),
        ("nested", nested_record, NESTED, (",", ":")),
    ):
        content = b"".join(json.dumps(make(i), separators=gaps).encode() + b"\n" for i in range(rows))
        results += timed(name, rows, len(content), rounds, contenders(content, masked, nested=name == "nested"))
        if name == "12 attributes":
            results += timed(
                "12, gzip to gzip", rows, len(content), rounds, on_gzip(igzip.compress(content, GZIP_LEVEL))
            )
    return results


def main() -> None:
    command(__doc__, measure, rows=ROWS, rounds=ROUNDS)


if __name__ == "__main__":
    main()
