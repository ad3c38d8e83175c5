"""Looks whether anyone can get into a bucket: by its policy, or by its ACL, as far as nothing blocks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dmengine.spi import Check
from dmengine_connectors.access.need import Need
from dmengine_connectors.aws_errors import AwsError, reported
from dmengine_connectors.checks.asking import asked
from dmengine_connectors.checks.s3_bucket import Looked
from dmengine_connectors.session_roles import is_loopback
from dmengine_connectors.stores.s3_calls import call_name

NAME: Final = "bucket.public"
_ANYONE: Final = ("/groups/global/AllUsers", "/groups/global/AuthenticatedUsers")
_NOT_SET: Final = ("NoSuchPublicAccessBlockConfiguration", "NoSuchBucketPolicy")
_SETTINGS: Final = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_RIGHTS: Final = {
    "get_public_access_block": "s3:GetBucketPublicAccessBlock",
    "get_bucket_policy_status": "s3:GetBucketPolicyStatus",
    "get_bucket_acl": "s3:GetBucketAcl",
}
_TURN_ON: Final = (
    "turn all four settings of Block Public Access on for the bucket: aws s3api put-public-access-block --bucket "
    "{bucket} --public-access-block-configuration "
    "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
)
Settings = Mapping[str, Any]


def check_public(bucket: Looked, *, whole: bool) -> Iterator[Check]:
    """Say whether a bucket is public; what may not be looked at, or is not known to the store, is no pass.

    Args:
        bucket: Which bucket.
        whole: Also look at the block of the account, and warn where nothing would keep the bucket from becoming public.
    """
    yield from _Public(bucket).checks(whole)


class _Public:
    def __init__(self, bucket: Looked) -> None:
        self._bucket = bucket
        self._refused: dict[str, AwsError] = {}

    def checks(self, whole: bool) -> Iterator[Check]:
        asked_for = self._asked("get_public_access_block")
        block: Settings = asked_for.get("PublicAccessBlockConfiguration", {})
        if all(block.get(name) for name in _SETTINGS):
            yield self._bucket.passed(NAME, "Block Public Access is on for the bucket", "get_public_access_block")
            return
        account = account_block(self._bucket) if whole else None
        if isinstance(account, Mapping):
            block = {name: block.get(name) or account.get(name) for name in _SETTINGS}
            if all(block.values()):
                told = "Block Public Access is on for the bucket's account"
                yield Check(NAME, "passed", self._bucket.url, told, "GetPublicAccessBlock (account)")
                return
        found = [*self._by_policy(block), *self._by_acl(block)]
        yield from found
        if self._refused:
            yield self._unknown()
        elif not found:
            yield from self._not_public(block, whole)

    def _by_policy(self, block: Settings) -> Iterator[Check]:
        if not block.get("RestrictPublicBuckets"):
            status = self._asked("get_bucket_policy_status").get("PolicyStatus", {})
            if status.get("IsPublic"):
                yield self._refusal("its policy lets anyone in", "get_bucket_policy_status")

    def _by_acl(self, block: Settings) -> Iterator[Check]:
        if not block.get("IgnorePublicAcls"):
            grants = self._asked("get_bucket_acl").get("Grants", ())
            if any(grant.get("Grantee", {}).get("URI", "").endswith(_ANYONE) for grant in grants):
                yield self._refusal("its ACL lets anyone in", "get_bucket_acl")

    def _asked(self, operation: str) -> Mapping[str, Any]:
        answer = self._bucket.ask(operation)
        if not isinstance(answer, AwsError):
            return answer
        if answer.code == "NoSuchBucket":
            raise answer
        if answer.code not in _NOT_SET:
            self._refused[operation] = answer
        return {}

    def _refusal(self, why: str, operation: str) -> Check:
        bucket = self._bucket.calls.bucket
        return Check(
            NAME, "failed", self._bucket.url, f"the {self._bucket.side} bucket {bucket} is public: {why}",
            call_name(operation), _TURN_ON.format(bucket=bucket),
        )  # fmt: skip

    def _unknown(self) -> Check:
        names = [f"{call_name(operation)}: {error.code}" for operation, error in self._refused.items()]
        rights = [Need(_RIGHTS[operation], self._bucket.arn, "look") for operation in self._refused]
        remedy, policy = self._bucket.allow(*rights)
        url, side = self._bucket.url, self._bucket.side
        answer = f"unknown: whether the {side} bucket is public ({url}; {', '.join(names)})"
        calls = ", ".join(call_name(operation) for operation in self._refused)
        return Check(NAME, "unknown", url, answer, calls, f"{remedy}; or check it by hand", policy)

    def _not_public(self, block: Settings, whole: bool) -> Iterator[Check]:
        off = [name for name in _SETTINGS if not block.get(name)]
        told = (
            f"it is not public, but nothing would keep it from becoming so: {', '.join(off)} of Block Public Access off"
        )
        if whole:
            remedy = _TURN_ON.format(bucket=self._bucket.calls.bucket)
            yield Check("bucket.block", "warning", self._bucket.url, told, "GetPublicAccessBlock", remedy)
        yield self._bucket.passed(NAME, "neither its policy nor its ACL lets anyone in", "get_bucket_policy_status")


def account_block(bucket: Looked) -> Settings | AwsError | None:
    """Return the settings that hold for all buckets of the account; None where it is another account than the caller's.

    Only an account's own identities can be told.
    """
    account, session = bucket.caller.account, bucket.calls.session
    if not account or bucket.across:
        return None

    def ask() -> Settings:
        client: Any = session.client("s3control")
        if is_loopback(client.meta.endpoint_url):  # a stand-in has no host for each account
            client.meta.events.register("before-call.s3-control", _without_account, unique_id="dmengine-check")
        answer = session.call(client.get_public_access_block, AccountId=account)
        settings: Settings = answer["PublicAccessBlockConfiguration"]
        return settings

    found = asked(lambda: reported(ask, call="GetPublicAccessBlock", what=f"cannot look at account {account}"))
    return {} if isinstance(found, AwsError) and found.code in _NOT_SET else found


def _without_account(params: dict[str, Any], **_: object) -> None:
    account = params["headers"].get("x-amz-account-id", "")
    params["url"] = params["url"].replace(f"://{account}.", "://", 1)
