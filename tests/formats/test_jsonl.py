"""Reading JSON Lines as records, and writing them so that what was not changed stays byte for byte."""

import io
import pickle
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dmengine.arrow import NUMBER
from dmengine.errors import MaskError, PluginError, RunError
from dmengine.jsontext.records import JsonRecords
from dmengine.paths import FieldPath
from dmengine.spi import Format, Records, RecordStream, Selection
from dmengine_connectors.formats.jsonl import JsonLines

path = FieldPath.parse


def select(text: bytes, name: str) -> dict[str, list[Any]]:
    """Return what is selected as kind: values."""
    found = JsonRecords.parse(text).select(path(name))
    return {str(one.values.type): one.values.to_pylist() for one in found if not pa.types.is_struct(one.values.type)}


def put(text: bytes, name: str, *values: pa.Array) -> bytes:
    """Replace what is at a path, one array for each kind."""
    records = JsonRecords.parse(text)
    pairs = zip(records.select(path(name)), values, strict=True)
    return records.replace(path(name), [found.with_values(new) for found, new in pairs]).to_bytes()


def number(*texts: str) -> pa.Array:
    return NUMBER.wrap_array(pa.array(texts))


# ---------------------------------------------------------------------------------------------- the form


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b" \r\n\t\n",
        b"{}",
        b"{}\n",
        b'{"a":1}\n\n\n{"a":2}',
        b'{"a":1}\r\n{"a":2}\r\n',
        b'\xef\xbb\xbf{"a":1}\n',
        b"\xef\xbb\xbf",
        b'{ "b" :\t1.10 , "a":[ ] ,"c":{ } }  \n',
        b'{"n":9007199254740993,"m":1E400,"z":-0.0,"d":' + b"7" * 6000 + b"}\n",
        b'{"":[[] ,[ ],{},{ }],"a\\u0000b":{"":""},"\xef\xbf\xbf":"\xe2\x80\xa8","\\\\":"\\\\\\""}\n',
        b'{"s":"\\u00e9\\/\\ud83d\\ude00\x7f\xf0\x9f\x98\x80"}\n',
    ],
    ids=repr,
)
@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_a_copy_is_the_file(text: bytes, size: int) -> None:
    """White space, line ends, blank lines, a byte order mark, big numbers and escapes leave as they came."""
    copy = io.BytesIO()

    rows = JsonLines().write(JsonLines(block_bytes=size).read(io.BytesIO(text)), copy)

    assert copy.getvalue() == text
    assert rows == sum(bool(line.strip()) for line in text.decode("utf-8-sig").split("\n"))


def test_the_format_meets_the_contracts() -> None:
    """The format and its records are what the engine expects, and the format pickles."""
    assert isinstance(JsonLines(), Format)
    assert isinstance(JsonRecords.parse(b"{}"), Records)
    assert pickle.loads(pickle.dumps(JsonLines(max_depth=5))) == JsonLines(max_depth=5)
    assert JsonLines().schema(io.BytesIO(b"{}")) is None
    assert JsonLines(max_depth=5).for_name("events.ndjson.gz") == JsonLines(max_depth=5)


def test_reading_is_lazy() -> None:
    """Nothing is read before a batch is pulled, and then no more than that batch."""
    file = io.BytesIO(b'{"a":1}\n' * 1000)

    stream = JsonLines(block_bytes=80).read(file)
    before = file.tell()
    first = next(stream.batches)

    assert (before, file.tell()) == (0, 80)
    assert first.num_rows == 10


def test_streams_that_give_little_at_a_time_make_whole_batches() -> None:
    """A stream that decompresses as it is read does not make many small batches."""

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 3))

    parts = list(JsonLines(block_bytes=80).read(Slow(b'{"a":1}\n' * 1000)).batches)

    assert [part.num_rows for part in parts] == [10] * 100


def test_batches_of_another_format_are_not_written() -> None:
    """A stream that was not read from JSON Lines is refused, not guessed at."""
    stream = RecordStream(iter([object()]), None)  # type: ignore[list-item]

    with pytest.raises(PluginError, match="only what jsonl has read"):
        JsonLines().write(stream, io.BytesIO())


def test_nothing_shows_its_content() -> None:
    """The repr of a batch, and of the slots of a selection, hold none of the text."""
    records = JsonRecords.parse(b'{"card":"4929"}\n')

    shown = repr(records) + repr(records.tree) + repr(records.select(path("card"))[0].slots)

    assert "4929" not in shown
    assert "52, 57" not in shown


