"""What a run needs to be allowed to do, what it says where it is not, and which buckets are refused."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

import dmengine as dm
from dmengine.connectors import Csv, S3Files, SessionFactory
from dmengine.errors import InputError, PlanError, StoreError
from dmengine.journal import Journal
from dmengine_connectors.stores.s3_read import pin_of
from tests.aws.s3_lab import (
    PEOPLE,
    RULES,
    SOURCE,
    TARGET,
    bodies,
    put,
    target_now,
)
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, DOCUMENTED_RIGHTS
from tests.aws.standins.faults import Fates, Fault
from tests.aws.standins.world import EXTERNAL_ID, REGION, ROLE_B, World


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


def test_a_check_that_is_denied_is_unknown(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """What may not be looked at is no pass; strictly, it stops the run."""
    put(world, "in/a.csv", PEOPLE)
    world.proxy.fates = Fates(1, Fault(("denied",), ("GetPublicAccessBlock", "GetBucketAcl")))

    [finding, _] = dm.plan(source, target, RULES, key).plan.findings
    strict = dm.plan(source, target, RULES, key, strict=True)
    world.proxy.forget()

    assert (finding.severity, strict.ok) == ("warning", False)
    assert finding.message.startswith("unknown: whether the source bucket is public")
    assert "GetPublicAccessBlock: AccessDenied" in finding.message


def test_a_short_lifecycle_rule_is_a_warning(world: World, target: S3Files, source: S3Files, key: dm.Key) -> None:
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

    [finding] = dm.plan(source, target, RULES, key).plan.findings

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
