"""Phones, IP and MAC addresses, UUIDs, URLs, passwords, and lists of the user's own."""

from __future__ import annotations

import ipaddress
import random
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dmengine.errors import PlanError
from dmengine.spi import Limits, Masker
from dmengine.testing.context import mask_array, mask_values
from dmengine_maskers import FakerMask, FromFile, IpAddress, MacAddress, Password, Phone, Url, Uuid
from dmengine_maskers.ip_text import read_ipv4, read_ipv6, write_ipv6
from dmengine_maskers.passwords import CHARACTERS, SIGNS

phonenumbers = pytest.importorskip("phonenumbers")

TEXT = pa.field("f", pa.string())
REGIONS = (
    "AU",
    "BE",
    "BR",
    "CH",
    "DE",
    "ES",
    "FR",
    "GB",
    "IN",
    "IT",
    "JP",
    "MX",
    "NL",
    "NZ",
    "PL",
    "PT",
    "SE",
    "US",
    "ZA",
)
MOBILE = 1


@pytest.mark.parametrize("region", REGIONS)
def test_phone_numbers_stay_valid(region: str) -> None:
    """Mobile numbers of many countries are valid after masking, in E.164 and in the national form; the area stays."""
    example = phonenumbers.example_number_for_type(region, MOBILE)
    kept = str(example.national_number)[:-6]
    given = [phonenumbers.parse(f"+{example.country_code}{kept}{digits:06d}") for digits in range(0, 10**6, 9973)]
    given = [number for number in given if phonenumbers.is_valid_number(number)]

    for form in (phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL):
        masked = mask_values(Phone(), [phonenumbers.format_number(number, form) for number in given])
        valid = [phonenumbers.is_valid_number(phonenumbers.parse(text)) for text in masked]

        assert np.mean(valid) > 0.95  # a few plans leave gaps among the last six digits
        assert all(text.replace(" ", "").replace("-", "").startswith(f"+{example.country_code}") for text in masked)


def test_phone_is_masked_by_its_digits() -> None:
    """However a number is written, and in whatever type, its digits get the same mask."""
    one, two = mask_values(Phone(), ["+1 (212) 555-0123", "12125550123"])
    (number,) = mask_values(Phone(), [12125550123])

    assert one.startswith("+1 (212) ")
    assert "".join(filter(str.isdigit, one)) == two == str(number)


