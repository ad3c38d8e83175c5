"""The policies of DynamoDB's tables: no less than the document's, on less, and never the source."""

from __future__ import annotations

import pytest

from dmengine.connectors import policies
from dmengine.errors import PlanError
from dmengine_connectors.access.evaluate import Request, decide
from tests.access.policy_lab import (
    KEY,
    ROLE_C,
    SOURCE_ROLE,
    TARGET_ROLE,
    USERS,
    actions,
    documented,
    statement,
    tables,
)


def test_the_policy_of_dynamodb_grants_all_that_the_document_grants_on_less() -> None:
    """Every action of the document's six statements is granted under its Sid, on narrower resources."""
    found = policies(tables(), tables(), principal=SOURCE_ROLE, tables=["users"]).roles[TARGET_ROLE]

    for one in documented("role-dynamodb")["Statement"]:
        sid = {"ExportedDataAccess": "ExportedData"}.get(one["Sid"], one["Sid"])
        assert set(one["Action"]) <= actions(found, sid), one["Sid"]
    assert statement(found, "SourceTableExport")["Resource"] == USERS
    assert statement(found, "ExportProcessStatus")["Resource"] == f"{USERS}/export/*"
    assert statement(found, "ImportProcessStatus")["Resource"] == f"{USERS}-MASKED/import/*"
    assert statement(found, "ExportedDataAccess")["Resource"] == "arn:aws:s3:::stage/masking/*"


def test_the_source_table_can_never_be_deleted() -> None:
    """DeleteTable is allowed on the masked table alone and denied on the source, where the document allows both."""
    found = policies(tables(), tables(), principal=SOURCE_ROLE, tables=["users"]).roles[TARGET_ROLE]
    delete_source, delete_masked = (
        Request(TARGET_ROLE, "dynamodb:DeleteTable", table) for table in (USERS, f"{USERS}-MASKED")
    )

    assert decide([documented("role-dynamodb")], delete_source) == "allow"
    assert decide([found], delete_source) == "deny"
    assert decide([found], delete_masked) == "allow"
    assert decide([found, documented("role-dynamodb")], delete_source) == "deny"


def test_a_masked_table_of_the_sources_name_is_refused() -> None:
    """An empty suffix in the same account and region would let the source be deleted."""
    nameless = tables(dynamo_append_suffix="")

    with pytest.raises(PlanError, match="has the name of the source"):
        policies(nameless, nameless, principal=SOURCE_ROLE, tables=["users"])


def test_a_masked_table_of_another_account_may_have_the_sources_name() -> None:
    """From B to C the same name is another table: the right to delete it names C's."""
    there = tables(dynamo_append_suffix="", iam_role_arn=ROLE_C)

    found = policies(tables(), there, principal=SOURCE_ROLE, tables=["users"]).roles[ROLE_C]

    assert statement(found, "TargetTableImportAndCleanup")["Resource"] == USERS.replace("222222222222", "333333333333")


def test_the_key_of_masked_tables_may_be_granted_to_dynamodb() -> None:
    """A table on a key takes CreateGrant for AWS's own use, and what the document has, through DynamoDB alone."""
    key = KEY.replace("333333333333", "222222222222")
    target = tables(dynamo_default_sse={"selection": "account_managed", "kms_key_id": key})

    found = policies(tables(), target, principal=SOURCE_ROLE, tables=["users"]).roles[TARGET_ROLE]

    own = statement(found, "KMSTablePolicy")
    assert set(own["Action"]) == set(documented("statement-kms")["Statement"][0]["Action"])
    assert own["Condition"] == {"StringEquals": {"kms:ViaService": "dynamodb.eu-west-1.amazonaws.com"}}
    assert statement(found, "KMSTableGrant")["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}


def test_tables_have_to_be_named() -> None:
    """A connection to DynamoDB names no table: policies for all of them are not written."""
    with pytest.raises(PlanError, match="names no table") as caught:
        policies(tables(), principal=SOURCE_ROLE)

    assert "--table users" in caught.value.hint
