"""The scenarios of DataMasque's page on access across accounts, each with its accounts, roles and policies enforced."""

from __future__ import annotations

from typing import Any

import pytest

import dmengine as dm
from dmengine.connectors import S3Files, SessionFactory
from dmengine.errors import DmengineError, PlanError, StoreError
from tests.access.policy_lab import documented as of_the_page
from tests.aws import documented
from tests.aws.s3_lab import PEOPLE, RULES, SOURCE, TARGET, bodies, parquet_of, session_of_a, target_now
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, SOURCE_ROLE
from tests.aws.standins.policies import Policies
from tests.aws.standins.world import ROLE_B, ROLE_C, World

MANY = [f"person-{n}@x.org" for n in range(500)]


@pytest.fixture
def policies(world: World, a: SessionFactory) -> Policies:
    """Enforce policies; there are none yet but the default ones of AWS."""
    return world.enforce()


def let_in_by_buckets(world: World, policies: Policies) -> None:
    """Set up what the page calls "Using S3 Bucket Policies"."""
    policies.roles[SOURCE_ROLE] = [documented.in_account_a()]
    for bucket in (SOURCE, TARGET):
        world.add_bucket_policy(bucket, documented.of_bucket(bucket, SOURCE_ROLE))


def let_in_by_roles(world: World, policies: Policies) -> None:
    """Set up what the page calls "Using Assume Role"."""
    policies.roles[SOURCE_ROLE] = [documented.assuming(ROLE_B, ROLE_C)]
    for role in (ROLE_B, ROLE_C):
        world.add_role(role, documented.trusting(SOURCE_ROLE), documented.of_target_role(SOURCE, TARGET))


def by_buckets(world: World, **options: Any) -> tuple[S3Files, S3Files]:
    session = session_of_a(world)
    return S3Files(f"s3://{SOURCE}/in/", session), S3Files(f"s3://{TARGET}/out/", session, **options)


def by_roles(world: World, **options: Any) -> tuple[S3Files, S3Files]:
    session = session_of_a(world)
    return (
        S3Files(f"s3://{SOURCE}/in/", session.assume(ROLE_B)),
        S3Files(f"s3://{TARGET}/out/", session.assume(ROLE_C), **options),
    )


def put(world: World, name: str = "a.csv", body: bytes = PEOPLE, **encryption: Any) -> None:
    world.owner("s3", ACCOUNT_B).put_object(Bucket=SOURCE, Key=f"in/{name}", Body=body, **encryption)


def with_key(key: str, algorithm: str = "aws:kms") -> dict[str, Any]:
    return {"ServerSideEncryption": algorithm, "SSEKMSKeyId": key}


def encryption_of(world: World, name: str = "a.csv") -> tuple[str, str]:
    head = world.owner("s3", ACCOUNT_C).head_object(Bucket=TARGET, Key=f"out/{name}")
    return head["ServerSideEncryption"], head.get("SSEKMSKeyId", "")


def mask(ends: tuple[S3Files, S3Files], key: dm.Key) -> dm.Report:
    source, target = ends
    return dm.run(source, target, RULES, key)


def assert_masked(world: World, report: dm.Report, names: tuple[str, ...] = ("a.csv",)) -> None:
    """Everything arrived, nothing unmasked did, and nothing is left over."""
    contents = target_now(world)
    assert sorted(bodies(contents)) == [f"out/{name}" for name in sorted(names)]
    assert b"ann@x.org" not in contents.everything()
    assert b"person-7@x.org" not in contents.everything()
    assert contents.uploads == ()
    assert report.leftovers == ()


# ------------------------------------------------------------------------------------------ the two ways of access


def test_bucket_policies_let_a_role_of_a_in(world: World, policies: Policies, key: dm.Key) -> None:
    """Figure 1: A's role masks from a bucket of B to a bucket of C, which name it in their policies."""
    let_in_by_buckets(world, policies)
    put(world)

    report = mask(by_buckets(world), key)

    assert_masked(world, report)
    assert world.proxy.count("AssumeRole") == 0


def test_roles_of_b_and_c_are_assumed(world: World, policies: Policies, key: dm.Key) -> None:
    """Figure 2: A's role may do nothing but assume Target-DM-Role in B and in C."""
    let_in_by_roles(world, policies)
    put(world)

    report = mask(by_roles(world), key)

    assert_masked(world, report)
    assert {action for role, action in policies.granted() if role == SOURCE_ROLE} == {"sts:AssumeRole"}


@pytest.mark.parametrize("assumed", ["source", "target"])
def test_both_ways_are_combined(assumed: str, world: World, policies: Policies, key: dm.Key) -> None:
    """One bucket lets A's role in, in the account of the other a role is assumed."""
    let_in_by_roles(world, policies)
    policies.roles[SOURCE_ROLE].append(documented.in_account_a())
    other = TARGET if assumed == "source" else SOURCE
    world.add_bucket_policy(other, documented.of_bucket(other, SOURCE_ROLE))
    put(world)
    plain, roles = by_buckets(world), by_roles(world)

    report = mask((roles[0], plain[1]) if assumed == "source" else (plain[0], roles[1]), key)

    assert_masked(world, report)
    assert world.proxy.count("AssumeRole") == 1


