"""No value of a masked column stays anywhere in a file: dictionaries, statistics, bloom filters, indexes, metadata."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles, Parquet
from dmengine.errors import PlanError
from dmengine.maskers import Hash, Number, Redact
from tests.leak.canaries import Canaries
from tests.leak.evidence import leaks

ROWS = 3000
RULES = dm.Ruleset([
    dm.Rule(["name", "few", "nested.city", "tags[*]"], Hash()), dm.Rule("card", Hash()),
    dm.Rule("amount", Number(1, 9)), dm.keep("id", because="surrogate key"),
])  # fmt: skip


def people(canaries: Canaries) -> pa.Table:
    """Return columns of every kind of page: distinct texts, few texts, nested ones, numbers."""
    names, few = canaries.texts(ROWS), canaries.texts(5)
    cities, tags = canaries.texts(ROWS), canaries.texts(ROWS)
    return pa.table({
        "id": list(range(ROWS)), "name": names, "few": [few[i % 5] for i in range(ROWS)],
        "card": canaries.cards(ROWS), "amount": [7_777_777_000 + i for i in range(ROWS)],
        "nested": [{"city": city} for city in cities], "tags": [[tag, tag] for tag in tags],
    })  # fmt: skip


def by_arrow(table: pa.Table, path: Path, **options: object) -> None:
    blooms = {name: {"ndv": ROWS} for name in ("name", "few", "card", "amount")}
    pq.write_table(
        table, path, row_group_size=1000, write_statistics=True, write_page_index=True, bloom_filter_options=blooms,
        **({"data_page_size": 4096} | options),
    )  # fmt: skip


WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    "arrow, dictionaries": by_arrow,
    "arrow, plain": lambda table, path: by_arrow(table, path, use_dictionary=False, compression="NONE"),
    "arrow, pages 2": lambda table, path: by_arrow(table, path, data_page_version="2.0", compression="zstd"),
    "polars": lambda table, path: pl.from_arrow(table).write_parquet(path, statistics="full"),  # type: ignore[union-attr]
    "pandas": lambda table, path: pd.DataFrame(table.drop_columns(["nested", "tags"]).to_pandas()).to_parquet(path),
}


def numbers(body: bytes) -> list[int]:
    """Find the amounts of `people` as eight bytes anywhere in a file."""
    low = (7_777_777_000).to_bytes(8, "little")[2:]
    return [place for place in range(len(body)) if body[place + 2 : place + 8] == low]


def uncompressed(body: bytes) -> bytes:
    """Return the same pages without compression, so that every byte of them can be searched."""
    out = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(body)), out, compression="NONE")
    return out.getvalue()


@pytest.mark.parametrize("writer", WRITERS)
def test_no_original_value_stays_in_a_parquet_file(writer: str, tmp_path: Path, key: dm.Key) -> None:
    """Whoever wrote it: pages are written anew, and so are dictionaries, statistics, bloom filters and indexes."""
    canaries = Canaries()
    (tmp_path / "in").mkdir()
    WRITERS[writer](people(canaries), tmp_path / "in" / "a.parquet")
    rules = dm.Ruleset([dm.Rule(list(rule.fields), rule.mask, optional=True) for rule in RULES.rules])

    dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), rules, key)

    was, body = ((tmp_path / side / "a.parquet").read_bytes() for side in ("in", "out"))
    evidence = [("file", body), ("its pages", uncompressed(body)), ("its footer", footer(body))]
    assert leaks(canaries, evidence) == []
    assert numbers(body) == numbers(uncompressed(body)) == []
    assert leaks(canaries, [("source", uncompressed(was))]) != []  # the search finds them where they are
    assert numbers(uncompressed(was)) != []


def footer(body: bytes) -> bytes:
    """Return all that the footer says: statistics, metadata, offsets."""
    read = pq.read_metadata(io.BytesIO(body))
    return repr(([read.row_group(i).to_dict() for i in range(read.num_row_groups)], read.metadata)).encode()


@pytest.mark.parametrize("writer", ["arrow, dictionaries", "arrow, plain"])
def test_bloom_filters_know_masked_values_only(writer: str, tmp_path: Path, key: dm.Key) -> None:
    """A filter that is left as it was would tell whether a person is in the file."""
    canaries = Canaries()
    (tmp_path / "in").mkdir()
    table = people(canaries)
    WRITERS[writer](table, tmp_path / "in" / "a.parquet")

    dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), RULES, key)

    was, now = (filters(tmp_path / side / "a.parquet") for side in ("in", "out"))
    assert len(now) == len(was) > 0
    assert set(now).isdisjoint(was)


def filters(path: Path) -> list[bytes]:
    """Return the bytes of the bloom filters of the column `name`."""
    footer, body = pq.read_metadata(path), path.read_bytes()
    chunks = [footer.row_group(i).column(1) for i in range(footer.num_row_groups)]
    return [body[c.bloom_filter_offset :][: c.bloom_filter_length] for c in chunks if c.bloom_filter_offset]


def test_a_dictionary_keeps_no_value_that_no_record_has(tmp_path: Path, key: dm.Key) -> None:
    """Values that are only in a dictionary, because records were filtered before, are not carried over."""
    canaries = Canaries()
    used, unused = canaries.texts(2)
    (tmp_path / "in").mkdir()
    column = pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array([used, unused]))
    pq.write_table(pa.table({"name": column}), tmp_path / "in" / "a.parquet")

    dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), dm.Ruleset([dm.Rule("name", Redact())]), key)

    body = (tmp_path / "out" / "a.parquet").read_bytes()
    assert leaks(canaries, [("file", body), ("footer", footer(body))]) == []


# ------------------------------------------------------------------------------------------ metadata


@pytest.fixture
def with_metadata(tmp_path: Path) -> Path:
    """Return a folder with a frame that has attributes, an index of names, and metadata of its own."""
    frame = pd.DataFrame({"id": [1]}, index=pd.Index(["ann"], name="name"))
    frame.attrs = {"asked by": "canary-eve"}
    table = pa.Table.from_pandas(frame)
    (tmp_path / "in").mkdir()
    pq.write_table(
        table.replace_schema_metadata({**table.schema.metadata, "owner": "canary-bob"}), tmp_path / "in/a.parquet"
    )
    return tmp_path


RULES_OF_FRAMES = dm.Ruleset([dm.Rule("name", Redact()), dm.keep("id", because="surrogate key")])


def test_metadata_that_may_hold_values_is_named(with_metadata: Path, key: dm.Key) -> None:
    """Kept, it is a warning, with pandas' attributes; the index is a column like any other."""
    report = dm.run(LocalFiles(with_metadata / "in"), LocalFiles(with_metadata / "out"), RULES_OF_FRAMES, key)

    told = [finding.message for finding in report.findings if finding.severity == "warning"]
    assert told == ["key-value metadata of the file is kept as it is: owner, attributes of pandas"]
    assert pd.read_parquet(with_metadata / "out/a.parquet").index.tolist() == ["*"]


def test_metadata_is_dropped_or_refused_when_asked(with_metadata: Path, key: dm.Key) -> None:
    """Dropped, none of it is in the file, and the report says what is missing; refused, nothing is written."""
    dropping = LocalFiles(with_metadata / "in", formats={"**": Parquet(metadata="drop")})
    refusing = LocalFiles(with_metadata / "in", formats={"**": Parquet(metadata="fail")})

    report = dm.run(dropping, LocalFiles(with_metadata / "out"), RULES_OF_FRAMES, key)
    with pytest.raises(PlanError, match="which is refused: owner, attributes of pandas"):
        dm.run(refusing, LocalFiles(with_metadata / "other"), RULES_OF_FRAMES, key)

    assert b"canary" not in (with_metadata / "out/a.parquet").read_bytes()
    assert [f.message for f in report.findings] == ["key-value metadata of the file is left out: owner, pandas"]
    assert not (with_metadata / "other").exists()
