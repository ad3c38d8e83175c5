"""NationalId, Vin, Isbn, Ean, and what all identifiers share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from random import Random
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from stdnum import ean, isbn
from stdnum.au import abn, tfn
from stdnum.br import cnpj, cpf
from stdnum.ca import sin
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.in_ import aadhaar
from stdnum.nz import ird
from stdnum.us import ein, ssn

from dmengine.arrow import NUMBER
from dmengine.contexts import Context
from dmengine.errors import MaskError, PlanError
from dmengine.keyring import Key
from dmengine.spi import Limits, Masker
from dmengine.testing.context import TEST_KEY, mask_array, mask_values
from dmengine_maskers import Ean, Iban, Isbn, NationalId, Vin
from dmengine_maskers.checksums import NonZero, balanced
from dmengine_maskers.forms import Form, form
from dmengine_maskers.identifiers import Scheme
from dmengine_maskers.national_schemes import SCHEMES, Kind
from dmengine_maskers.products import EANS, ISBNS, VINS
from dmengine_maskers.symbols import SYMBOLS

Valid = Callable[[str], bool]


def is_nino(text: str) -> bool:
    """Say whether a text is a national insurance number, by the regular expression of HMRC's schemas."""
    pattern = r"(?!BG|GB|KN|NK|NT|TN|ZZ)[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z][0-9]{6}[A-D]?"
    return re.fullmatch(pattern, text) is not None


def is_north_american_vin(text: str) -> bool:
    """Say whether the check digit of a VIN holds (49 CFR 565.15), one character at a time."""
    worth = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", [*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)], strict=True))
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    total = sum(
        weight * (int(symbol) if symbol.isdigit() else worth[symbol])
        for weight, symbol in zip(weights, text, strict=True)
    )
    return text[8] == "0123456789X"[total % 11]


VALID: dict[Kind, Valid] = {
    "au_abn": abn.is_valid, "au_tfn": tfn.is_valid, "br_cnpj": cnpj.is_valid, "br_cpf": cpf.is_valid,
    "ca_sin": sin.is_valid, "es_dni": dni.is_valid, "es_nie": nie.is_valid, "fr_nir": nir.is_valid,
    "in_aadhaar": aadhaar.is_valid, "nz_ird": ird.is_valid, "uk_nhs": nhs.is_valid, "uk_nino": is_nino,
    "us_ein": ein.is_valid, "us_ssn": ssn.is_valid,
}  # fmt: skip


def spelled(forms: Iterable[Form], count: int) -> list[str]:
    """Make up valid identifiers of each form."""
    random = np.random.default_rng(7)
    texts: dict[str, None] = {}
    for shape in forms:
        rows = [[SYMBOLS.index(symbol) for symbol in alphabet] for alphabet in shape.alphabets]
        codes = np.array([random.choice(row, 2 * count) for row in rows], np.uint8)
        valid = shape.spelt(codes) & shape.complete(codes)
        texts |= dict.fromkeys("".join(SYMBOLS[code] for code in column) for column in codes[:, valid].T.tolist())
    return list(texts)


def forms_of(scheme: Scheme) -> list[Form]:
    nothing = {length: np.zeros((length, 0), np.uint8) for length in scheme.lengths}
    return [form for codes in nothing.values() for _, forms in scheme.forms(codes) for form in forms]


@pytest.mark.parametrize("kind", sorted(VALID))
def test_national_numbers_stay_valid_different_and_of_their_form(kind: Kind) -> None:
    """Valid numbers become valid ones (python-stdnum says so), no two the same, digits and letters as many."""
    originals = spelled(forms_of(SCHEMES[kind]), 300)
    Random(3).shuffle(originals)

    masked = mask_values(NationalId(kind), originals)

    assert all(map(VALID[kind], originals))
    assert all(map(VALID[kind], masked))
    assert len(set(masked)) == len(originals)
    assert [len(text) for text in masked] == [len(text) for text in originals]
    assert sum(before == after for before, after in zip(originals, masked, strict=True)) <= 2


@pytest.mark.parametrize(("mask", "scheme", "valid"), [(Isbn(), ISBNS, isbn.is_valid), (Ean(), EANS, ean.is_valid)])
def test_product_numbers_stay_valid_and_different(mask: Masker, scheme: Scheme, valid: Valid) -> None:
    """Valid article and book numbers become valid ones, no two the same."""
    originals = spelled(forms_of(scheme), 300)

    masked = mask_values(mask, originals)

    assert all(map(valid, [*originals, *masked]))
    assert len(set(masked)) == len(originals)


