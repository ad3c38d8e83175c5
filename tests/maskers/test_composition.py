"""Masks of masks: what they declare follows from their parts, and rules can hold them."""

from __future__ import annotations

import pyarrow as pa
import pytest

import dmengine as dm
from dmengine.errors import PlanError, RulesetError
from dmengine.rulefile import dump_ruleset, load_ruleset, ruleset_schema
from dmengine.spi import Limits, Masker, fields_read, is_keyed
from dmengine.testing.context import TEST_KEY, mask_values, unmask_values
from dmengine_maskers import (
    Case,
    Chain,
    CharacterMask,
    Concat,
    DateShift,
    Email,
    Fixed,
    FormatString,
    Fpe,
    FromField,
    Hash,
    Null,
    Pad,
    Redact,
    RegexReplace,
    Shuffle,
    Substring,
    Template,
    Truncate,
)

TEXT = pa.field("value", pa.string())
RULES = """
rules:
- field: phone
  mask: {type: chain, masks: [{type: hash, size: 12}, {type: character_mask, keep_last: 3}]}
- field: name
  mask:
    type: concat
    glue: " "
    masks: [first_name, last_name]
- field: copy
  mask: {type: chain, masks: [{type: from_field, field: phone}, imitate]}
"""


def test_chain_declares_what_its_weakest_part_does() -> None:
    """A chain is consistent, reversible, injective and unkeyed only if all of its masks are."""
    strong, weak = Chain((Fpe(), Fpe())), Chain((Fpe(), Hash(), DateShift(by="id")))

    assert (strong.uniqueness, strong.reversible, strong.scope, is_keyed(strong)) == ("injective", True, "value", True)
    assert (weak.uniqueness, weak.reversible, weak.scope, fields_read(weak)) == ("lossy", False, "row", ("id",))
    assert not is_keyed(Chain((Redact(), Case("upper"))))
    assert not Chain((FormatString("x", consistent=False),)).consistent


def test_chain_of_reversible_masks_comes_back() -> None:
    """The originals come back through all masks of a chain, last one first."""
    chain = Chain((Fpe(), Fpe(alphabet="alphanumeric")))
    values = ["123-45-6789", None, "987654"]

    assert unmask_values(chain, mask_values(chain, values)) == values


def test_equal_parts_draw_different_bits() -> None:
    """Two equal masks of a concat do not say the same twice."""
    [text] = mask_values(Concat((FormatString("{[a-z],12}"), FormatString("{[a-z],12}"))), ["Alice"])

    assert text[:12] != text[12:]


def test_null_within_a_chain_reaches_no_later_mask() -> None:
    """What one mask of a chain empties stays empty, and the rest still lines up with its record."""
    chain = Chain((FromField("nick"), Concat((Fixed("x"), FromField("town")), glue="-")))

    masked = mask_values(chain, ["a", "b", "c"], beside={"nick": ["n", None, "m"], "town": ["p", "q", "r"]})

    assert masked == ["x-p", None, "x-r"]
    assert mask_values(Chain((Null(), Hash())), ["a"]) == [None]


def test_mismatch_within_a_chain_is_one_of_the_chain() -> None:
    """A value that a later mask cannot take is a mismatch of the whole, at its own place."""
    chain = Chain((FromField("mail"), Email(mail_domain="keep")))
    beside = {"mail": [None, "a@corp.com", "nobody"]}

    masked = mask_values(chain, ["1", "2", "3"], beside=beside, on_mismatch="null")

    assert [value is None for value in masked] == [True, False, True]


@pytest.mark.parametrize(
    ("mask", "room", "fits"),
    [
        (Chain((Hash(), Truncate(length=4))), 8, False),  # a character may have four bytes
        (Chain((Hash(), Truncate(max_bytes=8))), 8, True),
        (Chain((Truncate(max_bytes=8), Hash())), 8, False),
        (Concat((Hash(size=8), Hash(size=8)), glue="-"), 17, True),
        (Concat((Hash(size=8), Hash(size=8)), glue="-"), 16, False),
        (Concat((Hash(size=8), CharacterMask())), 100, False),
        (Concat((Pad(3), Fixed("x"))), 100, False),
        (RegexReplace("a", replacement="bb"), 100, False),
        (RegexReplace("a", replacement="b"), 100, True),
        (RegexReplace("a", masks=(CharacterMask(),)), 100, True),
        (RegexReplace("a", masks=(Hash(),)), 100, False),
        (Template("{name}"), 100, False),
    ],
)
def test_narrow_target_is_refused_where_results_may_be_longer(mask: Masker, room: int, fits: bool) -> None:
    """A composition is planned for a narrow target only if nothing that it makes is longer."""
    try:
        mask.plan(TEXT, Limits(max_bytes=room))
        planned = True
    except PlanError:
        planned = False

    assert planned is fits


