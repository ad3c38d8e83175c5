"""Plain calls of boto3 on a bucket, and what comes of them."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import Any

import pytest
from botocore.exceptions import ClientError

BUCKET = "bucket-of-b"
BODY = os.urandom(300_000)


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
