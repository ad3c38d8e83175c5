"""Quoting: what is written as a name or a text is read back as exactly that, by a real server."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmengine.errors import PlanError
from dmengine_connectors.redshift_quoting import iam_role, identifier, literal, qualified, role_chain, split_table
from tests.redshift.standin import StandIn

ROLE = "arn:aws:iam::111111111111:role/a"
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30) | st.text("'\\\"; -", max_size=12)
_NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\\"), min_size=1, max_size=15
)


def test_every_text_comes_back_as_it_is(redshift_cluster: StandIn) -> None:
    """No text ends its literal early, also one that is written in a statement that is itself a literal."""
    with contextlib.closing(redshift_cluster.admin()) as admin, admin.cursor() as cursor:
        body = "$$BEGIN EXECUTE sql INTO value; END$$"
        cursor.execute(f"CREATE FUNCTION pg_temp.run(sql text, OUT value text) LANGUAGE plpgsql AS {body}")

        @given(_TEXTS)
        def comes_back(text: str) -> None:
            cursor.execute(f"SELECT {literal(text)}")
            assert cursor.fetchone() == (text,)
            cursor.execute(f"SELECT pg_temp.run({literal('SELECT ' + literal(text))})")
            assert cursor.fetchone() == (text,)

        comes_back()


def test_every_name_comes_back_as_it_is(redshift_cluster: StandIn) -> None:
    """No name ends its quotes early; `schema.table` is split and written without loss."""
    with contextlib.closing(redshift_cluster.admin()) as admin, admin.cursor() as cursor:

        @given(_NAMES)
        def comes_back(name: str) -> None:
            cursor.execute(f"SELECT 1 AS {identifier(name)}")
            assert cursor.description[0].name == name
            assert split_table(f"{identifier(name)}.{identifier(name)}") == (name, name)

        comes_back()


@pytest.mark.parametrize("name", ["", "a\0b", "a\\b", "a\nb", "x" * 128, "é" * 64])
def test_a_name_that_cannot_be_written_is_refused(name: str) -> None:
    """Redshift has no such name, or UNLOAD could not carry it; the error does not show it."""
    with pytest.raises(PlanError) as caught:
        identifier(name)

    assert not name or name not in str(caught.value)


@pytest.mark.parametrize("table", ["", ".", "a.", ".a", "a.b.c", 'a"b.c', '"a.b', "a..b"])
def test_what_is_not_one_or_two_names_is_refused(table: str) -> None:
    """Nothing is guessed of a table's name."""
    with pytest.raises(PlanError):
        split_table(table)


def test_a_table_without_a_schema_is_public() -> None:
    """What is not said is what Redshift takes."""
    assert qualified("users") == '"public"."users"'


@pytest.mark.parametrize(
    "chain",
    [
        "",
        "default",
        "arn:aws:iam::1:role/a",
        f"{ROLE},",
        f",{ROLE}",
        f"{ROLE}'",
        f"{ROLE}\n",
        f"{ROLE};access_key_id=x",
        f"{ROLE} {ROLE}b",
        "arn:aws:sts::111111111111:assumed-role/a/b",
    ],
)
def test_what_is_no_chain_of_roles_never_gets_into_sql(chain: str) -> None:
    """IAM_ROLE takes ARNs of roles with commas between, and nothing else goes there."""
    with pytest.raises(PlanError):
        role_chain(chain)
    with pytest.raises(PlanError):
        iam_role((chain,))


def test_roles_of_every_partition_and_path_are_taken() -> None:
    """A role has a path, and there are other partitions."""
    chain = "arn:aws-cn:iam::111111111111:role/team/masking/A.b+c=d@e,arn:aws-us-gov:iam::222222222222:role/B"

    assert iam_role(role_chain(chain)) == f"IAM_ROLE '{chain}'"
