"""Policies as people and AWS's tools write them, given to `dmengine policy --diff`: compared, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dmengine.cli import main
from dmengine.connectors import policies
from dmengine.errors import PlanError
from dmengine_connectors.access.compare import Comparison
from tests.access.policy_lab import SOURCE_ROLE, TARGET_ROLE, bucket

OBJECTS = "arn:aws:s3:::crm/in/*"


def one(**more: Any) -> dict[str, Any]:
    """Return a policy of one statement, which allows to read."""
    statement = {"Sid": "X", "Effect": "Allow", "Action": "s3:GetObject", "Resource": OBJECTS, **more}
    return {"Version": "2012-10-17", "Statement": [{key: value for key, value in statement.items() if value != ()}]}


ALL = one(Action="s3:*", Resource="*")
READ = one()
TRUST = one(Action="sts:AssumeRole", Principal={"AWS": SOURCE_ROLE}, Resource=())


def compared(existing: Any, of: str = TARGET_ROLE) -> Comparison:
    place = bucket("crm", "in", iam_role_arn=TARGET_ROLE)
    return policies(place, place, principal=SOURCE_ROLE).diff(existing, of=of)


def denying(**more: Any) -> dict[str, Any]:
    denial = {"Effect": "Deny", "Action": "s3:*", "Resource": "*", **more}
    return {"Version": "2012-10-17", "Statement": [*ALL["Statement"], denial]}


# ------------------------------------------------------------------------------------------ how it is wrapped


@pytest.mark.parametrize(
    "answer",
    [
        {"RoleName": "r", "PolicyName": "p", "PolicyDocument": READ},
        {"RoleName": "r", "PolicyName": "p", "PolicyDocument": json.dumps(READ)},
        {"PolicyDocument": quote(json.dumps(READ))},
        {"PolicyVersion": {"Document": READ, "VersionId": "v1", "IsDefaultVersion": True}},
        {**READ, "Statement": READ["Statement"][0]},
    ],
    ids=["get-role-policy", "as-text", "as-url", "get-policy-version", "one-statement"],
)
def test_answers_of_awss_command_line_are_taken_as_they_are(answer: Any) -> None:
    """A policy inside of an answer is the same policy."""
    assert compared(answer) == compared(READ)
    assert "s3:GetObject" not in {need.action for need in compared(READ).missing}


def test_a_role_and_a_bucket_are_answers_too() -> None:
    """`iam get-role` has the trust policy in it, `s3api get-bucket-policy` the bucket's as a text."""
    role = compared({"Role": {"RoleName": "r", "AssumeRolePolicyDocument": TRUST}})
    theirs = compared({"Policy": json.dumps(one(Principal={"AWS": "111111111111"}))}, of="crm")

    assert role.subject == f"trust policy of {TARGET_ROLE}"
    assert role.missing == ()
    assert theirs.subject == "bucket policy of crm"


