"""The map grid, 32 elements of one row a step, and exact division (spec: operators.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..memory import Memory
from ..tensors import DType, TensorType
from .base import (
    MAP_ELEMENTS,
    MAX_DIMENSION,
    MAX_ELEMENTS,
    Operand,
    StepNote,
    decode_elements,
    encode_signed,
    require,
    require_range,
)

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Span:
    """What a step covers: flat elements `[first, last)` of `row`, from `column` on."""

    first: int
    last: int
    row: int
    column: int

    @property
    def count(self) -> int:
        """Return how many elements are covered."""
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class Grid:
    """A destination `[rows, cols]` that is written 32 elements of one row at a time."""

    dst: int
    dst_dtype: DType
    rows: int
    cols: int

    def check_grid(self) -> None:
        """Raise InvalidProgram unless no step leaves its row."""
        require_matrix(self.rows, self.cols)
        is_cut = self.rows == 1 or self.cols % MAP_ELEMENTS == 0
        require(is_cut, f"cols = {self.cols} is not a multiple of {MAP_ELEMENTS}")

    @property
    def count(self) -> int:
        """Return the elements of the destination."""
        return self.rows * self.cols

    @property
    def steps(self) -> int:
        return -(-self.count // MAP_ELEMENTS)

    @property
    def destination(self) -> Operand:
        return Operand(self.dst, TensorType(self.dst_dtype, self.count))

    def elements_before(self, index: int, iteration: int = 0) -> int:
        return index * MAP_ELEMENTS

    def element_start(self, index: int) -> int:
        return index

    def note(self, index: int, iteration: int = 0) -> StepNote:
        at = self.span(index)
        return StepNote("map", at.first, f"output elements {at.first} to {at.last - 1}")

    def span(self, index: int) -> Span:
        """Return what a step covers."""
        first = index * MAP_ELEMENTS
        return Span(first, min(first + MAP_ELEMENTS, self.count), *divmod(first, self.cols))

    def store(self, at: Span, memory: Memory, values: Sequence[int]) -> None:
        """Write a step's elements."""
        data = b"".join(encode_signed(value, self.dst_dtype) for value in values)
        memory.store(self.dst, self.destination.kind, at.first * self.dst_dtype.size, data)


def require_matrix(rows: int, cols: int) -> None:
    """Raise InvalidProgram unless a tensor `[rows, cols]` may exist."""
    require_range(rows, 1, MAX_DIMENSION, "rows")
    require_range(cols, 1, MAX_DIMENSION, "cols")
    require(rows * cols <= MAX_ELEMENTS, "the tensor has too many elements")


def require_table(start: int, count: int, dtype: DType, constants_bytes: int) -> None:
    """Raise InvalidProgram unless a table lies inside the constants."""
    require(start % 8 == 0, "table is not a multiple of 8")
    require_range(start, 0, constants_bytes - count * dtype.size, "table")


def read_elements(memory: Memory, operand: Operand, first: int, last: int) -> list[int]:
    """Return elements `[first, last)` of a tensor."""
    size = operand.kind.dtype.size
    data = memory.read(operand.slot, operand.kind, first * size, last * size)
    return decode_elements(data, operand.kind.dtype)


def clamped(value: int, low: int, high: int) -> int:
    """Return the integer of `[low, high]` that is nearest to `value`."""
    return min(max(value, low), high)


def divided(n: int, d: int) -> int:
    """Return `n / d` rounded to the nearest integer, halves up; `d >= 1`."""
    return (n + d // 2) // d


def divided_all(n: Integers, d: Integers) -> Integers:
    """Return `divided` of each element without overflow; each `d` in `[1, 2**62]`."""
    quotient = n // d
    rest = n - quotient * d
    result: Integers = quotient + (rest + d // 2) // d
    return result


def i64(values: npt.NDArray[np.generic] | int) -> Integers:
    """Return values as an i64 array of at least one axis, whose arithmetic wraps."""
    return np.atleast_1d(np.asarray(values)).astype(np.int64)
