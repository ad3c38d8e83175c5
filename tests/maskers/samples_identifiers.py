"""Samples for the contract kit and the golden vectors: identifiers and cards."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dmengine.arrow import NUMBER

CARDS = [
    "4111 1111 1111 1111",
    None,
    "378282246310005",
    "5555-5555-5555-4444",
    "4111 1111 1111 1111",
    "6011000990139424",
]
IBANS = [
    "DE89 3704 0044 0532 0130 00", None, "GB29NWBK60161331926819", "FR1420041010050500013M02606", "be68539007547034",
    "ES9121000418450200051332", "IT60X0542811101000000123456", "MT84MALT011000012345MTLCAST001S", "NO9386011117947",
    "DE89 3704 0044 0532 0130 00", "BR1800360305000010009795493C1", "PT50000201231234567890154", "FI2112345600000785",
]  # fmt: skip
NATIONAL: dict[str, list[str]] = {
    "au_abn": ["83 914 571 673", "51824753556"],
    "au_tfn": ["123 456 782", "12345679", "004085615"],
    "br_cnpj": ["16.727.230/0001-97", "12.ABC.345/01DE-35", "12abc34501de35"],
    "br_cpf": ["390.533.447-05", "23100299981"],
    "ca_sin": ["123-456-782", "130692544"],
    "es_dni": ["54362315-K", "54362315k"],
    "es_nie": ["X-2482300-W", "x2482300w"],
    "fr_nir": ["2 95 10 99 126 111 93", "253072B07300470"],
    "in_aadhaar": ["2341 2341 2346"],
    "nz_ird": ["49-091-850", "049091850", "136410132"],
    "uk_nhs": ["943 476 5870", "943-476-5919"],
    "uk_nino": ["AB 12 34 56 C", "ab123456c", "CE123456"],
    "us_ein": ["91-1144442", "042103594"],
    "us_ssn": ["536-90-4399", "536904399", "123 45 6789"],
}
VINS = ["1M8GDM9AXKP042788", None, "WVWZZZ1JZ3W386752", "1m8gdm9axkp042788", "VF1BB05CF31234567", "1M8GDM9AXKP042788"]
ISBNS = ["0-306-40615-2", None, "978-0-306-40615-7", "979-10-90636-07-1", "0-8044-2957-X", "0-306-40615-2"]
EANS = ["4006381333931", None, "036000291452", "0036000291452", "73513537", "10614141000415", "4006381333931"]


def texts(values: list[str | None]) -> list[pa.Array]:
    return [pa.array(values, kind) for kind in (pa.string(), pa.large_string())]


def integers(values: list[int | None], *kinds: pa.DataType) -> list[pa.Array]:
    documents = pa.array([None if value is None else str(value) for value in values])
    return [*(pa.array(values, kind) for kind in kinds), pa.ExtensionArray.from_storage(NUMBER, documents)]


def national(kind: str) -> list[str | None]:
    return [*NATIONAL[kind], None, NATIONAL[kind][0]]


CARD_NUMBERS = integers([4111111111111111, None, 378282246310005, 4111111111111111], pa.int64(), pa.uint64())

SAMPLES: list[tuple[str, dict[str, Any], list[pa.Array]]] = [
    ("credit_card", {}, [*texts(CARDS), *CARD_NUMBERS]),
    ("credit_card", {"keep_prefix": 0}, [*texts(CARDS), *CARD_NUMBERS]),
    ("credit_card", {"keep_prefix": 6, "keep_last": 4}, [*texts(CARDS), *CARD_NUMBERS]),
    ("credit_card", {"keep_prefix": 8, "keep_last": 4, "allow_small_domain": True}, texts(CARDS[:2])),
    ("pan_truncate", {}, texts(CARDS)),
    ("pan_truncate", {"keep_first": 8, "keep_last": 0, "masking_char": "X"}, texts(CARDS)),
    ("iban", {}, texts(IBANS)),
    ("iban", {"keep_bank": True}, texts(IBANS)),
    *(("national_id", {"kind": kind}, texts(national(kind))) for kind in NATIONAL),
    ("national_id", {"kind": "us_ssn"}, integers([536904399, None, 1010001], pa.int32(), pa.int64(), pa.uint32())),
    ("national_id", {"kind": "br_cpf"}, integers([39053344705, None, 191], pa.int64())),
    ("national_id", {"kind": "nz_ird"}, integers([49091850, None, 136410132], pa.int32(), pa.int64())),
    ("vin", {}, texts(VINS)),
    ("vin", {"keep_manufacturer": False}, texts(VINS)),
    ("isbn", {}, [*texts(ISBNS), *integers([9780306406157, None], pa.int64())]),
    ("ean", {}, [*texts(EANS), *integers([4006381333931, None, 73513537], pa.int64())]),
    ("set_checksum", {"kind": "luhn"}, [*texts(["12-34", None, "00", "4111111111111112"]), *CARD_NUMBERS]),
    ("set_checksum", {"kind": "verhoeff"}, texts(["2360", None, "12345"])),
    ("set_checksum", {"kind": "credit_card"}, texts(CARDS)),
    ("set_checksum", {"kind": "iban"}, texts(IBANS)),
    ("set_checksum", {"kind": "isbn"}, texts(ISBNS)),
    ("set_checksum", {"kind": "ean"}, texts(EANS)),
    ("set_checksum", {"kind": "vin"}, texts(["1M8GDM9A0KP042788", None])),
    *(
        ("set_checksum", {"kind": kind}, texts(national(kind)))
        for kind in NATIONAL if kind not in ("uk_nino", "us_ein", "us_ssn")
    ),
]  # fmt: skip
