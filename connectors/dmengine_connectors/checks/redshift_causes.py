"""Why an UNLOAD or a COPY was refused: what Redshift says, as a cause and a remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dmengine.spi import Check
from dmengine_connectors.access.need import Need
from dmengine_connectors.access.needs_redshift import cluster_needs
from dmengine_connectors.access.places import ClusterPlace
from dmengine_connectors.access.statements import VERSION, document
from dmengine_connectors.checks.redshift_sql import SqlError

Policy = Mapping[str, Any]
Cause = tuple[str, str, Policy | None]
"""What is the matter, what to do, and the statements."""

# What the documentation of COPY and UNLOAD, and readings of real clusters, show of Redshift's messages.
_NOT_ASSUMED: Final = re.compile(
    r"not authorized to assume IAM Role|not authorized to get credentials of role|not associated to cluster", re.I
)
_NO_GRANT: Final = re.compile(r"permission denied.*(assumerole|iam role)|not authorized.*assumerole", re.I)
_KEY: Final = re.compile(r"(kms:(?:GenerateDataKey|Decrypt|Encrypt|DescribeKey))\b", re.I)
_KEY_ARN: Final = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")
_REGION: Final = re.compile(r"PermanentRedirect|must be addressed using the specified endpoint|Status 301|region", re.I)
_BUCKET: Final = re.compile(r"NoSuchBucket|bucket does not exist", re.I)
_DENIED: Final = re.compile(r"Access ?Denied|Status 403", re.I)
_SERVICES: Final = ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"]


def refusal(name: str, subject: str, error: SqlError, place: ClusterPlace) -> Check:
    """Return the check that an UNLOAD or a COPY which was refused comes to."""
    call = name.rpartition(".")[2].upper()
    if error.is_late:
        told = "the cluster did not end it in time, so nothing is known"
        hint = "check again when the cluster is awake and less busy; the first statement of a workgroup takes longer"
        return Check(name, "unknown", subject, told, call, hint)
    told, hint, policy = _cause(error, place)
    return Check(name, "failed", subject, told, call, hint, policy)


def _cause(error: SqlError, place: ClusterPlace) -> Cause:
    said = error.said
    if _NO_GRANT.search(said):
        chain = ",".join(place.roles)
        grant = f"GRANT ASSUMEROLE ON '{chain}' TO {place.user or '<user>'} FOR COPY, UNLOAD"
        return "the database user may not use these roles", grant, None
    if _NOT_ASSUMED.search(said):
        return _not_assumed(said, place)
    if key := _KEY.search(said):
        return _no_key(said, key[1], place)
    if _BUCKET.search(said):
        return f"there is no bucket {place.staging.bucket}", "check the bucket's name", None
    if _REGION.search(said):
        told = f"the bucket {place.staging.bucket} is not in the cluster's region"
        return told, "take a bucket in the region of the cluster: COPY of Parquet reads from no other", None
    if _DENIED.search(said):
        return _no_bucket(place)
    if error.code == "42501":
        return "the database user may not do this", f"GRANT TEMP ON DATABASE to {place.user or 'the user'}", None
    return f"the cluster refuses it: {error.code}", "look into STL_ERROR and SYS_LOAD_ERROR_DETAIL", None


def _not_assumed(said: str, place: ClusterPlace) -> Cause:
    """Find the role in the chain that was not assumed: the last one that the message names."""
    named = [number for number, role in enumerate(place.roles) if re.search(rf"{re.escape(role)}(?![\w+=.@/-])", said)]
    at = max(named, default=0)
    role = place.roles[at]
    if at == 0:
        told = f"the cluster cannot assume {role}: it is not attached to the cluster, or does not trust Redshift"
        hint = "attach the role to the cluster (or the namespace), and let its trust policy name the service"
        return told, hint, _trust({"Service": _SERVICES})
    before = place.roles[at - 1]
    told = f"{before} cannot assume {role}: one does not trust, or the other is not allowed to"
    hint = f"let {role} trust {before}, and allow sts:AssumeRole on it in the policy of {before}"
    allowing = document([Need("sts:AssumeRole", role, "go on to the next role of the chain", sid="ChainToTheNextRole")])
    trust = _trust({"AWS": before})
    return told, hint, {"Version": VERSION, "Statement": [*allowing["Statement"], *trust["Statement"]]}


def _no_key(said: str, action: str, place: ClusterPlace) -> Cause:
    named = _KEY_ARN.search(said)
    keys = [key.arn for key in place.staging.keys]
    arn = named[0] if named else (keys[0] if keys else place.staging.account.arn("kms", "key/*"))
    role = place.roles[-1]
    told = f"{role} may not use the KMS key of the bucket: {action}"
    hint = f"allow kms:GenerateDataKey and kms:Decrypt on {arn} in the policy of {role} and in the key's"
    actions = ("kms:GenerateDataKey", "kms:Decrypt")
    return told, hint, document([Need(one, arn, "use the bucket's key", sid="ClusterStagingKey") for one in actions])


def _no_bucket(place: ClusterPlace) -> Cause:
    role, staging = place.roles[-1], place.staging
    told = f"{role} has no access to s3://{staging.bucket}/{staging.key}"
    hint = f"give {role} this policy; where the bucket is another account's, the bucket's policy must let it in too"
    return told, hint, document(cluster_needs(place))


def _trust(principal: Mapping[str, Any]) -> dict[str, Any]:
    trust = {"Sid": "InTheTrustPolicyOfTheRole", "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {"Version": VERSION, "Statement": [trust]}
