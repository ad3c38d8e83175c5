"""Connections: the document's keys and ours, in and out of files, as whom they call, and what they refuse."""

from __future__ import annotations

import json
import logging
import pickle
import re
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmengine import registry
from dmengine.connectors import (
    DynamoDBConnection,
    RedshiftConnection,
    S3Connection,
    SessionFactory,
    load_connection,
    updated,
)
from dmengine.errors import DmengineError, PlanError, RulesetError, StoreError
from dmengine_connectors.connections.connection import Connection, keys_of
from dmengine_connectors.connections.schema import connection_schema, schema_text
from tests.connections.written import ALL, CLUSTER, DEEP, DYNAMODB, HOP, IAM_LOGIN, OURS, REDSHIFT, RELAY, S3, SECRET

jsonschema: Any = pytest.importorskip("jsonschema")
DOCS = Path(__file__).parents[2] / "docs"
VALIDATOR = jsonschema.Draft202012Validator(connection_schema())


def without(keys: dict[str, Any], *names: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in keys.items() if name not in names} | more


def refusal(keys: dict[str, Any]) -> str:
    with pytest.raises(RulesetError) as caught:
        load_connection(keys)
    return str(caught.value)


# ------------------------------------------------------------------------------------------ in and out


@pytest.mark.parametrize("keys", ALL, ids=lambda keys: keys["name"])
@pytest.mark.parametrize("ending", ["json", "yaml", "yml"])
def test_a_saved_connection_loads_as_the_same_one(keys: dict[str, Any], ending: str, tmp_path: Path) -> None:
    """Load, save, load: equal, and the second file is the first one to the byte, whatever keys it began with."""
    for number, written in enumerate((keys, keys | OURS, dict(reversed(list((keys | OURS).items()))))):
        first, second = tmp_path / f"{number}.{ending}", tmp_path / f"{number}-again.{ending}"
        connection = load_connection(written)
        connection.save(first)
        again = load_connection(first)
        again.save(second)

        assert again == connection
        assert first.read_bytes() == second.read_bytes()
        assert {name: again.to_dict()[name] for name in written} == written


def test_the_keys_of_a_file_stand_in_one_order(tmp_path: Path) -> None:
    """First what it is, then what it leads to, then as whom; as the document writes them."""
    load_connection(dict(reversed(S3.items()))).save(tmp_path / "b.json")

    assert list(json.loads((tmp_path / "b.json").read_text())) == [
        "version", "name", "type", "mask_type", "bucket", "base_directory", "is_file_mask_source",
        "is_file_mask_destination", "requester_pays", "iam_role_arn",
    ]  # fmt: skip


