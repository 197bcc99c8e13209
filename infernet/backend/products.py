"""Exact integer products of matrices, by the compiled kernels where there are any, else NumPy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

Narrow = npt.NDArray[np.uint8] | npt.NDArray[np.int8] | npt.NDArray[np.int16]
Wide = npt.NDArray[np.int32] | npt.NDArray[np.int64]

MAX_DEPTH = (1 << 24) - 1
_KINDS = {np.dtype(np.uint8): 0, np.dtype(np.int8): 1, np.dtype(np.int16): 2}
_WIDEST = 3


def _load() -> tuple[Any, str]:
    try:
        module = import_module("infernet.backend.native._matmul")
    except ImportError as error:
        return None, f"NumPy (slower; no compiled kernel: {error})"
    return module, f"compiled, {module.use(_WIDEST)}"


_NATIVE, _STATUS = _load()


def products_status() -> str:
    """Return what multiplies matrices, and why when it is not the compiled kernel."""
    return _STATUS


def product(
    a: Narrow,
    w: Narrow,
    a_zero: int = 0,
    w_zero: int = 0,
    out: Wide | None = None,
    threads: int = 1,
) -> Wide:
    """Return `out[r, c] = sum over k of (a[r, k] - a_zero) * (w[c, k] - w_zero)`, clamped to `out`.

    `a: u8|i8|i16[rows, depth]`, `w: u8|i8|i16[columns, depth]`, both with neighbours in depth side
    by side in memory, zero points in their ranges; depth from 1 to MAX_DEPTH, or ValueError.
    `out: i32|i64[rows, columns]`, rows contiguous; i32 when it is not given.
    """
    rows, depth = a.shape
    columns = w.shape[0]
    if w.shape[1] != depth or not 0 < depth <= MAX_DEPTH:
        raise ValueError(f"depths {depth} and {w.shape[1]} must be equal and at most {MAX_DEPTH}")
    if out is None:
        out = np.empty((rows, columns), np.int32)
    if _NATIVE is None:
        sums = (a.astype(np.int64) - a_zero) @ (w.astype(np.int64) - w_zero).T
        limits = np.iinfo(out.dtype)
        out[:] = np.clip(sums, limits.min, limits.max)
        return out
    operands = (_rows(a), _rows(w), _rows(out))
    (a_data, a_stride), (w_data, w_stride), (out_data, out_stride) = operands
    shape = (rows, columns, depth)
    strides = (0, a_stride, 0, w_stride, 0, out_stride)
    kinds = (_KINDS[a.dtype], _KINDS[w.dtype], out.dtype == np.int64)
    _NATIVE.product(a_data, w_data, out_data, *shape, *strides, *kinds, a_zero, w_zero, threads)
    return out


def _rows(matrix: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], int]:
    """Return the bytes from the first element to the last, and the elements from row to row."""
    size = matrix.itemsize
    if matrix.strides[1] != size or matrix.strides[0] < 0 or matrix.strides[0] % size:
        raise ValueError("neighbours in a row must be side by side in memory")
    rows, columns = matrix.shape
    length = (rows - 1) * matrix.strides[0] + columns * size
    flat = np.lib.stride_tricks.as_strided(matrix.view(np.uint8), (length,), (1,))
    return flat, matrix.strides[0] // size
