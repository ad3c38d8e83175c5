"""`dmengine policy`: from job and connection files to policies, and from policies that there are to what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dmengine.cli import main
from dmengine.connectors import DynamoDBConnection, policies
from tests.access.policy_lab import DOCUMENTED, SOURCE_ROLE, TARGET_ROLE, actions, bucket, tables

JOB = """
version: 1
connections: {b: b.json}
source: {connection: b, path: 2026/}
target: {type: s3_files, url: "s3://test/out/"}
ruleset: {rules: [{field: id, keep: "surrogate key"}]}
key: secretsmanager:masking?region=eu-west-1
log: cloudwatch:/dmengine/runs:nightly
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a job, and with the connections that the document's scenarios have."""
    (tmp_path / "job.yaml").write_text(JOB)
    save(tmp_path / "b.json", bucket("crm", "in", iam_role_arn=TARGET_ROLE))
    save(tmp_path / "users.json", tables())
    return tmp_path


def save(path: Path, connection: Any) -> None:
    path.write_text(json.dumps(connection.to_dict()))


def test_a_job_prints_all_policies_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON has each policy with its reasons: the path in the connection, the target, the key, and the event log."""
    code = main(["policy", str(folder / "job.yaml"), "--principal", SOURCE_ROLE, "--json"])

    found = json.loads(capsys.readouterr().out)
    by = {(one["kind"], one["subject"]): one["documents"][0] for one in found["policies"]}
    assert code == 0
    assert "arn:aws:s3:::crm/in/2026/*" in json.dumps(by["identity", TARGET_ROLE])
    assert {"sts:AssumeRole", "secretsmanager:GetSecretValue", "s3:PutObject", "logs:PutLogEvents"} <= actions(
        by["identity", SOURCE_ROLE]
    )
    assert {kind for kind, _ in by} == {"identity", "trust", "bucket"}


def test_several_files_are_one_set_of_policies(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A job and a connection together: one identity, with what both need."""
    files = [str(folder / "job.yaml"), str(folder / "users.json")]

    code = main(["policy", *files, "--table", "users", "--principal", SOURCE_ROLE, "--json"])

    found = json.loads(capsys.readouterr().out)
    [role] = [one for one in found["policies"] if one["kind"] == "identity" and one["subject"] == TARGET_ROLE]
    granted = {action for part in role["documents"] for action in actions(part)}
    assert code == 0
    assert {"s3:GetObject", "dynamodb:ExportTableToPointInTime", "dynamodb:ImportTable"} <= granted


def test_reasons_are_shown_on_demand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--explain says why each action is there; without a principal a note says what to fill in."""
    assert main(["policy", str(folder / "b.json"), "--explain"]) == 0

    shown = capsys.readouterr().out
    assert "s3:GetObject " in shown
    assert "read the objects to mask" in shown
    assert "say it with principal= (--principal)" in shown


@pytest.mark.parametrize(
    ("existing", "code", "told"),
    [("role-dynamodb", 2, "deletes the source"), ("assume", 4, "unused resource")],
)
def test_the_documents_policies_are_compared(
    folder: Path, capsys: pytest.CaptureFixture[str], existing: str, code: int, told: str
) -> None:
    """A policy that could delete the source exits with 2, one that is only too wide with 4."""
    command = ["policy", str(folder / "users.json"), "--table", "users", "--principal", SOURCE_ROLE]

    found = main([*command, "--diff", str(DOCUMENTED / f"{existing}.json")])

    assert found == code
    assert told in capsys.readouterr().out


def test_policies_of_ours_are_exact_also_in_parts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the command wrote, given back to it, lacks nothing and is not too wide: exit code 0."""
    connection = DynamoDBConnection.from_dict(json.loads((folder / "users.json").read_text()))
    written = policies(connection, connection, principal=SOURCE_ROLE, tables=["users"])
    (folder / "mine.json").write_text(json.dumps(written.roles[TARGET_ROLE]))

    command = ["policy", str(folder / "users.json"), "--table", "users", "--principal", SOURCE_ROLE, "--json"]
    code = main([*command, "--diff", str(folder / "mine.json"), "--of", TARGET_ROLE])

    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (found["missing"], found["wide"]) == ([], [])


def test_a_missing_right_exits_with_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a run would be refused the exit code says so, and the JSON names the right."""
    (folder / "empty.json").write_text('{"Version": "2012-10-17", "Statement": []}')
    (folder / "list.json").write_text(
        json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::crm"}})
    )

    code = main(["policy", str(folder / "b.json"), "--diff", str(folder / "list.json"), "--of", TARGET_ROLE, "--json"])
    printed = json.loads(capsys.readouterr().out)
    none = main(["policy", str(folder / "b.json"), "--diff", str(folder / "empty.json")])

    assert code == none == 2
    assert {"s3:GetObject", "s3:PutObject"} <= {one["action"] for one in printed["missing"] if not one["optional"]}
    assert "this is no policy" in capsys.readouterr().err


def test_a_policy_that_is_no_json_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A YAML file given to --diff is refused by name."""
    assert main(["policy", str(folder / "b.json"), "--diff", str(folder / "job.yaml")]) == 2

    told = capsys.readouterr().err
    assert "this is not JSON" in told
    assert "job.yaml" in told


def test_the_command_is_listed_and_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """`dmengine --help` lists it beside the engine's own commands, and its own help says the exit codes."""
    for arguments in (["--help"], ["policy", "--help"]):
        with pytest.raises(SystemExit):
            main(arguments)

    shown = capsys.readouterr().out
    assert "policy " in shown
    assert "exit codes with --diff" in shown
