"""Every built-in mask with a column to measure it on, and the most that a value may cost."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

from dmengine.maskers import (
    Address,
    AgeCap,
    BottomCode,
    Bucket,
    Case,
    Chain,
    CharacterMask,
    Choice,
    Company,
    Concat,
    Country,
    CreditCard,
    DateShift,
    DateTruncate,
    Ean,
    Email,
    FakerMask,
    Find,
    FirstName,
    Fixed,
    FormatString,
    Fpe,
    FpeDate,
    FromField,
    FromFile,
    FullName,
    GeohashTruncate,
    GeoJitter,
    Hash,
    Iban,
    Imitate,
    Inside,
    IpAddress,
    Isbn,
    Job,
    Json,
    KeepAge,
    KeepYear,
    LastName,
    Lookup,
    Lorem,
    MacAddress,
    MicroAggregate,
    NationalId,
    Noise,
    Null,
    Number,
    Pad,
    PanTruncate,
    Password,
    Persona,
    Phone,
    RandomBoolean,
    RandomDate,
    RandomText,
    Redact,
    RegexReplace,
    Rescale,
    Round,
    Scrub,
    SetChecksum,
    Shuffle,
    Substring,
    Template,
    Tokenize,
    TopCode,
    Truncate,
    Url,
    UserAgent,
    Username,
    Uuid,
    Vin,
    Xml,
    Zip3,
)
from dmengine.spi import Masker

Kind = Literal["value", "lookup", "other"]
LIMITS: Final[dict[Kind, float | None]] = {"value": 500, "lookup": 80, "other": None}
"""The most nanoseconds for a value where all differ; masks made of others, and of documents, state their figure."""

SEED: Final = str(Path(__file__).parents[1] / "tests" / "maskers" / "seed.csv")


@dataclass(frozen=True, slots=True)
class Measured:
    """A mask over a column of `mask_columns`; the fields that it reads are columns there too."""

    mask: Masker
    column: str
    kind: Kind = "value"

    @property
    def shown(self) -> str:
        """The mask's name, and the parameters that are not the defaults."""
        given: Any = self.mask
        said = (_said(given, field.name) for field in fields(given) if getattr(given, field.name) != field.default)
        text = f"{self.mask.name} {', '.join(said)}".strip()
        return text if len(text) <= 58 else text[:57] + "…"


def _said(mask: Any, name: str) -> str:
    value = getattr(mask, name)
    if isinstance(value, tuple) and not all(isinstance(item, (str, int, float)) for item in value):
        value = "+".join(
            getattr(item, "name", None) or str(getattr(item, "what", None) or getattr(item, "field", item))
            for item in value
        )
        return f"{name}={value}"
    return f"{name}={Path(value).name!r}" if name == "file" else f"{name}={value!r}"


INSIDE: Final = (Inside("user.email", Email(), domain="person.email"), Inside("id", keep="order number"))
INSIDE_XML: Final = (Inside("user/email", Email(), domain="person.email"), Inside("user/@id", keep="order number"))
FOUND: Final = (Find("email", mask=Email()), Find("phone"), Find("credit_card", mask=CreditCard()), Find("ipv4"))

