"""The rights that masking a Redshift table needs: dmengine's on staging, and those of the cluster's own roles."""

from __future__ import annotations

from collections.abc import Iterator

from dmengine_connectors.access.need import Need
from dmengine_connectors.access.needs_keys import key_needs
from dmengine_connectors.access.needs_s3 import s3_needs
from dmengine_connectors.access.places import ANY, ClusterPlace


def redshift_needs(place: ClusterPlace) -> tuple[Need, ...]:
    """Return what dmengine itself needs: the staged files, and a login where AWS gives the password."""
    return (*s3_needs(place.staging, "staging"), *login_needs(place))


def cluster_needs(place: ClusterPlace) -> tuple[Need, ...]:
    """Return what the last of the cluster's roles needs: UNLOAD writes the staged files, COPY reads them.

    >>> from dmengine_connectors.access.places import Account, S3Place
    >>> place = ClusterPlace((), S3Place("stage", "crm/"), Account())
    >>> [need.action for need in cluster_needs(place)][:3]
    ['s3:PutObject', 's3:GetObject', 's3:AbortMultipartUpload']
    """
    staging = place.staging
    bound = {"StringLike": {"s3:prefix": f"{staging.key}*"}} if staging.key else {}
    sid, region = "ClusterStagingAccess", "look in which region the bucket is, as the cluster does"
    return (
        Need("s3:PutObject", staging.objects, "write the table's rows: UNLOAD", sid=sid),
        Need("s3:GetObject", staging.objects, "read the masked rows: COPY", sid=sid),
        Need("s3:AbortMultipartUpload", staging.objects, "end the uploads of an UNLOAD that fails", True, sid),
        Need(
            "s3:ListBucket", staging.arn, "see what is there: UNLOAD, COPY", sid="ClusterStagingList", condition=bound
        ),
        Need("s3:GetBucketLocation", staging.arn, region, sid="ClusterStagingRegion"),
        *key_needs(staging.keys, "write", "s3"),
    )


def database_user_arn(place: ClusterPlace) -> str:
    """Return who logs in, as Redshift names it to STS; empty where the cluster is not known."""
    if not place.cluster or not place.user:
        return ""
    return place.account.arn("redshift", f"dbuser:{place.cluster}/{place.user}")


def login_needs(place: ClusterPlace) -> Iterator[Need]:
    """Yield what a login takes for which AWS gives the password; nothing, where it does not.

    https://docs.aws.amazon.com/redshift/latest/mgmt/generating-iam-credentials-role-permissions.html
    """
    if (iam := place.iam) is None:
        return
    reason, sid = "log in with a password that AWS gives for a quarter of an hour", "TemporaryPassword"
    if iam.kind == "serverless":
        # policies name a workgroup by an id that neither its name nor its host tells
        yield Need(iam.action, place.account.arn("redshift-serverless", "workgroup/*"), reason, sid=sid)
        return
    cluster = place.cluster or ANY
    if iam.kind == "cluster":
        user = place.account.arn("redshift", f"dbuser:{cluster}/{place.user or ANY}")
        yield Need(iam.action, user, reason, sid=sid)
        if iam.auto_create:
            yield Need("redshift:CreateClusterUser", user, "make the user that logs in", sid="TemporaryUser")
    yield Need(iam.action, place.account.arn("redshift", f"dbname:{cluster}/{place.database or ANY}"), reason, sid=sid)
    for group in iam.groups:
        joined = place.account.arn("redshift", f"dbgroup:{cluster}/{group}")
        yield Need("redshift:JoinGroup", joined, "join the group for the session", sid="TemporaryGroups")
