"""The binary32 product that requantises accumulators, computed with integers alone.

`fl` rounds to binary32, nearest even. The result is `rint(fl(fl(v) * scale))`; no float is used, so
every machine agrees (spec: operators.md, "rescale"; twin: libraries/Float32.sol).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SATURATION = 1 << 32
_MANTISSA_BITS = 24


def shift_half_even(value: int, shift: int) -> int:
    """Return `value / 2**shift`, ties to even; `value >= 0`, `shift >= 1`."""
    quotient = value >> shift
    remainder = value & ((1 << shift) - 1)
    half = 1 << (shift - 1)
    return quotient + (remainder > half or (remainder == half and quotient & 1 == 1))


def is_usable_scale(scale_bits: int) -> bool:
    """Say whether the bits are a positive normal binary32; all else rescales to 0."""
    return 1 <= scale_bits >> 23 <= 254


def rescale(value: int, scale_bits: int) -> int:
    """Return `rint(fl(fl(value) * scale))`, its magnitude saturated at 2**32.

    `value`: i64; `scale_bits`: the u32 pattern of a binary32. Unusable scales give 0.
    """
    if value == 0 or not is_usable_scale(scale_bits):
        return 0
    magnitude = abs(value)
    exponent = (scale_bits >> 23) - 150
    magnitude, shift = _to_mantissa(magnitude)
    exponent += shift
    product, shift = _to_mantissa(magnitude * (scale_bits & 0x7FFFFF | 0x800000))
    exponent += shift
    if exponent < 0:
        product = shift_half_even(product, -exponent)
    else:
        # Beyond 2**32 only the saturation matters, so the shift may be cut short.
        product <<= min(exponent, 40)
    product = min(product, SATURATION)
    return -product if value < 0 else product


def _to_mantissa(magnitude: int) -> tuple[int, int]:
    shift = magnitude.bit_length() - _MANTISSA_BITS
    return (shift_half_even(magnitude, shift), shift) if shift > 0 else (magnitude, 0)


def rescale_array(
    values: npt.NDArray[np.int64], scale_bits: npt.NDArray[np.uint32]
) -> npt.NDArray[np.int64]:
    """Return `rescale` of each element; `scale_bits` broadcasts to the shape of `values`.

    One multiplication and one rounding shift give the answer unless the exact quotient lies so
    near a tie, or is so large, that the two roundings to 24 bits could matter: together they move
    a quotient below 512 by less than 2**-14. Those few elements take the definition's own way.
    """
    bits = scale_bits.astype(np.int64)
    shift = 150 - (bits >> 23)
    is_simple = (shift >= 14) & (shift <= 62) & (bits >> 31 == 0)
    shift = np.where(is_simple, shift, 14)
    unit = np.left_shift(np.int64(1), shift)
    half, slack = unit >> 1, unit >> 13
    # All ones where negative: flipping by it and subtracting it negates, without a branch.
    sign = values >> 63
    magnitude = (values ^ sign) - sign
    # A magnitude of 2**31 or more would overflow the product; it is marked doubtful below.
    product = np.minimum(magnitude, _SIMPLE_LIMIT) * (bits & 0x7FFFFF | 0x800000)
    product += half - slack
    result: npt.NDArray[np.int64] = product >> shift
    # Doubtful: a quotient within the slack of the next half, on either side.
    product &= unit - 1
    doubtful = product >= unit - 2 * slack
    doubtful |= (result >= 512) | (magnitude >= _SIMPLE_LIMIT) | (magnitude < 0) | ~is_simple
    result = (result ^ sign) - sign
    where = np.nonzero(doubtful)
    if len(where[0]):
        every_scale = np.broadcast_to(scale_bits, values.shape)
        result[where] = _rescale_few(values[where], every_scale[where])
    return result


_SIMPLE_LIMIT = 1 << 31
_FEW = 16


def _rescale_few(
    values: npt.NDArray[np.int64], bits: npt.NDArray[np.uint32]
) -> npt.NDArray[np.int64]:
    """Return `rescale` of each element of two flat arrays, one by one while that is quicker."""
    if len(values) > _FEW:
        return _rescale_exactly(values, bits)
    pairs = zip(values.tolist(), bits.tolist(), strict=True)
    return np.array([rescale(value, scale) for value, scale in pairs], np.int64)


def _rescale_exactly(
    values: npt.NDArray[np.int64], bits: npt.NDArray[np.uint32]
) -> npt.NDArray[np.int64]:
    """Return `rescale` of each element of two flat arrays, in the definition's own steps.

    64-bit lanes hold |value| < 2**31; the elements beyond, which only hostile constants produce,
    go through the scalar definition.
    """
    is_wide = (np.abs(values) >> 31) != 0
    magnitude = np.where(is_wide, 0, np.abs(values)).astype(np.uint64)
    exponent = (bits >> 23).astype(np.int64) - 150
    is_usable = (exponent >= 1 - 150) & (exponent <= 254 - 150)
    magnitude, shift = _to_mantissa_array(magnitude)
    exponent = exponent + shift
    product = magnitude * (bits & 0x7FFFFF | 0x800000).astype(np.uint64)
    product, shift = _to_mantissa_array(product)
    exponent = exponent + shift
    down, up = np.clip(-exponent, 0, 62), np.clip(exponent, 0, 32)
    rounded = np.where(down > 0, _shift_array(product, np.maximum(down, 1)), product)
    rounded = np.minimum(rounded << up.astype(np.uint64), np.uint64(SATURATION)).astype(np.int64)
    result = np.where(is_usable, np.where(values < 0, -rounded, rounded), 0)
    for index in np.flatnonzero(is_wide):
        result[index] = rescale(int(values[index]), int(bits[index]))
    return result


def _shift_array(
    values: npt.NDArray[np.uint64], shift: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    one = np.uint64(1)
    amount = shift.astype(np.uint64)
    quotient = values >> amount
    remainder = values & ((one << amount) - one)
    half = one << (amount - one)
    up = (remainder > half) | ((remainder == half) & ((quotient & one) == one))
    quotient += up
    return quotient


def _to_mantissa_array(
    values: npt.NDArray[np.uint64],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    # Bit lengths by comparison with powers of two: exact, unlike a floating logarithm.
    length = np.searchsorted(_POWERS, values.ravel(), side="right").reshape(values.shape)
    shift = np.maximum(length - _MANTISSA_BITS, 0).astype(np.int64)
    rounded = np.where(shift > 0, _shift_array(values, np.maximum(shift, 1)), values)
    return rounded, shift


_POWERS = np.array([1 << i for i in range(63)], np.uint64)
