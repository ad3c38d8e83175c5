"""Policies are read as IAM reads them: who may do what, within an account and across accounts."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dmengine.errors import PlanError
from dmengine_connectors.access.conditions import conditions_met
from dmengine_connectors.access.evaluate import Decision, Policy, Request, decide, decide_access
from tests.access.cases import ROLE, SESSION, generated

A, B = "111111111111", "222222222222"
ROLE_B = f"arn:aws:iam::{B}:role/Target-DM-Role"
OBJECT = "arn:aws:s3:::crm/in/a.csv"
KEY = f"arn:aws:kms:eu-west-1:{B}:key/k"
RECORDED = json.loads((Path(__file__).parent / "ministack.json").read_text())
LETTERS = {"allow": "A", "deny": "D", "none": "N", "unknown": "U"}


def allow(action: Any, resource: Any = "*", **more: Any) -> Policy:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource, **more}],
    }


def to(principal: Any, action: Any, resource: Any = "*", **more: Any) -> Policy:
    return allow(action, resource, Principal=principal, **more)


def deny(action: Any, resource: Any = "*", **more: Any) -> Policy:
    return {
        "Version": "2012-10-17",
        "Statement": [{**allow(action, resource, **more)["Statement"][0], "Effect": "Deny"}],
    }


def trust(principal: Any, **condition: Any) -> Policy:
    more = {"Condition": condition} if condition else {}
    return {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}]}


def ours(case: dict[str, Any]) -> str:
    request = Request(case["principal"], case["action"], case["resource"], case["context"], case["owner"])
    decision = decide_access(request, identity=case["identity"], session=case["session"], resource=case["own"])
    return LETTERS[decision.effect]


def differing(seed: int, answers: str) -> list[tuple[str, str, dict[str, Any]]]:
    cases = generated(seed, len(answers))
    return [(ours(case), theirs, case) for case, theirs in zip(cases, answers, strict=True) if ours(case) != theirs]


# ------------------------------------------------------------------------------------------ against another IAM


def test_three_thousand_cases_are_decided_as_by_ministack() -> None:
    """Identity, session and resource policies of every shape get the decision that another evaluator recorded."""
    answers = "".join(RECORDED["answers"])

    assert len(answers) == 3000
    assert min(answers.count(letter) for letter in "ADN") > 300
    assert differing(RECORDED["seed"], answers) == []


@pytest.mark.proof
def test_other_cases_are_decided_as_by_ministack(ministack: Path) -> None:
    """So do cases that nobody recorded, where ministack is at hand."""
    seed = int(os.environ["DMENGINE_SEED"])
    cases = generated(seed, 2000)

    oracle = [ministack / "python", Path(__file__).parent / "oracle.py"]
    answers = subprocess.run(oracle, input=json.dumps(cases), capture_output=True, text=True, check=True).stdout.strip()

    assert differing(seed, answers) == []


# ------------------------------------------------------------------------------------------ across accounts


@pytest.mark.parametrize(
    ("owner", "identity", "own", "expected"),
    [
        (A, [allow("s3:GetObject")], None, Decision("allow")),
        (A, [], to({"AWS": ROLE}, "s3:GetObject"), Decision("allow")),
        (A, [], to({"AWS": A}, "s3:GetObject"), Decision("none", ("identity",))),
        (A, [], to({"Service": "s3.amazonaws.com"}, "s3:GetObject"), Decision("none", ("identity",))),
        (B, [allow("s3:GetObject")], None, Decision("none", ("resource",))),
        (B, [], to({"AWS": ROLE}, "s3:GetObject"), Decision("none", ("identity",))),
        (B, [allow("s3:GetObject")], to({"AWS": ROLE}, "s3:GetObject"), Decision("allow")),
        (B, [allow("s3:GetObject")], to({"AWS": SESSION}, "s3:GetObject"), Decision("allow")),
        (B, [allow("s3:GetObject")], to({"AWS": f"arn:aws:iam::{A}:root"}, "s3:GetObject"), Decision("allow")),
        (B, [allow("s3:GetObject")], to({"AWS": f"{ROLE}-2"}, "s3:GetObject"), Decision("none", ("resource",))),
        (B, [], None, Decision("none", ("resource", "identity"))),
        (B, [deny("s3:*", Sid="No")], to("*", "s3:*"), Decision("deny", ("identity",), "No")),
        (A, [allow("s3:*")], deny("s3:*", Principal="*"), Decision("deny", ("resource",))),
    ],
)
def test_within_an_account_one_side_allows_and_across_accounts_both_do(
    owner: str, identity: list[Policy], own: Policy | None, expected: Decision
) -> None:
    """The decision names the side that denies or does not allow."""
    request = Request(SESSION, "s3:GetObject", OBJECT, owner=owner)

    assert decide_access(request, identity=identity, resource=own) == expected


def test_a_role_with_a_path_is_the_role_of_its_sessions() -> None:
    """A session's ARN does not tell the path, and a role's name is unique in its account."""
    own = to({"AWS": f"arn:aws:iam::{A}:role/masking/Source-DM-Role"}, "s3:GetObject")

    assert decide_access(Request(SESSION, "s3:GetObject", OBJECT), resource=own).effect == "allow"


def test_session_policies_only_take_away() -> None:
    """What a session was not given it may not do, unless the resource names the session itself, in its account."""
    request = Request(SESSION, "s3:GetObject", OBJECT, owner=A)
    narrow = [allow("s3:PutObject")]

    assert decide_access(request, identity=[allow("s3:*")], session=narrow) == Decision("none", ("session",))
    assert decide_access(request, session=narrow, resource=to({"AWS": ROLE}, "s3:*")).effect == "none"
    assert decide_access(request, session=narrow, resource=to({"AWS": SESSION}, "s3:*")).effect == "allow"
    assert decide_access(request, identity=[], session=[allow("s3:*")]).effect == "none"


@pytest.mark.parametrize(
    ("owner", "identity", "own", "effect"),
    [
        (A, [allow("kms:Decrypt")], to({"AWS": f"arn:aws:iam::{A}:root"}, "kms:*"), "allow"),
        (A, [], to({"AWS": f"arn:aws:iam::{A}:root"}, "kms:*"), "none"),
        (A, [allow("kms:Decrypt")], to({"AWS": f"{ROLE}-2"}, "kms:*"), "none"),
        (A, [allow("kms:Decrypt")], None, "none"),
        (A, [], to({"AWS": ROLE}, "kms:Decrypt"), "allow"),
        (B, [], to({"AWS": ROLE}, "kms:Decrypt"), "none"),
        (B, [allow("kms:Decrypt", KEY)], to({"AWS": ROLE}, "kms:Decrypt"), "allow"),
        (B, [allow("kms:Decrypt", KEY)], to({"AWS": f"arn:aws:iam::{B}:root"}, "kms:*"), "none"),
    ],
)
def test_a_key_is_used_only_as_its_policy_says(
    owner: str, identity: list[Policy], own: Policy | None, effect: str
) -> None:
    """IAM's policies count for a key where its own policy names the account; never by themselves."""
    request = Request(SESSION, "kms:Decrypt", KEY, owner=owner)

    assert decide_access(request, identity=identity, resource=own).effect == effect


