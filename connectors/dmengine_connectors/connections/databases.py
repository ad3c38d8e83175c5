"""Connections to DynamoDB and to Redshift, which both hand their data over in a bucket."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dmengine.errors import PlanError
from dmengine.problems import Problem
from dmengine.spi import Check, Side
from dmengine_connectors.connections.connection import (
    Account,
    Connection,
    Region,
    as_value_error,
    check_of_role,
    key_problems,
)
from dmengine_connectors.connections.redshift_iam import WrittenLogin, login_problems
from dmengine_connectors.redshift_login import RedshiftLogin, Tls
from dmengine_connectors.secrets import read_secret, reference_problem
from dmengine_connectors.session import SessionFactory
from dmengine_connectors.session_roles import Role
from dmengine_connectors.stores.s3_attributes import Encryption

_MOST_CHAINED = 10  # https://docs.aws.amazon.com/redshift/latest/mgmt/authorizing-redshift-service.html


def _empty(value: object) -> object:
    if value not in ("", None):
        raise ValueError("DynamoDB has nothing of the kind; leave it out, or empty")
    return value


Empty = Annotated[str | None, PlainValidator(_empty, json_schema_input_type=Literal[""] | None)]
"""A key that DataMasque wants to be there, and that says nothing."""


class DatabaseConnection(Connection):
    """What connections to databases have in common: a bucket, in which data lies while it is masked.

    Args:
        mask_type: "database".
        s3_bucket_name: The bucket for staging.
        bucket_owner: The account that must own it; left out: that of the last role, if there is one.
        encryption: How objects are encrypted there; left out: as the bucket says.
        kms_key: The KMS key to encrypt them with.
        is_read_only: Whether nothing may be written to the database.
        staging_cleanup: "dmengine", which removes what it has staged, or "external": somebody else does where dmengine
            may not, as nothing is exported or unloaded otherwise.
        staging_deleted_by: Who that is.
    """

    mask_type: Literal["database"] = "database"
    s3_bucket_name: str = Field(min_length=3)
    bucket_owner: Account | None = None
    encryption: Encryption | None = None
    kms_key: str | None = None
    is_read_only: bool = False
    staging_cleanup: Literal["dmengine", "external"] = "dmengine"
    staging_deleted_by: str | None = Field(default=None, min_length=1)

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        yield from key_problems(self.encryption, self.kms_key)
        if self.staging_cleanup == "external" and self.staging_deleted_by is None:
            hint = "add staging_deleted_by: who removes unmasked data from staging, by what and when"
            yield Problem(("staging_cleanup",), "staging_cleanup is external, and nobody is named", hint)
        elif self.staging_cleanup == "dmengine" and self.staging_deleted_by is not None:
            hint = "add staging_cleanup: external, or leave it out"
            yield Problem(("staging_deleted_by",), "dmengine itself removes what it has staged", hint)

    @property
    def staging(self) -> str:
        """Where data is staged."""
        inner = (self._prefix or "").strip("/")
        return f"s3://{self.s3_bucket_name}/{inner}{'/' if inner else ''}"

    @property
    def _prefix(self) -> str | None:
        return None

    def check(
        self,
        side: Side,
        *,
        tables: Sequence[str] = (),
        probe: bool = False,
        brief: bool = False,
        tables_alone: bool = False,
    ) -> Iterator[Check]:
        """Look at who calls, at the staging bucket, and at the database.

        Args:
            side: What it is to be used as.
            tables: Which tables; without any the database itself is looked at.
            probe: Whether something may be written to staging to prove the rights; it is removed again.
            brief: Only whether staging is dangerous.
            tables_alone: Only the tables, where the rest has been looked at for the other side.

        Raises:
            PlanError: the connection is read only, and is to be the target.
        """
        from dmengine_connectors.connections.looking import look_at_dangers

        if side == "target" and self.is_read_only:
            raise PlanError(
                f"the connection {self.name} is not to be written to: is_read_only is true",
                hint="use another connection, or set it to false if that was not meant",
            )
        return look_at_dangers(self) if brief else self._look(side, tuple(tables), None if tables_alone else probe)

    @abstractmethod
    def _look(self, side: Side, tables: tuple[str, ...], probe: bool | None) -> Iterator[Check]:
        """Look at it all; without `probe` (None) at the tables alone."""


class TableEncryption(BaseModel):
    """How tables that dmengine makes are encrypted.

    Args:
        selection: Whose key: `dynamodb_owned`, `aws_managed`, `account_managed`, or that of the source.
        kms_key_id: The key, where it is one of the account.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    selection: Literal["dynamodb_owned", "aws_managed", "account_managed", "use_source"] = "dynamodb_owned"
    kms_key_id: str | None = None

    @model_validator(mode="after")
    def _has_its_key(self) -> TableEncryption:
        if (self.selection == "account_managed") != (self.kms_key_id is not None):
            raise ValueError("kms_key_id goes with account_managed, and only with it; add it, or take it out")
        return self


