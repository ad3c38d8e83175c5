"""How objects are encrypted: as the target's bucket says, as the user asks, or in place as they were."""

from __future__ import annotations

from typing import Any

import pytest

import dmengine as dm
from dmengine.connectors import S3Files
from dmengine.errors import PlanError
from tests.aws.s3_lab import PEOPLE, RULES, SOURCE, TARGET, bodies, put, source_now, target_now
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C
from tests.aws.standins.calls import Call
from tests.aws.standins.world import World

SSE = "x-amz-server-side-encryption"
KEY, BUCKET_KEY = f"{SSE}-aws-kms-key-id", f"{SSE}-bucket-key-enabled"
KINDS = ("AES256", "aws:kms", "aws:kms:dsse")


def asked(call: Call) -> dict[str, str]:
    """Return what a call says about encryption."""
    return {name.lower(): str(value) for name, value in call.headers.items() if name.lower().startswith(SSE)}


def of_objects(world: World) -> dict[str, dict[str, str]]:
    """Return what the calls that begin objects said; journals are not objects of the target."""
    begun = [call for call in world.proxy.calls if call.operation == "CreateMultipartUpload"]
    return {call.key: asked(call) for call in begun}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read", KINDS)
def test_each_kind_is_read_and_written(
    read: Any, kind: Any, world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """From an object of any kind of encryption one of any other is made, with a key of the target's account."""
    of_b, of_c = world.add_key(ACCOUNT_B), world.add_key(ACCOUNT_C)
    with_b = {} if read == "AES256" else {"SSEKMSKeyId": of_b}
    put(world, "in/people.csv", PEOPLE, ServerSideEncryption=read, **with_b)
    options: dict[str, Any] = {} if kind == "AES256" else {"kms_key": of_c}

    dm.run(source, S3Files(f"s3://{TARGET}/out/", target.session, encryption=kind, **options), RULES, key)

    wanted = {SSE: kind} if kind == "AES256" else {SSE: kind, KEY: of_c}
    assert of_objects(world) == {"out/people.csv": wanted}
    assert target_now(world).objects["out/people.csv"].headers["ServerSideEncryption"] == kind
    assert bodies(target_now(world))["out/people.csv"].startswith(b"id,email\n007,")


def test_a_key_alone_means_kms(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """`kms_key=` without `encryption=` is SSE-KMS; whether a bucket key is used is the bucket's own setting."""
    of_c = world.add_key(ACCOUNT_C)
    put(world, "in/people.csv", PEOPLE)

    dm.run(source, S3Files(f"s3://{TARGET}/out/", target.session, kms_key=of_c), RULES, key)

    assert of_objects(world) == {"out/people.csv": {SSE: "aws:kms", KEY: of_c}}


@pytest.mark.parametrize("default", ["AES256", "aws:kms"])
def test_a_bucket_that_is_not_told_otherwise_encrypts_as_it_says(
    default: str, world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """Nothing asked, nothing said: no call names an encryption, neither the original's nor any other."""
    of_b, of_c = world.add_key(ACCOUNT_B), world.add_key(ACCOUNT_C)
    put(world, "in/people.csv", PEOPLE, ServerSideEncryption="aws:kms", SSEKMSKeyId=of_b, BucketKeyEnabled=True)
    put(world, "in/image.jpg", b"as it is", ServerSideEncryption="aws:kms", SSEKMSKeyId=of_b)
    if default == "aws:kms":
        world.encrypt_bucket(TARGET, of_c)

    dm.run(S3Files(source.url, source.session, unmatched="copy"), target, RULES, key)

    assert [str(call) for call in world.proxy.calls if asked(call)] == []
    found = target_now(world).objects
    assert {found[name].headers["ServerSideEncryption"] for name in ("out/people.csv", "out/image.jpg")} == {default}


def test_copies_are_encrypted_as_asked_too(world: World, source: S3Files, target: S3Files, key: dm.Key) -> None:
    """What is only copied to the target is no exception."""
    of_c = world.add_key(ACCOUNT_C)
    put(world, "in/image.jpg", b"as it is")
    put(world, "in/people.csv", PEOPLE)
    asking = S3Files(f"s3://{TARGET}/out/", target.session, encryption="aws:kms", kms_key=of_c)

    dm.run(S3Files(source.url, source.session, unmatched="copy"), asking, RULES, key)

    wanted = {SSE: "aws:kms", KEY: of_c}
    assert of_objects(world) == {"out/image.jpg": wanted, "out/people.csv": wanted}
    assert target_now(world).objects["out/image.jpg"].headers["SSEKMSKeyId"] == of_c


def test_in_place_each_object_keeps_its_own(world: World, source: S3Files, key: dm.Key) -> None:
    """Different keys for different objects, bucket keys on and off, S3's own and double ones: all as before."""
    first, second = world.add_key(ACCOUNT_B), world.add_key(ACCOUNT_B)
    kms: dict[str, Any] = {"ServerSideEncryption": "aws:kms"}
    put(world, "in/on.csv", PEOPLE, **kms, SSEKMSKeyId=first, BucketKeyEnabled=True)
    put(world, "in/off.csv", PEOPLE, **kms, SSEKMSKeyId=second)
    put(world, "in/own.csv", PEOPLE, ServerSideEncryption="AES256")
    put(world, "in/double.csv", PEOPLE, ServerSideEncryption="aws:kms:dsse")
    before = {name: stored.headers for name, stored in source_now(world).objects.items()}

    dm.run(source, source, RULES, key)

    assert of_objects(world) == {
        "in/on.csv": {SSE: "aws:kms", KEY: first, BUCKET_KEY: "true"},
        "in/off.csv": {SSE: "aws:kms", KEY: second, BUCKET_KEY: "false"},
        "in/own.csv": {SSE: "AES256"},
        "in/double.csv": {SSE: "aws:kms:dsse"},
    }
    after = source_now(world).shown()
    assert {name: stored.headers.get("SSEKMSKeyId") for name, stored in after.items()} == {
        name: headers.get("SSEKMSKeyId") for name, headers in before.items()
    }
    assert all(b"ann@x.org" not in stored.body for stored in after.values())


def test_in_place_another_encryption_may_be_asked_for(world: World, source: S3Files, key: dm.Key) -> None:
    """Then all objects get that one, with nothing of their own left over."""
    old, new = world.add_key(ACCOUNT_B), world.add_key(ACCOUNT_B)
    put(world, "in/people.csv", PEOPLE, ServerSideEncryption="aws:kms", SSEKMSKeyId=old, BucketKeyEnabled=True)
    place = S3Files(f"s3://{SOURCE}/in/", source.session, encryption="aws:kms:dsse", kms_key=new)

    dm.run(place, place, RULES, key)

    assert of_objects(world) == {"in/people.csv": {SSE: "aws:kms:dsse", KEY: new}}


def test_a_kms_key_for_an_encryption_without_one_is_refused(
    world: World, source: S3Files, target: S3Files, key: dm.Key
) -> None:
    """S3 would refuse it object by object; it is refused before anything is read."""
    put(world, "in/people.csv", PEOPLE)
    asking = S3Files(f"s3://{TARGET}/out/", target.session, encryption="AES256", kms_key="alias/masking")

    with pytest.raises(PlanError, match="kms_key= is given too"):
        dm.run(source, asking, RULES, key)

    assert target_now(world).objects == {}
