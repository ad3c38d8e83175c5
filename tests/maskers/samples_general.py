"""Samples for the contract kit and the golden vectors: text, numbers, dates, choice, composition, whole columns."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from dmengine.arrow import NUMBER
from dmengine_maskers import (
    CharacterMask,
    DateShift,
    FirstName,
    FormatString,
    Fpe,
    FromField,
    Hash,
    Imitate,
    LastName,
    Null,
    Truncate,
)

TEXTS = ["Alice", "BOB", "alice", None, "Zoë Müller", "Alice", "", "\u202eעברית", "e\u0301", "a\0b", "山田 42"]
TEXTS += ["👩\u200d👩\u200d👧 👍🏽"]
NOTES = ["room 12, bed 3", None, "12", "tel. 555-1234 or 555-1234", "ü7ü", "room 12, bed 3"]
ZIPS = ["94105", None, "03601", "94105-1234", "059011234", "00501"]
HASHES = ["u33dc0cpnp", None, "9q8yy", "u33dc0cpnp", "7zzzzzzzzzzz"]
SMALL = [7, -42, None, 7, 0, 127, -128]
MONEY = [Decimal("12.50"), None, Decimal("-0.01"), Decimal("12.50"), Decimal("99999.99"), Decimal("-7.25")]
DOCUMENTS = ["12.50", "-3", None, "9007199254740993", "0.001", "12.50", "0", "1e3"]
DAYS = [date(1985, 4, 12), None, date(2000, 2, 29), date(1985, 4, 12), date(1970, 1, 1), date(1931, 12, 31)]
MOMENTS = [datetime(1985, 4, 12, 23, 59, 59, 999999), None, datetime(1969, 12, 31), datetime(2000, 2, 29, 12)]


def text(values: list[str | None]) -> list[pa.Array]:
    return [pa.array(values, kind) for kind in (pa.string(), pa.large_string())]


def numbers() -> list[pa.Array]:
    signed = [pa.array(SMALL, kind) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())]
    unsigned = [pa.array([7, None, 0, 127, 7], kind) for kind in (pa.uint8(), pa.uint64())]
    large = pa.array([2**64 - 1, None, 2**63, 5], pa.uint64())
    floats = [pa.array([0.3, -1.5, None, 0.3, 1e9, 0.0], kind) for kind in (pa.float32(), pa.float64())]
    halves = pa.array([0.5, None, -7.0], pa.float32()).cast(pa.float16())
    kinds = (pa.decimal32(7, 2), pa.decimal64(12, 2), pa.decimal128(20, 2), pa.decimal256(50, 2))
    money = [pa.array(MONEY, kind) for kind in kinds]
    return [*signed, *unsigned, large, *floats, halves, *money, documents()]


def signed() -> list[pa.Array]:
    return [values for values in numbers() if not pa.types.is_unsigned_integer(values.type)]


def documents() -> pa.Array:
    return pa.ExtensionArray.from_storage(NUMBER, pa.array(DOCUMENTS))


def days() -> list[pa.Array]:
    return [pa.array(DAYS, kind) for kind in (pa.date32(), pa.date64())]


def dates() -> list[pa.Array]:
    zoned = [moment and moment.replace(tzinfo=UTC) for moment in MOMENTS]
    plain = [pa.array(MOMENTS, pa.timestamp("us")).cast(pa.timestamp(u), safe=False) for u in ("s", "ms", "us", "ns")]
    return [*days(), *plain, pa.array(zoned, pa.timestamp("us", "Europe/Berlin"))]


def coordinates(values: list[float | None]) -> list[pa.Array]:
    texts = pa.array([None if value is None else str(value) for value in values])
    exact = [None if value is None else Decimal(str(value)) for value in values]
    return [
        *(pa.array(values, kind) for kind in (pa.float32(), pa.float64())),
        pa.array(exact, pa.decimal128(10, 6)),
        pa.ExtensionArray.from_storage(NUMBER, texts),
    ]


LATITUDES = [52.520008, -33.86, None, 90.0, -89.9999, 52.520008]
LONGITUDES = [13.404954, 151.21, None, 180.0, -179.9999, 13.404954]
FLAGS = pa.array([True, None, False, True])

Sample = tuple[str, dict[str, Any], list[pa.Array]]
SAMPLES: list[Sample] = [
    ("choice", {"choices": ["red", "grün", "blue"]}, text(TEXTS)),
    ("choice", {"choices": [1, 0, 12], "weights": [1, 2.5, 0.5]}, numbers()),
    ("choice", {"choices": ["2000-01-01", "1999-12-31"], "consistent": False}, days()),
    ("choice", {"choices": [True, False]}, [FLAGS]),
    ("from_field", {"field": "place"}, text(TEXTS)),
    ("from_field", {"field": "latitude", "on_null": "mismatch"}, [pa.array([1.0, None, 3.0, 4.0])]),
    ("template", {"template": "{place:upper}/{latitude} {{{}}} {person:initial}"}, text(TEXTS)),
    ("format_string", {"format": "{[A-Z],2}-{0:999,03}{{{(rot|grün|)}}}"}, text(TEXTS)),
    ("format_string", {"format": "{[äöü0-9],5}{7:1200}{0x0:0xffffff,06}{[A-Za-z],20}"}, text(TEXTS)),
    ("format_string", {"format": "{[0-9],4}", "consistent": False}, text(TEXTS)),
    ("chain", {"masks": (Hash(size=16), CharacterMask(keep_last=4))}, text(TEXTS)),
    ("chain", {"masks": (Fpe(), Fpe())}, text(["123-45-6789", None, "000000", "987654"])),
    ("chain", {"masks": (FromField("place"), Imitate(consistent=False))}, text(TEXTS)),
    ("chain", {"masks": (DateShift(by="person"), DateShift(days=3))}, days()),
    ("chain", {"masks": (Hash(), Truncate(length=6))}, text(TEXTS)),
    ("concat", {"masks": (FirstName(), LastName()), "glue": " "}, text(TEXTS)),
    ("concat", {"masks": (FormatString("{[0-9],3}"), FormatString("{[0-9],3}"), Null()), "glue": "-"}, text(TEXTS)),
    ("imitate", {}, text(TEXTS)),
    ("imitate", {"force_change": True, "uppercase": False}, text(TEXTS)),
    ("imitate", {"consistent": False, "digits": False}, text(TEXTS)),
    ("regex_replace", {"pattern": "[0-9]+", "replacement": r"#\0#"}, text(NOTES)),
    ("regex_replace", {"pattern": "[0-9]+", "masks": (Imitate(), CharacterMask(keep_first=1))}, text(NOTES)),
    ("regex_replace", {"pattern": "l+|ü", "replacement": "", "no_match": "keep"}, text(TEXTS)),
    ("substring", {"start": 1, "stop": 3}, text(TEXTS)),
    ("substring", {"start": -2}, text(TEXTS)),
    ("case", {"to": "upper"}, text(TEXTS)),
    ("case", {"to": "title"}, text(TEXTS)),
    ("truncate", {"length": 3}, text(TEXTS)),
    ("truncate", {"max_bytes": 4}, text(TEXTS)),
    ("pad", {"length": 8}, text(TEXTS)),
    ("pad", {"length": 8, "fill": "ü", "side": "right"}, text(TEXTS)),
    ("random_text", {"maximum": 12}, text(TEXTS)),
    ("random_text", {"maximum": 20, "minimum": 1, "alphabet": "alphanumeric"}, text(TEXTS)),
    ("random_text", {"maximum": 5, "alphabet": "hex", "consistent": False}, text(TEXTS)),
    ("lorem", {}, text(TEXTS)),
    ("lorem", {"length": 30, "consistent": False}, text(TEXTS)),
    ("rescale", {"minimum": -128, "maximum": 127, "to_minimum": 0, "to_maximum": 100, "clip": True}, signed()),
    ("rescale", {"minimum": 0, "maximum": 100, "to_minimum": 50, "to_maximum": 60, "clip": True}, numbers()),
    ("rescale", {"minimum": -200, "maximum": 10**6, "to_minimum": 5, "to_maximum": 1}, [numbers()[2], numbers()[11]]),
    ("round", {"to": 10}, numbers()),
    ("round", {"to": 0.25}, [numbers()[8], numbers()[11], documents()]),
    ("noise", {"amount": 10}, numbers()),
    ("noise", {"amount": 0.2, "relative": True, "distribution": "laplace", "minimum": 0}, numbers()),
    ("noise", {"amount": 3, "distribution": "normal", "maximum": 50, "consistent": False}, numbers()),
    ("top_code", {"maximum": 10}, numbers()),
    ("top_code", {"maximum": 10, "shown": 11}, numbers()),
    ("bottom_code", {"minimum": 5}, numbers()),
    ("date_truncate", {"to": "month"}, dates()),
    ("date_truncate", {"to": "week"}, dates()),
    ("date_truncate", {"to": "hour"}, dates()[2:]),
    ("keep_year", {}, dates()),
    ("keep_year", {"consistent": False}, days()),
    ("keep_age", {"on": date(2026, 2, 28)}, dates()),
    ("random_date", {"minimum": date(1950, 1, 1), "maximum": date(2005, 12, 31)}, dates()),
    ("random_date", {"minimum": date(1, 1, 1), "maximum": date(9999, 12, 31), "consistent": False}, days()),
    ("age_cap", {}, numbers()),
    ("age_cap", {"on": date(2026, 7, 1)}, dates()),
    ("zip3", {}, text(ZIPS)),
    ("zip3", {"census": "2000", "keep_length": True}, text(ZIPS)),
    ("random_boolean", {}, [FLAGS, pa.array([1, 0, None, 1], pa.int8())]),
    ("random_boolean", {"probability": 0.9, "consistent": True}, [FLAGS]),
    ("geo_jitter", {"axis": "latitude", "other": "longitude"}, coordinates(LATITUDES)),
    ("geo_jitter", {"axis": "longitude", "other": "longitude", "radius": 5000}, coordinates(LONGITUDES)),
    ("geohash_truncate", {"precision": 4}, text(HASHES)),
    ("shuffle", {}, [*text(TEXTS), *numbers(), *dates()]),
    ("micro_aggregate", {"k": 2}, []),  # takes no column of one value: see test_columnwise
]
