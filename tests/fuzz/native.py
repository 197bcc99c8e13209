"""The compiled kernels, called with sizes, types and offsets that nobody checked."""

from __future__ import annotations

import struct
from hashlib import sha256
from importlib import import_module
from typing import Any

import numpy as np

from interpreter.merkle import tree_of_bytes, zero_root

from .harness import Disagreement, Harness

_DEPTHS = 10
_PADDING = b"".join(map(zero_root, range(_DEPTHS)))
# Rows, columns, depth, then offset and stride of a, w and out.
_SIZES = struct.Struct("<9q6i")
_KINDS = (np.dtype(np.uint8), np.dtype(np.int8), np.dtype("<i2"))


def _native(name: str) -> Any:
    return import_module(f"infernet.backend.native.{name}")


def _leaves() -> list[bytes]:
    return [bytes([0, _DEPTHS]) + bytes(size) for size in (1, 255, 256, 257, 5_000)]


def _levels(data: bytes) -> None:
    """Take the lanes, how many hashes of padding there are, and the bytes."""
    if len(data) < 2:
        raise ValueError("too short")
    native, content = _native("_sha256"), data[2:]
    native.use_lanes((16, 8, 4)[data[0] % 3])
    found = native.levels(content, _PADDING[: 32 * (data[1] % (_DEPTHS + 1))])
    if found[-1] != tree_of_bytes(np.frombuffer(content, np.uint8)).root:
        raise Disagreement("the compiled tree has another root")


def _products() -> list[bytes]:
    found = []
    for kinds in ((0, 1), (1, 1), (2, 2), (0, 2)):
        rows, columns, depth = 3, 4, 5
        sizes = (rows, columns, depth, 0, depth, 0, depth, 0, columns)
        found.append(_SIZES.pack(*sizes, *kinds, 1, 3, -2, 1) + sha256(bytes(kinds)).digest() * 4)
    return found


def _product(data: bytes) -> None:
    """Take all arguments, then the bytes of both operands."""
    if len(data) < _SIZES.size:
        raise ValueError("too short")
    *numbers, a_zero, w_zero, threads = _SIZES.unpack_from(data)
    content = np.frombuffer(data[_SIZES.size :], np.uint8)
    half = len(content) // 2
    a, w = content[:half].copy(), content[half:].copy()
    out = np.zeros(4_096, np.uint8)
    _native("_matmul").product(a, w, out, *numbers, a_zero, w_zero, threads)
    rows, columns, depth, a_at, a_step, w_at, w_step, out_at, out_step, *kinds, is_wide = numbers
    is_apart = out_step >= columns or rows == 1
    if not is_apart or not all(
        _fits(_KINDS[k], z) for k, z in zip(kinds, (a_zero, w_zero), strict=True)
    ):
        return
    left = _matrix(a, kinds[0], a_at, a_step, rows, depth) - a_zero
    right = _matrix(w, kinds[1], w_at, w_step, columns, depth) - w_zero
    wide = np.dtype("<i8") if is_wide else np.dtype("<i4")
    limits = np.iinfo(wide)
    expected = np.clip(left @ right.T, limits.min, limits.max)
    found = _strided(out, wide, out_at, out_step, rows, columns)
    if not np.array_equal(found, expected):
        raise Disagreement("the compiled product is another one")


def _fits(kind: np.dtype[Any], zero: int) -> bool:
    limits = np.iinfo(kind)
    return bool(limits.min <= zero <= limits.max)


def _matrix(data: np.ndarray, kind: int, at: int, step: int, rows: int, depth: int) -> np.ndarray:
    return _strided(data, _KINDS[kind], at, step, rows, depth).astype(np.int64)


def _strided(
    data: np.ndarray, kind: np.dtype[Any], at: int, step: int, rows: int, columns: int
) -> np.ndarray:
    size = kind.itemsize
    whole = data[: len(data) // size * size].view(kind)
    return np.stack([whole[at + row * step :][:columns] for row in range(rows)])


HARNESSES = (
    Harness("native-sha256", _leaves, _levels, (ValueError,)),
    Harness("native-matmul", _products, _product, (ValueError, OverflowError)),
)
