"""SCALE: integers onto another scale, by columns and rows (spec: operators.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ..memory import Memory
from ..program import Opcode, Operator
from ..state import wrap_i64
from ..tensors import LEAF_BYTES, DType, TensorType
from .base import (
    Bytes,
    Operand,
    Tensor,
    decode_elements,
    require,
    require_clamp,
    require_dtype,
    require_range,
    require_shift,
    require_within,
)
from .grid import Grid, Integers, Span, clamped, divided, divided_all, i64, read_elements

PARAMETER_BYTES = 8
NO_PARAMS = -1
MAX_DIVISOR = 1 << 62


class ScaleMode(IntEnum):
    """What a row's element of b does."""

    PLAIN = 0
    MULTIPLY = 1
    DIVIDE = 2


@dataclass(frozen=True, slots=True)
class Scale(Grid):
    """`dst = clamp((a + before)·m[·b] / (2**shift[·b]) + after + zero, low, high)`, to the nearest.

    `(bias i32, multiplier i32)[cols]` at byte `params` of the constants, or one pair for all.
    `b: i32|i64[b_count]` gives row r its factor or divisor at `b_offset + r`.
    """

    a: int
    b: int
    a_dtype: DType
    b_dtype: DType
    mode: int
    shift: int
    is_after: int
    params: int
    bias: int
    multiplier: int
    zero: int
    low: int
    high: int
    b_count: int
    b_offset: int

    @classmethod
    def decode(cls, operator: Operator) -> Scale:
        o, f = operator, operator.padded_fields()
        head = (o.dst, o.dst_dtype, f[0], f[1])
        return cls(*head, o.a, o.b, o.a_dtype, o.b_dtype, *f[2:13])

    def encode(self) -> Operator:
        shape = (self.rows, self.cols, self.mode, self.shift, self.is_after)
        numbers = (self.params, self.bias, self.multiplier, self.zero, self.low, self.high)
        return Operator(
            Opcode.SCALE,
            dst=self.dst,
            a=self.a,
            b=self.b,
            dst_dtype=self.dst_dtype,
            a_dtype=self.a_dtype,
            b_dtype=self.b_dtype,
            fields=(*shape, *numbers, self.b_count, self.b_offset),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        self.check_grid()
        require_range(self.mode, ScaleMode.PLAIN, ScaleMode.DIVIDE, "mode")
        require_shift(self.shift)
        require_range(self.is_after, 0, 1, "after")
        if self.params != NO_PARAMS:
            require(self.params % LEAF_BYTES == 0, "params is not a multiple of 256")
            end = self.cols * PARAMETER_BYTES
            require_range(self.params, 0, constants_bytes - end, "params")
            require(self.bias == 0 == self.multiplier, "params exclude a common bias or multiplier")
        for name in ("bias", "multiplier", "zero"):
            require_range(getattr(self, name), DType.I32.minimum, DType.I32.maximum, name)
        require_clamp(self.low, self.high, self.dst_dtype)
        if self.mode == ScaleMode.PLAIN:
            unused = (self.b, self.b_dtype, self.b_count, self.b_offset)
            require(not any(unused), "PLAIN takes no second source")
        else:
            require_dtype(self.b_dtype, (DType.I32, DType.I64), "b")
            require_within(self.b_offset, self.rows, self.b_count, "b_offset")

    @property
    def sources(self) -> tuple[Operand, ...]:
        a = Operand(self.a, TensorType(self.a_dtype, self.count))
        if self.mode == ScaleMode.PLAIN:
            return (a,)
        return a, Operand(self.b, TensorType(self.b_dtype, self.b_count))

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        at = self.span(index)
        values = read_elements(memory, self.sources[0], at.first, at.last)
        factor, divisor = 1, 1 << self.shift
        if self.mode != ScaleMode.PLAIN:
            place = self.b_offset + at.row
            (given,) = read_elements(memory, self.sources[1], place, place + 1)
            if self.mode == ScaleMode.MULTIPLY:
                factor = given
            else:
                divisor = min(max(1, given) << self.shift, MAX_DIVISOR)
        pairs = self._pairs(at, memory)
        results = [
            self._one(value, bias, multiplier, factor, divisor)
            for value, (bias, multiplier) in zip(values, pairs, strict=True)
        ]
        self.store(at, memory, results)
        return accumulator

    def _pairs(self, at: Span, memory: Memory) -> list[tuple[int, int]]:
        if self.params == NO_PARAMS:
            return [(self.bias, self.multiplier)] * at.count
        start = self.params + PARAMETER_BYTES * at.column
        data = memory.read_constant(start, start + PARAMETER_BYTES * at.count)
        numbers = decode_elements(data, DType.I32)
        return list(zip(numbers[::2], numbers[1::2], strict=True))

    def _one(self, value: int, bias: int, multiplier: int, factor: int, divisor: int) -> int:
        before, after = (0, bias) if self.is_after else (bias, 0)
        product = wrap_i64(wrap_i64(value + before) * multiplier)
        result = divided(wrap_i64(product * factor), divisor)
        return clamped(wrap_i64(result + after + self.zero), self.low, self.high)

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        bias, multiplier = self._columns(constants)
        before, after = (i64(0), bias) if self.is_after else (bias, i64(0))
        product = (i64(sources[0]).reshape(self.rows, self.cols) + before) * multiplier
        divisor = i64(1 << self.shift)
        if self.mode != ScaleMode.PLAIN:
            given = i64(sources[1])[self.b_offset : self.b_offset + self.rows, None]
            if self.mode == ScaleMode.MULTIPLY:
                product = product * given
            else:
                # Clamping first keeps the shifted divisor at most 2**62.
                divisor = np.clip(given, 1, MAX_DIVISOR >> self.shift) << self.shift
        values = divided_all(product, divisor) + after + i64(self.zero)
        destination[:] = np.clip(values, self.low, self.high).ravel()

    def _columns(self, constants: Bytes) -> tuple[Integers, Integers]:
        """Return bias and multiplier, of each column or of all."""
        if self.params == NO_PARAMS:
            return i64(self.bias), i64(self.multiplier)
        end = self.params + PARAMETER_BYTES * self.cols
        pairs = constants[self.params : end].view("<i4").reshape(self.cols, 2)
        return i64(pairs[:, 0]), i64(pairs[:, 1])