class DynamoDBConnection(DatabaseConnection):
    """A connection to the tables of DynamoDB in one account and region.

    Args:
        db_type: "dynamo_db".
        export_s3_prefix: Where in the bucket data is staged.
        dynamo_append_suffix: What the name of a masked table ends with.
        dynamo_append_datetime: Whether it also says when.
        dynamo_replace_tables: Whether a masked table takes the place of an earlier one of its name.
        dynamo_default_region: The region of the tables; the same as `region`.
        dynamo_default_sse: How masked tables are encrypted.
        host, port, user, dbpassword, database, schema: Empty; DataMasque wants them to be there.

    The rest is what every [connection](connections.md) says.

    >>> b = DynamoDBConnection(name="b", s3_bucket_name="stage-b", export_s3_prefix="masking")
    >>> b.staging
    's3://stage-b/masking/'
    """

    kind: ClassVar[str] = "dynamo_db"

    db_type: Literal["dynamo_db"] = "dynamo_db"
    export_s3_prefix: str | None = None
    dynamo_append_suffix: str = "-MASKED"
    dynamo_append_datetime: bool = False
    dynamo_replace_tables: bool = True
    dynamo_default_region: Region | None = None
    dynamo_default_sse: TableEncryption = TableEncryption()
    host: Empty = None
    port: Empty = None
    user: Empty = None
    dbpassword: Empty = None
    database: Empty = None
    db_schema: Empty = Field(default=None, alias="schema")

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        if self.region and self.dynamo_default_region and self.region != self.dynamo_default_region:
            wrong = "dynamo_default_region is not the same as region"
            yield Problem(("dynamo_default_region",), wrong, "leave one of them out")

    @property
    def _prefix(self) -> str | None:
        return self.export_s3_prefix

    def _look(self, side: Side, tables: tuple[str, ...], probe: bool | None) -> Iterator[Check]:
        from dmengine_connectors.connections.looking import look_at_tables

        return look_at_tables(self, side, tables, probe)

    def begin(self, base: SessionFactory | None = None) -> SessionFactory:
        """Return the sessions before any role of the connection is assumed, in the region of the tables."""
        if self.region is None and self.dynamo_default_region is not None:
            return self.model_copy(update={"region": self.dynamo_default_region}).begin(base)
        return Connection.begin(self, base)


def _reference(text: str) -> str:
    if problem := reference_problem(text):
        raise ValueError(f"dbpassword {problem}")
    return text


def _role_chain(text: str) -> str:
    arns = text.split(",")
    if len(arns) > _MOST_CHAINED:
        raise ValueError(f"Redshift chains {_MOST_CHAINED} roles at most; name fewer")
    if any(arn != arn.strip() for arn in arns):
        raise ValueError("Redshift takes no spaces between the roles; write ARN,ARN")
    try:
        _ = [Role(arn) for arn in arns]
    except PlanError as error:
        raise as_value_error(error) from None
    return text


