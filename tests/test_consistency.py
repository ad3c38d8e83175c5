"""A masked value equals itself: in every batch, format, worker, process, locale and time zone, and for ever."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dmengine as dm
from dmengine.executors import ExecutorChoice
from dmengine.keyring import Key
from dmengine.maskers import Bucket, DateShift, Email, FirstName, Fpe, Hash, LastName, Lookup, Number
from dmengine.rules import Dataset, Rule
from dmengine.spi import Format, RecordStream
from dmengine_connectors.files import LocalFiles
from dmengine_connectors.formats.csv import Csv, read_blocks
from dmengine_connectors.formats.jsonl import JsonLines
from dmengine_connectors.formats.parquet import Parquet

ROWS = 3000
ROOT = bytes.fromhex("5d0c9f3ae871b264407fd81c93ae65f20b47d9163c8ea5702f61bc84d05e9a37")
GOLDEN = Path(__file__).parent / "golden" / "end_to_end.json"
PROVE = bool(os.environ.get("DMENGINE_PROVE"))
FILES = ("people.parquet", "people.csv", "people.tsv.gz", "people.jsonl", "people.jsonl.zst")
TEXT_COLUMNS = ("customer", "first_name", "last_name", "email", "account", "city")
Values = dict[str, list[str | None]]


def people(rows: int) -> pa.Table:
    """Return people with repeated customers, names and addresses, and nulls."""
    draw = random.Random(20)
    numbers = [draw.randrange(rows) for _ in range(rows)]
    first = date(1950, 1, 1)
    columns: dict[str, tuple[pa.DataType, list[Any]]] = {
        "id": (pa.int64(), [*range(rows)]),
        "customer": (pa.string(), [f"C-{n % 400:06}" for n in numbers]),
        "first_name": (pa.string(), [draw.choice(["Ann", "ann", "Zoë", "Jürgen", "Lee, Jr.", "李"]) for _ in numbers]),
        "last_name": (pa.string(), [f"Smith{n % 50}" for n in numbers]),
        "email": (pa.string(), [f"user{n % 700}@mail{n % 9}.example" for n in numbers]),
        "account": (pa.string(), [f"4929-{n * 7919 % 10**8:08}-{n % 10**4:04}" for n in numbers]),
        "number": (pa.int64(), [(10**7 + n * 104_729) * (-1) ** n for n in numbers]),
        "amount": (pa.decimal128(12, 2), [Decimal(n * 37 % 10**6) / 100 for n in numbers]),
        "age": (pa.int64(), [n % 100 for n in numbers]),
        "born": (pa.date32(), [first + timedelta(days=n * 7) for n in numbers]),
        "seen": (pa.timestamp("us"), [datetime(2020, 1, 1) + timedelta(seconds=n * 977) for n in numbers]),
        "city": (pa.string(), [f"City {n % 300}" for n in numbers]),
    }
    holes = {name: [i % 13 == place for i in range(rows)] for place, name in enumerate(columns)}
    holes["id"] = [False] * rows
    return pa.table({name: pa.array(values, kind, mask=pa.array(holes[name]).to_numpy(zero_copy_only=False))
                     for name, (kind, values) in columns.items()})  # fmt: skip


def rules_for(*, numbers: bool = False, dates: bool = False) -> list[Rule]:
    """Return the rules; where numbers or dates are text, they say so."""
    return [
        dm.keep("id", because="a number of the row"),
        Rule("customer", Hash(size=16, prefix="c-"), domain="customer"),
        Rule("first_name", FirstName(locale="de_DE"), normalize=["casefold"]),
        Rule("last_name", LastName()),
        Rule("email", Email(), domain="person.email"),
        Rule("account", Fpe()),
        Rule("number", Fpe(), as_="integer" if numbers else None),
        Rule("amount", Number(0, 1000, decimals=2 if numbers else None), as_="number" if numbers else None),
        Rule("age", Bucket(width=10), as_="integer" if numbers else None),
        Rule("born", DateShift(days=180, by="customer"), as_="date" if dates else None),
        Rule("seen", DateShift(days=30), as_="timestamp" if dates else None),
        Rule("city", Lookup("city")),
    ]


def ruleset() -> dm.Ruleset:
    """Return the same masks for tables, for text, and for documents."""
    documents = [rule if str(rule.fields[0]) != "amount" else Rule("amount", Number(0, 1000, decimals=2))
                 for rule in rules_for(dates=True)]  # fmt: skip
    return dm.Ruleset(
        datasets=[
            Dataset("*.parquet", rules_for()),
            Dataset("*.?sv*", rules_for(numbers=True, dates=True)),
            Dataset("*.jsonl*", documents),
        ]
    )


def write_people(folder: Path, table: pa.Table) -> None:
    """Write the table in every format."""
    folder.mkdir()
    pq.write_table(table, folder / "people.parquet", row_group_size=1100)
    records = [{name: _spelt(value) for name, value in record.items()} for record in table.to_pylist()]
    (folder / "people.csv").write_bytes(_delimited(records, ","))
    (folder / "people.tsv.gz").write_bytes(gzip.compress(_delimited(records, "\t")))
    bare = {"id", "number", "amount", "age"}
    lines = [
        "{" + ", ".join(f'"{k}": {v if k in bare and v is not None else json.dumps(v)}' for k, v in r.items()) + "}\n"
        for r in records
    ]
    (folder / "people.jsonl").write_text("".join(lines), encoding="utf-8")
    with pa.CompressedOutputStream(str(folder / "people.jsonl.zst"), "zstd") as packed:
        packed.write("".join(lines).encode())


def _delimited(records: list[dict[str, str | None]], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(records[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def _spelt(value: Any) -> str | None:
    return value if value is None else value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def read_people(path: Path) -> Values:
    """Read a file back without dmengine, each value as its text."""
    if path.suffix == ".parquet":
        return of_table(pq.read_table(path))
    content = _unpacked(path)
    if ".jsonl" in path.name:
        records = [json.loads(line, parse_float=str, parse_int=str) for line in content.splitlines()]
        return {name: [record[name] for record in records] for name in records[0]}
    rows = csv.DictReader(io.StringIO(content.decode(), newline=""), delimiter="\t" if ".tsv" in path.name else ",")
    cells = [*rows]
    return {name: [row[name] or None for row in cells] for name in cells[0]}


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(content)
    return (
        bytes(pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()) if path.suffix == ".zst" else content
    )


def of_table(table: pa.Table) -> Values:
    """Return the values of a table, each as its text."""
    return {name: [_spelt(v) for v in table[name].to_pylist()] for name in table.column_names}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the people in every format."""
    folder = tmp_path_factory.mktemp("consistency") / "in"
    write_people(folder, people(ROWS))
    return folder


