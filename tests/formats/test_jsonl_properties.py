"""JSON Lines against a plain walk over what the standard library parses, on random documents."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmengine.arrow import NUMBER
from dmengine.jsontext.records import JsonRecords
from dmengine.paths import EACH, FieldPath, Step
from dmengine.spi import RecordStream
from dmengine_connectors.formats.jsonl import JsonLines

SETTINGS = settings(max_examples=60, deadline=None)


class Number(str):
    """A number, as its text."""

    __slots__ = ()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.one_of(st.sampled_from(["a", "b", "c", "é", 'q"', "a.b", "long name of a key", ""]), texts)
numbers = st.sampled_from(["0", "-0", "1.50", "9007199254740993", "1e400", "-1.5E-7", "123456789012345678901234567890"])
leaves = st.one_of(texts, numbers.map(Number), st.booleans(), st.none())
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=12,
)
records = st.lists(st.dictionaries(names, values, max_size=4), min_size=1, max_size=6)


def written(value: Any, draw: Any) -> str:
    """Write a value as JSON with random white space and escapes."""

    def blank() -> str:
        return str(draw(st.sampled_from(["", "", "", " ", "\t ", "  \r" + " " * 12])))

    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return '"' + "".join(letter(char, draw) for char in value) + '"'
    if isinstance(value, list):
        inside = ",".join(blank() + written(item, draw) + blank() for item in value)
        return "[" + (inside or blank()) + "]"
    if isinstance(value, dict):
        pairs = (f"{blank()}{written(k, draw)}{blank()}:{blank()}{written(v, draw)}{blank()}" for k, v in value.items())
        return "{" + (",".join(pairs) or blank()) + "}"
    return json.dumps(value)


def letter(char: str, draw: Any) -> str:
    if char in '"\\' or char < " ":
        return json.dumps(char)[1:-1]
    if draw(st.integers(0, 5)) == 0:
        return "".join(f"\\u{int.from_bytes(pair, 'big'):04X}" for pair in units(char))
    return "\\/" if char == "/" and draw(st.booleans()) else char


def units(char: str) -> Iterator[bytes]:
    encoded = char.encode("utf-16-be")
    return (encoded[index : index + 2] for index in range(0, len(encoded), 2))


@st.composite
def files(draw: Any) -> tuple[list[dict[str, Any]], bytes]:
    """Draw records, and a file that holds them."""
    rows = draw(records)
    text = draw(st.sampled_from(["", "\n", " \n\r\n", "\ufeff"]))
    for row in rows:
        text += (
            draw(st.sampled_from(["", " "])) + written(row, draw) + draw(st.sampled_from(["\n", "\r\n", "\n\n", " \n"]))
        )
    return rows, (text if draw(st.booleans()) else text.rstrip("\r\n ")).encode()


def walk(
    value: Any, path: tuple[Step, ...], row: int, ordinals: tuple[int, ...], counts: dict[Any, int]
) -> Iterator[Any]:
    """Yield (path, row, ordinals, value) of all values of a record, containers too, as a plain walk finds them."""
    if path:
        yield path, row, ordinals, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from walk(inner, (*path, Step("name", name)), row, ordinals, counts)
    if isinstance(value, list):
        for inner in value:
            here = (*path, EACH)
            counts[here] = counts.get(here, -1) + 1
            yield from walk(inner, here, row, (*ordinals, counts[here]), counts)


def walked(rows: list[dict[str, Any]]) -> dict[FieldPath, list[Any]]:
    found: dict[FieldPath, list[Any]] = {}
    for row, record in enumerate(rows):
        for path, *rest in walk(record, (), row, (), {}):
            found.setdefault(FieldPath(path), []).append(tuple(rest))
    return found


def kind(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "struct<>"
    known = {Number: "number", str: "string", bool: "bool", type(None): "null"}
    return known[type(value)]


def loads(text: bytes) -> list[Any]:
    lines = text.decode("utf-8-sig").split("\n")
    return [json.loads(line, parse_int=Number, parse_float=Number) for line in lines if line.strip()]


def batches(text: bytes, size: int) -> list[JsonRecords]:
    stream = JsonLines(block_bytes=size).read(io.BytesIO(text))
    return list(stream.batches)  # type: ignore[arg-type]


@SETTINGS
@given(files(), st.integers(1, 200))
def test_unchanged_records_are_written_byte_for_byte(file: tuple[Any, bytes], size: int) -> None:
    """What no rule changes leaves as it came, however the file is cut into batches."""
    rows, text = file
    copy = io.BytesIO()

    count = JsonLines().write(JsonLines(block_bytes=size).read(io.BytesIO(text)), copy)

    assert copy.getvalue() == text
    assert count == len(rows)


@SETTINGS
@given(files(), st.integers(1, 200))
def test_select_finds_what_a_plain_walk_finds(file: tuple[Any, bytes], size: int) -> None:
    """Values, kinds, records and ordinals are those of a walk over the parsed documents."""
    rows, text = file
    parts = batches(text, size)
    expected = walked(rows)

    for path, found in expected.items():
        wanted = [
            (row, at, kind(value), None if isinstance(value, (dict, list)) else value) for row, at, value in found
        ]
        assert sorted(selected(parts, path), key=repr) == sorted(wanted, key=repr)
    assert sum(part.num_rows for part in parts) == len(rows)


def selected(parts: list[JsonRecords], path: FieldPath) -> Iterator[Any]:
    """Yield (record, ordinals, kind, value) of all that is selected, and see that it is in document order."""
    first = 0
    for part in parts:
        for selection in part.select(path):
            assert selection.rows is not None
            plain = [None] * len(selection.values) if name_of(selection) == "struct<>" else selection.values.to_pylist()
            ordinals = list(zip(*selection.elements, strict=True)) if selection.elements else [()] * len(plain)
            assert sorted(selection.rows) == list(selection.rows)
            assert sorted(zip(selection.rows, ordinals, strict=True)) == list(
                zip(selection.rows, ordinals, strict=True)
            )
            for value, row, ordinal in zip(plain, selection.rows, ordinals, strict=True):
                yield int(row) + first, tuple(map(int, ordinal)), name_of(selection), value
        first += part.num_rows


@SETTINGS
@given(files(), st.integers(1, 200), st.data())
def test_fields_names_every_path_that_is_present(file: tuple[Any, bytes], size: int, data: Any) -> None:
    """Leaves and unopened containers are named, in whichever record they are, and nothing else."""
    rows, text = file
    everything = walked(rows)
    opened = data.draw(st.lists(st.sampled_from(sorted(everything, key=str)), max_size=3)) if everything else []

    named = [path for part in batches(text, size) for path in part.fields(opened)]

    assert set(named) == shown(everything, opened)


def shown(everything: dict[FieldPath, list[Any]], opened: list[FieldPath]) -> set[FieldPath]:
    def is_open(path: FieldPath) -> bool:
        return any(path.contains(other) and path != other for other in opened)

    return {
        path
        for path, found in everything.items()
        if all(is_open(FieldPath(path.steps[:depth])) for depth in range(1, len(path.steps)))
        and (not is_open(path) or any(not isinstance(value, (dict, list)) for *_, value in found))
    }


@SETTINGS
@given(files(), texts, st.data())
def test_replaced_values_are_what_a_parser_reads_back(file: tuple[Any, bytes], new: str, data: Any) -> None:
    """After a replacement a parser finds the new values at the path and all else as it was."""
    rows, text = file
    everything = walked(rows)
    if not everything:
        return
    path = data.draw(st.sampled_from(sorted(everything, key=str)))
    masks = {"string": pa.array([new]), "number": NUMBER.wrap_array(pa.array(["17"])), "bool": pa.array([True])}

    changed = b""
    for part in batches(text, 1 << 20):
        new_values = [
            masks.get(name_of(found), pa.array([new])).take(pa.array([0] * len(found.values)))
            for found in part.select(path)
        ]
        pairs = zip(part.select(path), new_values, strict=True)
        changed += part.replace(path, [found.with_values(masked) for found, masked in pairs]).to_bytes()

    plain = {"string": new, "number": Number("17"), "bool": True}
    assert loads(changed) == [edit(row, path.steps, lambda old: plain.get(kind(old), new)) for row in rows]


def name_of(selection: Any) -> str:
    return "number" if selection.values.type == NUMBER else str(selection.values.type)


def edit(value: Any, steps: tuple[Step, ...], change: Any) -> Any:
    """Return a value with what is at a path changed, or taken out where `change` returns `...`."""
    if not steps:
        return change(value)
    step, *rest = steps
    if step.kind == "name" and isinstance(value, dict):
        new = {k: edit(v, tuple(rest), change) if k == step.name else v for k, v in value.items()}
        return {k: v for k, v in new.items() if v is not ...}
    if step.kind == "each" and isinstance(value, list):
        return [v for v in (edit(item, tuple(rest), change) for item in value) if v is not ...]
    return value


@SETTINGS
@given(files(), st.data())
def test_dropped_fields_are_gone_and_leave_json(file: tuple[Any, bytes], data: Any) -> None:
    """After drops, one beside another too, a parser reads the records without those fields."""
    rows, text = file
    everything = walked(rows)
    if not everything:
        return
    chosen = data.draw(st.lists(st.sampled_from(sorted(everything, key=str)), min_size=1, max_size=4, unique=True))

    changed = batches(text, 1 << 20)
    for path in chosen:
        changed = [part.drop(path) for part in changed]

    expected = rows
    for path in chosen:
        expected = [edit(row, path.steps, lambda old: ...) for row in expected]
    assert loads(b"".join(part.to_bytes() for part in changed)) == expected
    assert not set(chosen) & {path for part in changed for path in part.fields(chosen)}


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_changed_batches_join_to_one_file(size: int) -> None:
    """A file masked in small batches is the file masked in one."""
    text = b'{"id": 1, "name": "Ann"}\n\n{"id": 2}\r\n{"name": "B\\u00e9a", "id": 3}'
    name = FieldPath.of("name")

    def masked() -> Iterator[JsonRecords]:
        for part in batches(text, size):
            changed = [found.with_values(pa.array(["X"] * len(found.values))) for found in part.select(name)]
            yield part.replace(name, changed)

    out = io.BytesIO()
    rows = JsonLines().write(RecordStream(masked(), None), out)

    assert out.getvalue() == b'{"id": 1, "name": "X"}\n\n{"id": 2}\r\n{"name": "X", "id": 3}'
    assert rows == 3