class RedshiftConnection(DatabaseConnection):
    """A connection to a database of Redshift.

    Two kinds of roles are told apart. The *cluster's* roles are named in the SQL of COPY and UNLOAD, and the cluster
    assumes them to reach the bucket. dmengine's *own* roles are those that dmengine assumes to reach the bucket.

    Args:
        db_type: "redshift".
        host: The host of the cluster or workgroup.
        port: Its port.
        database: The database.
        user: The user to log in as; of none where IAM says who it is.
        iam_login: How IAM gives the password, in place of `dbpassword`: a kind, or a mapping.
        dbpassword: Where the password is, never the password: `env:NAME`, `file:/path`, `secretsmanager:NAME` or
            `ssm:NAME`; the last two take `#field` of a JSON text, and `?region=`.
        schema: The schema of tables that do not say theirs.
        s3_redshift_iam_role: The cluster's roles: one ARN, or several with commas between, each assumed by the one
            before.
        iam_role_arn: dmengine's own role. Several ARNs with commas between are the cluster's roles, as DataMasque's
            page on other accounts has it.
        s3_prefix: Where in the bucket data is staged.
        tls: How sure to be of the server: "verify-full", "verify-ca" or "require"; "disable" on this machine only.
        ca: A file of the authorities to trust; left out: those of botocore, which know Amazon's.

    The rest is what every [connection](connections.md) says.

    >>> cluster = "arn:aws:iam::222222222222:role/Cluster,arn:aws:iam::111111111111:role/Stage"
    >>> b = RedshiftConnection(
    ...     name="b", host="b.example.com", database="crm", user="masker", dbpassword="env:CRM_PASSWORD",
    ...     s3_bucket_name="stage-a", s3_redshift_iam_role=cluster,
    ... )
    >>> [role.account for role in b.cluster_roles], b.chain
    (['222222222222', '111111111111'], ())
    """

    kind: ClassVar[str] = "redshift"

    db_type: Literal["redshift"] = "redshift"
    host: str = Field(min_length=1)
    port: int = Field(default=5439, ge=1, le=65_535)
    database: str = Field(min_length=1)
    user: str | None = None
    dbpassword: Annotated[str, AfterValidator(_reference)] | None = None
    iam_login: WrittenLogin | None = None
    db_schema: str = Field(default="public", alias="schema", min_length=1)
    s3_redshift_iam_role: Annotated[str, AfterValidator(_role_chain)] | None = None
    s3_prefix: str | None = None
    tls: Tls = "verify-full"
    ca: str | None = None

    @field_validator("iam_role_arn", "external_id", "session_name")
    @classmethod
    def _is_one(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.field_name == "iam_role_arn" and value and "," in value:
            return _role_chain(value)
        return check_of_role(str(info.field_name), value)

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        if self.s3_redshift_iam_role and self.iam_role_arn and self.own_role is None:
            wrong = "iam_role_arn has roles of the cluster, and s3_redshift_iam_role too"
            yield Problem(("iam_role_arn",), wrong, "keep s3_redshift_iam_role, and one role of dmengine's here")
        elif not self.cluster_iam_role:
            hint = "name the roles that the cluster assumes to reach the bucket; iam_role_arn is for dmengine itself"
            yield Problem((), "s3_redshift_iam_role is missing", hint)
        if problems := list(login_problems(self)):
            yield from problems
            return
        try:
            self.login()
        except PlanError as error:
            yield Problem(("tls",) if self.tls == "disable" else ("host",), error.message, error.hint)

    @property
    def own_role(self) -> str | None:
        """The role of `iam_role_arn`, if it is one that dmengine assumes, and not the cluster's chain."""
        return None if self.iam_role_arn and "," in self.iam_role_arn else self.iam_role_arn

    @property
    def cluster_iam_role(self) -> str:
        """The cluster's roles as IAM_ROLE of COPY and UNLOAD takes them."""
        return self.s3_redshift_iam_role or (self.iam_role_arn if self.own_role is None else None) or ""

    @property
    def cluster_roles(self) -> tuple[Role, ...]:
        """The roles that the cluster assumes, in order."""
        return tuple(Role(arn) for arn in self.cluster_iam_role.split(","))

    @property
    def _prefix(self) -> str | None:
        return self.s3_prefix

    def _look(self, side: Side, tables: tuple[str, ...], probe: bool | None) -> Iterator[Check]:
        from dmengine_connectors.connections.looking import look_at_cluster

        return look_at_cluster(self, side, tables, probe)

    def login(self, base: SessionFactory | None = None) -> RedshiftLogin:
        """Return who logs in, and where; the password is read when it is needed.

        Raises:
            PlanError: it could not be used, whatever the cluster says.
        """
        by = self.iam_login
        return RedshiftLogin(
            self.host,
            self.database,
            self.user or "",
            self.port,
            password=(lambda: bytes(self.password(base)).decode()) if by is None else None,
            iam=by.login(self.host) if by is not None else None,
            tls=self.tls,
            ca=self.ca or "",
        )

    def password(self, base: SessionFactory | None = None) -> bytes:
        """Read the password from where `dbpassword` says it is, as the identity that the sessions begin with.

        Raises:
            KeyringError: it is not there, or is not allowed.
            PlanError: the connection has none, as IAM gives it.
        """
        if self.dbpassword is None:
            raise PlanError(f"the connection {self.name} has no password", hint="iam_login gives one at each login")
        return read_secret(self.dbpassword, self.begin(base), "dbpassword")
