"""Samples for the contract kit and the golden vectors: people, places, and what they go by."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa

from dmengine.arrow import NUMBER

SEED = str(Path(__file__).with_name("seed.csv"))
TEXTS = ["Alice", "BOB", "alice", None, "Zoë Müller", "Alice", "", "\u202eעברית", "山田 42"]
LOCALES = ("de_DE", "en_GB", "en_US", "es_ES", "fr_FR", "hi_IN", "it_IT", "ja_JP", "nl_NL", "pt_BR")
PHONES = ["+49 30 901820", None, "(212) 555-0123", "+12125550123", "030/901820", "+49 30 901820", "1-212-555-0123"]
ADDRESSES = ["10.1.2.3", None, "10.1.2.4", "2001:db8::1", "2001:DB8::2", "255.255.255.255", "::", "10.1.2.3"]
CARDS = ["00:1b:44:11:3a:b7", None, "00-1B-44-11-3A-B8", "001b.4411.3ab9", "001b44113aba", "00:1b:44:11:3a:b7"]
UUIDS = [UUID(int=7), None, UUID("0b2f0d2a-5c39-4c6f-9d3c-1f3f0f4a6a7b"), UUID(int=2**128 - 1), UUID(int=7)]
SITES = [
    "https://crm.corp.com/customers/17?mail=a@b.de",
    None,
    "http://localhost:8080",
    "https://x.de#a",
    "s3://bucket/k",
]


def texts(values: list[str | None]) -> list[pa.Array]:
    return [pa.array(values, kind) for kind in (pa.string(), pa.large_string())]


def uuids() -> list[pa.Array]:
    spelt = [None if value is None else str(value) for value in UUIDS]
    capitals = ["{" + text.upper() + "}" if text else None for text in spelt]
    plain = pa.array([None if value is None else value.bytes for value in UUIDS], pa.binary(16))
    return [*texts(spelt), pa.array(capitals), plain, plain.cast(pa.uuid())]


def phone_numbers() -> list[pa.Array]:
    numbers = [12125550123, None, 4930901820, 12125550123]
    documents = pa.array([None if number is None else str(number) for number in numbers])
    return [*texts(PHONES), pa.array(numbers, pa.int64()), pa.ExtensionArray.from_storage(NUMBER, documents)]


def days() -> list[pa.Array]:
    some = pa.array([0, None, 1, 40_000], pa.int32())
    return [some.cast(pa.date32()), some.cast(pa.int64()).cast(pa.timestamp("us")), *texts(["1985-04-12", None, "x"])]


PARTS = (
    "first_name", "last_name", "full_name", "gender", "email", "username", "phone", "company", "job",
    "street", "city", "state", "state_code", "postcode", "country", "country_code", "address",
)  # fmt: skip

SAMPLES: list[tuple[str, dict[str, Any], list[pa.Array]]] = [
    ("first_name", {"gender_field": "sex"}, texts(TEXTS)),
    ("first_name", {"locale": "ja_JP"}, texts(TEXTS)),
    ("last_name", {"locale": "pt_BR"}, texts(TEXTS)),
    ("email", {"unique": True}, texts(TEXTS)),
    *(("full_name", {"locale": locale}, texts(TEXTS)) for locale in LOCALES),
    ("full_name", {"unique": True, "gender": "male", "keep_case": True}, texts(TEXTS)),
    ("full_name", {"gender_field": "sex"}, texts(TEXTS)),
    *(("username", {"locale": locale}, texts(TEXTS)) for locale in LOCALES),
    ("username", {"digits": 0, "separator": "_"}, texts(TEXTS)),
    ("username", {"unique": True}, texts(TEXTS)),
    *(("persona", {"part": part, "subject": "customer"}, texts(TEXTS)) for part in PARTS),
    *(("persona", {"part": "email", "subject": "customer", "locale": locale}, texts(TEXTS)) for locale in LOCALES),
    *(("persona", {"part": "phone", "subject": "customer", "locale": locale}, texts(TEXTS)) for locale in LOCALES),
    *(
        ("persona", {"part": p, "subject": "customer", "unique": True}, texts(TEXTS))
        for p in ("email", "phone", "gender")
    ),
    ("persona", {"part": "birth_date", "subject": "customer"}, days()),
    *(("address", {"locale": locale}, texts(TEXTS)) for locale in LOCALES),
    ("address", {"part": "postcode", "subject": "customer", "group": "client"}, texts(TEXTS)),
    ("address", {"part": "city"}, texts(TEXTS)),
    *(("company", {"locale": locale}, texts(TEXTS)) for locale in LOCALES),
    ("company", {"max_bytes": 12}, texts(TEXTS)),
    *(("job", {"locale": locale}, texts(TEXTS)) for locale in LOCALES),
    ("country", {}, texts(TEXTS)),
    ("country", {"form": "alpha_3"}, texts(TEXTS)),
    ("user_agent", {}, texts(TEXTS)),
    ("phone", {}, phone_numbers()),
    ("phone", {"change": 7}, phone_numbers()),
    ("ip_address", {}, texts(ADDRESSES)),
    ("ip_address", {"keep_subnets": False}, texts(ADDRESSES)),
    ("mac_address", {}, texts(CARDS)),
    ("mac_address", {"keep_maker": True}, texts(CARDS)),
    ("uuid", {}, uuids()),
    ("url", {}, texts(TEXTS)),
    ("url", {"site": "keep"}, texts(SITES)),
    ("password", {}, texts(TEXTS)),
    ("password", {"length": 24, "prefix": "sk_test_", "characters": "0123456789abcdef"}, texts(TEXTS)),
    ("password", {"signs": True}, texts(TEXTS)),
    ("from_file", {"file": SEED, "column": "city"}, texts(TEXTS)),
    ("from_file", {"file": SEED, "column": "postcode", "subject": "customer"}, texts(TEXTS)),
    (
        "from_file",
        {"file": SEED, "column": "branch", "subject": "customer", "match": "country", "match_field": "land"},
        texts(TEXTS),
    ),
    ("from_file", {"file": SEED, "column": "postcode"}, [pa.array([1, None, 2, 1], pa.int32())]),
    ("faker", {"provider": "color_name", "pool": 100}, texts(TEXTS)),
]
