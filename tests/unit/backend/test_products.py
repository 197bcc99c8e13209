"""Products of narrow matrices: every kernel on this machine gives the same exact sums."""

from __future__ import annotations

import multiprocessing
import threading
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
DTYPES = (np.uint8, np.int8, np.int16)
OUTS = (np.int32, np.int64)
# Beyond this depth bytes are summed in parts.
SPAN = 65536


@pytest.fixture(params=[0, 1, 2, 3], ids=["portable", "AVX2", "VNNI", "AMX"])
def kernel(request: pytest.FixtureRequest) -> Any:
    name = native.use(request.param)
    if request.param and name == native.use(request.param - 1):
        pytest.skip("this processor has no such instructions")
    native.use(request.param)
    yield
    native.use(3)


def expected(a: Any, w: Any, a_zero: int, w_zero: int, out: Any = np.int32) -> Any:
    sums = (a.astype(np.int64) - a_zero) @ (w.astype(np.int64) - w_zero).T
    return np.clip(sums, np.iinfo(out).min, np.iinfo(out).max).astype(out)


def filled(value: int, shape: tuple[int, int], dtype: Any) -> Any:
    return np.full(shape, value, dtype)


def draw(rng: np.random.Generator, dtype: Any, shape: tuple[int, int]) -> Any:
    """Return values of the whole range, or only its ends."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    if rng.integers(4) == 0:
        return rng.choice(np.array([low, high], dtype), shape)
    return rng.integers(low, high + 1, shape).astype(dtype)


def zero_point(rng: np.random.Generator, dtype: Any) -> int:
    limits = np.iinfo(dtype)
    return int(rng.choice([0, limits.min, limits.max, int(rng.integers(limits.min, limits.max))]))


@pytest.mark.usefixtures("kernel")
@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 70),
    columns=st.integers(1, 110),
    depth=st.one_of(st.integers(1, 140), st.integers(500, 1100), st.integers(2000, 4200)),
    kinds=st.tuples(*[st.sampled_from(DTYPES)] * 2),
    out=st.sampled_from(OUTS),
    threads=st.integers(1, 3),
)
def test_sums_are_exact(
    seed: int, rows: int, columns: int, depth: int, kinds: Any, out: Any, threads: int
) -> None:
    rng = np.random.default_rng(seed)
    a, w = draw(rng, kinds[0], (rows, depth)), draw(rng, kinds[1], (columns, depth))
    zeros = zero_point(rng, kinds[0]), zero_point(rng, kinds[1])
    given = product(a, w, *zeros, filled(7, (rows, columns), out), threads)
    assert (given == expected(a, w, *zeros, out)).all()


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("a_dtype", DTYPES)
@pytest.mark.parametrize("w_dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 9])
def test_long_sums_of_extremes_neither_wrap_nor_saturate(
    a_dtype: Any, w_dtype: Any, rows: int
) -> None:
    """Check the depths at which sums of 32 bits are at their ends, and one behind."""
    for a_value in (np.iinfo(a_dtype).min, np.iinfo(a_dtype).max):
        for w_value in (np.iinfo(w_dtype).min, np.iinfo(w_dtype).max):
            for depth in (33_025, SPAN, SPAN + 1):
                a = filled(a_value, (rows, depth), a_dtype)
                w = filled(w_value, (3, depth), w_dtype)
                for out in OUTS:
                    sums = product(a, w, out=filled(7, (rows, 3), out))
                    assert (sums == expected(a[:1], w[:1], 0, 0, out)).all()


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("kinds", [(np.uint8, np.int8), (np.int16, np.uint8), (np.int8, np.int16)])
@pytest.mark.parametrize("rows", [3, 20])
def test_parts_of_larger_matrices_are_multiplied_where_they_lie(kinds: Any, rows: int) -> None:
    rng = np.random.default_rng(7)
    a, w = draw(rng, kinds[0], (30, 90)), draw(rng, kinds[1], (70, 200))
    for dtype in OUTS:
        out = filled(7, (30, 80), dtype)
        inner = out[4 : 4 + rows, 9:71]
        product(a[5 : 5 + rows, 3:67], w[2:64, 100:164], 11, -3, inner)
        assert (inner == expected(a[5 : 5 + rows, 3:67], w[2:64, 100:164], 11, -3, dtype)).all()
        inner[:] = 7
        assert (out == 7).all()


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("kinds", [(np.int8, np.int8), (np.int16, np.int8), (np.int16, np.int16)])
@pytest.mark.parametrize("rows", [1, 4, 600])
def test_any_number_of_threads_gives_the_same_sums(kinds: Any, rows: int) -> None:
    rng = np.random.default_rng(9)
    a, w = draw(rng, kinds[0], (rows, 1030)), draw(rng, kinds[1], (517, 1030))
    want = expected(a, w, 5, -6)
    for threads in (1, 2, 5, 1000):
        assert (product(a, w, 5, -6, threads=threads) == want).all()


def test_calls_at_once_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(10)
    a, w = draw(rng, np.int8, (16, 2048)), draw(rng, np.int8, (700, 2048))
    want = expected(a, w, 1, 2)
    wrong: list[int] = []

    def repeat() -> None:
        wrong.extend(i for i in range(20) if (product(a, w, 1, 2, threads=3) != want).any())

    callers = [threading.Thread(target=repeat) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def multiply_in_child(sums: Any) -> None:
    sums.put(int(product(*ONES, threads=2).sum()))


ONES = np.ones((8, 2048), np.int8), np.ones((600, 2048), np.int8)


def test_a_forked_child_has_threads_of_its_own() -> None:
    product(*ONES, threads=2)
    context = multiprocessing.get_context("fork")
    sums = context.Queue()
    child = context.Process(target=multiply_in_child, args=(sums,))
    child.start()
    assert sums.get(timeout=30) == 8 * 600 * 2048
    child.join(30)
    assert child.exitcode == 0


def test_numpy_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    a, w = draw(rng, np.int16, (9, 777)), draw(rng, np.int8, (50, 777))
    compiled = product(a, w, 3, 5)
    monkeypatch.setattr(products, "_NATIVE", None)
    assert (product(a, w, 3, 5) == compiled).all()


@pytest.mark.parametrize("depth", [0, MAX_DEPTH + 1])
def test_a_depth_that_no_program_has_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match="at most"):
        product(np.zeros((1, depth), np.int8), np.zeros((1, depth), np.int8))


NUMBERS = (
    ("rows", 2),
    ("columns", 2),
    ("depth", 8),
    ("a_offset", 0),
    ("a_stride", 8),
    ("w_offset", 0),
    ("w_stride", 8),
    ("out_offset", 0),
    ("out_stride", 2),
    ("a_kind", 1),
    ("w_kind", 1),
    ("out_wide", 0),
    ("a_zero", 0),
    ("w_zero", 0),
    ("threads", 1),
)


@pytest.mark.parametrize(
    "change",
    [
        ("rows", 3),
        ("columns", 3),
        ("depth", 9),
        ("a_offset", 1),
        ("a_offset", -1),
        ("a_stride", 9),
        ("a_stride", 1 << 62),
        ("w_offset", 1),
        ("w_stride", 9),
        ("out_offset", 1),
        ("out_stride", 3),
        ("out_stride", -2),
        ("a_kind", 2),
        ("a_kind", 3),
        ("w_kind", -1),
        ("out_wide", 1),
        ("rows", 0),
    ],
)
def test_what_does_not_lie_in_its_buffer_is_refused(change: tuple[str, int]) -> None:
    data, out = bytes(16), np.zeros(4, np.int32)
    native.product(data, data, out, *dict(NUMBERS).values())
    with pytest.raises(ValueError, match=r"does not lie|a kind is"):
        native.product(data, data, out, *{**dict(NUMBERS), change[0]: change[1]}.values())
