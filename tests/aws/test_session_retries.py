"""A call that fails is made again as long as that can help, and what is not whole counts as a failure."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError, SSLError
from botocore.parsers import ResponseParserError

from dmengine_connectors.session_retries import ATTEMPTS, DEADLINE, Retries, called
from tests.aws.s3_lab import session_of_a
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C
from tests.aws.standins.faults import Fates, Fault, Kind
from tests.aws.standins.trying import BUCKET
from tests.aws.standins.world import EXTERNAL_ID, ROLE_B, ROLE_C, World

OPERATION = SimpleNamespace(name="PutObject")
NONE: Mapping[str, str] = {}
RESET = ConnectionClosedError(endpoint_url="http://127.0.0.1")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait before trying again."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def answer(code: str, status: int = 503, headers: Mapping[str, str] = NONE) -> Any:
    """Return an answer of a service as botocore hands it on."""
    parsed = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return SimpleNamespace(headers=headers), parsed


def asked(retries: Retries, attempts: int = 1, response: Any = None, error: Any = None, began: float = 0.0) -> Any:
    """Ask what happens after an attempt."""
    request = {"context": {"dmengine_began": monotonic() - began}}
    return retries.pause(
        request_dict=request, operation=OPERATION, response=response, caught_exception=error, attempts=attempts
    )


@pytest.mark.parametrize("error", [RESET, SSLError(endpoint_url="", error=OSError())])
def test_a_call_is_made_ten_times(error: Exception) -> None:
    """After each of nine attempts comes another one; after the tenth the call fails with what it met last."""
    pauses = [asked(Retries(), attempts, error=error) for attempts in range(1, ATTEMPTS)]

    assert all(0 <= pause <= 0.2 * 2**number for number, pause in enumerate(pauses))
    with pytest.raises(type(error)):
        asked(Retries(), ATTEMPTS, error=error)


def test_no_attempt_begins_after_the_deadline() -> None:
    """Neither when the time is over, nor when the pause that the service asks for would end after it."""
    asking = answer("SlowDown", headers={"Retry-After": "10"})

    assert asked(Retries(), response=asking, began=DEADLINE - 11) >= 10
    for began in (DEADLINE - 9, DEADLINE + 1):
        with pytest.raises(ClientError, match="SlowDown"):
            asked(Retries(), response=asking, began=began)


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"x-amz-retry-after": "2500"}, 2.5),
        ({"Retry-After": "86400"}, 20.0),
        ({"Retry-After": "Tue, 24 Nov 2026 04:38:30 GMT"}, 0.0),
        ({"Retry-After": "-1"}, 0.0),
    ],
)
def test_a_service_may_ask_for_a_pause(headers: dict[str, str], least: float) -> None:
    """What the answer asks for is granted, up to 20 seconds; what is no number is not understood, and no error."""
    pause = asked(Retries(), response=answer("SlowDown", headers=headers))

    assert least <= pause <= max(least, 1.0)


@pytest.mark.parametrize(
    ("code", "status", "again"),
    [
        ("SlowDown", 503, True), ("Throttling", 400, True), ("InternalError", 500, True), ("502", 502, True),
        ("RequestTimeTooSkewed", 403, True), ("Unheard", 503, True),
        ("NotImplemented", 501, False), ("AccessDenied", 403, False), ("NoSuchKey", 404, False),
        ("PreconditionFailed", 412, False), ("SignatureDoesNotMatch", 403, False), ("ExpiredToken", 400, False),
    ],
)  # fmt: skip
def test_only_what_may_pass_is_tried_again(code: str, status: int, again: bool) -> None:
    """Throttling, 5xx and late requests are; what a second attempt cannot change is not."""
    pause = asked(Retries(), response=answer(code, status))

    assert (pause is not None) is again


def test_throttling_slows_all_calls_of_a_client_down_and_others_speed_them_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many throttled answers spread all calls over up to two seconds, and good ones bring the pace back."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    retries, good = Retries(), (SimpleNamespace(headers=NONE), dict[str, str]())

    for response in [answer("SlowDown")] * 12 + [good] * 40:
        retries._keep_pace()
        asked(retries, response=response)
    retries._keep_pace()

    assert (waited[:3], max(waited), len(waited)) == ([0.02, 0.04, 0.08], 2.0, 11 + 22)
    assert waited.index(2.0) < waited.index(min(waited[12:]))


def test_each_client_has_its_own_pace(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Throttled in one account, the calls in the other one go on as before."""
    for account, bucket in ((ACCOUNT_B, BUCKET), (ACCOUNT_C, "bucket-of-c")):
        world.make_bucket(account, bucket)
    a = session_of_a(world)
    b, c = a.assume(ROLE_B, external_id=EXTERNAL_ID), a.assume(ROLE_C)
    world.proxy.fates = Fates(1, Fault(("slow_down",), ("HeadBucket",), times=9))

    b.client("s3").head_bucket(Bucket=BUCKET)
    c.client("sts").get_caller_identity()
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", lambda seconds: waited.append(seconds) if seconds else None)
    c.client("s3").head_bucket(Bucket="bucket-of-c")
    in_c = len(waited)
    b.client("s3").head_bucket(Bucket=BUCKET)

    assert (in_c, len(waited), world.proxy.count("HeadBucket")) == (0, 1, 12)


@pytest.mark.parametrize("kind", ["cut", "empty_200"])
def test_a_listing_that_is_not_whole_is_asked_for_again(kind: Kind, world: World, s3: Any) -> None:
    """Cut or empty, it is no listing: a plain client takes an empty answer for an empty bucket."""
    ours = session_of_a(world).assume(ROLE_B, external_id=EXTERNAL_ID).client("s3")
    world.proxy.fates = Fates(1, Fault((kind,), ("ListObjectsV2",), times=3))

    found = ours.list_objects_v2(Bucket=BUCKET)

    assert [one["Key"] for one in found["Contents"]] == ["object"]
    assert world.proxy.count("ListObjectsV2") == 4


def test_the_empty_listing_bites(world: World, s3: Any) -> None:
    """What dmengine is protected from: boto3 itself reports an empty bucket, and no error."""
    world.proxy.fates = Fates(1, Fault(("empty_200",), ("ListObjectsV2",)))

    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)


def test_answers_without_sense_become_an_error_without_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """What botocore raises with the body in its message is tried again, and then named without it."""
    tries: list[int] = []

    def broken() -> None:
        tries.append(1)
        raise ResponseParserError("the body: alice@example.org")

    with pytest.raises(HTTPClientError) as caught:
        called(broken, {})

    assert (len(tries), caught.value.__context__, caught.value.__cause__) == (ATTEMPTS, None, None)
    assert "ResponseParserError" in str(caught.value)
    assert "alice" not in str(caught.value)
