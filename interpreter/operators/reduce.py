"""REDUCE: sums, squares and largest values of rows, and the pick of a drawn weight."""

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
    StepNote,
    Tensor,
    require,
    require_dtype,
    require_range,
)
from .folding import Folding
from .grid import Integers, i64, read_elements, require_matrix

LOWEST, HIGHEST = DType.I64.minimum, DType.I64.maximum


class ReduceKind(IntEnum):
    """What a row is reduced to."""

    SUM = 0
    SQUARES = 1
    MAX = 2
    MAXABS = 3
    PICK = 4


@dataclass(frozen=True, slots=True)
class Reduce(Folding):
    """Reduce each row of `a: any[rows, cols]` to one element of `dst: i32|i64[rows]`.

    PICK finds the first column whose weight, together with those before it, exceeds `b: i64[1]`;
    negative weights count as 0.
    """

    dst: int
    a: int
    b: int
    dst_dtype: DType
    a_dtype: DType
    b_dtype: DType
    rows: int
    cols: int
    kind: int

    @classmethod
    def decode(cls, operator: Operator) -> Reduce:
        o, f = operator, operator.padded_fields()
        return cls(o.dst, o.a, o.b, o.dst_dtype, o.a_dtype, o.b_dtype, f[0], f[1], f[2])

    def encode(self) -> Operator:
        return Operator(
            Opcode.REDUCE,
            dst=self.dst,
            a=self.a,
            b=self.b,
            dst_dtype=self.dst_dtype,
            a_dtype=self.a_dtype,
            b_dtype=self.b_dtype,
            fields=(self.rows, self.cols, self.kind),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_dtype(self.dst_dtype, (DType.I32, DType.I64), "the output")
        require_matrix(self.rows, self.cols)
        require_range(self.kind, ReduceKind.SUM, ReduceKind.PICK, "kind")
        if self.kind == ReduceKind.PICK:
            require_dtype(self.b_dtype, (DType.I64,), "the draw")
            require(self.rows == 1, "PICK takes one row")
        else:
            require(self.b == 0 and self.b_dtype == 0, "only PICK takes a second source")

    @property
    def run(self) -> int:
        """Return the elements of one reduce step."""
        return LEAF_BYTES // self.a_dtype.size

    @property
    def runs(self) -> int:
        """Return the reduce steps of one row."""
        return -(-self.cols // self.run)

    @property
    def sources(self) -> tuple[Operand, ...]:
        a = Operand(self.a, TensorType(self.a_dtype, self.rows * self.cols))
        if self.kind == ReduceKind.PICK:
            return Operand(self.b, TensorType(DType.I64, 1)), a
        return (a,)

    @property
    def destination(self) -> Operand:
        return Operand(self.dst, TensorType(self.dst_dtype, self.rows))

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        row, phase = divmod(index, self.runs + 1)
        if phase == self.runs:
            return self._finish(row, memory, accumulator)
        if phase == 0:
            accumulator = self._start(memory)
        first, last = phase * self.run, min((phase + 1) * self.run, self.cols)
        start = row * self.cols
        values = read_elements(memory, self.sources[-1], start + first, start + last)
        for column, value in enumerate(values, first):
            accumulator = self._fold(accumulator, value, column)
        return accumulator

    def _start(self, memory: Memory) -> int:
        if self.kind == ReduceKind.PICK:
            return max(0, read_elements(memory, self.sources[0], 0, 1)[0])
        return LOWEST if self.kind == ReduceKind.MAX else 0

    def _fold(self, accumulator: int, value: int, column: int) -> int:
        match self.kind:
            case ReduceKind.SUM:
                return wrap_i64(accumulator + value)
            case ReduceKind.SQUARES:
                return wrap_i64(accumulator + value * value)
            case ReduceKind.MAX:
                return max(accumulator, value)
            case ReduceKind.MAXABS:
                return max(accumulator, min(abs(value), HIGHEST))
        # PICK: once the column is found, the accumulator is `−1 − column`.
        if accumulator < 0:
            return accumulator
        return -1 - column if accumulator < value else accumulator - max(0, value)

    def _finish(self, row: int, memory: Memory, accumulator: int) -> int:
        if self.kind == ReduceKind.PICK:
            accumulator = -1 - accumulator if accumulator < 0 else self.cols - 1
        self.store(row, memory, accumulator)
        return 0

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        x = i64(sources[-1]).reshape(self.rows, self.cols)
        match self.kind:
            case ReduceKind.SUM:
                values = x.sum(axis=1)
            case ReduceKind.SQUARES:
                values = (x * x).sum(axis=1)
            case ReduceKind.MAX:
                values = x.max(axis=1)
            case ReduceKind.MAXABS:
                values = np.where(x == LOWEST, HIGHEST, np.abs(x)).max(axis=1)
            case _:
                values = self._pick(x[0], int(i64(sources[0])[0]))
        destination[:] = np.clip(values, self.dst_dtype.minimum, self.dst_dtype.maximum)

    def _pick(self, weights: Integers, draw: int) -> Integers:
        # Up to the column that is found no sum reaches 2**64; what follows does not matter.
        sums = np.cumsum(np.maximum(weights, 0).astype(np.uint64), dtype=np.uint64)
        found = np.flatnonzero(sums > np.uint64(max(0, draw)))
        return i64(int(found[0]) if len(found) else self.cols - 1)

    def note(self, index: int, iteration: int = 0) -> StepNote:
        row, phase = divmod(index, self.runs + 1)
        name = ReduceKind(self.kind).name
        if phase == self.runs:
            return StepNote("finish", row, f"store the {name} of row {row}")
        return StepNote("reduce", row, f"run {phase + 1} of {self.runs} of the {name} of row {row}")
