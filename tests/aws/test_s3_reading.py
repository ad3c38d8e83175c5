"""Objects are read by ranges of one version, whatever breaks off, ends or changes under way."""

from __future__ import annotations

from typing import Any

import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles, S3Files
from dmengine.errors import InputError, PlanError, StoreError
from dmengine.journal import Journal
from tests.aws.s3_lab import (
    PEOPLE,
    RULES,
    SOURCE,
    bodies,
    crc32,
    csv_of,
    many,
    parquet_of,
    put,
    target_now,
)
from tests.aws.standins.faults import Fates, Fault
from tests.aws.standins.world import EXTERNAL_ID, ROLE_B, World


@pytest.fixture
def big(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ranges so small that a test object has many."""
    from dmengine_connectors.stores import s3_read

    small = {"stream": s3_read.Manner(20_000, 4, 6), "seek": s3_read.Manner(10_000, 2, 24),
             "glance": s3_read.Manner(5_000, 0, 8)}  # fmt: skip
    monkeypatch.setattr(s3_read, "MANNERS", small)


def test_large_objects_are_read_by_ranges_of_one_version(
    world: World, source: S3Files, target: S3Files, key: dm.Key, big: None, tmp_path: Any
) -> None:
    """Each range is asked for with the ETag of the listing, a few ahead, and all together are the object."""
    emails = many(20_000)
    (tmp_path / "in").mkdir()
    for name, body in {"a.csv": csv_of(emails), "b.parquet": parquet_of(emails, row_group_size=5_000)}.items():
        put(world, f"in/{name}", body)
        (tmp_path / "in" / name).write_bytes(body)

    dm.run(source, target, RULES, key)
    dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), RULES, key)

    gets = [c for c in world.proxy.calls if c.operation == "GetObject" and c.bucket == SOURCE]
    assert len(gets) > 30
    assert all("if-match" in {name.lower() for name in call.headers} for call in gets)
    for name in ("a.csv", "b.parquet"):
        assert bodies(target_now(world))[f"out/{name}"] == (tmp_path / "out" / name).read_bytes()


@pytest.mark.parametrize("kind", ["cut", "cut_unsized", "reset_before", "slow_down"])
def test_broken_answers_are_taken_up_at_the_byte(
    world: World, source: S3Files, target: S3Files, key: dm.Key, big: None, no_pauses: None, kind: Any
) -> None:
    """Bodies that break off, resets and throttling cost time and nothing else."""
    put(world, "in/a.csv", csv_of(many(5_000)))
    put(world, "in/b.parquet", parquet_of(many(5_000)))
    dm.run(source, target, RULES, key)
    whole = bodies(target_now(world))
    world.proxy.forget()
    world.proxy.fates = Fates(3, Fault((kind,), ("GetObject",), share=0.3, keys="in/*"))

    dm.run(source, target, RULES, key)
    met = world.proxy.fates.met
    world.proxy.forget()

    assert met[kind] > 0
    assert bodies(target_now(world)) == whole


def test_sessions_that_end_under_way_are_renewed(
    world: World, source: S3Files, target: S3Files, key: dm.Key, big: None
) -> None:
    """Tokens that expire while an object is read, or between its upload and the publishing, stop nothing."""
    put(world, "in/a.csv", csv_of(many(20_000)))

    ended: set[str] = set()

    def end(call: Any) -> None:
        chosen = "bytes=40000-59999" in str(call.headers.get("Range")) or call.operation == "CompleteMultipartUpload"
        if chosen and call.operation not in ended:
            ended.add(call.operation)
            world.accounts.end_sessions()

    world.proxy.watch = end

    report = dm.run(source, target, RULES, key)

    assert report.rows == 20_000
    assert ended == {"GetObject", "CompleteMultipartUpload"}
    assert world.proxy.count("AssumeRole") > 2


def test_small_objects_with_a_flipped_bit_are_read_again(
    world: World, source: S3Files, target: S3Files, key: dm.Key, no_pauses: None
) -> None:
    """The checksum that S3 sends with a whole object is compared."""
    for number in range(8):
        put(world, f"in/{number}.csv", csv_of(many(200)))
    dm.run(source, target, RULES, key)
    whole = bodies(target_now(world))
    world.proxy.forget()
    world.proxy.fates = Fates(5, Fault(("flipped",), ("GetObject",), share=0.4, keys="in/*"))

    dm.run(source, target, RULES, key)
    met = world.proxy.fates.met
    world.proxy.forget()

    assert met["flipped"] > 0
    assert bodies(target_now(world)) == whole


@pytest.mark.parametrize("composite", [False, True])
@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_flipped_bit_in_a_large_object_stops_the_run(
    world: World, source: S3Files, target: S3Files, key: dm.Key, name: str, composite: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The ranges together are compared with the checksum of the whole, also where that is one of parts."""
    from dmengine_connectors.stores import s3_read

    monkeypatch.setitem(s3_read.MANNERS, "stream", s3_read.Manner(1 << 20, 2, 4))
    monkeypatch.setitem(s3_read.MANNERS, "seek", s3_read.Manner(1 << 20, 2, 24))
    body = csv_of(many(350_000)) if name.endswith("csv") else parquet_of(many(350_000), compression="none")
    assert len(body) > 6 << 20
    if composite:
        client = world.client("s3", world.assume(ROLE_B, ExternalId=EXTERNAL_ID))
        upload = client.create_multipart_upload(Bucket=SOURCE, Key=f"in/{name}", ChecksumAlgorithm="CRC32")["UploadId"]
        where = {"Bucket": SOURCE, "Key": f"in/{name}", "UploadId": upload}
        parts = [
            {"PartNumber": n, "ETag": sent["ETag"], "ChecksumCRC32": sent.get("ChecksumCRC32") or crc32(piece)}
            for n, piece in enumerate((body[: 5 << 20], body[5 << 20 : 10 << 20], body[10 << 20 :]), 1)
            if piece
            for sent in [client.upload_part(**where, PartNumber=n, Body=piece, ChecksumAlgorithm="CRC32")]
        ]
        client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    else:
        put(world, f"in/{name}", body)
    dm.run(source, target, RULES, key)
    listed = source.prepare(Journal(target.journal(), "x"))
    flipped = next(iter(listed))
    world.proxy.forget()
    world.proxy.fates = Fates(5, Fault(("flipped",), ("GetObject",), keys="in/*"))

    with pytest.raises(InputError, match=r"its checksum is wrong|damaged|cannot"):
        for _ in source.read(flipped).batches:
            pass
    world.proxy.forget()


@pytest.mark.parametrize(("name", "range_"), [("a.csv", "bytes=40000-59999"), ("a.parquet", "bytes=40000-49999")])
def test_an_object_that_changes_under_way_stops_the_run(
    world: World, source: S3Files, target: S3Files, key: dm.Key, big: None, name: str, range_: str
) -> None:  # fmt: skip
    """An object overwritten between two ranges is refused by its ETag, and nothing is left."""
    put(world, f"in/{name}", csv_of(many(20_000)) if name == "a.csv" else parquet_of(many(20_000)))
    done: list[int] = []

    def overwrite(call: Any) -> None:
        if call.operation == "GetObject" and range_ in str(call.headers.get("Range")) and not done:
            done.append(1)
            put(world, f"in/{name}", csv_of(many(10)))

    world.proxy.watch = overwrite

    with pytest.raises(InputError, match=f"{name} was changed"):
        dm.run(source, target, RULES, key)

    assert done
    assert target_now(world).objects == {}
    assert target_now(world).uploads == ()


def test_an_object_that_breaks_off_for_ever_is_a_named_error(
    world: World, source: S3Files, target: S3Files, key: dm.Key, no_pauses: None
) -> None:
    """After ten tries without a step forward the run ends, and nothing is left."""
    put(world, "in/a.csv", PEOPLE)
    described = source.describe()
    assert described.findings == ()
    world.proxy.forget()
    world.proxy.fates = Fates(1, Fault(("reset_before",), ("GetObject",), keys="in/*"))

    with pytest.raises((StoreError, PlanError), match=r"a\.csv"):
        dm.run(source, target, RULES, key)
    world.proxy.forget()

    assert target_now(world).objects == {}
