"""What a plan says of its masks: what parts of a mask have to say, and how many values will share a result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles
from dmengine.errors import PlanError
from dmengine.maskers import (
    Chain,
    Concat,
    Email,
    Find,
    FirstName,
    Fixed,
    Fpe,
    Hash,
    Imitate,
    Inside,
    Json,
    LastName,
    RegexReplace,
    Scrub,
    SetChecksum,
    Truncate,
)
from dmengine.merging import expected_merged
from dmengine.spi import Limits, MaskContext, Masker, Scope, Uniqueness, findings_of


@pytest.mark.parametrize(
    ("mask", "message", "said"),
    [
        (Chain((Fpe(minimum=0, maximum=99, allow_small_domain=True), Fixed("x"))), "small domain: 100 values", True),
        (Chain((Scrub(), Truncate(80))), "scrub keeps all text", True),
        (Chain((Scrub(), Hash())), "scrub keeps all text", False),
        (Chain((Imitate(), SetChecksum("luhn"))), "set_checksum alone hides nothing", False),
        (Concat((Hash(), Scrub())), "scrub keeps all text", True),
        (RegexReplace("[0-9]+", masks=(SetChecksum("luhn"),)), "set_checksum alone hides nothing", True),
        (Json((Inside("a", SetChecksum("luhn")),)), "set_checksum alone hides nothing", True),
    ],
    ids=lambda value: None if isinstance(value, (str, bool)) else value.name,
)
def test_a_mask_made_of_masks_says_what_they_say(mask: Masker, message: str, said: bool) -> None:
    """Warnings of parts are warnings of the whole, but of what a part keeps where another part replaces it."""
    kind = pa.int64() if "small domain" in message else pa.string()

    found = [finding.message for finding in findings_of(mask, pa.field("x", kind))]

    assert any(message in text for text in found) == said


def test_domains_of_parts_are_held_to_one_mask(key: dm.Key) -> None:
    """A chain that masks findings in the domain of a column has to have that column's mask."""
    part = Scrub((Find("email", mask=Fpe(alphabet="alphanumeric"), domain="person.email"),))
    rules = dm.Ruleset([dm.Rule("email", Email(), domain="person.email"), dm.Rule("note", Chain((part, Truncate(80))))])

    with pytest.raises(PlanError, match="two masks"):
        dm.mask_table(pa.table({"email": ["a@b.cd"], "note": [""]}), rules, key)


def test_a_plan_counts_the_values_that_will_share_a_mask(tmp_path: Path, key: dm.Key) -> None:
    """Parquet knows how many values a column has at most, over all files: the plan says how many will be merged."""
    (tmp_path / "in").mkdir()
    for name, count in (("a", 3000), ("b", 1000)):
        column = pa.array([f"{name}{number}" for number in range(count)] + [None] * 50)
        pq.write_table(pa.table({"name": column, "mail": column, "town": column}), tmp_path / "in" / f"{name}.parquet")
    rules = dm.Ruleset([dm.Rule("name", FirstName()), dm.Rule("mail", Email(unique=True)), dm.Rule("town", Fixed("x"))])

    found = dm.plan(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), rules, key).plan.findings

    told = {f.where: f.message for f in found}
    names = FirstName().capacity
    merged = expected_merged(4000, names)
    assert f"first_name has {names:,} results for at most 4,000 values: about {merged:,.0f}" in told["name"]
    assert "for at most 4,000 values" in told["mail"]
    assert "town" not in told


def test_a_plan_without_counts_says_what_a_million_values_would_do(tmp_path: Path, key: dm.Key) -> None:
    """Where no one has counted, masks that shall keep values apart say how many of a million would meet."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "people.csv").write_text("id,email\n1,ann@x.org\n")
    rules = dm.Ruleset([dm.Rule("email", Email(unique=True)), dm.Rule("id", FirstName())])

    found = dm.plan(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), rules, key).plan.findings

    assert [f.where for f in found if "of a million different values" in f.message] == ["email"]


@dataclass(frozen=True, slots=True)
class FewNames:
    """A mask of two hundred names that may be told to keep values apart."""

    unique: bool = False

    name: ClassVar[str] = "few_names"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"
    capacity: ClassVar[int] = 200

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        return pa.array([f"name {bits % 200}" for bits in ctx.bits(values)[:, 0].tolist()], values.type)


def test_a_table_with_too_many_values_for_a_unique_mask_is_refused(key: dm.Key) -> None:
    """A mask that shall keep values apart is refused for more different values than it can, with both numbers."""
    many, few = pa.table({"n": [*"abcdefghijklmnopqrstuvwxyz"] * 2}), pa.table({"n": ["a", "b"] * 26})
    rules = dm.Ruleset([dm.Rule("n", FewNames(unique=True))])

    with pytest.raises(
        PlanError, match=r"unique cannot hold for 26 different values: of 200 results, about 2 will share one"
    ):
        dm.mask_table(many, rules, key)
    assert dm.mask_table(few, rules, key)["n"].unique().type == pa.string()
    assert dm.mask_table(many, dm.Ruleset([dm.Rule("n", FewNames())]), key).num_rows == 52


@pytest.mark.parametrize("mask", [FirstName(unique=True), LastName(unique=True, locale="ja_JP")])
def test_unique_names_are_refused_with_what_would_fit(mask: FirstName | LastName) -> None:
    """A few hundred names cannot keep values apart: the refusal says how many there are, and what can."""
    with pytest.raises(PlanError, match=f"unique cannot hold: there are {mask.capacity:,} names") as refused:
        mask.plan(pa.field("name", pa.string()), Limits())

    assert "with unique: true, full_name has" in refused.value.hint


def test_range_of_whole_numbers_bounds_how_many_there_are(tmp_path: Path, key: dm.Key) -> None:
    """A column of a million rows with ages has a hundred different ones, which the footer tells."""
    table = pa.table({"age": pa.array([*range(18, 118)] * 100, pa.int16())})
    pq.write_table(table, tmp_path / "ages.parquet", row_group_size=3000)

    [info] = LocalFiles(tmp_path).describe().datasets

    assert info.most == {"age": 100}
