"""The stand-ins for AWS are as strict, and as unreliable, as the tests of dmengine need them to be."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, DOCUMENTED_RIGHTS
from tests.aws.standins.bodies import checksum
from tests.aws.standins.calls import Call
from tests.aws.standins.contents import objects
from tests.aws.standins.faults import KINDS, Fate, Fates, Fault, Kill, Kind
from tests.aws.standins.proxy import Proxy
from tests.aws.standins.world import (
    BASE,
    DEEP,
    EXTERNAL_ID,
    HOP,
    LONG,
    RELAY,
    ROLE_B,
    ROLE_C,
    World,
)

BUCKET = "bucket-of-b"
BODY = os.urandom(300_000)


@pytest.fixture
def s3(world: World) -> Any:
    """Return a client of a bucket in B that holds one object, with B's role and without retries."""
    world.make_bucket(ACCOUNT_B, BUCKET)
    client = world.client("s3", world.assume(ROLE_B, ExternalId=EXTERNAL_ID))
    client.put_object(Bucket=BUCKET, Key="object", Body=BODY)
    return client


def code(work: Any, **parameters: Any) -> tuple[str, int]:
    """Return the code and the status of the refusal."""
    with pytest.raises(ClientError) as caught:
        work(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def md5(body: bytes) -> str:
    """Return a digest as Content-MD5 has it."""
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def begin(s3: Any, key: str = "new", algorithm: str = "CRC32") -> str:
    """Begin a multipart upload of one part, and return its id."""
    upload: str = s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm=algorithm)["UploadId"]
    return upload


def complete(s3: Any, upload: str, key: str = "new") -> Any:
    """Send the only part of an upload, and complete it."""
    part = s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=b"abc")
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
    return s3.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})


# -------------------------------------------------------------------------------------------- identities and owners


def test_only_the_role_that_the_trust_policy_names_assumes_with_its_external_id(world: World) -> None:
    """A hop without the external id, with another one, or from the wrong role is denied; the right ones pass."""
    sts = world.client("sts")
    hop = world.assume(HOP)

    wrong = [
        code(sts.assume_role, RoleArn=ROLE_B, RoleSessionName="test"),
        code(sts.assume_role, RoleArn=ROLE_B, RoleSessionName="test", ExternalId="of somebody else"),
        code(sts.assume_role, RoleArn=RELAY, RoleSessionName="test"),
        code(sts.assume_role, RoleArn=f"{ROLE_B}-unknown", RoleSessionName="test"),
        code(world.client("sts", hop).assume_role, RoleArn=ROLE_C, RoleSessionName="test"),
    ]
    deep = world.assume(DEEP, world.assume(RELAY, hop), ExternalId=EXTERNAL_ID)

    assert wrong == [("AccessDenied", 403)] * 5
    identity = world.client("sts", deep).get_caller_identity()
    assert (identity["Account"], identity["Arn"].split("/")[1]) == (ACCOUNT_B, "Deep-DM-Role")
    assert world.accounts.assumed == [HOP, RELAY, DEEP]


def test_a_chained_session_lasts_an_hour_at_most(world: World) -> None:
    """More than an hour is refused where one role assumes another, and allowed on the first hop."""
    sts = world.client("sts", world.assume(HOP))

    refused = code(sts.assume_role, RoleArn=RELAY, RoleSessionName="test", DurationSeconds=3601)
    sts.assume_role(RoleArn=RELAY, RoleSessionName="test", DurationSeconds=3600)
    first = world.client("sts").assume_role(RoleArn=LONG, RoleSessionName="test", DurationSeconds=7200)

    assert refused == ("ValidationError", 400)
    assert first["Credentials"]["Expiration"].timestamp() == pytest.approx(world.clock() + 7200, abs=60)


