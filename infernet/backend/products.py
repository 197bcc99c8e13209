"""Exact products of byte matrices, by the compiled kernel where there is one, else by NumPy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.int8] | npt.NDArray[np.uint8]

# depth * 255 * 255 must stay below 2**31.
MAX_DEPTH = 33_025
_WIDEST = 2


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
    a: Bytes, w: Bytes, a_zero: int = 0, w_zero: int = 0, out: npt.NDArray[np.int32] | None = None
) -> npt.NDArray[np.int32]:
    """Return `out[r, c] = sum over k of (a[r, k] - a_zero) * (w[c, k] - w_zero)`, exact.

    `a: u8|i8[rows, depth]`, `w: u8|i8[columns, depth]`, both with neighbours in depth side by side
    in memory; depth at most MAX_DEPTH, or ValueError. `out: i32[rows, columns]`, rows contiguous.
    """
    rows, depth = a.shape
    columns = w.shape[0]
    if w.shape[1] != depth or not 0 < depth <= MAX_DEPTH:
        raise ValueError(f"depths {depth} and {w.shape[1]} must be equal and at most {MAX_DEPTH}")
    if out is None:
        out = np.empty((rows, columns), np.int32)
    if _NATIVE is None:
        left = a.astype(np.float64) - a_zero
        out[:] = (left @ (w.astype(np.float64) - w_zero).T).astype(np.int32)
        return out
    operands = (_rows(a), _rows(w), _rows(out))
    (a_data, a_stride), (w_data, w_stride), (out_data, out_stride) = operands
    shape = (rows, columns, depth)
    strides = (0, a_stride, 0, w_stride, 0, out_stride // out.itemsize)
    signs = (a.dtype == np.int8, w.dtype == np.int8)
    _NATIVE.product(a_data, w_data, out_data, *shape, *strides, *signs, a_zero, w_zero)
    return out


def _rows(matrix: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], int]:
    """Return the bytes from the first element to the last, and the bytes from row to row."""
    if matrix.strides[1] != matrix.itemsize or matrix.strides[0] < 0:
        raise ValueError("neighbours in a row must be side by side in memory")
    rows, columns = matrix.shape
    length = (rows - 1) * matrix.strides[0] + columns * matrix.itemsize
    flat = np.lib.stride_tricks.as_strided(matrix.view(np.uint8), (length,), (1,))
    return flat, matrix.strides[0]
