"""Where the elements of an ONNX tensor lie: layouts as arrays of flat indices.

Transpose, Reshape, Slice and their kin only rearrange indices. A tensor is moved when a layer
needs its own layout and the indices are not already in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from .graph import Four, TensorId

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """An ONNX tensor: its shape, and where each element lies in a physical tensor.

    `index: i64[shape]` flat positions; None is the natural layout.
    """

    tensor: TensorId
    shape: tuple[int, ...]
    index: Indices | None = None

    def indices(self) -> Indices:
        """Return the flat position of every element, in the ONNX shape."""
        return natural_indices(self.shape) if self.index is None else self.index


def natural_indices(shape: tuple[int, ...]) -> Indices:
    """Return the natural layout: `[n, c, h, w]` lies as NHWC, any other rank row-major."""
    flat = np.arange(prod(shape), dtype=np.int64)
    if len(shape) == 4:
        batch, channels, height, width = shape
        return flat.reshape(batch, height, width, channels).transpose(0, 3, 1, 2)
    return flat.reshape(shape)


def natural_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the physical (height, width, channels) of the natural layout."""
    if len(shape) == 4:
        return (shape[0] * shape[2], shape[3], shape[1])
    return (1, prod(shape[:-1]), shape[-1]) if shape else (1, 1, 1)


def rearranged(value: Value, index: Indices) -> Value:
    """Return the value with new indices, in the natural form where they are natural."""
    shape = index.shape
    natural = natural_indices(shape)
    return Value(value.tensor, shape, None if np.array_equal(natural, index) else index)


def reshaped(value: Value, shape: tuple[int, ...]) -> Value:
    """Return the value under another ONNX shape of as many elements."""
    if shape == value.shape:
        return value
    return rearranged(value, value.indices().reshape(shape))


def physical_order(value: Value) -> Indices:
    """Return the source positions in the order in which the natural layout wants them."""
    index = value.indices()
    return (index.transpose(0, 2, 3, 1) if index.ndim == 4 else index).ravel()


def strided(order: Indices) -> tuple[Four, Four] | None:
    """Return `(sizes, strides)` of four loops that visit `order`, or None if none do.

    The first position is the offset; strides are not negative.
    """
    sizes: list[int] = []
    strides: list[int] = []
    rest = order
    while len(rest) > 1:
        step = int(rest[1] - rest[0])
        breaks = np.flatnonzero(np.diff(rest) != step)
        length = int(breaks[0]) + 1 if breaks.size else len(rest)
        while len(rest) % length:
            length -= 1
        table = rest.reshape(-1, length)
        expected = table[:, :1] + step * np.arange(length)
        if length == 1 or step < 0 or len(sizes) == 4 or not np.array_equal(table, expected):
            return None
        sizes.insert(0, length)
        strides.insert(0, step)
        rest = table[:, 0]
    missing = 4 - len(sizes)
    n0, n1, n2, n3 = [1] * missing + sizes
    s0, s1, s2, s3 = [0] * missing + strides
    # A single element counts as a contiguous run of one.
    return (n0, n1, n2, n3), (s0, s1, s2, s3 if n3 > 1 else 1)
