"""Files of a bucket: masked from one account into another, all or nothing, with what belongs to them."""

from __future__ import annotations

import base64
import gzip
import io
import json
import pickle
import random
import zlib
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dmengine as dm
from dmengine.connectors import Csv, LocalFiles, S3Files, SessionFactory
from dmengine.errors import InputError, MaskError, PlanError, RunError, StoreError
from dmengine.journal import Journal
from dmengine.maskers import Email, FirstName, Fpe
from dmengine.spi import GoneError, Part, Sealed
from dmengine_connectors.stores import s3_upload
from dmengine_connectors.stores.s3 import Bucket
from dmengine_connectors.stores.s3_calls import Calls
from dmengine_connectors.stores.s3_read import pin_of
from tests.aws.s3_lab import session_of_a
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, DOCUMENTED_RIGHTS
from tests.aws.standins.contents import Contents, objects
from tests.aws.standins.faults import Fates, Fault
from tests.aws.standins.world import EXTERNAL_ID, REGION, ROLE_B, ROLE_C, World

SOURCE, TARGET = "source-of-b", "target-of-c"
RULES = dm.Ruleset([dm.Rule("email", Email(), domain="person.email"), dm.keep("id", because="surrogate key")])
PEOPLE = b"id,email\n007,ann@x.org\n008,bob@x.org\n"


@pytest.fixture
def a(world: World) -> SessionFactory:
    """Return the session of account A, with nothing assumed yet, and make the buckets of B and C."""
    world.make_bucket(ACCOUNT_B, SOURCE)
    world.make_bucket(ACCOUNT_C, TARGET)
    return session_of_a(world)


@pytest.fixture
def source(a: SessionFactory) -> S3Files:
    return S3Files(f"s3://{SOURCE}/in/", session=a.assume(ROLE_B, external_id=EXTERNAL_ID))


@pytest.fixture
def target(a: SessionFactory) -> S3Files:
    return S3Files(f"s3://{TARGET}/out/", session=a.assume(ROLE_C))


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait before trying again."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def put(world: World, key: str, body: bytes, **more: Any) -> str:
    return world.truth(ACCOUNT_B).put_object(Bucket=SOURCE, Key=key, Body=body, **more)["ETag"]


def source_now(world: World) -> Contents:
    return objects(world.truth(ACCOUNT_B), SOURCE)


def target_now(world: World) -> Contents:
    return objects(world.truth(ACCOUNT_C), TARGET)


def bodies(contents: Contents) -> Mapping[str, bytes]:
    return {key: stored.body for key, stored in contents.shown().items()}


def parquet_of(emails: list[str], **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"id": range(len(emails)), "email": emails}), out, **options)
    return out.getvalue()


# ---------------------------------------------------------------------------------------------- what a user writes


def test_a_bucket_of_b_is_masked_into_a_bucket_of_c_from_a(world: World, a: SessionFactory, key: dm.Key) -> None:
    """The lines of the documentation: two chains of roles, one plan without a side effect, one run."""
    put(world, "in/people.csv", b"id,email,name,country\n1,ann@x.org,Ann,DE\n2,bob@x.org,Bob,FR\n")
    b, c = a.assume(ROLE_B, external_id=EXTERNAL_ID), a.assume(ROLE_C)
    rules = dm.Ruleset([
        dm.Rule(["email", "contacts[*].email"], Email(), domain="person.email", optional=True),
        dm.Rule(
            "name", FirstName(), when=dm.field("country").isin(["DE"]), otherwise=dm.keep(because="public register")
        ),
        dm.keep("id", "country", because="surrogate key"),
    ])  # fmt: skip

    plan = dm.plan(S3Files(f"s3://{SOURCE}/in/", session=b), S3Files(f"s3://{TARGET}/out/", session=c), rules, key)
    before = target_now(world)
    report = dm.run(S3Files(f"s3://{SOURCE}/in/", session=b), S3Files(f"s3://{TARGET}/out/", session=c), rules, key)

    [masked] = bodies(target_now(world)).values()
    assert plan.plan.errors == ()
    assert before.objects == {}
    assert (report.rows, report.leftovers) == (2, ())
    assert b"ann@" not in masked
    assert b",Bob,FR\n" in masked
    assert sorted(target_now(world).objects) == [f"out/_dmengine/{report.run_id}/manifest.json", "out/people.csv"]
    assert target_now(world).uploads == ()


