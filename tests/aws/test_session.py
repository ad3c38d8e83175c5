"""Sessions: chains of roles that renew themselves, share calls, travel without secrets, and say what is refused."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from dmengine.errors import DmengineError, PlanError, RunError, StoreError
from dmengine_connectors.session import Identity, SessionFactory
from tests.aws.fake_sts import BASE_KEY, REQUEST_ID, FakeSts, serving

ROLE_B = "arn:aws:iam::222222222222:role/masking/Reader"
ROLE_C = "arn:aws:iam::333333333333:role/Writer"
ROLE_D = "arn:aws:iam::444444444444:role/Deep"
SOURCE = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", BASE_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "CANARY-BASE")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSts]:
    """Serve an STS, and let no retry wait."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    with serving(FakeSts()) as fake:
        yield fake


@pytest.fixture
def moto() -> Iterator[str]:
    """Serve moto, and return where."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def factory(sts: FakeSts, **more: Any) -> SessionFactory:
    options: dict[str, Any] = {"region": "eu-west-1", "endpoint_url": sts.url, "clock": sts.clock}
    return SessionFactory(**options | more)


def whoami(sessions: SessionFactory) -> str:
    return sessions.client("sts").get_caller_identity()["Arn"]


def refusal(work: Callable[[], object]) -> DmengineError:
    """Return the error that work ends with, once nothing of AWS's message or of a key is found in it."""
    with pytest.raises(DmengineError) as caught:
        work()
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__)
    assert "CANARY" not in shown
    return caught.value


# ------------------------------------------------------------------------------------------------------- chains


def test_a_chain_ends_as_its_last_role(sts: FakeSts) -> None:
    """Each role is assumed by the one before it, with what was said of it."""
    sts.external_ids[ROLE_B] = "x7"
    chain = factory(sts).assume(ROLE_B, external_id="x7", session_name="run-1").assume(ROLE_C)

    assert whoami(chain) == "arn:aws:sts::333333333333:assumed-role/Writer/dmengine"
    assert sts.assumed == [
        (ROLE_B, "arn:aws:iam::111111111111:user/ann"),
        (ROLE_C, "arn:aws:sts::222222222222:assumed-role/Reader/run-1"),
    ]


def test_everything_said_of_a_role_reaches_sts(sts: FakeSts) -> None:
    """Tags, session policy, duration and source identity are asked for."""
    policy = {"Version": "2012-10-17", "Statement": []}

    whoami(factory(sts).assume(ROLE_B, duration=900, tags={"team": "data"}, policy=policy, source_identity="ann"))

    asked = sts.requests[0]
    assert asked["DurationSeconds"] == "900"
    assert (asked["Tags.member.1.Key"], asked["Tags.member.1.Value"]) == ("team", "data")
    assert asked["Policy"] == '{"Version":"2012-10-17","Statement":[]}'
    assert asked["SourceIdentity"] == "ann"


def test_nothing_is_asked_before_the_first_call(sts: FakeSts) -> None:
    """Making factories, clients and sessions asks AWS nothing; neither does the account of a role."""
    chain = factory(sts).assume(ROLE_B).assume(ROLE_C)

    chain.client("s3")
    chain.session().client("s3")

    assert chain.account_id() == "333333333333"
    assert sts.requests == []


def test_branches_share_the_hops_that_they_have_in_common(sts: FakeSts) -> None:
    """Two chains through one role assume it once; source and target stay apart after it."""
    b = factory(sts).assume(ROLE_B)
    c, d = b.assume(ROLE_C), b.assume(ROLE_D)

    assert (whoami(c), whoami(d)) == (
        "arn:aws:sts::333333333333:assumed-role/Writer/dmengine",
        "arn:aws:sts::444444444444:assumed-role/Deep/dmengine",
    )
    assert Counter(role for role, _ in sts.assumed) == {ROLE_B: 1, ROLE_C: 1, ROLE_D: 1}


def test_a_role_with_another_session_policy_is_another_hop(sts: FakeSts) -> None:
    """A session with one policy or with one set of tags is never used where another was asked for."""
    base = factory(sts)

    for chain in (
        base.assume(ROLE_B),
        base.assume(ROLE_B, tags={"a": "1"}),
        base.assume(ROLE_B, tags={"a": "2"}),
        base.assume(ROLE_B, policy={"Statement": []}),
    ):
        whoami(chain)

    assert len(sts.assumed) == 4


