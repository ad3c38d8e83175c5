"""The proxy before the stand-ins is as unreliable as the tests of dmengine need it to be, and counts, and kills."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)

from tests.aws.standins.accounts import ACCOUNT_B
from tests.aws.standins.calls import Call
from tests.aws.standins.contents import objects
from tests.aws.standins.faults import KINDS, Fate, Fates, Fault, Kill, Kind
from tests.aws.standins.trying import BODY, BUCKET, begin, code, complete
from tests.aws.standins.world import (
    EXTERNAL_ID,
    ROLE_B,
    ROLE_C,
    World,
)


def inject(world: World, kind: Kind, *operations: str, seed: int = 1, **more: Any) -> None:
    """Let every call of some operations meet a fault."""
    world.proxy.fates = Fates(seed, Fault((kind,), operations or ("*",), **more))


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("slow_down", ("SlowDown", 503)),
        ("internal", ("InternalError", 500)),
        ("skewed", ("RequestTimeTooSkewed", 403)),
        ("expired", ("ExpiredToken", 400)),
        ("denied", ("AccessDenied", 403)),
    ],
)
def test_a_refusal_on_purpose_is_not_applied(kind: Kind, answer: tuple[str, int], world: World, s3: Any) -> None:
    """S3's word for it comes, and nothing is stored."""
    inject(world, kind)

    refused = code(s3.put_object, Bucket=BUCKET, Key="new", Body=b"abc")

    assert refused == answer
    assert list(objects(world.truth(ACCOUNT_B), BUCKET).objects) == ["object"]


def test_a_throttled_sts_says_so_in_its_own_words(world: World) -> None:
    """STS is throttled, not slowed down."""
    inject(world, "slow_down", "AssumeRole")

    assert code(world.client("sts").assume_role, RoleArn=ROLE_C, RoleSessionName="test") == ("Throttling", 400)


@pytest.mark.parametrize(("kind", "applied"), [("reset_before", False), ("reset_after", True)])
def test_a_reset_comes_before_or_after_the_call_was_applied(kind: Kind, applied: bool, world: World, s3: Any) -> None:
    """The client sees the same reset; only the bucket shows whether the object was written."""
    inject(world, kind, "PutObject")

    with pytest.raises(ConnectionClosedError):
        s3.put_object(Bucket=BUCKET, Key="new", Body=b"abc")

    assert ("new" in objects(world.truth(ACCOUNT_B), BUCKET).objects) is applied


def test_a_lost_reply_to_complete_makes_the_retry_find_no_upload(world: World, s3: Any) -> None:
    """The upload was completed, the reply was lost, and whoever asks again is told NoSuchUpload."""
    upload = begin(s3)
    inject(world, "reset_after", "CompleteMultipartUpload", times=1)

    with pytest.raises(ConnectionClosedError):
        complete(s3, upload)
    again = code(complete, s3=s3, upload=upload)

    found = objects(world.truth(ACCOUNT_B), BUCKET)
    assert (again, found.objects["new"].body, found.uploads) == (("NoSuchUpload", 404), b"abc", ())


@pytest.mark.parametrize(("kind", "applied"), [("empty_200", False), ("empty_200_applied", True)])
def test_an_empty_answer_to_complete_looks_like_success(kind: Kind, applied: bool, world: World, s3: Any) -> None:
    """boto3 returns an answer without an ETag, whether the object is there or not."""
    upload = begin(s3)
    inject(world, kind)

    answer = complete(s3, upload)

    found = objects(world.truth(ACCOUNT_B), BUCKET)
    assert "ETag" not in answer
    assert ("new" in found.objects, found.uploads == ()) == (applied, applied)


def test_an_empty_answer_to_create_hides_an_open_upload(world: World, s3: Any) -> None:
    """The upload was begun, and nobody is told its id."""
    inject(world, "empty_200_applied", "CreateMultipartUpload")

    answer = s3.create_multipart_upload(Bucket=BUCKET, Key="new")

    world.proxy.forget()
    assert "UploadId" not in answer
    assert [key for key, _ in objects(world.truth(ACCOUNT_B), BUCKET).uploads] == ["new"]


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "ListObjectsV2"])
def test_any_answer_with_a_body_may_be_cut(operation: str, world: World, s3: Any) -> None:
    """Fewer bytes come than the Content-Length says, of what moto answers and of what the proxy looked into."""
    inject(world, "cut", operation)
    lengths: list[tuple[int, int]] = []

    def measure(response_dict: Any, **_: Any) -> None:
        lengths.append((len(response_dict["body"]), int(response_dict["headers"]["Content-Length"])))
        response_dict |= {"status_code": 502, "body": b""}

    s3.meta.events.register("before-parse.s3", measure)
    work = s3.create_multipart_upload if operation.startswith("Create") else s3.list_objects_v2
    code(work, Bucket=BUCKET, **({"Key": "new"} if operation.startswith("Create") else {}))

    assert [came < said for came, said in lengths] == [True]