def test_s3_and_folders_mask_alike(world: World, source: S3Files, target: S3Files, key: dm.Key, tmp_path: Any) -> None:
    """The same bytes come out of a bucket and out of a folder, in every format, and files go from one to the other."""
    files = {
        "a.csv": PEOPLE, "b.jsonl": b'{"id": 1, "email": "ann@x.org"}\n', "sub/c.csv.gz": gzip.compress(PEOPLE),
        "sub/d.parquet": parquet_of(["ann@x.org", "zoe@x.org"]),
    }  # fmt: skip
    for name, body in files.items():
        put(world, f"in/{name}", body)
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(body)

    dm.run(source, target, RULES, key)
    dm.run(LocalFiles(tmp_path / "in"), LocalFiles(tmp_path / "out"), RULES, key)
    dm.run(source, LocalFiles(tmp_path / "down"), RULES, key)
    dm.run(LocalFiles(tmp_path / "in"), S3Files(f"s3://{TARGET}/up/", session=target.session), RULES, key)

    found = bodies(target_now(world))
    for name in files:
        local = (tmp_path / "out" / name).read_bytes()
        assert found[f"out/{name}"] == found[f"up/{name}"] == (tmp_path / "down" / name).read_bytes() == local


# ---------------------------------------------------------------------------------------------- what there is


