"""Every identity that a chain of roles can begin with: found, renewed in mid-run, and named when it fails."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.credentials
import nbformat
import pytest
from nbclient import NotebookClient

import dmengine as dm
from dmengine.connectors import S3Files, SessionFactory
from dmengine.errors import DmengineError, PlanError
from tests.aws.s3_lab import PEOPLE, RULES, SOURCE, TARGET, bodies, put, target_now
from tests.aws.session_lab import refusal
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, SOURCE_ROLE, Identity, TrustedRole
from tests.aws.standins.clock import Clock
from tests.aws.standins.faults import Fates, Fault
from tests.aws.standins.issuer import LIFE, Issuer
from tests.aws.standins.server import ACCOUNT_A
from tests.aws.standins.world import BASE, EXTERNAL_ID, LONG, REGION, ROLE_B, ROLE_C, World

USER = f"arn:aws:iam::{ACCOUNT_A}:user/ann"
USER_KEYS = ("AKIAOFANN", "CANARY-SECRET")
ISSUED = ("process", "web identity", "pod", "container", "instance", "instance for a role")
KINDS = ("environment", "keys", "role", *ISSUED)
ROLES = ("role", "instance for a role", "web identity")
"""The kinds whose identity is itself a role that was assumed."""


@dataclass
class Machine:
    """Something in account A that runs dmengine, with one way to get at its keys."""

    world: World
    issuer: Issuer
    folder: Path
    set_env: Callable[[str, str], None]

    def begin(self, kind: str, **more: Any) -> SessionFactory:
        """Set the machine up, and return the sessions that begin with what it gives."""
        profile = {"keys": "ann", "role": "masking", "process": "tool", "instance for a role": "instance"}.get(kind)
        getattr(self, "_" + kind.replace(" ", "_"))()
        options: dict[str, Any] = {"region": REGION, "endpoint_url": self.world.proxy.url, "clock": self.world.clock}
        return SessionFactory(profile=profile, **options | more)

    def _environment(self) -> None:
        for name, value in BASE.items():
            self.set_env(name.upper(), value)

    def _keys(self) -> None:
        key, secret = USER_KEYS
        text = f"[ann]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        (self.folder / "credentials").write_text(text)

    def _role(self) -> None:
        self._keys()
        self._config("masking", f"role_arn = {SOURCE_ROLE}\nsource_profile = ann\nexternal_id = {EXTERNAL_ID}")

    def _process(self) -> None:
        program = f"import urllib.request as u; print(u.urlopen('{self.issuer.url}/process').read().decode())"
        (self.folder / "tool.py").write_text(program)
        self._config("tool", f"credential_process = {sys.executable} {self.folder}/tool.py")

    def _web_identity(self) -> None:
        self._token()
        self.set_env("AWS_WEB_IDENTITY_TOKEN_FILE", str(self.folder / "token"))
        self.set_env("AWS_ROLE_ARN", SOURCE_ROLE)

    def _pod(self) -> None:
        self._token()
        self.set_env("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{self.issuer.url}/container")
        self.set_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(self.folder / "token"))

    def _container(self) -> None:
        self.set_env("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{self.issuer.url}/container")
        self.set_env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "token-1")

    def _instance(self) -> None:
        self.set_env("AWS_EC2_METADATA_DISABLED", "false")
        self.set_env("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.issuer.url)

    def _instance_for_a_role(self) -> None:
        self._instance()
        role = f"role_arn = {SOURCE_ROLE}\nexternal_id = {EXTERNAL_ID}\ncredential_source = Ec2InstanceMetadata"
        self._config("instance", role)

    def _config(self, profile: str, text: str) -> None:
        (self.folder / "config").write_text(f"[profile {profile}]\n{text}\n")

    def _token(self) -> None:
        (self.folder / "token").write_text("token-1")


@pytest.fixture
def machine(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine with nothing set, in a world whose clock botocore goes by, too; no call waits before it is repeated."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    _share(world.clock, monkeypatch)
    world.accounts.add_identity(USER_KEYS[0], Identity(ACCOUNT_A, USER))
    root = f"arn:aws:iam::{ACCOUNT_A}:root"
    world.accounts.add_role(TrustedRole(SOURCE_ROLE, [root], EXTERNAL_ID))
    for role, external_id in ((ROLE_B, EXTERNAL_ID), (ROLE_C, ""), (LONG, "")):
        longest = 43200 if role == LONG else 3600
        world.accounts.add_role(TrustedRole(role, [root], external_id, longest))
    world.make_bucket(ACCOUNT_B, SOURCE)
    world.make_bucket(ACCOUNT_C, TARGET)
    put(world, "in/people.csv", PEOPLE)
    issuer = Issuer(world.accounts)
    yield Machine(world, issuer, tmp_path, monkeypatch.setenv)
    issuer.close()


def _share(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore measure credentials by the clock of the tests: it has its own as the default of parameters."""
    real = botocore.credentials._local_now  # type: ignore[attr-defined]

    def now() -> datetime:
        return datetime.fromtimestamp(clock(), UTC)

    monkeypatch.setattr(botocore.credentials, "_local_now", now)
    for cls in vars(botocore.credentials).values():
        defaults = getattr(getattr(cls, "__init__", None), "__defaults__", None)
        if isinstance(cls, type) and defaults and real in defaults:
            changed = tuple(now if one is real else one for one in defaults)
            monkeypatch.setattr(cls.__init__, "__defaults__", changed)  # type: ignore[misc]


