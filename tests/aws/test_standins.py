"""The stand-ins for AWS are as strict as AWS is, where moto is not."""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, DOCUMENTED_RIGHTS
from tests.aws.standins.bodies import checksum
from tests.aws.standins.proxy import Proxy
from tests.aws.standins.trying import BODY, BUCKET, begin, code, complete, md5
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


def test_a_complete_is_refused_after_the_end_and_over_another_object_than_expected(s3: Any) -> None:
    """A second Complete finds no upload; If-Match and If-None-Match are compared with what is at the key."""
    first, second, third = begin(s3), begin(s3), begin(s3)
    etag = complete(s3, first)["ETag"]
    part = s3.upload_part(Bucket=BUCKET, Key="new", UploadId=second, PartNumber=1, Body=b"abc")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]}
    where = {"Bucket": BUCKET, "Key": "new", "MultipartUpload": parts}
    s3.abort_multipart_upload(Bucket=BUCKET, Key="new", UploadId=third)

    refused = [
        code(s3.complete_multipart_upload, **where, UploadId=first),
        code(s3.complete_multipart_upload, **where, UploadId=third),
        code(s3.complete_multipart_upload, **where, UploadId=second, IfNoneMatch="*"),
        code(s3.complete_multipart_upload, **where, UploadId=second, IfMatch='"of another"'),
    ]
    s3.complete_multipart_upload(**where, UploadId=second, IfMatch=etag)

    assert refused == [("NoSuchUpload", 404)] * 2 + [("PreconditionFailed", 412)] * 2


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


def test_a_body_that_ends_early_is_not_stored(world: World, s3: Any) -> None:
    """A client that goes away in the middle of an unsigned body has written nothing, not even over an object."""
    keys = world.assume(ROLE_B, ExternalId=EXTERNAL_ID)
    signed = f"AWS4-HMAC-SHA256 Credential={keys['aws_access_key_id']}/20260101/eu-west-1/s3/aws4_request"
    link = http.client.HTTPConnection("127.0.0.1", int(world.proxy.url.rpartition(":")[2]))
    link.putrequest("PUT", f"/{BUCKET}/object")
    for name, value in (("Authorization", signed), ("x-amz-security-token", keys["aws_session_token"])):
        link.putheader(name, value)
    link.putheader("Content-Length", "10")
    link.endheaders(b"abcde")
    link.sock.shutdown(socket.SHUT_WR)

    answer = link.getresponse()

    assert (answer.status, b"<Code>IncompleteBody</Code>" in answer.read()) == (400, True)
    link.close()
    assert s3.get_object(Bucket=BUCKET, Key="object")["Body"].read() == BODY


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
