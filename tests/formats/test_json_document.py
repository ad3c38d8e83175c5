"""Reading JSON documents as records, and writing them so that what was not changed stays byte for byte."""

import io
import json
import pickle
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmengine.errors import InputError, PluginError, RulesetError
from dmengine.jsontext.records import JsonRecords
from dmengine.paths import FieldPath
from dmengine.spi import Format, RecordStream
from dmengine_connectors.formats.json_document import JsonDocument
from tests.formats.mutating import mutants, read_or_refused
from tests.formats.test_jsonl_properties import records as some_records
from tests.formats.test_jsonl_properties import walked, written

NAME = FieldPath.of("name")
SIZES = [1, 7, 64, 1 << 20]


def batches(text: bytes, size: int = 1 << 20, **options: Any) -> list[JsonRecords]:
    stream = JsonDocument(block_bytes=size, **options).read(io.BytesIO(text))
    return list(stream.batches)  # type: ignore[arg-type]


def copied(text: bytes, size: int = 1 << 20, **options: Any) -> tuple[int, bytes]:
    copy = io.BytesIO()
    form = JsonDocument(block_bytes=size, **options)
    return form.write(form.read(io.BytesIO(text)), copy), copy.getvalue()


# ---------------------------------------------------------------------------------------------- the form


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b"", 0),
        (b" \r\n", 0),
        (b"[]", 0),
        (b" [ \n] \n", 0),
        (b"{}", 1),
        (b'{"a": 1.50}\n', 1),
        (b'{"a":1}{"b":2}\t{"c":3}\r\n', 3),
        (b'{"a":1}\n{"b":2}\n', 2),
        (b'[{"a":1},{"b":2}]', 2),
        (b'\xef\xbb\xbf[\n  {"a": [1, {"b": "]},{"}]}\n  ,{ }\n]\n', 2),
        (b'\xef\xbb\xbf {"a\\"": "\\\\"} ', 1),
        (b'[{"s":"\\u00e9\\ud83d"} , {"n":1E400,"m":-0}]', 2),
    ],
    ids=repr,
)
def test_a_copy_is_the_file(text: bytes, rows: int, size: int) -> None:
    """Objects alone, in a list, and one after another leave as they came, wherever blocks are cut."""
    assert copied(text, size) == (rows, text)


@pytest.mark.parametrize("size", SIZES)
def test_an_envelope_is_kept_where_its_fields_are_named(size: int) -> None:
    """Records in a list deep inside leave with all that is around it."""
    text = b'\xef\xbb\xbf{"n": 2, "data": {"skip": [], "items" : [ {"a": 1}, {"a": 2} ] , "next": null}, "z":{"y":1}}\n'

    options: dict[str, Any] = {"records": "data.items", "envelope": ("n", "data.skip", "data.next", "z")}

    assert copied(text, size, **options) == (2, text)


def test_the_format_meets_the_contracts() -> None:
    """The format is what the engine expects, and pickles with its options."""
    form = JsonDocument(records="items", envelope=("n",))

    assert isinstance(form, Format)
    assert pickle.loads(pickle.dumps(form)) == form
    assert form.schema(io.BytesIO(b"{}")) is None
    assert form.for_name("a.json") == form
    assert ["n" in finding.message for finding in form.read(io.BytesIO(b"")).findings] == [True]


def test_batches_of_another_format_are_not_written() -> None:
    """A stream that was not read from JSON is refused, not guessed at."""
    with pytest.raises(PluginError, match="only what json has read"):
        JsonDocument().write(RecordStream(iter([object()]), None), io.BytesIO())  # type: ignore[list-item]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'[{"name": "Ann"},\n {"name":"B\\u00e9"}]', b'[{"name": "X"},\n {"name":"X"}]'),
        (b'{"name":"Ann","n":1.0}{"name" :"Bo"}', b'{"name":"X","n":1.0}{"name" :"X"}'),
    ],
)
def test_only_the_masked_bytes_change(text: bytes, expected: bytes, size: int) -> None:
    """A new value takes the place of the old one, and what is between records stays."""

    def masked() -> Iterator[JsonRecords]:
        for part in batches(text, size):
            yield part.replace(NAME, [f.with_values(pa.array(["X"] * len(f.values))) for f in part.select(NAME)])

    out = io.BytesIO()

    JsonDocument().write(RecordStream(masked(), None), out)

    assert out.getvalue() == expected