def test_a_session_ends_on_the_clock_of_the_tests(world: World, s3: Any) -> None:
    """When its time is over, each service says so in its own words; also when its end comes early."""
    keys = world.assume(ROLE_B, ExternalId=EXTERNAL_ID, DurationSeconds=900)
    still = [world.client("s3", keys).get_object, world.client("sts", keys).get_caller_identity]
    secrets = world.client("secretsmanager", keys)
    world.clock.advance(901)

    expired = [
        code(still[0], Bucket=BUCKET, Key="object"),
        code(still[1]),
        code(secrets.list_secrets),
    ]
    s3.get_object(Bucket=BUCKET, Key="object")
    world.accounts.end_sessions()

    assert expired == [("ExpiredToken", 400), ("ExpiredToken", 403), ("ExpiredTokenException", 400)]
    assert code(s3.get_object, Bucket=BUCKET, Key="object") == ("ExpiredToken", 400)
    assert code(s3.head_object, Bucket=BUCKET, Key="object") == ("400", 400)  # a HEAD has no body to say more


def test_unknown_keys_and_tokens_of_others_are_refused(world: World, s3: Any) -> None:
    """An access key that nobody was given, and a key with the token of another session."""
    unknown = world.client("s3", {**BASE, "aws_access_key_id": "ASIAUNKNOWN"})
    mixed = world.client("s3", {**BASE, "aws_session_token": "token of another"})

    assert code(unknown.list_buckets) == ("InvalidAccessKeyId", 403)
    assert code(mixed.list_buckets) == ("InvalidToken", 400)


def test_a_bucket_is_its_owners_alone_unless_its_policy_says_otherwise(world: World, s3: Any) -> None:
    """A and C cannot read B's bucket; with a grant they can, and pay where the requester pays."""
    a, c = world.client("s3"), world.client("s3", world.assume(ROLE_C))
    refused = [code(client.get_object, Bucket=BUCKET, Key="object") for client in (a, c)]
    world.accounts.grants[BUCKET] = {ACCOUNT_C}
    granted = c.get_object(Bucket=BUCKET, Key="object")
    world.accounts.requester_pays.add(BUCKET)
    unpaid = code(c.get_object, Bucket=BUCKET, Key="object")

    assert [*refused, unpaid] == [("AccessDenied", 403)] * 3
    assert granted["Body"].read() == BODY
    c.get_object(Bucket=BUCKET, Key="object", RequestPayer="requester")
    s3.get_object(Bucket=BUCKET, Key="object")


def test_another_owner_than_expected_is_refused(s3: Any) -> None:
    """ExpectedBucketOwner is compared on every call, also with the source of a copy."""
    source = {"Bucket": BUCKET, "Key": "object"}

    refused = [
        code(s3.get_object, **source, ExpectedBucketOwner=ACCOUNT_C),
        code(s3.put_object, **source, Body=b"", ExpectedBucketOwner=ACCOUNT_C),
        code(s3.list_objects_v2, Bucket=BUCKET, ExpectedBucketOwner=ACCOUNT_C),
        code(s3.copy_object, Bucket=BUCKET, Key="new", CopySource=source, ExpectedSourceBucketOwner=ACCOUNT_C),
    ]

    assert refused == [("AccessDenied", 403)] * 4
    s3.get_object(**source, ExpectedBucketOwner=ACCOUNT_B)


def test_only_documented_rights_are_granted_where_asked(world: World, s3: Any) -> None:
    """With the rights of the documents alone: no abort, no listing of uploads, no deleting, no tags, no versions."""
    world.accounts.rights = DOCUMENTED_RIGHTS
    upload = begin(s3)
    where = {"Bucket": BUCKET, "Key": "object"}

    refused = [
        code(s3.abort_multipart_upload, Bucket=BUCKET, Key="new", UploadId=upload),
        code(s3.list_multipart_uploads, Bucket=BUCKET),
        code(s3.delete_object, **where),
        code(s3.put_object, **where, Tagging="a=b"),
        code(s3.get_object_tagging, **where),
        code(s3.get_object, **where, VersionId="null"),
    ]

    assert refused == [("AccessDenied", 403)] * 6
    assert complete(s3, upload)["ETag"]


# -------------------------------------------------------------------------------------------- bodies