@pytest.mark.parametrize("keep", [True, False])
def test_vins_keep_whether_their_check_digit_holds(keep: bool) -> None:
    """A VIN whose check digit holds becomes one of that sort, and any other becomes another; no two are the same."""
    originals = spelled(forms_of(VINS[keep]), 500)

    masked = mask_values(Vin(keep_manufacturer=keep), originals)

    assert list(map(is_north_american_vin, masked)) == list(map(is_north_american_vin, originals))
    assert {True, False} == set(map(is_north_american_vin, masked))
    assert len(set(masked)) == len(originals)
    assert all(before[:3] == after[:3] for before, after in zip(originals, masked, strict=True)) == keep


def test_every_kind_is_tested() -> None:
    """Each kind that can be named has a scheme and a validator."""
    assert set(get_args(Kind)) == set(SCHEMES) == set(VALID)


def test_small_form_is_permuted_among_its_valid_numbers() -> None:
    """Over all numbers of a small form the mask is a permutation, where it walks over invalid ones too."""
    small = form("nnn0#", balanced((5, 4, 3, 2, 1), 11), NonZero(0, 2))
    codes = np.array([[int(digit) for digit in f"{number:03d}00"] for number in range(1000)], np.uint8).T
    codes = codes[:, small.complete(codes)]

    masked = small.permuted(codes, bytes(32))

    assert codes.shape[1] < 1000
    assert sorted(map(tuple, masked.T.tolist())) == sorted(map(tuple, codes.T.tolist()))


@pytest.mark.parametrize("sizes", [(26,) * 3 + (10,) * 17, (36,) * 20, (10,) * 25, (26, 33) * 8])
def test_wide_permutations_are_undone_by_none_and_stay_within_their_sizes(sizes: tuple[int, ...]) -> None:
    """More values than a machine word counts are permuted too: every symbol within its alphabet, none twice."""
    wide = Form(tuple(SYMBOLS[:size] for size in sizes), tuple(range(len(sizes))))
    codes = np.array([np.random.default_rng(1).integers(0, size, 500) for size in sizes], np.uint8)
    codes[:, :3] = np.array([[0], [1], [9]]).T  # neighbours and ends too

    masked = wide.permuted(codes, bytes(32))

    assert wide.spelt(masked).all()
    assert len(set(map(tuple, masked.T.tolist()))) == len(set(map(tuple, codes.T.tolist())))


def test_separators_stay_in_place() -> None:
    """Dots, dashes, slashes and spaces stay where they are, and do not change the number's mask."""
    spellings = ["390.533.447-05", "39053344705", "390 533 447 05", " 390-533.447/05"]

    masked = mask_values(NationalId("br_cpf"), spellings)

    assert [re.sub(r"\d", "0", text) for text in masked] == [re.sub(r"\d", "0", text) for text in spellings]
    assert len({re.sub(r"\D", "", text) for text in masked}) == 1


def test_case_stays() -> None:
    """Small letters stay small, and the number is masked as in capitals; a mixture is a mismatch."""
    small, capital, mixed = mask_values(
        NationalId("uk_nino"), ["ab123456c", "AB123456C", "Ab123456C"], on_mismatch="null"
    )

    assert small == capital.lower() != capital
    assert mixed is None


def test_small_letters_are_refused_where_no_letter_need_be_left() -> None:
    """The x of an ISBN may be masked by a digit, and x and X would then be one: small letters are a mismatch."""
    assert mask_values(Isbn(), ["080442957x", "080442957X"], on_mismatch="null")[0] is None


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (NationalId("us_ssn"), "000-12-3456"),
        (NationalId("us_ssn"), "666-12-3456"),
        (NationalId("us_ssn"), "912-12-3456"),
        (NationalId("us_ssn"), "123-00-3456"),
        (NationalId("us_ssn"), "123-45-0000"),
        (NationalId("us_ssn"), "078-05-1120"),
        (NationalId("us_ssn"), "123-45-678"),
        (NationalId("us_ssn"), "123_45_6789"),
        (NationalId("us_ssn"), "١٢٣456789"),
        (NationalId("us_ssn"), ""),
        (NationalId("us_ein"), "00-1234567"),
        (NationalId("uk_nino"), "BG123456A"),
        (NationalId("br_cpf"), "111.111.111-11"),
        (NationalId("br_cpf"), "390.533.447-06"),
        (NationalId("fr_nir"), "295139912611194"),
        (NationalId("nz_ird"), "150000000"),
        (NationalId("es_dni"), "54362315-A"),
        (Isbn(), "977-0-306-40615-7"),
        (Ean(), "4006381333930"),
        (Vin(), "1M8GDM9AXKP04278O"),
    ],
)
def test_what_is_no_valid_number_is_a_mismatch(mask: Masker, text: str) -> None:
    """A value with wrong check digits, of another length, or with foreign characters is reported, and not told."""
    assert mask_values(mask, [text], on_mismatch="null") == [None]
    with pytest.raises(MaskError) as caught:
        mask_values(mask, [text])
    assert len(text) < 3 or text not in str(caught.value)


