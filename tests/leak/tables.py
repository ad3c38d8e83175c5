"""Tables whose every masked cell is a canary, in every type, and the rules that mask them."""

from __future__ import annotations

from collections.abc import Callable
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
_MAP = pa.map_(pa.string(), pa.string())


def flat_table(canaries: Canaries, rows: int, *, blob: bool = True) -> pa.Table:
    """Return a column of every type, with a null here and there; `id` and `country` are kept."""
    made: dict[str, tuple[Callable[[int], list[Any]], pa.DataType]] = {
        "first_name": (canaries.texts, pa.string()),
        "last_name": (lambda count: canaries.texts(count, " Zoë {} "), pa.string()),
        "email": (canaries.emails, pa.string()),
        "token": (lambda count: canaries.texts(count, 'say "{}",\n twice'), pa.string()),
        "note": (lambda count: canaries.texts(count, "Müller; {}"), pa.string()),
        "short": (canaries.texts, pa.string()),
        "city": (canaries.texts, pa.string()),
        "account": (canaries.cards, pa.string()),
        "phone": (canaries.phones, pa.string()),
        "number": (canaries.integers, pa.int64()),
        "amount": (canaries.decimals, DECIMAL),
        "limit": (canaries.decimals, DECIMAL),
        "score": (canaries.doubles, pa.float64()),
        "born": (canaries.days, pa.date32()),
        "seen": (canaries.moments, pa.timestamp("us")),
        "gone": (canaries.texts, pa.string()),
        "empty": (canaries.texts, pa.string()),
        "fixed": (canaries.texts, pa.string()),
        "mapped": (canaries.texts, pa.string()),
        "chosen": (canaries.texts, pa.string()),
        **({"blob": (canaries.blobs, pa.binary())} if blob else {}),
    }
    columns = {name: _with_nulls(*how, rows, place) for place, (name, how) in enumerate(made.items())}
    countries = pa.array([COUNTRIES[row % len(COUNTRIES)] for row in range(rows)])
    return pa.table({"id": pa.array(range(rows)), "country": countries, **columns})


def _with_nulls(make: Callable[[int], list[Any]], kind: pa.DataType, rows: int, place: int) -> pa.Array:
    present = [(row + place) % 11 != 0 for row in range(rows)]
    values = iter(make(sum(present)))
    return pa.array([next(values) if here else None for here in present], kind)


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
    member = pa.struct([("kind", pa.string()), ("email", pa.string()), ("since", pa.date32())])
    tags, numbers, attrs = (_pairs(make(2 * rows)) for make in (canaries.texts, canaries.integers, canaries.texts))
    records = [_nested_record(canaries, row) for row in range(rows)]
    return pa.table(
        {
            "id": pa.array(range(rows)),
            "contacts": pa.array([record["contacts"] for record in records], pa.list_(member)),
            "address": pa.array([record["address"] for record in records]),
            "tags": pa.array([[*pair, None] for pair in tags], pa.large_list(pa.string())),
            "pair": pa.array(numbers, pa.list_(pa.int64(), 2)),
            "attrs": pa.array([list(zip(("a", "b"), pair, strict=True)) for pair in attrs], _MAP),
            "whole": pa.array(
                [{"a": a, "b": [b]} for a, b in zip(canaries.texts(rows), canaries.integers(rows), strict=True)]
            ),
        }
    )


def _nested_record(canaries: Canaries, row: int) -> dict[str, Any]:
    made = zip(("home", "work"), canaries.emails(2), canaries.days(2), strict=True) if row % 7 else None
    contacts = made and [{"kind": kind, "email": email, "since": day} for kind, email, day in made]
    address = {"street": canaries.texts(1)[0], "at": {"lat": canaries.doubles(1)[0]}} if row % 5 else None
    return {"contacts": contacts, "address": address}


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
    columns["cents"] = pa.array(canaries.decimals(rows, 2), pa.decimal128(18, 2))
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
