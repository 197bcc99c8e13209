"""ROTATE: turn pairs of elements by a table of each position (rotary embedding)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..memory import Memory
from ..program import Opcode, Operator
from ..tensors import DType, TensorType
from .base import (
    MAP_ELEMENTS,
    MAX_DIMENSION,
    Bytes,
    Operand,
    Tensor,
    decode_elements,
    require,
    require_clamp,
    require_dtype,
    require_elements,
    require_range,
    require_shift,
)
from .grid import Grid, clamped, divided, divided_all, i64, read_elements

PAIR_BYTES = 4


@dataclass(frozen=True, slots=True)
class Rotate(Grid):
    """Turn each pair `(x, y)` to `(x·c − y·s, x·s + y·c) / 2**shift`, to the nearest.

    `a: i16|i32[count]`, heads of `head` elements; `dst: i8|i16[count]`. Every head takes its pairs
    from row `min(iteration, positions − 1)` of `(c i16, s i16)[positions, head / 2]` at `table`.
    """

    a: int
    a_dtype: DType
    head: int
    shift: int
    table: int
    positions: int
    low: int
    high: int

    @classmethod
    def decode(cls, operator: Operator) -> Rotate:
        o, f = operator, operator.padded_fields()
        return cls(o.dst, o.dst_dtype, 1, f[0], o.a, o.a_dtype, *f[1:7])

    def encode(self) -> Operator:
        numbers = (self.head, self.shift, self.table, self.positions, self.low, self.high)
        return Operator(
            Opcode.ROTATE,
            dst=self.dst,
            a=self.a,
            dst_dtype=self.dst_dtype,
            a_dtype=self.a_dtype,
            fields=(self.cols, *numbers),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_dtype(self.a_dtype, (DType.I16, DType.I32), "the input")
        require_dtype(self.dst_dtype, (DType.I8, DType.I16), "the output")
        require_elements(self.cols, "count")
        require_range(self.head, 2, MAX_DIMENSION, "head")
        is_even = self.head % 2 == 0
        is_cut = MAP_ELEMENTS % self.head == 0 or self.head % MAP_ELEMENTS == 0
        require(is_even and is_cut, f"head = {self.head} fits no {MAP_ELEMENTS} elements")
        require(self.cols % self.head == 0, "count is not a multiple of head")
        require_shift(self.shift)
        require_range(self.positions, 1, MAX_DIMENSION, "positions")
        require(self.table % PAIR_BYTES == 0, "table is not a multiple of 4")
        end = self.positions * self.row_bytes
        require_range(self.table, 0, constants_bytes - end, "table")
        require_clamp(self.low, self.high, self.dst_dtype)

    @property
    def row_bytes(self) -> int:
        """Return the bytes of one position's pairs."""
        return self.head // 2 * PAIR_BYTES

    @property
    def sources(self) -> tuple[Operand, ...]:
        return (Operand(self.a, TensorType(self.a_dtype, self.count)),)

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        at = self.span(index)
        values = read_elements(memory, self.sources[0], at.first, at.last)
        start = self._row(iteration) + at.first % self.head * 2
        stop = start + min(self.head, MAP_ELEMENTS) * 2
        pairs = decode_elements(memory.read_constant(start, stop), DType.I16)
        results = []
        for j in range(0, at.count, 2):
            x, y = values[j : j + 2]
            c, s = pairs[j % self.head], pairs[j % self.head + 1]
            results += [self._one(x * c - y * s), self._one(x * s + y * c)]
        self.store(at, memory, results)
        return accumulator

    def _row(self, iteration: int) -> int:
        return self.table + self.row_bytes * min(iteration, self.positions - 1)

    def _one(self, value: int) -> int:
        return clamped(divided(value, 1 << self.shift), self.low, self.high)

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        start = self._row(iteration)
        pairs = i64(constants[start : start + self.row_bytes].view("<i2"))
        c, s = pairs[::2], pairs[1::2]
        heads = i64(sources[0]).reshape(-1, self.head)
        x, y = heads[:, ::2], heads[:, 1::2]
        turned = np.stack([x * c - y * s, x * s + y * c], axis=2)
        values = divided_all(turned, i64(1 << self.shift))
        destination[:] = np.clip(values, self.low, self.high).ravel()