# ---------------------------------------------------------------------------------------------- fields


def test_fields_without_opened_paths_are_the_names_at_the_top() -> None:
    """Containers are named and not looked into, and a field of one record only is named too."""
    records = JsonRecords.parse(b'{"a":{"x":1},"b":[1]}\n{"c":null}\n{"a":2}\n')

    named = [str(field) for field in records.fields()]

    assert named == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("opened", "named"),
    [
        (["a"], {"a", "t", "e", "f"}),
        (["a.b"], {"a", "a.b", "a.c", "t", "e", "f"}),
        (["*.b"], {"a", "a.b", "a.c", "t[*]"}),
        (["a.c[*].d"], {"a", "a.b", "a.c[*].d", "a.c[*].k", "a.c[*]", "t", "e", "f"}),
        (["t[*]"], {"a", "t[*]", "e", "f"}),
        (["e[*]", "f.x"], {"a", "t"}),
        (["a{*}"], {"a", "a{*}", "t", "e", "f"}),
        (["a{*}[*].d"], {"a", "a{*}", "a{*}[*]", "a{*}[*].d", "a{*}[*].k", "t", "e", "f"}),
    ],
)
def test_opened_containers_show_what_is_in_them(opened: list[str], named: set[str]) -> None:
    """A container that a path goes through yields its inside; a scalar in its place yields the place itself."""
    records = JsonRecords.parse(
        b'{"a":{"b":1,"c":[{"d":[]},{"k":1},5]},"t":["x"],"e":[],"f":{}}\n{"a":5,"t":[],"e":[],"f":{}}\n'
    )

    found = [str(field) for field in records.fields(map(path, opened))]

    assert set(found) == named
    assert len(found) == len(set(found))


# ---------------------------------------------------------------------------------------------- select


def test_each_kind_is_selected_by_itself() -> None:
    """Texts, numbers, true and false, nulls and containers come apart, each with its records."""
    records = JsonRecords.parse(
        b'{"v":"a"}\n{"v":1.10}\n{}\n{"v":null}\n{"v":false}\n{"v":[]}\n{"v":"b"}\n{"v":true}\n'
    )

    found = {str(one.values.type): one for one in records.select(path("v"))}

    text, truth = found["string"], found["bool"]
    assert text.values.to_pylist() == ["a", "b"]
    assert text.rows is not None
    assert text.rows.tolist() == [0, 6]
    assert truth.values.to_pylist() == [False, True]
    assert [len(one.values) for one in found.values()] == [2, 1, 2, 1, 1]
    assert found[str(pa.struct([]))].rows.tolist() == [5]  # type: ignore[union-attr]
    assert found[str(pa.null())].rows.tolist() == [3]  # type: ignore[union-attr]


def test_numbers_keep_their_text() -> None:
    """No digit is lost, and `1.10` is not `1.1`."""
    text = b'{"n":1.10}\n{"n":9007199254740993}\n{"n": 1E400 }\n{"n":-0}\n'

    (found,) = JsonRecords.parse(text).select(path("n"))

    assert found.values.type == NUMBER
    assert found.values.storage.to_pylist() == ["1.10", "9007199254740993", "1E400", "-0"]


def test_escaped_keys_are_the_keys_they_mean() -> None:
    """A key is found however it is written, and named once."""
    text = b'{"em\\u0061il":"x"}\n{"email":"y"}\n{"\\u0065mail":"z"}\n'

    assert select(text, "email") == {"string": ["x", "y", "z"]}
    assert list(JsonRecords.parse(text).fields()) == [path("email")]


def test_odd_keys_are_found_by_quoted_paths() -> None:
    """Dots, quotes, brackets and emptiness in keys are no trouble."""
    text = b'{"a.b":{"":[1]},"q\\"[*]":"x"}\n'

    assert select(text, '"a.b".""[*]') == {"extension<dmengine.number<NumberType>>": ["1"]}
    assert select(text, '"q\\"[*]"') == {"string": ["x"]}


