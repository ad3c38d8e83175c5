"""Sessions across threads, processes and forks: shared where they can be, and pickled without a secret."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest

from dmengine_connectors import session
from dmengine_connectors.session import SessionFactory
from tests.aws.fake_sts import BASE_KEY, SECRETS, FakeSts
from tests.aws.session_lab import ROLE_B, ROLE_C, clock_of_a_test, factory, refusal, whoami

SOURCE = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("own_keys")


def test_threads_share_one_client_of_a_service_and_region(sts: FakeSts) -> None:
    """Connections are pooled: there is one client, also for factories that travelled by pickle within a process."""
    chain = factory(sts, clock=clock_of_a_test).assume(ROLE_B)
    again = pickle.loads(pickle.dumps(chain))

    with ThreadPoolExecutor(8) as pool:
        clients = set(pool.map(lambda _: id(chain.client("s3")), range(32)))

    assert clients == {id(again.client("s3"))}
    assert again == chain
    assert hash(again) == hash(chain)


def test_factories_pickle_without_secrets(sts: FakeSts) -> None:
    """A pickle holds references and roles, and never a key, not even after use."""
    chain = factory(sts, clock=clock_of_a_test).assume(ROLE_B)
    whoami(chain)

    packed = pickle.dumps(chain)

    assert b"CANARY" not in packed
    assert b"ASIA" not in packed
    assert chain.portable


_ELSEWHERE = """
import pickle, sys
sessions = pickle.loads(bytes.fromhex(sys.argv[1]))
again = pickle.loads(bytes.fromhex(sys.argv[1]))
assert "boto3" not in sys.modules
try:
    assert sessions.client("sts") is again.client("sts")
    print(sessions.client("sts").get_caller_identity()["Arn"])
except Exception as error:
    print(type(error).__name__, error, sessions.portable)
"""


def elsewhere(sessions: SessionFactory) -> str:
    command = [sys.executable, "-c", _ELSEWHERE, pickle.dumps(sessions).hex()]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SOURCE)])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_another_process_makes_the_chain_anew(sts: FakeSts) -> None:
    """A factory from the environment works wherever the environment is; copies there share their sessions."""
    sessions = SessionFactory(region="eu-west-1", endpoint_url=sts.url).assume(ROLE_B)

    assert elsewhere(sessions) == "arn:aws:sts::222222222222:assumed-role/Reader/dmengine"


def test_a_given_session_does_not_follow_into_another_process(sts: FakeSts) -> None:
    """It is refused there by name, with what to do, and can be told before."""
    given = boto3.Session(BASE_KEY, "CANARY-BASE", region_name="eu-west-1")
    sessions = SessionFactory(given, endpoint_url=sts.url).assume(ROLE_B)

    said = elsewhere(sessions)

    assert not sessions.portable
    assert said.startswith("RunError these sessions begin with a boto3.Session")
    assert "SessionFactory(profile=...)" in said
    assert said.endswith("False")
    assert pickle.loads(pickle.dumps(sessions)) == sessions


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # what can go wrong there is what this is about
def test_a_forked_process_does_not_share_connections(sts: FakeSts) -> None:
    """A child of a fork makes clients of its own, even if a lock was held as it was born."""
    sessions = factory(sts).assume(ROLE_B)
    client = sessions.client("sts")
    reader, writer = os.pipe()

    with sessions._origin._lock:
        child = os.fork()
        if not child:
            try:
                os.write(writer, b"other" if sessions.client("sts") is not client else b"same")
            finally:
                os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reader, 10) == b"other"
    os.close(reader)
    os.close(writer)


def test_factories_do_not_change_and_show_no_secret(sts: FakeSts) -> None:
    """A repr names where it begins and the roles; an external id is not in it."""
    sts.external_ids[ROLE_B] = "CANARY-ID"
    chain = factory(sts).assume(ROLE_B, external_id="CANARY-ID")
    whoami(chain)

    assert "CANARY" not in repr(chain)
    assert ROLE_B in repr(chain)
    with pytest.raises(AttributeError, match="does not change"):
        chain.region = "x"
    with pytest.raises(AttributeError, match="does not change"):
        del chain.region


def test_two_factories_do_not_share_what_they_found(sts: FakeSts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new factory looks at the environment anew."""
    first = factory(sts)
    first.verify()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")

    assert "NoCredentialsError" in str(refusal(factory(sts).verify))
    assert first == factory(sts)


def test_debug_logs_of_the_aws_libraries_stay_off(sts: FakeSts, caplog: pytest.LogCaptureFixture) -> None:
    """Even a program that turns them on gets no keys, tokens or bodies."""
    chain = factory(sts).assume(ROLE_B)
    whoami(chain)

    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="botocore"):
        whoami(chain)
        whoami(factory(sts).assume(ROLE_B))

    assert "CANARY" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith(("botocore", "urllib3", "boto3"))]


def test_importing_sessions_does_not_import_boto3() -> None:
    """Who masks local files does not wait for the AWS libraries."""
    code = "import sys, dmengine_connectors.session; print('boto3' in sys.modules, 'botocore' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "False False"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # what can go wrong there is what this is about
def test_a_forked_process_waits_for_no_lock_of_a_thread_that_it_lacks(sts: FakeSts) -> None:
    """Whatever lock another thread held as the child was born, the child makes and unpickles sessions of its own."""
    sessions = factory(sts, clock=clock_of_a_test).assume(ROLE_B)
    whoami(sessions)
    packed = pickle.dumps(sessions)
    reader, writer = os.pipe()

    chain = sessions._chain()
    with session._finding, sessions._origin._lock, chain._lock, chain._links[-1]._lock:
        child = os.fork()
        if not child:
            try:
                signal.alarm(20)
                again = pickle.loads(packed)
                again.client("s3")
                os.write(writer, whoami(again).encode())
            finally:
                os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)

    assert os.read(reader, 100).endswith(b"assumed-role/Reader/dmengine")
    os.close(reader)


def test_nothing_that_holds_keys_pickles_or_shows_them(sts: FakeSts) -> None:
    """Neither the chain within, nor its links and leases, can be packed; and no repr of them holds a key."""
    chain = factory(sts).assume(ROLE_B).assume(ROLE_C)
    whoami(chain)
    inner = chain._chain()
    link = inner._links[-1]
    lease = link.held()

    shown = f"{inner!r}{vars(inner)!r}{link!r}{vars(link)!r}{lease!r}{chain.session()!r}{chain.client('s3')!r}"

    assert lease is not None
    assert [secret for secret in SECRETS if secret in shown] == []
    for holder in (inner, link, lease):
        with pytest.raises((TypeError, AttributeError), match="pickle"):
            pickle.dumps(holder)
