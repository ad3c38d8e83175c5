"""Sources that cannot be masked, each with canaries around the place where it fails."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import dmengine as dm
from dmengine.rules import Rule
from dmengine.spi import Format, Masker
from dmengine_connectors.formats.csv import Csv
from dmengine_connectors.formats.jsonl import JsonLines
from dmengine_maskers import (
    Bucket,
    CharacterMask,
    DateShift,
    Email,
    FirstName,
    Fixed,
    Fpe,
    Hash,
    LastName,
    Null,
    Number,
    Redact,
)
from tests.leak import masks
from tests.leak.canaries import Canaries
from tests.leak.sources import zstd

Make = Callable[[Canaries], bytes]


@dataclass(frozen=True)
class Failing:
    """A file that a run must refuse.

    Attributes:
        name: Of the file.
        make: Makes its content.
        rules: What masks it.
        format: Options that its name does not tell.
    """

    name: str
    make: Make
    rules: tuple[Rule, ...]
    formats: Mapping[str, Format] = field(default_factory=dict)


def csv_of(middle: Make | bytes, rules: Rule | tuple[Rule, ...], *, pack: Any = bytes, **options: Any) -> Failing:
    """Put a broken line between good ones of `id,name`."""

    def make(canaries: Canaries) -> bytes:
        broken = middle(canaries) if callable(middle) else middle
        good = [f"{n},{text}\n".encode() for n, text in enumerate(canaries.texts(40))]
        return bytes(pack(b"".join([b"id,name\n", *good[:20], broken, *good[20:]])))

    encoding = options.get("encoding", "utf-8")
    suffix = {bytes: "", zstd: ".zst", cut_zstd: ".zst"}.get(pack, ".gz")

    def encoded(canaries: Canaries) -> bytes:
        return make(canaries) if encoding == "utf-8" else make(canaries).decode().encode(encoding)

    given = rules if isinstance(rules, tuple) else (rules,)
    formats = {"**": Csv(**options)} if options else {}
    return Failing(f"people.csv{suffix}", encoded, (_ID, *given), formats)


def jsonl_of(middle: Callable[[str], str] | bytes, rule: Rule, *more: Rule, **options: Any) -> Failing:
    """Put a broken line, which may hold a canary, between good ones."""

    def make(canaries: Canaries) -> bytes:
        token, *others = canaries.texts(41)
        broken = middle(token).encode("utf-8", "surrogatepass") if callable(middle) else middle
        good = [f'{{"id":{n},"name":"{text}"}}\n'.encode() for n, text in enumerate(others)]
        return b"".join([*good[:20], broken + b"\n", *good[20:]])

    formats = {"**": JsonLines(**options)} if options else {}
    return Failing("people.jsonl", make, (_ID, rule, *more), formats)


def parquet_of(values: Callable[[Canaries], Any], rule: Rule, **options: Any) -> Failing:
    """Write one column `name`."""

    def make(canaries: Canaries) -> bytes:
        column = values(canaries)
        array = column if isinstance(column, pa.Array) else pa.array(column)
        sink = io.BytesIO()
        nullable = options.get("nullable", True)
        schema = pa.schema([pa.field("id", pa.int64()), pa.field("name", array.type, nullable)])
        pq.write_table(pa.Table.from_arrays([pa.array(range(len(array))), array], schema=schema), sink)
        return bytes(options.get("damage", bytes)(sink.getvalue()))

    return Failing("people.parquet", make, (_ID, rule))


# ------------------------------------------------------------------------------------------ parts of cases

_ID = dm.keep("id", because="no person's data")


def name(mask: Masker | Any, **options: Any) -> Rule:
    """Mask the field `name`."""
    return Rule("name", mask, **options)


def invalid_text(canaries: Canaries) -> pa.Array:
    """Return a text column with a value that is no UTF-8."""
    return pa.array([*(text.encode() for text in canaries.texts(20)), canaries.texts(1)[0].encode() + b"\xff"]).view(
        pa.string()
    )


def late_days(canaries: Canaries) -> pa.Array:
    """Return dates, one of them in the year 10183."""
    days = pa.array(canaries.days(20)).cast(pa.int32()).to_pylist()
    return pa.array([*days, 3_000_000], pa.int32()).cast(pa.date32())


def flipped(content: bytes) -> bytes:
    """Change some bytes of the first pages."""
    changed = bytearray(content)
    for place in range(40, 400, 7):
        changed[place] ^= 0x5A
    return bytes(changed)


def mixed(canaries: Canaries, *others: str) -> list[str]:
    """Return canaries with other values between them."""
    return [*canaries.texts(10), *others, *canaries.texts(10)]


def cut_gzip(content: bytes) -> bytes:
    """Pack as gzip, and cut the end off."""
    return gzip.compress(content)[:-20]


def cut_zstd(content: bytes) -> bytes:
    """Pack as zstd, and cut the end off."""
    return zstd(content)[:-20]


def with_tail(content: bytes) -> bytes:
    """Pack as gzip, with text behind the member."""
    return gzip.compress(content) + content[-60:]


def damaged_gzip(content: bytes) -> bytes:
    """Pack as gzip with stored blocks, and change the checksum."""
    packer = zlib.compressobj(0, zlib.DEFLATED, 31)
    packed = bytearray(packer.compress(content) + packer.flush())
    packed[-6] ^= 0xFF
    return bytes(packed)


@dataclass(frozen=True)
class Broken:
    """A user's mask that breaks its contract in some way."""

    how: str
    name = "broken"
    consistent = True
    uniqueness = "unknown"
    reversible = False
    scope = "value"

    def plan(self, field: pa.Field, limits: object) -> pa.Field:
        """Take anything."""
        return field

    def mask(self, values: pa.Array, ctx: object) -> pa.Array:
        """Fail, with values in hand."""
        first = str(values[0])
        if self.how == "arrow":
            return values.cast(pa.int64())
        if self.how == "python":
            raise ValueError(first, values)
        if self.how == "ours":
            try:
                int(first)
            except ValueError as error:
                raise dm.DmengineError("a mask of mine failed", hint="mend it") from error
        if self.how == "type":
            return pa.array([value.as_py().encode() for value in values])
        if self.how == "length":
            return values.slice(1)
        if self.how == "exit":
            raise ExceptionGroup("several", [ValueError(first), KeyError(first)])
        return pa.nulls(len(values), values.type)