def test_a_wrong_checksum_is_refused_and_a_right_one_accepted(s3: Any) -> None:
    """CRC32, SHA-1, SHA-256 and Content-MD5 are compared with the body."""
    where = {"Bucket": BUCKET, "Key": "checked", "Body": b"abc"}

    refused = [
        code(s3.put_object, **where, ChecksumCRC32=checksum("crc32", b"abd")),
        code(s3.put_object, **where, ChecksumSHA1=checksum("sha1", b"abd")),
        code(s3.put_object, **where, ChecksumSHA256=checksum("sha256", b"abd")),
        code(s3.put_object, **where, ContentMD5=md5(b"abd")),
    ]
    s3.put_object(**where, ChecksumSHA256=checksum("sha256", b"abc"), ContentMD5=md5(b"abc"))

    assert refused == [("BadDigest", 400)] * 4
    found = s3.head_object(Bucket=BUCKET, Key="checked", ChecksumMode="ENABLED")
    assert found["ChecksumSHA256"] == checksum("sha256", b"abc")


def test_a_body_that_was_changed_on_its_way_is_refused(world: World, s3: Any) -> None:
    """What the signature says of the body is compared with it."""

    def change(request: Any, **_: Any) -> None:
        request.body = b"abd"

    client = world.client("s3", world.assume(ROLE_B, ExternalId=EXTERNAL_ID), s3={"payload_signing_enabled": True})
    client.meta.events.register("before-send.s3.PutObject", change)

    assert code(client.put_object, Bucket=BUCKET, Key="new", Body=b"abc") == ("XAmzContentSHA256Mismatch", 400)


def test_a_complete_names_the_checksum_of_each_part(s3: Any) -> None:
    """A Complete without the checksums that the upload was created for, or with a wrong one, is refused."""
    upload = begin(s3)
    where = {"Bucket": BUCKET, "Key": "new", "UploadId": upload}
    part = s3.upload_part(**where, PartNumber=1, Body=b"abc")
    bare = {"PartNumber": 1, "ETag": part["ETag"]}
    wrong = {**bare, "ChecksumCRC32": checksum("crc32", b"abd")}

    refused = [
        code(s3.complete_multipart_upload, **where, MultipartUpload={"Parts": [bare]}),
        code(s3.complete_multipart_upload, **where, MultipartUpload={"Parts": [wrong]}),
        code(s3.upload_part, **where, PartNumber=2, Body=b"", ChecksumAlgorithm="SHA256"),
    ]
    complete(s3, upload)

    assert refused == [("InvalidRequest", 400), ("InvalidPart", 400), ("InvalidRequest", 400)]


def test_an_object_of_parts_shows_the_checksum_of_their_checksums(s3: Any) -> None:
    """SHA-256 over the digests of the parts, with their number, on HEAD and GET."""
    where = {"Bucket": BUCKET, "Key": "new", "UploadId": begin(s3, algorithm="SHA256")}
    part = s3.upload_part(**where, PartNumber=1, Body=b"abc", ChecksumAlgorithm="SHA256")
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})

    found = [work(Bucket=BUCKET, Key="new", ChecksumMode="ENABLED") for work in (s3.head_object, s3.get_object)]

    whole = checksum("sha256", hashlib.sha256(b"abc").digest())
    assert [one["ChecksumSHA256"] for one in found] == [f"{whole}-1"] * 2


def test_uploads_are_listed_with_the_time_that_they_were_begun(world: World, s3: Any) -> None:
    """By the clock of the answers' own Date header, in whole seconds."""
    before = parsedate_to_datetime(s3.head_bucket(Bucket=BUCKET)["ResponseMetadata"]["HTTPHeaders"]["date"])
    begin(s3)

    [upload] = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]

    assert before <= upload["Initiated"] <= datetime.now(UTC)


def test_long_keys_long_metadata_and_unsummed_deletes_are_refused(s3: Any) -> None:
    """The limits that moto does not know."""
    delete = {"Objects": [{"Key": "object"}]}

    def bare(request: Any, **_: Any) -> None:
        del request.headers["x-amz-checksum-crc32"]

    assert code(s3.put_object, Bucket=BUCKET, Key="é" * 513, Body=b"") == ("KeyTooLongError", 400)
    assert code(s3.put_object, Bucket=BUCKET, Key="k", Metadata={"a": "b" * 2048}) == ("MetadataTooLarge", 400)
    s3.meta.events.register("before-sign.s3.DeleteObjects", bare)
    assert code(s3.delete_objects, Bucket=BUCKET, Delete=delete) == ("InvalidRequest", 400)


