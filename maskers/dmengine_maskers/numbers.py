"""Replace numbers with coarser ones, or with random ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dmengine.arrow import NumberType, is_number, is_text
from dmengine.errors import PlanError
from dmengine.prf import below
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness, Words
from dmengine_maskers import exact
from dmengine_maskers.kinds import wrong_option, wrong_type

MOST_DECIMALS: Final = 18
_EXACT_FLOAT: Final = float(1 << 53)

Amount = int | float


@dataclass(frozen=True, slots=True)
class Bucket:
    """Replace every number with the lower end (or the middle) of the bucket it falls in.

    Buckets are all `width` wide, from 0 on in both directions, or lie between `bounds`; the last one is open. A
    number below the first bound, NaN and infinities are mismatches. Nothing is rounded by accident: decimals and
    integers are exact, and a float falls in the bucket that its shortest decimal says.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Bucket(width=10), [37, 40, -1, None])
    [30, 40, -10, None]
    >>> mask_values(Bucket(bounds=(0, 18, 65)), [17, 18, 99])
    [0, 18, 65]
    >>> mask_values(Bucket(width=0.1, at="middle"), [0.3, 0.37])
    [0.35, 0.35]
    """

    width: Amount | None = None
    bounds: tuple[Amount, ...] = ()
    at: Literal["lower", "middle"] = "lower"

    name: ClassVar[str] = "bucket"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no number, and buckets finer than the column's own decimals."""
        if not is_number(field.type):
            raise _not_a_number(self.name, field)
        if (self.width is None) == (not self.bounds):
            raise wrong_option(self.name, "width or bounds", "be given, and not both", "such as width=10")
        if self.width is not None and not (math.isfinite(self.width) and self.width > 0):
            raise wrong_option(self.name, "width", "be above 0", "such as width=10")
        if not all(map(math.isfinite, self.bounds)) or list(self.bounds) != sorted(set(self.bounds)):
            raise wrong_option(self.name, "bounds", "rise from one to the next", "such as bounds=(0, 18, 65)")
        if self.at not in ("lower", "middle"):
            raise wrong_option(self.name, "at", "be lower or middle", "leave it out for lower")
        if pa.types.is_floating(field.type) and not _held(self._edges(), field.type):
            raise wrong_option(self.name, "width and bounds", f"fit in {field.type}", "give smaller ones")
        scale = self._scale(field.type)
        if scale > MOST_DECIMALS or any(exact.units_of(edge, scale) is None for edge in self._edges()):
            raise wrong_option(
                self.name, "width and bounds", f"have no more decimals than {field.type}", "give coarser buckets"
            )
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return one number for all of a bucket."""
        if pa.types.is_floating(values.type):
            floats = values.to_numpy(zero_copy_only=False)
            placed, outside = self._floats_by_width(floats) if self.width else self._by_bounds(floats, self.bounds)
            result = pa.array(_narrowed(placed, floats.dtype), values.type)
        else:
            scale = self._scale(values.type)
            units, outside = exact.read_units(values, scale)
            edges = [exact.units_of(edge, scale) or 0 for edge in self._edges()]
            if max(map(abs, edges)) >= exact.SAFE:
                units = units.astype(object)
            if self.width:
                placed = units // edges[0] * edges[0] + (edges[0] // 2 if self.at == "middle" else 0)
            else:
                placed, below_all = self._by_bounds(units, edges)
                outside = outside | below_all
            result = exact.write_units(placed, values.type, scale)
        if outside.any():
            ctx.mismatch(outside)
        return result

    def _edges(self) -> tuple[Amount, ...]:
        return self.bounds or (self.width or 0,)

    def _scale(self, kind: pa.DataType) -> int:
        """Return the decimals that buckets are reckoned in: the column's own, where it has some."""
        if pa.types.is_decimal(kind):
            return int(kind.scale)
        if pa.types.is_integer(kind):
            return 0
        return max(map(exact.decimals_of, self._edges()))

    def _by_bounds(self, numbers: npt.NDArray[Any], bounds: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        edges = np.array(bounds, numbers.dtype)
        if numbers.dtype == object:
            place = np.array([int(np.searchsorted(edges, number, side="right")) for number in numbers], np.int64) - 1
        else:
            place = np.searchsorted(edges, numbers, side="right") - 1
        outside = place < 0
        if numbers.dtype.kind == "f":  # NaN sorts last
            outside |= ~np.isfinite(numbers)
        shown = edges.copy()
        if self.at == "middle":
            width = np.diff(edges)
            shown[:-1] += width / 2 if numbers.dtype.kind == "f" else width // 2
        return shown[np.maximum(place, 0)], outside

    def _floats_by_width(self, floats: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        assert self.width is not None, "by width"
        scale = exact.decimals_of(self.width)
        step, power = float(exact.units_of(self.width, scale) or 0), 10.0**scale
        wide = floats.astype(np.float64)
        # up to 2^53 the quotient of whole numbers is the float that the decimal of the bound would be read as
        outside = ~(np.abs(wide) * power < _EXACT_FLOAT - 4 * step)
        wide[outside] = 0.0
        place = np.floor(wide / self.width) + 1
        for _ in range(2):  # the division may be off by one either way
            with np.errstate(over="ignore"):  # infinity is above every number, as it should be
                place -= (place * step / power).astype(floats.dtype) > floats
        if self.at == "middle":
            return (2 * place + 1) * step / (2 * power), outside
        return place * step / power + 0.0, outside  # + 0.0: no -0.0


@dataclass(frozen=True, slots=True)
class Number:
    """Replace every number with a random one from `minimum` to `maximum`, both included.

    Chosen by key: equal numbers get equal ones, unless `consistent=False`, where every record gets its own.
    Integers and decimals keep their type and scale, numbers of documents their count of decimals. Floats take any
    value of the range; `decimals` rounds them (and fixes the decimals of documents' numbers).

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(Number(18, 99), [44, 45, 44, None])
    [33, 78, 33, None]
    """

    minimum: Amount
    maximum: Amount
    consistent: bool = True
    decimals: int | None = None

    name: ClassVar[str] = "number"
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False

    @property
    def scope(self) -> Scope:
        """The record decides where equal numbers need not stay equal."""
        return "value" if self.consistent else "row"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no number, and a range that the column cannot hold."""
        kind = field.type
        if not is_number(kind):
            raise _not_a_number(self.name, field)
        if not math.isfinite(float(self.maximum) - float(self.minimum)):
            raise wrong_option(self.name, "minimum and maximum", "be finite", "give a smaller range")
        if self.decimals is not None and not 0 <= self.decimals <= MOST_DECIMALS:
            raise wrong_option(self.name, "decimals", f"be 0 to {MOST_DECIMALS}", "leave it out")
        if self.decimals is not None and (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
            raise wrong_option(self.name, "decimals", f"be left to the column: {kind} has its own", "leave it out")
        if pa.types.is_floating(kind) and self.decimals is None:
            if self.minimum > self.maximum:
                raise _empty_range()
            if not _held((self.minimum, self.maximum), kind):
                raise wrong_option(self.name, "the range", f"fit in {kind}", "give a smaller one")
        else:
            scale = kind.scale if pa.types.is_decimal(kind) else self.decimals or 0
            self._check_range(kind, *self._units(scale))
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return random numbers."""
        bits = (ctx.bits(values, self.name) if self.consistent else ctx.row_bits(self.name))[:, 0]
        if pa.types.is_floating(values.type):
            return self._floats(bits, values.type)
        if isinstance(values.type, NumberType):
            return self._texts(bits, values, ctx)
        scale = values.type.scale if pa.types.is_decimal(values.type) else 0
        return exact.write_units(self._between(bits, scale), values.type, scale)

    def _units(self, scale: int) -> tuple[int, int]:
        """Return the lowest and highest whole units within the range."""
        return exact.ceiling(self.minimum, scale), exact.floor(self.maximum, scale)

    def _check_range(self, kind: pa.DataType, low: int, high: int) -> None:
        if low > high:
            raise _empty_range()
        if high - low >= 1 << 64:
            raise wrong_option(self.name, "the range", "hold at most 2^64 numbers", "give a smaller one")
        if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
            lowest, highest = exact.type_range(kind)
            if low < lowest or high > highest:
                raise wrong_option(self.name, "the range", f"fit in {kind}", "give a smaller one")

    def _between(self, bits: Words, scale: int) -> exact.Units:
        low, high = self._units(scale)
        steps = below(bits, high - low + 1)
        if low >= -(1 << 63) and high < 1 << 63:
            return (steps + np.uint64(low % (1 << 64))).view(np.int64)  # wraps around, and back
        return steps.astype(object) + low

    def _floats(self, bits: Words, kind: pa.DataType) -> pa.Array:
        if self.decimals is None:
            share = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
            numbers = self.minimum + share * (self.maximum - self.minimum)
        else:
            numbers = self._between(bits, self.decimals).astype(np.float64) / 10.0**self.decimals
        return pa.array(_narrowed(np.clip(numbers, self.minimum, self.maximum), kind.to_pandas_dtype()), kind)

    def _texts(self, bits: Words, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Write numbers of documents, those with as many decimals together."""
        shown = exact.decimals_shown(values.storage) if self.decimals is None else np.full(len(values), self.decimals)
        most = next(d for d in range(MOST_DECIMALS, -1, -1) if self._fits(d))
        if (shown > most).any():
            ctx.mismatch(shown > most)
            shown = np.minimum(shown, most)
        texts: list[pa.Array] = []
        order: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
        for decimals in np.unique(shown).tolist():
            rows = np.flatnonzero(shown == decimals)
            texts.append(exact.write_units(self._between(bits[rows], decimals), values.type, decimals).storage)
            order.append(rows)
        joined = pa.concat_arrays([pa.array([], pa.string()), *texts])
        back = np.argsort(np.concatenate(order), kind="stable")
        return pa.ExtensionArray.from_storage(values.type, joined.take(pa.array(back)))

    def _fits(self, decimals: int) -> bool:
        low, high = self._units(decimals)
        return low <= high and high - low < 1 << 64


def _narrowed(numbers: npt.NDArray[Any], kind: Any) -> npt.NDArray[Any]:
    """Round floats to a narrower type, and never to infinity."""
    limits = np.finfo(kind)
    narrow: npt.NDArray[Any] = np.clip(numbers, float(limits.min), float(limits.max)).astype(kind)
    return narrow


def _held(numbers: tuple[Amount, ...], kind: pa.DataType) -> bool:
    return max(map(abs, numbers)) <= float(np.finfo(kind.to_pandas_dtype()).max)


def _not_a_number(mask: str, field: pa.Field) -> PlanError:
    hint = "read the text as numbers: as: number" if is_text(field.type) else "use redact, or date_shift for dates"
    return wrong_type(mask, "numbers", field, hint)


def _empty_range() -> PlanError:
    return wrong_option("number", "minimum", "not be above maximum", "swap them, or widen the range")