def test_changes_after_changes_are_made_in_what_was_changed() -> None:
    """A field that was changed is seen as it is now, and dropped fields leave JSON."""
    (part, _) = batches(b'[{"name": "Ann", "n": 1}, {"name": "Bo"}]')
    (found,) = part.select(NAME)

    changed = part.replace(NAME, [found.with_values(pa.array(["X", "Y"]))]).drop(FieldPath.of("n"))

    assert changed.select(NAME)[0].values.to_pylist() == ["X", "Y"]
    assert changed.drop(NAME).to_bytes() == b"[{}, {}"


# ---------------------------------------------------------------------------------------------- refusals

BROKEN = {
    b'[{"a":1},{"a":"hunter2"': "ends in the middle",
    b'[{"a":1}': "ends in the middle",
    b"[": "ends in the middle",
    b'{"a":1}{"b":"hunter2': "ends in the middle",
    b'[{"a":1} {"a":"hunter2"}]': "one comma",
    b'[{"a":1},,{"a":"hunter2"}]': "one comma",
    b'[,{"a":"hunter2"}]': "one comma",
    b'[{"a":"hunter2"},]': "one comma",
    b'{"a":1},{"a":"hunter2"}': "white space",
    b'{"a":"hunter2"}}': "white space",
    b'{"a":"hunter2"}]': "white space",
    b'[1, "hunter2"]': "not a JSON object",
    b'["hunter2", {}]': "not a JSON object",
    b'[{}, null, {"a":"hunter2"}]': "not a JSON object",
    b'[{}, "hunter2"]': "not a JSON object",
    b'[[{"a":"hunter2"}]]': "not a JSON object",
    b'"hunter2"': "not a JSON object",
    b"4929": "not a JSON object",
    b'{}["hunter2"]': "not a JSON object",
    b'[{"a":1}]{"a":"hunter2"}': "behind the list",
    b'[{"a":1}]]': "behind the list",
    b'[{"a":"hunter2\n"}]': "not JSON",
    b'[{"a":"hunter2"},{"a":NaN}]': "not JSON",
    b'[{"a":"hunter2"] ,{}]': "not JSON",
    b'{"a":01}': "not JSON",
    b'[{"a":"hunter2","a":2}]': "a occurs twice",
    b'{"x":{"b":1,"b":"hunter2"}}': "a key occurs twice",
    b'[{"a":"hunter2\xff"}]': "not UTF-8",
    b"[" * 70 + b'"hunter2"' + b"]" * 70: "deeper than 64",
    b'{"a":' * 100_000: "deeper than 64",
    b'{"a":1}\x0c{}': "JSON",
    b'[{"a":1}\x0c,{}]': "JSON",
    '{"a":"hunter2"}'.encode("utf-16"): "UTF-16",
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("text", BROKEN, ids=lambda text: repr(text[:40]))
def test_what_is_not_json_records_is_refused_by_its_place(text: bytes, size: int) -> None:
    """Whatever is wrong, the error says what and where, wherever blocks are cut, and never what stands there."""
    with pytest.raises(InputError, match=BROKEN[text]) as caught:
        batches(text, size)

    assert 0 <= int(caught.value.place["byte"]) <= len(text)
    assert caught.value.place["line"] == "1" or b"\n" in text
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint
    assert caught.value.__context__ is None


@pytest.mark.parametrize("size", SIZES)
def test_a_fault_is_found_at_its_line_and_byte(size: int) -> None:
    """The place of a fault is counted from the beginning of the file."""
    good = b'{"a": [1, {"b": 2}]},\n'
    text = b"[\n" + good * 50 + b'{"a": tru}, ' + good

    with pytest.raises(InputError) as caught:
        batches(text + b"{}]", size)

    assert caught.value.place["line"] == "52"
    assert 0 <= int(caught.value.place["byte"]) - text.index(b"tru}") <= 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"count": 1, "items": [{"a": 1}]}', "may stay: count"),
        (b'{"items": [{"a": 1}], "next": {"token": "hunter2"}}', "may stay: next"),
        (b'{"items": [{"a": 1}], "items": [{"b": "hunter2"}]}', "items occurs twice"),
        (b'{"items": {"a": "hunter2"}}', "no list of records at items"),
        (b'{"other": [{"a": "hunter2"}]}', "no list of records at items"),
        (b'[{"items": [{}]}]', "no list of records at items"),
        (b'{"a": {"items": [{}]}}', "no list of records at items"),
        (b'{"items": [{"a": "hunter2"}]', "ends in the middle"),
        (b'{"items": [{"a": "hunter2"}]}}', "envelope"),
        (b'{"items": [{"a": 1}]} {"a": "hunter2"}', "more than one object"),
        (b'{"items": [{"a": 1}] "x": "hunter2"}', "not JSON"),
        (b'{"x": hunter2, "items": [{"a": 1}]}', "not JSON"),
        (b"", "no list of records at items"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("size", SIZES)
def test_an_envelope_keeps_only_what_it_may(text: bytes, said: str, size: int) -> None:
    """A field around the list that nobody named stops the run, before the list or behind it."""
    with pytest.raises(InputError, match=said) as caught:
        batches(text, size, records="items")

    assert "hunter2" not in str(caught.value)


def test_options_that_make_no_sense_are_refused() -> None:
    """An envelope without records, or records inside of each element, are errors of the job."""
    with pytest.raises(RulesetError, match="envelope"):
        JsonDocument(envelope=("a",)).read(io.BytesIO())
    with pytest.raises(RulesetError, match="leads into a list"):
        JsonDocument(records="a[*].b").read(io.BytesIO())


def test_a_record_over_the_limit_is_refused_early() -> None:
    """A record, a gap or an envelope without end is not read into memory."""

    class Endless(io.RawIOBase):
        def __init__(self, start: bytes, more: bytes) -> None:
            self.start, self.more, self.taken = start, more, 0

        def read(self, size: int = -1) -> bytes:
            start, self.start = self.start, b""
            self.taken += size
            return start + self.more * (size - len(start))

    for start, more in (
        (b'[{"a":"', b"x"),
        (b"[", b" "),
        (b"", b" "),
        (b'{"b":"', b"x"),
        (b"[{}", b" "),
        (b"[]", b" "),
    ):
        for records in ("", "items"):
            endless = Endless(start, more)
            form = JsonDocument(max_record_bytes=1 << 16, block_bytes=1 << 12, records=records)
            with pytest.raises(InputError):
                list(form.read(endless).batches)  # type: ignore[arg-type]
            assert endless.taken < 1 << 19


def test_memory_is_bounded_by_the_block() -> None:
    """A list of a hundred blocks is read with the memory of a few."""
    record = b'{"id": 12345, "name": "Ann Example", "tags": ["a", "b"], "at": {"city": "Bonn"}},\n'
    text = b"[" + record * 100_000 + b"{}]"
    file = io.BytesIO(text)

    tracemalloc.start()
    rows = 0
    for part in JsonDocument(block_bytes=1 << 16).read(file).batches:
        rows += part.num_rows
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert rows == 100_001
    assert peak < 4 << 20 < len(text)


# ---------------------------------------------------------------------------------------------- properties


@st.composite
def documents(draw: Any) -> tuple[list[dict[str, Any]], bytes, dict[str, Any]]:
    """Draw records, and a document of some kind that holds them."""
    rows = draw(some_records)
    blank = st.sampled_from(["", " ", "\n", "\r\n  "])
    texts = [draw(blank) + written(row, draw) + draw(blank) for row in rows]
    kind = draw(st.sampled_from(["list", "one after another", "envelope"]))
    if kind == "one after another":
        return rows, "".join(texts).encode(), {}
    text = "[" + ",".join(texts) + "]" + draw(blank)
    if kind == "list":
        return rows, text.encode(), {}
    text = f'{draw(blank)}{{"n":{{"x":[]}},"d"{draw(blank)}:{draw(blank)}{{"items":{text},"k":1}}}}'
    return rows, text.encode(), {"records": "d.items", "envelope": ("n", "d.k")}


@settings(max_examples=60, deadline=None)
@given(documents(), st.integers(1, 200))
def test_records_are_those_of_a_plain_walk(document: Any, size: int) -> None:
    """Copies are byte for byte, and values those that the standard library parses."""
    rows, text, options = document
    parts = batches(text, size, **options)

    assert copied(text, size, **options) == (len(rows), text)
    for path, found in walked(rows).items():
        wanted = [value for _, _, value in found if isinstance(value, str) and type(value) is str]
        texts = [one for part in parts for one in part.select(path) if one.values.type == pa.string()]
        assert [value for one in texts for value in one.values.to_pylist()] == wanted


def parsed(text: bytes) -> list[dict[str, Any]] | None:
    """Read a document with the standard library; None if it should be refused."""
    try:
        plain = text.decode("utf-8-sig" if text.startswith(b"\xef\xbb\xbf") else "utf-8")
        decoder = json.JSONDecoder(object_pairs_hook=once, parse_constant=refuse, parse_int=str, parse_float=str)
        found, at = [], 0
        while at < len(plain):
            if plain[at] in " \t\r\n":
                at += 1
                continue
            value, at = decoder.raw_decode(plain, at)
            found.append(value)
    except (ValueError, RecursionError):
        return None
    if len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    return found if all(isinstance(value, dict) for value in found) else None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs) or any("\ud800" <= letter <= "\udfff" for name in made for letter in name):
        raise ValueError
    return made


