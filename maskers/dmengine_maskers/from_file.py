"""Replace values with those of a user's own file, row by row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import is_text
from dmengine.canonical import can_be_keyed
from dmengine.errors import PlanError
from dmengine.spi import Limits, MaskContext, Masker, Scope, Uniqueness
from dmengine_maskers.kinds import require_room, wrong_option, wrong_type
from dmengine_maskers.seed_rows import column, digest, load_seed
from dmengine_maskers.subjects import bits_of, subject_domain, subjects


@dataclass(frozen=True, slots=True)
class FromFile:
    """Replace every value with the `column` of a row of your CSV or parquet `file`, chosen by key.

    With `subject`, the value of that field chooses the row, so several columns with the same file and subject come
    from one row, in every table (`group` names the subject where its field has different names). With `match` and
    `match_field` it is one of the rows whose column `match` equals the field `match_field` of the record; where there
    is none, the value is a mismatch.

    The file is part of what masked values depend on: keep it, and give its `sha256` so that a changed one is refused.

    >>> import tempfile
    >>> from dmengine.testing.context import mask_values
    >>> towns = Path(tempfile.mkdtemp(), "towns.csv")
    >>> written = towns.write_text("land,city\\nDE,Nordhafen\\nFR,Montclair")
    >>> mask = FromFile(str(towns), "city", subject="id", match="land", match_field="country")
    >>> mask_values(mask, ["x", "y", "z"], beside={"id": [1, 2, 3], "country": ["DE", "FR", "DE"]})
    ['Nordhafen', 'Montclair', 'Nordhafen']
    """

    file: str
    column: str
    subject: str | None = None
    match: str | None = None
    match_field: str | None = None
    group: str | None = None
    sha256: str | None = None

    name: ClassVar[str] = "from_file"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

    @property
    def scope(self) -> Scope:
        """The record decides where it names a subject or a key."""
        return "row" if self.subject or self.match_field else "value"

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields of the subject and of the key."""
        return tuple(name for name in (self.subject, self.match_field) if name)

    @property
    def domains(self) -> tuple[tuple[str, Masker], ...]:
        """The domain of the subject, which all columns of the file share."""
        if not self.subject:
            return ()
        return ((self._domain(), replace(self, column="", subject="", group="", match_field="")),)

    @property
    def capacity(self) -> int | None:
        """How many rows there are to choose from; unknown where they depend on a field."""
        return None if self.match else load_seed(self.file, None).table.num_rows

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse a file, column or type that does not suit."""
        if bool(self.match) != bool(self.match_field):
            raise wrong_option(
                self.name, "match", "be given with match_field", "a column of the file, a field of the record"
            )
        if self.group and not self.subject:
            raise wrong_option(self.name, "group", "be left out without subject", "name the field of the subject")
        if pa.types.is_nested(field.type) or not can_be_keyed(field.type):
            raise wrong_type(self.name, "single values", field, "name the fields inside it")
        pool = self._pool(field.type)
        if self.sha256 is not None and digest(self.file, Path(self.file).stat().st_mtime_ns) != self.sha256.lower():
            raise PlanError(
                f"from_file: {self.file} is not the file of that sha256", hint="use the file that it was made of"
            )
        if is_text(field.type):
            hint = f"put it into a chain that ends with {{type: truncate, max_bytes: {limits.max_bytes}}}"
            require_room(self.name, int(pc.max(pc.binary_length(pool)).as_py()), limits, hint)
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return entries of the column."""
        if self.subject:
            bits = bits_of(subjects(self.subject, ctx), ctx.in_domain(self._domain()), self.name)
        else:
            bits = ctx.bits(values, self.name)
        wanted = ctx.beside(self.match_field) if self.match_field else None
        rows, missing = load_seed(self.file, self.match).rows(bits, wanted)
        if missing.any():
            ctx.mismatch(missing)
        return self._pool(values.type).take(pa.array(rows))

    def _domain(self) -> str:
        return subject_domain(self.name, self.subject or "", self.group)

    def _pool(self, kind: pa.DataType) -> pa.Array:
        pool = column(load_seed(self.file, self.match), self.column)
        converted = None
        try:
            if pool.type == kind:
                converted = pool
            elif not isinstance(kind, pa.BaseExtensionType):
                converted = pool.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass
        if converted is None:
            raise PlanError(
                f"from_file: the column {self.column!r} is no {kind}", hint="write its values as the field has them"
            )
        return converted