def test_chains_through_moto_reach_the_account_of_each_role(moto: str) -> None:
    """Two chains from one process see two accounts' buckets."""
    a = SessionFactory(region="us-east-1", endpoint_url=moto)
    b, c = a.assume(ROLE_B, external_id="x7"), a.assume(ROLE_B).assume(ROLE_C)

    b.client("s3").create_bucket(Bucket="of-b")
    c.client("s3").create_bucket(Bucket="of-c")

    assert [bucket["Name"] for bucket in b.client("s3").list_buckets()["Buckets"]] == ["of-b"]
    assert [bucket["Name"] for bucket in c.client("s3").list_buckets()["Buckets"]] == ["of-c"]


# ------------------------------------------------------------------------------------------------------ renewal


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
    monkeypatch.setattr("dmengine_connectors.session_clients.monotonic", lambda: next(moments))
    sts.refuse = ["Throttling"] * 10

    error = refusal(factory(sts).verify)

    assert "Throttling (GetCallerIdentity" in str(error)
    assert len(sts.refuse) == 8  # at 0, 200 and 400 seconds: two attempts were made


# ------------------------------------------------------------------------------------------------------- errors


def test_a_refused_hop_says_which_and_what_must_be_allowed(sts: FakeSts) -> None:
    """The error names hop, role, code, request, the caller's policy and the trust policy."""
    sts.denied.add(ROLE_C)
    chain = factory(sts).assume(ROLE_B).assume(ROLE_C, external_id="id-of-ours", tags={"team": "data"})

    error = refusal(lambda: chain.client("s3").list_buckets())

    assert isinstance(error, StoreError)
    assert error.message == f"hop 2 cannot assume {ROLE_C}: AccessDenied (AssumeRole, request {REQUEST_ID})"
    assert f"the policy of {ROLE_B} must allow sts:AssumeRole, sts:TagSession on {ROLE_C}" in error.hint
    assert f"name {ROLE_B} as Principal" in error.hint
    assert "sts:ExternalId must accept the external_id= given" in error.hint
    assert "id-of-ours" not in str(error)


def test_a_first_hop_that_is_refused_names_the_identity_that_asked(sts: FakeSts) -> None:
    """Where the caller is not a role of the chain, STS says who it is; a forgotten external id is thought of."""
    sts.external_ids[ROLE_B] = "x7"

    error = refusal(lambda: whoami(factory(sts).assume(ROLE_B)))

    assert "the policy of arn:aws:iam::111111111111:user/ann must allow sts:AssumeRole" in error.hint
    assert "give external_id=" in error.hint


def test_verify_says_who_each_hop_is(sts: FakeSts) -> None:
    """The identity that the chain begins with is hop 0."""
    found = factory(sts).assume(ROLE_B).verify()

    assert found == [
        Identity(0, "111111111111", "arn:aws:iam::111111111111:user/ann"),
        Identity(1, "222222222222", "arn:aws:sts::222222222222:assumed-role/Reader/dmengine"),
    ]


def test_the_account_is_asked_for_once(sts: FakeSts) -> None:
    """Without roles STS knows the account."""
    sessions = factory(sts)

    assert [sessions.account_id() for _ in range(3)] == ["111111111111"] * 3
    assert len(sts.requests) == 1


def test_an_answer_for_another_account_is_refused(sts: FakeSts) -> None:
    """An endpoint that hands out an identity that was not asked for is not trusted with data."""
    sts.impostor = True

    error = refusal(lambda: whoami(factory(sts).assume(ROLE_B)))

    assert isinstance(error, RunError)
    assert "was given another identity" in str(error)


