"""Files as a source and a sink: a folder, or the objects of a bucket below a prefix."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import InstanceOf

from dmengine.errors import PlanError, StoreError
from dmengine.spi import Check, Described, Finding, Format, RunInfo, Side, Store, TargetLimits
from dmengine_connectors.formats.codecs import Codec
from dmengine_connectors.objectfiles import ObjectFiles, Unmatched, standing, targets
from dmengine_connectors.session import SessionFactory
from dmengine_connectors.stores.folder import Folder
from dmengine_connectors.stores.local import LocalStore
from dmengine_connectors.stores.objects import HOME
from dmengine_connectors.stores.s3 import Bucket
from dmengine_connectors.stores.s3_attributes import Beside, Encryption, Wanted
from dmengine_connectors.stores.s3_calls import Calls, split_url
from dmengine_connectors.stores.s3_journal import S3Store, calls_on
from dmengine_connectors.stores.s3_versions import OldVersions, check_versions

if TYPE_CHECKING:
    from dmengine_connectors.checks.s3 import Files

__all__ = ["LocalFiles", "S3Files"]


@dataclass(frozen=True, slots=True)
class LocalFiles(ObjectFiles):
    """A folder of files, or a single file, as source and as target.

    Args:
        path: A folder, or one file. As a target it may be missing; it is then made at publish.
        include: Globs of the files to mask (`*` within a folder, `**` across folders).
        exclude: Globs of files to leave alone; they are named in the report as `excluded`.
        unmatched: What happens to every other file (not included, of no known format, a link):
            refuse the run, `skip` it, or `copy` it as it is. Each is named in the report.
        formats: Glob -> format, where the file's name does not tell or options are wanted:
            `{"**/*.txt": Csv(delimiter="|")}`. A target writes each file with the format it was read with.
        compression: Glob -> "gzip", "zstd", "bz2", "xz" or "plain", where the file's name does not tell.
            A target compresses each file as it was read.

    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "people.csv").write_text("id,email\\n1,ann@x.org\\n")
    >>> [info.name for info in LocalFiles(folder).describe().datasets]
    ['people.csv']
    """

    path: str | os.PathLike[str]
    include: Sequence[str] = ("**",)
    exclude: Sequence[str] = ()
    unmatched: Unmatched = "fail"
    formats: Mapping[str, Format] = field(default_factory=dict)
    compression: Mapping[str, Codec] = field(default_factory=dict)

    @property
    def location(self) -> str:
        """The folder or file, with links resolved."""
        return os.path.realpath(self.path)

    @property
    def single(self) -> str:
        """The file's name, where the path is one file and not a folder."""
        return os.path.basename(self.location) if os.path.isfile(self.location) else ""

    @property
    def objects(self) -> Folder:
        """The folder."""
        return Folder(os.path.dirname(self.location) if self.single else self.location)

    def describe(self) -> Described:
        """Say what is there. No side effects.

        Raises:
            StoreError: there is no such path, or it cannot be read.
        """
        if not os.path.exists(self.location):
            raise StoreError(f"there is no {self.path}", hint="check the path")
        return ObjectFiles.describe(self)

    def limits(self, source: Described) -> TargetLimits:
        """Refuse a target that must not be, and say what would be replaced. Files limit no field."""
        if source.kind != "files":
            raise PlanError(f"a source of {source.kind} cannot go to files", hint="use a target of the same kind")
        mine, theirs = Path(self.location), Path(source.location)
        if theirs.is_dir() and theirs in mine.parents:
            raise PlanError("the target lies inside the source", hint="choose one outside it, or the source itself")
        if self.single and mine != theirs:
            raise PlanError(f"the target {self.path} is a file", hint="name a folder, or the source file itself")
        if mine == theirs:
            return TargetLimits()
        if theirs.parent == mine and theirs.is_file():
            raise PlanError("the target is the source file's own folder", hint="to mask in place, name the file itself")
        ours = targets(source)
        if odd := [name for name in ours if not _is_path(name)]:
            raise PlanError(f"a folder cannot hold an object named {odd[0]!r}", hint="exclude it, or use a bucket")
        return TargetLimits(findings=tuple(self._standing(ours)))

    def check(self, side: Side, *, probe: bool = False, brief: bool = False) -> Iterator[Check]:
        """Look whether the folder can be read, or written."""
        if brief:
            return
        name, wanted = ("place.read", os.R_OK) if side == "source" else ("place.write", os.W_OK)
        there = self.location
        while side != "source" and not os.path.lexists(there):
            there = os.path.dirname(there)
        if not os.path.exists(there):
            yield Check(name, "failed", self.location, f"there is no {self.path}", "stat", "check the path")
        elif not os.access(there, wanted | (os.X_OK if os.path.isdir(there) else 0)):
            told = f"{there} may not be {'read' if side == 'source' else 'written'} by this user"
            yield Check(name, "failed", self.location, told, "access", "change its rights, or run as another user")
        else:
            told = f"it may be {'read' if side == 'source' else 'written'}"
            yield Check(name, "passed", self.location, told, "access")

    def _standing(self, ours: list[str]) -> Iterator[Finding]:
        """Say what stands at the target; foreign folders are not looked into, they may be large and in use."""
        replaced = sum(os.path.lexists(os.path.join(self.objects.root, name)) for name in ours)
        others = self.objects.entries() - {name.split("/")[0] for name in ours}
        yield from standing(replaced, len(others), "files or folders")

    def journal(self) -> Store:
        """Return the place of the journals: `_dmengine/` in the target folder."""
        return LocalStore(os.path.join(self.objects.root, HOME))

    def start(self, run: RunInfo, source: Described) -> None:
        """Nothing to make ready: folders are made at publish."""