def test_elements_count_within_their_record() -> None:
    """The ordinal of an element goes on through the record and starts again in the next."""
    text = b'{"i":[{"s":["a","b"]},{},{"s":["c",1]}]}\n{"i":[]}\n{"i":[{"s":["d"]}]}\n'

    found, numbers = JsonRecords.parse(text).select(path("i[*].s[*]"))

    assert found.values.to_pylist() == ["a", "b", "c", "d"]
    assert [level.tolist() for level in found.elements] == [[0, 0, 2, 0], [0, 1, 2, 0]]
    assert [level.tolist() for level in numbers.elements] == [[2], [3]]
    assert found.rows is not None
    assert found.rows.tolist() == [0, 0, 0, 2]


def test_absent_fields_are_not_selected() -> None:
    """A path that leads nowhere, or through a value that holds nothing, selects nothing."""
    text = b'{"a":1,"b":{"c":"x"}}\n'

    assert [select(text, name) for name in ("z", "a.b", "b[*]", "b.d", "a[*].x", "b.c.d")] == [{}] * 6


# ---------------------------------------------------------------------------------------------- changes


def test_only_the_masked_bytes_change() -> None:
    """A new value takes the place of the old one; white space, order and the rest of the line stay."""
    text = b'{ "name" :"Ann" , "n": 1.50 }\r\n\n{"name":"\\u0042ob","n":2}'

    assert (
        put(text, "name", pa.array(["Zo\xeb", ""])) == '{ "name" :"Zoë" , "n": 1.50 }\r\n\n{"name":"","n":2}'.encode()
    )


@pytest.mark.parametrize(
    ("values", "written"),
    [
        (pa.array(['say "hi"\\', "\x00\n\x1f/"]), rb'"say \"hi\"\\" "\u0000\n\u001f/"'),
        (pa.array(["é\x7f", "\U0001f600"], pa.large_string()), '"é\x7f" "\U0001f600"'.encode()),
        (pa.array(["a", None], pa.string_view()), b'"a" null'),
        (pa.array(["b", "a", "b"]).dictionary_encode().slice(1), b'"a" "b"'),
        (pa.array([None, None]), b"null null"),
        (pa.array([True, None]), b"true null"),
        (pa.array([-5, 2**62]), b"-5 4611686018427387904"),
        (pa.array([1.5, 1e300]), b"1.5 1e+300"),
        (pa.array([0.1, 1.25], pa.float32()), b"0.1 1.25"),
        (pa.array([1.5, None], pa.float16()), b"1.5 null"),
        (pa.array([Decimal("1.10"), Decimal("-2.00")]), b"1.10 -2.00"),
        (number("1.10", "-1E+7"), b"1.10 -1E+7"),
        (pa.chunked_array([["a"], ["b"]]), b'"a" "b"'),
    ],
    ids=lambda value: str(value.type) if hasattr(value, "type") else "",
)
@pytest.mark.parametrize("old", ['"x" "é"', "1 2", "true false", "null null", '{"a":[]} [1]'])
def test_any_kind_of_value_goes_in_any_place(values: pa.Array, written: bytes, old: str) -> None:
    """What a mask returns is written as exact JSON, with as few escapes as JSON allows."""
    first, second = old.split(" ")
    text = f'{{"v":{first}}}\n{{"v": {second} }}\n'.encode()

    changed = put(text, "v", values)

    new = written.split(b" ") if b"say" not in written else [rb'"say \"hi\"\\"', rb'"\u0000\n\u001f/"']
    assert changed == b'{"v":' + new[0] + b'}\n{"v": ' + new[1] + b" }\n"


def test_equal_values_keep_their_bytes() -> None:
    """A mask that returns what it was given changes no byte, however the value was written."""
    text = b'{"v":"\\u0061\\/"}\n{"v":1.0e1}\n{"v":true}\n{"v":null}\n{"v":{"a" : 1}}\n'
    records = JsonRecords.parse(text)

    assert records.replace(path("v"), records.select(path("v"))).to_bytes() == text


