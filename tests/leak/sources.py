"""The tables of canaries as files of every format, codec and dialect."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import dmengine as dm
from dmengine.rules import Dataset
from dmengine.spi import Format
from dmengine_connectors.files import LocalFiles
from dmengine_connectors.formats.csv import Csv
from tests.leak.canaries import Canaries
from tests.leak.tables import flat_rules, flat_table, nested_rules, nested_table, typed_rules, typed_table

Write = Callable[[Path, pa.Table], object]


def make_source(folder: Path, canaries: Canaries, rows: int) -> LocalFiles:
    """Write every file of `FILES` below a folder; each has its own canaries."""
    for name, write in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, TABLES[name.split("/")[0]](canaries, rows))
    return files_at(folder)


def files_at(folder: Path) -> LocalFiles:
    """Return a folder of such files, with the options that their names do not tell."""
    return LocalFiles(folder, formats=FORMATS)


def ruleset() -> dm.Ruleset:
    """Return the rules of all of them."""
    datasets = {
        "flat/**": flat_rules(),
        "typed/**": typed_rules(),
        "nested/**": nested_rules(),
        "text/**": flat_rules(text=True, blob=False),
        "nested_text/**": nested_rules(text=True),
    }
    return dm.Ruleset(datasets=[Dataset(match, rules) for match, rules in datasets.items()])


TABLES: dict[str, Callable[[Canaries, int], pa.Table]] = {
    "flat": flat_table,
    "typed": typed_table,
    "nested": nested_table,
    "text": partial(flat_table, blob=False),
    "nested_text": nested_table,
}
NAMES = tuple(TABLES["text"](Canaries(), 1).column_names)
_PIPES = Csv(delimiter="|", quote="'", header=False, null="NULL", column_names=NAMES)
FORMATS: dict[str, Format] = {
    "**/*utf16*": Csv(encoding="utf-16"), "**/*latin1*": Csv(encoding="latin-1"), "**/*.psv": _PIPES
}  # fmt: skip


def parquet(**options: Any) -> Write:
    """Write Parquet with some options."""
    return lambda path, table: pq.write_table(table, path, **options)


def delimited(
    delimiter: str = ",", quote: str = '"', encoding: str = "utf-8", pack: Any = bytes, **options: Any
) -> Write:
    """Write delimited text."""

    def write(path: Path, table: pa.Table) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=delimiter, quotechar=quote, lineterminator="\r\n", **options.get("csv", {}))
        if options.get("header", True):
            writer.writerow(table.column_names)
        null = options.get("null", "")
        for record in zip(*(column.to_pylist() for column in table.columns), strict=True):
            writer.writerow([null if value is None else _spelt(value) for value in record])
        unquoted = re.sub(r'(?<=,)""(?=,|\r\n)', "", text.getvalue())  # a quoted cell is never null
        path.write_bytes(pack(unquoted.encode(encoding)))

    return write


def json_lines(pack: Any = bytes, *, escaped: bool = False) -> Write:
    """Write one JSON object a line; `escaped` spells every third character of texts as its code."""

    def write(path: Path, table: pa.Table) -> None:
        lines = []
        containers = {field.name for field in table.schema if pa.types.is_nested(field.type)}
        for record in table.to_pylist(maps_as_pydicts="strict"):
            there = {name: value for name, value in record.items() if value is not None or name not in containers}
            line = json.dumps(there, default=_number_or_text, ensure_ascii=escaped)
            line = re.sub('"<<|>>"', "", line)  # a number with all its digits
            lines.append(_with_escapes(line) if escaped else line)
        text = "\n".join(lines) + "\n"
        path.write_bytes(pack(text.encode()))

    return write


def _spelt(value: Any) -> str:
    return value.isoformat(*("T",) if hasattr(value, "hour") else ()) if isinstance(value, date) else str(value)


def _number_or_text(value: Any) -> str:
    return f"<<{value}>>" if isinstance(value, Decimal) else _spelt(value)


def _with_escapes(line: str) -> str:
    r"""Spell letters of each token by their codes, as in `\u0043`."""
    return re.sub("CN([A-Z]{2})", lambda found: "".join(f"\\u{ord(letter):04x}" for letter in found[0]), line)


def zstd(content: bytes) -> bytes:
    """Pack bytes as a zstd frame."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


FILES: dict[str, Write] = {
    "flat/plain.parquet": parquet(use_dictionary=False, compression="none", row_group_size=100),
    "flat/coded.parquet": parquet(compression="zstd", data_page_version="2.0", write_page_index=True),
    "flat/gzip.pq": parquet(compression="gzip", version="1.0", store_schema=False, row_group_size=70),
    "typed/typed.parquet": parquet(compression="snappy"),
    "typed/plain.parquet": parquet(use_dictionary=False, compression="lz4", row_group_size=40),
    "nested/nested.parquet": parquet(row_group_size=60),
    "text/people.csv": delimited(),
    "text/quoted.csv.gz": delimited(pack=gzip.compress, csv={"quoting": csv.QUOTE_ALL}),
    "text/people.tsv": delimited("\t"),
    "text/people.tsv.zst": delimited("\t", pack=zstd),
    "text/utf16.csv": delimited(encoding="utf-16"),
    "text/latin1.csv": delimited(encoding="latin-1"),
    "text/bare.psv": delimited("|", "'", header=False, null="NULL"),
    "text/flat.jsonl": json_lines(),
    "nested_text/plain.jsonl": json_lines(),
    "nested_text/escaped.ndjson": json_lines(escaped=True),
    "nested_text/packed.jsonl.gz": json_lines(gzip.compress),
    "nested_text/packed.jsonl.zst": json_lines(zstd),
}
