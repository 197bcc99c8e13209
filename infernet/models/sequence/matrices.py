"""Matrices too large to be held as a whole: their rows are made or read when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from .arithmetic import Array, require_finite

T = TypeVar("T")

# What one thread works on at a time: small enough for a processor's cache.
_BLOCK_ELEMENTS = 1 << 18
# Blocks that are worked on before the first of them is taken.
_AHEAD = 64


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A matrix of a shape. `read(places)` returns the rows at a slice or at indices."""

    shape: tuple[int, int]
    read: Callable[[slice | Array], Array]

    def __getitem__(self, places: slice | Array) -> Array:
        return self.read(places)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.read(slice(None)), dtype)


Matrix = Array | Rows


def over_blocks(matrix: Matrix, work: Callable[[slice, Array], T]) -> Iterator[T]:
    """Yield `work(rows, matrix[rows])` for a few rows at a time, in their order, from threads."""
    rows = max(1, _BLOCK_ELEMENTS // matrix.shape[1])
    starts = iter(range(0, len(matrix), rows))

    def one(start: int) -> T:
        block = slice(start, min(start + rows, len(matrix)))
        return work(block, matrix[block])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while group := list(islice(starts, _AHEAD)):
            yield from pool.map(one, group)


def largest_magnitude(matrix: Matrix) -> float:
    """Return the largest magnitude in a matrix, or raise InvalidSource if one is no number."""
    found = over_blocks(matrix, lambda _, block: float(np.maximum(block.max(), -block.min())))
    largest = float(np.max(list(found)))
    require_finite(largest)
    return largest
