"""Move or coarsen places on the globe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dmengine.arrow import NumberType, booleans, flat, is_number, is_text
from dmengine.canonical import canonical
from dmengine.errors import PlanError
from dmengine.spi import Limits, MaskContext, Scope, Uniqueness
from dmengine_maskers import exact
from dmengine_maskers.kinds import wrong_option, wrong_type
from dmengine_maskers.measuring import Reckoning, reckon, require_numbers
from dmengine_maskers.quantiles import drawn

METRES_PER_DEGREE: Final = 111_320.0
DECIMALS: Final = 6
"""Of a masked coordinate: a decimetre."""

MOST_METRES: Final = 1_000_000
_LIMIT: Final = {"latitude": 90, "longitude": 180}
_PER_TABLE_DEGREE: Final = 100
_LOWEST_COSINE: Final = 0.01  # at the poles a metre is any number of degrees

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GeoJitter:
    """Move a coordinate by a keyed random distance, so that the point moves by at most `radius` metres.

    Each of the two coordinates has a rule: `axis` says which one this is, and `other` names the field of the other.
    Both together decide how far the point moves, so one place always moves alike. The result has six decimals, or
    those of a decimal column. A point of which one coordinate is null, or none of the globe, is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> latitude, longitude = [52.520008, 52.520008, None], [13.404954, 13.404954, 13.0]
    >>> mask_values(GeoJitter("latitude", "lon"), latitude, beside={"lon": longitude})
    [52.517807, 52.517807, None]
    """

    axis: Literal["latitude", "longitude"]
    other: str
    radius: float = 500

    name: ClassVar[str] = "geo_jitter"
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "row"

    @property
    def reads(self) -> tuple[str, ...]:
        """The other coordinate."""
        return (self.other,)

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is no number with decimals."""
        require_numbers(self.name, field)
        if pa.types.is_integer(field.type) or (pa.types.is_decimal(field.type) and field.type.scale < 3):
            raise wrong_type(self.name, "coordinates with at least three decimals", field, "use round or bucket")
        if self.axis not in _LIMIT:
            raise wrong_option(self.name, "axis", "be latitude or longitude", "and other names the other one")
        if not self.other:
            raise wrong_option(self.name, "other", "name the field of the other coordinate", "such as other: lon")
        if not 1 <= self.radius <= MOST_METRES:
            raise wrong_option(self.name, "radius", f"be 1 to {MOST_METRES} metres", "leave it out for 500")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return moved coordinates."""
        other = flat(ctx.beside(self.other))
        if not is_number(other.type):
            raise PlanError(f"geo_jitter: {self.other} is no number", hint="name the field of the other coordinate")
        missing = ~booleans(other.is_valid())
        if missing.any():
            ctx.mismatch(missing)
        degrees = self._degrees(values, other, ctx)
        limit = _LIMIT[self.axis]
        how = Reckoning(
            lambda given, scale, rows: _within(given, degrees[rows], scale, limit),
            lambda given: _rounded(given + degrees, limit),
            DECIMALS if isinstance(values.type, NumberType) else 0,
            (-limit, limit),
        )
        return reckon(values, ctx, how)

    def _degrees(self, values: pa.Array, other: pa.Array, ctx: MaskContext) -> Floats:
        """Return how far each point moves along the axis: within a square that the circle holds."""
        here, there = canonical(values).cast(pa.string()), pc.fill_null(canonical(other).cast(pa.string()), "")
        pair = (here, there) if self.axis == "latitude" else (there, here)
        bits = ctx.bits(pc.binary_join_element_wise(*pair, " "), f"{self.name}/{self.axis}")
        metres = drawn(bits[:, 0], "uniform") * (self.radius / math.sqrt(2.0))
        if self.axis == "latitude":
            return metres / METRES_PER_DEGREE
        latitude = _floats(pc.fill_null(other.storage if isinstance(other.type, NumberType) else other, 0))
        return metres / (METRES_PER_DEGREE * _cosine(latitude))


@dataclass(frozen=True, slots=True)
class GeohashTruncate:
    """Keep the first `precision` characters of a geohash: 5 are a cell of about 5 km, 4 of 39 by 20 km.

    Anything that is no geohash is a mismatch.

    >>> from dmengine.testing.context import mask_values
    >>> mask_values(GeohashTruncate(4), ["u33dc0cpnp", None])
    ['u33d', None]
    """

    precision: int = 5

    name: ClassVar[str] = "geohash_truncate"
    keyed: ClassVar[bool] = False
    consistent: ClassVar[bool] = True
    uniqueness: ClassVar[Uniqueness] = "lossy"
    reversible: ClassVar[bool] = False
    scope: ClassVar[Scope] = "value"

    def plan(self, field: pa.Field, limits: Limits) -> pa.Field:
        """Refuse what is not text."""
        if not is_text(field.type):
            raise wrong_type(self.name, "text", field, "use geo_jitter or round for coordinates")
        if not 1 <= self.precision <= 11:
            raise wrong_option(self.name, "precision", "be 1 to 11 characters", "leave it out for 5")
        return field

    def mask(self, values: pa.Array, ctx: MaskContext) -> pa.Array:
        """Return shorter geohashes."""
        odd = ~booleans(pc.match_substring_regex(values, "^[0-9b-hjkmnp-zB-HJKMNP-Z]{1,24}$"))
        if odd.any():
            ctx.mismatch(odd)
        return pc.utf8_slice_codeunits(values, 0, self.precision)


def _rounded(degrees: Floats, limit: int) -> Floats:
    """Round to the decimals of a place, and go on at the other side of the date line; at a pole, stop."""
    power = 10.0**DECIMALS
    turned = np.where(degrees > limit, degrees - 360.0, np.where(degrees < -limit, degrees + 360.0, degrees))
    placed = np.clip(degrees, -90.0, 90.0) if limit == _LIMIT["latitude"] else turned
    result: Floats = np.rint(placed * power) / power
    return result


def _within(given: exact.Units, degrees: Floats, scale: int, limit: int) -> exact.Units:
    """Do the same in units."""
    moved, edge = given + np.rint(degrees * 10.0**scale).astype(np.int64), limit * 10**scale
    if limit == _LIMIT["latitude"]:
        stopped: exact.Units = np.minimum(np.maximum(moved, -edge), edge)
        return stopped
    around: exact.Units = np.where(moved > edge, moved - 2 * edge, np.where(moved < -edge, moved + 2 * edge, moved))
    return around


def _floats(values: pa.Array) -> Floats:
    numbers: Floats = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    finite: Floats = np.where(np.isfinite(numbers), numbers, 0.0)
    return finite


def _cosine(latitude: Floats) -> Floats:
    """Look the cosine up, to a hundredth of a degree: the same on every machine, and near enough for a distance."""
    place = np.rint(np.minimum(np.abs(latitude), 90.0) * _PER_TABLE_DEGREE).astype(np.int64)
    result: Floats = _cosines().take(place)
    return result


@lru_cache(maxsize=1)
def _cosines() -> npt.NDArray[Any]:
    degrees = range(90 * _PER_TABLE_DEGREE + 1)
    exact_enough = [round(math.cos(math.radians(step / _PER_TABLE_DEGREE)), 12) for step in degrees]
    cosines: Floats = np.maximum(np.array(exact_enough), _LOWEST_COSINE)
    return cosines