def test_an_expired_session_stays_expired(world: World, s3: Any) -> None:
    """One call meets the end of its session; the next one of that session does too, one of a new session does not."""
    world.proxy.fates = Fates(1, Fault(("expired",), ("GetObject",), times=1))
    where = {"Bucket": BUCKET, "Key": "object"}

    refused = [code(s3.get_object, **where), code(s3.put_object, **where, Body=b"")]

    assert refused == [("ExpiredToken", 400)] * 2
    renewed = world.client("s3", world.assume(ROLE_B, ExternalId=EXTERNAL_ID))
    assert renewed.get_object(**where)["Body"].read() == BODY


def test_an_error_within_a_200_is_an_error(world: World, s3: Any) -> None:
    """A Complete that fails after its status was sent is not taken for done, and is not applied."""
    upload = begin(s3)
    inject(world, "error_200")

    refused = code(complete, s3=s3, upload=upload)

    assert refused[0] == "InternalError"
    assert objects(world.truth(ACCOUNT_B), BUCKET).uploads == (("new", upload),)


def test_a_cut_body_is_shorter_than_it_says(world: World, s3: Any) -> None:
    """The Content-Length is that of the object, and the body ends before."""
    inject(world, "cut")

    answer = s3.get_object(Bucket=BUCKET, Key="object")

    assert answer["ContentLength"] == len(BODY)
    with pytest.raises((IncompleteReadError, ResponseStreamingError)):
        answer["Body"].read()


def test_a_cut_body_without_a_length_looks_complete(world: World, s3: Any) -> None:
    """Without a Content-Length, a part of the object comes as if it were all of it."""
    inject(world, "cut_unsized")

    answer = s3.get_object(Bucket=BUCKET, Key="object", Range="bytes=0-199999")
    body = answer["Body"].read()

    assert "ContentLength" not in answer
    assert (BODY.startswith(body), len(body) < 200_000) == (True, True)


def test_a_flipped_bit_is_one_bit(world: World, s3: Any) -> None:
    """One bit differs, the length does not."""
    inject(world, "flipped")

    body = s3.get_object(Bucket=BUCKET, Key="object", Range="bytes=0-99999")["Body"].read()

    different = [a ^ b for a, b in zip(body, BODY[:100_000], strict=True) if a != b]
    assert [bits.bit_count() for bits in different] == [1]


def test_a_slow_body_outlasts_a_short_time_out(world: World, s3: Any) -> None:
    """A client that waits long enough gets it whole, one that does not gives up."""
    inject(world, "slow", pause=0.2)
    hasty = world.client("s3", world.assume(ROLE_B, ExternalId=EXTERNAL_ID), read_timeout=0.1)

    whole = s3.get_object(Bucket=BUCKET, Key="object")["Body"].read()

    assert whole == BODY
    with pytest.raises(HTTPClientError):
        hasty.get_object(Bucket=BUCKET, Key="object")["Body"].read()


def test_faults_are_the_same_for_the_same_seed(world: World, s3: Any) -> None:
    """One seed, one history; another seed, another one; and about the share that was asked for."""

    def history(seed: int) -> list[str]:
        world.proxy.forget()
        inject(world, "slow_down", "HeadObject", seed=seed, share=0.3)
        return [_tried(s3) for _ in range(40)]

    first, again, other = history(1), history(1), history(2)

    assert first == again
    assert first != other
    assert 3 <= first.count("503") <= 24


def _tried(s3: Any) -> str:
    try:
        s3.head_object(Bucket=BUCKET, Key="object")
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_a_storm_holds_every_kind_that_a_retry_cures(world: World) -> None:
    """What the tests of faults inject by default is mixed, and does not hold what no retry can cure."""
    fates = Fates(7, Fault.storm(0.5))
    calls = [Call("GET", "/", {}, b"", "s3", name) for name in ("GetObject", "CompleteMultipartUpload")]  # type: ignore[arg-type]

    met = [fates.fate(call, nth) for call in calls for nth in range(1, 400)]

    kinds = {fate.kind for fate in met if isinstance(fate, Fate)}
    assert kinds == set(KINDS) - {"cut_unsized", "flipped", "slow", "skewed", "expired", "denied"}
    assert 0.4 < sum(fate is not None for fate in met) / len(met) < 0.6


