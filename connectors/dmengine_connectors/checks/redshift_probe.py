"""Proves the cluster's roles: one row unloaded, carried over by us, loaded again, and all of it removed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from dmengine.errors import DmengineError
from dmengine.spi import Check
from dmengine_connectors.access.needs_s3 import s3_needs
from dmengine_connectors.access.places import ClusterPlace
from dmengine_connectors.access.statements import document
from dmengine_connectors.checks.asking import Limit
from dmengine_connectors.checks.redshift_causes import refusal
from dmengine_connectors.checks.redshift_sql import STATEMENT_SECONDS, SqlError, Statements
from dmengine_connectors.redshift_quoting import iam_role, literal
from dmengine_connectors.stores.s3_calls import Calls, RefusedError, pages

_TABLE: Final = '"dmengine_check"'  # temporary: it goes with the connection
_MOST: Final = 64  # bytes; more than one row never unloads to as many kilobytes
_KILO: Final = 1024


@dataclass(frozen=True, slots=True)
class Probe:
    """One proof, in a prefix of its own below staging.

    Attributes:
        statements: The database.
        calls: The bucket, as we reach it.
        place: The cluster and its staging.
        folder: The prefix.
    """

    statements: Statements
    calls: Calls
    place: ClusterPlace
    folder: str


def probe_checks(statements: Statements, calls: Calls, place: ClusterPlace) -> list[Check]:
    """Unload a row that means nothing, carry it over as a run would, and load it; whatever comes, remove it.

    It is a list: what was written is removed before anybody reads what came of it.
    """
    probe = Probe(statements, calls, place, f"{place.staging.key}dmengine-check-{uuid.uuid4().hex}/")
    found: list[Check] = []
    try:
        for step in (_unloaded, _carried, _loaded):
            fresh = replace(statements, limit=Limit(STATEMENT_SECONDS + 1))
            found.append(step(replace(probe, statements=fresh)))
            if found[-1].status != "passed":
                break
    finally:
        found.extend(_removed(probe))
    return found


def _url(probe: Probe, name: str = "") -> str:
    return probe.calls.url(probe.folder + name)


def _unloaded(probe: Probe) -> Check:
    select, to, role = literal("SELECT 1::int AS n"), literal(_url(probe, "in/")), iam_role(probe.place.roles)
    subject = ",".join(probe.place.roles)
    try:
        probe.statements.rows(f"UNLOAD ({select}) TO {to} {role} FORMAT AS PARQUET MANIFEST")
    except SqlError as error:
        return refusal("redshift.unload", subject, error, probe.place)
    told = f"the cluster writes to s3://{probe.calls.bucket}/{probe.place.staging.key}"
    return Check("redshift.unload", "passed", subject, told, "UNLOAD")


def _carried(probe: Probe) -> Check:
    """Read what the cluster has written and write it as masked files are written, with a manifest of ours."""
    subject, name = _url(probe), "redshift.staging"
    try:
        entries = json.loads(_body(probe, f"{probe.folder}in/manifest"))["entries"]
        bodies = [_body(probe, str(entry["url"]).partition(f"://{probe.calls.bucket}/")[2]) for entry in entries]
        written = []
        for number, body in enumerate(bodies):
            key = f"{probe.folder}out/{number:04}.parquet"
            probe.calls("put_object", Key=key, Body=body)
            written.append({"url": probe.calls.url(key), "mandatory": True, "meta": {"content_length": len(body)}})
        probe.calls("put_object", Key=f"{probe.folder}out/manifest", Body=json.dumps({"entries": written}).encode())
    except RefusedError as error:
        return Check(name, "failed", subject, error.message, "GetObject, PutObject", error.hint, _staging_policy(probe))
    except (KeyError, TypeError, ValueError):
        told = "the cluster's manifest cannot be read"
        return Check(name, "failed", subject, told, "GetObject", "report it with the version that the cluster tells")
    told = "dmengine reads what the cluster writes, and writes there itself"
    return Check(name, "passed", subject, told, "GetObject, PutObject")


def _body(probe: Probe, key: str) -> bytes:
    stream = probe.calls("get_object", Key=key)["Body"]
    try:
        body: bytes = stream.read(_MOST * _KILO)
        return body
    finally:
        stream.close()


def _loaded(probe: Probe) -> Check:
    subject = ",".join(probe.place.roles)
    manifest, role = literal(_url(probe, "out/manifest")), iam_role(probe.place.roles)
    try:
        probe.statements.rows(f'CREATE TEMP TABLE {_TABLE} ("n" int)')
        probe.statements.rows(f'COPY {_TABLE} ("n") FROM {manifest} {role} FORMAT AS PARQUET MANIFEST')
        count = int(probe.statements.one(f"SELECT count(*) FROM {_TABLE}"))
    except SqlError as error:
        return refusal("redshift.copy", subject, error, probe.place)
    if count != 1:
        told = f"of one row, {count} came back: the cluster does not load what was written"
        return Check("redshift.copy", "failed", subject, told, "COPY", "look into SYS_LOAD_ERROR_DETAIL")
    return Check("redshift.copy", "passed", subject, "the cluster loads what dmengine writes there", "COPY")


def _removed(probe: Probe) -> list[Check]:
    """Remove all below the prefix, which nobody else knows; tell only what is left."""
    name, left = "redshift.probe", _url(probe)
    listing: Callable[[], list[Any]] = lambda: [  # noqa: E731
        one["Key"] for one in pages(
            probe.calls, "list_objects_v2", "Contents", {"ContinuationToken": "NextContinuationToken"},
            Prefix=probe.folder,
        )
    ]  # fmt: skip
    try:
        for key in listing():
            probe.calls("delete_object", Key=key)
        if not listing():
            return []
        told, hint = (
            "what the probe has written is still there",
            "remove it by hand: it holds one row that means nothing",
        )
    except DmengineError as error:
        told = f"what the probe has written cannot be removed: {error.message}"
        hint = f"{error.hint}; remove it by hand: it holds one row that means nothing"
    return [Check(name, "failed", left, told, "DeleteObject", hint, _staging_policy(probe))]


def _staging_policy(probe: Probe) -> dict[str, Any]:
    return document(need for need in s3_needs(probe.place.staging, "staging") if not need.optional)
