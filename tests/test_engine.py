"""The engine: rules on tables, with all its chores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import dmengine as dm
from dmengine.columns import hold
from dmengine.counts import Counts
from dmengine.engine import Batch, Engine
from dmengine.errors import DmengineError, MaskError, PlanError
from dmengine.maskers import (
    CharacterMask,
    DateShift,
    Email,
    FirstName,
    Fixed,
    Fpe,
    Hash,
    MicroAggregate,
    Null,
    Number,
    Redact,
    Shuffle,
)
from dmengine.partplans import plan_part
from dmengine.records import TableRecords
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness


def mask(table: pa.Table, rules: list[dm.Rule], key: dm.Key) -> pa.Table:
    return dm.mask_table(table, dm.Ruleset(rules), key)


@dataclass(frozen=True, slots=True)
class Broken:
    """A mask that breaks its contract in a chosen way."""

    how: str
    name: ClassVar[str] = "broken"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "unknown"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        if self.how == "short":
            return values.slice(1)
        if self.how == "type":
            return pa.array(range(len(values)))
        if self.how == "hidden":
            return pc.if_else(pc.equal(values, values[0]), pa.scalar(None, values.type), values)
        raise ValueError(f"cannot mask {values[0].as_py()}")


def test_nulls_stay_null_and_equal_values_get_equal_masks(key: dm.Key) -> None:
    """Nulls are left alone, and one value has one mask wherever it stands."""
    table = pa.table({"email": ["a@x.org", None, "b@x.org", "a@x.org"]})

    [got] = mask(table, [dm.Rule("email", Email())], key).to_pydict().values()

    assert got[1] is None
    assert got[0] == got[3] != got[2]
    assert "a@x.org" not in got


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_masks_do_not_depend_on_the_batch_size(key: dm.Key, size: int) -> None:
    """The same rows cut into other batches give the same masks, row masks included."""
    table = pa.table({"name": [f"n{i % 3000}" for i in range(9000)], "n": list(range(9000))})
    rules = [dm.Rule("name", FirstName()), dm.Rule("n", Number(minimum=0, maximum=10**6, consistent=False))]
    whole = mask(table, rules, key)

    cut = mask(pa.Table.from_batches(table.to_batches(max_chunksize=size)), rules, key)

    assert cut.to_pydict() == whole.to_pydict()


def test_a_dictionary_column_stays_one_and_holds_no_unused_value(key: dm.Key) -> None:
    """Dictionary columns are masked once per distinct value; values used by no row are gone."""
    column = pa.array(["secret", "ann", "bob", "ann"]).dictionary_encode().slice(1)
    plain = pa.table({"name": column.cast(pa.string())})
    table = pa.table({"name": column})

    got = mask(table, [dm.Rule("name", Hash())], key)

    assert got.schema == table.schema
    assert got["name"].to_pylist() == mask(plain, [dm.Rule("name", Hash())], key)["name"].to_pylist()
    assert len(got["name"].chunk(0).dictionary) == 2


def test_a_null_within_a_dictionary_stays_null(key: dm.Key) -> None:
    """A dictionary that has a null among its values reaches no mask with it; the null stays one."""
    column = pa.DictionaryArray.from_arrays([0, 1, 0], pa.array(["ann", None]))
    plain = pa.table({"name": ["ann", None, "ann"]})

    got = mask(pa.table({"name": column}), [dm.Rule("name", Hash())], key)

    assert got["name"].to_pylist() == mask(plain, [dm.Rule("name", Hash())], key)["name"].to_pylist()


def test_nested_fields_are_masked_in_place(key: dm.Key) -> None:
    """Struct members and list elements are masked; their containers, nulls and empty lists stay."""
    people = [{"kind": "home", "email": "a@x.org"}, {"kind": "work", "email": None}]
    table = pa.table({"id": [1, 2, 3], "contacts": [people, None, []], "email": ["a@x.org", None, "c@x.org"]})
    rules = [
        dm.Rule(["email", "contacts[*].email"], Email(), domain="person.email"),
        dm.keep("id", "contacts[*].kind", because="no meaning outside"),
    ]

    got = mask(table, rules, key).to_pydict()

    assert got["contacts"][0][0] == {"kind": "home", "email": got["email"][0]}
    assert got["contacts"][0][1] == {"kind": "work", "email": None}
    assert got["contacts"][1:] == [None, []]


def test_a_container_can_be_redacted_or_dropped_whole(key: dm.Key) -> None:
    """`redact` on a container makes it null; `drop` takes it out of the schema."""
    table = pa.table({"a": [{"x": "1"}], "b": [[1, 2]], "c": [1]})

    got = mask(table, [dm.Rule("a", Redact()), dm.drop("b"), dm.keep("c", because="test")], key)

    assert got.to_pydict() == {"a": [None], "c": [1]}


def test_a_container_rule_covers_what_no_inner_rule_names(key: dm.Key) -> None:
    """An opened container's other members fall to the rule on the container."""
    table = pa.table({"a": [{"x": "1", "y": "2"}]})

    got = mask(table, [dm.Rule("a.x", Fixed("-")), dm.keep("a", because="the rest is public")], key)

    assert got.to_pydict() == {"a": [{"x": "-", "y": "2"}]}