LAST_DAYS = [date(9999, 12, day) for day in range(1, 31)]  # half of them leave the calendar by any shift

# fmt: off
CASES: dict[str, Failing] = {
    # texts that are no numbers, dates or truth values
    "as integer": csv_of(b"20,7\n", name(Number(0, 9), as_="integer")),
    "as number": csv_of(b"20,7.5\n", name(Bucket(width=1), as_="number")),
    "as date": csv_of(b"20,2020-02-03\n", name(DateShift(), as_="date")),
    "as date of a form": csv_of(b"20,31.12.2020\n", name(DateShift(), as_="date", format="%d.%m.%Y")),
    "as timestamp": csv_of(b"20,2020-02-03 04:05:06\n", name(DateShift(), as_="timestamp")),
    "as timestamp of a form": csv_of(b"20,x\n", name(DateShift(), as_="timestamp", format="%Y%m%dT%H%M%SZ")),
    "as boolean": csv_of(b"20,true\n", name(Redact(), as_="boolean")),
    # values that a mask cannot take
    "fpe of letters": csv_of(b"20,4929 1234\n", name(Fpe())),
    "fpe of few": csv_of(b"20,12\n", name(Fpe(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ"))),
    "fpe of documents": jsonl_of(lambda token: f'{{"id":1,"name":1.5,"other":"{token}"}}', name(Fpe()),
                                 dm.drop("other")),
    "email keep": csv_of(b"20,ann@x.org\n", name(Email(mail_domain="keep"))),
    "bucket below": parquet_of(lambda c: [*c.doubles(20), -5.0, float("nan")], name(Bucket(bounds=(0, 10)))),
    "bucket of text": jsonl_of(lambda token: f'{{"id":1,"name":"{token}"}}', name(Bucket(width=1))),
    "number of text": jsonl_of(lambda token: f'{{"id":1,"name":"{token}"}}', name(Number(0, 1))),
    "names of numbers": jsonl_of(b'{"id":1,"name":123456789012345678}', name(FirstName())),
    "hash of a container": jsonl_of(lambda token: f'{{"id":1,"name":{{"a":"{token}"}}}}', name(Hash())),
    "huge number": jsonl_of(b'{"id":1,"name":1e400}', name(Number(0, 1), on_mismatch="fail")),
    "dates at the end": parquet_of(lambda c: [*c.days(20), *LAST_DAYS], name(DateShift(days=36_000))),
    "not null": parquet_of(lambda c: c.texts(20), name(Null()), nullable=False),
    "fpe in a dictionary": parquet_of(lambda c: pa.array(c.texts(20)).dictionary_encode(), name(Fpe())),
    "text that is none": parquet_of(invalid_text, name(LastName(), normalize=["casefold", "nfc"])),
    "condition on no text": parquet_of(invalid_text, name(CharacterMask(), when=dm.field("name").matches("^X"),
                                                          otherwise=Email(mail_domain="keep"))),
    "function of no text": parquet_of(invalid_text, name(masks.length_of)),
    "dates too late for Python": parquet_of(late_days, name(masks.next_day)),
    # functions and masks of users
    "function raises": csv_of(b"", name(masks.raising)),
    "function raises in a chain": jsonl_of(b"", name(masks.chained)),
    "function exits": csv_of(b"", name(masks.leaving)),
    "function returns bytes": parquet_of(lambda c: c.texts(20), name(masks.returning_bytes)),
    "function returns a list": csv_of(b"", name(masks.returning_list)),
    "function returns no text": jsonl_of(b"", name(masks.half_a_pair)),
    **{f"mask breaks: {how}": parquet_of(lambda c: c.texts(20), name(Broken(how)))
       for how in ("arrow", "python", "ours", "type", "length", "exit")},
    "mask breaks: nulls": parquet_of(lambda c: c.texts(20), name(Broken("nulls")), nullable=False),
    # broken CSV
    "ragged": csv_of(lambda c: f"20,{','.join(c.texts(2))}\n".encode(), name(Hash())),
    "open quote": csv_of(lambda c: f'20,"{c.texts(1)[0]}\n'.encode(), name(Hash())),
    "text after a quote": csv_of(lambda c: '20,"{}"{}\n'.format(*c.texts(2)).encode(), name(Hash())),
    "no UTF-8": csv_of(lambda c: f"20,{c.texts(1)[0]}".encode() + b"\xff\n", name(Hash())),
    "long record": csv_of(lambda c: f"20,{' '.join(c.texts(30))}\n".encode(), name(Hash()), max_record_bytes=200),
    "wrong names": csv_of(b"", name(Hash()), header=False, column_names=("id", "name", "more")),
    "empty cell": csv_of(b'20,""\n', name(Number(0, 9), as_="integer")),
    "cut gzip": csv_of(b"", name(Hash()), pack=cut_gzip),
    "cut zstd": csv_of(b"", name(Hash()), pack=cut_zstd),
    "text behind gzip": csv_of(b"", name(Hash()), pack=with_tail),
    "damaged gzip": csv_of(b"", name(Hash()), pack=damaged_gzip),
    # what the target cannot write
    "latin-1": csv_of(b"", name(Fixed("Łódź")), encoding="latin-1"),
    "no quotes": csv_of(b"", name(masks.quoting), quote=""),
    # broken JSON
    "cut line": jsonl_of(lambda token: f'{{"id":1,"name":"{token}', name(Hash())),
    "trailing comma": jsonl_of(lambda token: f'{{"id":1,"name":"{token}",}}', name(Hash())),
    "bare token": jsonl_of(lambda token: f'{{"id":1,"name":{token}}}', name(Hash())),
    "NaN": jsonl_of(lambda token: f'{{"id":NaN,"name":"{token}"}}', name(Hash())),
    "no object": jsonl_of(lambda token: f'"{token}"', name(Hash())),
    "a list": jsonl_of(lambda token: f'["{token}"]', name(Hash())),
    "twice": jsonl_of(lambda token: f'{{"name":"{token}","id":1,"name":"{token}"}}', name(Hash())),
    "twice in a container": jsonl_of(lambda token: f'{{"id":1,"name":{{"{token}":1,"{token}":2}}}}', name(Redact())),
    "half a pair": jsonl_of(lambda token: f'{{"id":1,"name":"{token}\\ud800"}}', name(Hash())),
    "no UTF-8 in JSON": jsonl_of(lambda token: f'{{"id":1,"name":"{token}\udcff"}}', name(Hash())),
    "deep": jsonl_of(lambda token: f'{{"id":1,"name":{"[" * 70}"{token}"{"]" * 70}}}', name(Redact())),
    "long line": jsonl_of(lambda token: f'{{"id":1,"name":"{token * 20}"}}', name(Hash()), max_record_bytes=100),
    "bad escape": jsonl_of(lambda token: f'{{"id":1,"name":"\\q{token}"}}', name(Hash())),
    "control character": jsonl_of(lambda token: f'{{"id":1,"name":"{token}\t"}}', name(Hash())),
    "unlisted member": jsonl_of(lambda token: f'{{"id":1,"name":"a","more":{{"deep":["{token}"]}}}}', name(Hash())),
    "kept part of a container": jsonl_of(lambda token: f'{{"id":1,"name":{{"a":"{token}","b":1}}}}',
                                         Rule("name.a", Hash(), optional=True)),
    # broken Parquet
    "cut parquet": parquet_of(lambda c: c.texts(200), name(Hash()), damage=lambda content: content[:-9]),
    "cut footer": parquet_of(lambda c: c.texts(200), name(Hash()), damage=lambda content: content[:-40] + content[-8:]),
    "flipped pages": parquet_of(lambda c: c.texts(200), name(Hash()), damage=flipped),
    # rules that do not fit
    "unlisted": Failing("people.csv", lambda c: "\n".join(["id,name,more", *(f"1,{t},2" for t in c.texts(9))]).encode(),
                        (_ID, name(Hash()))),
    "missing": csv_of(b"", (name(Hash()), Rule("email", Email()))),
    "missing beside": csv_of(b"", name(DateShift(by="customer"), as_="date")),
    "all dropped": Failing("people.csv", lambda c: "\n".join(["name", *c.texts(9)]).encode(), (dm.drop("name"),)),
    "condition": jsonl_of(lambda token: f'{{"id":1e400,"name":"{token}"}}',
                          name(Fpe(), when=dm.field("id") > 5, otherwise=Fpe())),
}
# fmt: on
