"""Properties of Avro files of any schema: what is not changed stays, and what is changed is all that is."""

from __future__ import annotations

import io
from itertools import groupby
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmengine.paths import FieldPath
from dmengine.spi import Records
from dmengine_connectors.formats.avro import Avro
from dmengine_connectors.formats.avro_records import AvroRecords
from dmengine_connectors.formats.avro_schema import at_path, paths, read_schema
from tests.conftest import WHOLE
from tests.formats.avro_making import avro, blocks, files, header, plain, read, rewritten

EXAMPLES = settings(
    max_examples=3000 if WHOLE else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
CODECS = st.sampled_from(["null", "deflate", "bzip2", "xz"])


def opened(root: Any) -> tuple[FieldPath, ...]:
    """Return a path to each leaf of a schema."""
    found: set[FieldPath] = set()
    waiting = list(paths(root))
    while waiting:
        path = waiting.pop()
        deeper = [p.child(s) for p in [path] for n in at_path(root, p) for b in n.branches() for s, _ in b.steps()]
        waiting += [each for each in deeper if each not in found]
        found.update(deeper)
    return tuple(found)


def leaves(content: bytes) -> list[FieldPath]:
    """Name all leaves of a file."""
    root = read_schema(header(content).metadata["avro.schema"].encode())
    return list(paths(root, opened(root)))


@EXAMPLES
@given(files(), CODECS, st.integers(1, 200), st.integers(0, 300))
def test_a_file_without_a_rule_comes_back(file: tuple[Any, list[Any]], codec: str, interval: int, size: int) -> None:
    """Schema, codec, blocks and every byte of every record are as they were, however the batches are cut."""
    content = avro(*file, codec=codec, sync_interval=interval)

    result = rewritten(content, form=Avro(batch_bytes=size))

    assert header(result).metadata == header(content).metadata
    assert read(result) == read(content)
    assert blocks(result) == blocks(content)
    assert plain(result) == plain(content)


@EXAMPLES
@given(files(), st.integers(0, 300))
def test_all_values_are_written_as_they_are_read(file: tuple[Any, list[Any]], size: int) -> None:
    """Every leaf, read in Arrow and written by us again and not from its bytes, is the same value for fastavro."""
    content = avro(*file)
    every = leaves(content)

    def act(records: Records) -> Records:
        assert isinstance(records, AvroRecords)
        for path in every:
            found = records.select(path)
            for one in found:
                if one.slots.node.kind != "null":  # other originals, so that all values are written anew
                    object.__setattr__(one.slots, "values", pa.nulls(len(one.values)))
            records = records.replace(path, found)
        return records

    result = rewritten(content, act, Avro(batch_bytes=size))

    assert read(result) == read(content)


@EXAMPLES
@given(files(), st.data())
def test_only_the_selected_texts_change(file: tuple[Any, list[Any]], data: st.DataObject) -> None:
    """New texts at one path are there, in order, and all other values are as they were."""
    content = avro(*file)
    every = leaves(content)
    path = data.draw(st.sampled_from(every))
    new = data.draw(st.text(min_size=70, max_size=90))

    def act(records: Records) -> Records:
        found = records.select(path)
        changed = [
            one.with_values(pa.array([None if v is None else new for v in one.values.to_pylist()], pa.string()))
            if pa.types.is_string(one.values.type)
            else one
            for one in found
        ]
        return records.replace(path, changed)

    result = rewritten(content, act)

    root = read_schema(header(content).metadata["avro.schema"].encode())
    assert sum(blocks(result)) == len(file[1])
    for each in every:
        before, after = values(content, root, each), values(result, root, each)
        if each == path:
            wanted = [[None if v is None else new for v in c] if kind == "string" else c for kind, c in before]
            assert [c for _, c in after] == wanted
        else:
            assert after == before


def values(content: bytes, root: Any, path: FieldPath) -> list[tuple[str, list[Any]]]:
    """Return what is at a path, by the type it has."""
    found = []
    for batch in Avro().read(io.BytesIO(content)).batches:
        found += [(str(one.values.type), one.values.to_pylist()) for one in batch.select(path)]
    return found


@EXAMPLES
@given(files(), st.data())
def test_a_dropped_field_is_gone_and_the_rest_stays(file: tuple[Any, list[Any]], data: st.DataObject) -> None:
    """The schema and all records lack a dropped field of the root record, and are otherwise the same."""
    content = avro(*file)
    name = data.draw(st.sampled_from([field["name"] for field in file[0]["fields"]]))

    result = rewritten(content, lambda records: records.drop(FieldPath.of(name)))

    assert [field["name"] for field in header(result).writer_schema["fields"]] == [
        field["name"] for field in file[0]["fields"] if field["name"] != name
    ]
    assert read(result) == [{k: v for k, v in each.items() if k != name} for each in read(content)]


@EXAMPLES
@given(files())
def test_rows_and_elements_say_where_a_value_is(file: tuple[Any, list[Any]]) -> None:
    """Rows never decrease, and elements of one record are numbered from 0 at the innermost list."""
    content = avro(*file)

    for path in leaves(content):
        for batch in Avro().read(io.BytesIO(content)).batches:
            for one in batch.select(path):
                rows = one.rows.tolist() if one.rows is not None else []
                assert len(rows) == len(one.values)
                assert rows == sorted(rows)
                assert len(one.elements) == path.lists
                for level in one.elements:
                    for _, group in groupby(zip(rows, level.tolist(), strict=True), key=lambda pair: pair[0]):
                        ordinals = [ordinal for _, ordinal in group]
                        assert ordinals == sorted(ordinals)
