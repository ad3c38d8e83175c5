"""The stand-in for Redshift: what tests of connectors lean on."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psycopg2
import pytest

from dmengine_connectors.redshift_login import RedshiftLogin, open_connection
from tests.redshift.postgres import binaries_folder
from tests.redshift.standin import DATABASE, PASSWORD, USER, StandIn


@pytest.fixture
def login(redshift_cluster: StandIn) -> RedshiftLogin:
    """Return a login that works."""
    redshift_cluster.forget()
    return RedshiftLogin(
        "localhost", DATABASE, USER, redshift_cluster.secure.port, lambda: PASSWORD, ca=redshift_cluster.ca
    )


def test_drivers_see_redshift(login: RedshiftLogin) -> None:
    """The version that the start-up tells, and that of SQL, are Redshift's."""
    with contextlib.closing(open_connection(login)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        [(version,)] = cursor.fetchall()

        assert connection.server_version == 80002
        assert "Redshift 1.0" in version


def test_a_backslash_escapes_as_in_redshift(login: RedshiftLogin) -> None:
    """Texts are read as Redshift reads them, so that a missing escape is found."""
    with contextlib.closing(open_connection(login)) as connection, connection.cursor() as cursor:
        cursor.execute(r"SELECT 'it\'s'")

        assert cursor.fetchall() == [("it's",)]


def test_an_error_of_unload_fails_the_transaction(login: RedshiftLogin) -> None:
    """After it, every statement is refused until the end of the transaction, and nothing of it stays."""
    with contextlib.closing(open_connection(login)) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("CREATE TABLE public.left_behind (n int)")
        with pytest.raises(psycopg2.Error):
            cursor.execute("UNLOAD ('SELECT no_such_column') TO 's3://b/x/' IAM_ROLE 'x' FORMAT PARQUET MANIFEST")
        with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
            cursor.execute("SELECT 1")
        connection.rollback()
        cursor.execute("SELECT 1 FROM pg_class WHERE relname = 'left_behind'")
        assert cursor.fetchall() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_postgresql_does_not_run_as_root(redshift_cluster: StandIn) -> None:
    """It would refuse to, so it runs as somebody without rights."""
    owner = Path(f"/proc/{redshift_cluster.postgres_pid}").stat().st_uid

    assert owner != 0
    assert (binaries_folder() / "postgres").exists()