def test_conditions_read_original_values(key: dm.Key) -> None:
    """`when` sees the value from before masking, even where that field's own mask comes first."""
    table = pa.table({"country": ["DE", "FR", None], "name": ["Ann", "Bob", "Cem"]})
    rules = [
        dm.Rule("country", Fixed("XX")),
        dm.Rule("name", Redact(), when=dm.field("country").isin(["DE"]), otherwise=dm.keep(because="public")),
    ]

    got = mask(table, rules, key).to_pydict()

    assert got == {"country": ["XX", "XX", None], "name": ["*", "Bob", "Cem"]}


def test_otherwise_may_be_another_mask(key: dm.Key) -> None:
    """Values for which the condition is false get the other mask."""
    table = pa.table({"n": ["1", "2"], "name": ["Ann", "Bob"]})
    rule = dm.Rule("name", Redact(), when=dm.field("n") == "1", otherwise=Fixed("other"))

    got = mask(table, [rule, dm.keep("n", because="test")], key)["name"].to_pylist()

    assert got == ["*", "other"]


def test_inside_a_list_the_field_of_the_same_element_is_meant(key: dm.Key) -> None:
    """A condition in a list reads its own element first, then the record."""
    contacts = [[{"kind": "home", "tel": "1"}, {"kind": "work", "tel": "2"}], [{"kind": "work", "tel": "3"}]]
    table = pa.table({"vip": [True, False], "contacts": contacts})
    own = dm.Rule("contacts[*].tel", Redact(), when=dm.field("kind") == "home", otherwise=dm.keep(because="business"))
    parent = dm.Rule("contacts[*].tel", Redact(), when=dm.field("vip") == True, otherwise=dm.keep(because="-"))  # noqa: E712
    rest = dm.keep("vip", "contacts", because="test")

    by_element = mask(table, [own, rest], key)["contacts"].to_pylist()
    by_record = mask(table, [parent, rest], key)["contacts"].to_pylist()

    assert [[c["tel"] for c in row] for row in by_element] == [["*", "2"], ["3"]]
    assert [[c["tel"] for c in row] for row in by_record] == [["*", "*"], ["3"]]


def test_date_shift_by_another_field_moves_all_dates_of_one_person_alike(key: dm.Key) -> None:
    """The shift is keyed by the other field, so intervals between one person's dates survive."""
    table = pa.table({"who": [7, 8, 7], "day": pa.array([0, 0, 100], pa.date32())})
    rules = [dm.Rule("day", DateShift(days=90, by="who")), dm.keep("who", because="test")]

    got = mask(table, rules, key)["day"].cast(pa.int32()).to_pylist()

    assert got[2] - got[0] == 100
    assert got[0] != 0


@pytest.mark.parametrize(("policy", "wanted"), [("redact", "*"), ("null", None)])
def test_values_a_mask_cannot_take_follow_on_mismatch(key: dm.Key, policy: str, wanted: str | None) -> None:
    """`on_mismatch` decides about single values, and the others are masked as ever."""
    table = pa.table({"card": ["4111111111111111", "no card", None]})

    got = mask(table, [dm.Rule("card", Fpe(), on_mismatch=policy)], key)["card"].to_pylist()  # type: ignore[arg-type]

    assert got[1:] == [wanted, None]
    assert got[0] not in ("4111111111111111", wanted)


def test_on_mismatch_fails_by_default_and_names_no_value(key: dm.Key) -> None:
    """A value that a mask cannot take stops the run; the error counts, and quotes nothing."""
    table = pa.table({"card": ["4111111111111111", "no card", "no card"]})

    with pytest.raises(MaskError, match="fpe cannot take 2 of the values") as caught:
        mask(table, [dm.Rule("card", Fpe())], key)

    assert "no card" not in str(caught.value)
    assert caught.value.place["field"] == "card"


def test_text_can_be_read_as_numbers_and_dates(key: dm.Key) -> None:
    """`as` masks text as what it stands for, and writes it back in the same form."""
    number = Fpe(minimum=0, maximum=9_999_999)
    typed = mask(pa.table({"id": [42]}), [dm.Rule("id", number, domain="id")], key)["id"].to_pylist()
    table = pa.table({"id": ["42", "0000042"], "born": ["31.12.1999", "01.01.2000"]})
    rules = [
        dm.Rule("id", number, domain="id", as_="integer"),
        dm.Rule("born", DateShift(days=10), as_="date", format="%d.%m.%Y"),
    ]

    got = mask(table, rules, key).to_pydict()

    assert got["id"] == [str(typed[0]), str(typed[0]).rjust(7, "0")]
    assert all(len(day) == 10 and day[2] == day[5] == "." for day in got["born"])


