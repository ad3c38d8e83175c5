"""Files of a bucket: masked from one account into another, with what belongs to them."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

import dmengine as dm
from dmengine.connectors import LocalFiles, S3Files, SessionFactory
from dmengine.errors import PlanError, StoreError
from dmengine.maskers import Email, FirstName
from dmengine_connectors.stores.s3_calls import Calls
from tests.aws.s3_lab import (
    PEOPLE,
    RULES,
    SOURCE,
    TARGET,
    bodies,
    parquet_of,
    put,
    source_now,
    target_now,
)
from tests.aws.standins.accounts import ACCOUNT_C, DOCUMENTED_RIGHTS
from tests.aws.standins.world import EXTERNAL_ID, ROLE_B, ROLE_C, World

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


def test_what_stays_behind_is_reported(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """By the names of metadata, and the number of tags, which are not even asked for."""
    put(world, "in/people.csv", PEOPLE, Metadata={"owner": "ann@x.org"}, Tagging="owner=ann")

    report = dm.run(S3Files(source.url, source.session, metadata="drop", tags="drop"), target, RULES, key)

    assert [f.message for f in report.findings if "left behind" in f.message] == [
        "metadata left behind: owner", "tags left behind: 1 in number",
    ]  # fmt: skip


@pytest.mark.parametrize(("options", "named"), [({"metadata": "fail"}, "metadata.*owner"), ({"tags": "fail"}, "tags")])
def test_metadata_and_tags_are_refused_when_asked(
    options: Any, named: str, world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """The plan says so, by name and never by value, before anything is written; objects without any are fine."""
    put(world, "in/plain.csv", PEOPLE)
    refusing = S3Files(source.url, source.session, **options)
    fine = dm.plan(refusing, target, RULES, key)
    put(world, "in/people.csv", PEOPLE, Metadata={"owner": "ann@x.org"}, Tagging="owner=ann")

    with pytest.raises(PlanError, match=f"the object has {named}") as caught:
        dm.run(refusing, target, RULES, key)

    assert fine.ok
    assert "ann" not in str(caught.value)
    assert target_now(world).shown() == {}


def test_tags_that_may_not_be_read_are_reported(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """Under the documented policy, without GetObjectTagging, the run goes on and says what is missing."""
    put(world, "in/people.csv", PEOPLE, Tagging="a=b")
    world.accounts.rights = DOCUMENTED_RIGHTS

    report = dm.run(source, target, RULES, key)

    assert any(f.message.startswith("tags are not carried over from s3://") for f in report.findings)
    assert target_now(world).objects["out/people.csv"].tags == {}


def test_encryption_follows_the_target_or_the_user(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """Objects are encrypted as the target's bucket says, or as asked, and never with the source's key elsewhere."""
    put(world, "in/people.csv", PEOPLE, ServerSideEncryption="aws:kms", SSEKMSKeyId="key-of-b")
    key_of_c = world.add_key(ACCOUNT_C)
    asking = S3Files(f"s3://{TARGET}/kms/", target.session, encryption="aws:kms", kms_key=key_of_c)

    dm.run(source, target, RULES, key)
    dm.run(source, asking, RULES, key)
    dm.run(source, source, RULES, key)

    found = target_now(world).objects
    assert found["out/people.csv"].headers["ServerSideEncryption"] == "AES256"
    assert found["kms/people.csv"].headers["SSEKMSKeyId"] == key_of_c
    assert source_now(world).objects["in/people.csv"].headers["SSEKMSKeyId"] == "key-of-b"
