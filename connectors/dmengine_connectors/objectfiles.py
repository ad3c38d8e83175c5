"""What files have in common wherever they lie: objects of a store, through a format, as source and as target."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import lru_cache
from typing import BinaryIO, Literal, cast

import pyarrow as pa

from dmengine import registry
from dmengine.errors import DmengineError, InputError, at
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
)
from dmengine_connectors.formats.codecs import Codec, codec_of, compressed, decompressed
from dmengine_connectors.stores.folder import named
from dmengine_connectors.stores.objects import Access, Carried, ObjectInfo, Objects

Unmatched = Literal["fail", "skip", "copy"]


class ObjectFiles(ABC):
    """Files of a store. A connector says which store it is, and has the options named here as fields."""

    __slots__ = ()

    include: Sequence[str]
    exclude: Sequence[str]
    unmatched: Unmatched
    formats: Mapping[str, Format]
    compression: Mapping[str, Codec]

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the files lie, as a person would write it."""

    @property
    @abstractmethod
    def objects(self) -> Objects:
        """The store."""

    @property
    @abstractmethod
    def single(self) -> str:
        """The name of the only object that is meant, where the location is one object."""

    @property
    def refuses_beside(self) -> bool:
        """Whether an object may be refused for what it has beside its bytes."""
        return False

    @abstractmethod
    def journal(self) -> Store:
        """Return the place of the journals: `_dmengine/` beside the files."""

    # ------------------------------------------------------------------------------------------ what there is

    def describe(self) -> Described:
        """Say what is there. No side effects.

        Raises:
            StoreError: there is no such place, or it cannot be read.
        """
        outcomes, findings = [], []
        wanted: list[ObjectInfo] = []
        digest = hashlib.sha256()
        for info, action, why in self._listed():
            digest.update(f"{info.name}\0{info.pin}\0{action}\0".encode("utf-8", "surrogateescape"))
            if action == "mask":
                wanted.append(info)
            elif action == "fail":
                hint = "exclude it, or set unmatched: skip (or copy)"
                findings.append(Finding("error", f"{info.name} would not be masked: {why}", hint=hint))
            else:
                outcomes.append(Outcome(info.name, action, why))
        looked = list(self._looked_at(wanted))
        masked = [found for found in looked if isinstance(found, DatasetInfo)]
        findings += [found for found in looked if isinstance(found, Finding)]
        return Described(
            "files", self.location, tuple(masked), digest.hexdigest(), tuple(outcomes), tuple(findings)
        )  # fmt: skip

    def _listed(self) -> Iterator[tuple[ObjectInfo, str, str]]:
        """Yield every object with what happens to it (mask, excluded, skipped, copied, fail) and why."""
        for info in self.objects.objects(self.single):
            if any(glob_matches(pattern, info.name) for pattern in self.exclude):
                yield info, "excluded", "matches an exclude glob"
            elif info.marker:
                yield info, "copied" if self.unmatched == "copy" else "skipped", "it marks a folder and holds nothing"
            else:
                yield info, *self._action(info)

    def _action(self, info: ObjectInfo) -> tuple[str, str]:
        why = self._mismatch(info)
        if not why:
            return "mask", ""
        if self.unmatched == "copy" and info.odd:
            return "fail", why
        return {"fail": "fail", "skip": "skipped", "copy": "copied"}[self.unmatched], why

    def _mismatch(self, info: ObjectInfo) -> str:
        if not any(glob_matches(pattern, info.name) for pattern in self.include):
            return "matches no include glob"
        if info.odd:
            return f"it is {info.odd}"
        return "" if self._format(info.name) is not None else "its format is not known"

    def _format(self, name: str) -> Format | None:
        for pattern, chosen in self.formats.items():
            if glob_matches(pattern, name):
                return chosen
        codec, bare = self._codec(name)
        for found in _formats():
            if bare.lower().endswith(found.suffixes) and (found.codecs or codec == "plain"):
                return found.for_name(bare)
        return None

    def _codec(self, name: str) -> tuple[Codec, str]:
        """Return how a file is compressed, and its name without the ending that says so."""
        for pattern, chosen in self.compression.items():
            if glob_matches(pattern, name):
                return chosen, codec_of(name)[1]
        return codec_of(name)

    def _known(self, name: str) -> Format:
        found = self._format(name)
        if found is None:
            raise InputError(f"the format of {name} is not known", hint="name it in formats={glob: format}")
        return found

    def _looked_at(self, infos: list[ObjectInfo]) -> Iterator[DatasetInfo | Finding]:
        """Look into each object for its schema, several at a time where that is faster."""
        if min(len(infos), self.objects.at_once) <= 1:
            yield from map(self._looked_into, infos)
            return
        with ThreadPoolExecutor(self.objects.at_once, thread_name_prefix="dmengine-look") as pool:
            yield from pool.map(self._looked_into, infos)

    def _looked_into(self, info: ObjectInfo) -> DatasetInfo | Finding:
        try:
            return self._dataset(info)
        except DmengineError as error:
            return Finding("error", error.message, info.name, error.hint)

    def _dataset(self, info: ObjectInfo) -> DatasetInfo:
        chosen = self._known(info.name)
        with ExitStack() as stack, at(part=info.name), named("read", info.name):
            file = stack.enter_context(self.objects.open(info.name, info.pin, "glance"))
            if self.refuses_beside:
                self.objects.carried(file, info.name)
            schema, most = _looked(chosen, self._plain(stack, file, info.name, chosen))
        return DatasetInfo(info.name, schema, info.size, chosen.name, most=most)

    # ------------------------------------------------------------------------------------------ reading

    def prepare(self, run: RunInfo) -> Iterable[Part]:
        """List the parts: one object each."""
        for info, action, _ in self._listed():
            if action == "mask":
                yield Part(info.name, info.name, info.size, info.pin)
            elif action == "copied":
                yield Part(info.name, info.name, info.size, info.pin, "copy")

    def read(self, part: Part) -> RecordStream:
        """Read one object. It must still be the one that was listed, at the start and at the end."""
        return self._read(part, "stream" if self._known(part.id).codecs else "seek")

    def _read(self, part: Part, access: Access) -> RecordStream:
        chosen = self._known(part.id)
        store = self.objects
        stack = ExitStack()
        try:
            with named("read", part.id):
                file = stack.enter_context(store.open(part.id, part.pin, access))
                carried = store.carried(file, part.id)
                stream = chosen.read(self._plain(stack, file, part.id, chosen))
        except BaseException:
            stack.close()
            raise
        batches = _closing(stream.batches, stack, part, store, file)
        next(batches)  # from here on the file is closed with the iterator, even if nobody pulls a batch
        codec, _ = self._codec(part.id)
        stream = replace(stream, batches=cast(Iterator[Records], batches), format=chosen, codec=codec)
        if carried is None:
            return stream
        findings = (*stream.findings, *carried.findings)
        return replace(stream, form=replace(carried, form=stream.form), findings=findings)

    def _plain(self, stack: ExitStack, file: BinaryIO, name: str, chosen: Format) -> BinaryIO:
        return stack.enter_context(decompressed(file, self._codec(name)[0])) if chosen.codecs else file

    def sample(self, dataset: str, rows: int) -> RecordStream:
        """Read about `rows` records of one object."""
        stream = self._read(Part(dataset, dataset), "glance")

        def some() -> Iterator[Records]:
            seen = 0
            with closing(stream):
                for batch in stream.batches:
                    yield batch
                    seen += batch.num_rows
                    if seen >= rows:
                        break

        return replace(stream, batches=some())

    # ------------------------------------------------------------------------------------------ writing

    def write(self, run: RunInfo, part: Part, records: RecordStream) -> Sealed:
        """Write one object in the form it was read in, invisibly."""
        chosen = records.format or self._known(part.name)
        carried = records.form if isinstance(records.form, Carried) else None
        if carried is not None:
            records = replace(records, form=carried.form)
        with self.objects.sealing(run, part, carried) as file:
            plain = cast(BinaryIO, file)  # typing has no name for "can be written to"
            if chosen.codecs:
                codec = cast(Codec, records.codec) or self._codec(part.name)[0]
                with compressed(plain, codec) as out:
                    rows = chosen.write(records, out)
            else:
                rows = chosen.write(records, plain)
        return Sealed(part.name, part.name, rows, file.size, file.checksum, file.notes, file.findings)

    def copy(self, run: RunInfo, part: Part, source: Source) -> Sealed:
        """Carry an object over as it is."""
        assert isinstance(source, ObjectFiles)  # `limits` has refused any other kind
        store = source.objects
        with store.open(part.id, part.pin) as original:
            carried = store.carried(original, part.id)
            with self.objects.sealing(run, part, carried) as file:
                shutil.copyfileobj(original, cast(BinaryIO, file), 1 << 20)
                store.check_same(part.id, part.pin, original)
        findings = (*(carried.findings if carried is not None else ()), *file.findings)
        return Sealed(part.name, part.name, 0, file.size, file.checksum, file.notes, findings)

    def publish(self, run: RunInfo, sealed: Iterable[Sealed]) -> None:
        """Put each sealed object into its place."""
        self.objects.publish(run, sealed)

    def discard(self, run: RunInfo) -> None:
        """Remove every sealed object of this run."""
        self.objects.discard(run)

    def cleanup(self, run: RunInfo) -> Leftovers:
        """Name what is still sealed; a source of files leaves nothing of its own."""
        return self.objects.leftovers(run)