@pytest.mark.parametrize(
    ("identity", "trusts", "context", "effect"),
    [
        ([allow("sts:AssumeRole", ROLE_B)], trust({"AWS": ROLE}), {}, "allow"),
        ([allow("sts:AssumeRole", ROLE_B)], trust({"AWS": A}), {}, "allow"),
        ([], trust({"AWS": ROLE}), {}, "none"),
        ([allow("sts:AssumeRole", f"{ROLE_B}-2")], trust({"AWS": ROLE}), {}, "none"),
        ([allow("sts:AssumeRole", ROLE_B)], trust({"AWS": f"{ROLE}-2"}), {}, "none"),
        ([allow("sts:AssumeRole", ROLE_B)], trust({"Service": "ec2.amazonaws.com"}), {}, "none"),
        (
            [allow("sts:AssumeRole", ROLE_B)],
            trust({"AWS": ROLE}, StringEquals={"sts:ExternalId": "x"}),
            {"sts:ExternalId": "x"},
            "allow",
        ),
        ([allow("sts:AssumeRole", ROLE_B)], trust({"AWS": ROLE}, StringEquals={"sts:ExternalId": "x"}), {}, "none"),
        (
            [allow("sts:AssumeRole", ROLE_B)],
            trust({"AWS": ROLE}, StringEquals={"sts:ExternalId": "x"}),
            {"sts:ExternalId": "y"},
            "none",
        ),
    ],
)
def test_a_role_is_assumed_only_by_whom_it_trusts(
    identity: list[Policy], trusts: Policy, context: dict[str, str], effect: str
) -> None:
    """Both the caller's policy and the trust policy allow, and an external id that is asked for is there and right."""
    request = Request(SESSION, "sts:AssumeRole", ROLE_B, context)

    assert decide_access(request, identity=identity, resource=trusts).effect == effect


