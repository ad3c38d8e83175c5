"""Records of a CSV file: a block of original bytes, and the columns of it that changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from dmengine.errors import InputError, PlanError
from dmengine.paths import FieldPath
from dmengine.spi import Selection
from dmengine_connectors.formats.csv_block import Block
from dmengine_connectors.formats.csv_cells import Cells, Column, read_column, write_column
from dmengine_connectors.formats.csv_dialect import Dialect
from dmengine_connectors.formats.csv_reader import spot
from dmengine_connectors.formats.csv_render import render


@dataclass(frozen=True, slots=True)
class CsvRecords:
    """Records of one block. Columns that do not change are never looked into.

    >>> import io
    >>> from dmengine_connectors.formats.csv import Csv
    >>> (records,) = Csv().read(io.BytesIO(b'id,name\\n007,"Ann"\\n')).batches
    >>> (name,) = records.select(FieldPath.of("name"))
    >>> name.values.to_pylist()
    ['Ann']
    >>> bytes(records.replace(FieldPath.of("name"), [name.with_values(pa.array(["Bo"]))]).content())
    b'007,"Bo"\\n'
    """

    block: Block
    names: tuple[str, ...]
    dialect: Dialect
    changed: Mapping[int, _Changed] = field(default_factory=dict)
    dropped: frozenset[int] = frozenset()

    @property
    def num_rows(self) -> int:
        """How many records the batch has; a batch of empty lines has none."""
        return self.block.num_rows

    @property
    def nbytes(self) -> int:
        """How many bytes the block takes in memory."""
        return len(self.block.content) + self.block.starts.nbytes + self.block.ends.nbytes

    @property
    def kept(self) -> tuple[str, ...]:
        """The names of the columns that are not dropped."""
        return tuple(name for index, name in enumerate(self.names) if index not in self.dropped)

    def fields(self, opened: Iterable[FieldPath] = ()) -> Iterable[FieldPath]:
        """Name the columns."""
        return [FieldPath.of(name) for name in self.kept]

    def select(self, path: FieldPath) -> Sequence[Selection]:
        """Return the values of a column as text.

        Raises:
            InputError: a cell is not valid UTF-8.
        """
        index = self._index(path)
        if index is None:
            return ()
        original = self._original(index)
        values = self.changed[index].values if index in self.changed else original.values
        return (Selection(values, slots=original),)

    def replace(self, path: FieldPath, selections: Sequence[Selection]) -> CsvRecords:
        """Write values into the cells of a column, quoted as the originals were."""
        index = self._index(path)
        if index is None or not selections:
            return self
        (selection,) = selections
        original = selection.slots if isinstance(selection.slots, Column) else self._original(index)
        alone = len(self.kept) == 1
        cells = write_column(selection.values, original, self.dialect, alone=alone, name=str(path))
        return replace(self, changed={**self.changed, index: _Changed(selection.values, cells)})

    def drop(self, path: FieldPath) -> CsvRecords:
        """Remove a column, with one delimiter.

        Raises:
            PlanError: it is the last column.
        """
        index = self._index(path)
        if index is None:
            return self
        if len(self.kept) == 1:
            raise PlanError("all columns are dropped", hint="keep or mask one column: a CSV record has at least one")
        return replace(self, dropped=self.dropped | {index})

    def blank(self, path: FieldPath) -> CsvRecords:
        """Make all cells of a column null."""
        return self.replace(path, [s.with_values(pa.nulls(self.num_rows, pa.string())) for s in self.select(path)])

    def content(self) -> memoryview:
        """Return the bytes of the batch in UTF-8, as they are to be written."""
        cells = {index: changed.cells for index, changed in self.changed.items() if index not in self.dropped}
        return render(self.block, cells, self.dropped, self.dialect)

    def _index(self, path: FieldPath) -> int | None:
        if len(path.steps) != 1 or path.steps[0].kind != "name" or path.leaf not in self.names:
            return None
        index = self.names.index(path.leaf)
        return None if index in self.dropped else index

    def _original(self, index: int) -> Column:
        column = read_column(self.block, index, self.dialect)
        if isinstance(column, Column):
            return column
        where = spot(self.dialect, self.block.record + column, self.block.offset + int(self.block.begin(index)[column]))
        raise InputError(
            f"{FieldPath.of(self.names[index])} is not utf-8 text in {where}",
            hint="set the encoding that the file is in",
        )


@dataclass(frozen=True, slots=True)
class _Changed:
    """The new values of a column, and the cells that say them."""

    values: pa.Array = field(repr=False)
    cells: Cells = field(repr=False)
