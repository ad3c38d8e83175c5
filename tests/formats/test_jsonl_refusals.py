"""What JSON Lines refuses: each broken line by its place, and never with what it holds."""

import io
import traceback

import pytest

from dmengine.errors import DmengineError, InputError
from dmengine.jsontext.records import JsonRecords
from dmengine.paths import FieldPath
from dmengine_connectors.formats.jsonl import JsonLines

SECRET = b"4929-hunter2"
BROKEN = [
    b'{"a":"4929-hunter2}',
    b'{"a":"4929-hunter2"',
    b'{"a":"4929-hunter2",}',
    b'{"a":"4929-hunter2"}}',
    b'{"a":"4929-hunter2"}]',
    b'{"a":"4929-hunter2"},',
    b'{"a":"4929-hunter2"} {"a":1}',
    b'{"a":"4929-hunter2"}{"a":1}',
    b'{"a":"4929-hunter2"},{"a":1}',
    b'{"a":"4929-hunter2"} 1',
    b'{"a":"4929-hunter2"} // comment',
    b'{"a":"4929-hunter2" /* comment */}',
    b'{"a" "4929-hunter2"}',
    b'{"a"::"4929-hunter2"}',
    b'{"a":"4929-hunter2" "b":1}',
    b'{"a":"4929-hunter2",,"b":1}',
    b'{,"a":"4929-hunter2"}',
    b'{"a":}',
    b'{"a"}',
    b"{:1}",
    b'{a:"4929-hunter2"}',
    b"{'a':'4929-hunter2'}",
    b'{1:"4929-hunter2"}',
    b"{null:1}",
    b'{"a":NaN}',
    b'{"a":Infinity}',
    b'{"a":-Infinity}',
    b'{"a":nan}',
    b'{"a":undefined}',
    b'{"a":True}',
    b'{"a":tru}',
    b'{"a":nulll}',
    b'{"a":01}',
    b'{"a":-01}',
    b'{"a":+1}',
    b'{"a":-}',
    b'{"a":.5}',
    b'{"a":5.}',
    b'{"a":1e}',
    b'{"a":1e+}',
    b'{"a":1.5.5}',
    b'{"a":0x1F}',
    b'{"a":1_000}',
    b'{"a":1 2}',
    b'{"a":[1,]}',
    b'{"a":[,1]}',
    b'{"a":[1 2]}',
    b'{"a":[1}',
    b'{"a":1]',
    b'{"a":[}]}',
    b'{"a":"4929-hunter2\t"}',
    b'{"a":"4929-hunter2\x00"}',
    b'{"a":"4929-hunter2\x1f"}',
    b'{"a":"4929-hunter2\\x"}',
    b'{"a":"4929-hunter2\\u12"}',
    b'{"a":"4929-hunter2\\u12G4"}',
    b'{"a":"4929-hunter2\\"}',
    b'{"a\\":"4929-hunter2"}',
    b'{"a":\\"4929-hunter2"}',
    b'{"a":"4929-hunter2\xff"}',
    b'{"a":"4929-hunter2\xc0\x80"}',
    b'{"a":"4929-hunter2\xed\xa0\x80"}',
    b'{"a":"4929-hunter2\xe2\x82"}',
    b'{"\xff":"4929-hunter2"}',
    b'{"a":1}\xc2\xa0',
    b'\x0c{"a":1}',
    b'\xef\xbb\xbf{"a":1}',
    b'[{"a":"4929-hunter2"}]',
    b'["4929-hunter2"]',
    b'"4929-hunter2"',
    b"4929",
    b"null",
    b"true",
    b"4929-hunter2",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\",
    b"\x00",
    b'{"a":1,"a":"4929-hunter2"}',
    b'{"a":1,"\\u0061":"4929-hunter2"}',
    b'{"x":[{"y":{"b":1,"c":2,"b":"4929-hunter2"}}]}',
    b'{"\\ud800":"4929-hunter2"}',
]


