"""Secrets that AWS's answers, connections and policies hold are in nothing that a check, a policy or an error shows."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import pytest

import dmengine as dm
from dmengine.cli import main
from dmengine.connectors import S3Connection, S3Files, load_connection, policies
from dmengine.errors import DmengineError
from tests.aws.s3_lab import RULES, SOURCE, TARGET, session_of_a
from tests.aws.standins.calls import Answer, Call, refusal
from tests.aws.standins.world import ROLE_B, ROLE_C, World
from tests.checks.s3_lab import S3Lab
from tests.connections.written import OURS, REDSHIFT, S3
from tests.leak.evidence import Evidence, listening, of_error

EXTERNAL: Final = "external-CANARY-1"
GRANT: Final = "grant-CANARY-2"
URL: Final = "https://b.s3.amazonaws.com/k?X-Amz-Credential=ASIACANARY3&X-Amz-Signature=abcCANARY4"
VALUE: Final = "ann.CANARY5@example.com"
PASSWORD: Final = "hunter-CANARY-6"
MESSAGE: Final = f"No: {EXTERNAL}, {GRANT}, {URL}, {VALUE}, {PASSWORD}, token-a, secret-a"


@pytest.fixture
def lab(world: World) -> S3Lab:
    """Return a healthy source and target."""
    return S3Lab(world)


def found_in(evidence: Evidence) -> list[str]:
    """Name what holds a canary: plainly, written for a URL, or in base64."""
    plain = ["canary", "token-a", "secret-a"]
    encoded = [base64.b64encode(text.encode()).decode().rstrip("=")[:-1] for text in (EXTERNAL, GRANT, VALUE, PASSWORD)]
    forms = [*plain, *(quote(text, safe="").lower() for text in (EXTERNAL, VALUE)), *(one.lower() for one in encoded)]
    return [f"{name}: {form}" for name, body in evidence for form in forms if form.encode() in body.lower()]


def of_checks(checks: dm.Checks) -> Evidence:
    """Yield checks in all their forms."""
    text = [str(checks), repr(checks), checks.to_text(colour=True), checks.to_markdown(), checks.to_html()]
    yield "checks", "\0".join([*text, checks._repr_html_(), json.dumps(checks.to_dict())]).encode()
    yield "pickled checks", pickle.dumps(checks)


def ends(world: World) -> tuple[S3Files, S3Files]:
    """Return a source and a target, reached with an external id that is a canary."""
    b, c = (session_of_a(world).assume(role, external_id=EXTERNAL) for role in (ROLE_B, ROLE_C))
    return S3Files(f"s3://{SOURCE}/in/", b), S3Files(f"s3://{TARGET}/out/", c, encryption="aws:kms")


def talkative(services: tuple[str, ...], status: int, code: str) -> Callable[[Call], Answer | None]:
    return lambda call: refusal(call, status, code, MESSAGE) if call.service in services else None


@pytest.mark.parametrize("canary", [EXTERNAL, GRANT, URL, VALUE, PASSWORD, "token-a", "secret-a"])
def test_a_canary_that_is_shown_is_found(canary: str) -> None:
    """Plainly, in a URL, and in base64, so that the tests below can fail."""
    in_base64 = base64.b64encode(canary.encode())
    encoded = [in_base64] if canary in (EXTERNAL, GRANT, VALUE, PASSWORD) else []

    assert all(found_in([("x", body)]) for body in (canary.encode(), quote(canary, safe="").encode(), *encoded))


@pytest.mark.parametrize("services", [("sts",), ("s3",), ("kms", "s3control")], ids=str)
@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (400, "InvalidArgument"), (404, "NoSuchKey"), (400, "ExpiredToken")]
)
def test_what_aws_says_in_its_messages_is_shown_nowhere(
    lab: S3Lab, key: dm.Key, services: tuple[str, ...], status: int, code: str
) -> None:
    """External ids, tokens, grants, signed URLs and values in AWS's words reach no check, error or log of ours."""
    source, target = ends(lab.world)
    lab.instead = talkative(services, status, code)

    checks = dm.check(source, target, probe=True)
    evidence = [*of_checks(checks)]
    try:
        dm.run(source, target, RULES, key)
    except DmengineError as error:
        evidence += of_error(error)

    assert found_in(evidence) == []


