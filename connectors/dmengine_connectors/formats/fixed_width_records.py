"""Records of a fixed-width file: a block of original bytes, and the columns of it that changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from dmengine.errors import MaskError
from dmengine.paths import FieldPath
from dmengine.spi import Selection
from dmengine_connectors.formats.fixed_width_block import Block, count_kept
from dmengine_connectors.formats.fixed_width_cells import read_column, write_column
from dmengine_connectors.formats.fixed_width_layout import Column


@dataclass(frozen=True, slots=True)
class FixedWidthRecords:
    """Records of one block. Fields that do not change are never looked into.

    >>> import io
    >>> from dmengine_connectors.formats.fixed_width import FixedField, FixedWidth
    >>> layout = (FixedField("id", 1, 3, align="right", pad="0"), FixedField("name", 4, 5))
    >>> (records,) = FixedWidth(layout).read(io.BytesIO(b"007Ann  \\n")).batches
    >>> [found] = records.select(FieldPath.of("name"))
    >>> found.values.to_pylist(), records.select(FieldPath.of("id"))[0].values.to_pylist()
    (['Ann'], ['7'])
    >>> bytes(records.replace(FieldPath.of("name"), [found.with_values(pa.array(["Bo"]))]).content())
    b'007Bo   \\n'
    """

    block: Block
    head: bytes = b""
    changed: Mapping[str, _Changed] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()

    @property
    def num_rows(self) -> int:
        """How many records the batch has, without those that are kept as they are."""
        return len(self.block.starts)

    @property
    def nbytes(self) -> int:
        """How many bytes the block takes in memory."""
        return len(self.block.content) + self.block.starts.nbytes

    def fields(self, opened: Iterable[FieldPath] = ()) -> Iterable[FieldPath]:
        """Name the fields of the layout."""
        return [FieldPath.of(column.name) for column in self.block.layout.columns if column.name not in self.dropped]

    def select(self, path: FieldPath) -> Sequence[Selection]:
        """Return the values of a field as text, without padding.

        Raises:
            InputError: a cell is not text in the file's encoding.
        """
        column = self._column(path)
        if column is None:
            return ()
        changed = self.changed.get(column.name)
        return (Selection(changed.values if changed is not None else read_column(self.block, column)),)

    def replace(self, path: FieldPath, selections: Sequence[Selection]) -> FixedWidthRecords:
        """Write values into the cells of a field, padded as the layout says.

        Raises:
            MaskError: a value does not fit there.
        """
        column = self._column(path)
        if column is None or not selections:
            return self
        (selection,) = selections
        cells = write_column(selection.values, self.block, column)
        return replace(self, changed={**self.changed, column.name: _Changed(selection.values, cells)})

    def drop(self, path: FieldPath) -> FixedWidthRecords:
        """Fill a field with its padding: its place stays, or all fields behind it would move."""
        blanked = self.blank(path)
        return replace(blanked, dropped=self.dropped | {path.leaf}) if blanked is not self else self

    def blank(self, path: FieldPath) -> FixedWidthRecords:
        """Fill a field with what stands for null."""
        return self.replace(path, [Selection(pa.nulls(self.num_rows, pa.string()))])

    def content(self) -> bytes:
        """Return the bytes of the batch, as they are to be written.

        Raises:
            MaskError: a masked record begins as only those may that are kept as they are.
        """
        block = self.block
        if not self.changed:
            return self.head + block.content if self.head else block.content
        cells = {(column.begin, column.stop): self.changed[column.name].cells for column in self._changed_columns()}
        made = bytes(block.with_cells(cells))
        begins = max(map(len, block.layout.prefixes), default=0)
        if any(begin < begins for begin, _ in cells) and count_kept(made, block.layout) != count_kept(
            block.content, block.layout
        ):
            raise MaskError(
                "masked records begin as only those may that are kept as they are (keep_prefixes)",
                hint="choose a mask whose values begin otherwise, or a longer prefix",
            )
        return self.head + made if self.head else made

    def _changed_columns(self) -> Iterator[Column]:
        return (column for column in self.block.layout.columns if column.name in self.changed)

    def _column(self, path: FieldPath) -> Column | None:
        if len(path.steps) != 1 or path.steps[0].kind != "name" or path.leaf in self.dropped:
            return None
        return next((column for column in self.block.layout.columns if column.name == path.leaf), None)


@dataclass(frozen=True, slots=True)
class _Changed:
    """The new values of a field, and the cells that say them."""

    values: pa.Array = field(repr=False)
    cells: pa.Array = field(repr=False)
