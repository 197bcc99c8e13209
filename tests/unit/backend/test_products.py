"""Products of byte matrices: every kernel on this machine gives the same exact sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infernet.backend import products
from infernet.backend.products import MAX_DEPTH, product

native = pytest.importorskip(
    "infernet.backend.native._matmul", reason="the package was installed without a C compiler"
)
DTYPES = (np.int8, np.uint8)


@pytest.fixture(params=[0, 1, 2], ids=["portable", "AVX2", "VNNI"])
def kernel(request: pytest.FixtureRequest) -> Any:
    name = native.use(request.param)
    if request.param and name == native.use(request.param - 1):
        pytest.skip("this processor has no such instructions")
    native.use(request.param)
    yield
    native.use(2)


def expected(a: Any, w: Any, a_zero: int, w_zero: int) -> Any:
    return (a.astype(np.int64) - a_zero) @ (w.astype(np.int64) - w_zero).T


def draw(rng: np.random.Generator, dtype: Any, shape: tuple[int, int]) -> Any:
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return rng.integers(low, high + 1, shape).astype(dtype)


@pytest.mark.usefixtures("kernel")
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 40),
    columns=st.integers(1, 110),
    depth=st.integers(1, 600),
    signs=st.tuples(st.sampled_from(DTYPES), st.sampled_from(DTYPES)),
)
def test_sums_are_exact(seed: int, rows: int, columns: int, depth: int, signs: Any) -> None:
    rng = np.random.default_rng(seed)
    a, w = draw(rng, signs[0], (rows, depth)), draw(rng, signs[1], (columns, depth))
    zeros = [int(draw(rng, dtype, (1, 1))[0, 0]) for dtype in signs]
    assert (product(a, w, *zeros) == expected(a, w, *zeros)).all()


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("a_dtype", DTYPES)
@pytest.mark.parametrize("w_dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 9])
def test_extremes_do_not_saturate(a_dtype: Any, w_dtype: Any, rows: int) -> None:
    for a_value in (np.iinfo(a_dtype).min, np.iinfo(a_dtype).max):
        for w_value in (np.iinfo(w_dtype).min, np.iinfo(w_dtype).max):
            a = np.full((rows, MAX_DEPTH), a_value, a_dtype)
            w = np.full((3, MAX_DEPTH), w_value, w_dtype)
            assert (product(a, w) == expected(a, w, 0, 0)).all()


@pytest.mark.usefixtures("kernel")
def test_parts_of_larger_matrices_are_multiplied_where_they_lie() -> None:
    rng = np.random.default_rng(7)
    a, w = draw(rng, np.uint8, (30, 90)), draw(rng, np.int8, (70, 200))
    out = np.full((30, 80), 7, np.int32)
    product(a[5:25, 3:67], w[2:64, 100:164], 11, -3, out[4:24, 9:71])
    assert (out[4:24, 9:71] == expected(a[5:25, 3:67], w[2:64, 100:164], 11, -3)).all()
    out[4:24, 9:71] = 7
    assert (out == 7).all()


def test_numpy_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    a, w = draw(rng, np.int8, (9, 777)), draw(rng, np.int8, (50, 777))
    compiled = product(a, w, 3, 5)
    monkeypatch.setattr(products, "_NATIVE", None)
    assert (product(a, w, 3, 5) == compiled).all()


@pytest.mark.parametrize("depth", [0, MAX_DEPTH + 1])
def test_a_depth_that_may_overflow_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match="at most"):
        product(np.zeros((1, depth), np.int8), np.zeros((1, depth), np.int8))


def test_an_operand_outside_its_buffer_is_refused() -> None:
    data, out = bytes(16), np.zeros(4, np.int32)
    with pytest.raises(ValueError, match="does not lie"):
        native.product(data, data, out, 2, 2, 9, 0, 9, 0, 4, 0, 2, True, True, 0, 0)
