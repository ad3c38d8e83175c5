"""What policies have to know of the places of a run: buckets, tables, a cluster, and the account that each is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dmengine_connectors.access.conditions import matches
from dmengine_connectors.redshift_login import IamLogin
from dmengine_connectors.stores.objects import HOME

ANY: Final = "*"
_PARTITIONS: Final = {"cn": "aws-cn", "us-gov": "aws-us-gov"}


@dataclass(frozen=True, slots=True)
class Account:
    """Where ARNs point to. What is not known is `*`, which policies take for any.

    >>> Account("aws-cn", "cn-north-1", "222222222222").arn("dynamodb", "table/users")
    'arn:aws-cn:dynamodb:cn-north-1:222222222222:table/users'
    """

    partition: str = "aws"
    region: str = ANY
    number: str = ANY

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of something in this account."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.number}:{resource}"

    def endpoint(self, service: str) -> str:
        """Return what `kms:ViaService` calls a service of this region."""
        domain = "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"
        return f"{service}.{self.region}.{domain}"


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A key of KMS as policies name it: by its ARN; one that is only known by an alias, by that as a condition.

    Attributes:
        account: Where it is.
        id: Its id; `*` where only an alias is known.
        alias: The alias: "alias/masking".
    """

    account: Account
    id: str
    alias: str = ""

    @property
    def arn(self) -> str:
        """The key's ARN."""
        return self.account.arn("kms", f"key/{self.id}")

    @property
    def managed(self) -> bool:
        """Whether AWS manages it: its policy cannot be changed, and no other account can use it."""
        return self.alias.startswith("alias/aws/")

    @classmethod
    def of(cls, name: str, account: Account) -> KmsKey:
        """Return the key that an ARN, an id or an alias names.

        Args:
            name: As S3 takes it.
            account: Where it is, as far as the name does not say so.

        >>> KmsKey.of("alias/masking", Account("aws", "eu-west-1", "222222222222")).arn
        'arn:aws:kms:eu-west-1:222222222222:key/*'
        """
        parts = name.split(":", 5)
        if len(parts) == 6:
            account, name = Account(parts[1], parts[3], parts[4]), parts[5]
        return cls(account, ANY, name) if name.startswith("alias/") else cls(account, name.removeprefix("key/"))


@dataclass(frozen=True, slots=True)
class S3Place:
    """The objects of a bucket below a prefix, or one object.

    Attributes:
        bucket: The bucket.
        key: What all keys begin with, empty or ending in `/`; or the key of the one object.
        account: The bucket's account; its number is `*` where nobody has said it.
        keys: The KMS keys that its objects are encrypted with.
        tags: Whether tags go with the objects.
        delete_old: Whether old versions of objects masked in place are deleted.
        within: Whether who uses it is of the bucket's own account.
        external: Who empties the bucket where dmengine may not, if it is for staging.
    """

    bucket: str
    key: str = ""
    account: Account = Account()
    keys: tuple[KmsKey, ...] = ()
    tags: bool = True
    delete_old: bool = False
    within: bool = False
    external: str = ""

    @property
    def arn(self) -> str:
        """The bucket's ARN."""
        return f"arn:{self.account.partition}:s3:::{self.bucket}"

    @property
    def objects(self) -> str:
        """The ARN of the objects."""
        return f"{self.arn}/{self.key}" + ("*" if self.is_prefix else "")

    @property
    def is_prefix(self) -> bool:
        """Whether it is a prefix, not one object."""
        return not self.key or self.key.endswith("/")

    @property
    def home(self) -> str:
        """What the keys of dmengine's own notes begin with."""
        return f"{self.key[: self.key.rfind('/') + 1]}{HOME}/"

    def below(self, key: str) -> str:
        """Return the ARN of all objects of the bucket whose keys begin so.

        >>> S3Place("bucket", "in/").below("in/_dmengine/")
        'arn:aws:s3:::bucket/in/_dmengine/*'
        """
        return f"{self.arn}/{key}*"


@dataclass(frozen=True, slots=True)
class TablePlace:
    """A DynamoDB table that is exported, or the masked one that is imported, and the staging of it.

    Attributes:
        table: Its name; of a masked one perhaps with `*` where the name is not known before.
        account: Where it is.
        staging: Where exported and masked files lie for a while.
        keys: The KMS keys of the table.
        source: Of a masked table, the ARN of the original, which must never be deleted.
    """

    table: str
    account: Account
    staging: S3Place | None = None
    keys: tuple[KmsKey, ...] = ()
    source: str = ""

    @property
    def arn(self) -> str:
        """The table's ARN."""
        return self.account.arn("dynamodb", f"table/{self.table}")


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """A Redshift cluster and its staging.

    Attributes:
        roles: The roles that COPY and UNLOAD take, the cluster's own first.
        staging: Where UNLOAD writes to, and COPY reads from.
        account: The cluster's account.
        cluster: Its identifier, where the host says it.
        user: Who logs in.
        database: Where to.
        iam: How AWS gives the password, if it does.
    """

    roles: tuple[str, ...]
    staging: S3Place
    account: Account
    cluster: str = ""
    user: str = ""
    database: str = ""
    iam: IamLogin | None = None


def partition_of(region: str) -> str:
    """Return the partition that a region is in.

    >>> partition_of("cn-north-1"), partition_of("us-gov-west-1"), partition_of("eu-west-1")
    ('aws-cn', 'aws-us-gov', 'aws')
    """
    return next((name for begin, name in _PARTITIONS.items() if region.startswith(begin + "-")), "aws")


def covers(pattern: str, other: str) -> bool:
    """Say whether all that a pattern of IAM means, another one means too.

    >>> covers("arn:aws:s3:::b/*", "arn:aws:s3:::b/in/*"), covers("arn:aws:s3:::b/in/*", "arn:aws:s3:::b/*")
    (True, False)
    """
    return matches(pattern, other.replace("*", "\0" * 64))  # more than any row of `?` stands for


def meet(pattern: str, other: str) -> bool:
    """Say whether two patterns of IAM may mean the same thing.

    >>> meet("arn:aws:s3:::b*", "arn:aws:s3:::*/in/*"), meet("arn:aws:s3:::b", "arn:aws:s3:::b/*")
    (True, False)
    """
    ends = [[False] * (len(other) + 1) for _ in range(len(pattern) + 1)]
    ends[-1][-1] = True
    for at in reversed(range(len(pattern) + 1)):
        for there in reversed(range(len(other) + 1)):
            one, two = pattern[at : at + 1], other[there : there + 1]
            if one == "*":
                ends[at][there] |= ends[at + 1][there]
            if two == "*":
                ends[at][there] |= ends[at][there + 1]
            if one and two:
                same = one == two or "?" in (one, two)
                ends[at][there] |= (one == "*" and ends[at][there + 1]) or (two == "*" and ends[at + 1][there])
                ends[at][there] |= same and ends[at + 1][there + 1]
    return ends[0][0]
