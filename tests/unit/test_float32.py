"""Requantisation against Berkeley TestFloat's binary32 vectors, and against numpy on exact ties.

`rescale(v, s)` is `rint(fl(fl(v)·s))`: with s = 1 a conversion, with v a mantissa a product, with s
a power of two a rounding. So each vector of those operations says what some rescale must give.
"""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from interpreter.float32 import SATURATION, rescale, rescale_array

ONE = 0x3F800000
IMPLICIT = 1 << 23
UNDERFLOW, INVALID = 0x02, 0x10


def vectors(name: str) -> list[list[int]]:
    """Return the operands and results of a TestFloat file, as unsigned integers."""
    root = os.environ.get("INFERNET_TEST_DATA")
    if not root:
        pytest.skip("INFERNET_TEST_DATA is not set: the TestFloat vectors are outside the project")
    lines = (Path(root) / "testfloat-f32" / f"{name}.txt").read_text().splitlines()
    return [[int(word, 16) for word in line.split()] for line in lines if line.strip()]


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def is_normal(bits: int) -> bool:
    return 1 <= (bits >> 23 & 255) <= 254


def parts(bits: int) -> tuple[int, int]:
    """Return `(mantissa with sign, exponent)` of a normal binary32: its value is m · 2**e."""
    mantissa = bits & (IMPLICIT - 1) | IMPLICIT
    return (-mantissa if bits >> 31 else mantissa), (bits >> 23 & 255) - 150


def exactly(bits: int) -> Fraction:
    if bits & 0x7FFFFFFF == 0:
        return Fraction(0)
    mantissa, exponent = parts(bits)
    return mantissa * Fraction(2) ** exponent


def power_of_two(exponent: int) -> int:
    return (exponent + 127) << 23


def require(cases: list[tuple[int, int, int]], least: int) -> None:
    """Check `(value, scale bits, expected)` in both forms; `least`: how many there must be."""
    assert len(cases) >= least
    for value, scale, expected in cases:
        assert rescale(value, scale) == expected, (value, hex(scale))
    values, scales, expected_array = (np.array(column) for column in zip(*cases, strict=True))
    found = rescale_array(values.astype(np.int64), scales.astype(np.uint32))
    assert np.array_equal(found, expected_array)


def test_conversions_from_i32_round_as_testfloat_says() -> None:
    cases = [
        (signed(value, 32), ONE, int(exactly(result))) for value, result, _ in vectors("i32_to_f32")
    ]
    require(cases, 370)


def test_conversions_from_i64_round_as_testfloat_says() -> None:
    cases = []
    for value, result, _ in vectors("i64_to_f32"):
        # Down by 2**32, so that nothing saturates; round() of a fraction goes half to even.
        expected = round(exactly(result) / 2**32)
        cases.append((signed(value, 64), power_of_two(-32), expected))
    require(cases, 750)


def products() -> Iterator[tuple[int, int, int]]:
    for a, b, result, flags in vectors("f32_mul"):
        # A result that underflowed was rounded to fewer bits, though it may look normal.
        if not (is_normal(a) and is_normal(b) and is_normal(result)) or flags & UNDERFLOW:
            continue
        mantissa, exponent = parts(a)
        scale = b & (IMPLICIT - 1) | ONE
        # The scale's magnitude lies in [1, 2), so the product is an integer of 24 or 25 bits.
        unit = Fraction(2) ** (exponent + (b >> 23 & 255) - 127)
        expected = exactly(result) / unit * (-1 if b >> 31 else 1)
        assert expected.denominator == 1
        yield mantissa, scale, int(expected)


def test_products_round_as_testfloat_says() -> None:
    require(list(products()), 25_000)


@pytest.mark.parametrize("name", ["f32_to_i32", "f32_to_i64", "f32_roundToInt"])
def test_roundings_to_integers_are_testfloats(name: str) -> None:
    cases = []
    for value, result, flags in vectors(name):
        if not is_normal(value) or abs(exactly(value)) >= 2**31 or flags & INVALID:
            continue
        mantissa, exponent = parts(value)
        # Mantissas of tiny values would need a subnormal scale; those round to 0 all the same.
        if exponent < -126:
            continue
        if name == "f32_roundToInt":
            expected = int(exactly(result))
        else:
            expected = signed(result, int(name[-2:]))
        cases.append((mantissa, power_of_two(exponent), expected))
    require(cases, 200)


def ties(seed: int, count: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Return values and scales whose product lies on, or one ulp beside, a rounding tie."""
    rng = np.random.default_rng(seed)
    odd = 2 * rng.integers(0, 512, count) + 1
    divisor = 3 ** rng.integers(0, 8, count) * 5 ** rng.integers(0, 5, count)
    values = divisor * 2 ** rng.integers(0, 10, count) * rng.choice((-1, 1), count)
    scales = (odd / 2 / np.abs(values)).astype(np.float32)
    nudge = rng.integers(-1, 2, count)
    bits = (scales.view(np.uint32).astype(np.int64) + nudge).astype(np.uint32)
    return values.astype(np.int64), bits


@pytest.mark.parametrize("seed", range(5))
def test_ties_and_their_neighbours_round_as_numpy_does(seed: int) -> None:
    values, bits = ties(seed)
    product = values.astype(np.float32) * bits.view(np.float32)
    expected = np.rint(product).astype(np.int64)
    # The sample must hold true ties, or it would prove little.
    assert np.count_nonzero(product % 1 == 0.5) + np.count_nonzero(product % 1 == -0.5) > 5000
    assert np.array_equal(rescale_array(values, bits), expected)
    some = slice(0, None, 40)
    found = [rescale(int(v), int(b)) for v, b in zip(values[some], bits[some], strict=True)]
    assert found == expected[some].tolist()


@pytest.mark.parametrize("seed", range(3))
def test_both_forms_agree_on_any_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-(2**63), 2**63, 4000) >> rng.integers(0, 63, 4000)
    values[:4] = [-(2**63), 2**63 - 1, 0, -1]
    bits = rng.integers(0, 2**32, 4000, dtype=np.uint32)
    bits[::3] = np.exp(rng.uniform(-30, 10, len(bits[::3]))).astype(np.float32).view(np.uint32)
    found = rescale_array(values, bits)
    assert found.tolist() == [rescale(int(v), int(b)) for v, b in zip(values, bits, strict=True)]
    assert np.abs(found).max() <= SATURATION