@pytest.fixture(scope="module")
def expected(source: Path) -> Values:
    """Return what the Arrow table of the people becomes in memory."""
    return of_table(dm.mask_table(people(ROWS), dm.Ruleset(rules_for()), Key.from_bytes(ROOT)))


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each masked file."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}


def content_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of what each masked file holds: how well gzip packs depends on the size of batches."""
    return {name: hashlib.sha256(_unpacked(folder / name)).hexdigest() for name in FILES}


@pytest.fixture(scope="module")
def simplest(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what the simplest run gives: one thread, batches as they come."""
    out = tmp_path_factory.mktemp("plain") / "out"
    dm.run(LocalFiles(source), LocalFiles(out), ruleset(), Key.from_bytes(ROOT), workers=1, progress=False)
    return out


# ------------------------------------------------------------------------------------------ formats and types


def test_every_format_gives_the_same_values(source: Path, expected: Values, tmp_path: Path) -> None:
    """A person has the same masked values in Parquet, CSV, TSV and JSON Lines, packed or not, and in memory."""
    dm.run(LocalFiles(source), LocalFiles(tmp_path / "out"), ruleset(), Key.from_bytes(ROOT), progress=False)

    for name in FILES:
        assert read_people(tmp_path / "out" / name) == expected, name


def test_masks_change_what_they_should(expected: Values) -> None:
    """The values that are compared here are masked ones, with nulls where they were."""
    before = of_table(people(ROWS))

    for name in before:
        same = [old == new for old, new in zip(before[name], expected[name], strict=True) if old is not None]
        assert sum(same) == ROWS if name == "id" else sum(same) < 0.2 * ROWS
        assert [v is None for v in before[name]] == [v is None for v in expected[name]]


def test_pandas_gives_the_same_values(expected: Values) -> None:
    """A frame is masked to the values of the table."""
    frame = people(ROWS).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)

    masked = dm.mask_frame(frame, dm.Ruleset(rules_for()), Key.from_bytes(ROOT))

    assert of_table(pa.Table.from_pandas(masked, schema=people(1).schema, preserve_index=False)) == expected


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_every_text_type_gives_the_same_values(kind: pa.DataType, expected: Values) -> None:
    """Text is masked by what it says, whatever Arrow type holds it and however it is chunked."""
    table = people(ROWS)
    for name in TEXT_COLUMNS:
        column = table[name].combine_chunks().cast(kind)
        table = table.set_column(table.column_names.index(name), name, pa.chunked_array([column[:7], column[7:]]))

    masked = dm.mask_table(table, dm.Ruleset(rules_for()), Key.from_bytes(ROOT))

    assert of_table(masked) == expected


def test_order_and_neighbours_do_not_matter(expected: Values) -> None:
    """A row is masked to the same values wherever it stands and whatever stands beside it."""
    order = random.Random(4).sample(range(ROWS), 500)

    masked = dm.mask_table(people(ROWS).take(order), dm.Ruleset(rules_for()), Key.from_bytes(ROOT))

    assert of_table(masked) == {name: [values[row] for row in order] for name, values in expected.items()}


# ------------------------------------------------------------------------------------------ batches and workers