def masked(a: SessionFactory, world: World) -> dm.Report:
    """Mask B's objects into C, each by its role, and look at what came of it."""
    source = S3Files(f"s3://{SOURCE}/in/", session=a.assume(ROLE_B, external_id=EXTERNAL_ID))
    target = S3Files(f"s3://{TARGET}/out/", session=a.assume(ROLE_C))
    report = dm.run(source, target, RULES, dm.Key.generate(), progress=False)
    [body] = bodies(target_now(world)).values()
    assert body.startswith(b"id,email\n007,")
    assert b"ann@x.org" not in body
    return report


def lists(session: SessionFactory) -> int:
    """Ask for a bucket's objects without `call`, as any code does that was given a client."""
    return len(session.client("s3").list_objects_v2(Bucket=SOURCE)["Contents"])


# ---------------------------------------------------------------------------------------------- each kind works


@pytest.mark.parametrize("kind", KINDS)
def test_a_chain_begins_with_what_the_machine_gives(kind: str, machine: Machine) -> None:
    """From each kind of credentials roles in B and C are assumed, and a bucket of B is masked into one of C."""
    a = machine.begin(kind)

    report = masked(a, machine.world)

    assert report.status == "finished"
    assert [one.account for one in a.assume(ROLE_C).verify()] == [ACCOUNT_A, ACCOUNT_C]
    assert machine.world.accounts.assumed.count(ROLE_B) == 1
    expected = USER if kind == "keys" else "assumed-role/Source-DM-Role/"
    assert expected in a.verify()[0].arn


@pytest.mark.parametrize("kind", ["pod", "container", "instance", "web identity"])
def test_a_machine_is_asked_as_its_kind_demands(kind: str, machine: Machine) -> None:
    """A pod shows the token of its file, an instance first asks for a token of IMDSv2; each is asked for keys once."""
    masked(machine.begin(kind), machine.world)

    asked = machine.issuer.asked
    assert machine.issuer.issued == ["ASIAISSUED0000000000"]
    if kind == "instance":
        assert asked[0] == "/latest/api/token"
        assert asked[-1].endswith("/security-credentials/Source-DM-Role")
    else:
        assert asked == [SOURCE_ROLE if kind == "web identity" else "/container"]


@pytest.mark.parametrize("kind", ["role", "web identity"])
def test_a_beginning_that_asks_sts_is_told_region_and_endpoint(kind: str, machine: Machine) -> None:
    """Neither AWS_REGION nor AWS_ENDPOINT_URL is needed: what the factory was given counts for its base, too."""
    a = machine.begin(kind)

    assert lists(a.assume(ROLE_B, external_id=EXTERNAL_ID)) == 1
    assert machine.world.proxy.calls[0].operation in ("AssumeRole", "AssumeRoleWithWebIdentity")
    assert machine.world.proxy.calls[0].service == "sts"


@pytest.mark.parametrize("kind", ["role", "web identity"])
def test_a_beginning_that_asks_sts_gets_over_faults(kind: str, machine: Machine) -> None:
    """The calls that the base makes are tried again as all our calls are."""
    machine.world.proxy.fates = Fates(1, Fault(("internal", "slow_down"), ("Assume*",), times=7))

    assert lists(machine.begin(kind).assume(ROLE_B, external_id=EXTERNAL_ID)) == 1