# ------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "this is not JSON"),
        (b'{"Statement": [}', "in line 1, column 16"),
        (b"[" * 100_000, "nests too deeply"),
        (b'{"Statement": ' + b"1" * 5_000 + b"}", "too long"),
        (json.dumps(READ).encode("utf-16"), "not UTF-8"),
        (b"null", "no policy"),
        (b"NaN", "no policy"),
        (b"5", "no policy"),
        (b'"x"', "not JSON"),
        (b"[]", "no policy"),
        (b"{}", "no Statement"),
        (b'{"Statement": null}', "statement 1 is no object"),
        (b'{"Statement": ["x"]}', "statement 1 is no object"),
        (json.dumps({"Role": {}}).encode(), "no Statement"),
        (json.dumps(one(Effect="allow")).encode(), "Effect"),
        (json.dumps(one(Effect=())).encode(), "Effect"),
        (json.dumps(one(Action=5)).encode(), "Action"),
        (json.dumps(one(Action={"a": 1})).encode(), "Action"),
        (json.dumps(one(Resource=None)).encode(), "Resource"),
        (json.dumps(one(Principal="111111111111")).encode(), "Principal"),
        (json.dumps(one(Principal=["*"])).encode(), "Principal"),
        (json.dumps(one(NotPrincipal=None)).encode(), "NotPrincipal"),
        (json.dumps(one(Condition=[])).encode(), "Condition"),
        (json.dumps(one(Condition={"StringEquals": "x"})).encode(), "Condition"),
        (json.dumps(one(Condition={"StringEquals": {"a": {"b": 1}}})).encode(), "Condition"),
    ],
)
def test_what_is_no_policy_is_refused_by_name(
    text: bytes, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the file and what of it is wrong; nothing crashes."""
    (tmp_path / "b.json").write_text(json.dumps(bucket("crm", "in").to_dict()))
    (tmp_path / "existing.json").write_bytes(text)

    code = main(["policy", str(tmp_path / "b.json"), "--diff", str(tmp_path / "existing.json")])

    told = capsys.readouterr().err
    assert code == 2
    assert problem in told
    assert "Traceback" not in told


def test_a_byte_order_mark_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Editors of Windows begin files with one."""
    (tmp_path / "b.json").write_text(json.dumps(bucket("crm", "in").to_dict()))
    (tmp_path / "existing.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(READ).encode())

    assert main(["policy", str(tmp_path / "b.json"), "--diff", str(tmp_path / "existing.json")]) == 2

    assert "missing   s3:ListBucket" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------ what it means


@pytest.mark.parametrize(
    "existing",
    [
        denying(Condition={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}),
        denying(Condition={"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}),
        one(Action="s3:*", Resource="*", Condition={"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}),
        one(Action="s3:*", Resource="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
    ],
    ids=["deny-but-endpoint", "deny-but-network", "if-exists", "organisation"],
)
def test_what_depends_on_where_it_is_asked_from_is_not_sure(existing: Any) -> None:
    """It is no pass and no lack: the text says that only AWS can tell, and the data lists it apart."""
    found = compared(existing)

    assert found.lacking == ()
    assert {"s3:GetObject", "s3:PutObject", "s3:ListBucket"} <= {need.action for need in found.unsure}
    assert "not sure  s3:GetObject" in str(found)
    assert len(found.to_dict()["unsure"]) == len(found.unsure)


def test_a_deny_of_plain_http_takes_nothing_away() -> None:
    """Calls are made with TLS, so that the statement is settled."""
    found = compared(denying(Condition={"Bool": {"aws:SecureTransport": "false"}}))

    assert (found.missing, found.unsure) == ((), ())


def test_a_bucket_policy_that_denies_its_own_accounts_role_is_missing_a_right() -> None:
    """A role of the bucket's account needs no leave of the bucket, but a Deny there counts all the same."""
    denial = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::crm/*"}
    others = {"Effect": "Deny", "NotPrincipal": {"AWS": [TARGET_ROLE]}, "Action": "s3:*", "Resource": "*"}

    denied = compared({"Statement": [denial]}, of="crm")
    doubtful = compared({"Statement": [others]}, of="crm")

    assert {need.action for need in denied.lacking} == {"s3:PutObject"}
    assert f"denied to {TARGET_ROLE}" in denied.lacking[0].reason
    assert "s3:GetObject" in {need.action for need in doubtful.unsure}  # the account's root is not spared


def test_wildcards_inverse_lists_and_other_cases_are_understood() -> None:
    """`s3:Get*` grants what it covers; NotAction is wide; IAM does not tell S3:GETOBJECT from s3:GetObject."""
    wild = compared(one(Action="s3:Get*", Resource=["arn:aws:s3:::crm", OBJECTS]))
    inverse = compared(one(Action=(), NotAction="iam:*", Resource="*"))
    shouted = compared(one(Action="S3:GETOBJECT"))

    assert not any(need.action.startswith("s3:Get") and need.resource != "*" for need in wild.missing)
    assert inverse.missing == ()
    assert [found.what for found in inverse.wide] == ["NotAction"]
    assert "s3:GetObject" not in {need.action for need in shouted.missing}


def test_another_partition_is_named() -> None:
    """An ARN of China in a policy for the rest of the world grants nothing, and it is said why."""
    found = compared(one(Resource="arn:aws-cn:s3:::crm/in/*"))

    assert "s3:GetObject" in {need.action for need in found.lacking}
    assert "it is in the partition aws-cn, not in aws" in str(found)


def test_a_policy_that_grants_nothing_needed_is_held_against_whom_it_names() -> None:
    """By its bucket, and not against whoever comes first."""
    place = bucket("crm", "in", iam_role_arn=TARGET_ROLE)

    found = policies(place, place, principal=SOURCE_ROLE).diff(one(Resource="arn:aws-cn:s3:::crm/in/*"))

    assert found.subject == f"identity policy of {TARGET_ROLE}"


def test_the_largest_policies_and_odd_names_are_compared_at_once() -> None:
    """20 KB of patterns, names that are no ASCII, and thousands of stars are all one answer."""
    many = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": [f"arn:aws:iam::{n:012d}:role/r{m}" for m in range(6)]},
                "Action": ["s3:Get*", "s3:Put?bject", "s3:*Multi*"],
                "Resource": [f"arn:aws:s3:::crm/{n}/*/x?/*", "arn:aws:s3:::crm"],
            }
            for n in range(55)
        ],
    }

    assert len(json.dumps(many)) > 20_000
    assert compared(many, of="crm").missing == ()
    assert compared(one(Resource="arn:aws:s3:::crm/in/\u00fc\U0001f600/*")).lacking != ()
    assert compared(one(Action="*" * 3_000 + "x", Resource="arn:aws:s3:::" + "*a" * 2_500)).lacking != ()


def test_the_api_refuses_what_is_no_policy() -> None:
    """Plain data is looked at as a file's is."""
    with pytest.raises(PlanError, match="no policy"):
        compared(5)
