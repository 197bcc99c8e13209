"""The requantising product against IEEE binary32, and its vector form against its scalar."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter.float32 import SATURATION, is_usable_scale, rescale, rescale_array

I64 = st.integers(-(2**63), 2**63 - 1)
SCALE = st.integers(0, 2**32 - 1)


def by_ieee(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        product = values.astype(np.float32) * scales
    return np.rint(np.clip(product.astype(np.float64), -SATURATION, SATURATION)).astype(np.int64)


def sample(seed: int, count: int = 50_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.integers(-(2**31) + 1, 2**31, count) >> rng.integers(0, 31, count)
    scales = np.exp(rng.uniform(-80, 20, count)).astype(np.float32)
    # Powers of two and their multiples by 1.5 make exact ties; realistic scales fill bytes.
    scales[: count // 4] = 2.0 ** -rng.integers(1, 30, count // 4)
    scales[count // 4 : count // 2] = 200 / np.maximum(np.abs(values[count // 4 : count // 2]), 1)
    return values.astype(np.int64), scales


@pytest.mark.parametrize("seed", range(4))
def test_rescale_is_the_ieee_product_rounded_half_even(seed: int) -> None:
    values, scales = sample(seed)
    expected = by_ieee(values, scales)
    bits = scales.view(np.uint32)
    assert np.array_equal(rescale_array(values, bits), expected)
    some = slice(0, None, 25)
    found = [rescale(int(v), int(b)) for v, b in zip(values[some], bits[some], strict=True)]
    assert found == expected[some].tolist()


@given(st.lists(st.tuples(I64, SCALE), min_size=1, max_size=30))
@settings(max_examples=300)
def test_vector_form_equals_the_definition_on_any_bits(pairs: list[tuple[int, int]]) -> None:
    values = np.array([v for v, _ in pairs], np.int64)
    bits = np.array([b for _, b in pairs], np.uint32)
    assert rescale_array(values, bits).tolist() == [rescale(v, b) for v, b in pairs]


@given(I64, st.sampled_from([0, 1, 0x7FFFFF, 0x7F800000, 0x7FC00000, 0x80000000, 0xBF800000]))
def test_zero_subnormal_infinite_nan_and_negative_scales_give_zero(value: int, bits: int) -> None:
    assert not is_usable_scale(bits)
    assert rescale(value, bits) == 0


def test_ties_go_to_even_and_huge_products_saturate() -> None:
    half = int(np.float32(0.5).view(np.uint32))
    assert [rescale(v, half) for v in (1, 3, 5, -1, -3, -5)] == [0, 2, 2, 0, -2, -2]
    assert rescale(2**62, int(np.float32(1e30).view(np.uint32))) == SATURATION
    assert rescale(-(2**63), 0x7F7FFFFF) == -SATURATION