@given(
    name=st.text(min_size=1).filter(lambda text: "\x00" not in text and text.isprintable()),
    base=st.text(alphabet="ab/ _é#:'\"", max_size=12), owner=st.integers(0, 10**12 - 1),
    roles=st.lists(st.sampled_from([HOP, RELAY, {"arn": DEEP, "external_id": "x7"}]), max_size=3),
    role=st.sampled_from([None, DEEP]), source=st.booleans(), seconds=st.integers(900, 3600),
)  # fmt: skip
def test_any_connection_survives_both_formats(
    name: str, base: str, owner: int, roles: list[Any], role: str | None, source: bool, seconds: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    """Whatever text the keys hold, JSON and YAML bring it back."""
    keys: dict[str, Any] = {
        "name": name, "type": "s3_connection", "bucket": "crm", "base_directory": base, "roles": roles,
        "is_file_mask_source": source, "bucket_owner": f"{owner:012}",
    }  # fmt: skip
    if role:
        keys |= {"iam_role_arn": role, "duration": seconds, "session_name": "nightly"}
    folder = tmp_path_factory.mktemp("connections")
    connection = load_connection(keys)
    for ending in ("json", "yaml"):
        connection.save(folder / f"c.{ending}")

        assert load_connection(folder / f"c.{ending}") == connection


def test_numbers_that_yaml_makes_of_versions_and_accounts_are_taken(tmp_path: Path) -> None:
    """1.0 and twelve digits may stand without quotes; a leading zero is kept."""
    text = "version: 1.0\nname: b\ntype: s3_connection\nbucket: crm\nbucket_owner: 222222222222\n"
    (tmp_path / "b.yaml").write_text(text + "expected_account: 012345678901\n")

    found = S3Connection.load(tmp_path / "b.yaml")

    assert (found.version, found.bucket_owner, found.expected_account) == ("1.0", "222222222222", "012345678901")


def test_a_connection_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    """A wrong ending or a folder that is not there is an error, and what was there stays."""
    (tmp_path / "b.txt").write_text("mine")
    for path in (tmp_path / "b.txt", tmp_path / "nowhere" / "b.json"):
        with pytest.raises(StoreError):
            load_connection(S3).save(path)

    assert (tmp_path / "b.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_a_connection_of_another_type_is_not_taken_for_it(tmp_path: Path) -> None:
    """`S3Connection.load` says what the file really is."""
    load_connection(DYNAMODB).save(tmp_path / "d.json")

    with pytest.raises(RulesetError, match=r"d\.json is a connection to dynamo_db"):
        S3Connection.load(tmp_path / "d.json")


# ------------------------------------------------------------------------------------------ what it means


def test_without_a_role_key_no_role_is_assumed() -> None:
    """Neither `iam_role_arn` nor `roles`: the calls are those of the environment."""
    for keys in ALL:
        assert load_connection(without(keys, "iam_role_arn")).session().roles == ()


def test_roles_come_in_order_and_the_role_last() -> None:
    """Each role has what it says itself, and a bare ARN what the connection says."""
    chain = load_connection(S3 | OURS).session().roles

    assert [role.arn for role in chain] == [HOP, RELAY, DEEP]
    assert [role.external_id for role in chain] == [None, "relay-1", "masking-7"]
    assert [role.session_name for role in chain] == ["nightly", "dmengine", "nightly"]
    assert [role.duration for role in chain] == [900, 3600, 900]
    assert [dict(role.tags) for role in chain] == [{"a": "b"}, {"team": "data"}, {"a": "b"}]


def test_a_session_begins_with_another_one() -> None:
    """The roles come after those of the base; the region is the connection's, and the beginning is the base's."""
    base = SessionFactory(region="eu-west-1").assume(HOP)
    connection = load_connection(without(S3, region="eu-west-1"))

    assert [role.arn for role in connection.session(base).roles] == [HOP, DEEP]
    assert connection.session(SessionFactory(region="eu-north-1")).region == "eu-west-1"
    assert connection.session().region == "eu-west-1"
    with pytest.raises(PlanError, match="says its own profile"):
        load_connection(S3 | {"profile": "masking"}).session(base)


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("", "", "s3://crm-of-b/"), ("export", "", "s3://crm-of-b/export/"), ("/export/", "a.csv", "s3://crm-of-b/export/a.csv"),
        ("a/b/", "c/", "s3://crm-of-b/a/b/c/"), ("", "/c/", "s3://crm-of-b/c/"),
    ],
)  # fmt: skip
def test_paths_begin_in_the_base_directory(base: str, path: str, url: str) -> None:
    """However slashes are written, there is one between the two."""
    assert load_connection(without(S3, base_directory=base)).files(path).location == url


def test_files_have_what_the_connection_says_unless_they_say_it_themselves() -> None:
    """Owner, encryption and key are those of the connection; options go before them."""
    connection = load_connection(S3 | OURS)
    files = connection.files("in/", exclude=["*.jpg"])

    assert (files.expected_owner, files.encryption, files.kms_key) == ("444444444444", "aws:kms", "alias/x")
    assert list(files.exclude) == ["*.jpg"]
    assert connection.files(encryption="aws:kms:dsse").encryption == "aws:kms:dsse"
    assert files.session == connection.session()


def test_a_connection_is_used_on_the_sides_that_it_is_for() -> None:
    """`is_file_mask_source: false` refuses a source, `is_file_mask_destination: false` a target."""
    source = load_connection(S3)
    target = load_connection(S3 | {"is_file_mask_source": False, "is_file_mask_destination": True})

    assert source.files(side="source").location == target.files(side="target").location
    for connection, side in ((source, "target"), (target, "source")):
        with pytest.raises(PlanError, match=rf"not to be used as {side}: is_file_mask"):
            connection.files(side=side)  # type: ignore[arg-type]


