"""Expressions of Polars and DuckDB that do what a mask does, over the whole column at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa

from benchmarks.peers import Check, Peer, Work, like, module, near, permuted, same
from benchmarks.peers_generators import UUID, WORDS
from dmengine.maskers import (
    AgeCap,
    BottomCode,
    Bucket,
    Case,
    CharacterMask,
    DateShift,
    DateTruncate,
    FirstName,
    GeohashTruncate,
    Hash,
    Lookup,
    Number,
    Pad,
    Redact,
    RegexReplace,
    Rescale,
    Round,
    Shuffle,
    Substring,
    Template,
    TopCode,
    Truncate,
    Uuid,
)
from dmengine.spi import Masker

NO_KEY: Final = "the key: a weak hash, or one without a key, is found by trial"
DRAWN: Final = "consistency: another result each time"
NAMES: Final = [f"{first}{last}" for first in ("Ann", "Bob", "Carl", "Dora") for last in "abcdefghijklmnopqrstuvwxyz"]
MIDDLE: Final = 10**9 + 500_000

Rows = tuple[str, Masker, str, Check, str]

DUCKDB: Final[tuple[Rows, ...]] = (
    ("'*'", Redact(), "text", same, ""),
    ("repeat('*', length(value))", CharacterMask(), "text", same, ""),
    ("left(value, 1) || repeat('*', length(value) - 3) || right(value, 2)", CharacterMask(keep_first=1, keep_last=2),
     "text", same, ""),
    ("md5('secret' || value)", Hash(), "text", like("[0-9a-f]{32}"), NO_KEY),
    ("sha256('secret' || value)", Hash(), "text", like("[0-9a-f]{32,64}"), ""),
    ("md5('secret' || value)::uuid::varchar", Uuid(), "uuid", like(UUID), NO_KEY),
    ("names[(hash(value) % len(names))::bigint + 1]", FirstName(), "text", like(WORDS), NO_KEY),
    ("(hash(value) % 1000001)::bigint", Number(0, 10**6), "int64", like("[0-9]+"), NO_KEY),
    ("regexp_replace(value, '[0-9]+', '#', 'g')", RegexReplace("[0-9]+", replacement="#"), "text", same, ""),
    ("substring(value, 1, 8)", Substring(0, 8), "text", same, ""),
    ("upper(value)", Case("upper"), "text", same, ""),
    ("left(value, 8)", Truncate(8), "text", same, ""),
    ("lpad(value, 20, '0')", Pad(20), "text", same, ""),
    ("value // 10 * 10", Bucket(width=10), "int64", same, ""),
    ("round(value / 0.25) * 0.25", Round(0.25), "float64", near(0.25), ""),
    ("value / 1000000", Rescale(0, 10**6, 0, 1), "float64", same, ""),
    (f"least(value, {MIDDLE})", TopCode(MIDDLE), "int64", same, ""),
    (f"greatest(value, {MIDDLE})", BottomCode(MIDDLE), "int64", same, ""),
    ("least(value, 90)", AgeCap(), "age", same, ""),
    ("date_trunc('month', value)::date", DateTruncate("month"), "date", same, ""),
    ("value + (hash(value) % 201)::integer - 100", DateShift(), "date", like("[0-9-]+"), NO_KEY),
    ("left(value, 5)", GeohashTruncate(), "geohash", same, ""),
    ("lower(value) || ' x'", Template("{:lower} x"), "email", same, ""),
)  # fmt: skip
"""An expression of `value`, our mask, the column, and what is checked."""


def expressions() -> Iterator[Peer]:
    """Yield both engines' expressions; each works on one core, on a table of its own."""
    for expression, mask, column, check, less in DUCKDB:
        yield Peer("DuckDB", expression, mask, column, _duckdb(expression), check, less=less)
    yield Peer(
        "DuckDB", "order by random()", Shuffle(), "text", _duckdb("value", " order by random()"), permuted, less=DRAWN
    )
    for does, build, mask, column, check, less in _polars():
        yield Peer("Polars", does, mask, column, _frame(build), check, less=less)


