"""Knows every multipart upload that a run began, also one whose id was lost with the process, and ends it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any, Final

from dmengine.spi import RunInfo
from dmengine_connectors.stores.s3_calls import Calls, RefusedError, pages

PUBLISHED: Final = "s3-published"
"""The note of a run as a whole that lists the uploads which it completes."""
RUN: Final = ""
"""The part under which notes of the whole run are kept."""
AT_ONCE: Final = 16
LIFECYCLE_RULE: Final = {
    "ID": "abort-open-uploads", "Status": "Enabled", "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attempt:
    """One upload of one part: begun, and perhaps known by its id."""

    since: datetime
    upload: str | None


@dataclass(frozen=True, slots=True)
class Uploads:
    """The uploads of runs into one place."""

    calls: Calls
    prefix: str

    def begin(self, run: RunInfo, name: str, replaces: str, date: str, creation: Mapping[str, Any]) -> str:
        """Begin an upload and return its id: first its intent is noted, then it is begun, then its id is noted.

        Whatever earlier attempts at this part have begun is ended first; nobody will complete it.
        """
        earlier = list(self._attempts(run, name))
        for attempt in earlier:
            self._end(name, attempt, earlier)
        number = len(earlier)
        by = f"{os.getpid()}.{os.urandom(4).hex()}"  # two processes that take the same number must not go on
        intent = {"key": self.prefix + name, "replaces": replaces, "since": date, "by": by}
        run.note(name, f"upload{number}-begun", json.dumps(intent))
        answer = self.calls("create_multipart_upload", Key=self.prefix + name, ChecksumAlgorithm="SHA256", **creation)
        upload: str = answer["UploadId"]
        run.note(name, f"upload{number}-id", upload)
        return upload

    def abort(self, name: str, upload: str) -> bool:
        """End an upload; say whether it is gone."""
        try:
            self.calls("abort_multipart_upload", Key=self.prefix + name, UploadId=upload)
        except RefusedError as error:
            return error.code == "NoSuchUpload"
        return True

    def end_all(self, run: RunInfo, names: Sequence[str]) -> tuple[str, ...]:
        """End what a run has begun for these names and not completed; return what could not be ended."""
        published = set(json.loads(run.get(RUN, PUBLISHED) or "[]"))
        if (listed := self._listed()) is not None:
            names = [name for name in names if self.prefix + name in listed]

        def left(name: str) -> list[str]:
            attempts = list(self._attempts(run, name))
            own = [kept for one in attempts if one.upload not in published for kept in self._end(name, one, attempts)]
            if listed is None or not attempts or any(one.upload is None for one in attempts):
                return own
            return own + self._end(name, Attempt(attempts[0].since, None), attempts)  # begun, and the answer was lost

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dmengine-end") as pool:
            found = [kept for some in pool.map(left, names) for kept in some]
        if found:
            found.append(f"(this lifecycle rule of the bucket removes open uploads: {json.dumps(LIFECYCLE_RULE)})")
        return tuple(found)

    def _attempts(self, run: RunInfo, name: str) -> Iterator[Attempt]:
        for number in count():
            intent = run.get(name, f"upload{number}-begun")
            if intent is None:
                return
            yield Attempt(_moment(json.loads(intent)["since"]), run.get(name, f"upload{number}-id"))

    def _end(self, name: str, attempt: Attempt, attempts: Sequence[Attempt]) -> list[str]:
        """End one attempt's upload, by its id or by looking for it; return the names of what is left."""
        url = self.calls.url(self.prefix + name)
        if attempt.upload is not None:
            return [] if self.abort(name, attempt.upload) else [f"{url} (open upload {attempt.upload})"]
        known = {other.upload for other in attempts}
        try:
            uploads = [
                found["UploadId"] for found in self._uploads_of(self.prefix + name)
                if found["Initiated"] >= attempt.since and found["UploadId"] not in known
            ]  # fmt: skip
        except RefusedError:
            return [f"{url} (perhaps an open upload begun at {attempt.since:%Y-%m-%dT%H:%M:%SZ}: not allowed to look)"]
        return [f"{url} (open upload {upload})" for upload in uploads if not self.abort(name, upload)]

    def _uploads_of(self, key: str) -> Iterator[dict[str, Any]]:
        """List the open uploads of exactly this key."""
        yield from (found for found in self._uploads_below(key) if found["Key"] == key)

    def _listed(self) -> set[str] | None:
        """Return every key that has an open upload, or None where we may not look."""
        try:
            return {found["Key"] for found in self._uploads_below(self.prefix)}
        except RefusedError:
            return None

    def _uploads_below(self, prefix: str) -> Iterator[dict[str, Any]]:
        tokens = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
        yield from pages(self.calls, "list_multipart_uploads", "Uploads", tokens, Prefix=prefix)


def _moment(date: str) -> datetime:
    """Read a time as HTTP writes it; S3's own clock, so that ours may be wrong."""
    try:
        return parsedate_to_datetime(date)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)  # S3 did not say: take every upload of exactly that key