def raw(world: World, body: bytes, **headers: str) -> bytes:
    """Put an object by bare HTTP, as a client of S3 frames it, and return the answer."""
    link = http.client.HTTPConnection("127.0.0.1", int(world.proxy.url.rpartition(":")[2]))
    keys = world.assume(ROLE_B, ExternalId=EXTERNAL_ID)
    signed = f"AWS4-HMAC-SHA256 Credential={keys['aws_access_key_id']}/20260101/eu-west-1/s3/aws4_request"
    fixed = {
        "Authorization": signed, "x-amz-security-token": keys["aws_session_token"],
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer": "x-amz-checksum-crc32",
        "x-amz-sdk-checksum-algorithm": "CRC32", "Content-Encoding": "aws-chunked,gzip",
        "x-amz-decoded-content-length": "5",
    }  # fmt: skip
    link.request("PUT", f"/{BUCKET}/framed", body, fixed | {n.replace("_", "-"): v for n, v in headers.items()})
    answer = link.getresponse().read()
    link.close()
    return answer


def test_bodies_framed_in_chunks_are_unwrapped_and_their_trailer_verified(world: World, s3: Any) -> None:
    """An aws-chunked body is stored without its frame; a wrong trailer, a wrong length or a cut frame is refused."""
    good = b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % checksum("crc32", b"abcde").encode()

    answers = [
        raw(world, good.replace(b"abc", b"abd")),
        raw(world, good, x_amz_decoded_content_length="6"),
        raw(world, good[:9]),
        raw(world, good, x_amz_trailer="x-amz-checksum-sha256"),
    ]
    stored = raw(world, good)

    found = [answer.split(b"<Code>")[1].split(b"</Code>")[0].decode() for answer in answers]
    assert found == ["BadDigest", "IncompleteBody", "IncompleteBody", "MalformedTrailerError"]
    assert stored == b""
    whole = s3.get_object(Bucket=BUCKET, Key="framed", ChecksumMode="ENABLED")
    assert (whole["Body"].read(), whole["ContentEncoding"]) == (b"abcde", "gzip")
    assert whole["ChecksumCRC32"] == checksum("crc32", b"abcde")


def test_boto3_over_tls_sends_trailers_and_they_are_verified(world: World, s3: Any, tmp_path: Path) -> None:
    """Over https boto3 frames a body and sends its checksum behind it, as it does with AWS."""
    with Proxy(world.moto.port, world.accounts, _certificate(tmp_path)) as proxy:
        keys = world.assume(ROLE_B, ExternalId=EXTERNAL_ID)
        client = world.client("s3", keys, url=proxy.url, verify=str(tmp_path / "certificate.pem"))

        client.put_object(Bucket=BUCKET, Key="over-tls", Body=BODY)
        framed = proxy.calls[-1].headers
        back = client.get_object(Bucket=BUCKET, Key="over-tls")["Body"].read()
        client.meta.events.register("before-send.s3.PutObject", _break_trailer)
        refused = code(client.put_object, Bucket=BUCKET, Key="broken", Body=BODY)
        client.close()

    assert framed["x-amz-content-sha256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert (back, refused) == (BODY, ("BadDigest", 400))


def _break_trailer(request: Any, **_: Any) -> None:
    request.body = bytes(request.body.read()).replace(BODY[:8], bytes(8))


def _certificate(folder: Path) -> ssl.SSLContext:
    """Make a certificate of the loopback address, and a server that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    kind = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


# -------------------------------------------------------------------------------------------- faults


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
    assert kinds == set(KINDS) - {"cut_unsized", "flipped", "slow", "expired", "denied"}
    assert 0.4 < sum(fate is not None for fate in met) / len(met) < 0.6


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
