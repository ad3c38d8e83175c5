"""A prefix of a bucket as a store of small durable objects: the ground of a journal."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from pydantic import InstanceOf

from dmengine.spi import Finding
from dmengine_connectors.session import SessionFactory
from dmengine_connectors.stores.s3_calls import AT_ONCE, Calls, RefusedError, pages, split_url
from dmengine_connectors.stores.s3_read import open_object

_TRIES: Final = 20
_BATCH: Final = 1000  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html


@dataclass(frozen=True, slots=True)
class S3Store:
    """Small objects below a prefix. An object is created whole, and never twice.

    Where the policies allow to write and not to delete, an object is emptied instead, and is then as good as gone.

    Args:
        url: The prefix: `s3://bucket/prefix/`.
        session: Who calls; None: whoever the environment says.
        expected_owner: The account that owns the bucket; None: that of the session's last role.
        requester_pays: Accept to pay.

    >>> S3Store("s3://bucket/jobs/_dmengine").location
    's3://bucket/jobs/_dmengine/'
    """

    url: str
    session: InstanceOf[SessionFactory] | None = field(default=None, repr=False)
    expected_owner: str | None = None
    requester_pays: bool = False

    @property
    def location(self) -> str:
        """The prefix."""
        return self._calls.url(self._prefix)

    @property
    def at_once(self) -> int:
        """Many: a bucket answers many questions in the time of one."""
        return AT_ONCE

    def names(self, prefix: str = "") -> list[str]:
        """List the objects below a prefix, sorted."""
        found = pages(
            self._calls, "list_objects_v2", "Contents", {"ContinuationToken": "NextContinuationToken"},
            Prefix=self._prefix + prefix,
        )  # fmt: skip
        return sorted(one["Key"][len(self._prefix) :] for one in found if one["Size"])

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, or None if there is none."""
        try:
            with open_object(self._calls, self._prefix + name, name, "", "glance") as file:
                return file.read() or None
        except RefusedError as error:
            if error.code not in ("NoSuchKey", "404"):
                raise
        return None

    def create(self, name: str, body: bytes) -> bool:
        """Write a whole new object durably; False, and no change, if there is one already."""
        condition = {"IfNoneMatch": "*"}
        for tries_left in reversed(range(_TRIES)):
            try:
                self._calls("put_object", Key=self._prefix + name, Body=body, **condition)
            except RefusedError as error:
                if error.kind != "changed" and not (error.kind == "missing" and "IfMatch" in condition):
                    raise
                if not tries_left:
                    raise
            else:
                return True
            etag = self._emptied(name)
            if etag is None:
                return False
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
            time.sleep(random.uniform(0, 0.05))  # noqa: S311  # two that create the same name at once
        return False

    def delete(self, *names: str) -> tuple[Finding, ...]:
        """Remove objects, a thousand with one call; no error for one that is not there. Say if they stay, emptied."""
        if len(names) == 1:
            return self._delete(names[0])
        batches = (names[start : start + _BATCH] for start in range(0, len(names), _BATCH))
        left = [name for batch in batches for name in self._still_there(batch)]
        with ThreadPoolExecutor(self.at_once, thread_name_prefix="dmengine-delete") as pool:
            found = [finding for stays in pool.map(self._delete, left) for finding in stays]
        return tuple(dict.fromkeys(found))

    def _still_there(self, names: Sequence[str]) -> Sequence[str]:
        """Remove many with one call; return those that S3 has not removed, for whatever reason."""
        keys = {self._prefix + name: name for name in names}
        deleted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        try:
            answer = self._calls("delete_objects", Delete=deleted)
        except RefusedError as error:
            if error.kind != "denied" and error.code != "MalformedXML":  # some characters of a prefix XML cannot say
                raise
            return names
        return [keys[refused["Key"]] for refused in answer.get("Errors", ())]

    def _delete(self, name: str) -> tuple[Finding, ...]:
        try:
            self._calls("delete_object", Key=self._prefix + name)
        except RefusedError as error:
            if error.kind != "denied":
                raise
            if self.read(name) is not None:
                self._calls("put_object", Key=self._prefix + name, Body=b"")
            # It names no single object, so that all notes together say it once.
            told = f"notes of the journal stay, emptied, below {self.location} (DeleteObject: {error.code})"
            return (Finding("warning", told, hint=f"{error.hint}; or delete them by hand"),)
        return ()

    def _emptied(self, name: str) -> str | None:
        """Return the ETag of an object that was emptied, "" if there is none, or None if there is a real one."""
        try:
            found = self._calls("head_object", Key=self._prefix + name)
        except RefusedError as error:
            if error.kind != "missing":
                raise
            return ""
        return None if found["ContentLength"] else str(found["ETag"])

    @property
    def _calls(self) -> Calls:
        return calls_on(split_url(self.url)[0], self.session, self.expected_owner, self.requester_pays)

    @property
    def _prefix(self) -> str:
        prefix = split_url(self.url)[1]
        return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def calls_on(bucket: str, session: SessionFactory | None, owner: str | None, requester_pays: bool) -> Calls:
    """Return the calls on a bucket; its owner is known where it was said, or where a role leads into an account."""
    session = session or _environment()
    if owner is None:
        owner = session.account_id() if session.roles else ""
    return Calls(session, bucket, owner, requester_pays)


@cache
def _environment() -> SessionFactory:
    """Return the one session of this process that begins with what the environment says."""
    return SessionFactory()
