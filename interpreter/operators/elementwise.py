"""ADD, CLIP and TABLE: 32 flat elements a step (spec: operators.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..memory import Memory
from ..program import Opcode, Operator
from ..tensors import LEAF_BYTES, DType, TensorType
from .base import (
    MAP_ELEMENTS,
    Bytes,
    Operand,
    StepNote,
    Tensor,
    encode_signed,
    require,
    require_byte_dtype,
    require_clamp,
    require_count,
    require_range,
)
from .grid import read_elements

MAX_DENOMINATOR = 1023
MAX_NUMERATOR = 1 << 20


@dataclass(frozen=True, slots=True)
class _Map:
    dst: int
    dst_dtype: DType
    count: int

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
        first, last = self._span(index)
        return StepNote("map", first, f"output elements {first} to {last - 1}")

    def _span(self, index: int) -> tuple[int, int]:
        return index * MAP_ELEMENTS, min((index + 1) * MAP_ELEMENTS, self.count)

    def _store(self, index: int, memory: Memory, values: Sequence[int]) -> None:
        # Every dtype here has one byte, so element and byte offsets agree.
        data = b"".join(encode_signed(value, self.dst_dtype) for value in values)
        memory.store(self.dst, self.destination.kind, index * MAP_ELEMENTS, data)


@dataclass(frozen=True, slots=True)
class Add(_Map):
    """Add two tensors on the scale of the result: `(p1·(a−za) + p2·(b−zb)) / q`, no tie possible.

    `q` is odd, so the quotient never lies half-way and every platform's rounding agrees.
    """

    a: int
    b: int
    a_dtype: DType
    b_dtype: DType
    p1: int
    p2: int
    q: int
    a_zero: int
    b_zero: int
    dst_zero: int
    low: int
    high: int

    @classmethod
    def decode(cls, operator: Operator) -> Add:
        o, f = operator, operator.padded_fields()
        return cls(o.dst, o.dst_dtype, f[0], o.a, o.b, o.a_dtype, o.b_dtype, *f[1:9])

    def encode(self) -> Operator:
        fields = (self.count, self.p1, self.p2, self.q, self.a_zero, self.b_zero)
        return Operator(
            Opcode.ADD,
            dst=self.dst,
            a=self.a,
            b=self.b,
            dst_dtype=self.dst_dtype,
            a_dtype=self.a_dtype,
            b_dtype=self.b_dtype,
            fields=(*fields, self.dst_zero, self.low, self.high),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        for dtype in (self.dst_dtype, self.a_dtype, self.b_dtype):
            require_byte_dtype(dtype, "every operand")
        require_count(self.count, self.dst_dtype, "count")
        require_range(self.p1, 0, MAX_NUMERATOR, "p1")
        require_range(self.p2, 0, MAX_NUMERATOR, "p2")
        require_range(self.q, 1, MAX_DENOMINATOR, "q")
        require(self.q % 2 == 1, f"q = {self.q} must be odd, or ties round differently")
        require_range(self.a_zero, self.a_dtype.minimum, self.a_dtype.maximum, "a_zero")
        require_range(self.b_zero, self.b_dtype.minimum, self.b_dtype.maximum, "b_zero")
        require_range(self.dst_zero, self.dst_dtype.minimum, self.dst_dtype.maximum, "dst_zero")
        require_clamp(self.low, self.high, self.dst_dtype)

    @property
    def sources(self) -> tuple[Operand, ...]:
        return (
            Operand(self.a, TensorType(self.a_dtype, self.count)),
            Operand(self.b, TensorType(self.b_dtype, self.count)),
        )

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        first, last = self._span(index)
        a, b = (read_elements(memory, operand, first, last) for operand in self.sources)
        self._store(index, memory, [self._one(x, y) for x, y in zip(a, b, strict=True)])
        return accumulator

    def _one(self, a: int, b: int) -> int:
        total = self.p1 * (a - self.a_zero) + self.p2 * (b - self.b_zero)
        value = (2 * total + self.q) // (2 * self.q) + self.dst_zero
        return min(max(value, self.low), self.high)

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        # |2·total + q| <= 4 · 2**20 · 255 + 1023, which 32 bits hold.
        a, b = (source.astype(np.int32) for source in sources)
        total = self.p1 * (a - self.a_zero) + self.p2 * (b - self.b_zero)
        value = (2 * total + self.q) // (2 * self.q) + self.dst_zero
        destination[:] = np.clip(value, self.low, self.high).astype(destination.dtype)


@dataclass(frozen=True, slots=True)
class Clip(_Map):
    """Clamp every element to `[low, high]`."""

    a: int
    low: int
    high: int

    @classmethod
    def decode(cls, operator: Operator) -> Clip:
        f = operator.padded_fields()
        return cls(operator.dst, operator.dst_dtype, f[0], operator.a, f[1], f[2])

    def encode(self) -> Operator:
        return Operator(
            Opcode.CLIP,
            dst=self.dst,
            a=self.a,
            dst_dtype=self.dst_dtype,
            a_dtype=self.dst_dtype,
            fields=(self.count, self.low, self.high),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_byte_dtype(self.dst_dtype, "the tensor")
        require_count(self.count, self.dst_dtype, "count")
        require_clamp(self.low, self.high, self.dst_dtype)

    @property
    def sources(self) -> tuple[Operand, ...]:
        return (Operand(self.a, TensorType(self.dst_dtype, self.count)),)

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        values = read_elements(memory, self.sources[0], *self._span(index))
        self._store(index, memory, [min(max(x, self.low), self.high) for x in values])
        return accumulator

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        np.clip(sources[0], self.low, self.high, out=destination)


@dataclass(frozen=True, slots=True)
class Table(_Map):
    """Look every element up in 256 committed bytes."""

    a: int
    a_dtype: DType
    table: int

    @classmethod
    def decode(cls, operator: Operator) -> Table:
        o, f = operator, operator.padded_fields()
        return cls(o.dst, o.dst_dtype, f[0], o.a, o.a_dtype, f[1])

    def encode(self) -> Operator:
        return Operator(
            Opcode.TABLE,
            dst=self.dst,
            a=self.a,
            dst_dtype=self.dst_dtype,
            a_dtype=self.a_dtype,
            fields=(self.count, self.table),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_byte_dtype(self.a_dtype, "the input")
        require_byte_dtype(self.dst_dtype, "the output")
        require_count(self.count, self.dst_dtype, "count")
        require(self.table % LEAF_BYTES == 0, "table is not a multiple of 256")
        require_range(self.table, 0, constants_bytes - LEAF_BYTES, "table")

    @property
    def sources(self) -> tuple[Operand, ...]:
        return (Operand(self.a, TensorType(self.a_dtype, self.count)),)

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        first, last = self._span(index)
        elements = read_elements(memory, self.sources[0], first, last)
        table = memory.read_constant(self.table, self.table + LEAF_BYTES)
        found = bytes(table[x - self.a_dtype.minimum] for x in elements)
        memory.store(self.dst, self.destination.kind, first, found)
        return accumulator

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        table = constants[self.table : self.table + LEAF_BYTES]
        index = sources[0].astype(np.int16) - self.a_dtype.minimum
        destination[:] = table[index].view(destination.dtype)
