"""Integers for real numbers: dyadic factors, steps of a tensor, weights and tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from interpreter.operators.base import MAX_SHIFT

from ..errors import InvalidSource

MULTIPLIER_BITS = 22
MAX_WEIGHT = 127
EXPONENT_STEP = 1 / 64
EXPONENT_TOP = (1 << 15) - 1

Array = npt.NDArray[Any]
Reals = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Fractions of the largest magnitude that the search for a range tries.
_CUTS = np.linspace(0.3, 1, 29)


@dataclass(frozen=True, slots=True)
class Dyadic:
    """The factor `multiplier / 2**shift`."""

    multiplier: int
    shift: int


def nearest(values: Array | float) -> Integers:
    """Return the nearest integers, halves up."""
    return np.floor(np.asarray(values, np.float64) + 0.5).astype(np.int64)


def dyadic_all(factors: Reals, bits: int = MULTIPLIER_BITS) -> tuple[Integers, int]:
    """Return multipliers below `2**bits` and one shift for positive factors.

    Raises InvalidSource for factors that no shift of the machine reaches.
    """
    largest = float(factors.max())
    if not (np.isfinite(factors).all() and factors.min() >= 0 and largest > 0):
        raise InvalidSource(f"a scale is not a positive number (largest {largest})")
    shift = bits - (int(np.floor(np.log2(largest))) + 1)
    if not 0 <= shift <= MAX_SHIFT:
        raise InvalidSource(f"the factor {largest:.3g} is outside what a multiplier can hold")
    multipliers = nearest(factors * 2.0**shift)
    return np.minimum(multipliers, (1 << bits) - 1), shift


def dyadic(factor: float, bits: int = MULTIPLIER_BITS) -> Dyadic:
    """Return one positive factor as a dyadic one."""
    multipliers, shift = dyadic_all(np.array([factor], np.float64), bits)
    return Dyadic(int(multipliers[0]), shift)


def widest_step(values: Array, top: int, margin: float = 1.0) -> float:
    """Return the step on which the largest magnitude, times `margin`, is `top`."""
    largest = float(np.maximum(values.max(), -values.min())) * margin
    require_finite(largest)
    return 1.0 if largest == 0 else largest / top


def best_step(values: Array, low: int, high: int) -> float:
    """Return the step with the least squared error of `values` in `[low, high]` steps.

    Rare large values may be cut where that makes the many small ones finer.
    """
    sample = np.asarray(values, np.float64).ravel()
    sample = sample[:: 1 + len(sample) // 200_000]
    ends = [float(sample.max()) / high if high else 0.0, float(sample.min()) / low if low else 0.0]
    widest = max(*ends, 0.0)
    if widest == 0:
        return 1.0

    def error(step: float) -> float:
        rounded = np.clip(nearest(sample / step), low, high) * step
        return float(((rounded - sample) ** 2).mean())

    return min((widest * float(cut) for cut in _CUTS), key=error)


def quantise_rows(weights: Reals) -> tuple[npt.NDArray[np.int8], Reals]:
    """Return `i8[n, k]` weights in [-127, 127] and the step of each row; a row of zeros has 1."""
    steps = row_steps(weights)
    return in_steps(weights, steps, np.int8), steps


def require_finite(largest: Reals | float) -> None:
    """Raise InvalidSource unless the largest magnitudes of a source are numbers."""
    if not np.isfinite(largest).all():
        raise InvalidSource("the source holds what is no finite number: it is damaged")


def row_steps(weights: Array) -> Reals:
    """Return the step of each row on which its largest weight is 127; of a row of zeros 1."""
    largest = np.maximum(weights.max(axis=1), -weights.min(axis=1)).astype(np.float64)
    require_finite(largest)
    return np.where(largest == 0, 1.0, largest / MAX_WEIGHT)


def in_steps(values: Array, steps: Reals | float, dtype: type[np.integer[Any]]) -> npt.NDArray[Any]:
    """Return a matrix in steps, one for each row or one for all. Floats are divided as they are."""
    kind = np.float64 if values.dtype == np.float64 else np.float32
    by_row = np.broadcast_to(steps, len(values)).astype(kind)
    units = np.divide(values, by_row[:, None], dtype=kind)
    units += kind(0.5)
    return np.asarray(np.floor(units, out=units), dtype)


def exponent_table(entries: int = 1024, step: float = EXPONENT_STEP) -> npt.NDArray[np.int16]:
    """Return `exp(-i · step)` in 15 bits; the last entry, which masked scores meet, is 0."""
    table = nearest(EXPONENT_TOP * np.exp(-np.arange(entries) * step))
    assert table[-1] == 0
    return table.astype(np.int16)


def function_table(
    function: Callable[[Reals], Reals],
    arguments: Reals,
    step: float,
    zero: int,
    dtype: type[np.integer[Any]],
) -> Array:
    """Return a function's values at `arguments` as integers of `dtype`, in steps from `zero`."""
    bounds = np.iinfo(dtype)
    values = nearest(function(arguments) / step) + zero
    return np.clip(values, bounds.min, bounds.max).astype(dtype)