@dataclass(frozen=True, slots=True)
class S3Files(ObjectFiles):
    """The objects of a bucket below a prefix, or a single object, as source and as target.

    Args:
        url: `s3://bucket/prefix/` for all objects below a prefix; without the last `/` it is one object.
        session: Who calls; None: whoever the environment says.
        include: Globs of the objects to mask, below the prefix (`*` within a folder, `**` across folders).
        exclude: Globs of objects to leave alone; they are named in the report as `excluded`.
        unmatched: What happens to every other object (not included, of no known format, archived):
            refuse the run, `skip` it, or `copy` it as it is. Each is named in the report.
        formats: Glob -> format, where the object's name does not tell or options are wanted.
        compression: Glob -> "gzip", "zstd", "bz2", "xz" or "plain", where the object's name does not tell.
            A target compresses each file as it was read.
        expected_owner: The account that must own the bucket; None: that of the session's last role, if there is one.
        requester_pays: Accept to pay for requests.
        metadata: What happens to the objects' own metadata (`x-amz-meta-...`), which is not masked: `keep` and `drop`
            report its names, `fail` refuses objects that have any.
        tags: What happens to their tags; the same.
        encryption: How new objects are encrypted; None: as the bucket says, and in place as they were.
        kms_key: The KMS key to encrypt with.
        storage_class: The storage class of new objects; None: that of the originals.
        old_versions: What becomes of the originals when objects of a bucket with versions are masked in place:
            `"delete"`, or `{"keep": "the reason"}`. None refuses.

    >>> S3Files("s3://bucket/in/").location
    's3://bucket/in/'
    """

    url: str
    session: InstanceOf[SessionFactory] | None = field(default=None, repr=False)
    include: Sequence[str] = ("**",)
    exclude: Sequence[str] = ()
    unmatched: Unmatched = "fail"
    formats: Mapping[str, Format] = field(default_factory=dict)
    compression: Mapping[str, Codec] = field(default_factory=dict)
    expected_owner: str | None = None
    requester_pays: bool = False
    metadata: Beside = "keep"
    tags: Beside = "keep"
    encryption: Encryption | None = None
    kms_key: str | None = None
    storage_class: str | None = None
    old_versions: OldVersions = None

    @property
    def location(self) -> str:
        """The URL."""
        bucket, key = split_url(self.url)
        return f"s3://{bucket}/{key}"

    @property
    def single(self) -> str:
        """The object's name, where the URL is one object and not a prefix."""
        return split_url(self.url)[1].rpartition("/")[2]

    @property
    def objects(self) -> Bucket:
        """The bucket below the prefix."""
        wanted = Wanted(self.encryption, self.kms_key, self.storage_class)
        return Bucket(
            self._calls, self._prefix, wanted, metadata=self.metadata, tags=self.tags,
            delete_old=self.old_versions == "delete",
        )  # fmt: skip

    @property
    def refuses_beside(self) -> bool:
        """Whether metadata or tags are refused."""
        return "fail" in (self.metadata, self.tags)

    @property
    def _calls(self) -> Calls:
        return calls_on(split_url(self.url)[0], self.session, self.expected_owner, self.requester_pays)

    @property
    def _prefix(self) -> str:
        return split_url(self.url)[1].removesuffix(self.single)

    def describe(self) -> Described:
        """Say what is there. No side effects.

        Raises:
            StoreError: there is no such bucket or object, or it cannot be read.
        """
        found = ObjectFiles.describe(self)
        if self.single and not found.datasets and not found.outcomes and not found.findings:
            raise StoreError(f"there is no {self.location}", hint="a prefix ends with /, one object does not")
        return found

    def limits(self, source: Described) -> TargetLimits:
        """Refuse a target that must not be, and say what would be replaced. Files limit no field."""
        if source.kind != "files":
            raise PlanError(f"a source of {source.kind} cannot go to files", hint="use a target of the same kind")
        mine, theirs = self.location, source.location
        if mine == theirs:
            findings = check_versions(self._calls, self.old_versions)
        elif self.single:
            raise PlanError(f"the target {mine} is an object", hint="end it with / to make it a prefix")
        elif mine.startswith(theirs) or theirs.startswith(mine):
            raise PlanError(
                "source and target lie one inside the other", hint="choose another prefix, or the source itself"
            )
        else:
            there, ours = {info.name for info in self.objects.objects()}, set(targets(source))
            findings = tuple(standing(len(there & ours), len(there - ours), "files"))
        return TargetLimits(findings=findings)

    def check(self, side: Side, *, probe: bool = False, brief: bool = False) -> Iterator[Check]:
        """Look at who calls, whether the bucket can be read or written, and whether it is set up safely.

        With `probe`, a target is written to: `_dmengine/check-...` below the prefix, which is removed again.
        """
        from dmengine_connectors.checks.s3 import check_dangers, check_files

        if brief:
            return check_dangers(self._looked, side)
        account = getattr(self.session, "expected_account", "")
        return check_files(self._looked, side, probe=probe, expected_account=account)

    def check_beside(self, source: object) -> Iterator[Check]:
        """Say how this target lies to a source: apart, in place, or one inside the other."""
        from dmengine_connectors.checks.s3 import check_beside

        return check_beside(self._looked, self.location, getattr(source, "location", ""))

    @property
    def _looked(self) -> Files:
        from dmengine_connectors.checks.s3 import Files

        wanted = Wanted(self.encryption, self.kms_key, self.storage_class)
        return Files(self._calls, split_url(self.url)[1], wanted, self.tags == "keep", self.old_versions)

    def journal(self) -> Store:
        """Return the place of the journals: `_dmengine/` below the prefix."""
        home = f"s3://{split_url(self.url)[0]}/{self._prefix}{HOME}/"
        return S3Store(home, self.session, self.expected_owner, self.requester_pays)

    def start(self, run: RunInfo, source: Described) -> None:
        """Note what will be written, so that another process can clean up."""
        self.objects.start(run, targets(source), in_place=source.location == self.location)


def _is_path(name: str) -> bool:
    """Say whether an object's name means one place below a folder, and none outside it."""
    return not any(step in ("", ".", "..") for step in name.split("/")) and "\0" not in name
