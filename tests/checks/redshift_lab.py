"""A cluster of account B that reaches a bucket by a chain of roles, with a table; each test spoils one thing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from dmengine.spi import Side
from dmengine_connectors.access.places import Account, ClusterPlace, S3Place
from dmengine_connectors.checks.redshift import ClusterFacts, redshift_checks
from dmengine_connectors.checks.staging import Staging
from dmengine_connectors.redshift_login import RedshiftLogin
from dmengine_connectors.session import SessionFactory
from tests.aws.s3_lab import session_of_a
from tests.aws.standins.accounts import ACCOUNT_B, ACCOUNT_C, Identity, TrustedRole
from tests.aws.standins.world import EXTERNAL_ID, REGION, ROLE_B, World
from tests.checks.looking import Found
from tests.redshift.standin import DATABASE, PASSWORD, USER, StandIn
from tests.redshift.standin_s3 import SERVICE_KEY, Cluster

STAGE = "stage-of-b"
FIRST: Final = f"arn:aws:iam::{ACCOUNT_C}:role/ClusterRole"
LAST: Final = f"arn:aws:iam::{ACCOUNT_B}:role/StagingRole"
CHAIN: Final = f"{FIRST},{LAST}"
STAGING: Final = Staging(S3Place(STAGE, "crm/", Account("aws", REGION, ACCOUNT_B)), ACCOUNT_B)
_SERVICE: Final = "arn:aws:iam::999999999999:service/redshift.amazonaws.com"


class RedshiftLab:
    """The world, a healthy cluster in C, its staging in B, and a table that the user may do all with."""

    def __init__(self, world: World, standin: StandIn) -> None:
        self.world, self.standin = world, standin
        world.make_bucket(ACCOUNT_B, STAGE)
        world.accounts.add_identity(SERVICE_KEY, Identity("999999999999", _SERVICE, "of-the-service"))
        self.trust(FIRST, _SERVICE)
        self.trust(LAST, FIRST)
        self.cluster = standin.cluster = Cluster(world.proxy.url, REGION, (FIRST,))
        standin.forget()
        self.sql("CREATE SCHEMA crm", f"GRANT USAGE ON SCHEMA crm TO {USER}")
        self.sql("CREATE TABLE crm.users (id bigint, email varchar(80))", f"ALTER TABLE crm.users OWNER TO {USER}")

    def trust(self, role: str, *whom: str) -> None:
        """Let a role trust."""
        self.world.accounts.add_role(TrustedRole(role, whom))

    def sql(self, *statements: str) -> list[Any]:
        """Run statements as the superuser; return what the last answers."""
        with contextlib.closing(self.standin.admin()) as admin, admin.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    @property
    def login(self) -> RedshiftLogin:
        """A login that works."""
        port = self.standin.secure.port
        return RedshiftLogin("localhost", DATABASE, USER, port, lambda: PASSWORD, ca=self.standin.ca)

    @property
    def session(self) -> SessionFactory:
        """Who reaches the bucket: B's role."""
        return session_of_a(self.world).assume(ROLE_B, external_id=EXTERNAL_ID)

    def facts(self, *, login: RedshiftLogin | None = None, chain: str = CHAIN, **more: Any) -> ClusterFacts:
        """Return the facts of this cluster."""
        place = ClusterPlace((), STAGING.place, Account("aws", REGION, ACCOUNT_C), "crm", USER, DATABASE)
        return replace(ClusterFacts(login or self.login, place, chain, STAGING, REGION), **more)

    def check(self, side: Side = "source", *, tables: Iterable[str] = (), probe: bool = False, **facts: Any) -> Found:
        """Look at it."""
        told = self.facts(**facts)
        return Found(redshift_checks(self.session, told, side, tables=tuple(tables), probe=probe))
