"""Samples for the contract kit and the golden vectors: free text, documents inside of strings, tokens."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pyarrow as pa

from dmengine_maskers import CharacterMask, CreditCard, Email, Find, FirstName, Fpe, Iban, Inside, Number, Redact

NOTES = [
    "Ann called from (212) 555-0147, her card is 4111 1111 1111 1111 12/26.",
    None,
    "mail ann@corp.com or see https://corp.com/?for=ann@corp.com, fe80::1 and 10.0.0.1",
    "",
    "nothing to see: 12345, 1.2.3",
    "Ann called from (212) 555-0147, her card is 4111 1111 1111 1111 12/26.",
    "IBAN DE89 3704 0044 0532 0130 00 of Zoë Müller, SSN 078-05-1120, born 12 March 1985",
    "“Ann” and Mary Ann Smith; anne; 山田ann",
    "mail ann@corp.com",
]
FOUND = (
    "url",
    Find("email", mask=Email(), domain="person.email", normalize=("casefold",)),
    Find("credit_card", mask=CreditCard()),
    Find("iban", mask=Iban(), domain="iban"),
    Find("phone", mask=Fpe()),
    Find("us_ssn", mask=CharacterMask(keep_last=4)),
    Find(words=("Ann", "Mary Ann", "Zoë"), mask=FirstName()),
    Find(pattern="[0-9]{5}", label="number"),
)
VALUES = ["Alice", None, "", "Zoë Müller", "Alice", "a" * 40, "\u202eעברית", "a\0b", "x" * 15, "x" * 16, "x" * 17]

JSON_RULES = (
    Inside("user.email", Email(), domain="person.email", normalize=("casefold",)),
    Inside("user.*_name", FirstName()),
    Inside("orders[*].total", Number(1, 99)),
    Inside("secret", Redact()),
    Inside("id", keep="surrogate key"),
)
JSONS = [
    '{"id": 1.50, "user": {"email": "Ann@corp.com", "first_name": "Ann"}}',
    None,
    '{"user":\n\t{"first_name": "Zo\\u00eb",\r\n "email": null}, "orders": [{"total": 10.00}, {"total": 2e3}, {}]}',
    '{"secret": {"a": [1, "x"]}, "id": {"part": [1, 2]}}',
    '{"id": 1.50, "user": {"email": "Ann@corp.com", "first_name": "Ann"}}',
    "{}",
    "null",
]
XML_RULES = (
    Inside("user/email", Email(), domain="person.email"),
    Inside("user/name/*", FirstName()),
    Inside("//secret", Redact()),
    Inside("user/@id", keep="surrogate key"),
)
XMLS = [
    '<?xml version="1.0"?>\n<user id="7"><email>ann@corp.com</email></user>\n',
    None,
    "<user><name><first>Zoë &amp; Ann</first> <last><![CDATA[a<b]]></last></name></user>",
    '<user><secret level="1">x<b>y</b>z</secret></user>',
    '<?xml version="1.0"?>\n<user id="7"><email>ann@corp.com</email></user>\n',
    "<user/>",
]
DAYS = [date(1985, 4, 12), None, date(2000, 2, 29), date(1985, 4, 12), date(1970, 1, 1), date(1969, 12, 31)]
MOMENTS = [datetime(1985, 4, 12, 23, 59, 59, 999999), None, datetime(1969, 12, 31), datetime(2000, 2, 29, 12)]
RANGE = {"minimum": date(1950, 1, 1), "maximum": date(2005, 12, 31)}


def text(values: list[str | None]) -> list[pa.Array]:
    return [pa.array(values, kind) for kind in (pa.string(), pa.large_string())]


def binary(values: list[str | None]) -> list[pa.Array]:
    as_bytes = [None if value is None else value.encode() for value in values]
    return [pa.array(as_bytes, kind) for kind in (pa.binary(), pa.large_binary())]


def dates() -> list[pa.Array]:
    zoned = pa.array(MOMENTS, pa.timestamp("us")).cast(pa.timestamp("us", "Europe/Berlin"))
    units = [pa.array(MOMENTS, pa.timestamp("us")).cast(pa.timestamp(unit), safe=False) for unit in ("s", "ms", "ns")]
    days = [pa.array(DAYS, kind) for kind in (pa.date32(), pa.date64())]
    return [*days, pa.array(MOMENTS, pa.timestamp("us")), zoned, *units]


SAMPLES: list[tuple[str, dict[str, Any], list[pa.Array]]] = [
    ("scrub", {}, text(NOTES)),
    ("scrub", {"find": FOUND}, text(NOTES)),
    ("scrub", {"find": (Find(words=("ann",), ignore_case=False),)}, text(NOTES)),
    ("json", {"rules": JSON_RULES}, text(JSONS)),
    ("json", {"rules": JSON_RULES[:1], "unlisted": "redact"}, text(JSONS)),
    ("json", {"rules": JSON_RULES[:1], "unlisted": "drop"}, text(JSONS)),
    ("json", {"rules": JSON_RULES[:1], "unlisted": "keep"}, text(JSONS)),
    ("xml", {"rules": XML_RULES}, text(XMLS)),
    ("xml", {"rules": XML_RULES[:1], "unlisted": "redact"}, text(XMLS)),
    ("fpe_date", RANGE, dates()),
    ("tokenize", {}, text(VALUES) + binary(VALUES)),
    ("tokenize", {"encoding": "base32", "prefix": "tok:", "longest": 60}, text(VALUES)),
]