@pytest.mark.parametrize("kind", ["role", "web identity"])
def test_a_hurried_beginning_soon_gives_up(kind: str, machine: Machine) -> None:
    """To look whether AWS answers, the base's own call is made six times at most; a run makes it ten times."""
    machine.world.proxy.fates = Fates(1, Fault(("internal",), ("Assume*",)))
    a = machine.begin(kind)

    hurried = refusal(lambda: a.hurried().verify())
    tries = len(machine.world.proxy.log)
    patient = refusal(lambda: a.verify())

    assert "InternalError" in hurried.message
    assert "InternalError" in patient.message
    assert (tries, len(machine.world.proxy.log) - tries) == (6, 10)


# ---------------------------------------------------------------------------------------------- renewal


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_that_ends_in_the_middle_of_a_run_is_assumed_anew(kind: str, machine: Machine) -> None:
    """AWS calls the role's session expired while an object is read and one is written: the run goes on."""
    machine.world.proxy.fates = Fates(1, Fault(("expired",), ("GetObject", "UploadPart"), times=1))

    report = masked(machine.begin(kind), machine.world)

    assert report.status == "finished"
    assert machine.world.proxy.fates.met == {"expired": 2}
    assumed = machine.world.accounts.assumed
    assert (assumed.count(ROLE_B), assumed.count(ROLE_C)) == (2, 2)


@pytest.mark.parametrize("kind", ISSUED)
def test_keys_that_are_rotated_in_the_middle_of_a_run_are_looked_up_again(kind: str, machine: Machine) -> None:
    """The old keys of the base end before their time: `AssumeRole` says so, and the new ones are found."""
    machine.world.proxy.fates = Fates(1, Fault(("expired",), ("AssumeRole",), times=1))

    report = masked(machine.begin(kind), machine.world)

    assert report.status == "finished"
    assert machine.world.proxy.fates.met == {"expired": 1}
    assert len(machine.issuer.issued) == 2


@pytest.mark.parametrize("kind", ISSUED)
def test_keys_are_renewed_before_they_end(kind: str, machine: Machine) -> None:
    """Through five hours of a client's life no call is refused, and base and role are renewed by the hour."""
    b = machine.begin(kind).assume(ROLE_B, external_id=EXTERNAL_ID)
    world = machine.world

    for _ in range(30):
        assert lists(b) == 1
        world.clock.advance(600)

    assert LIFE == 3600
    assert len(machine.issuer.issued) == 3  # every second renewal of the role finds that the base's keys have ended
    assert world.accounts.assumed.count(ROLE_B) == 6
    assert len(world.accounts.assumed) == world.proxy.count("AssumeRole")  # not one was refused


def test_a_pod_reads_the_token_anew(machine: Machine) -> None:
    """The token in the file is exchanged by the cluster: the next keys are asked for with the new one."""
    b = machine.begin("pod").assume(ROLE_B, external_id=EXTERNAL_ID)
    lists(b)

    machine.issuer.token = "token-2"
    (machine.folder / "token").write_text("token-2")
    machine.world.clock.advance(3500)

    assert lists(b) == 1
    assert len(machine.issuer.issued) == 2


# ---------------------------------------------------------------------------------------------- long sessions


@pytest.mark.parametrize("kind", ROLES)
def test_an_assumed_role_cannot_assume_another_for_longer_than_an_hour(kind: str, machine: Machine) -> None:
    """Role chaining begins with the base, where that is an assumed role itself: refused before AWS is asked."""
    a = machine.begin(kind)

    error = refusal(lambda: lists(a.assume(LONG, duration=7200)))

    assert isinstance(error, PlanError)
    assert error.message.startswith(f"hop 1 cannot assume {LONG} for 7,200 seconds: the chain begins with the role of ")
    assert "leave duration= at 3,600" in error.hint
    assert LONG not in machine.world.accounts.assumed
    assert machine.world.proxy.log == []


@pytest.mark.parametrize("kind", ["environment", "keys", "process", "pod", "container", "instance"])
def test_a_long_session_of_the_first_role_is_asked_for_elsewhere(kind: str, machine: Machine) -> None:
    """Users, instances and whatever AWS may allow: it is asked for what was said."""
    a = machine.begin(kind)

    a.assume(LONG, duration=7200).verify()

    [call] = [call for call in machine.world.proxy.calls if call.operation == "AssumeRole"]
    assert call.query["DurationSeconds"] == "7200"


@pytest.mark.parametrize(("kind", "words"), [("pod", "a container or pod"), ("instance", "an EC2 instance")])
def test_a_long_session_that_aws_refuses_says_what_the_chain_begins_with(
    kind: str, words: str, machine: Machine
) -> None:
    """Where AWS counts the machine's role as an assumed one, its ValidationError becomes a remedy."""
    machine.issuer.chained = True
    a = machine.begin(kind)

    error = refusal(lambda: a.assume(LONG, duration=7200).verify())

    assert f"hop 1 cannot assume {LONG}: ValidationError (AssumeRole" in str(error)
    assert "3,600 seconds" in error.hint
    assert error.hint.endswith(f"This chain begins with the role of {words}")


