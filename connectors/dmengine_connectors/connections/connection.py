"""What every connection says: which it is, and as whom dmengine calls AWS for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from dmengine.errors import PlanError
from dmengine.maskparameter import PROBLEMS
from dmengine.problems import Problem
from dmengine_connectors.connections.account import AccountSession
from dmengine_connectors.session import SessionFactory
from dmengine_connectors.session_file import AwsSession, WrittenRole
from dmengine_connectors.session_roles import LONGEST, SHORTEST, Role, check_durations, check_endpoint

if TYPE_CHECKING:
    from dmengine.problems import Where
    from dmengine.spi import Side
    from dmengine.yamlfile import Document
    from dmengine_connectors.files import S3Files

_ANY: Final = "arn:aws:iam::000000000000:role/any"
_OF_A_ROLE: Final = ("session_name", "duration", "tags")


def _account(value: object) -> object:
    # YAML reads twelve digits without quotes as a number
    return f"{value:012d}" if type(value) is int and 0 <= value < 10**12 else value


def _twelve_digits(account: str) -> str:
    if not re.fullmatch(r"\d{12}", account, re.ASCII):
        raise ValueError("this is not the number of an account; write its 12 digits, without dashes")
    return account


def _region(name: str) -> str:
    if not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-\d", name, re.ASCII):
        raise ValueError("this is not the name of a region; write one such as eu-west-1")
    return name


def _endpoint(url: str) -> str:
    try:
        check_endpoint(url)
    except PlanError as error:
        raise as_value_error(error) from None
    return url


def _as_mapping(role: object) -> object:
    if isinstance(role, str):
        return {"arn": role}
    if not isinstance(role, Mapping | WrittenRole):
        raise ValueError("this is no role; write its ARN, or {arn: ..., external_id: ...}")
    return role


def _as_written(role: WrittenRole) -> str | dict[str, Any]:
    said = role.model_dump(mode="json", exclude_unset=True)
    return role.arn if said.keys() == {"arn"} else said


def _version(value: object) -> object:
    # YAML reads 1.0 without quotes as a number
    return "1.0" if type(value) in (int, float) and value == 1 else value


Account = Annotated[str, BeforeValidator(_account, json_schema_input_type=str | int), AfterValidator(_twelve_digits)]
Region = Annotated[str, AfterValidator(_region)]
RoleOrArn = Annotated[
    WrittenRole, BeforeValidator(_as_mapping, json_schema_input_type=str | WrittenRole), PlainSerializer(_as_written)
]


class Connection(BaseModel):
    """What every connection says. Its keys are those of DataMasque's connections, and more.

    Args:
        version: "1.0".
        name: What people call it.
        iam_role_arn: The role to call as. Without it and without `roles`, no role is assumed.
        roles: The roles on the way there, in order, each assumed by the one before; each an ARN, or a mapping with
            `arn` and what [`assume`](sessions.md) takes. Without `iam_role_arn` they are the whole chain.
        external_id: What the trust policy of `iam_role_arn` demands as `sts:ExternalId`.
        session_name: What CloudTrail shows of the sessions of `iam_role_arn`, and of each role that is an ARN alone.
        duration: How many seconds they last.
        tags: Their session tags.
        profile: A profile of `~/.aws/config` to begin with; by default what the environment or the machine gives.
        region: The region of all calls.
        endpoint_url: Where all services are, for stand-ins; plain http only on this machine.
        expected_account: The account that the last identity must be in; nothing is read from another one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    kind: ClassVar[str]
    """The name of its entry point, which is its `type` or `db_type`."""

    version: Annotated[Literal["1.0"], BeforeValidator(_version, json_schema_input_type=Literal["1.0"])] = "1.0"
    name: str = Field(min_length=1)
    iam_role_arn: str | None = None
    roles: tuple[RoleOrArn, ...] = ()
    external_id: str | None = Field(default=None, repr=False)
    session_name: str | None = None
    duration: int | None = Field(default=None, ge=SHORTEST, le=LONGEST)
    tags: dict[str, str] = {}
    profile: str | None = None
    region: Region | None = None
    endpoint_url: Annotated[str, AfterValidator(_endpoint)] | None = None
    expected_account: Account | None = None

    @field_validator("iam_role_arn", "external_id", "session_name")
    @classmethod
    def _is_one(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Check each by itself, so that what is wrong is told with its own place in the file."""
        return check_of_role(str(info.field_name), value)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        """Tell all at once what does not go together, each at the key that is wrong."""
        if problems := list(self._problems()):
            said = "; ".join(f"{problem.message}; {problem.hint}" for problem in problems)
            raise PydanticCustomError(PROBLEMS, "{said}", {"said": said, "problems": problems})
        return self

    def _problems(self) -> Iterator[Problem]:
        if self.external_id is not None and self.own_role is None:
            yield Problem(
                ("external_id",),
                "external_id is that of iam_role_arn, which is missing",
                "say it with its role in `roles`",
            )
        for name in _OF_A_ROLE:
            if getattr(self, name) and not self.own_role and not any(map(_is_bare, self.roles)):
                hint = "add iam_role_arn, or say it with its role in `roles`"
                yield Problem((name,), f"{name} is said of no role", hint)
        try:
            chain = self.chain
            check_durations(chain)
        except PlanError as error:
            yield Problem(("duration",) if self.duration else ("roles",), error.message, error.hint)
            return
        if chain and self.expected_account and chain[-1].account != self.expected_account:
            wrong = f"expected_account is {self.expected_account}, and the last role is of account {chain[-1].account}"
            yield Problem(("expected_account",), wrong, "one of them is to be changed")

    @property
    def chain(self) -> tuple[Role, ...]:
        """The roles that dmengine assumes, in order: `roles`, then `iam_role_arn`."""
        shared = {name: getattr(self, name) for name in _OF_A_ROLE if getattr(self, name)}
        chain = [Role(one.arn, **shared) if _is_bare(one) else one.role() for one in self.roles]
        if self.own_role is not None:
            chain.append(Role(self.own_role, external_id=self.external_id, **shared))
        return tuple(chain)

    @property
    def own_role(self) -> str | None:
        """The role of `iam_role_arn`, if it is one that dmengine assumes."""
        return self.iam_role_arn

    def begin(self, base: SessionFactory | None = None) -> SessionFactory:
        """Return the sessions before any role of the connection is assumed. Asks nothing of AWS.

        Args:
            base: Others to begin with; the connection's region goes before theirs.

        Raises:
            PlanError: the connection says another profile or endpoint than those do.
        """
        own = {"profile": self.profile, "endpoint_url": self.endpoint_url}
        if base is None:
            return AwsSession(self.profile, self.region, self.endpoint_url).open()
        if other := [name for name, value in own.items() if value not in (None, getattr(base, name))]:
            raise PlanError(
                f"the connection {self.name} says its own {', '.join(other)}, and the sessions it is to begin with "
                "say otherwise",
                hint=f"leave out {', '.join(other)} in one of them, or let the connection begin by itself",
            )
        return base if self.region in (None, base.region) else base.in_region(self.region)

    def session(self, base: SessionFactory | None = None) -> SessionFactory:
        """Return the sessions of this connection. Asks nothing of AWS.

        Where `expected_account` is given, and no role says the account, the first use of the sessions asks for it.

        Args:
            base: Others to begin with: their last identity assumes the first role, or is the one that calls.

        Raises:
            PlanError: the account is not the expected one, or the connection and `base` do not go together.
        """
        sessions = self.begin(base).through(*self.chain)
        return sessions if self.expected_account is None else AccountSession.of(sessions, self.expected_account)

    def to_dict(self) -> dict[str, Any]:
        """Return what a file says: plain data, in the order of the keys above, without what is not said."""
        said = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {key: said[key] for key in keys_of(type(self)) if said.get(key, {}) not in ([], {})}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            if name is None or value != fields[name].default:
                yield name, value

    @classmethod
    def from_dict(cls, keys: Mapping[str, Any]) -> Self:
        """Make a connection of plain data.

        Raises:
            RulesetError: with every problem there is.
        """
        from dmengine_connectors.connections.reading import read_mapping

        return read_mapping(cls, keys)

    @classmethod
    def read(
        cls, document: Document, where: Where = (), defaults: Mapping[str, Any] | None = None
    ) -> Self | list[Problem]:
        """Make the connection that stands in a document, or return all that is wrong with it.

        Args:
            document: A file, or what it says.
            where: The place of the connection there.
            defaults: Keys that are taken where the connection does not say them.
        """
        from dmengine_connectors.connections.reading import read_connection

        return read_connection(cls, document, where, defaults or {})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load a connection of this class from a JSON or YAML file.

        Raises:
            RulesetError: with every problem there is, each with its line and column.
        """
        from dmengine_connectors.connections.loading import load_as

        return load_as(cls, path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the connection as JSON or YAML, by the file's ending; whole, or not at all.

        Raises:
            StoreError: the file has another ending, or cannot be written.
        """
        from dmengine_connectors.connections.loading import write_file

        write_file(self.to_dict(), path)

    def files(
        self, path: str = "", *, session: SessionFactory | None = None, side: Side | None = None, **options: Any
    ) -> S3Files:
        """Return files; only connections to S3 have any."""
        raise PlanError(f"{self.name} is a connection to {self.kind}, not to files", hint="use an s3_connection")

    def connector(self, path: str = "", *, side: Side | None = None) -> dict[str, Any]:
        """Return the connector that a job uses, as a job file would name it: its `type` and parameters."""
        raise PlanError(
            f"no connector masks through {self.name}, a connection to {self.kind}", hint="use an s3_connection"
        )


def keys_of(cls: type[Connection]) -> list[str]:
    """List the keys of a connection in the order of a file: what it is, what it leads to, and as whom.

    >>> keys_of(Connection)[:3]
    ['version', 'name', 'iam_role_arn']
    """
    first = ("version", "name", "type", "mask_type", "db_type")
    own = [name for name in cls.model_fields if name not in Connection.model_fields]
    names = [*(n for n in first if n in cls.model_fields), *own, *Connection.model_fields]
    return [cls.model_fields[name].alias or name for name in dict.fromkeys(names)]


def check_of_role(key: str, value: str | None) -> str | None:
    """Check what a connection says of its role as STS would.

    Raises:
        ValueError: STS would refuse it.
    """
    if value is not None:
        try:
            Role(**{"arn": _ANY, {"iam_role_arn": "arn"}.get(key, key): value})  # type: ignore[arg-type]
        except PlanError as error:
            raise as_value_error(error) from None
    return value


def key_problems(encryption: str | None, kms_key: str | None) -> Iterator[Problem]:
    """Say what is wrong with a key that no encryption uses."""
    if kms_key is not None and encryption == "AES256":
        wrong = "kms_key goes with aws:kms or aws:kms:dsse, not with encryption AES256"
        yield Problem(("kms_key",), wrong, "leave out one of them")


def as_value_error(error: PlanError) -> ValueError:
    """Return what pydantic tells as a problem with a hint."""
    return ValueError(f"{error.message}; {error.hint}")


def _is_bare(role: WrittenRole) -> bool:
    return role.model_fields_set == {"arn"}
