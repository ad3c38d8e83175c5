"""What S3 checks of an upload and moto does not: that the body is the one that the client meant to send."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from xml.etree import ElementTree as ET

from botocore.awsrequest import HeadersDict

from tests.aws.standins.calls import Answer, Call, refusal

_SUMS: Mapping[str, Callable[[bytes], bytes]] = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "sha1": lambda body: hashlib.sha1(body).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
}
_UNKNOWN = ("crc32c", "crc64nvme", "sha512", "md5", "xxhash64", "xxhash3", "xxhash128")
_PREFIX = "x-amz-checksum-"
_UPLOAD = re.compile(rb"<Upload>.*?</Upload>", re.DOTALL)
_CHUNK = re.compile(rb"([0-9a-fA-F]+)(?:;[^\r\n]*)?\r\n")


class BadBodyError(Exception):
    """A body that is not what its headers say: status, code and message of the answer."""


def checksum(algorithm: str, body: bytes) -> str:
    """Return a checksum as S3 writes it.

    >>> checksum("crc32", b"abc")
    'NSRBwg=='
    """
    return base64.b64encode(_SUMS[algorithm](body)).decode()


def unwrapped(call: Call) -> Call:
    """Return the call with its body verified, free of aws-chunked framing, its trailer among the headers.

    Raises:
        BadBodyError: the body or one of its checksums is wrong.
    """
    headers, body = call.headers, call.body
    if len(body) < int(headers.get("Content-Length", 0)):
        raise BadBodyError(400, "IncompleteBody", "You did not provide the number of bytes that Content-Length says")
    declared = str(headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD"))
    if declared.startswith("STREAMING-"):
        body, trailer = _unchunked(body)
        _check_trailer(str(headers.get("x-amz-trailer", "")), trailer)
        if len(body) != int(headers.get("x-amz-decoded-content-length", -1)):
            raise BadBodyError(400, "IncompleteBody", "The body is not as long as x-amz-decoded-content-length")
        headers = _without_framing(headers, trailer)
    elif declared != "UNSIGNED-PAYLOAD" and declared != hashlib.sha256(body).hexdigest():
        raise BadBodyError(
            400, "XAmzContentSHA256Mismatch", "The provided x-amz-content-sha256 does not match what was computed"
        )
    _check_md5(headers, body)
    _check_sums(call, headers, body)
    if sent := [name for name in _SUMS if _PREFIX + name in headers]:
        headers = HeadersDict(
            {**dict(headers.items()), "x-amz-sdk-checksum-algorithm": sent[0].upper()}
        )  # moto keeps it
    return replace(call, headers=headers, body=body)


def _unchunked(framed: bytes) -> tuple[bytes, dict[str, str]]:
    chunks, at = [], 0
    while True:
        head = _CHUNK.match(framed, at)
        if head is None:
            raise BadBodyError(400, "IncompleteBody", "The request body ended in the middle of a chunk")
        size, start = int(head[1], 16), head.end()
        if size == 0:
            break
        at = start + size + 2
        if framed[start + size : at] != b"\r\n":
            raise BadBodyError(400, "IncompleteBody", "The request body ended in the middle of a chunk")
        chunks.append(framed[start : start + size])
    lines = framed[start:].decode("ascii").split("\r\n")
    trailer = dict(line.split(":", 1) for line in lines if line)
    return b"".join(chunks), {name.lower().strip(): value.strip() for name, value in trailer.items()}


def _check_trailer(announced: str, trailer: Mapping[str, str]) -> None:
    if {name for name in announced.lower().split(",") if name} != set(trailer) - {"x-amz-trailer-signature"}:
        raise BadBodyError(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed")


def _without_framing(headers: HeadersDict, trailer: Mapping[str, str]) -> HeadersDict:
    kept = HeadersDict(headers.items())
    for name in ("x-amz-trailer", "x-amz-decoded-content-length", "Transfer-Encoding"):
        kept.pop(name, None)
    codings = [c.strip() for c in str(kept.pop("Content-Encoding", "")).split(",")]
    if others := [coding for coding in codings if coding not in ("", "aws-chunked")]:
        kept["Content-Encoding"] = ",".join(others)
    kept["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
    for name, value in trailer.items():
        kept[name] = value
    return kept


def _check_md5(headers: HeadersDict, body: bytes) -> None:
    said = headers.get("Content-MD5")
    if said is None:
        return
    try:
        digest = base64.b64decode(str(said), validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != 16:
        raise BadBodyError(400, "InvalidDigest", "The Content-MD5 you specified was invalid")
    if digest != hashlib.md5(body).digest():
        raise BadBodyError(400, "BadDigest", "The Content-MD5 you specified did not match what we received")


def _check_sums(call: Call, headers: HeadersDict, body: bytes) -> None:
    if call.service != "s3" or call.operation == "CompleteMultipartUpload":
        return  # there the checksum is that of the object, not of the body
    for algorithm in _UNKNOWN:
        if _PREFIX + algorithm in headers:
            raise BadBodyError(501, "NotImplemented", f"This stand-in cannot verify {algorithm}")
    for algorithm in _SUMS:
        said = headers.get(_PREFIX + algorithm)
        if said is not None and said != checksum(algorithm, body):
            name = algorithm.upper()
            raise BadBodyError(400, "BadDigest", f"The {name} you specified did not match the calculated checksum.")
    if call.operation == "DeleteObjects" and not _is_summed(headers):
        raise BadBodyError(400, "InvalidRequest", "Missing required header for this request: Content-MD5")


def _is_summed(headers: HeadersDict) -> bool:
    return "Content-MD5" in headers or any(_PREFIX + algorithm in headers for algorithm in _SUMS)


def composite(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of an object, its checksum marked as one of several parts' where moto forgets to."""
    parts = headers.get("ETag", "").strip('"').rpartition("-")
    names = [f"{_PREFIX}{name}" for name in ("sha1", "sha256")] if parts[1] else []
    marked = {n: f"{v}-{parts[2]}" for n, v in headers.items() if n.lower() in names and "-" not in v}
    return {**headers, **marked}