# ---------------------------------------------------------------------------------------------- failures


def failing(machine: Machine, kind: str) -> DmengineError:
    a = machine.begin(kind)
    machine.issuer.token = None
    return refusal(lambda: a.assume(ROLE_B, external_id=EXTERNAL_ID).verify())


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("web identity", "InvalidIdentityToken"),
        ("pod", "CredentialRetrievalError"),
        ("container", "CredentialRetrievalError"),
        ("instance", "NoCredentialsError"),
    ],
)
def test_a_machine_that_gives_no_keys_is_named(kind: str, says: str, machine: Machine) -> None:
    """What the machine answers may hold anything, and stays out of the error."""
    error = failing(machine, kind)

    assert error.message.startswith(f"cannot get the credentials to begin with: {says} (")
    assert error.hint


@pytest.mark.parametrize("kind", ["web identity", "pod"])
def test_a_token_that_is_not_there_is_named(kind: str, machine: Machine) -> None:
    """A file that was not mounted ends in an error of ours."""
    a = machine.begin(kind)
    (machine.folder / "token").unlink()

    error = refusal(lambda: a.assume(ROLE_B, external_id=EXTERNAL_ID).verify())

    assert "cannot get the credentials to begin with: FileNotFoundError" in error.message


def test_a_process_that_fails_shows_nothing_of_what_it_said(machine: Machine) -> None:
    """Its standard error may hold anything."""
    a = machine.begin("process")
    (machine.folder / "tool.py").write_text("import sys; sys.exit('CANARY-ERROR')")

    error = refusal(lambda: a.assume(ROLE_B, external_id=EXTERNAL_ID).verify())

    assert "cannot get the credentials to begin with: CredentialRetrievalError" in error.message


@pytest.mark.parametrize(("kind", "external_id"), [("role", "wrong"), ("instance for a role", "wrong")])
def test_a_profiles_role_that_is_refused_is_the_beginnings_fault(kind: str, external_id: str, machine: Machine) -> None:
    """A profile's own role is no hop of ours: the error says that it is what the chain begins with."""
    a = machine.begin(kind)
    text = (machine.folder / "config").read_text()
    (machine.folder / "config").write_text(text.replace(EXTERNAL_ID, external_id))

    error = refusal(lambda: a.assume(ROLE_B, external_id=EXTERNAL_ID).verify())

    assert "cannot get the credentials to begin with: AccessDenied" in error.message


def test_a_renewal_that_fails_logs_nothing_of_what_was_answered(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """botocore warns of it, with all that the machine said: the warning stays, and what was said does not."""
    a = machine.begin("container")
    lists(a.assume(ROLE_B, external_id=EXTERNAL_ID))
    machine.issuer.token = None
    machine.world.clock.advance(3500)

    error = refusal(lambda: lists(a.assume(ROLE_B, external_id=EXTERNAL_ID)))

    assert "cannot get the credentials to begin with" in error.message
    assert "Refreshing temporary credentials failed" in caplog.text
    assert "CANARY" not in caplog.text


# ---------------------------------------------------------------------------------------------- notebooks


def test_a_notebook_assumes_roles(machine: Machine, tmp_path: Path) -> None:
    """A cell makes sessions, shows them without a secret, uses them; run once more, it does so again."""
    machine.begin("environment")
    made = (
        "from dmengine.connectors import SessionFactory\n"
        f"a = SessionFactory(region={REGION!r}, endpoint_url={machine.world.proxy.url!r})\n"
        f"b = a.assume({ROLE_B!r}, external_id={EXTERNAL_ID!r})\n"
        "b"
    )
    cells = [made, f"b.client('s3').list_objects_v2(Bucket={SOURCE!r})['KeyCount']", "b.verify()", made, "dir(b)[-1]"]
    notebook = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells]  # type: ignore[no-untyped-call]
    )
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}})

    done = client.execute()

    shown = [cell["outputs"][0]["data"]["text/plain"] for cell in done.cells]
    assert shown[0] == shown[3]
    assert ROLE_B in shown[0]
    assert shown[1] == "1"
    assert f"hop=1, account='{ACCOUNT_B}'" in shown[2]
    outputs = json.dumps([cell["outputs"] for cell in done.cells])
    assert [secret for secret in (*BASE.values(), EXTERNAL_ID) if secret in outputs] == []
