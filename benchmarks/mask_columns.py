"""The columns that the masks are measured on: as many values as asked, of which a share differ."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NUMBER
from dmengine.maskers import IpAddress, MacAddress, SetChecksum, Uuid
from dmengine.testing.context import mask_array

BATCH: Final = 65_536
FEW: Final = ("flag", "age", "land")
"""Columns of two, 120 and two different values, whatever is asked: there are no more of their kind."""

Counts = npt.NDArray[np.int64]


def columns(rows: int, distinct: float = 1.0) -> dict[str, pa.ChunkedArray]:
    """Make columns in batches as a run hands them over; values that repeat lie in random order.

    A million of them differ at most: more do not fit into six digits.

    >>> made = columns(10_000, 0.01)
    >>> pc.count_distinct(made["email"]).as_py(), len(made["email"])
    (100, 10000)
    """
    different = max(1, round(rows * distinct))
    order = None
    if different < rows:
        order = pa.array(np.random.default_rng(7).permutation(np.arange(rows) % different))
    return {name: _batches(values if order is None else values.take(order)) for name, values in _made(different)}


def _batches(values: pa.Array) -> pa.ChunkedArray:
    return pa.chunked_array([values.slice(start, BATCH) for start in range(0, len(values), BATCH)], values.type)


def _made(rows: int) -> list[tuple[str, pa.Array]]:
    count = np.arange(rows)
    ids = pa.array(count).cast(pa.string())
    return [*_texts(ids), *_identifiers(count, ids), *_numbers(count), *_dates(count), *_documents(count, ids)]


def _texts(ids: pa.Array) -> list[tuple[str, pa.Array]]:
    return [
        ("text", pc.binary_join_element_wise("Person", ids, " ")),
        ("umlauts", pc.binary_join_element_wise("Jörg Müller", ids, " ")),
        ("email", pc.binary_join_element_wise(ids, "corp.example", "@")),
    ]


def _identifiers(count: Counts, ids: pa.Array) -> list[tuple[str, pa.Array]]:
    cards = _cards(count)
    return [
        ("card", cards),
        ("pan", mask_array(SetChecksum("luhn"), cards)),
        ("ssn", pa.array((101 + count % 500) * 10**6 + (1 + count // 500 % 99) * 10**4 + 1 + count // 49_500)),
        ("iban", mask_array(SetChecksum("iban"), _prefixed("DE0037040044", ids, 10))),
        ("gb_iban", mask_array(SetChecksum("iban"), _prefixed("GB00NWBK", ids, 14))),
        ("vin", _prefixed("WVWZZZ1JZ", ids, 8)),
        ("isbn", mask_array(SetChecksum("isbn"), pc.binary_join_element_wise(_prefixed("978", ids, 9), "0", ""))),
        ("ean", mask_array(SetChecksum("ean"), pc.binary_join_element_wise(_prefixed("400", ids, 9), "0", ""))),
        ("phone", _prefixed("+49 30 9", ids, 7)),
        ("e164", _prefixed("+14155", ids, 6)),
        ("ipv4", mask_array(IpAddress(), pc.binary_join_element_wise("10", *_bytes_of(count), "."))),
        ("ipv6", mask_array(IpAddress(), pc.binary_join_element_wise("2001:db8:", *_bytes_of(count), ":"))),
        ("mac", mask_array(MacAddress(), _prefixed("001b44", ids, 6))),
        ("uuid", mask_array(Uuid(), _prefixed("0b2f0d2a-5c39-4c6f-9d3c-1f3f", ids, 8))),
        ("zip", pc.utf8_lpad(pa.array(count * 991 % 10**9).cast(pa.string()), 9, "0")),
        ("geohash", pc.utf8_lpad(pa.array(count * 991 % 10**9).cast(pa.string()), 9, "9")),
    ]


def _numbers(count: Counts) -> list[tuple[str, pa.Array]]:
    amounts = pa.array(count * 37).cast(pa.decimal128(21, 2)).cast(pa.decimal128(12, 2))
    return [
        ("int64", pa.array(count + 10**9)),
        ("float64", pa.array(count / 8)),
        ("decimal", amounts),
        ("number", pa.ExtensionArray.from_storage(NUMBER, amounts.cast(pa.string()))),
        ("age", pa.array(count % 120)),
        ("flag", pa.array(count % 2 == 0)),
        ("latitude", pa.array(count * 7_919 % 120_000_011 / 10**6 - 60)),
        ("longitude", pa.array(count * 104_729 % 350_000_017 / 10**6 - 175)),
    ]


def _dates(count: Counts) -> list[tuple[str, pa.Array]]:
    return [
        ("date", pa.array((count % 2_000_000 - 500_000).astype(np.int32)).cast(pa.date32())),
        ("timestamp", pa.array(count * 86_399_999_983 % 10**16).cast(pa.timestamp("us"))),
        ("birth", pa.array(count * 1_599_999_983 % 10**16).cast(pa.timestamp("us"))),
    ]


def _documents(count: Counts, ids: pa.Array) -> list[tuple[str, pa.Array]]:
    """Notes of which every fourth holds an address, a phone number, a card and an IP address, or nothing."""
    chosen = pa.array(count % 4)
    pans, ips = mask_array(SetChecksum("luhn"), _cards(count)), pc.binary_join_element_wise(*_bytes_of(count), ".")
    said = "the patient said that she would call back on monday about her order and the invoice was not paid yet, "
    rest = " thank you for your help with this matter"
    found = pc.choose(
        chosen,
        pc.binary_join_element_wise("she wrote as ann", ids, "@mail.example.com", ""),
        pc.binary_join_element_wise("her number is +1 415 5", pc.utf8_lpad(ids, 6, "0"), ""),
        pc.binary_join_element_wise("card ", pans, " from 10.", ips, ""),
        pc.binary_join_element_wise("see order ", ids, ""),
    )
    return [
        ("land", pc.choose(pa.array(count % 2), "DE", "FR")),
        ("notes", pc.binary_join_element_wise(said, found, rest, "")),
        ("json", pc.binary_join_element_wise('{"id": ', ids, ', "user": {"email": "ann', ids, '@corp.example"}}', "")),
        (
            "xml",
            pc.binary_join_element_wise('<user id="', ids, '"><email>ann', ids, "@corp.example</email></user>", ""),
        ),
    ]


def _prefixed(start: str, ids: pa.Array, digits: int) -> pa.Array:
    return pc.binary_join_element_wise(start, pc.utf8_lpad(ids, digits, "0"), "")


def _cards(count: Counts) -> pa.Array:
    return pc.utf8_lpad(pa.array((count * 7_919 + 4_111_111_111) % 10**16).cast(pa.string()), 16, "4")


def _bytes_of(count: Counts) -> list[pa.Array]:
    return [pa.array(count >> shift & 255).cast(pa.string()) for shift in (16, 8, 0)]