def test_no_credentials_at_all_say_how_to_give_some(sts: FakeSts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nothing to begin with, the error says what can be set."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    error = refusal(lambda: whoami(factory(sts).assume(ROLE_B)))

    assert error.message == "cannot get the credentials to begin with: NoCredentialsError (credentials)"
    assert "AWS_PROFILE" in error.hint


def test_a_missing_profile_or_region_is_named(sts: FakeSts) -> None:
    """What botocore finds missing is an error of ours."""
    profile = refusal(lambda: factory(sts, profile="nobody").client("s3"))
    region = refusal(lambda: SessionFactory().client("sqs"))

    assert "ProfileNotFound" in str(profile)
    assert "NoRegionError" in str(region)
    assert "region=" in region.hint


@pytest.mark.parametrize(
    "url", ["http://minio.example.org", "ftp://127.0.0.1", "https://u:CANARY@x.org", "x", "http://"]
)
def test_an_endpoint_that_would_be_spoken_to_in_plain_text_is_refused(url: str) -> None:
    """Plain http is for this machine only, and a URL's password is not shown."""
    assert isinstance(refusal(lambda: SessionFactory(endpoint_url=url)), PlanError)


@pytest.mark.parametrize(
    ("url", "says"),
    [("http://minio.example.org", "would be spoken to without encryption"), ("CANARY", "not a URL of the form")],
)
def test_an_endpoint_from_the_environment_is_held_to_the_same(
    monkeypatch: pytest.MonkeyPatch, url: str, says: str
) -> None:
    """AWS_ENDPOINT_URL cannot turn encryption off either."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)

    assert says in str(refusal(lambda: SessionFactory(region="eu-west-1").client("s3")))


# --------------------------------------------------------------------------------------- beginnings and travels


def test_a_given_session_begins_the_chain(sts: FakeSts) -> None:
    """Its credentials, region and handlers are used, and its clients have our retries."""
    given = boto3.Session(BASE_KEY, "CANARY-BASE", region_name="eu-west-1")
    sessions = SessionFactory(given, endpoint_url=sts.url, clock=sts.clock)

    assert [identity.account for identity in sessions.assume(ROLE_B).verify()] == ["111111111111", "222222222222"]
    assert sessions.session() is given
    assert getattr(sessions.client("s3").meta.config, "retries")["total_max_attempts"] == 10  # noqa: B009
    with pytest.raises(PlanError, match="both a session and a profile"):
        SessionFactory(given, profile="x")
    with pytest.raises(PlanError, match=r"takes a boto3\.Session, not a dict"):
        SessionFactory({})  # type: ignore[arg-type]


def test_a_profile_gives_credentials_and_region_to_the_whole_chain(
    sts: FakeSts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A chain that begins with a profile takes its region from it."""
    (tmp_path / "config").write_text("[profile masking]\nregion = eu-north-1\n")
    (tmp_path / "credentials").write_text(f"[masking]\naws_access_key_id = {BASE_KEY}\naws_secret_access_key = x\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    chain = SessionFactory(profile="masking", endpoint_url=sts.url, clock=sts.clock).assume(ROLE_B)

    assert whoami(chain).endswith("assumed-role/Reader/dmengine")
    assert chain.client("s3").meta.region_name == "eu-north-1"
    assert chain.client("s3", region="us-east-1").meta.region_name == "us-east-1"


def test_keys_that_another_tool_rotates_are_read_again(
    sts: FakeSts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When the first identity has expired, its profile is looked up once more."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    profile = "[masking]\naws_access_key_id = {}\naws_secret_access_key = x\n"
    (tmp_path / "credentials").write_text(profile.format("ASIAOLD"))
    sts._sessions["ASIAOLD"] = ("arn:aws:iam::111111111111:user/ann", sts.now + 60)
    sessions = factory(sts, profile="masking")
    client = sessions.client("sts")
    sessions.call(client.get_caller_identity)

    sts.now += 3600
    (tmp_path / "credentials").write_text(profile.format(BASE_KEY))

    assert sessions.call(client.get_caller_identity)["Account"] == "111111111111"


def test_sessions_of_a_chain_renew_themselves(sts: FakeSts) -> None:
    """A boto3 session that is handed out holds no keys that end: it goes on after an hour."""
    session = factory(sts).assume(ROLE_B).session()
    client = session.client("sts", config=Config(read_timeout=7))

    client.get_caller_identity()
    sts.now += 7200
    client.get_caller_identity()

    assert len(sts.assumed) == 2
    assert client.meta.endpoint_url == sts.url
    assert getattr(client.meta.config, "read_timeout") == 7  # noqa: B009
    assert "dmengine/" in getattr(client.meta.config, "user_agent_extra")  # noqa: B009


def test_threads_share_one_client_of_a_service_and_region(sts: FakeSts) -> None:
    """Connections are pooled: there is one client, also for factories that travelled by pickle within a process."""
    chain = factory(sts, clock=clock_of_a_test).assume(ROLE_B)
    again = pickle.loads(pickle.dumps(chain))

    with ThreadPoolExecutor(8) as pool:
        clients = set(pool.map(lambda _: id(chain.client("s3")), range(32)))

    assert clients == {id(again.client("s3"))}
    assert again == chain
    assert hash(again) == hash(chain)


def clock_of_a_test() -> float:
    return 1_800_000_000.0


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
