"""Errors of AWS: code, call, request id and a remedy are told, and AWS's own message never is."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from dmengine.errors import StoreError
from dmengine_connectors.aws_errors import code_of, is_expired, kind_of, named, reported


def test_messages_of_aws_stay_outside() -> None:
    """Code, call and request id are told; a message, or a code that is none, never is."""
    answer: Any = {"Error": {"Code": "x y CANARY", "Message": "CANARY"}, "ResponseMetadata": {"RequestId": "CANARY 1"}}
    error = named(ClientError(answer, "PutItem"), call="PutItem", what="cannot write")

    assert str(error).splitlines()[0] == "cannot write: an unreadable error code (PutItem)"
    with pytest.raises(StoreError) as caught:
        reported(lambda: raising(ClientError(answer, "PutItem")), call="PutItem", what="cannot write")
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


def raising(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDenied", "denied"), ("AccessDeniedException", "denied"), ("403", "denied"),
        ("ExpiredTokenException", "expired"), ("RequestExpired", "expired"), ("InvalidAccessKeyId", "keys"),
        ("RequestTimeTooSkewed", "clock"), ("SlowDown", "throttled"), ("ServiceUnavailable", "busy"),
        ("NoSuchUpload", "missing"), ("404", "missing"), ("PreconditionFailed", "changed"),
        ("InvalidObjectState", "archived"), ("KMS.DisabledException", "kms"), ("Strange", "other"),
    ],
)  # fmt: skip
def test_kinds_of_refusals_are_told_by_code(code: str, kind: str) -> None:
    """One kind, whichever service calls it what, each with a remedy."""
    error = ClientError({"Error": {"Code": code}}, "GetObject")

    assert kind_of(error) == kind
    assert named(error, call="GetObject", what="cannot read").hint


def test_failures_before_an_answer_have_kinds_too() -> None:
    """No network, no credentials, a HEAD without a body."""
    head = ClientError({"Error": {"Code": "400"}}, "HeadObject")

    assert kind_of(EndpointConnectionError(endpoint_url="https://x")) == "unreachable"
    assert kind_of(NoCredentialsError()) == "credentials"
    assert is_expired(head)
    assert not is_expired(ClientError({"Error": {"Code": "400"}}, "GetObject"))
    assert kind_of(head) != "denied"
    assert kind_of(head) != "missing"
    assert code_of(NoCredentialsError()) == "NoCredentialsError"