def test_a_role_that_the_bucket_names_may_be_assumed_too(world: World, policies: Policies, key: dm.Key) -> None:
    """A assumes B's role, and C's bucket lets that role in: the two ways one after the other."""
    let_in_by_roles(world, policies)
    policies.roles[ROLE_B].append(documented.in_account_a())
    world.add_bucket_policy(TARGET, documented.of_bucket(TARGET, ROLE_B))
    put(world)
    b = session_of_a(world).assume(ROLE_B)

    source, target = (S3Files(url, b, expected_owner=owner) for url, owner in (
        (f"s3://{SOURCE}/in/", ACCOUNT_B), (f"s3://{TARGET}/out/", ACCOUNT_C),
    ))  # fmt: skip
    report = mask((source, target), key)

    assert_masked(world, report)


def test_a_role_that_no_bucket_names_is_refused(world: World, policies: Policies, key: dm.Key) -> None:
    """Both sides have to allow: without the bucket's policy A's own policy opens nothing, nor the other way round."""
    put(world)
    policies.roles[SOURCE_ROLE] = [documented.in_account_a()]

    with pytest.raises(StoreError, match=r"AccessDenied \(ListObjectsV2"):
        mask(by_buckets(world), key)

    let_in_by_buckets(world, policies)
    policies.roles[SOURCE_ROLE] = []
    with pytest.raises(StoreError, match=r"AccessDenied \(ListObjectsV2"):
        mask(by_buckets(world), key)
    assert not bodies(target_now(world))


def test_a_role_that_does_not_trust_a_is_not_assumed(world: World, policies: Policies, key: dm.Key) -> None:
    """A trust policy that names another role of A keeps this one out."""
    let_in_by_roles(world, policies)
    world.add_role(ROLE_C, documented.trusting(f"{SOURCE_ROLE}-2"), documented.of_target_role(SOURCE, TARGET))
    put(world)

    with pytest.raises(DmengineError, match="AccessDenied"):
        mask(by_roles(world), key)

    assert (SOURCE_ROLE, "sts:AssumeRole") in policies.refused()


def test_plain_http_is_denied_by_the_buckets(world: World, policies: Policies, key: dm.Key) -> None:
    """AllowSSLRequestsOnly: the same set-up without TLS is refused before anything is written."""
    let_in_by_buckets(world, policies)
    put(world)
    policies.secure = False

    with pytest.raises(StoreError, match="AccessDenied"):
        mask(by_buckets(world), key)

    assert not target_now(world).objects


# ------------------------------------------------------------------------------------------ encryption


@pytest.mark.parametrize("way", ["buckets", "roles"])
def test_sse_s3_needs_nothing_more(way: str, world: World, policies: Policies, key: dm.Key) -> None:
    """Whoever may use a bucket may use S3's own keys, in both ways of access."""
    set_up, ends = WAYS[way]
    set_up(world, policies)
    put(world, ServerSideEncryption="AES256")

    report = mask(ends(world), key)

    assert_masked(world, report)
    assert encryption_of(world) == ("AES256", "")
    assert not [one for one in policies.judged if one.action.startswith("kms:")]


@pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
@pytest.mark.parametrize("asked", [True, False], ids=["asked for", "the bucket's default"])
def test_kms_keys_are_used_by_the_assumed_roles(
    algorithm: Any, asked: bool, world: World, policies: Policies, key: dm.Key
) -> None:
    """SSE-KMS and DSSE-KMS: each account's role uses its account's key, asked for or as the bucket's default."""
    let_in_by_roles(world, policies)
    keys = {role: world.add_key(role.split(":")[4]) for role in (ROLE_B, ROLE_C)}
    for role, arn in keys.items():
        policies.roles[role].append(documented.using_keys(arn))
    put(world, **with_key(keys[ROLE_B], algorithm))
    if asked:
        ends = by_roles(world, encryption=algorithm, kms_key=keys[ROLE_C])
    else:
        world.encrypt_bucket(TARGET, keys[ROLE_C], algorithm)
        ends = by_roles(world)

    report = mask(ends, key)

    assert_masked(world, report)
    assert encryption_of(world) == (algorithm, keys[ROLE_C])
    used = {(one.role, one.action, one.resource) for one in policies.judged if one.action.startswith("kms:")}
    assert used >= {
        (ROLE_B, "kms:Decrypt", keys[ROLE_B]),
        (ROLE_C, "kms:GenerateDataKey", keys[ROLE_C]),
        (ROLE_C, "kms:Decrypt", keys[ROLE_C]),
    }


@pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
def test_kms_keys_let_a_role_of_a_in(algorithm: str, world: World, policies: Policies, key: dm.Key) -> None:
    """With bucket policies a key's own policy has to name A's role, besides its identity policy."""
    let_in_by_buckets(world, policies)
    policies.roles[SOURCE_ROLE].append(documented.using_any_key())
    key_b, key_c = (world.add_key(one, documented.of_key(SOURCE_ROLE, one)) for one in (ACCOUNT_B, ACCOUNT_C))
    put(world, **with_key(key_b, algorithm))
    world.encrypt_bucket(TARGET, key_c, algorithm)

    report = mask(by_buckets(world), key)

    assert_masked(world, report)
    assert encryption_of(world) == (algorithm, key_c)


@pytest.mark.parametrize("lacking", ["key policy", "identity policy"])
def test_a_bucket_policy_gives_no_access_to_keys(lacking: str, world: World, policies: Policies, key: dm.Key) -> None:
    """Without one of the two sides the object cannot be read; the error says that a key is needed."""
    let_in_by_buckets(world, policies)
    if lacking == "key policy":
        policies.roles[SOURCE_ROLE].append(documented.using_any_key())
        arn = world.add_key(ACCOUNT_B)
    else:
        arn = world.add_key(ACCOUNT_B, documented.of_key(SOURCE_ROLE, ACCOUNT_B))
    put(world, **with_key(arn))

    with pytest.raises(PlanError, match=r"AccessDenied \(GetObject") as caught:
        mask(by_buckets(world), key)

    assert "needs kms:Decrypt" in caught.value.hint
    assert not bodies(target_now(world))


def test_different_objects_have_different_keys(world: World, policies: Policies, key: dm.Key) -> None:
    """Each key that an object of a bucket has lets A's role in; then all of them are read."""
    let_in_by_buckets(world, policies)
    policies.roles[SOURCE_ROLE].append(documented.using_any_key())
    names = ("a.csv", "b.csv", "c.parquet")
    keys = [world.add_key(ACCOUNT_B, documented.of_key(SOURCE_ROLE, ACCOUNT_B)) for _ in names]
    for name, arn in zip(names, keys, strict=True):
        put(world, name, parquet_of(MANY) if name.endswith("parquet") else PEOPLE, **with_key(arn))

    report = mask(by_buckets(world), key)

    assert_masked(world, report, names)
    assert {one.resource for one in policies.judged if one.action == "kms:Decrypt"} == set(keys)


def test_one_key_of_many_that_is_not_shared_stops_the_run(world: World, policies: Policies, key: dm.Key) -> None:
    """The page: apply the policy to each key. One without it, and the target shows nothing."""
    let_in_by_buckets(world, policies)
    policies.roles[SOURCE_ROLE].append(documented.using_any_key())
    put(world, "a.csv", **with_key(world.add_key(ACCOUNT_B, documented.of_key(SOURCE_ROLE, ACCOUNT_B))))
    put(world, "b.csv", **with_key(world.add_key(ACCOUNT_B)))

    with pytest.raises(PlanError, match="AccessDenied") as caught:
        mask(by_buckets(world), key)

    assert "b.csv" in str(caught.value)
    assert not bodies(target_now(world))


def test_the_managed_key_of_s3_never_works_across_accounts(world: World, policies: Policies, key: dm.Key) -> None:
    """aws/s3 lets in its own account by way of S3 and nobody else, whatever A's role may; B's own role may."""
    let_in_by_buckets(world, policies)
    policies.roles[SOURCE_ROLE].append(documented.using_any_key())
    put(world, ServerSideEncryption="aws:kms")

    with pytest.raises(PlanError, match=r"AccessDenied \(GetObject"):
        mask(by_buckets(world), key)
    assert not bodies(target_now(world))

    let_in_by_roles(world, policies)
    assert_masked(world, mask(by_roles(world), key))


WAYS = {"buckets": (let_in_by_buckets, by_buckets), "roles": (let_in_by_roles, by_roles)}


def test_these_policies_are_those_of_the_page() -> None:
    """Statement by statement: the same Sids, actions, resources, principals and conditions as the page's JSON."""
    role = "arn:aws:iam::111111111111:role/DM-Role"
    source_role = "arn:aws:iam::111111111111:role/Source-DM-Role"
    key_c = documented.of_key(role, ACCOUNT_C)
    ours = {
        "identity-of-a": documented.in_account_a(),
        "bucket": documented.of_bucket("crm-test", role),
        "assume": documented.assuming(ROLE_B, ROLE_C),
        "trust": documented.trusting(source_role),
        "role-s3": documented.of_target_role("crm", "crm-test"),
        "identity-kms": documented.using_any_key(),
        "key": {**key_c, "Statement": key_c["Statement"][1:]},
    }

    for name, policy in ours.items():
        assert _plain(policy) == _plain(of_the_page(name)), name


def _plain(policy: Any) -> Any:
    """Return a policy with its lists in one form and order."""
    if isinstance(policy, dict):
        return {key: _plain(value) for key, value in policy.items() if key not in ("Version", "Id")}
    if isinstance(policy, (list, tuple)):
        found = [_plain(one) for one in policy]
        return found[0] if len(found) == 1 else sorted(found, key=str)
    return policy
