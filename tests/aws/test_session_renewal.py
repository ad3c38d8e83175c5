"""Sessions that end: each hop is renewed in time, once, whatever the threads and whatever STS answers."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from dmengine.errors import DmengineError
from tests.aws.fake_sts import FakeSts
from tests.aws.session_lab import ROLE_B, ROLE_C, ROLE_D, factory, refusal, whoami

pytestmark = pytest.mark.usefixtures("own_keys")


def test_two_hours_of_quarter_hour_sessions_assume_each_role_once_a_session(sts: FakeSts) -> None:
    """A chain of three roles is renewed before it ends, and only then: 11 sessions a hop in two hours."""
    chain = factory(sts).assume(ROLE_B, duration=900).assume(ROLE_C, duration=900).assume(ROLE_D, duration=900)

    for _ in range(720):
        assert whoami(chain).startswith("arn:aws:sts::444444444444:")
        sts.now += 10

    assert Counter(role for role, _ in sts.assumed) == {ROLE_B: 11, ROLE_C: 11, ROLE_D: 11}


def test_many_threads_make_one_call_a_hop(sts: FakeSts) -> None:
    """However many threads need credentials at once, each role is assumed once, at the start and after the end."""
    chain = factory(sts).assume(ROLE_B).assume(ROLE_C)
    gate = threading.Barrier(16)

    def work(_: int) -> str:
        gate.wait()
        return whoami(chain)

    with ThreadPoolExecutor(16) as pool:
        first = set(pool.map(work, range(16)))
        sts.now += 3600
        second = set(pool.map(work, range(16)))

    assert len(first | second) == 1
    assert Counter(role for role, _ in sts.assumed) == {ROLE_B: 2, ROLE_C: 2}


def test_many_threads_share_one_refusal(sts: FakeSts) -> None:
    """Threads that wait for a hop that is refused are refused with it, without a call of their own."""
    sts.denied.add(ROLE_B)
    here: set[int] = set()
    all_here = threading.Event()
    sts.pause = lambda: all_here.wait(30)

    def clock() -> float:
        here.add(threading.get_ident())
        if len(here) == 8:
            all_here.set()
        return sts.now

    chain = factory(sts, clock=clock).assume(ROLE_B)
    gate = threading.Barrier(8)

    def work(_: int) -> bool:
        gate.wait()
        return "hop 1 cannot assume" in str(refusal(lambda: whoami(chain)))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))

    assert len(sts.assumed) == 1


def test_early_renewal_that_fails_does_no_harm_while_time_is_left(sts: FakeSts) -> None:
    """STS may be down for a while: the session is used on, and its refusal is an error only near its end."""
    chain = factory(sts).assume(ROLE_B, duration=900)
    whoami(chain)
    sts.denied.add(ROLE_B)

    sts.now += 700
    assert all(whoami(chain) for _ in range(20))
    tries = len(sts.assumed)
    sts.now += 60
    error = refusal(lambda: whoami(chain))

    assert tries == 2  # the first session, and one try to renew it early for 20 calls
    assert "hop 1 cannot assume" in str(error)


def test_sessions_shorter_than_asked_for_are_renewed_in_time(sts: FakeSts) -> None:
    """What counts is when the session ends, not how long it was asked for."""
    sts.lives = 40
    chain = factory(sts).assume(ROLE_B)

    for _ in range(40):
        whoami(chain)
        sts.now += 3

    assert len(sts.assumed) == 4


@pytest.mark.parametrize("wrong", [-7200, 7200])
def test_a_clock_that_is_wrong_does_not_renew_at_every_call(sts: FakeSts, wrong: int) -> None:
    """Where our clock and AWS's disagree about the end of a session, its length is measured by ours."""
    chain = factory(sts, clock=lambda: sts.now + wrong).assume(ROLE_B, duration=900)

    for _ in range(10):
        whoami(chain)
        sts.now += 60

    assert len(sts.assumed) == 1


