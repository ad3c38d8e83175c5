"""What tests of sessions begin with: a chain that a fake STS answers, and what its refusals may show."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from dmengine.errors import DmengineError
from dmengine_connectors.session import SessionFactory
from tests.aws.fake_sts import SECRETS, FakeSts

ROLE_B = "arn:aws:iam::222222222222:role/masking/Reader"
ROLE_C = "arn:aws:iam::333333333333:role/Writer"
ROLE_D = "arn:aws:iam::444444444444:role/Deep"


def factory(sts: FakeSts, **more: Any) -> SessionFactory:
    """Return sessions that begin with what the environment gives, and live by the clock of the fake."""
    options: dict[str, Any] = {"region": "eu-west-1", "endpoint_url": sts.url, "clock": sts.clock}
    return SessionFactory(**options | more)


def whoami(sessions: SessionFactory) -> str:
    """Ask who it is."""
    return sessions.client("sts").get_caller_identity()["Arn"]


def refusal(work: Callable[[], object]) -> DmengineError:
    """Return the error that work ends with, once nothing of AWS's message or of a key is found in it.

    No secret is in the local names either, which some loggers of tracebacks write down.
    """
    with pytest.raises(DmengineError) as caught:
        work()
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__)
    assert "CANARY" not in shown
    assert [secret for secret in SECRETS if secret in with_locals(caught.value)] == []
    return caught.value


def with_locals(error: BaseException) -> str:
    """Return the traceback of an error with the local names of every frame."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def clock_of_a_test() -> float:
    """Return a time; unlike the clock of a fake it pickles."""
    return 1_800_000_000.0
