"""Tables whose every masked cell is a canary, in every type, and the rules that mask them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa

import dmengine as dm
from dmengine.rules import Rule
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
    Lookup,
    Null,
    Number,
    Redact,
)
from tests.leak import masks
from tests.leak.canaries import Canaries

DECIMAL = pa.decimal128(20, 4)
COUNTRIES = ("DE", "FR", None)
KEPT = ("id", "country")


def flat_table(canaries: Canaries, rows: int) -> pa.Table:
    """Return a column of every type, with a null here and there; `id` and `country` are kept."""
    columns: dict[str, Any] = {
        "id": pa.array(range(rows)),
        "country": pa.array([COUNTRIES[row % 3] for row in range(rows)]),
        "first_name": canaries.texts(rows),
        "last_name": canaries.texts(rows, " Zoë {} "),
        "email": canaries.emails(rows),
        "token": canaries.texts(rows, 'say "{}",\n twice'),
        "note": canaries.texts(rows, "Müller; {}"),
        "short": canaries.texts(rows),
        "city": canaries.texts(rows),
        "account": canaries.cards(rows),
        "phone": canaries.phones(rows),
        "number": canaries.integers(rows),
        "amount": pa.array(canaries.decimals(rows), DECIMAL),
        "limit": pa.array(canaries.decimals(rows), DECIMAL),
        "score": canaries.doubles(rows),
        "born": canaries.days(rows),
        "seen": canaries.moments(rows),
        "gone": canaries.texts(rows),
        "empty": canaries.texts(rows),
        "fixed": canaries.texts(rows),
        "mapped": canaries.texts(rows),
        "chosen": canaries.texts(rows),
        "blob": canaries.blobs(rows),
    }
    return pa.table({name: _with_nulls(values, place) for place, (name, values) in enumerate(columns.items())})


def _with_nulls(values: Any, place: int) -> pa.Array:
    array = values if isinstance(values, pa.Array) else pa.array(values)
    keep = pa.array([place < len(KEPT) or (row + place) % 11 != 0 for row in range(len(array))])
    return array.take(pa.array([row if kept else None for row, kept in enumerate(keep.to_pylist())], pa.int64()))


def flat_rules(*, text: bool = False, blob: bool = True) -> list[Rule]:
    """Return the rules of `flat_table`; with `text`, for cells that are all text."""
    numeric: dict[str, Any] = {"as_": "number"} if text else {}
    rules = [
        dm.keep(*KEPT, because="no person's data"),
        Rule("first_name", FirstName()),
        Rule("last_name", LastName(locale="de_DE", keep_case=True), normalize=["trim", "casefold", "nfc"]),
        Rule("email", Email()),
        Rule("token", Hash(size=24, prefix="t-")),
        Rule("note", Redact()),
        Rule("short", CharacterMask(keep_first=2, keep_last=1)),
        Rule("city", Lookup("city")),
        Rule("account", Fpe()),
        Rule("phone", Fpe(), domain="phone"),
        Rule("number", Fpe(), as_="integer" if text else None),
        Rule("amount", Bucket(width=1000), **numeric),
        Rule("limit", Number(0, 1000), **numeric),
        Rule("score", Number(0, 1, decimals=3), **numeric),
        Rule("born", DateShift(days=20, by="id"), as_="date" if text else None),
        Rule("seen", DateShift(days=20), as_="timestamp" if text else None),
        dm.drop("gone"),
        Rule("empty", Null()),
        Rule("fixed", Fixed("unknown")),
        Rule("mapped", masks.length_of),
        Rule("chosen", Hash(size=8), when=dm.field("country") == "DE", otherwise=Redact(text="[hidden]")),
    ]
    return [*rules, Rule("blob", Hash())] if blob else rules


def nested_table(canaries: Canaries, rows: int) -> pa.Table:
    """Return structs, lists of several kinds and maps, filled with canaries; `id` and `kind` are kept."""
    two = range(2)
    contacts = [
        [{"kind": "home", "email": email, "since": day} for email, day in zip(pair, days, strict=True)]
        for pair, days in zip(*(_pairs(make(2 * rows)) for make in (canaries.emails, canaries.days)), strict=True)
    ]
    member = pa.struct([("kind", pa.string()), ("email", pa.string()), ("since", pa.date32())])
    attrs = [[(f"key{i}", value) for i, value in enumerate(pair)] for pair in _pairs(canaries.texts(2 * rows))]
    where = [{"street": s, "at": {"lat": lat}} for s, lat in zip(canaries.texts(rows), canaries.doubles(rows), strict=True)]
    whole = [{"a": text, "b": [number]} for text, number in zip(canaries.texts(rows), canaries.integers(rows), strict=True)]
    return pa.table(
        {
            "id": pa.array(range(rows)),
            "contacts": pa.array([None if row % 7 == 6 else contacts[row] for row in range(rows)], pa.list_(member)),
            "address": pa.array([None if row % 5 == 4 else where[row] for row in range(rows)]),
            "tags": pa.array([[*pair, None] for pair in _pairs(canaries.texts(2 * rows))], pa.large_list(pa.string())),
            "pair": pa.array(_pairs(canaries.integers(2 * rows)), pa.list_(pa.int64(), len(two))),
            "attrs": pa.array(attrs, pa.map_(pa.string(), pa.string())),
            "whole": pa.array(whole),
        }
    )


def _pairs(values: list[Any]) -> list[list[Any]]:
    return [values[i : i + 2] for i in range(0, len(values), 2)]


def nested_rules(*, text: bool = False) -> list[Rule]:
    """Return the rules of `nested_table`; with `text`, for documents, where dates are text."""
    return [
        dm.keep("id", "contacts[*].kind", because="no person's data"),
        Rule("contacts[*].email", Email()),
        Rule("contacts[*].since", DateShift(days=20, by="id"), as_="date" if text else None),
        Rule("address.street", Lookup("street")),
        Rule("address.at.lat", Number(-90, 90, decimals=2)),
        Rule("tags[*]", Hash(size=12)),
        Rule("pair[*]", Fpe()),
        Rule("attrs{*}", LastName()),
        Rule("whole", Redact()),
    ]


def typed_table(canaries: Canaries, rows: int) -> pa.Table:
    """Return text and binary in every Arrow type that a file can hold them in, coded ones included."""
    kinds = {
        "large": pa.large_string(), "view": pa.string_view(), "coded": pa.dictionary(pa.int32(), pa.string()),
        "large_coded": pa.dictionary(pa.int16(), pa.large_string()),
    }  # fmt: skip
    columns = {name: pa.array(canaries.texts(rows)).cast(kind) for name, kind in kinds.items()}
    columns["unused"] = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), canaries.texts(rows))
    columns["sized"] = pa.array(canaries.blobs(rows, 16), pa.binary(16))
    columns["large_blob"] = pa.array(canaries.blobs(rows), pa.large_binary())
    columns["blob_view"] = pa.array(canaries.blobs(rows), pa.binary_view())
    columns["when_s"] = pa.array(canaries.moments(rows)).cast(pa.timestamp("us", "Europe/Berlin"))
    columns["cents"] = pa.array([Decimal(f"{value:.2f}") for value in canaries.doubles(rows)], pa.decimal128(12, 2))
    return pa.table({"id": pa.array(range(rows)), **columns})


def typed_rules() -> list[Rule]:
    """Return the rules of `typed_table`."""
    return [
        dm.keep("id", because="no person's data"),
        Rule(["large", "view", "coded", "large_coded", "unused"], FirstName(), domain="first"),
        Rule(["sized", "blob_view"], Redact()),
        Rule("large_blob", Hash()),
        Rule("when_s", DateShift(days=20)),
        Rule("cents", Bucket(width=5)),
    ]