def test_a_tempest_also_holds_wrong_clocks_and_ended_sessions(world: World) -> None:
    """A fifth of all calls, and what cannot be cured stays out: a HEAD cannot say that the clock is off."""
    fates = Fates(7, *Fault.tempest(0.2))
    methods = {"GetObject": "GET", "HeadObject": "HEAD", "AssumeRole": "POST", "CreateMultipartUpload": "POST"}
    calls = [Call(method, "/", {}, b"", "s3", name) for name, method in methods.items()]  # type: ignore[arg-type]

    met = {call.operation: [fates.fate(call, nth) for nth in range(1, 1500)] for call in calls}

    kinds = {name: {fate.kind for fate in some if fate is not None} for name, some in met.items()}
    assert {"skewed", "expired", "cut", "reset_after"} <= kinds["GetObject"] & kinds["CreateMultipartUpload"]
    assert "skewed" not in kinds["HeadObject"]
    assert "expired" not in kinds["AssumeRole"]
    shares = [sum(fate is not None for fate in some) / len(some) for some in met.values()]
    assert all(0.15 < share < 0.25 for share in shares), shares


# -------------------------------------------------------------------------------------------- kills and counts

CHILD = """
import boto3, sys
from botocore.config import Config
keys = dict(zip(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), sys.argv[2:5]))
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="eu-west-1", **keys)
for number in range(5):
    s3.put_object(Bucket="bucket-of-b", Key=f"new-{number}", Body=b"abc")
"""


@pytest.fixture
def child(world: World, s3: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Return a process that puts five objects, of which the third request is fatal."""
    keys = world.assume(ROLE_B, ExternalId=EXTERNAL_ID)
    world.proxy.forget()
    world.proxy.kill = Kill(3, "before")
    process = subprocess.Popen([sys.executable, "-c", CHILD, world.proxy.url, *keys.values()])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_client_is_killed_at_its_nth_request(when: Any, world: World, child: subprocess.Popen[bytes]) -> None:
    """Kill -9 before or after the third request was applied: two or three objects are there."""
    assert world.proxy.kill is not None
    world.proxy.kill.when = when
    world.proxy.kill.aim(child.pid)

    ended = child.wait(60)

    kill = world.proxy.kill
    world.proxy.forget()
    found = [key for key in objects(world.truth(ACCOUNT_B), BUCKET).objects if key.startswith("new-")]
    assert (ended, kill.sprung, len(found)) == (-signal.SIGKILL, True, 2 if when == "before" else 3)


def test_every_call_is_logged_by_its_name(world: World, s3: Any) -> None:
    """The log of the proxy names operation, bucket and key, in order; whoever watches sees the bodies too."""
    bodies: list[bytes] = []
    world.proxy.forget()
    world.proxy.watch = lambda call: bodies.append(call.body)

    upload = begin(s3, "a b/ü")
    complete(s3, upload, "a b/ü")
    s3.list_objects_v2(Bucket=BUCKET)
    s3.delete_object(Bucket=BUCKET, Key="object")
    s3.get_public_access_block(Bucket=BUCKET)

    assert world.proxy.log == [
        f"CreateMultipartUpload {BUCKET}/a b/ü",
        f"UploadPart {BUCKET}/a b/ü",
        f"CompleteMultipartUpload {BUCKET}/a b/ü",
        f"ListObjectsV2 {BUCKET}",
        f"DeleteObject {BUCKET}/object",
        f"GetPublicAccessBlock {BUCKET}",
    ]
    assert b"abc" in bodies


def test_the_contents_of_a_bucket_are_read_whole(world: World, s3: Any) -> None:
    """Bodies, metadata, tags, older versions, delete markers and open uploads are all found."""
    truth = world.truth(ACCOUNT_B)
    truth.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"old", Metadata={"m": "v"}, Tagging="t=w", ContentType="text/csv")
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"now")
    s3.put_object(Bucket=BUCKET, Key="gone", Body=b"gone")
    s3.delete_object(Bucket=BUCKET, Key="gone")
    upload = begin(s3, "open")

    found = objects(truth, BUCKET)

    assert (set(found.objects), found.uploads) == ({"object", "k"}, (("open", upload),))
    assert found.objects["k"].body == b"now"
    old = [stored for (key, _), stored in found.older.items() if key == "k" and stored is not None]
    assert [(one.body, one.metadata, one.tags, one.headers["ContentType"]) for one in old] == [
        (b"old", {"m": "v"}, {"t": "w"}, "text/csv")
    ]
    assert len([key for (key, _) in found.older if key == "gone"]) == 2
    assert all(text in found.everything() for text in (b"old", b"now", b"gone", b"open", BODY))


def test_moto_is_empty_again_for_each_test(world: World) -> None:
    """Nothing of another test is left."""
    assert world.truth(ACCOUNT_B).list_buckets()["Buckets"] == []
    assert world.client("s3").list_buckets()["Buckets"] == []
    assert time.time() <= world.clock() < time.time() + 60
