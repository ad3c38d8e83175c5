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

from dmengine.errors import RunError
from dmengine.spi import Finding, Leftovers, RunInfo
from dmengine_connectors.stores.s3_attributes import tags_stay
from dmengine_connectors.stores.s3_calls import AT_ONCE, Calls, RefusedError, pages
from dmengine_connectors.stores.s3_upload import Begun

RUN: Final = ""
"""The part under which notes of the whole run are kept."""
LIFECYCLE_RULE: Final = {
    "ID": "abort-open-uploads", "Status": "Enabled", "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
}  # fmt: skip
_RULE: Final = json.dumps(LIFECYCLE_RULE)
_TAG: Final = "s3:PutObjectTagging"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One upload of one part: begun, and perhaps known by its id."""

    since: datetime
    upload: str | None


@dataclass(frozen=True, slots=True)
class Left:
    """What could not be ended, and whether that is for want of rights."""

    name: str
    denied: bool


@dataclass(frozen=True, slots=True)
class Uploads:
    """The uploads of runs into one place."""

    calls: Calls
    prefix: str

    def begin(self, run: RunInfo, name: str, replaces: str, date: str, creation: Mapping[str, Any]) -> Begun:
        """Begin an upload and return its id: first its intent is noted, then it is begun, then its id is noted.

        Where tags may not be written, it is begun without them, which is returned as a finding.

        Whatever earlier attempts at this part have begun is ended first; nobody will complete it.
        """
        by = f"{os.getpid()}.{os.urandom(4).hex()}"  # no two attempts, of whatever process, write the same note
        intent = json.dumps({"key": self.prefix + name, "replaces": replaces, "since": date, "by": by})
        number = _first_free(run, name, "upload{}-begun", intent)  # most often 0, and it takes one call to know
        earlier = list(self._attempts(run, name, number))
        for attempt in earlier:
            self._end(name, attempt, earlier)
        upload, findings = self._begun(self.prefix + name, creation)
        run.note(name, f"upload{number}-id", upload)
        return upload, findings

    def _begun(self, key: str, creation: Mapping[str, Any]) -> Begun:
        refused: RefusedError | None = None
        try:
            return self._created(key, creation), ()
        except RefusedError as error:
            if "Tagging" not in creation or error.kind != "denied" or error.action not in ("", _TAG):
                raise
            refused = error
        bare = {name: value for name, value in creation.items() if name != "Tagging"}
        try:
            upload = self._created(key, bare)
        except RefusedError:
            raise refused from None  # it is not the tags
        return upload, (tags_stay("to", self.calls, refused, _TAG),)

    def _created(self, key: str, creation: Mapping[str, Any]) -> str:
        answer = self.calls("create_multipart_upload", Key=key, ChecksumAlgorithm="SHA256", **creation)
        return str(answer["UploadId"])

    def abort(self, name: str, upload: str) -> RefusedError | None:
        """End an upload; return why it is still there, if it is."""
        try:
            self.calls("abort_multipart_upload", Key=self.prefix + name, UploadId=upload)
        except RefusedError as error:
            return None if error.code == "NoSuchUpload" else error
        return None

    def end_all(self, run: RunInfo, names: Sequence[str]) -> Leftovers:
        """End what a run has begun for these names and not completed; return what could not be ended."""
        published = completing(run)
        listed, unknown = self._listed()
        if listed is not None:
            names = [name for name in names if self.prefix + name in listed]

        def left(name: str) -> list[Left]:
            attempts = list(self._attempts(run, name))
            own = [kept for one in attempts if one.upload not in published for kept in self._end(name, one, attempts)]
            if listed is None or not attempts or any(one.upload is None for one in attempts):
                return own
            return own + self._end(name, Attempt(attempts[0].since, None), attempts)  # begun, and the answer was lost

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dmengine-end") as pool:
            found = [kept for some in pool.map(left, names) for kept in some]
        if not found:
            return Leftovers(findings=unknown)
        rule = f"(this lifecycle rule of the bucket removes open uploads: {_RULE})"
        denied = all(one.denied for one in found)
        return Leftovers((*(one.name for one in found), rule), denied, unknown)

    def _attempts(self, run: RunInfo, name: str, before: int | None = None) -> Iterator[Attempt]:
        for number in count() if before is None else range(before):
            intent = run.get(name, f"upload{number}-begun")
            if intent is None:
                return
            yield Attempt(_moment(json.loads(intent)["since"]), run.get(name, f"upload{number}-id"))

    def _end(self, name: str, attempt: Attempt, attempts: Sequence[Attempt]) -> list[Left]:
        """End one attempt's upload, by its id or by looking for it; return what is left."""
        url = self.calls.url(self.prefix + name)
        if attempt.upload is not None:
            return self._aborted(name, [attempt.upload])
        known = {other.upload for other in attempts}
        try:
            uploads = [
                found["UploadId"] for found in self._uploads_of(self.prefix + name)
                if found["Initiated"] >= attempt.since and found["UploadId"] not in known
            ]  # fmt: skip
        except RefusedError as error:
            why = "not allowed to look" if error.kind == "denied" else error.code or "no answer"
            perhaps = f"{url} (perhaps an open upload begun at {attempt.since:%Y-%m-%dT%H:%M:%SZ}: {why})"
            return [Left(perhaps, error.kind == "denied")]
        return self._aborted(name, uploads)

    def _aborted(self, name: str, uploads: Sequence[str]) -> list[Left]:
        url = self.calls.url(self.prefix + name)
        refused = [(upload, error) for upload in uploads if (error := self.abort(name, upload)) is not None]
        return [Left(f"{url} (open upload {upload})", error.kind == "denied") for upload, error in refused]

    def _uploads_of(self, key: str) -> Iterator[dict[str, Any]]:
        """List the open uploads of exactly this key."""
        yield from (found for found in self._uploads_below(key) if found["Key"] == key)

    def _listed(self) -> tuple[set[str] | None, tuple[Finding, ...]]:
        """Return every key that has an open upload; where we may not look, None and what is not known then."""
        try:
            return {found["Key"] for found in self._uploads_below(self.prefix)}, ()
        except RefusedError as error:
            message = f"unknown: whether uploads stay open whose id was lost, {self.calls.url(self.prefix)}"
            told = f"{message} (ListMultipartUploads: {error.code})"
            return None, (Finding("warning", told, hint=f"{error.hint}; or set the lifecycle rule {_RULE}"),)

    def _uploads_below(self, prefix: str) -> Iterator[dict[str, Any]]:
        tokens = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
        yield from pages(self.calls, "list_multipart_uploads", "Uploads", tokens, Prefix=prefix)


def note_completing(run: RunInfo, uploads: Sequence[str]) -> None:
    """Note which uploads a run is about to complete; others may come in the place of those that are gone."""
    _first_free(run, RUN, "s3-published{}", json.dumps(uploads))


def completing(run: RunInfo) -> set[str]:
    """Return all uploads that a run has completed, or was about to."""
    found: set[str] = set()
    for number in count():
        noted = run.get(RUN, f"s3-published{number}")
        if noted is None:
            return found
        found |= set(json.loads(noted))
    return found


def _first_free(run: RunInfo, name: str, key: str, value: str) -> int:
    """Write a note under the first number that has none, or has the same; return the number."""
    for number in count():
        try:
            run.note(name, key.format(number), value)
        except RunError:  # there is another one
            continue
        return number
    raise AssertionError


def _moment(date: str) -> datetime:
    """Read a time as HTTP writes it; S3's own clock, so that ours may be wrong."""
    try:
        return parsedate_to_datetime(date)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)  # S3 did not say: take every upload of exactly that key