class Uploads:
    """The checksums of multipart uploads: one algorithm for all parts, and each named again at Complete."""

    def __init__(self) -> None:
        self._begun: dict[str, str] = {}
        self._ended: set[str] = set()
        self._created: dict[str, tuple[str, str]] = {}
        self._parts: dict[tuple[str, int], str] = {}
        self._lock = Lock()

    def refuse(self, call: Call) -> Answer | None:
        """Refuse what comes after the end, parts of another algorithm, and a Complete that does not name what was sent.

        Moto takes a second Complete for the first one; S3's documents promise NoSuchUpload.
        """
        if call.query.get("uploadId") in self._ended:
            return refusal(call, 404, "NoSuchUpload", "The specified upload does not exist.")
        algorithm, kind = self._created.get(call.query.get("uploadId", ""), ("", ""))
        if call.operation == "UploadPart":
            sent = next((name for name in _SUMS if _PREFIX + name in call.headers), "null")
            if sent != (algorithm or sent) and not (sent == "null" and kind == "FULL_OBJECT"):
                message = f"Checksum Type mismatch occurred, expected checksum Type: {algorithm}, actual: {sent}"
                return refusal(call, 400, "InvalidRequest", message)
        if call.operation == "CompleteMultipartUpload":
            return self._refuse_complete(call, algorithm, kind)
        return None

    def _refuse_complete(self, call: Call, algorithm: str, kind: str) -> Answer | None:
        for part in ET.fromstring(call.body):
            said = {child.tag.rpartition("}")[2]: child.text or "" for child in part}
            number = said["PartNumber"]
            sums = {name: said[f"Checksum{name.upper()}"] for name in _SUMS if f"Checksum{name.upper()}" in said}
            if algorithm and kind != "FULL_OBJECT" and algorithm not in sums:
                message = (
                    f"The upload was created using a {algorithm} checksum. The complete request must include the "
                    f"checksum for each part. It was missing for part {number} in the request."
                )
                return refusal(call, 400, "InvalidRequest", message)
            known = self._parts.get((call.query["uploadId"], int(number)))
            if known is not None and any(value != known for value in sums.values()):
                return refusal(call, 400, "InvalidPart", "One or more of the specified parts could not be found.")
        return None

    def note(self, call: Call, answer: bytes) -> bytes:
        """Remember what an upload was created with, the checksum of each part, and its end; tell when it was begun."""
        with self._lock:
            if call.operation in ("CompleteMultipartUpload", "AbortMultipartUpload"):
                self._ended.add(call.query["uploadId"])
            if call.operation == "CreateMultipartUpload":
                found = re.search(rb"<UploadId>([^<]+)</UploadId>", answer)
                assert found is not None
                algorithm = str(call.headers.get("x-amz-checksum-algorithm", "")).lower()
                kind = str(call.headers.get("x-amz-checksum-type", "COMPOSITE")).upper()
                self._created[found[1].decode()] = (algorithm, kind)
                self._begun[found[1].decode()] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            elif call.operation == "UploadPart":
                for name in _SUMS:
                    if (said := call.headers.get(_PREFIX + name)) is not None:
                        self._parts[call.query["uploadId"], int(call.query["partNumber"])] = str(said)
        return _UPLOAD.sub(self._dated, answer) if call.operation == "ListMultipartUploads" else answer

    def _dated(self, upload: re.Match[bytes]) -> bytes:
        found = re.search(rb"<UploadId>([^<]+)</UploadId>", upload[0])
        begun = self._begun.get(found[1].decode(), "") if found is not None else ""
        return re.sub(rb"<Initiated>[^<]*", f"<Initiated>{begun}".encode(), upload[0]) if begun else upload[0]
