"""What the policies are judged by and only moto's own process knows: whose bucket, which key, which policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

FACTS: Final = "/stand-in/facts/"
"""Where moto's process answers questions about what it holds."""


def facts(path: str) -> bytes:
    """Answer a question of `Policies` from within moto."""
    asking = dict(parse_qsl(urlsplit(path).query, keep_blank_values=True))
    if "kms" in asking:
        return json.dumps({"found": _key(asking["kms"], asking["account"], asking["region"])}).encode()
    return json.dumps(_bucket(asking)).encode()


def _bucket(asking: Mapping[str, str]) -> dict[str, Any]:
    from moto.s3.models import s3_backends

    name = asking.get("bucket", "")
    found = next(
        (
            (account, one["aws"].buckets[name])
            for account, one in list(s3_backends.items())
            if name in one["aws"].buckets
        ),
        None,
    )
    if found is None:
        return {"bucket": name}
    account, bucket = found
    rule = (bucket.encryption or {}).get("Rule", {})
    rule = rule[0] if isinstance(rule, list) else rule
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    stored = bucket.keys.get(asking.get("key", "")) if asking.get("key") else None
    stored = stored if hasattr(stored, "etag") else None  # a delete marker is no object
    upload = bucket.multiparts.get(asking.get("upload", ""))
    return {
        "bucket": name,
        "owner": account,
        "policy": json.loads(bucket.policy) if bucket.policy else None,
        "default": _encryption(default.get("SSEAlgorithm"), default.get("KMSMasterKeyID")),
        "object": _encryption(stored.encryption, stored.kms_key_id) if stored is not None else None,
        "upload": _encryption(upload.sse_encryption, upload.kms_key_id)
        if upload is not None and upload.sse_encryption
        else None,
    }


def _encryption(algorithm: str | None, key: str | None) -> dict[str, str]:
    return {"algorithm": algorithm or "AES256", "key": key or ""}


def _key(name: str, account: str, region: str) -> dict[str, Any] | None:
    from moto.kms.models import kms_backends

    if name.startswith("arn:"):
        parts = name.split(":", 5)
        region, account, name = parts[3], parts[4], parts[5].removeprefix("key/")
    backend = kms_backends[account][region]
    try:
        key = backend.keys[backend.any_id_to_key_id(name)]
    except (KeyError, TypeError, AttributeError):  # moto's, for an alias that it does not know
        return None
    managed = [one for one in key.aliases if one.startswith("alias/aws/")]
    metadata = key.to_dict()["KeyMetadata"] | {"KeyManager": "AWS" if managed else "CUSTOMER"}
    policy = _managed(account, region) if managed else json.loads(key.policy)
    return {"arn": key.arn, "owner": account, "policy": policy, "metadata": metadata, "aliases": list(key.aliases)}


def _managed(account: str, region: str) -> dict[str, Any]:
    """Return the policy of aws/s3: all of its account may use it, by way of S3, and nobody else."""
    condition = {"kms:CallerAccount": account, "kms:ViaService": f"s3.{region}.amazonaws.com"}
    actions = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    through = {
        "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": actions, "Resource": "*",
        "Condition": {"StringEquals": condition},
    }  # fmt: skip
    looking = {
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"], "Resource": "*",
    }  # fmt: skip
    return {"Version": "2012-10-17", "Statement": [through, looking]}


def patch() -> None:
    """Leave policies to the stand-in, and show the key of DSSE-KMS, which moto keeps to itself."""
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket, FakeKey

    FakeBucket.get_permission = lambda self, action, resource: PermissionResult.NEUTRAL  # type: ignore[method-assign]
    plain = FakeKey.response_dict.fget  # type: ignore[attr-defined]

    def shown(self: Any) -> Any:
        answer = plain(self)
        if self.encryption == "aws:kms:dsse" and self.kms_key_id is not None:
            answer["x-amz-server-side-encryption-aws-kms-key-id"] = self.kms_key_id
        return answer

    FakeKey.response_dict = property(shown)  # type: ignore[assignment]