def test_phone_numbers_of_one_beginning_are_permuted() -> None:
    """All million numbers of an area become all million numbers of that area."""
    numbers = pa.array(range(4930000000, 4931000000))

    masked = mask_array(Phone(), numbers)

    assert len(masked.unique()) == 10**6
    assert (masked.to_numpy() // 10**6 == 4930).all()


@pytest.mark.parametrize("phone", ["911", "call me", "", "+1 212 555 0123 x17", "١٢٣٤٥٦٧٨٩", "555-0123"])
def test_what_is_no_phone_number_is_reported(phone: str) -> None:
    """Short codes, extensions and other digits are mismatches."""
    assert mask_values(Phone(), [phone], on_mismatch="null") == [None]


def prefix(left: int, right: int, width: int) -> int:
    return width - (left ^ right).bit_length()


@pytest.mark.parametrize(("width", "kind"), [(32, ipaddress.IPv4Address), (128, ipaddress.IPv6Address)])
def test_subnets_stay_subnets(width: int, kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> None:
    """Two addresses share just as many leading bits after masking as before."""
    draw = random.Random(7)
    numbers = [draw.getrandbits(width)]
    numbers += [numbers[0] ^ (1 << bit) ^ draw.getrandbits(bit) for bit in range(width)]

    masked = [int(kind(text)) for text in mask_values(IpAddress(), [str(kind(number)) for number in numbers])]

    for number, after in zip(numbers, masked, strict=True):
        assert prefix(numbers[0], number, width) == prefix(masked[0], after, width)


@pytest.mark.parametrize("keep", [True, False])
def test_ip_addresses_are_valid_and_differ(keep: bool) -> None:
    """Every masked address is one, written as is usual, of the same kind, and no two are equal."""
    given = [f"10.{n // 256 % 256}.{n % 256}.7" for n in range(5000)] + [f"2001:db8::{n:x}" for n in range(5000)]

    masked = mask_values(IpAddress(keep_subnets=keep), given)

    assert all(str(ipaddress.ip_address(text)) == text for text in masked)
    assert all((":" in before) == (":" in after) for before, after in zip(given, masked, strict=True))
    assert len(set(masked)) == len(given)


def test_addresses_are_read_as_the_standard_library_reads_them() -> None:
    """Any text is an address here just where it is one there, and the same one; zones and IPv4 ends apart."""
    draw = random.Random(11)
    texts = ["".join(draw.choice("01a::") for _ in range(draw.randint(0, 16))) for _ in range(5000)]
    texts += ["::", "::1", "1::", ":::", "1:2:3:4:5:6:7::", "1::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", "12345::", ""]
    high, low, good = read_ipv6(pa.array(texts))
    fours = ["".join(draw.choice("012.5") for _ in range(draw.randint(5, 9))) for _ in range(5000)]
    numbers, right = read_ipv4(pa.array([*fours, "1.2.3.4", "255.255.255.256", "01.2.3.4"]))

    for text, number, is_one in zip(texts, (high.astype(object) << 64) | low, good.tolist(), strict=True):
        assert (int(number) if is_one else None) == standard(ipaddress.IPv6Address, text)
    for text, number, is_one in zip([*fours, "1.2.3.4", "255.255.255.256", "01.2.3.4"], numbers, right, strict=True):
        assert (int(number) if is_one else None) == standard(ipaddress.IPv4Address, text)
    written = write_ipv6(high[good], low[good]).to_pylist()
    assert all(str(ipaddress.IPv6Address(text)) == text for text in written)


def standard(kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address], text: str) -> int | None:
    try:
        return int(kind(text))
    except ValueError:
        return None


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.1:80", "fe80::1%eth0", "::ffff:1.2.3.4", "host", "", "1.2.3"])
def test_what_is_no_ip_address_is_reported(text: str) -> None:
    """Networks, ports, zones and names are mismatches."""
    assert mask_values(IpAddress(), [text, "10.0.0.1"], on_mismatch="null")[0] is None


@pytest.mark.parametrize("keep", [True, False])
def test_mac_addresses_keep_form_and_maker(keep: bool) -> None:
    """The form stays, the maker where asked, and the two bits that say what kind of address it is; none are equal."""
    given = [f"00:1B:44:{n // 65536:02X}:{n // 256 % 256:02X}:{n % 256:02X}" for n in range(20_000)]

    masked = mask_values(MacAddress(keep_maker=keep), given)

    assert len(set(masked)) == len(given)
    assert all(len(text) == 17 and text.count(":") == 5 for text in masked)
    assert all(text.startswith("00:1B:44") for text in masked) == keep
    assert all(int(text[:2], 16) & 3 == 0 for text in masked)


@pytest.mark.parametrize("text", ["00:1b:44:11:3a", "00:1B:44:11:3a:b7", "00:1b-44:11:3a:b7", "00:1b:44:11:3a:bg", ""])
def test_what_is_no_mac_address_is_reported(text: str) -> None:
    """Other lengths, mixed separators and mixed case are mismatches."""
    assert mask_values(MacAddress(), [text], on_mismatch="null") == [None]


def test_uuids_keep_version_and_variant_and_differ() -> None:
    """A version 4 stays a version 4, in text, binary and uuid alike, and no two become equal."""
    draw = random.Random(5)
    given = [UUID(int=draw.getrandbits(128), version=draw.choice((1, 4, 5))) for _ in range(5000)]
    raw = pa.array([value.bytes for value in given], pa.binary(16))

    masked = [UUID(text) for text in mask_values(Uuid(), [str(value) for value in given])]

    assert [value.version for value in masked] == [value.version for value in given]
    assert len(set(masked)) == len(given)
    assert [UUID(bytes=value) for value in mask_array(Uuid(), raw).to_pylist()] == masked
    assert mask_array(Uuid(), raw.cast(pa.uuid())).to_pylist() == masked


def test_no_bit_of_a_uuid_but_version_and_variant_stays() -> None:
    """Each of the 122 free bits is 1 about half of the time, whatever the input."""
    given = pa.array([UUID(int=n, version=4).bytes for n in range(4000)], pa.binary(16))

    masked = np.array([list(value) for value in mask_array(Uuid(), given).to_pylist()], np.uint8)
    share = np.unpackbits(masked, axis=1).mean(axis=0)

    assert sum(0.45 < bit < 0.55 for bit in share) == 122


def test_uuid_in_any_spelling_is_the_same_uuid() -> None:
    """Hyphens, braces and case stay, whatever stands around a value; mixed case and other lengths are reported."""
    draw = random.Random(6)
    given = [UUID(int=draw.getrandbits(128), version=4) for _ in range(3000)]
    spellings = (str, lambda value: value.hex, lambda value: f"{{{value}}}", lambda value: str(value).upper())
    texts = [spellings[number % 4](value) for number, value in enumerate(given)] + [str(given[0]).title(), "", "x"]

    masked = mask_values(Uuid(), texts, on_mismatch="null")
    plain = mask_values(Uuid(), [str(value) for value in given])

    assert masked == [*(spellings[number % 4](UUID(text)) for number, text in enumerate(plain)), None, None, None]
    assert mask_values(Uuid(), texts[3:3000:4]) == masked[3:3000:4]


def test_address_without_letters_is_masked_alike_beside_capitals() -> None:
    """A MAC address of digits only gets small letters, alone and in a column of capitals."""
    (alone,) = mask_values(MacAddress(), ["00:11:22:33:44:55"])

    beside = mask_values(MacAddress(), ["00:11:22:33:44:55", *(f"00:1B:44:11:3A:{n:02X}" for n in range(256))])

    assert beside[0] == alone == alone.lower()
    assert beside[1:] == [text.upper() for text in beside[1:]]


@pytest.mark.parametrize("mask", [IpAddress(), IpAddress(keep_subnets=False)])
def test_address_is_masked_alike_in_every_company(mask: IpAddress) -> None:
    """An address gets the same mask alone, among its neighbours, and among strangers and other spellings."""
    draw = random.Random(8)
    near = [f"2001:db8:0:{n % 3:x}::{n:x}" for n in range(3000)] + [f"10.1.{n // 256}.{n % 256}" for n in range(3000)]
    far = [str(ipaddress.ip_address(draw.getrandbits(bits))) for bits in (32, 128) for _ in range(3000)]
    whole = [ipaddress.ip_address(text).exploded for text in near]

    among = dict(zip(near, mask_values(mask, near), strict=True))
    mixed = dict(zip(near + far, mask_values(mask, near + far), strict=True))

    assert mixed == mixed | among
    assert mask_values(mask, whole) == list(among.values())
    assert [mask_values(mask, [text])[0] for text in near[::997]] == [among[text] for text in near[::997]]


@pytest.mark.parametrize("change", [6, 10])
def test_phone_is_masked_alike_in_every_company(change: int) -> None:
    """A number gets the same mask alone, in a column of one form, of a few, and of more than can be grouped."""
    draw = random.Random(9)
    signs = ["", "", " ", "-", ".", "/"]
    texts = [f"+49 30 {n:010d}" for n in range(3000)] + [f"(0)30-{n:012d}" for n in range(3000)]
    wild = ["".join(draw.choice(signs) + draw.choice("0123456789") for _ in range(15)) for _ in range(300)]
    mask = Phone(change=change)

    masked = mask_values(mask, texts)

    assert mask_values(mask, texts[:3000]) == masked[:3000]
    assert mask_values(mask, texts + wild)[:6000] == masked
    assert [mask_values(mask, [text])[0] for text in texts[::991]] == masked[::991]
    assert mask_values(mask, [*texts, "n/a"], on_mismatch="null") == [*masked, None]


def test_url_keeps_the_site_where_asked_and_nothing_behind_it() -> None:
    """Path, query and fragment are gone; a value with a user name in it, or without a site, is reported."""
    given = ["https://x.de:8080/a?b=c#d", "https://user:pw@x.de/", "/path", "mailto:a@b.de"]

    masked = mask_values(Url(site="keep"), given, on_mismatch="null")

    assert masked[0].startswith("https://x.de:8080/")
    assert set(masked[0].removeprefix("https://x.de:8080/")) <= set("0123456789abcdef")
    assert masked[1:] == [None, None, None]


def test_password_is_drawn_evenly() -> None:
    """Every character that may come does, about equally often."""
    masked = "".join(mask_array(Password(length=20, signs=True), pa.array(range(20_000)).cast(pa.string())).to_pylist())
    counts = np.unique(list(masked), return_counts=True)[1]

    assert len(counts) == len(CHARACTERS) + len(SIGNS)
    assert counts.min() > 0.9 * counts.max()


@pytest.fixture
def towns(tmp_path: Path) -> tuple[str, str]:
    """Write the same seed rows as CSV and parquet."""
    rows = {
        "land": ["DE", "FR", "DE"],
        "city": ["Nordhafen", "Montclair", "Altenbrück"],
        "zip": ["01234", "23456", "04567"],
    }
    pq.write_table(pa.table(rows), tmp_path / "towns.parquet")
    lines = [",".join(rows), *(",".join(row) for row in zip(*rows.values(), strict=True))]
    (tmp_path / "towns.csv").write_text("\n".join(lines), "utf-8")
    return str(tmp_path / "towns.csv"), str(tmp_path / "towns.parquet")


def test_columns_of_a_seed_file_stay_in_their_row(towns: tuple[str, str]) -> None:
    """With one subject, city and postcode come from one row, whose key is the record's; CSV and parquet alike."""
    beside = {"id": list(range(60)), "country": ["DE", "FR"] * 30}
    made = []
    for file in towns:
        city, code = (
            mask_values(
                FromFile(file, name, subject="id", match="land", match_field="country"), ["x"] * 60, beside=beside
            )
            for name in ("city", "zip")
        )
        made.append(set(zip(city, code, ["DE", "FR"] * 30, strict=True)))

    assert (
        made[0]
        == made[1]
        == {("Nordhafen", "01234", "DE"), ("Altenbrück", "04567", "DE"), ("Montclair", "23456", "FR")}
    )


def test_record_whose_key_the_seed_file_lacks_is_reported(towns: tuple[str, str]) -> None:
    """A key without rows is a mismatch, and so is null."""
    mask = FromFile(towns[0], "city", match="land", match_field="country")

    masked = mask_values(mask, ["a", "b", "c"], beside={"country": ["FR", "XX", None]}, on_mismatch="null")

    assert masked == ["Montclair", None, None]


def test_seed_file_that_changed_is_refused(towns: tuple[str, str]) -> None:
    """With its sha256 given, a file is used as it was, or not at all."""
    from hashlib import sha256

    good = sha256(Path(towns[0]).read_bytes()).hexdigest()

    FromFile(towns[0], "city", sha256=good).plan(TEXT, Limits())
    with pytest.raises(PlanError, match="sha256"):
        FromFile(towns[0], "city", sha256="0" * 64).plan(TEXT, Limits())


@pytest.mark.parametrize(
    "mask", [FromFile("nowhere.csv", "x"), FromFile(__file__, "x"), FromFile("x.csv", "x", match="y")]
)
def test_seed_file_that_does_not_suit_is_refused(mask: FromFile) -> None:
    """No file, no table, or half a key."""
    with pytest.raises(PlanError):
        mask.plan(TEXT, Limits())


@pytest.mark.parametrize("provider", ["date_of_birth", "profile", "no_such_thing", "__class__", "seed", "binary"])
def test_faker_provider_that_does_not_suit_is_refused(provider: str) -> None:
    """What looks at the clock, makes no text, or is no provider is refused."""
    with pytest.raises(PlanError):
        FakerMask(provider).plan(TEXT, Limits())


def test_missing_faker_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Faker the refusal says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "faker", None)

    with pytest.raises(PlanError) as refused:
        FakerMask("safe_color_name", pool=3).plan(TEXT, Limits())

    assert "dmengine[faker]" in str(refused.value.hint)


@pytest.mark.parametrize(
    "mask",
    [Phone(change=5), Password(length=1), Password(characters="aa"), Url(site="no"), FakerMask("name", pool=1)],  # type: ignore[arg-type]
)
def test_bad_parameters_are_refused(mask: Masker) -> None:
    """What cannot be is refused at plan time, with a hint."""
    with pytest.raises(PlanError) as refused:
        mask.plan(TEXT, Limits())

    assert refused.value.hint