def test_normalize_joins_spellings(key: dm.Key) -> None:
    """Values that differ only in case and blanks get one mask when the rule says so."""
    table = pa.table({"email": ["Ann@X.org", " ann@x.org ", "bob@x.org"]})

    got = mask(table, [dm.Rule("email", Email(), normalize=["trim", "casefold"])], key)["email"].to_pylist()

    assert got[0] == got[1] != got[2]


@pytest.mark.parametrize(
    ("how", "message"), [("short", "returned 1 values for 2"), ("type", "returned int64, planned")]
)
def test_a_mask_that_breaks_its_contract_is_refused(key: dm.Key, how: str, message: str) -> None:
    """Length and type are checked after every call."""
    with pytest.raises(MaskError, match=message):
        mask(pa.table({"x": ["a", "b"]}), [dm.Rule("x", Broken(how))], key)


def test_what_a_mask_raises_never_shows_its_value(key: dm.Key) -> None:
    """An exception of a plugin becomes a MaskError without message, cause or context."""
    with pytest.raises(MaskError, match="broken raised ValueError") as caught:
        mask(pa.table({"x": ["CANARY"]}), [dm.Rule("x", Broken("raise"))], key)

    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_no_original_byte_survives_behind_a_null(key: dm.Key) -> None:
    """Buffers are rebuilt: a mask that nulls a value in place leaves nothing of it in the output."""
    table = pa.table({"x": ["CANARY-IN-NULL", "b"]})

    got = mask(table, [dm.Rule("x", Broken("hidden"))], key)

    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, got.schema) as writer:
        writer.write_table(got)
    assert b"CANARY" not in sink.getvalue().to_pybytes()


def test_unlisted_fields_are_refused_with_the_yaml_to_paste(key: dm.Key) -> None:
    """A field that no rule names stops everything, and the error says what to write."""
    with pytest.raises(PlanError, match="no rule covers: ssn, dob") as caught:
        mask(pa.table({"ssn": ["1"], "dob": ["2"], "x": ["3"]}), [dm.Rule("x", Redact())], key)

    assert "- field: ssn\n        keep:" in str(caught.value)