def test_the_roles_of_the_cluster_are_not_those_of_dmengine() -> None:
    """The cluster's roles go into SQL, and dmengine assumes none of them."""
    apart = RedshiftConnection.from_dict(REDSHIFT | {"iam_role_arn": DEEP})
    of_the_page = RedshiftConnection.from_dict(without(REDSHIFT, "s3_redshift_iam_role", iam_role_arn=CLUSTER))

    assert (apart.cluster_iam_role, [role.arn for role in apart.chain]) == (CLUSTER, [DEEP])
    assert (of_the_page.cluster_iam_role, of_the_page.chain, of_the_page.own_role) == (CLUSTER, (), None)
    assert of_the_page.to_dict()["iam_role_arn"] == CLUSTER
    assert [role.account for role in apart.cluster_roles] == ["222222222222", "111111111111"]


def test_the_tables_region_is_that_of_the_calls() -> None:
    """`dynamo_default_region` is as good as `region`."""
    connection = DynamoDBConnection.from_dict(DYNAMODB)

    assert connection.session().region == "eu-west-1"
    assert connection.staging == "s3://stage-of-b/masking/"


def test_databases_have_no_files() -> None:
    """The error says what kind of connection it is."""
    for keys in (DYNAMODB, REDSHIFT):
        for use in (load_connection(keys).files, load_connection(keys).connector):
            with pytest.raises(PlanError, match=keys["db_type"]):
                use()


