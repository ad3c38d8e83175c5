"""A connection to a bucket, or to a folder of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator

from dmengine.errors import PlanError
from dmengine.problems import Problem
from dmengine_connectors.connections.connection import Account, Connection, key_problems
from dmengine_connectors.files import S3Files
from dmengine_connectors.session import SessionFactory
from dmengine_connectors.stores.s3_attributes import Encryption

if TYPE_CHECKING:
    from dmengine.spi import Side

_NO_BUCKET = "this is not the name of a bucket; write it without s3:// and without a path, which goes to base_directory"


class S3Connection(Connection):
    """A connection to a bucket, or to a folder of one.

    Args:
        type: "s3_connection".
        mask_type: "file".
        bucket: The name of the bucket.
        base_directory: The folder in it that paths begin in.
        is_file_mask_source: Whether files may be masked from here.
        is_file_mask_destination: Whether masked files may go here.
        bucket_owner: The account that must own the bucket; left out: that of the last role, if there is one.
        encryption: How new objects are encrypted; left out: as the bucket says.
        kms_key: The KMS key to encrypt with.
        storage_class: The storage class of new objects; left out: that of the originals.
        requester_pays: Accept to pay for requests.

    The rest is what every [connection](connections.md) says.

    >>> reader = "arn:aws:iam::222222222222:role/Reader"
    >>> b = S3Connection(name="crm-b", bucket="crm", base_directory="in", iam_role_arn=reader)
    >>> b.files("2026/").location
    's3://crm/in/2026/'
    """

    kind: ClassVar[str] = "s3_connection"

    type: Literal["s3_connection"] = "s3_connection"
    mask_type: Literal["file"] = "file"
    bucket: str
    base_directory: str = ""
    is_file_mask_source: bool = True
    is_file_mask_destination: bool = True
    bucket_owner: Account | None = None
    encryption: Encryption | None = None
    kms_key: str | None = None
    storage_class: str | None = None
    requester_pays: bool = False

    @field_validator("bucket")
    @classmethod
    def _is_a_bucket(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]{3,255}", name, re.ASCII):
            raise ValueError(_NO_BUCKET)
        return name

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        if not self.is_file_mask_source and not self.is_file_mask_destination:
            where, wrong = ("is_file_mask_destination",), "neither source nor destination is true: it is of no use"
            yield Problem(where, wrong, "let is_file_mask_source or is_file_mask_destination be true")
        yield from key_problems(self.encryption, self.kms_key)

    def url(self, path: str = "") -> str:
        """Return the URL of a path below the base directory; it ends with / where it means a folder.

        >>> S3Connection(name="b", bucket="crm").url("a.csv"), S3Connection(name="b", bucket="crm").url()
        ('s3://crm/a.csv', 's3://crm/')
        """
        if "://" in path:
            raise PlanError(
                f"{path} is a URL, not a path below {self.url()}", hint="write the path alone, or another connection"
            )
        base = self.base_directory.strip("/")
        return f"s3://{self.bucket}/{base}{'/' if base else ''}{path.lstrip('/')}"

    def files(
        self, path: str = "", *, session: SessionFactory | None = None, side: Side | None = None, **options: Any
    ) -> S3Files:
        """Return the objects below a path, or the one object that it means, with this connection's sessions.

        Args:
            path: A folder below the base directory, which ends with /, or one object; by default all of them.
            session: Sessions to begin with; by default as the connection says.
            side: What they are for, if they must not be used otherwise: "source" or "target".
            options: The other parameters of `S3Files`, such as `exclude`; what the connection says gives way to them.

        Raises:
            PlanError: the connection is not for that side.
        """
        said = {name: value for name, value in self.connector(path, side=side).items() if name != "type"}
        return S3Files(**{**said, "session": self.session(session), **options})

    def connector(self, path: str = "", *, side: Side | None = None) -> dict[str, Any]:
        """Return the connector that a job uses, as a job file would name it: its `type` and parameters.

        >>> S3Connection(name="b", bucket="crm", bucket_owner="222222222222").connector("in/")
        {'type': 's3_files', 'url': 's3://crm/in/', 'expected_owner': '222222222222'}

        Raises:
            PlanError: the connection is not for that side.
        """
        refused = {
            "source": None if self.is_file_mask_source else "is_file_mask_source",
            "target": None if self.is_file_mask_destination else "is_file_mask_destination",
        }.get(side or "")
        if refused:
            raise PlanError(
                f"the connection {self.name} is not to be used as {side}: {refused} is false",
                hint="use another connection, or set it to true if that was not meant",
            )
        optional: Mapping[str, Any] = {
            "expected_owner": self.bucket_owner, "encryption": self.encryption, "kms_key": self.kms_key,
            "storage_class": self.storage_class, "requester_pays": self.requester_pays or None,
        }  # fmt: skip
        given = {name: value for name, value in optional.items() if value is not None}
        return {"type": "s3_files", "url": self.url(path), **given}