@pytest.mark.parametrize("unlisted", ["drop", "redact", dm.keep(because="test data")])
def test_unlisted_fields_can_be_dropped_redacted_or_kept(key: dm.Key, unlisted: object) -> None:
    """`unlisted` decides about every field that no rule names."""
    ruleset = dm.Ruleset([dm.Rule("x", Redact())], unlisted=unlisted)  # type: ignore[arg-type]

    got = dm.mask_table(pa.table({"x": ["3"], "y": ["4"]}), ruleset, key).to_pydict()

    wanted = {"drop": {}, "redact": {"y": ["*"]}}.get(str(unlisted), {"y": ["4"]})
    assert got == {"x": ["*"]} | wanted


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([dm.Rule("mail", Redact()), dm.keep("email", because="x")], "did you mean email"),
        ([dm.Rule("email", DateShift(days=3))], "date_shift"),
        ([dm.Rule("email", Email(), when=dm.field("land") == "DE", otherwise=dm.keep(because="x"))], "land"),
        ([dm.Rule("email", Null())], "null"),
        (
            [dm.Rule("email", Email(), domain="d", optional=True), dm.Rule("x", Hash(), domain="d", optional=True)],
            "two masks",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_masked(
    key: dm.Key, rules: list[dm.Rule], message: str
) -> None:
    """Names, types, conditions, nullability and domains are held against the schema first."""
    table = pa.table([pa.array(["a@x.org"])], schema=pa.schema([pa.field("email", pa.string(), nullable=False)]))

    with pytest.raises(DmengineError, match=message):
        mask(table, rules, key)


def test_duplicate_columns_are_refused(key: dm.Key) -> None:
    """Two columns of one name cannot be told apart, so neither is masked."""
    table = pa.Table.from_arrays([pa.array(["1"]), pa.array(["2"])], names=["ssn", "ssn"])

    with pytest.raises(DmengineError, match="ssn"):
        mask(table, [dm.Rule("ssn", Redact())], key)


def test_a_function_is_a_mask(key: dm.Key) -> None:
    """`@dmengine.masker` turns a plain function into a mask that runs once per distinct value."""
    calls: list[str] = []

    @dm.masker
    def initials(name: str) -> str:
        calls.append(name)
        return name[0] + "."

    table = pa.table({"name": ["Ann", "Bob", None] * 2000})

    got = mask(table, [dm.Rule("name", initials)], key)["name"].to_pylist()

    assert got[:3] == ["A.", "B.", None]
    assert sorted(calls) == ["Ann", "Bob"]


def test_character_mask_keeps_the_type_of_large_and_view_strings(key: dm.Key) -> None:
    """Every Arrow text type comes out as it went in."""
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        table = pa.table({"x": pa.array(["secret", None], kind)})

        got = mask(table, [dm.Rule("x", CharacterMask(keep_first=1))], key)

        assert got.schema == table.schema
        assert got["x"].to_pylist() == ["s*****", None]


COLUMNS = [dm.Rule("name", Shuffle()), dm.Rule("n", MicroAggregate(k=3))]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_masks_of_whole_columns_see_all_batches_at_once(key: dm.Key, size: int) -> None:
    """However a part is cut into batches, a column is masked as a whole; nulls stay where they are."""
    table = pa.table({"name": ["a", "b", None, "d", "e"], "n": [1, 2, 3, 10, 14]})
    cut = pa.Table.from_batches(table.to_batches(max_chunksize=size))

    got = mask(cut, COLUMNS, key).to_pydict()

    assert got == mask(table, COLUMNS, key).to_pydict()
    assert sorted(filter(None, got["name"])) == ["a", "b", "d", "e"]
    assert got["name"][2] is None
    assert got["n"] == [6] * 5


def test_masks_of_whole_columns_work_in_lists_and_dictionaries(key: dm.Key) -> None:
    """Elements of lists and values of dictionary columns are dealt out over all records."""
    tags = [[{"tag": f"t{2 * i}"}, {"tag": f"t{2 * i + 1}"}] for i in range(20)]
    table = pa.table({"tags": tags, "name": pa.array([f"n{i % 7}" for i in range(20)]).dictionary_encode()})
    cut = pa.Table.from_batches(table.to_batches(max_chunksize=6))

    got = mask(cut, [dm.Rule("tags[*].tag", Shuffle()), dm.Rule("name", Shuffle())], key)

    dealt = [element["tag"] for row in got["tags"].to_pylist() for element in row]
    assert got.schema == table.schema
    assert dealt != [element["tag"] for row in tags for element in row]
    assert sorted(dealt) == sorted(element["tag"] for row in tags for element in row)
    assert sorted(got["name"].to_pylist()) == sorted(table["name"].to_pylist())


def test_masks_of_whole_columns_keep_to_their_condition(key: dm.Key) -> None:
    """Only the values for which the condition holds are dealt out, among themselves; the rest gets the other mask."""
    table = pa.table({"kind": ["a", "b"] * 10, "n": list(range(20))})
    cut = pa.Table.from_batches(table.to_batches(max_chunksize=7))
    rule = dm.Rule("n", Shuffle(), when=dm.field("kind") == "a", otherwise=Number(100, 100))

    got = mask(cut, [rule, dm.keep("kind", because="test")], key)["n"].to_pylist()

    assert got[1::2] == [100] * 10
    assert got[::2] != list(range(0, 20, 2))
    assert sorted(got[::2]) == list(range(0, 20, 2))


def test_a_whole_column_that_its_mask_cannot_take_follows_on_mismatch(key: dm.Key) -> None:
    """A column with fewer values than micro_aggregate needs is refused, or hidden, as the rule says."""
    table = pa.Table.from_batches(pa.table({"n": [1, 2, 3]}).to_batches(max_chunksize=2))

    got = mask(table, [dm.Rule("n", MicroAggregate(k=5), on_mismatch="null")], key)["n"].to_pylist()

    assert got == [None, None, None]
    with pytest.raises(MaskError, match="micro_aggregate cannot take 3 of the values") as caught:
        mask(table, [dm.Rule("n", MicroAggregate(k=5))], key)
    assert caught.value.place["field"] == "n"


def test_a_part_too_large_to_hold_is_refused_and_says_what_to_do(key: dm.Key) -> None:
    """Batches are held up to a limit; beyond it the error names the part, and nothing is masked."""
    table = pa.table({"name": ["a" * 100] * 100})
    engine = Engine(plan_part(dm.Ruleset([dm.Rule("name", Shuffle())]), "t", table.schema), key, "t")
    batches = [Batch(TableRecords(batch), 0) for batch in table.to_batches(max_chunksize=10)]

    with pytest.raises(MaskError, match="holds a part in memory") as caught:
        hold(engine, batches, Counts(), limit=5000)

    assert "smaller objects" in caught.value.hint
    assert caught.value.place["part"] == "t"
    assert hold(engine, batches, Counts(), limit=20_000)[0].columns