def test_connections_import_no_aws_library() -> None:
    """Loading one and making its files is plain work: boto3 comes with the first call."""
    code = (
        "import sys; from dmengine.connectors import load_connection\n"
        f"load_connection({S3!r}).files('in/'); sys.exit('boto3' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


# ------------------------------------------------------------------------------------------ updates


def test_an_update_says_what_it_drops() -> None:
    """As with a PUT, what the new keys do not say is gone, and named."""
    old = load_connection(S3 | OURS)
    new, dropped = updated(old, without(S3, "base_directory", "iam_role_arn", bucket="crm-2"))

    assert new == load_connection(without(S3, "base_directory", "iam_role_arn", bucket="crm-2"))
    assert set(dropped) == {"base_directory", *OURS}
    assert updated(old, old.to_dict()) == (old, ())


def test_an_update_does_not_make_another_type_of_it() -> None:
    """A connection to S3 stays one."""
    with pytest.raises(RulesetError, match="is a connection to s3_connection, and the new keys are one to dynamo_db"):
        updated(load_connection(S3), DYNAMODB)


# ------------------------------------------------------------------------------------------ refusals

BAD: list[tuple[dict[str, Any], str]] = [
    (S3 | {"role_arn": DEEP}, "there is no role_arn here|did you mean iam_role_arn"),
    (S3 | {"bukcet": "x"}, "there is no bukcet here|did you mean bucket"),
    (S3 | {"expected_owner": "1"}, "did you mean bucket_owner"),
    (S3 | {"aws_secret_access_key": SECRET}, "credentials never stand in a connection"),
    (S3 | {"roles": [{"arn": HOP, "externalid": "x7"}]}, "roles.0.externalid|did you mean external_id"),
    (S3 | {"roles": [HOP, 7]}, "roles.1|write its ARN"),
    (S3 | {"roles": [HOP.replace("role", "user")]}, "is not the ARN of a role"),
    (S3 | {"roles": HOP}, "roles wants a list"),
    (S3 | {"version": "2.0"}, "version wants 1.0"),
    (S3 | {"type": "s3_conection"}, "did you mean s3_connection"),
    (S3 | {"type": "dynamo_db"}, "there is no bucket here|there is no type here|of a database write db_type alone"),
    (without(S3, "type"), "names no type of connection|db_type: dynamo_db or redshift"),
    (without(S3, "bucket", "name"), "bucket is missing|name is missing"),
    (S3 | {"bucket": "s3://crm/in"}, "not the name of a bucket|goes to base_directory"),
    (S3 | {"is_file_mask_source": False}, "it is of no use"),
    (S3 | {"is_file_mask_source": "yes"}, "wants true or false"),
    (S3 | {"encryption": "AES256", "kms_key": "alias/x"}, "kms_key goes with aws:kms"),
    (S3 | {"encryption": "aws:kmss"}, "did you mean aws:kms"),
    (S3 | {"bucket_owner": "2222-2222-2222"}, "12 digits, without dashes"),
    (S3 | {"expected_account": "222222222222"}, "expected_account is 222222222222, and the last role is of"),
    (S3 | {"region": "Ireland"}, "write one such as eu-west-1"),
    (S3 | {"endpoint_url": "http://s3.example.org"}, "spoken to without encryption"),
    (S3 | {"duration": 60}, "duration wants"),
    (S3 | {"roles": [HOP], "duration": 7200}, "another role assumes it"),
    (S3 | {"external_id": "x"}, "external_id= is not what STS takes"),
    (without(S3, "iam_role_arn", external_id="x7"), "external_id is that of iam_role_arn, which is missing"),
    (without(S3, "iam_role_arn", tags={"a": "b"}, duration=900), "tags is said of no role|duration is said of no role"),
    (DYNAMODB | {"host": "x", "dbpassword": SECRET}, "host: DynamoDB has nothing of the kind|dbpassword: DynamoDB"),
    (DYNAMODB | {"region": "eu-north-1"}, "dynamo_default_region is not the same as region"),
    (DYNAMODB | {"dynamo_default_sse": {"selection": "account_managed"}}, "kms_key_id goes with account_managed"),
    (without(DYNAMODB, "s3_bucket_name"), "s3_bucket_name is missing"),
    (without(REDSHIFT, "s3_redshift_iam_role"), "s3_redshift_iam_role is missing"),
    (without(REDSHIFT, "s3_redshift_iam_role", iam_role_arn=DEEP), "iam_role_arn is for dmengine itself"),
    (REDSHIFT | {"iam_role_arn": CLUSTER}, "has roles of the cluster, and s3_redshift_iam_role too"),
    (REDSHIFT | {"s3_redshift_iam_role": CLUSTER.replace(",", ", ")}, "no spaces between the roles"),
    (REDSHIFT | {"s3_redshift_iam_role": ",".join([HOP] * 11)}, "10 roles at most"),
    (REDSHIFT | {"password": SECRET}, "there is no password here|did you mean dbpassword"),
    (REDSHIFT | {"port": 0}, "port wants"),
]


@pytest.mark.parametrize(("keys", "says"), BAD, ids=lambda one: one if isinstance(one, str) else "")
def test_a_wrong_connection_is_told_what_is_right(keys: dict[str, Any], says: str) -> None:
    """Every problem at once, each with its key and a remedy; nothing secret is repeated."""
    said = refusal(keys)

    assert [part for part in says.split("|") if part not in said] == [], said
    assert SECRET not in said


def test_problems_have_lines_in_json_and_yaml(tmp_path: Path) -> None:
    """Each is told with file, line and column."""
    (tmp_path / "b.json").write_text(json.dumps(S3 | {"role_arn": DEEP, "bucket": 7}, indent=2))
    (tmp_path / "b.yaml").write_text("name: b\ntype: s3_connection\nbucket: crm\nduration: 900\ntags: {a: b}\n")

    for name, says in (
        ("b.json", r"b\.json:6:13: bucket wants text\n +b\.json:11:3: there is no role_arn here; did you mean iam"),
        ("b.yaml", r"b\.yaml:4:11: duration is said of no role; add .*\n +b\.yaml:5:7: tags is said of no role"),
    ):  # fmt: skip
        with pytest.raises(RulesetError, match=says):
            load_connection(tmp_path / name)


def test_a_file_that_holds_no_mapping_is_refused(tmp_path: Path) -> None:
    """A list, a word, nothing at all: the error says what a connection looks like."""
    for text in ("[1, 2]", "word", '""'):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(RulesetError, match="a connection wants a mapping"):
            load_connection(tmp_path / "c.yaml")


@pytest.mark.parametrize("written", [SECRET, "env:" + SECRET, f"file:{SECRET}", "vault:" + SECRET, "", 7, [SECRET]])
def test_a_password_is_refused_and_not_shown(written: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Neither error, nor its chain, nor our frames, nor a log holds what stands in the place of a reference."""
    caplog.set_level(logging.DEBUG)
    (tmp_path / "r.json").write_text(json.dumps(REDSHIFT | {"dbpassword": written}))
    with pytest.raises(RulesetError) as caught:
        load_connection(tmp_path / "r.json")
    with pytest.raises(ValueError) as direct:  # noqa: PT011  # pydantic's own
        RedshiftConnection(**(REDSHIFT | {"dbpassword": written}))

    traced = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [line for frame in traced.stack if "/tests/" not in frame.filename for line in (frame.locals or {}).values()]
    shown = "".join(traceback.format_exception(caught.value)) + str(direct.value) + caplog.text + "".join(ours)
    assert "dbpassword" in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("more", "tells", "hint"),
    [
        ({}, "dbpassword is missing", "iam_login"),
        ({"dbpassword": "env:X", "user": None}, "user is missing", "database user"),
        ({"iam_login": "cluster", "dbpassword": "env:X"}, "iam_login gives the password", "leave out one"),
        ({"iam_login": "cluster", "user": None}, "user is missing", "database user"),
        ({"iam_login": "cluster_iam"}, "the user is whoever calls AWS", "leave user out"),
        ({"iam_login": "serverless", "user": None}, "the host is that of a cluster", "cluster_iam"),
        ({"iam_login": "cluster", "host": "r.example.com"}, "does not tell which cluster", "name: <its name>"),
        ({"iam_login": {"kind": "serverless", "groups": ["g"]}, "user": None}, "kind: cluster alone", "take them out"),
        ({"iam_login": "password"}, "cluster or cluster_iam or serverless", ""),
        ({"iam_login": "cluster", "iam_role_arn": HOP, "s3_redshift_iam_role": DEEP}, "account alone", "444444444444"),
    ],
)
def test_who_logs_in_and_with_what_must_go_together(more: dict[str, Any], tells: str, hint: str) -> None:
    """A password or IAM; a named user or whoever calls; the kind that the host is of; the cluster's own account."""
    keys = {**IAM_LOGIN, "iam_login": None, **more}
    with pytest.raises(RulesetError) as caught:
        load_connection({key: value for key, value in keys.items() if value is not None})

    assert tells in caught.value.message
    assert hint in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("keys", [{"staging_cleanup": "external"}, {"staging_deleted_by": "somebody"}])
def test_who_empties_staging_is_said_whole_or_not_at_all(keys: dict[str, str]) -> None:
    """Staging that dmengine need not empty has somebody who does."""
    with pytest.raises(RulesetError, match=r"nobody is named|dmengine itself removes"):
        load_connection(REDSHIFT | keys)


def test_nothing_that_is_shown_or_pickled_holds_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection knows where its password is; external ids stay out of its repr."""
    monkeypatch.setenv("CRM_PASSWORD", SECRET)
    connection = RedshiftConnection.from_dict(REDSHIFT | OURS)
    password = connection.password()
    shown = f"{connection!r} {connection} {connection.session()!r} {password!r} {password!s}"

    assert bytes(password) == SECRET.encode()
    assert not re.search("CANARY|masking-7|relay-1", shown), shown
    assert SECRET.encode() not in pickle.dumps(connection)
    assert pickle.loads(pickle.dumps(connection)) == connection
    with pytest.raises(DmengineError, match="neither copied nor pickled"):
        pickle.dumps(password)


def test_a_connection_does_not_change() -> None:
    """It is frozen, as what it was made of may be used elsewhere."""
    connection = load_connection(S3)

    with pytest.raises(ValueError, match="frozen"):
        connection.name = "other"  # type: ignore[misc]


# ------------------------------------------------------------------------------------------ schema and docs


def test_the_published_schema_is_that_of_the_models() -> None:
    """docs/connection.schema.json is what `schema_text` returns."""
    assert (DOCS / "connection.schema.json").read_text("utf-8") == schema_text()


@pytest.mark.parametrize("keys", ALL, ids=lambda keys: keys["name"])
def test_the_schema_takes_what_the_loader_takes(keys: dict[str, Any]) -> None:
    """Each type of connection fits its branch, with all the keys there are, and no other branch."""
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)

    assert [error.message for error in VALIDATOR.iter_errors(keys | OURS)] == []
    assert list(VALIDATOR.iter_errors(keys | {"role_arn": DEEP}))


def test_every_type_is_installed_and_every_key_is_on_the_page() -> None:
    """The page about connections names each key of each type, and the registry each type."""
    page = (DOCS / "connections.md").read_text("utf-8")
    classes: list[type[Connection]] = [S3Connection, DynamoDBConnection, RedshiftConnection]

    assert registry.names("dmengine.connections") == sorted(cls.kind for cls in classes)
    assert [registry.load("dmengine.connections", cls.kind) for cls in classes] == classes
    assert {key for cls in classes for key in keys_of(cls) if f"`{key}`" not in page} <= {"type", "db_type"}
    assert all(f"`type: {kind}`" in page or f"`db_type: {kind}`" in page for kind in ("s3_connection", "redshift"))