def test_places_and_sessions_do_not_show_what_they_hold(lab: S3Lab) -> None:
    """Neither as text nor in logs; a pickle has the external id alone, which another process needs, and no key."""
    source, target = ends(lab.world)
    with listening() as log:
        checks = dm.check(source, target)

    ours = [line for line in log.lines if line.startswith("dmengine") or '"logger": "dmengine' in line]
    shown = [
        repr(source),
        str(target),
        repr(source.session),
        repr(source.session.roles if source.session else ()),
        *ours,
    ]
    assert found_in([("shown", "\n".join(shown).encode()), *of_checks(checks)]) == []


def connections() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield connections in which a secret stands where none may stand, or something beside it is wrong."""
    yield "password", {**REDSHIFT, "dbpassword": PASSWORD}
    yield "password in a reference", {**REDSHIFT, "dbpassword": f"vault:{PASSWORD}"}
    yield "password under another name", {**REDSHIFT, "password": PASSWORD}
    yield "password of S3", {**S3, "dbpassword": PASSWORD}
    yield "password in a list", {**REDSHIFT, "dbpassword": [PASSWORD]}
    yield "external id that STS does not take", {**S3, "external_id": EXTERNAL + " \n"}
    yield "external id of no role", {**S3, "iam_role_arn": None, "external_id": EXTERNAL}
    yield "external id of a list", {**S3, "external_id": [EXTERNAL]}
    yield "a wrong key beside it", {**S3, "external_id": EXTERNAL, "buckt": "x"}
    yield "a secret in a role", {**S3, "roles": [{"arn": ROLE_B, "external_id": EXTERNAL + "\t", "duratoin": 1}]}
    yield "keys of AWS", {**S3, "aws_secret_access_key": PASSWORD}


@pytest.mark.parametrize("written", [written for _, written in connections()], ids=[kind for kind, _ in connections()])
def test_a_wrong_connection_shows_no_secret(
    written: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does the error that refuses it: as text, traceback, chain or pickle, from the API and from the shell."""
    path = tmp_path / "c.json"
    path.write_text(json.dumps({name: value for name, value in written.items() if value is not None}))

    with pytest.raises(DmengineError) as caught:
        load_connection(path)
    code = main(["policy", str(path)])

    shown = capsys.readouterr()
    assert code == 2
    assert found_in([*of_error(caught.value), ("shell", f"{shown.out}{shown.err}".encode())]) == []


@pytest.mark.parametrize("text", [f'{{"a": "{PASSWORD}", }}', f'"{PASSWORD}"', f'{{"Statement": ["{PASSWORD}"]}}'])
def test_a_file_that_is_no_policy_is_not_shown(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever names the wrong file, such as one of passwords, does not print it."""
    (tmp_path / "c.json").write_text(json.dumps(S3))
    (tmp_path / "p.json").write_text(text)

    code = main(["policy", str(tmp_path / "c.json"), "--diff", str(tmp_path / "p.json")])

    shown = capsys.readouterr()
    assert code == 2
    assert found_in([("shell", f"{shown.out}{shown.err}".encode())]) == []
    with pytest.raises(DmengineError) as caught:
        policies(S3Connection.from_dict(S3), S3Connection.from_dict({**S3, **OURS})).diff(cast(Any, text))
    assert found_in(of_error(caught.value)) == []


def test_the_external_id_stands_in_the_trust_policy_alone() -> None:
    """There it has to be; reasons and the policies of identities and buckets do without it."""
    found = policies(S3Connection.from_dict({**S3, **OURS, "roles": [], "external_id": EXTERNAL}), None)

    rest = {**found.to_dict(), "policies": [one for one in found.to_dict()["policies"] if one["kind"] != "trust"]}
    assert EXTERNAL in json.dumps(list(found.trust.values()))
    assert found_in([("policies", json.dumps(rest).encode()), ("reasons", found.explained().encode())]) == []
