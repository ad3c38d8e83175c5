"""Keyed random numbers of a distribution, the same to the last bit on every machine."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from dmengine.spi import Words

Distribution = Literal["uniform", "normal", "laplace"]
Floats = npt.NDArray[np.float64]

_OCTAVES: Final = 48
_STEPS: Final = 64
_DECIMALS: Final = 12  # libraries differ in the last of 16 digits; the twelfth is the same everywhere


def drawn(bits: Words, distribution: Distribution) -> Floats:
    """Return numbers of mean 0: uniform in (-1, 1), normal of deviation 1, or Laplace of scale 1.

    Only exact operations are made on each value. Normal and Laplace are read off a table of their quantiles, which
    gets finer towards the tails, and ends where one value in 2^48 lies beyond.

    >>> bits = np.array([[0], [2**62], [2**63], [2**64 - 1]], np.uint64)[:, 0]
    >>> [float(number) for number in drawn(bits, "uniform").round(3)]
    [-1.0, -0.5, 0.0, 1.0]
    """
    if distribution == "uniform":
        odd = (bits >> np.uint64(11)).astype(np.float64) * 2.0 + 1.0
        return odd * 2.0**-53 - 1.0
    sign = np.where(bits >> np.uint64(63), 1.0, -1.0)
    low = (bits >> np.uint64(10)) & np.uint64((1 << 53) - 1)
    share = (low.astype(np.float64) + 0.5) * 2.0**-53
    mantissa, exponent = np.frexp(share)  # exact: mantissa in [0.5, 1)
    place = (mantissa - 0.5) * (2 * _STEPS)
    step = place.astype(np.int64)
    table = _table(distribution)
    row = np.minimum(-exponent.astype(np.int64), _OCTAVES - 1) * _STEPS + step
    low_end, slope = table[0].take(row), table[1].take(row)
    return sign * (low_end + (place - step) * slope)


@lru_cache(maxsize=4)
def _table(distribution: Distribution) -> tuple[Floats, Floats]:
    """Return the value at the start of each step, and the difference to its end; octave e is [2^-e-1, 2^-e)."""
    quantile = _laplace if distribution == "laplace" else _normal
    starts, slopes = [], []
    for octave in range(_OCTAVES):
        ends = [quantile((0.5 + step / (2 * _STEPS)) * 2.0**-octave) for step in range(_STEPS + 1)]
        starts += ends[:-1]
        slopes += [after - before for before, after in pairwise(ends)]
    return np.array(starts), np.array(slopes)


def _laplace(share: float) -> float:
    return round(-math.log(share), _DECIMALS)


def _normal(share: float) -> float:
    return round(-NormalDist().inv_cdf(share / 2), _DECIMALS)