def test_a_service_is_allowed_by_name() -> None:
    """A trust policy for EC2 lets EC2 in, and nobody else."""
    trusts = trust({"Service": "ec2.amazonaws.com"})

    assert decide_access(Request("ec2.amazonaws.com", "sts:AssumeRole", ROLE), resource=trusts).effect == "allow"
    assert decide_access(Request("s3.amazonaws.com", "sts:AssumeRole", ROLE), resource=trusts).effect == "none"


def test_a_condition_on_who_calls_means_the_role_and_not_its_session() -> None:
    """`aws:PrincipalArn` is the role's ARN, https://docs.aws.amazon.com/IAM/latest/UserGuide/ (condition keys)."""

    def effect(wanted: str) -> str:
        trusts = trust({"AWS": A}, ArnLike={"aws:PrincipalArn": wanted})
        request = Request(SESSION, "sts:AssumeRole", ROLE_B)
        return decide_access(request, identity=[allow("sts:AssumeRole")], resource=trusts).effect

    assert [effect(f"arn:aws:iam::{A}:role/Source-*"), effect(SESSION), effect("arn:aws:iam::*:user/*")] == [
        "allow",
        "none",
        "none",
    ]


def test_the_owner_of_an_account_needs_no_policy() -> None:
    """The root user of the account of a bucket may do all that its policy does not deny."""
    root = Request(f"arn:aws:iam::{A}:root", "s3:GetObject", OBJECT, owner=A)

    assert decide_access(root).effect == "allow"
    assert decide_access(root, resource=deny("s3:*", Principal="*")).effect == "deny"


# ------------------------------------------------------------------------------------------ what cannot be known


def test_an_operator_that_is_not_known_is_never_true() -> None:
    """An Allow with it is unknown, and so is an allowed action that a Deny with it may mean."""
    strange = {"StringSounds": {"aws:PrincipalOrgID": "o"}}
    request = Request(ROLE, "s3:GetObject", OBJECT, {"aws:PrincipalOrgID": "o"})

    assert decide([allow("s3:*", Condition=strange)], request) == "unknown"
    assert decide([allow("s3:*"), deny("s3:*", Condition=strange)], request) == "unknown"
    assert decide([allow("s3:*"), allow("s3:*", Condition=strange)], request) == "allow"
    assert decide([deny("s3:*", Condition=strange)], request) == "none"
    assert decide([allow("s3:*"), deny("kms:*", Condition=strange)], request) == "allow"


def test_a_value_that_is_not_known_is_unknown() -> None:
    """A context with None says that the key is there with a value that nobody knows here."""
    office = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    both = {**office, "Bool": {"aws:SecureTransport": "true"}}

    assert conditions_met(office, {"aws:SourceIp": None}) is None
    assert conditions_met(both, {"aws:SourceIp": None, "aws:SecureTransport": "false"}) is False
    assert conditions_met(office, {}) is False
    assert conditions_met({"NumericLessThan": {"s3:max-keys": "many"}}, {"s3:max-keys": "3"}) is None


def test_a_deny_for_all_but_some_spares_who_is_named_in_every_form() -> None:
    """With session, role and account named nothing is denied; with some of them it is unknown; with none it is."""
    forms = [SESSION, ROLE, f"arn:aws:iam::{A}:root"]
    request = Request(SESSION, "s3:GetObject", OBJECT, owner=A)

    effects = [
        decide_access(request, identity=[allow("s3:*")], resource=deny("s3:*", NotPrincipal={"AWS": named})).effect
        for named in (forms, forms[:1], f"arn:aws:iam::{B}:root")
    ]

    assert effects == ["allow", "unknown", "deny"]