def test_nothing_of_a_mismatch_is_left() -> None:
    """What the mask returns for a value that it cannot take holds nothing of it."""
    ctx = Context(Key.from_bytes(TEST_KEY), "test")

    masked = NationalId("us_ssn").mask(pa.array(["536-90-4399", "secret", "999-99-9998"]), ctx)

    assert masked.to_pylist()[1:] == ["000000", "00000000000"]
    assert ctx.mismatched is not None
    assert ctx.mismatched.tolist() == [False, True, True]


def test_alphanumeric_cnpj_keeps_being_one() -> None:
    """A CNPJ of digits stays one of digits; one with letters, as issued from 2026 on, keeps some."""
    old, new = mask_values(NationalId("br_cnpj"), ["16.727.230/0001-97", "12.ABC.345/01DE-35"])

    assert re.fullmatch(r"[\d./-]+", old)
    assert re.search("[A-Z]", new)
    assert cnpj.is_valid(new)


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.uint32(), NUMBER])
def test_integers_are_masked_as_their_digits(kind: pa.DataType) -> None:
    """A number without its leading zeros gets the mask of the text with them, in every type of number."""
    texts = ["001-01-0001", "536-90-4399"]
    numbers = [1010001, 536904399]
    values = (
        pa.ExtensionArray.from_storage(kind, pa.array(list(map(str, numbers))))
        if kind == NUMBER
        else pa.array(numbers, kind)
    )

    masked = mask_array(NationalId("us_ssn"), values)

    assert masked.type == kind
    expected = [int(text.replace("-", "")) for text in mask_values(NationalId("us_ssn"), texts)]
    assert list(map(int, masked.to_pylist())) == expected


def test_negative_and_long_integers_are_mismatches() -> None:
    """A negative number, and one with too many digits, is no such number."""
    values = pa.array([-536904399, 5369043990, 536904399])

    assert [value is None for value in mask_values(NationalId("us_ssn"), values, on_mismatch="null")] == [1, 1, 0]


def test_one_number_is_masked_alike_in_all_its_lengths() -> None:
    """An article in UPC-A, EAN-13 and GTIN-14, a book in ISBN-10 and ISBN-13, and a tax number: still one each."""
    articles = mask_values(Ean(), ["036000291452", "0036000291452", "00036000291452"])
    books = mask_values(Isbn(), ["0306406152", "9780306406157"])
    taxes = mask_values(NationalId("nz_ird"), ["49091850", "049091850"])

    assert articles == [articles[0], f"0{articles[0]}", f"00{articles[0]}"]
    assert isbn.to_isbn13(books[0]) == books[1]
    assert taxes[1] == f"0{taxes[0]}"


@pytest.mark.parametrize(
    ("mask", "kind", "told"),
    [
        (NationalId("us_ssn"), pa.int16(), "9 digits"),
        (NationalId("us_ssn"), pa.float64(), "text and integers"),
        (NationalId("es_dni"), pa.int64(), "text"),
        (NationalId("us_snn"), pa.string(), "kind"),  # type: ignore[arg-type]
        (Vin(), pa.int64(), "text"),
        (Iban(), pa.int64(), "text"),
        (Ean(), pa.int8(), "8 digits"),
    ],
)
def test_plan_refuses_what_does_not_fit(mask: Masker, kind: pa.DataType, told: str) -> None:
    """Types that cannot hold such numbers, and unknown kinds, are refused before anything is masked."""
    with pytest.raises(PlanError, match=told):
        mask.plan(pa.field("value", kind), Limits())