def refused(text: bytes, form: JsonLines | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        for _ in (form or JsonLines()).read(io.BytesIO(text)).batches:
            pass
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET.decode() not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize("line", BROKEN, ids=repr)
def test_a_line_that_is_not_a_json_object_is_refused_by_its_place(line: bytes) -> None:
    """Whatever is wrong with a line, the error names the line and not what it holds."""
    good = b'{"a": {"b": "\\\\", "n": [1, {}]}}\n'

    error = refused(good + line + b"\n" + good)

    assert error.place["line"] == "2"
    assert len(good) <= int(error.place["byte"]) <= len(good + line + b"\n")
    assert error.hint


@pytest.mark.parametrize("line", BROKEN, ids=repr)
@pytest.mark.parametrize("size", [1, 16])
def test_a_broken_line_is_refused_wherever_the_batches_are_cut(line: bytes, size: int) -> None:
    """A line of its own batch is refused as well, at the same place."""
    text = b'{"a":1}\r\n\n' + line + b"\n" + b'{"a":2}'

    error = refused(text, JsonLines(block_bytes=size))

    assert error.place == refused(text).place


@pytest.mark.parametrize("first", [b'{"a":\n1}', b'{"a"\n:1}', b"[1\n]", b'{"a":"4929-hunter2\n"}', b"{}{}\n1"])
def test_a_record_on_two_lines_is_refused(first: bytes) -> None:
    """A record must be on one line, though the same text may be JSON."""
    error = refused(b"{}\n" + first + b"\n{}\n")

    assert error.place["line"] == "2"


def test_a_duplicate_key_is_named_and_its_values_are_not() -> None:
    """The key is what a person looks for to mend the record."""
    error = refused(b'{"id": 1}\n{"id": 2, "card": "4929-hunter2", "card": "4929-hunter2"}\n')

    assert "card occurs twice" in error.message


def test_the_same_key_in_different_objects_is_no_duplicate() -> None:
    """Objects beside each other and inside each other have keys of their own."""
    text = b'{"a": {"a": [{"a": 1}, {"a": 2}]}}\n{"a": 3}\n'

    records = JsonRecords.parse(text)

    assert records.num_rows == 2


@pytest.mark.parametrize("keys", [50, 5000])
def test_one_duplicate_among_many_keys_is_found(keys: int) -> None:
    """Objects with very many different keys are checked too."""
    line = b"{" + b",".join(b'"%d":0' % key for key in range(keys)) + b"}\n"
    many = b"".join(b'{"x%d":0}\n' % row for row in range(keys))

    JsonRecords.parse(many + line)
    error = refused(many + line[:-2] + b',"0":1}\n')

    assert error.place["line"] == str(keys + 1)


def test_a_last_line_that_is_cut_off_says_so() -> None:
    """A file that lost its end is not read as a shorter file."""
    error = refused(b'{"a":1}\n{"a":"4929-hun')

    assert "last line" in error.message
    assert error.place["line"] == "2"


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_deepest_nesting_is_64_and_more_is_refused(opening: bytes, closing: bytes) -> None:
    """64 levels are read; the 65th, or the millionth, is refused before a parser sees it."""
    good = b'{"x":' + opening * 63 + b"1" + closing * 63 + b"}\n"

    assert JsonRecords.parse(good).num_rows == 1
    for depth in (64, 1_000, 1_000_000):
        error = refused(good + b'{"x":' + opening * depth + b"1" + closing * depth + b"}\n")
        assert "deeper than 64" in error.message
        assert error.place["line"] == "2"


def test_unclosed_depth_is_refused_as_depth() -> None:
    """A flood of opening brackets never reaches a recursive parser."""
    error = refused(b'{"a":' * 200_000)

    assert "deeper than 64" in error.message


@pytest.mark.parametrize("size", [10, 1 << 20])
def test_a_line_over_the_limit_is_refused(size: int) -> None:
    """The limit is on the line, wherever blocks end, and a line of just that length is read."""
    form = JsonLines(max_record_bytes=40, block_bytes=size)
    line = b'{"a":"' + b"x" * 32 + b'"}'

    assert sum(batch.num_rows for batch in form.read(io.BytesIO(line + b"\n" + line)).batches) == 2
    error = refused(b"{}\n{}\n" + line[:-2] + b'y"}\n{}\n', form)
    assert "longer than 40 bytes" in error.message
    assert error.place == {"line": "3", "byte": "6"}


def test_a_line_without_end_is_not_read_into_memory() -> None:
    """A file of one endless line is refused after about the limit, not after the file."""

    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1) -> bytes:
            self.taken += size
            return b"x" * size

    endless = Endless()
    with pytest.raises(InputError, match="longer than"):
        list(JsonLines(max_record_bytes=1 << 16, block_bytes=1 << 12).read(endless).batches)  # type: ignore[arg-type]

    assert endless.taken < 1 << 17


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be", "latin-1", "cp037"])
def test_other_encodings_are_refused(encoding: str) -> None:
    """A file that is not UTF-8 is named as that, or as broken; never read as something else."""
    refused('{"name": "Zoë 4929-hunter2"}\n'.encode(encoding))


def test_utf16_is_named_by_its_mark() -> None:
    """A byte order mark of UTF-16 says what to convert from."""
    error = refused('{"a": 1}\n'.encode("utf-16"))

    assert error.message.startswith("UTF-16")


@pytest.mark.parametrize("half", [b"\\ud83d", b"\\uDE00", b"x\\ude00\\ud83d", b"\\ud83d\\u0041"])
def test_half_a_surrogate_pair_stays_unless_its_text_is_read(half: bytes) -> None:
    """A text cut through an emoji is carried over in an unread field, and refused by its place in a read one."""
    text = b'{"a":1,"s":"ok"}\n\n{"s":"4929-hunter2' + half + b'","a":2}\n'
    records = JsonRecords.parse(text)

    assert records.to_bytes() == text
    assert len(records.select(FieldPath.of("a"))) == 1
    with pytest.raises(InputError) as caught:
        records.select(FieldPath.of("s"))
    assert caught.value.place == {"line": "3", "byte": "23"}
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_whole_surrogate_pair_is_one_letter() -> None:
    """An escaped emoji is read as that emoji."""
    records = JsonRecords.parse(b'{"s":"\\ud83d\\ude00"}\n')

    (found,) = records.select(FieldPath.of("s"))

    assert found.values.to_pylist() == ["\U0001f600"]


def test_every_prefix_of_a_file_is_read_or_refused_by_name() -> None:
    """Wherever a file is cut off, either whole records are left, or the error says what is wrong."""
    text = b'{"a":[1.5e3,{"b":"\\u00e9\xc3\xa9\\\\"}],"c":null}\n{"d":{}}\n'
    first = text.index(b"\n")

    for end in range(len(text)):
        try:
            rows = sum(batch.num_rows for batch in JsonLines().read(io.BytesIO(text[:end])).batches)
        except DmengineError:
            rows = -1
        assert (rows >= 0) == (end in (0, first, first + 1, len(text) - 1)), end