@pytest.mark.parametrize(
    "mask",
    [
        Chain(()),
        Chain((Shuffle(),)),
        Chain((Hash,)),  # type: ignore[arg-type]
        Concat(()),
        Chain((Hash(), DateShift())),
        RegexReplace("(", replacement=""),
        RegexReplace("x*", replacement=""),
        RegexReplace("x"),
        RegexReplace("x", replacement="", masks=(Hash(),)),
        RegexReplace("x", replacement=r"\1"),
        RegexReplace("x", masks=(FromField("y"),)),
        Substring(),
        Template("no field {"),
        Template("{a:shout}"),
    ],
)
def test_wrong_composition_is_refused_by_the_plan(mask: Masker) -> None:
    """Parts that do not fit together are a PlanError with a hint."""
    with pytest.raises(PlanError) as refused:
        mask.plan(TEXT, Limits())

    assert refused.value.hint


def test_masks_within_masks_can_be_written_in_rules() -> None:
    """A ruleset file can hold a mask as a parameter, by name or with parameters, and reads back as it was."""
    rules = load_ruleset(RULES)
    table = pa.table({"phone": ["555", "556"], "name": ["Ada", None], "copy": ["x", "y"]})

    masked = dm.mask_table(table, rules, dm.Key.from_bytes(TEST_KEY)).to_pydict()

    assert load_ruleset(dump_ruleset(rules)) == rules
    assert [text[:9] for text in masked["phone"]] == ["*" * 9] * 2
    assert masked["name"][1] is None
    assert all(text.isdigit() and len(text) == 3 for text in masked["copy"])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[{type: hash, sise: 12}]", r"ruleset:3:\d+: there is no sise here \(mask hash\)\n.*did you mean size"),
        ("[hash, nosuch]", r"ruleset:3:\d+: there is no mask 'nosuch'"),
        ("[{keep: public}]", "a part cannot be kept"),
        ("[{type: chain, masks: [{type: hash, size: x}]}]", "size wants a whole number"),
        ("hash", "masks wants a list"),
    ],
)
def test_mistake_within_a_mask_of_a_mask_is_told_at_its_place(written: str, said: str) -> None:
    """What is wrong with a mask inside of a mask is told with its own place and suggestion."""
    with pytest.raises(RulesetError, match=said):
        load_ruleset("rules:\n- field: a\n  mask: {type: chain, masks: " + written + "}\n")


def test_schema_lets_a_mask_stand_within_a_mask() -> None:
    """The published schema refers from a parameter that is a mask to all masks."""
    [chain] = [mask for mask in ruleset_schema()["$defs"]["mask"]["oneOf"] if mask.get("title") == "chain"]

    assert chain["properties"]["masks"]["items"] == {"$ref": "#/$defs/mask"}


def test_text_of_dates_and_numbers_is_masked_as_what_it_says() -> None:
    """Text columns are read as dates and numbers, masked, and written back as they were."""
    rules = load_ruleset(
        """
rules:
- {field: born, as: date, format: "%d.%m.%Y", mask: {type: date_truncate, to: year}}
- {field: hired, as: date, mask: {type: keep_age, "on": 2026-01-01}}
- {field: pay, as: number, mask: {type: round, to: 100}}
- field: town
  when: {field: born, is_null: true}
  mask: {type: choice, choices: [A]}
  otherwise: {type: chain, masks: [imitate, {type: case, to: upper}]}
"""
    )
    table = pa.table(
        {"born": ["12.04.1985", None], "hired": ["2000-02-29", None], "pay": ["1234.50", "99"], "town": ["bonn", "x"]}
    )

    masked = dm.mask_table(table, rules, dm.Key.from_bytes(TEST_KEY)).to_pydict()

    assert masked["born"] == ["01.01.1985", None]
    assert masked["hired"][0][:4] in ("2000", "1999")
    assert masked["pay"] == ["1200.00", "100"]
    assert masked["town"][1] == "A"
    assert masked["town"][0].isupper()
