"""What Avro refuses: other files, damage, and schemas and blocks that ask for too much; never with what they hold."""

from __future__ import annotations

import io
import json
import traceback
from typing import Any

import pytest

from dmengine.errors import InputError
from dmengine.paths import FieldPath
from dmengine_connectors.formats.avro import Avro
from dmengine_connectors.formats.avro_header import Header, written_header, written_long
from tests.formats.avro_making import avro, record
from tests.formats.mutating import mutants, read_or_refused
from tests.formats.test_avro import PEOPLE, PERSON

SYNC = b"0123456789abcdef"


def container(schema: Any, count: int, body: bytes, **metadata: bytes) -> bytes:
    """Make a file of one block out of its bytes."""
    head = Header({"avro.schema": json.dumps(schema).encode(), **metadata}, SYNC)
    return written_header(head) + written_long(count) + written_long(len(body)) + body + SYNC


def use(content: bytes, form: Avro | None = None) -> int:
    """Read a file, look at all that it holds, and write it again."""
    form = form or Avro()
    for batch in form.read(io.BytesIO(content)).batches:
        opened = [FieldPath.parse(each) for each in ("home.zip", "tags[*]", "orders[*].amounts[*]", "contact.email")]
        for path in batch.fields(opened):
            for one in batch.select(path):
                one.values.validate(full=True)
    return form.write(form.read(io.BytesIO(content)), io.BytesIO())


def refused(content: bytes, form: Avro | None = None) -> InputError:
    """Return the error of a file that must be refused."""
    with pytest.raises(InputError) as caught:
        use(content, form)
    shown = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not an Avro object container"),
        (b"\x06hunter2", "raw Avro records"),
        (b"\xc3\x01" + bytes(8) + b"\x0ehunter2", "single-object encoding"),
        (b"Obj\x00", "version other than 1"),
        (b"Obj\x01", "ends in the middle"),
        (b"Obj\x01\x00" + SYNC, "no schema"),
        (b"Obj\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "damaged"),
        (container({"type": "hunter2"}, 0, b""), "schema of the Avro file is not valid"),
        (container(record("R", a=["int", "int"]), 0, b""), "a type twice"),
        (container([], 0, b""), "union in the schema"),
        (container(record("R", a="int"), 1, b"\x02", **{"avro.codec": b"brotli"}), "brotli"),
        (container(record("R", a="int"), 1, b"\x02", **{"avro.codec": b"deflate"}), "damaged"),
        (container(record("R", a="int"), 2, b"\x02"), "damaged"),
        (container(record("R", a="int"), 1, b"\x02\x02"), "more, or less"),
        (container(record("R", a="string"), 1, b"\x02hunter2"), "more, or less"),
        (container(record("R", a="string"), 1, b"\x01"), "negative"),
        (container(record("R", a="string"), 1, b"\x04\xff\xff"), "not UTF-8"),
        (container(record("R", a="int"), 1, b"\xff\xff\xff\xff\xff\x01"), "32 bits"),
        (container(record("R", a="long"), 1, b"\xff" * 11), "ten bytes"),
        (container(record("R", a=["null", "int"]), 1, b"\x04"), "not in the schema"),
        (container(record("R", a={"type": "enum", "name": "E", "symbols": ["A"]}), 1, b"\x02"), "not in the schema"),
        (container(record("R", a="boolean"), 1, b"\x02"), "neither 0 nor 1"),
        (container(record("R", a="null"), 1 << 62, b""), "take no byte"),
        (container(record("R", a={"type": "array", "items": "null"}), 1, written_long(1 << 40) + b"\0"), "no byte"),
        (container(record("R", a={"type": "array", "items": "long"}), 1, written_long(1 << 40) + b"\0"), "beyond"),
        (container(record("R", a={"type": "array", "items": "double"}), 1, written_long(1 << 60) + b"\0"), "beyond"),
        (container(record("R", a="int"), -1, b""), "damaged"),
        (container(record("R", n=["null", "R"]), 1, b"\x02" * 1000 + b"\0"), "deeper"),
    ],
    ids=str,
)  # fmt: skip
def test_other_files_and_damage_are_named(content: bytes, says: str) -> None:
    """The error says what is wrong, and nothing of what the file holds."""
    assert says in str(refused(content))


def test_the_record_of_a_damage_is_named() -> None:
    """Records are counted over the whole file, whatever batches it is read in."""
    good = avro(record("R", a="string"), [{"a": "x"}] * 5, sync_interval=1)
    block = written_long(1) + written_long(2) + b"\x02\xff" + good[-16:]

    assert refused(good + block, Avro(batch_bytes=1)).place == {"record": "5"}


def test_a_marker_that_is_wrong_names_its_block() -> None:
    """A block that was cut and joined to another is seen."""
    content = avro(PERSON, PEOPLE * 20, sync_interval=100)

    error = refused(content[:-1] + b"?")

    assert "sync marker" in error.message
    assert int(error.place["block"]) > 1


def test_blocks_and_heads_are_bounded() -> None:
    """A block, packed or not, and a head, are refused before they fill the memory."""
    bomb = avro(record("R", a="string"), [{"a": "x" * 10_000_000}], codec="deflate")

    assert "holds more than" in refused(bomb, Avro(max_block_bytes=1_000_000)).message
    assert "bytes long" in refused(avro(PERSON, PEOPLE), Avro(max_block_bytes=10)).message
    assert "head" in refused(avro(PERSON, PEOPLE), Avro(max_header_bytes=100)).message


def test_schemas_are_bounded() -> None:
    """Types that double at each level, and types that nest without end, are refused as schemas."""
    doubled: Any = "int"
    types: list[Any] = [record("T0", a="int")]
    for number in range(1, 40):
        types.append(record(f"T{number}", a=types[-1], b=f"T{number - 1}"))
    for _ in range(70):
        doubled = {"type": "array", "items": doubled}

    assert "places" in refused(container(types[-1], 0, b"")).message
    assert "levels" in refused(container(record("R", a=doubled), 0, b"")).message
    assert "schema" in refused(written_header(Header({"avro.schema": b"[" * 100_000}, SYNC))).message


@pytest.mark.proof
@pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
def test_damaged_files_are_read_or_refused_by_name(codec: str) -> None:
    """Whatever is changed, cut or moved in a file, it is read, or refused by an error of ours, in bounded time."""
    content = avro(PERSON, PEOPLE * 5, codec=codec, sync_interval=200)
    known = 0
    for told, made in mutants(content, f"avro {codec}"):
        known += read_or_refused(lambda made=made: use(made), told) is not None  # type: ignore[misc]

    assert known
