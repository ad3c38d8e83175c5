"""Files as a source and a sink: objects of a store, through a format."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal, cast

from dmengine import registry
from dmengine.errors import DmengineError, InputError, PlanError, StoreError, at
from dmengine.globs import glob_matches
from dmengine.spi import (
    DatasetInfo,
    Described,
    Finding,
    Format,
    Leftovers,
    Outcome,
    Part,
    Records,
    RecordStream,
    RunInfo,
    Sealed,
    Source,
    Store,
    TargetLimits,
)
from dmengine_connectors.formats.codecs import codec_of, compressed, decompressed
from dmengine_connectors.stores.folder import HOME, Folder, ObjectInfo, named
from dmengine_connectors.stores.local import LocalStore

Unmatched = Literal["fail", "skip", "copy"]


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """A folder of files, or a single file, as source and as target.

    Args:
        path: A folder, or one file. As a target it may be missing; it is then made at publish.
        include: Globs of the files to mask (`*` within a folder, `**` across folders).
        exclude: Globs of files to leave alone; they are named in the report as `excluded`.
        unmatched: What happens to every other file (not included, of no known format, a link):
            refuse the run, `skip` it, or `copy` it as it is. Each is named in the report.
        formats: Glob -> format, where the file's name does not tell or options are wanted:
            `{"**/*.txt": Csv(delimiter="|")}`. A target writes each file with the format it was read with.

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

    # ------------------------------------------------------------------------------------------ what there is

    @property
    def location(self) -> str:
        """The folder or file, with links resolved."""
        return os.path.realpath(self.path)

    @property
    def _single(self) -> str:
        """The file's name, where the path is one file and not a folder."""
        return os.path.basename(self.location) if os.path.isfile(self.location) else ""

    @property
    def _folder(self) -> Folder:
        return Folder(os.path.dirname(self.location) if self._single else self.location)

    def describe(self) -> Described:
        """Say what is there. No side effects.

        Raises:
            StoreError: there is no such path, or it cannot be read.
        """
        if not os.path.exists(self.location):
            raise StoreError(f"there is no {self.path}", hint="check the path")
        masked, outcomes, findings = [], [], []
        digest = hashlib.sha256()
        for info, action, why in self._objects():
            digest.update(f"{info.name}\0{info.pin}\0{action}\0".encode("utf-8", "surrogateescape"))
            if action == "mask":
                try:
                    masked.append(self._dataset(info))
                except DmengineError as error:
                    findings.append(Finding("error", error.message, info.name, error.hint))
            elif action == "fail":
                hint = "exclude it, or set unmatched: skip (or copy)"
                findings.append(Finding("error", f"{info.name} would not be masked: {why}", hint=hint))
            else:
                outcomes.append(Outcome(info.name, action, why))
        return Described(
            "files", self.location, tuple(masked), digest.hexdigest(), tuple(outcomes), tuple(findings)
        )  # fmt: skip

    def _objects(self) -> Iterator[tuple[ObjectInfo, str, str]]:
        """Yield every file with what happens to it (mask, excluded, skipped, copied, fail) and why."""
        single = self._single
        for info in self._folder.objects():
            if single and info.name != single:
                continue
            if any(glob_matches(pattern, info.name) for pattern in self.exclude):
                yield info, "excluded", "matches an exclude glob"
                continue
            why = self._unmatched(info)
            if not why:
                yield info, "mask", ""
            elif self.unmatched == "copy" and info.odd:
                yield info, "fail", why
            else:
                yield info, {"fail": "fail", "skip": "skipped", "copy": "copied"}[self.unmatched], why

    def _unmatched(self, info: ObjectInfo) -> str:
        if not any(glob_matches(pattern, info.name) for pattern in self.include):
            return "matches no include glob"
        if info.odd:
            return f"it is {info.odd}"
        return "" if self._format(info.name) is not None else "its format is not known"

    def _format(self, name: str) -> Format | None:
        for pattern, chosen in self.formats.items():
            if glob_matches(pattern, name):
                return chosen
        codec, bare = codec_of(name)
        for found in _formats():
            if bare.lower().endswith(found.suffixes) and (found.codecs or codec == "plain"):
                return found.for_name(bare)
        return None

    def _known(self, name: str) -> Format:
        found = self._format(name)
        if found is None:
            raise InputError(f"the format of {name} is not known", hint="name it in formats={glob: format}")
        return found

    def _dataset(self, info: ObjectInfo) -> DatasetInfo:
        chosen = self._known(info.name)
        with ExitStack() as stack, at(part=info.name), named("read", info.name):
            schema = chosen.schema(self._open(stack, info.name, info.pin, chosen))
        return DatasetInfo(info.name, schema, info.size, chosen.name)

    # ------------------------------------------------------------------------------------------ reading

    def prepare(self, run: RunInfo) -> Iterable[Part]:
        """List the parts: one file each."""
        for info, action, _ in self._objects():
            if action == "mask":
                yield Part(info.name, info.name, info.size, info.pin)
            elif action == "copied":
                yield Part(info.name, info.name, info.size, info.pin, "copy")

    def read(self, part: Part) -> RecordStream:
        """Read one file. It must still be the file that was listed, at the start and at the end."""
        chosen = self._known(part.id)
        stack = ExitStack()
        try:
            with named("read", part.id):
                stream = chosen.read(self._open(stack, part.id, part.pin, chosen))
        except BaseException:
            stack.close()
            raise
        batches = _closing(stream.batches, stack, part, self._folder)
        next(batches)  # from here on the file is closed with the iterator, even if nobody pulls a batch
        return replace(stream, batches=cast(Iterator[Records], batches), format=chosen)

    def sample(self, dataset: str, rows: int) -> RecordStream:
        """Read about `rows` records of one file."""
        stream = self.read(Part(dataset, dataset))

        def some() -> Iterator[Records]:
            seen = 0
            with closing(stream):
                for batch in stream.batches:
                    yield batch
                    seen += batch.num_rows
                    if seen >= rows:
                        break

        return replace(stream, batches=some())

    def open(self, part: Part) -> BinaryIO:
        """Open a file's bytes as they are."""
        return self._folder.open(part.id, part.pin)

    def _open(self, stack: ExitStack, name: str, pin: str, chosen: Format) -> BinaryIO:
        file = stack.enter_context(self._folder.open(name, pin))
        if not chosen.codecs:
            return file
        return stack.enter_context(decompressed(file, codec_of(name)[0]))

    # ------------------------------------------------------------------------------------------ writing

    def limits(self, source: Described) -> TargetLimits:
        """Refuse a target that must not be, and say what would be replaced. Files limit no field."""
        if source.kind != "files":
            raise PlanError(f"a source of {source.kind} cannot go to files", hint="use a target of the same kind")
        mine, theirs = Path(self.location), Path(source.location)
        if theirs.is_dir() and theirs in mine.parents:
            raise PlanError("the target lies inside the source", hint="choose one outside it, or the source itself")
        if self._single and mine != theirs:
            raise PlanError(f"the target {self.path} is a file", hint="name a folder, or the source file itself")
        if mine == theirs:
            return TargetLimits()
        if theirs.parent == mine and theirs.is_file():
            raise PlanError("the target is the source file's own folder", hint="to mask in place, name the file itself")
        return TargetLimits(findings=tuple(self._standing(source)))

    def _standing(self, source: Described) -> Iterator[Finding]:
        """Say what stands at the target; foreign folders are not looked into, they may be large and in use."""
        ours = {info.name for info in source.datasets} | {o.name for o in source.outcomes if o.outcome == "copied"}
        replaced = sum(os.path.lexists(os.path.join(self._folder.root, name)) for name in ours)
        if replaced:
            yield Finding("warning", f"{replaced} files of the target will be replaced")
        others = self._folder.entries() - {name.split("/")[0] for name in ours}
        if others:
            yield Finding("warning", f"the target holds {len(others)} other files or folders; they stay")

    def journal(self) -> Store:
        """Return the place of the journals: `_dmengine/` in the target folder."""
        return LocalStore(os.path.join(self._folder.root, HOME))

    def start(self, run: RunInfo, source: Described) -> None:
        """Nothing to make ready: folders are made at publish."""

    def write(self, run: RunInfo, part: Part, records: RecordStream) -> Sealed:
        """Write one file in the form it was read in, invisibly."""
        chosen = records.format or self._known(part.id)
        with self._folder.sealing(run.run_id, part.id) as file:
            plain = cast(BinaryIO, file)  # typing has no name for "can be written to"
            if chosen.codecs:
                with compressed(plain, codec_of(part.id)[0]) as out:
                    rows = chosen.write(records, out)
            else:
                rows = chosen.write(records, plain)
        return Sealed(part.id, part.id, rows, file.size, file.checksum, file.notes)

    def copy(self, run: RunInfo, part: Part, source: Source) -> Sealed:
        """Carry a file over as it is."""
        assert isinstance(source, LocalFiles)  # `limits` has refused any other kind
        with source.open(part) as original, self._folder.sealing(run.run_id, part.id) as file:
            shutil.copyfileobj(original, file, 1 << 20)
            source._folder.check_same(part.id, part.pin)
        return Sealed(part.id, part.id, 0, file.size, file.checksum, file.notes)

    def publish(self, run: RunInfo, sealed: Iterable[Sealed]) -> None:
        """Rename each sealed file into its place."""
        for one in sealed:
            self._folder.publish(run.run_id, one)

    def discard(self, run: RunInfo) -> None:
        """Remove every sealed file of this run."""
        self._folder.discard(run.run_id)

    def cleanup(self, run: RunInfo) -> Leftovers:
        """Name what is still sealed; a source of files leaves nothing of its own."""
        return Leftovers(self._folder.leftovers(run.run_id))


@lru_cache(maxsize=1)
def _formats() -> list[Format]:
    """Make every installed format with its default options."""
    return [registry.load("dmengine.formats", name)() for name in registry.names("dmengine.formats")]


def _closing(batches: Iterator[Records], stack: ExitStack, part: Part, folder: Folder) -> Iterator[Records | None]:
    """Pass batches on, after one None; close the file at the end, if it is still the one that was listed."""
    with stack, at(part=part.id), named("read", part.id):
        yield None
        first = next(batches, None)
        yield from itertools.chain([] if first is None else [first], batches)
        if part.pin:
            folder.check_same(part.id, part.pin)