def targets(source: Described) -> list[str]:
    """Name the objects that a run from this source writes."""
    return [info.shown for info in source.datasets] + [o.name for o in source.outcomes if o.outcome == "copied"]


def standing(replaced: int, others: int, words: str) -> Iterator[Finding]:
    """Say what a run does to what lies at the target already, and in which words the others are counted."""
    if replaced:
        yield Finding("warning", f"{replaced} files of the target will be replaced")
    if others:
        yield Finding("warning", f"the target holds {others} other {words}; they stay")


def _looked(chosen: Format, file: BinaryIO) -> tuple[pa.Schema | None, Mapping[str, int]]:
    """Read the schema, and what the format knows of how many different values there are."""
    look: Callable[[BinaryIO], tuple[pa.Schema | None, Mapping[str, int]]] | None = getattr(chosen, "look", None)
    return look(file) if look is not None else (chosen.schema(file), {})


@lru_cache(maxsize=1)
def _formats() -> list[Format]:
    """Make every installed format with its default options."""
    return [registry.load("dmengine.formats", name)() for name in registry.names("dmengine.formats")]


def _closing(
    batches: Iterator[Records], stack: ExitStack, part: Part, store: Objects, file: BinaryIO
) -> Iterator[Records | None]:
    """Pass batches on, after one None; close the file at the end, if it is still the one that was listed."""
    with stack, at(part=part.id), named("read", part.id):
        yield None
        first = next(batches, None)
        yield from itertools.chain([] if first is None else [first], batches)
        if part.pin:
            store.check_same(part.id, part.pin, file)