def _polars() -> Iterator[tuple[str, Callable[[Any, Any], Any], Masker, str, Check, str]]:
    yield ("str.pad_start of nothing", lambda pl, v: v.str.head(0).str.pad_start(v.str.len_chars(), "*"),
           CharacterMask(), "text", same, "")  # fmt: skip
    yield ("concat_str(head, stars, tail)",
           lambda pl, v: pl.concat_str(v.str.head(1), v.str.tail(2).str.pad_start(v.str.len_chars() - 1, "*")),
           CharacterMask(keep_first=1, keep_last=2), "text", same, "")  # fmt: skip
    yield ("hash(seed)", lambda pl, v: v.hash(7), Hash(), "text", like("[0-9a-f]+"), NO_KEY)
    yield ("polars-hash hmac_sha256", lambda pl, v: module("polars_hash").col("value").chash.hmac_sha256(key="k" * 32),
           Hash(), "text", like("[0-9a-f]{32,64}"), "")  # fmt: skip
    yield ("names.gather(hash)", lambda pl, v: pl.lit(pl.Series(NAMES)).gather(v.hash(7) % len(NAMES)),
           FirstName(), "text", like(WORDS), NO_KEY)  # fmt: skip
    yield ("names.gather(hash)", lambda pl, v: pl.lit(pl.Series(NAMES)).gather(v.hash(7) % len(NAMES)),
           Lookup("street"), "text", like(WORDS), NO_KEY)  # fmt: skip
    yield ("hash % n", lambda pl, v: v.hash(7) % 1_000_001, Number(0, 10**6), "int64", like("[0-9]+"), NO_KEY)
    yield ("str.replace_all", lambda pl, v: v.str.replace_all("[0-9]+", "#"),
           RegexReplace("[0-9]+", replacement="#"), "text", same, "")  # fmt: skip
    yield ("str.slice", lambda pl, v: v.str.slice(0, 8), Substring(0, 8), "text", same, "")
    yield ("str.to_uppercase", lambda pl, v: v.str.to_uppercase(), Case("upper"), "text", same, "")
    yield ("str.head", lambda pl, v: v.str.head(8), Truncate(8), "text", same, "")
    yield ("str.pad_start", lambda pl, v: v.str.pad_start(20, "0"), Pad(20), "text", same, "")
    yield ("value // 10 * 10", lambda pl, v: v // 10 * 10, Bucket(width=10), "int64", same, "")
    yield ("round(0)", lambda pl, v: (v / 0.25).round() * 0.25, Round(0.25), "float64", near(0.25), "")
    yield ("value / 10**6", lambda pl, v: v / 10**6, Rescale(0, 10**6, 0, 1), "float64", same, "")
    yield ("clip(upper_bound)", lambda pl, v: v.clip(upper_bound=MIDDLE), TopCode(MIDDLE), "int64", same, "")
    yield ("clip(lower_bound)", lambda pl, v: v.clip(lower_bound=MIDDLE), BottomCode(MIDDLE), "int64", same, "")
    yield ("clip(upper_bound)", lambda pl, v: v.clip(upper_bound=90), AgeCap(), "age", same, "")
    yield ("dt.truncate", lambda pl, v: v.dt.truncate("1mo"), DateTruncate("month"), "date", same, "")
    yield ("value + duration(hash)", lambda pl, v: v + pl.duration(days=(v.hash(7) % 201).cast(pl.Int64) - 100),
           DateShift(), "date", like("[0-9-]+"), NO_KEY)  # fmt: skip
    yield ("str.head", lambda pl, v: v.str.head(5), GeohashTruncate(), "geohash", same, "")
    yield ("concat_str", lambda pl, v: pl.concat_str(v.str.to_lowercase(), pl.lit(" x")),
           Template("{:lower} x"), "email", same, "")  # fmt: skip
    yield ("shuffle(seed)", lambda pl, v: v.shuffle(seed=7), Shuffle(), "text", permuted, "")


def _duckdb(expression: str, tail: str = "") -> Callable[[pa.ChunkedArray], Work]:
    def bind(column: pa.ChunkedArray) -> Work:
        connection = module("duckdb").connect(config={"threads": 1})
        connection.register("given", pa.table({"value": column}))
        connection.execute("create table kept as select value from given")
        connection.execute(f"set variable names = {NAMES!r}")
        asked = expression.replace("names", "getvariable('names')")
        return lambda: connection.sql(f"select {asked} as value from kept{tail}").to_arrow_table()

    return bind


def _frame(build: Callable[[Any, Any], Any]) -> Callable[[pa.ChunkedArray], Work]:
    def bind(column: pa.ChunkedArray) -> Work:
        polars = module("polars")
        frame = polars.DataFrame({"value": polars.from_arrow(column)})
        expression = build(polars, polars.col("value"))
        return lambda: frame.select(expression)

    return bind