def test_a_doubt_about_one_side_does_not_hide_that_another_lacks() -> None:
    """What no policy allows is not allowed, whatever else cannot be known."""
    strange = {"StringSounds": {"aws:PrincipalOrgID": "o"}}
    request = Request(SESSION, "s3:GetObject", OBJECT, owner=B)

    decision = decide_access(request, identity=[], resource=to("*", "s3:*", Condition=strange))

    assert decision == Decision("none", ("identity",))


# ------------------------------------------------------------------------------------------ the finer print


def test_variables_of_policies_are_filled_in() -> None:
    """A policy may speak of the caller's tags; a star in one is a star, and what is not there matches nothing."""
    policy = allow("s3:*", "arn:aws:s3:::crm/${aws:PrincipalTag/team}/*")

    def effect(**tags: str) -> str:
        context = {f"aws:PrincipalTag/{name}": value for name, value in tags.items()}
        return decide([policy], Request(ROLE, "s3:GetObject", OBJECT, context))

    assert [effect(team="in"), effect(team="out"), effect(team="*"), effect()] == ["allow", "none", "none", "none"]


def test_a_variable_without_a_value_matches_nothing() -> None:
    """Not even where what is left without it would match; a default of the policy stands in, where there is one."""
    tail = decide([allow("s3:*", f"{OBJECT}${{aws:PrincipalTag/team}}")], Request(ROLE, "s3:GetObject", OBJECT))
    default = allow("s3:*", "arn:aws:s3:::crm/${aws:PrincipalTag/team, 'in'}/*")

    assert tail == "none"
    assert decide([default], Request(ROLE, "s3:GetObject", OBJECT)) == "allow"


def test_a_negated_condition_is_not_met_by_one_of_several_values() -> None:
    """AWS leaves plain operators on keys with several values open: one value that is excluded is enough to refuse."""
    others = {"StringNotEquals": {"aws:TagKeys": ["secret"]}}

    assert conditions_met(others, {"aws:TagKeys": ["team", "secret"]}) is False
    assert conditions_met(others, {"aws:TagKeys": ["team", "cost"]}) is True


def test_a_pattern_that_is_no_arn_is_not_known_to_match_one() -> None:
    """ARNs are compared part by part, and what has no parts cannot be."""
    bucket = {"aws:SourceArn": "arn:aws:s3:::crm"}

    assert conditions_met({"ArnLike": {"aws:SourceArn": "*"}}, bucket) is None
    assert conditions_met({"ArnLike": {"aws:SourceArn": "arn:aws:*"}}, bucket) is None
    assert conditions_met({"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:crm"}}, bucket) is True
    assert conditions_met({"ArnLike": {"aws:SourceArn": "arn:*:crm"}}, bucket) is None


def test_the_document_s_condition_on_tls_denies_plain_http_alone() -> None:
    """AllowSSLRequestsOnly denies what comes without TLS, to everyone, and nothing else."""
    own = deny(
        "s3:*", [OBJECT, "arn:aws:s3:::crm"], Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}}
    )

    effects = [
        decide_access(Request(ROLE, "s3:GetObject", OBJECT, given), identity=[allow("s3:*")], resource=own).effect
        for given in ({"aws:SecureTransport": "true"}, {"aws:SecureTransport": "false"})
    ]

    assert effects == ["allow", "deny"]


def test_the_document_lets_a_source_table_be_deleted() -> None:
    """`table/<table-name>*` covers the source too: a policy of ours needs a Deny on it."""
    tables = "arn:aws:dynamodb:eu-west-1:222222222222:table/"
    documented = allow("dynamodb:DeleteTable", f"{tables}users*")
    source = Request(ROLE_B, "dynamodb:DeleteTable", f"{tables}users")

    assert decide([documented], source) == "allow"
    assert decide([documented, deny("dynamodb:DeleteTable", f"{tables}users")], source) == "deny"


def test_a_statement_without_effect_is_refused() -> None:
    """A policy that AWS would not take is not evaluated."""
    with pytest.raises(PlanError, match="statement 1 of a policy has no Effect"):
        decide([{"Statement": [{"Action": "*", "Resource": "*"}]}], Request(ROLE, "s3:GetObject", OBJECT))
