"""COMBINE, ROOT and MASK: 32 elements a step (spec: operators.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import isqrt

import numpy as np

from ..memory import Memory
from ..program import Opcode, Operator
from ..state import wrap_i64
from ..tensors import DType, TensorType
from .base import (
    Bytes,
    Operand,
    Tensor,
    require,
    require_clamp,
    require_dtype,
    require_elements,
    require_range,
    require_shift,
    require_within,
)
from .grid import Grid, clamped, divided, divided_all, i64, read_elements

WIDE = (DType.I32, DType.I64)


class CombineKind(IntEnum):
    """What is done with two elements."""

    ADD = 0
    SUB = 1
    MUL = 2


@dataclass(frozen=True, slots=True)
class Combine(Grid):
    """`dst = clamp((a ∘ b) / 2**shift, low, high)`, to the nearest; `a, dst: any[rows, cols]`.

    `b: any[rows, cols]`, or `any[rows]` when `is_each`: one element for each row.
    """

    a: int
    b: int
    a_dtype: DType
    b_dtype: DType
    kind: int
    is_each: int
    shift: int
    low: int
    high: int

    @classmethod
    def decode(cls, operator: Operator) -> Combine:
        o, f = operator, operator.padded_fields()
        return cls(o.dst, o.dst_dtype, f[0], f[1], o.a, o.b, o.a_dtype, o.b_dtype, *f[2:7])

    def encode(self) -> Operator:
        numbers = (self.kind, self.is_each, self.shift, self.low, self.high)
        return Operator(
            Opcode.COMBINE,
            dst=self.dst,
            a=self.a,
            b=self.b,
            dst_dtype=self.dst_dtype,
            a_dtype=self.a_dtype,
            b_dtype=self.b_dtype,
            fields=(self.rows, self.cols, *numbers),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        self.check_grid()
        require_range(self.kind, CombineKind.ADD, CombineKind.MUL, "kind")
        require_range(self.is_each, 0, 1, "each")
        require_shift(self.shift)
        require_clamp(self.low, self.high, self.dst_dtype)

    @property
    def sources(self) -> tuple[Operand, ...]:
        b_count = self.rows if self.is_each else self.count
        return (
            Operand(self.a, TensorType(self.a_dtype, self.count)),
            Operand(self.b, TensorType(self.b_dtype, b_count)),
        )

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        at = self.span(index)
        a, b = self.sources
        xs = read_elements(memory, a, at.first, at.last)
        if self.is_each:
            ys = read_elements(memory, b, at.row, at.row + 1) * at.count
        else:
            ys = read_elements(memory, b, at.first, at.last)
        self.store(at, memory, [self._one(x, y) for x, y in zip(xs, ys, strict=True)])
        return accumulator

    def _one(self, x: int, y: int) -> int:
        match self.kind:
            case CombineKind.ADD:
                value = x + y
            case CombineKind.SUB:
                value = x - y
            case _:
                value = x * y
        return clamped(divided(wrap_i64(value), 1 << self.shift), self.low, self.high)

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        x = i64(sources[0]).reshape(self.rows, self.cols)
        y = i64(sources[1]).reshape(self.rows, 1 if self.is_each else self.cols)
        match self.kind:
            case CombineKind.ADD:
                values = x + y
            case CombineKind.SUB:
                values = x - y
            case _:
                values = x * y
        values = divided_all(values, i64(1 << self.shift))
        destination[:] = np.clip(values, self.low, self.high).ravel()


@dataclass(frozen=True, slots=True)
class Root(Grid):
    """`dst = max(1, isqrt(max(0, a << shift)))`, clamped to dst's range; `a: i64`, one row."""

    a: int
    shift: int

    @classmethod
    def decode(cls, operator: Operator) -> Root:
        o, f = operator, operator.padded_fields()
        return cls(o.dst, o.dst_dtype, 1, f[0], o.a, f[1])

    def encode(self) -> Operator:
        return Operator(
            Opcode.ROOT,
            dst=self.dst,
            a=self.a,
            dst_dtype=self.dst_dtype,
            a_dtype=DType.I64,
            fields=(self.cols, self.shift),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_dtype(self.dst_dtype, WIDE, "the output")
        require_elements(self.cols, "count")
        require_shift(self.shift)

    @property
    def sources(self) -> tuple[Operand, ...]:
        return (Operand(self.a, TensorType(DType.I64, self.count)),)

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        at = self.span(index)
        values = read_elements(memory, self.sources[0], at.first, at.last)
        self.store(at, memory, [self._one(value) for value in values])
        return accumulator

    def _one(self, value: int) -> int:
        root = isqrt(max(0, wrap_i64(value << self.shift)))
        return clamped(max(1, root), self.dst_dtype.minimum, self.dst_dtype.maximum)

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        # One element for each row of a model's tensors: too few to be worth a vectorised root.
        destination[:] = [self._one(value) for value in i64(sources[0]).tolist()]


@dataclass(frozen=True, slots=True)
class Mask(Grid):
    """`dst = a` in the first columns of each row, else `fill`; `a, dst: i16|i32|i64[rows, cols]`.

    Valid are `iteration + 1` columns, or, if `is_given`, as many as `b: i16|i32[b_count]` says at
    `b_offset`, from 1 to `cols`.
    """

    a: int
    b: int
    b_dtype: DType
    is_given: int
    b_count: int
    b_offset: int
    fill: int

    @classmethod
    def decode(cls, operator: Operator) -> Mask:
        o, f = operator, operator.padded_fields()
        return cls(o.dst, o.dst_dtype, f[0], f[1], o.a, o.b, o.b_dtype, *f[2:6])

    def encode(self) -> Operator:
        numbers = (self.is_given, self.b_count, self.b_offset, self.fill)
        return Operator(
            Opcode.MASK,
            dst=self.dst,
            a=self.a,
            b=self.b,
            dst_dtype=self.dst_dtype,
            a_dtype=self.dst_dtype,
            b_dtype=self.b_dtype,
            fields=(self.rows, self.cols, *numbers),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_dtype(self.dst_dtype, (DType.I16, DType.I32, DType.I64), "the tensor")
        self.check_grid()
        require_range(self.is_given, 0, 1, "from")
        require_range(self.fill, self.dst_dtype.minimum, self.dst_dtype.maximum, "fill")
        if self.is_given:
            require_dtype(self.b_dtype, (DType.I16, DType.I32), "b")
            require_within(self.b_offset, 1, self.b_count, "b_offset")
        else:
            unused = (self.b, self.b_dtype, self.b_count, self.b_offset)
            require(not any(unused), "a mask by iteration takes no second source")

    @property
    def sources(self) -> tuple[Operand, ...]:
        a = Operand(self.a, TensorType(self.dst_dtype, self.count))
        if not self.is_given:
            return (a,)
        return a, Operand(self.b, TensorType(self.b_dtype, self.b_count))

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        at = self.span(index)
        values = read_elements(memory, self.sources[0], at.first, at.last)
        valid = iteration + 1
        if self.is_given:
            place = self.b_offset
            (given,) = read_elements(memory, self.sources[1], place, place + 1)
            valid = clamped(given, 1, self.cols)
        kept = clamped(valid - at.column, 0, at.count)
        self.store(at, memory, values[:kept] + [self.fill] * (at.count - kept))
        return accumulator

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        valid = iteration + 1
        if self.is_given:
            valid = clamped(int(i64(sources[1])[self.b_offset]), 1, self.cols)
        destination[:] = sources[0]
        destination.reshape(self.rows, self.cols)[:, valid:] = self.fill
