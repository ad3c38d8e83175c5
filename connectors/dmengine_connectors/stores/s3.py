"""A bucket, or a prefix of one, as a store of data objects: listed, pinned, read, sealed, published."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, cast

from dmengine.spi import Finding, Leftovers, Part, RunInfo, Sealed
from dmengine_connectors.stores.objects import ABSENT, HOME, Access, Carried, ObjectInfo, not_at_rest
from dmengine_connectors.stores.s3_attributes import Attributes, Beside, Wanted, creation, read_attributes
from dmengine_connectors.stores.s3_calls import AT_ONCE, Calls, RefusedError, date_of, pages
from dmengine_connectors.stores.s3_publish import complete_all, notes_of
from dmengine_connectors.stores.s3_read import RangedFile, Ranges, open_object, pin_of, split_pin
from dmengine_connectors.stores.s3_upload import SealedUpload
from dmengine_connectors.stores.s3_uploads import RUN, Uploads, completing, note_completing
from dmengine_connectors.stores.s3_versions import check_deleting, delete_old

TARGET: Final = "s3-target"
"""The note of a run as a whole that says where it writes, and what."""
_ARCHIVED: Final = ("GLACIER", "DEEP_ARCHIVE")


@dataclass(frozen=True, slots=True)
class Bucket:
    """The data objects below a prefix.

    Attributes:
        calls: The bucket.
        prefix: What all keys begin with; empty, or ending in `/`.
        wanted: How new objects are stored.
        metadata: Whether the user's metadata goes with an object, or is refused.
        tags: Whether the tags do, or are.
        delete_old: Whether old versions of objects masked in place are deleted.
    """

    calls: Calls
    prefix: str
    wanted: Wanted = field(default_factory=Wanted)
    metadata: Beside = "keep"
    tags: Beside = "keep"
    delete_old: bool = False

    @property
    def at_once(self) -> int:
        """Many: a bucket answers many questions in the time of one."""
        return AT_ONCE

    def objects(self, only: str = "") -> Iterator[ObjectInfo]:
        """List objects in the order of their keys, without what dmengine itself keeps there."""
        found = pages(
            self.calls, "list_objects_v2", "Contents", {"ContinuationToken": "NextContinuationToken"},
            Prefix=self.prefix + only, OptionalObjectAttributes=["RestoreStatus"],
        )  # fmt: skip
        for one in found:
            name = one["Key"][len(self.prefix) :]
            if only and name != only:
                return  # it sorts before all that begin with it
            if not name.startswith(HOME + "/") and (name or one["Size"]):
                yield _info(name, one)

    def open(self, name: str, pin: str = "", access: Access = "stream") -> BinaryIO:
        """Open an object for reading; every byte comes from the version that the pin names."""
        return cast(BinaryIO, open_object(self.calls, self.prefix + name, name, pin, access))

    def carried(self, file: BinaryIO, name: str) -> Carried | None:
        """Return the metadata, headers and tags of an opened object."""
        answer = cast(RangedFile, file).answer
        key = self.prefix + name
        attributes, findings = read_attributes(self.calls, key, answer, metadata=self.metadata, tags=self.tags)
        pin = pin_of(answer["ETag"], cast(RangedFile, file).size)
        findings = (*findings, *_not_compared(cast(RangedFile, file).unlike))
        return Carried(None, self.calls.url(key), pin, attributes, findings)

    def check_same(self, name: str, pin: str, file: BinaryIO) -> None:
        """Compare what was read with S3's checksum; that it is one version is certain, by `IfMatch`."""
        cast(RangedFile, file).verify(Ranges(self.calls, self.prefix + name, name, split_pin(pin)[0]))

    # ------------------------------------------------------------------------------------------ sealing

    def start(self, run: RunInfo, names: list[str], *, in_place: bool) -> None:
        """Note what the run will write, so that it can be cleaned by whoever finds its journal.

        Raises:
            RefusedError: old versions are to be deleted, and may not be.
        """
        if self.delete_old and in_place and names:
            check_deleting(self.calls, self.prefix, names[0])
        target = {"place": self.calls.url(self.prefix), "in_place": in_place, "names": names}
        run.note(RUN, TARGET, json.dumps(target))

    @contextmanager
    def sealing(self, run: RunInfo, part: Part, carried: Carried | None) -> Iterator[SealedUpload]:
        """Write a new version of an object, as an upload that stays open until it is published."""
        name, key = part.name, self.prefix + part.name
        in_place = carried is not None and carried.origin == self.calls.url(key)
        replaces, date = self._target(key)
        if in_place and carried is not None and split_pin(carried.pin)[0] != replaces:
            raise not_at_rest(name, "removed" if replaces == ABSENT else "changed")
        attributes = carried.attributes if carried is not None else None
        if not isinstance(attributes, Attributes):  # it comes from a store without any
            attributes = Attributes()
        parameters = creation(attributes, self.wanted, in_place=in_place)
        uploads = self._uploads
        file = SealedUpload(
            self.calls, key, part.size or 0, lambda: uploads.begin(run, name, replaces, date, parameters)
        )
        try:
            yield file
            file.finish()
        except BaseException:
            file.stop()
            if file.upload:
                uploads.abort(name, file.upload)  # what cannot be aborted is named by `leftovers`
            raise
        file.notes.update(notes_of(file, replaces))

    def _target(self, key: str) -> tuple[str, str]:
        """Return the ETag of what is at a key, or `absent`, and the time by S3's clock."""
        try:
            found = self.calls("head_object", Key=key)
        except RefusedError as error:
            if error.code not in ("404", "NoSuchKey"):
                raise
            return ABSENT, error.date
        return found["ETag"], date_of(found)

    def publish(self, run: RunInfo, sealed: Iterable[Sealed]) -> None:
        """Complete the uploads, several at a time. May be called again after a crash."""
        waiting = list(sealed)
        note_completing(run, [one.notes["upload"] for one in waiting])
        complete_all(self.calls, self.prefix, waiting)

    def discard(self, run: RunInfo) -> None:
        """Abort every upload of a run, as far as that is allowed."""
        self.leftovers(run)

    def leftovers(self, run: RunInfo) -> Leftovers:
        """End what is still open, delete old versions where that is asked for, and name what could not be removed."""
        noted = run.get(RUN, TARGET)
        target = json.loads(noted) if noted else {}
        if target.get("place") != self.calls.url(self.prefix):
            return Leftovers()  # a run out of this bucket, not into it; or one that ended before it began
        left = self._uploads.end_all(run, target["names"])
        if not self.delete_old or not target["in_place"] or not completing(run):
            return left
        old = delete_old(self.calls, self.prefix, target["names"])
        return Leftovers((*left.names, *old), denied=left.denied and not old, findings=left.findings)

    @property
    def _uploads(self) -> Uploads:
        return Uploads(self.calls, self.prefix)


def _not_compared(kind: str) -> tuple[Finding, ...]:
    if not kind:
        return ()
    hint = 'pip install "boto3[crt]"' if kind.startswith("CRC") else "copy it anew with a CRC to have it compared"
    return (Finding("info", f"what is read is not compared with its {kind} checksum", hint=hint),)


def _info(name: str, found: dict[str, Any]) -> ObjectInfo:
    size, kind = found["Size"], found.get("StorageClass", "STANDARD")
    odd = ""
    if kind in _ARCHIVED and not found.get("RestoreStatus", {}).get("RestoreExpiryDate"):
        odd = f"archived ({kind})"
    elif not name or (name.endswith("/") and size):
        odd = "named like a folder, and not empty"
    return ObjectInfo(name, size, pin_of(found["ETag"], size), odd, marker=not size and name.endswith("/"))