@pytest.mark.parametrize(
    "values",
    [
        pa.array([float("nan")]),
        pa.array([float("inf")]),
        number("01"),
        number("NaN"),
        number("1,2"),
        number(""),
        pa.array([b"x"]),
        pa.array([0], pa.timestamp("s")),
        pa.Array.from_buffers(pa.string(), 1, [None, pa.array(["\xe9"]).buffers()[1], pa.py_buffer(b"\xff\xff")]),
    ],
    ids=lambda values: str(values.type),
)
def test_values_that_json_cannot_hold_are_refused(values: pa.Array) -> None:
    """A result that would break the file is an error of the mask, before anything is written."""
    with pytest.raises(MaskError) as caught:
        put(b'{"v":5}\n', "v", values)

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_changes_add_up_and_leave_the_batch_as_it_was() -> None:
    """Each change returns a new batch; all of them are made at once, in any order."""
    text = b'{"a":"x","b":2,"c":[1,2],"d":{"e":0}}\n{"c":3,"a":"y"}\n'
    records = JsonRecords.parse(text)
    (names,) = records.select(path("a"))

    changed = records.blank(path("c")).drop(path("d")).replace(path("a"), [names.with_values(pa.array(["p", "q"]))])

    assert changed.to_bytes() == b'{"a":"p","b":2,"c":null}\n{"c":null,"a":"q"}\n'
    assert records.to_bytes() == text


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["a"], b'{ "b" : 2 , "c":[3, 4 ,5] }'),
        (["b"], b'{ "a":1 , "c":[3, 4 ,5] }'),
        (["c"], b'{ "a":1,"b" : 2  }'),
        (["a", "b"], b'{ "c":[3, 4 ,5] }'),
        (["c", "b"], b'{ "a":1  }'),
        (["a", "c"], b'{ "b" : 2  }'),
        (["b", "c", "a"], b"{  }"),
        (["c[*]"], b'{ "a":1,"b" : 2 , "c":[] }'),
        (["z", "a.b"], b'{ "a":1,"b" : 2 , "c":[3, 4 ,5] }'),
    ],
)
def test_dropped_members_leave_with_one_comma(names: list[str], left: bytes) -> None:
    """What is left after a drop is JSON, in the writing it had."""
    records = JsonRecords.parse(b'{ "a":1,"b" : 2 , "c":[3, 4 ,5] }\n')

    for name in names:
        records = records.drop(path(name))

    assert records.to_bytes() == left + b"\n"


def test_a_changed_field_is_selected_as_changed() -> None:
    """Who looks again at what has changed sees the new values, and may change them again."""
    text = b'{"a":{"b":"x"},"c":1}\n'
    records = JsonRecords.parse(text)
    (old,) = records.select(path("a.b"))

    once = records.replace(path("a.b"), [old.with_values(pa.array(["new"]))])
    (new,) = once.select(path("a.b"))
    twice = once.replace(path("a.b"), [new.with_values(pa.array([None], pa.string()))])

    assert new.values.to_pylist() == ["new"]
    assert twice.to_bytes() == b'{"a":{"b":null},"c":1}\n'
    assert once.drop(path("a")).to_bytes() == b'{"c":1}\n'
    assert once.blank(path("a")).to_bytes() == b'{"a":null,"c":1}\n'
    assert [str(field) for field in once.drop(path("c")).fields([path("a.b")])] == ["a.b"]


def test_changes_that_overlap_are_refused() -> None:
    """A container and something inside it cannot both be replaced."""
    records = JsonRecords.parse(b'{"a":{"b":""}}\n')
    outer, inner = records.select(path("a")), records.select(path("a.b"))

    changed = records.replace(path("a"), [outer[0].with_values(pa.array(["x"]))])
    both = changed.replace(path("a.b"), [inner[0].with_values(pa.array(["y"]))])

    with pytest.raises(RunError, match="overlap"):
        both.to_bytes()


def test_values_of_another_batch_are_refused() -> None:
    """Values go back only where they came from, and as many as came."""
    records, other = JsonRecords.parse(b'{"a":"x"}\n'), JsonRecords.parse(b'{"a":"y"}\n')
    (found,) = other.select(path("a"))
    (own,) = records.select(path("a"))

    for selection in (found, own.with_values(pa.array(["p", "q"])), Selection(pa.array(["x"]))):
        with pytest.raises(RunError, match="not selected"):
            records.replace(path("a"), [selection])


def test_long_texts_and_many_records_cross_all_inner_borders() -> None:
    """Blocks larger than the pieces they are scanned in, with strings and escapes across the pieces' borders."""
    rows = [b'{"i":%d,"s":"%s\\\\","t":"{[,:"}\n' % (i, b'\\"' * (i % 977) + b"\\\\" * (i % 53)) for i in range(2000)]

    records = JsonRecords.parse(b"".join(rows))
    (found,) = records.select(path("s"))

    assert records.num_rows == 2000
    assert found.values.to_pylist() == ['"' * (i % 977) + "\\" * (i % 53 + 1) for i in range(2000)]
    assert select(b"".join(rows), "t") == {"string": ["{[,:"] * 2000}
