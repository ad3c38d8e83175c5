"""Completes the uploads of sealed objects, and tells a lost answer from a lost upload."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

from dmengine.errors import RunError, StoreError
from dmengine.spi import Sealed
from dmengine_connectors.stores.objects import ABSENT, gone
from dmengine_connectors.stores.s3_calls import AT_ONCE, Calls, RefusedError, wait
from dmengine_connectors.stores.s3_read import pin_of, split_pin
from dmengine_connectors.stores.s3_upload import PartSent, SealedUpload, composite_checksum, composite_etag

_TRIES: Final = 10
_EMPTY: Final = "EmptyAnswer"
_IN_DOUBT: Final = (
    _EMPTY, "NoSuchUpload", "NoSuchKey", "404", "PreconditionFailed", "412", "ConditionalRequestConflict", "409"
)  # fmt: skip


def notes_of(file: SealedUpload, replaces: str) -> dict[str, str]:
    """Write down what `complete` needs to know of a finished upload."""
    etag = composite_etag(file.parts)
    parts = json.dumps([[part.etag, part.sha256] for part in file.parts])
    return {"upload": file.upload, "parts": parts, "replaces": replaces, "pin": pin_of(etag, file.size) if etag else ""}


def complete_all(calls: Calls, prefix: str, sealed: Sequence[Sealed]) -> None:
    """Complete the uploads of sealed objects, several at a time.

    Raises:
        GoneError: some uploads are gone, and their objects are not there; all the others are completed.
    """

    def complete(one: Sealed) -> bool:
        pin = Completion(calls, prefix + one.location, one).complete()
        if pin and pin != one.notes["pin"]:  # under KMS keys an ETag is only known now; the report wants it
            cast(dict[str, str], one.notes)["pin"] = pin
        return bool(pin)

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dmengine-publish") as pool:
        lost = [one for one, done in zip(sealed, pool.map(complete, sealed), strict=True) if not done]
    if lost:
        raise gone(lost, "open upload")


@dataclass(frozen=True, slots=True)
class Completion:
    """One upload to complete."""

    calls: Calls
    key: str
    sealed: Sealed

    def complete(self) -> str:
        """Make the object visible, and return its pin; "" if its upload is gone and the object is not there.

        May be called again after a crash.

        Raises:
            RunError: something else is at its place.
        """
        replaces = self.sealed.notes["replaces"]
        for tries in range(_TRIES):
            answer = self._completed(replaces)
            if not isinstance(answer, RefusedError):
                return pin_of(answer, self.sealed.size)
            if answer.code not in _IN_DOUBT:
                raise answer
            found = self._found()
            if found is not None and self._is_ours(found):
                self._let_go(answer)
                return pin_of(found["ETag"], self.sealed.size)
            self._check(replaces, ABSENT if found is None else found["ETag"])
            if answer.code == "NoSuchUpload":
                return ""
            if found is None:
                replaces = ABSENT
            wait(tries)
        raise StoreError(f"S3 cannot complete {self.calls.url(self.key)}, and does not say why", hint="resume the run")

    def _completed(self, replaces: str) -> str | RefusedError:
        """Complete the upload; return the new ETag, or why not."""
        condition = {"IfNoneMatch": "*"} if replaces == ABSENT else {"IfMatch": replaces}
        try:
            answer = self.calls(
                "complete_multipart_upload", Key=self.key, UploadId=self.sealed.notes["upload"],
                MultipartUpload={"Parts": [part.complete(n) for n, part in enumerate(self._parts, 1)]}, **condition,
            )  # fmt: skip
        except RefusedError as error:
            return error
        if not answer.get("ETag"):  # an answer without a body: it may be anything
            doubt = RefusedError(f"S3 does not say that {self.calls.url(self.key)} is complete")
            doubt.code = _EMPTY
            return doubt
        return str(answer["ETag"])

    def _check(self, replaces: str, found: str) -> None:
        """Go on only if the place is as it was."""
        if found not in (ABSENT, replaces):
            raise RunError(
                f"{self.calls.url(self.key)} was changed at the target while the run was under way",
                hint="move it away and resume the run, which then puts the masked version there",
            )

    def _let_go(self, answer: RefusedError) -> None:
        """End our upload where the object is there by another one: by one that was taken for gone, say."""
        if answer.code != "NoSuchUpload":
            with suppress(RefusedError):  # most often it is gone: it is what was completed, and the answer was lost
                self.calls("abort_multipart_upload", Key=self.key, UploadId=self.sealed.notes["upload"])

    def _found(self) -> Mapping[str, Any] | None:
        """Look at what is at the place."""
        try:
            return self.calls("head_object", Key=self.key, ChecksumMode="ENABLED")
        except RefusedError as error:
            if error.kind == "missing":
                return None
            if error.kind not in ("denied", "kms"):
                raise
        return self.calls("head_object", Key=self.key)  # a KMS key may keep the checksum from us, not the ETag

    def _is_ours(self, found: Mapping[str, Any]) -> bool:
        """Say whether an object is what was sealed: by its checksum, or where S3 has none to show by its ETag."""
        if found["ContentLength"] != self.sealed.size:
            return False
        checksum = found.get("ChecksumSHA256")
        if checksum:
            return str(checksum).partition("-")[0] == composite_checksum(self._parts)
        expected = self.sealed.notes["pin"]
        return bool(expected) and found["ETag"] == split_pin(expected)[0]

    @property
    def _parts(self) -> Sequence[PartSent]:
        return [PartSent(etag, sha256) for etag, sha256 in json.loads(self.sealed.notes["parts"])]
