"""The rights that masking a Redshift table needs: dmengine's on staging, and those of the cluster's own roles."""

from __future__ import annotations

from collections.abc import Iterator

from dmengine_connectors.access.need import Need
from dmengine_connectors.access.needs_keys import key_needs
from dmengine_connectors.access.needs_s3 import s3_needs
from dmengine_connectors.access.places import ClusterPlace


def redshift_needs(place: ClusterPlace) -> tuple[Need, ...]:
    """Return what dmengine itself needs: the staged files, and a login where AWS gives the password."""
    return (*s3_needs(place.staging, "staging"), *_login(place))


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


def _login(place: ClusterPlace) -> Iterator[Need]:
    if not place.temporary:
        return
    reason = "log in with a password that AWS gives for a quarter of an hour"
    cluster, sid = place.cluster or "*", "TemporaryPassword"
    user = place.account.arn("redshift", f"dbuser:{cluster}/{place.user or '*'}")
    yield Need("redshift:GetClusterCredentials", user, reason, sid=sid)
    database = place.account.arn("redshift", f"dbname:{cluster}/{place.database or '*'}")
    yield Need("redshift:GetClusterCredentials", database, reason, sid=sid)