def test_a_session_that_ended_early_is_renewed_and_the_call_made_again(sts: FakeSts) -> None:
    """`call` survives an expired token: the whole chain is assumed anew, once, whatever the number of threads."""
    chain = factory(sts).assume(ROLE_B).assume(ROLE_C)
    client = chain.client("sts")
    whoami(chain)
    sts.expire_all()
    gate = threading.Barrier(8)

    def work(_: int) -> str:
        gate.wait()
        return str(chain.call(client.get_caller_identity)["Arn"])

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(work, range(8)))

    assert found == {"arn:aws:sts::333333333333:assumed-role/Writer/dmengine"}
    assert Counter(role for role, _ in sts.assumed) == {ROLE_B: 2, ROLE_C: 2}


def test_an_error_that_is_not_about_expiry_is_raised_as_it_is(sts: FakeSts) -> None:
    """`call` changes nothing about what else botocore raises, and assumes nothing anew for it."""
    chain = factory(sts).assume(ROLE_B)
    client = chain.client("sts")
    whoami(chain)
    sts.refuse = ["AccessDenied"]

    with pytest.raises(ClientError, match="AccessDenied"):
        chain.call(client.get_caller_identity)

    assert len(sts.assumed) == 1


def test_throttled_sts_is_asked_again(sts: FakeSts) -> None:
    """Nine refusals for being busy are lived through, of ten attempts."""
    sts.refuse = ["Throttling", "InternalFailure", "Throttling"] * 3

    assert whoami(factory(sts).assume(ROLE_B)).endswith("Reader/dmengine")


def test_calls_that_go_on_failing_end_at_the_deadline(sts: FakeSts, monkeypatch: pytest.MonkeyPatch) -> None:
    """After five minutes a call is not made again, and ends with what AWS answered last."""
    moments = iter(range(0, 10_000, 200))
    monkeypatch.setattr("dmengine_connectors.session_retries.monotonic", lambda: next(moments))
    sts.refuse = ["Throttling"] * 10

    error = refusal(factory(sts).verify)

    assert "Throttling (GetCallerIdentity" in str(error)
    assert len(sts.refuse) == 8  # at 0, 200 and 400 seconds: two attempts were made


@pytest.mark.parametrize("wrong", [-299, -200, 200, 299])
def test_a_clock_that_is_a_little_wrong_never_uses_a_session_that_has_ended(sts: FakeSts, wrong: int) -> None:
    """AWS takes requests of clocks that are five minutes off: there too a session is renewed before it ends."""
    chain = factory(sts, clock=lambda: sts.now + wrong).assume(ROLE_B, duration=900)
    whoami(chain)
    sts.denied.add(ROLE_B)

    sts.now += 901
    error = refusal(lambda: whoami(chain))

    assert "hop 1 cannot assume" in str(error)  # and not: the token has expired


def test_sts_that_is_down_is_asked_once_for_all_threads(sts: FakeSts) -> None:
    """Once the last sixth has begun, threads that wait get one error, and the next call tries anew."""
    chain = factory(sts).assume(ROLE_B, duration=900).assume(ROLE_C, duration=900)
    whoami(chain)
    sts.now += 760
    sts.refuse = ["InternalFailure"] * 10
    gate = threading.Barrier(8)

    def work(_: int) -> str:
        gate.wait()
        try:
            return whoami(chain)
        except DmengineError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(work, range(8)))
    sts.refuse = []

    assert any("hop 1 cannot assume" in said and "InternalFailure" in said for said in found)
    assert whoami(chain).endswith("assumed-role/Writer/dmengine")


def test_a_policy_that_its_owner_changes_later_stays_as_it_was_given(sts: FakeSts) -> None:
    """What a chain may do is settled when it is made, also for the sessions that renew it."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
    chain = factory(sts).assume(ROLE_B, policy=policy)
    whoami(chain)

    policy["Statement"] = []
    sts.now += 3600
    whoami(chain)

    asked = [request["Policy"] for request in sts.requests if request["Action"] == "AssumeRole"]
    assert len(set(asked)) == 1
    assert "s3:GetObject" in asked[1]