def refuse(name: str) -> None:
    raise ValueError


MUTATED = {
    "list": b'[{"id": 1, "name": "Ann", "tags": ["a", {"b": null}]},\n {"id": 2, "n\\u0061me": "B\\u00f6"} ]\n',
    "following": b'{"id": 1.5, "name": "Ann"}{"id": -2e5}\n {"name": "\xc3\xa9", "list": [[], [true, false]]}',
}


@pytest.mark.proof
@pytest.mark.parametrize("which", MUTATED)
def test_damaged_documents_are_read_right_or_refused(which: str) -> None:
    """A mutant is refused by name exactly where the standard library, told to be strict, refuses it."""
    for told, text in mutants(MUTATED[which], which):
        expected = parsed(text)
        deep = expected is None and text.count(b"{") > 60
        for size in (9, 1 << 20):
            error = read_or_refused(lambda text=text, size=size: batches(text, size), told)  # type: ignore[misc]
            assert (error is None) == (expected is not None) or deep, told
            assert error is None or isinstance(error, InputError), told
            if error is None and expected is not None:
                assert copied(text, size) == (len(expected), text), told


ENVELOPE = b'{"n": [1], "d": {"x": {}, "items": [{"id": 1, "name": "Ann"}, {"id": 2}], "next": null}, "z": "end"}\n'


@pytest.mark.proof
def test_damaged_envelopes_are_copied_or_refused() -> None:
    """A mutant of an envelope is refused, or it is JSON that is copied with all the records in its list."""
    options: dict[str, Any] = {"records": "d.items", "envelope": ("n", "d.x", "d.next", "z")}
    for told, text in mutants(ENVELOPE, "envelope"):
        for size in (9, 1 << 20):
            error = read_or_refused(lambda text=text, size=size: batches(text, size, **options), told)  # type: ignore[misc]
            if error is None:
                (envelope,) = parsed(text) or [{}]
                assert copied(text, size, **options) == (len(envelope["d"]["items"]), text), told
                assert envelope.keys() <= {"n", "d", "z"}, told
