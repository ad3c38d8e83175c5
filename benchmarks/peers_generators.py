"""Faker and Mimesis, which make up values: drawn as they come, or seeded with each original to be consistent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Final

import pyarrow as pa

from benchmarks.peers import Check, Peer, Work, like, module
from dmengine.maskers import (
    Address,
    Company,
    Country,
    CreditCard,
    Ean,
    Email,
    FirstName,
    FormatString,
    FullName,
    Iban,
    IpAddress,
    Isbn,
    Job,
    LastName,
    Lookup,
    Lorem,
    MacAddress,
    NationalId,
    Number,
    Password,
    Persona,
    Phone,
    RandomDate,
    Url,
    UserAgent,
    Username,
    Uuid,
    Vin,
)
from dmengine.spi import Masker

FAKER_LIMIT: Final = 100
MIMESIS_LIMIT: Final = 10
DRAWN: Final = "consistency: what is drawn is not tied to the original"
WORDS = r"[\w .,'\u2019()&/:-]+"
PHONE = r"[+0-9().x -]{7,30}"
MAIL = r"[\w.+-]+@[\w.-]+"
ADDRESS = r"[\w\s.,'\u2019/-]+"
CARD = "[0-9 ]{12,23}"
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
IPV4 = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"

Draws = tuple[str, dict[str, Any], Masker, str, Check]

_DAYS: Final = {"start_date": date(1950, 1, 1), "end_date": date(2005, 12, 31)}

FAKER: Final[tuple[Draws, ...]] = (
    ("first_name", {}, FirstName(), "text", like(WORDS)),
    ("last_name", {}, LastName(), "text", like(WORDS)),
    ("name", {}, FullName(), "text", like(WORDS)),
    ("email", {}, Email(), "email", like(MAIL)),
    ("user_name", {}, Username(), "text", like(r"[\w.]+")),
    ("phone_number", {}, Phone(), "phone", like(PHONE)),
    ("street_address", {}, Lookup("street"), "text", like(ADDRESS)),
    ("city", {}, Address("city"), "text", like(WORDS)),
    ("address", {}, Address(), "text", like(ADDRESS)),
    ("address", {}, Persona("address", "int64"), "text", like(ADDRESS)),
    ("company", {}, Company(), "text", like(WORDS)),
    ("job", {}, Job(), "text", like(WORDS)),
    ("country", {}, Country(), "text", like(".+")),
    ("user_agent", {}, UserAgent(), "text", like(".+/.+")),
    ("credit_card_number", {}, CreditCard(), "pan", like(CARD)),
    ("iban", {}, Iban(), "iban", like("[A-Z]{2}[0-9]{2}[0-9A-Z]+")),
    ("ssn", {}, NationalId("us_ssn"), "ssn", like("[0-9-]{7,11}")),
    ("vin", {}, Vin(), "vin", like("[0-9A-Z]{17}")),
    ("isbn13", {}, Isbn(), "isbn", like("[0-9-]{13,17}")),
    ("ean13", {}, Ean(), "ean", like("[0-9]{13}")),
    ("ipv4", {}, IpAddress(), "ipv4", like(IPV4)),
    ("ipv6", {}, IpAddress(), "ipv6", like("[0-9a-f:]+")),
    ("mac_address", {}, MacAddress(), "mac", like("([0-9a-f]{2}:?){6}")),
    ("uuid4", {}, Uuid(), "uuid", like(UUID)),
    ("url", {}, Url(), "text", like(r"https?://[\w./-]+")),
    ("password", {}, Password(), "text", like(".{10,16}")),
    ("sentence", {}, Lorem(), "text", like(r"[\w ,.]+")),
    ("bothify", {"text": "??-###"}, FormatString("{[A-Z],2}-{0:999,03} {(red|blue)}"), "text", like(".{2}-[0-9]{3}.*")),
    ("random_int", {"min": 0, "max": 10**6}, Number(0, 10**6), "int64", like("[0-9]{1,7}")),
    ("date_between", _DAYS, RandomDate(*_DAYS.values()), "date", like("[0-9-]{10}")),
)  # fmt: skip
"""Provider, arguments, our mask, the column that ours gets, and what both results look like."""

MIMESIS: Final[tuple[Draws, ...]] = (
    ("person.first_name", {}, FirstName(), "text", like(WORDS)),
    ("person.last_name", {}, LastName(), "text", like(WORDS)),
    ("person.full_name", {}, FullName(), "text", like(WORDS)),
    ("person.email", {}, Email(), "email", like(MAIL)),
    ("person.username", {}, Username(), "text", like(r"[\w.-]+")),
    ("person.telephone", {}, Phone(), "phone", like(PHONE)),
    ("person.password", {}, Password(), "text", like(".{8,16}")),
    ("person.occupation", {}, Job(), "text", like(".+")),
    ("address.address", {}, Lookup("street"), "text", like(".+")),
    ("address.city", {}, Address("city"), "text", like(".+")),
    ("address.country", {}, Country(), "text", like(".+")),
    ("finance.company", {}, Company(), "text", like(".+")),
    ("internet.user_agent", {}, UserAgent(), "text", like(".+/.+")),
    ("internet.url", {}, Url(), "text", like(r"https?://.+")),
    ("internet.ip_v4", {}, IpAddress(), "ipv4", like(IPV4)),
    ("internet.ip_v6", {}, IpAddress(), "ipv6", like("[0-9a-f:]+")),
    ("internet.mac_address", {}, MacAddress(), "mac", like("([0-9a-f]{2}:?){6}")),
    ("cryptographic.uuid", {}, Uuid(), "uuid", like(UUID)),
    ("payment.credit_card_number", {}, CreditCard(), "pan", like(CARD)),
    ("code.isbn", {}, Isbn(), "isbn", like("[0-9-]{10,17}X?")),
    ("code.ean", {}, Ean(), "ean", like("[0-9]{8}|[0-9]{13}")),
    ("numeric.integer_number", {"start": 0, "end": 10**6}, Number(0, 10**6), "int64", like("[0-9]{1,7}")),
    ("text.sentence", {}, Lorem(), "text", like("(?s).+")),
)


def generators() -> Iterator[Peer]:
    """Yield what both make: seeded with each original, which is the same work as ours, and drawn, which is less."""
    for tool, draws, limit, bind in (
        ("Faker", FAKER, FAKER_LIMIT, _faker),
        ("Mimesis", MIMESIS, MIMESIS_LIMIT, _mimesis),
    ):
        for name, given, mask, column, check in draws:
            drawn, seeded = (bind(name, given, seeded=seeded) for seeded in (False, True))
            yield Peer(tool, f"{name}, seeded with each value", mask, column, seeded, check, limit, 2_000)
            yield Peer(tool, name, mask, column, drawn, check, limit, 5_000, DRAWN)


def _faker(name: str, options: dict[str, Any], *, seeded: bool) -> Callable[[pa.ChunkedArray], Work]:
    def bind(column: pa.ChunkedArray) -> Work:
        fake = module("faker").Faker(use_weighting=False)
        return _loop(getattr(fake, name), fake.seed_instance, options, column, seeded)

    return bind


def _mimesis(name: str, options: dict[str, Any], *, seeded: bool) -> Callable[[pa.ChunkedArray], Work]:
    def bind(column: pa.ChunkedArray) -> Work:
        of, what = name.split(".")
        generic = module("mimesis").Generic(module("mimesis.locales").Locale.EN)
        provider = getattr(generic, of)
        return _loop(getattr(provider, what), provider.reseed, options, column, seeded)

    return bind


def _loop(
    draw: Callable[..., Any],
    seed: Callable[[str], None],
    options: dict[str, Any],
    column: pa.ChunkedArray,
    seeded: bool,
) -> Work:
    """Call the provider itself: in Mimesis that is twice as fast as a Fieldset of so many."""
    if not seeded:
        every = range(len(column))
        return (lambda: [draw(**options) for _ in every]) if options else (lambda: [draw() for _ in every])
    texts = column.cast(pa.string()).to_pylist()

    def one(text: str) -> Any:
        seed(text)
        return draw(**options)

    return lambda: [one(text) for text in texts]
