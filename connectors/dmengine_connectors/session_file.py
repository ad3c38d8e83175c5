"""Sessions with AWS as a job file writes them down: an identity to begin with, and the roles that follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from dmengine.errors import PlanError
from dmengine_connectors.session import SessionFactory
from dmengine_connectors.session_roles import DEFAULT_DURATION, DEFAULT_NAME, LONGEST, SHORTEST, Role, check_endpoint

_ANY = "arn:aws:iam::000000000000:role/any"


class WrittenRole(BaseModel):
    """A role to assume, with the parameters of `SessionFactory.assume`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arn: str
    external_id: str | None = Field(default=None, repr=False)
    session_name: str = DEFAULT_NAME
    duration: int = Field(default=DEFAULT_DURATION, ge=SHORTEST, le=LONGEST)
    tags: dict[str, str] = {}
    policy: Mapping[str, Any] | None = None
    source_identity: str | None = None

    @field_validator("arn", "external_id", "session_name", "source_identity")
    @classmethod
    def _is_one(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Check each by itself, so that what is wrong is told with its own place in the file."""
        try:
            Role(**{"arn": _ANY, str(info.field_name): value})  # type: ignore[arg-type]
        except PlanError as error:
            raise _as_problem(error) from None
        return value

    @model_validator(mode="after")
    def _is_taken(self) -> WrittenRole:
        try:
            self.role()
        except PlanError as error:
            raise _as_problem(error) from None
        return self

    def role(self) -> Role:
        """Return the role."""
        return Role(
            self.arn, self.external_id, self.session_name, self.duration, self.tags, self.policy, self.source_identity
        )


def _checked(url: str | None) -> str | None:
    try:
        if url is not None:
            check_endpoint(url)
    except PlanError as error:
        raise _as_problem(error) from None
    return url


@dataclass(frozen=True, slots=True)
class AwsSession:
    """Sessions with AWS, as a job file names them. Credentials never stand there.

    Args:
        profile: A profile of `~/.aws/config` to begin with; by default what the environment or the machine gives.
        region: The region of all calls.
        endpoint_url: Where all services are, for stand-ins; plain http only on this machine.
        roles: The roles to assume, each by the one before.

    >>> role = WrittenRole(arn="arn:aws:iam::222222222222:role/Reader", external_id="x7")
    >>> AwsSession(region="eu-west-1", roles=(role,)).open().account_id()
    '222222222222'
    """

    profile: str | None = None
    region: str | None = None
    endpoint_url: Annotated[str | None, AfterValidator(_checked)] = None
    roles: tuple[WrittenRole, ...] = ()

    def open(self, base: SessionFactory | None = None) -> SessionFactory:
        """Return the sessions; asks nothing of AWS.

        Args:
            base: Others to begin with: their last identity assumes the first of the roles.

        Raises:
            PlanError: the parameters do not go together.
        """
        roles = tuple(written.role() for written in self.roles)
        if base is None:
            return SessionFactory(
                profile=self.profile, region=self.region, endpoint_url=self.endpoint_url, roles=roles
            )  # fmt: skip
        own = {"profile": self.profile, "region": self.region, "endpoint_url": self.endpoint_url}
        if given := [name for name, value in own.items() if value is not None]:
            raise PlanError(
                f"{', '.join(given)} cannot be set on sessions that begin with others",
                hint="say it where those are named; or leave out `from`, and write all the roles here",
            )
        return base.through(*roles)


def _as_problem(error: PlanError) -> ValueError:
    return ValueError(f"{error.message}; {error.hint}")