def test_every_object_that_is_not_masked_is_named(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """Folder markers, archives, unknown formats and excluded objects each have their outcome and its reason."""
    put(world, "in/people.csv", PEOPLE)
    put(world, "in/sub/", b"")
    put(world, "in/photo.jpg", b"\xff\xd8")
    put(world, "in/old.csv", PEOPLE, StorageClass="GLACIER")
    put(world, "in/tmp.csv", PEOPLE)
    put(world, "in/_dmengine/x/manifest.json", b"{}")
    skipping = S3Files(source.url, source.session, exclude=["tmp*"], unmatched="skip")

    report = dm.run(skipping, target, RULES, key)
    errors = [finding.message for finding in source.describe().findings if finding.severity == "error"]

    assert {(o.name, o.outcome, o.why) for o in report.outcomes} == {
        ("sub/", "skipped", "it marks a folder and holds nothing"),
        ("photo.jpg", "skipped", "its format is not known"),
        ("old.csv", "skipped", "it is archived (GLACIER)"),
        ("tmp.csv", "excluded", "matches an exclude glob"),
    }
    assert list(bodies(target_now(world))) == ["out/people.csv"]
    assert errors == ["old.csv would not be masked: it is archived (GLACIER)",
                      "photo.jpg would not be masked: its format is not known"]  # fmt: skip


def test_unmatched_objects_are_copied_when_asked(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """Copied objects keep their bytes, metadata and type, and folder markers go along."""
    put(world, "in/people.csv", PEOPLE)
    put(world, "in/photo.jpg", b"\xff\xd8", ContentType="image/jpeg", Metadata={"camera": "x"})
    put(world, "in/sub/", b"")

    dm.run(S3Files(source.url, source.session, unmatched="copy"), target, RULES, key)

    found = target_now(world).shown()
    assert sorted(found) == ["out/people.csv", "out/photo.jpg", "out/sub/"]
    assert found["out/photo.jpg"] == source_now(world).objects["in/photo.jpg"]
    assert found["out/sub/"].body == b""


def test_listings_of_many_pages_and_keys_of_any_unicode(
    world: World, source: S3Files, target: S3Files, key: dm.Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys come through as they are, whatever is in them, from as many pages as there are."""
    names = ["größe.csv", "日本/🎉.csv", "a b+c%20&=?#.csv", "x/../y//z.csv", "q'\"<>\\.csv", "tab\there.csv"]
    for name in names:
        put(world, f"in/{name}", PEOPLE)
    asked = Calls.__call__

    def small_pages(self: Calls, operation: str, **parameters: Any) -> dict[str, Any]:
        more = {"MaxKeys": 2} if operation == "list_objects_v2" else {}
        return asked(self, operation, **parameters, **more)

    monkeypatch.setattr(Calls, "__call__", small_pages)
    dm.run(source, target, RULES, key)

    assert sorted(bodies(target_now(world))) == sorted(f"out/{name}" for name in names)


def test_one_object_is_a_source_too(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """A URL that does not end with / means that one object, and no other that begins like it."""
    put(world, "in/people.csv", PEOPLE)
    put(world, "in/people.csv.old", b"x")

    dm.run(S3Files(f"s3://{SOURCE}/in/people.csv", source.session), target, RULES, key)

    assert list(bodies(target_now(world))) == ["out/people.csv"]
    with pytest.raises(StoreError, match="there is no s3://source-of-b/in/people"):
        S3Files(f"s3://{SOURCE}/in/people", source.session).describe()


def test_a_target_that_overlaps_its_source_is_refused(world: World, source: S3Files, key: dm.Key) -> None:
    """Neither below the source nor around it."""
    put(world, "in/people.csv", PEOPLE)

    for url in (f"s3://{SOURCE}/in/out/", f"s3://{SOURCE}/"):
        with pytest.raises(PlanError, match="one inside the other"):
            dm.run(source, S3Files(url, source.session), RULES, key)
    with pytest.raises(PlanError, match="is an object"):
        dm.run(source, S3Files(f"s3://{SOURCE}/elsewhere", source.session), RULES, key)


def test_a_name_that_leads_out_of_a_folder_is_refused(
    world: World, source: S3Files, key: dm.Key, tmp_path: Any
) -> None:
    """A key with `..` in it is a fine key, and no path to write to."""
    put(world, "in/../evil.csv", PEOPLE)

    with pytest.raises(PlanError, match="cannot hold an object named"):
        dm.run(source, LocalFiles(tmp_path / "out"), RULES, key)


# ---------------------------------------------------------------------------------------------- attributes


def test_metadata_headers_tags_and_class_go_with_an_object(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """All that a reader of the original finds beside the bytes, a reader of the masked object finds too."""
    put(
        world, "in/people.csv", PEOPLE, ContentType="text/csv", CacheControl="no-store", ContentLanguage="de",
        ContentDisposition='attachment; filename="p.csv"', Metadata={"team": "crm"}, StorageClass="STANDARD_IA",
        Tagging="data=people&a%20b=c%3Dd",
    )  # fmt: skip

    report = dm.run(source, target, RULES, key)

    was, now = source_now(world).objects["in/people.csv"], target_now(world).objects["out/people.csv"]
    assert (now.metadata, now.tags) == (was.metadata, was.tags) == ({"team": "crm"}, {"data": "people", "a b": "c=d"})
    assert now.headers == was.headers
    assert {"metadata kept as they are: team", "tags kept as they are: a b, data"} <= {
        f.message for f in report.findings
    }


def test_metadata_and_tags_stay_behind_when_asked(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """They may hold people's data as well; then they are dropped."""
    put(world, "in/people.csv", PEOPLE, Metadata={"owner": "ann@x.org"}, Tagging="owner=ann")

    dm.run(S3Files(source.url, source.session, metadata="drop", tags="drop"), target, RULES, key)

    now = target_now(world).objects["out/people.csv"]
    assert (now.metadata, now.tags) == ({}, {})


def test_tags_that_may_not_be_read_are_reported(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """Under the documented policy, without GetObjectTagging, the run goes on and says what is missing."""
    put(world, "in/people.csv", PEOPLE, Tagging="a=b")
    world.accounts.rights = DOCUMENTED_RIGHTS

    report = dm.run(source, target, RULES, key)

    assert any(f.message.startswith("its tags are not carried over") for f in report.findings)
    assert target_now(world).objects["out/people.csv"].tags == {}


def test_encryption_follows_the_target_or_the_user(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """Objects are encrypted as the target's bucket says, or as asked, and never with the source's key elsewhere."""
    put(world, "in/people.csv", PEOPLE, ServerSideEncryption="aws:kms", SSEKMSKeyId="key-of-b")
    asking = S3Files(f"s3://{TARGET}/kms/", target.session, encryption="aws:kms", kms_key="key-of-c")

    dm.run(source, target, RULES, key)
    dm.run(source, asking, RULES, key)
    dm.run(source, source, RULES, key)

    found = target_now(world).objects
    assert found["out/people.csv"].headers["ServerSideEncryption"] == "AES256"
    assert found["kms/people.csv"].headers["SSEKMSKeyId"] == "key-of-c"
    assert source_now(world).objects["in/people.csv"].headers["SSEKMSKeyId"] == "key-of-b"


# ---------------------------------------------------------------------------------------------- reading


@pytest.fixture
def big(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ranges so small that a test object has many."""
    from dmengine_connectors.stores import s3_read

    small = {"stream": s3_read.Manner(20_000, 4, 6), "seek": s3_read.Manner(10_000, 2, 24),
             "glance": s3_read.Manner(5_000, 0, 8)}  # fmt: skip
    monkeypatch.setattr(s3_read, "MANNERS", small)


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def many(count: int) -> list[str]:
    chance = random.Random(7)
    return [f"{chance.randrange(10**12)}@x.org" for _ in range(count)]


def csv_of(emails: list[str]) -> bytes:
    return b"id,email\n" + b"".join(b"%d,%s\n" % (n, email.encode()) for n, email in enumerate(emails))


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


# ---------------------------------------------------------------------------------------------- sealing and publishing


def test_a_failure_leaves_nothing(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """A value that a mask cannot take stops the run; no object, upload or journal is left."""
    for number in range(3):
        put(world, f"in/{number}.csv", PEOPLE)
    put(world, "in/9.csv", b"id,email\n1,x\n")

    with pytest.raises(MaskError, match="fpe cannot take"):
        dm.run(source, target, dm.Ruleset([dm.Rule("email", Fpe()), dm.keep("id", because="x")]), key, workers=1)

    assert target_now(world) == Contents({}, {}, ())


def test_a_kept_failure_is_resumed(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """Sealed uploads wait, invisible, and a resumed run does only what is left."""
    put(world, "in/a.csv", PEOPLE)
    put(world, "in/b.csv", PEOPLE)
    world.proxy.fates = Fates(1, Fault(("denied",), ("UploadPart",), keys="out/b.csv"))
    with pytest.raises(StoreError, match="AccessDenied"):
        dm.run(source, target, RULES, key, on_failure="keep", workers=1)
    world.proxy.forget()
    waiting = target_now(world)

    report = dm.resume(source, target, RULES, key)

    assert waiting.shown() == {}
    assert [key for key, _ in waiting.uploads] == ["out/a.csv"]
    assert report.rows == 4
    assert world.proxy.count("UploadPart") == 1
    assert sorted(bodies(target_now(world))) == ["out/a.csv", "out/b.csv"]
    assert target_now(world).uploads == ()


def test_an_empty_object_is_masked_and_copied(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """An upload needs a part: an empty object is one empty part."""
    put(world, "in/empty.jsonl", b"")
    put(world, "in/empty.txt", b"")
    rules = dm.Ruleset([dm.Rule("email", Email(), optional=True)])

    dm.run(S3Files(source.url, source.session, unmatched="copy"), target, rules, key)

    assert bodies(target_now(world)) == {"out/empty.jsonl": b"", "out/empty.txt": b""}


def test_large_objects_are_sent_in_parts(
    world: World, source: S3Files, target: S3Files, key: dm.Key, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts are sent while the next one fills, each with its checksum, and together are the object."""
    monkeypatch.setattr(s3_upload, "SMALLEST_PART", 5 << 20)
    body = csv_of(many(400_000))
    put(world, "in/a.csv", body)
    (tmp_path / "a.csv").write_bytes(body)

    report = dm.run(source, target, RULES, key)
    dm.run(LocalFiles(tmp_path / "a.csv"), LocalFiles(tmp_path / "out"), RULES, key)

    assert world.proxy.count("UploadPart") > 2
    assert all("x-amz-checksum-sha256" in c.headers for c in world.proxy.calls if c.operation == "UploadPart")
    assert bodies(target_now(world))["out/a.csv"] == (tmp_path / "out" / "a.csv").read_bytes()
    assert report.outputs[0].size == len(bodies(target_now(world))["out/a.csv"])


@pytest.mark.parametrize("expected", [0, 10 << 30, 5 << 40, 50 * 10**12])
def test_ten_thousand_parts_are_enough_for_the_largest_object(expected: int) -> None:
    """Parts grow so that what is expected fits in half of them, and as much again and more in the rest."""
    sizes = [s3_upload.part_size(number, expected) for number in range(1, s3_upload.MOST_PARTS + 1)]

    assert sum(sizes) >= min(max(2 * expected, 8 << 40), 50 * 10**12)
    assert max(sizes) <= 5 << 30
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("kind", ["reset_after", "empty_200_applied"])
def test_a_lost_reply_to_complete_is_no_failure(
    world: World, source: S3Files, target: S3Files, key: dm.Key, no_pauses: None, kind: Any
) -> None:
    """What was completed is known by its checksum, whatever the answer was."""
    put(world, "in/a.csv", PEOPLE)
    world.proxy.fates = Fates(1, Fault((kind,), ("CompleteMultipartUpload",), times=1))

    report = dm.run(source, target, RULES, key)
    world.proxy.forget()

    assert report.leftovers == ()
    assert list(bodies(target_now(world))) == ["out/a.csv"]


def test_a_target_changed_under_way_is_not_overwritten(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """Somebody else's object at the place stops publishing; once it is moved away, the run is finished."""
    put(world, "in/a.csv", PEOPLE)
    truth = world.truth(ACCOUNT_C)

    def meddle(call: Any) -> None:
        if call.operation == "CompleteMultipartUpload":
            world.proxy.watch = lambda call: None
            truth.put_object(Bucket=TARGET, Key="out/a.csv", Body=b"somebody else's")

    world.proxy.watch = meddle
    with pytest.raises(RunError, match=r"out/a.csv was changed at the target"):
        dm.run(source, target, RULES, key)
    stays = bodies(target_now(world))
    truth.delete_object(Bucket=TARGET, Key="out/a.csv")

    dm.clean(target)

    assert stays == {"out/a.csv": b"somebody else's"}
    assert bodies(target_now(world))["out/a.csv"].startswith(b"id,email\n007,")
    assert target_now(world).uploads == ()


class Refusing:
    """A session that answers one operation as it is told to, once the effect is there or without it."""

    def __init__(self, session: SessionFactory, operation: str, code: str, *, applied: bool) -> None:
        self.session = session
        self.operation = operation
        self.code = code
        self.applied = applied

    def client(self, service: Any) -> Any:
        return self.session.client(service)

    def call(self, function: Any, /, **parameters: Any) -> Any:
        from botocore.exceptions import ClientError

        if function.__name__ != self.operation:
            return self.session.call(function, **parameters)
        if self.applied:
            self.session.call(function, **parameters)
        raise ClientError({"Error": {"Code": self.code}}, function.__name__)


def sealed_in(bucket: Bucket, run: Any, body: bytes) -> Sealed:
    part = Part("a.csv", "a.csv", len(body))
    bucket.start(run, ["a.csv"], in_place=False)
    with bucket.sealing(run, part, None) as file:
        file.write(body)
    return Sealed("a.csv", "a.csv", 1, file.size, file.checksum, file.notes)


@pytest.mark.parametrize("code", ["NoSuchUpload", "PreconditionFailed"])
def test_an_upload_that_is_gone_is_done_if_its_object_is_there(world: World, target: S3Files, code: str) -> None:
    """After a lost reply S3 may know the upload no more, or see an object in the way: the sealed one itself."""
    run = Journal(target.journal(), "20260101T000000-abcdef")
    sealed = sealed_in(target.objects, run, PEOPLE)
    calls = target.objects.calls
    losing: Any = Refusing(calls.session, "complete_multipart_upload", code, applied=True)

    Bucket(Calls(losing, TARGET), "out/").publish(run, [sealed])

    assert bodies(target_now(world)) == {"out/a.csv": PEOPLE}


def test_an_upload_that_is_gone_without_its_object_is_an_error(world: World, target: S3Files) -> None:
    """Where neither upload nor object is there, the run says so and does not call itself done."""
    run = Journal(target.journal(), "20260101T000000-abcdef")
    sealed = sealed_in(target.objects, run, PEOPLE)
    losing: Any = Refusing(target.objects.calls.session, "complete_multipart_upload", "NoSuchUpload", applied=False)

    with pytest.raises(GoneError, match=r"a\.csv \(the open upload is gone\)") as caught:
        Bucket(Calls(losing, TARGET), "out/").publish(run, [sealed])

    assert caught.value.parts == ("a.csv",)


# ---------------------------------------------------------------------------------------------- in place


def test_a_run_in_place_replaces_each_object_and_is_not_repeated(world: World, source: S3Files, key: dm.Key) -> None:
    """Each object is replaced only if it is still the one that was read, and a second run is refused."""
    put(world, "in/a.csv", PEOPLE)
    put(world, "in/b.parquet", parquet_of(["ann@x.org"]))

    dm.run(source, source, RULES, key)
    once = bodies(source_now(world))
    with pytest.raises(PlanError, match="2 objects are masked already"):
        dm.run(source, source, RULES, key)
    dm.run(source, source, RULES, key, remask=True)

    completes = [c for c in world.proxy.calls if c.operation == "CompleteMultipartUpload"]
    assert all("if-match" in {name.lower() for name in call.headers} for call in completes)
    assert b"ann@x.org" not in b"".join(once.values())
    assert all(once[name] != body for name, body in bodies(source_now(world)).items())


def test_versions_of_objects_in_place_need_a_decision(world: World, source: S3Files, key: dm.Key) -> None:
    """Where a bucket keeps old versions, masking in place is refused, or the originals go, or stay for a reason."""
    truth = world.truth(ACCOUNT_B)
    truth.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    put(world, "in/a.csv", b"id,email\n1,older@x.org\n")
    put(world, "in/a.csv", PEOPLE)
    put(world, "elsewhere/a.csv", PEOPLE)
    put(world, "elsewhere/a.csv", b"id,email\n")

    with pytest.raises(PlanError, match="keeps old versions"):
        dm.run(source, source, RULES, key)
    keeping = S3Files(source.url, source.session, old_versions={"keep": "retention of 30 days"})
    dm.run(keeping, keeping, RULES, key)
    kept = source_now(world)
    deleting = S3Files(source.url, source.session, old_versions="delete")
    report = dm.run(deleting, deleting, RULES, key, remask=True)
    after = source_now(world)

    assert sum(name == "in/a.csv" for name, _ in kept.older) == 2
    assert [name for name, _ in after.older if name == "in/a.csv"] == []
    assert [name for name, _ in after.older if name.startswith("elsewhere")] == ["elsewhere/a.csv"]
    assert report.leftovers == ()


def test_old_versions_that_may_not_be_deleted_are_named(world: World, source: S3Files, key: dm.Key) -> None:
    """The proof of emptiness names each version that is left."""
    truth = world.truth(ACCOUNT_B)
    truth.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    put(world, "in/a.csv", PEOPLE)
    deleting = S3Files(source.url, source.session, old_versions="delete")
    world.proxy.fates = Fates(1, Fault(("denied",), ("DeleteObject",), keys="in/a.csv"))

    report = dm.run(deleting, deleting, RULES, key)
    world.proxy.forget()

    assert {left.partition(" (old version")[0] for left in report.leftovers} == {"s3://source-of-b/in/a.csv"}


# ---------------------------------------------------------------------------------------------- rights and posture


def test_the_documented_policy_is_enough_for_a_run(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """With the rights of the documents alone a run ends well; what could not be checked is reported as unknown."""
    put(world, "in/a.csv", PEOPLE)
    world.accounts.rights = DOCUMENTED_RIGHTS

    report = dm.run(source, target, RULES, key)
    again = dm.run(source, target, RULES, key)

    assert report.leftovers == ()
    assert again.rows == 2
    assert any(f.message.startswith("unknown: whether a lifecycle rule") for f in report.findings)
    assert list(bodies(target_now(world))) == ["out/a.csv"]


def test_an_upload_that_may_not_be_aborted_is_named_with_the_rule_to_set(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """A failed run without the right to abort says which uploads stay, and how a lifecycle rule removes them."""
    put(world, "in/a.csv", PEOPLE)
    put(world, "in/b.csv", b"id,email\n1\n")
    world.accounts.rights = DOCUMENTED_RIGHTS

    with pytest.raises(InputError) as caught:
        dm.run(source, target, RULES, key, workers=1)

    [(_, upload)] = target_now(world).uploads
    assert f"s3://{TARGET}/out/a.csv (open upload {upload})" in caught.value.hint
    assert "AbortIncompleteMultipartUpload" in caught.value.hint


def test_an_upload_whose_id_was_lost_is_found_by_its_key(world: World, target: S3Files) -> None:
    """Killed between CreateMultipartUpload and its note, a run is cleaned by looking for its keys."""
    run = Journal(target.journal(), "20260101T000000-abcdef")
    bucket = target.objects
    bucket.start(run, ["a.csv", "b.csv"], in_place=False)
    truth = world.truth(ACCOUNT_C)
    intent = {"key": "out/a.csv", "replaces": "absent", "since": "Wed, 10 Nov 2010 00:00:00 GMT", "by": "x"}
    run.note("a.csv", "upload0-begun", json.dumps(intent))
    for key in ("out/a.csv", "out/a.csv.bak", "out/b.csv"):
        truth.create_multipart_upload(Bucket=TARGET, Key=key)

    left = bucket.leftovers(run)

    assert left.names == ()
    assert sorted(key for key, _ in target_now(world).uploads) == ["out/a.csv.bak", "out/b.csv"]


def test_uploads_that_others_began_before_are_left_alone(world: World, target: S3Files) -> None:
    """An upload of the same key that was begun before ours is somebody else's."""
    run = Journal(target.journal(), "20260101T000000-abcdef")
    bucket = target.objects
    bucket.start(run, ["a.csv"], in_place=False)
    world.truth(ACCOUNT_C).create_multipart_upload(Bucket=TARGET, Key="out/a.csv")  # moto dates them all to 2010
    intent = {"key": "out/a.csv", "replaces": "absent", "since": "Tue, 24 Nov 2026 00:00:00 GMT", "by": "x"}
    run.note("a.csv", "upload0-begun", json.dumps(intent))

    assert bucket.leftovers(run).names == ()
    assert [key for key, _ in target_now(world).uploads] == ["out/a.csv"]


PUBLIC_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{SOURCE}/*"}
    ],
}


def test_a_public_source_or_target_is_refused(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """Public by policy or by ACL; where Block Public Access is on, neither counts."""
    put(world, "in/a.csv", PEOPLE)
    b, c = world.truth(ACCOUNT_B), world.truth(ACCOUNT_C)
    b.put_bucket_policy(Bucket=SOURCE, Policy=json.dumps(PUBLIC_POLICY))
    dm.run(source, target, RULES, key)
    b.delete_public_access_block(Bucket=SOURCE)

    with pytest.raises(PlanError, match="the source bucket source-of-b is public: its policy"):
        dm.run(source, target, RULES, key)
    b.delete_bucket_policy(Bucket=SOURCE)
    c.delete_public_access_block(Bucket=TARGET)
    c.delete_bucket_ownership_controls(Bucket=TARGET)
    c.put_bucket_acl(Bucket=TARGET, ACL="public-read")

    with pytest.raises(PlanError, match="the target bucket target-of-c is public: its ACL"):
        dm.run(source, target, RULES, key)


def test_a_check_that_is_denied_is_unknown(world: World, source: S3Files) -> None:
    """What may not be looked at is no pass."""
    put(world, "in/a.csv", PEOPLE)
    world.proxy.fates = Fates(1, Fault(("denied",), ("GetPublicAccessBlock", "GetBucketAcl")))

    [finding] = source.describe().findings
    world.proxy.forget()

    assert finding.severity == "warning"
    assert finding.message.startswith("unknown: whether the source bucket is public")
    assert "GetPublicAccessBlock: AccessDenied" in finding.message


def test_a_short_lifecycle_rule_is_a_warning(world: World, target: S3Files, source: S3Files) -> None:
    """A rule that aborts open uploads after a day is shorter than a long run."""
    put(world, "in/a.csv", PEOPLE)
    rule = {
        "ID": "x",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    world.truth(ACCOUNT_C).put_bucket_lifecycle_configuration(
        Bucket=TARGET,
        LifecycleConfiguration={"Rules": [rule]},  # type: ignore[list-item]
    )

    [finding] = target.limits(source.describe()).findings

    assert "aborts uploads that are open for 1 day" in finding.message


def test_every_call_names_owner_and_payer(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """ExpectedBucketOwner is on every call where a role says the account, RequestPayer where it was asked for."""
    put(world, "in/a.csv", PEOPLE)
    world.accounts.requester_pays.add(SOURCE)

    dm.run(S3Files(source.url, source.session, requester_pays=True), target, RULES, key)

    calls = [call for call in world.proxy.calls if call.service == "s3"]
    owners = {(call.bucket, str(call.headers.get("x-amz-expected-bucket-owner"))) for call in calls}
    assert owners == {(SOURCE, ACCOUNT_B), (TARGET, ACCOUNT_C)}


def test_a_bucket_of_another_account_is_refused(world: World, source: S3Files) -> None:
    """A bucket with the right name in the wrong account is not read."""
    put(world, "in/a.csv", PEOPLE)
    wrong = S3Files(source.url, source.session, expected_owner=ACCOUNT_C)

    with pytest.raises(StoreError, match="AccessDenied") as caught:
        wrong.describe()

    assert f"owned by account {ACCOUNT_C} (expected_owner)" in caught.value.hint


def test_errors_hold_codes_and_no_messages_of_aws(world: World, source: S3Files) -> None:
    """A refusal shows code, call and request id; nothing of botocore's is in its chain."""
    with pytest.raises(StoreError) as caught:
        S3Files("s3://no-such-bucket-of-b/in/", source.session).describe()

    assert "NoSuchBucket (ListObjectsV2" in caught.value.message
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_connectors_pickle_without_a_secret(world: World) -> None:
    """A connector goes to another process as references: no key is in it."""
    session = SessionFactory(profile="masking", region=REGION).assume(ROLE_B, external_id=EXTERNAL_ID)
    files = S3Files(f"s3://{SOURCE}/in/", session, formats={"*.txt": Csv(delimiter="|")})

    assert pickle.loads(pickle.dumps(files)) == files
    assert pin_of('"abc"', 3) == "abc:3"


def test_a_journal_elsewhere_serves_as_well(
    world: World, source: S3Files, target: S3Files, key: dm.Key, tmp_path: Any
) -> None:
    """With the journal in a local folder nothing but the objects is in the bucket."""
    put(world, "in/a.csv", PEOPLE)

    dm.run(source, target, RULES, key, journal=tmp_path)

    assert sorted(target_now(world).objects) == ["out/a.csv"]
