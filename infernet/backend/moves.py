"""Where the elements of a COPY go and come from, a block at a time.

An index takes eight bytes, so those of all elements may take many times what the tensors do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from interpreter.operators import Copy

Index = npt.NDArray[np.int64]

_MOST_ELEMENTS = 1 << 20


def blocks(count: int) -> Iterator[range]:
    """Yield the first `count` elements in order, so many at a time that indices stay small."""
    for first in range(0, count, _MOST_ELEMENTS):
        yield range(first, min(first + _MOST_ELEMENTS, count))


def places_of(copy: Copy, block: range, iteration: int) -> Index:
    """Return where some elements go, `i64[elements]`."""
    offset = copy.dst_offset + iteration * copy.dst_step
    return _indices(copy.sizes, block, offset, copy.dst_strides)


def origins_of(copy: Copy, block: range, iteration: int) -> Index:
    """Return where some elements come from, `i64[elements]`."""
    offset = copy.a_offset + iteration * copy.a_step
    return _indices(copy.sizes, block, offset, copy.a_strides)


def _indices(sizes: Sequence[int], block: range, offset: int, strides: Sequence[int]) -> Index:
    left = np.arange(block.start, block.stop, dtype=np.int64)
    found = np.full(len(left), offset, np.int64)
    for size, stride in zip(reversed(sizes), reversed(strides), strict=True):
        left, along = np.divmod(left, size)
        found += along * stride
    return found