CASES: Final[tuple[Measured, ...]] = (
    Measured(Fixed("x"), "text"),
    Measured(Null(), "text"),
    Measured(Redact(), "text"),
    Measured(CharacterMask(), "text"),
    Measured(CharacterMask(keep_first=1, keep_last=2), "text"),
    Measured(CharacterMask(keep_last=4, chars_to_ignore=" -"), "umlauts"),
    Measured(Hash(), "text"),
    Measured(Tokenize(), "text"),
    Measured(Fpe(), "card"),
    Measured(Fpe(), "int64"),
    Measured(Fpe(minimum=0, maximum=10**12), "int64"),
    Measured(Fpe(alphabet="alphanumeric"), "text"),
    Measured(FpeDate(date(1, 1, 1), date(9999, 12, 31)), "date"),
    Measured(FpeDate(date(1970, 1, 1), date(2289, 12, 31)), "timestamp"),
    Measured(CreditCard(), "pan"),
    Measured(CreditCard(keep_prefix=6), "pan"),
    Measured(CreditCard(keep_prefix=6, keep_last=4), "pan"),
    Measured(PanTruncate(), "pan"),
    Measured(Iban(), "iban"),
    Measured(Iban(), "gb_iban"),
    Measured(NationalId("us_ssn"), "ssn"),
    Measured(Vin(), "vin"),
    Measured(Isbn(), "isbn"),
    Measured(Ean(), "ean"),
    Measured(SetChecksum("luhn"), "pan"),
    Measured(FirstName(), "text", "lookup"),
    Measured(LastName(), "text", "lookup"),
    Measured(LastName(keep_case=True), "text"),
    Measured(Lookup("street"), "text", "lookup"),
    Measured(Company(), "text", "lookup"),
    Measured(Job(), "text", "lookup"),
    Measured(Country(), "text", "lookup"),
    Measured(UserAgent(), "text", "lookup"),
    Measured(FromFile(SEED, "city"), "text", "lookup"),
    Measured(FakerMask("color_name"), "text", "other"),
    Measured(FullName(), "text"),
    Measured(FullName(unique=True), "text"),
    Measured(Username(), "text"),
    Measured(Email(), "email"),
    Measured(Email(unique=True), "email"),
    Measured(Email(mail_domain="keep"), "email"),
    Measured(Address(), "text"),
    Measured(Address("city"), "text"),
    Measured(Persona("first_name", "int64"), "text", "other"),
    Measured(Persona("email", "int64"), "text", "other"),
    Measured(Persona("address", "int64"), "text", "other"),
    Measured(Phone(), "phone"),
    Measured(IpAddress(), "ipv4"),
    Measured(IpAddress(keep_subnets=False), "ipv4"),
    Measured(IpAddress(), "ipv6"),
    Measured(MacAddress(), "mac"),
    Measured(Uuid(), "uuid"),
    Measured(Url(), "text"),
    Measured(Password(), "text"),
    Measured(DateShift(), "date"),
    Measured(DateShift(), "timestamp"),
    Measured(DateTruncate("month"), "date"),
    Measured(KeepYear(), "timestamp"),
    Measured(KeepAge(date(2026, 1, 1)), "birth"),
    Measured(RandomDate(date(1950, 1, 1), date(2005, 12, 31)), "date"),
    Measured(AgeCap(), "age"),
    Measured(AgeCap(on=date(2026, 7, 1)), "birth"),
    Measured(Zip3(), "zip"),
    Measured(Bucket(width=10), "int64"),
    Measured(Bucket(width=0.5), "float64"),
    Measured(Bucket(width=10), "decimal"),
    Measured(Bucket(width=10), "number"),
    Measured(Round(100), "decimal"),
    Measured(Round(0.25), "float64"),
    Measured(Rescale(0, 10**6, 0, 1), "float64"),
    Measured(Noise(100, "normal"), "float64"),
    Measured(Noise(0.1, relative=True), "decimal"),
    Measured(TopCode(10**9 + 500_000), "int64"),
    Measured(BottomCode(10**9 + 500_000), "int64"),
    Measured(Number(0, 10**6), "int64"),
    Measured(Number(0, 1), "float64"),
    Measured(Number(0, 10**6), "decimal"),
    Measured(Number(0, 10**6), "number"),
    Measured(Number(0, 10**6, consistent=False), "int64"),
    Measured(RandomBoolean(), "flag"),
    Measured(GeoJitter("latitude", "longitude"), "latitude"),
    Measured(GeohashTruncate(), "geohash"),
    Measured(Choice(("red", "green", "blue"), weights=(1, 2, 3)), "text"),
    Measured(FormatString("{[A-Z],2}-{0:999,03} {(red|blue)}"), "text"),
    Measured(Imitate(), "text"),
    Measured(Imitate(), "umlauts"),
    Measured(RegexReplace("[0-9]+", replacement="#"), "text"),
    Measured(RegexReplace("[0-9]+", masks=(Imitate(),)), "text"),
    Measured(Substring(0, 8), "text"),
    Measured(Case("upper"), "text"),
    Measured(Truncate(8), "text"),
    Measured(Pad(20), "text"),
    Measured(RandomText(12), "text"),
    Measured(Lorem(), "text"),
    Measured(FromField("email"), "text", "other"),
    Measured(Template("{email:lower} {int64}"), "text", "other"),
    Measured(Chain((Hash(), CharacterMask(keep_last=4))), "text", "other"),
    Measured(Concat((FirstName(), LastName()), glue=" "), "text", "other"),
    Measured(Shuffle(), "text", "other"),
    Measured(MicroAggregate(), "int64", "other"),
    Measured(Scrub(), "notes", "other"),
    Measured(Scrub(FOUND), "notes", "other"),
    Measured(Json(INSIDE), "json", "other"),
    Measured(Xml(INSIDE_XML), "xml", "other"),
)