@dataclass(frozen=True, slots=True)
class SmallBlocks(Csv):
    """CSV that is read in blocks of a given size."""

    block_bytes: int = 1 << 20

    def read(self, file: BinaryIO) -> RecordStream:
        """Read as CSV does, but for the size of blocks."""
        return read_blocks(self, file, self.block_bytes)


def in_batches(rows: int) -> dict[str, Format]:
    """Return formats that read about so many rows at once."""
    return {
        "*.parquet": Parquet(batch_rows=rows),
        "*.csv": SmallBlocks(block_bytes=rows * 130),
        "*.tsv.gz": SmallBlocks(delimiter="\t", block_bytes=rows * 130),
        "*.jsonl*": JsonLines(block_bytes=rows * 260),
    }


BATCHES = (7, 97, 1024) if PROVE else (97, 1024)


@pytest.mark.proof
@pytest.mark.parametrize(("rows", "workers"), [*product(BATCHES, (1, 4))])
def test_batches_and_workers_do_not_matter(
    rows: int, workers: int, source: Path, simplest: Path, tmp_path: Path
) -> None:
    """Cut into batches of any size, and masked by any number of threads, every file holds the same bytes."""
    given = LocalFiles(source, formats=in_batches(rows))

    dm.run(given, LocalFiles(tmp_path / "out", formats=in_batches(rows)), ruleset(), Key.from_bytes(ROOT),
           workers=workers, progress=False)  # fmt: skip

    assert content_digests(tmp_path / "out") == content_digests(simplest)


def test_records_masked_one_by_one_are_no_different(tmp_path: Path) -> None:
    """A file read one record at a time gives the same bytes as one read at once."""
    write_people(tmp_path / "in", people(40))
    for rows in (1, 1000):
        formats = in_batches(rows)
        dm.run(LocalFiles(tmp_path / "in", formats=formats), LocalFiles(tmp_path / str(rows), formats=formats),
               ruleset(), Key.from_bytes(ROOT), progress=False)  # fmt: skip

    assert content_digests(tmp_path / "1") == content_digests(tmp_path / "1000")


# ------------------------------------------------------------------------------------------ processes

ZONES = ("UTC", "Pacific/Auckland", "America/St_Johns")
HOW = (("threads", 1), ("threads", 4), ("processes", 1), ("processes", 4))
MATRIX = [*product(("0", "1", "random"), ("C", "tr_TR.UTF-8", "de_DE.UTF-8"), ZONES, HOW)]
_JOB = """
import sys
from pathlib import Path
from dmengine import Key, run
from dmengine_connectors.files import LocalFiles
from tests.test_consistency import ROOT, ruleset
if __name__ == "__main__":
    here, there, executor, workers = sys.argv[1:]
    run(LocalFiles(here), LocalFiles(there), ruleset(), Key.from_bytes(ROOT),
        executor=executor, workers=int(workers), progress=False)
"""


def sampled() -> list[Any]:
    """Return one setting of each hash seed, with threads and processes; or all, where whole proofs are wanted."""
    if PROVE:
        return MATRIX
    draw = random.Random(int(os.environ["DMENGINE_SEED"]))
    return [draw.choice([s for s in MATRIX if s[0] == seed and s[3][0] == where])
            for seed, where in (("0", "threads"), ("random", "processes"))]  # fmt: skip


@pytest.mark.proof
@pytest.mark.parametrize(("seed", "locale", "zone", "how"), sampled())
def test_processes_and_their_settings_do_not_matter(
    seed: str,
    locale: str,
    zone: str,
    how: tuple[ExecutorChoice, int],
    source: Path,
    simplest: Path,
    tmp_path: Path,
) -> None:
    """With any hash seed, locale and time zone, in threads or processes, every file is the same byte for byte."""
    (tmp_path / "job.py").write_text(_JOB)
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone, "PYTHONPATH": str(root)}
    command = [sys.executable, str(tmp_path / "job.py"), str(source), str(tmp_path / "out"), *map(str, how)]

    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "out") == digests(simplest)


# ------------------------------------------------------------------------------------------ versions


def masked_anew(folder: Path) -> dict[str, Any]:
    """Mask a few people, in every format, and return exactly what comes out."""
    write_people(folder / "in", people(6))
    dm.run(LocalFiles(folder / "in"), LocalFiles(folder / "out"), ruleset(), Key.from_bytes(ROOT), progress=False)
    out = folder / "out"
    texts = {name: (out / name).read_text(encoding="utf-8").splitlines() for name in ("people.csv", "people.jsonl")}
    return {**texts, "people.parquet": read_people(out / "people.parquet")}


def test_what_comes_out_is_what_always_came_out(tmp_path: Path) -> None:
    """The same input and key give the same output in every version. DMENGINE_UPDATE_GOLDEN=1 breaks that promise."""
    masked = masked_anew(tmp_path)
    if os.environ.get("DMENGINE_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(json.dumps(masked, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))

    assert masked == golden
