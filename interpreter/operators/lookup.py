"""LOOKUP and EMBED: entries and rows of committed tables (spec: operators.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..memory import Memory
from ..program import Opcode, Operator
from ..state import wrap_i64
from ..tensors import DType, TensorType
from .base import (
    MAX_DIMENSION,
    Bytes,
    Operand,
    StepNote,
    Tensor,
    decode_elements,
    require,
    require_dtype,
    require_range,
    require_shift,
    require_within,
)
from .grid import (
    Grid,
    Integers,
    clamped,
    i64,
    read_elements,
    require_matrix,
    require_table,
)


@dataclass(frozen=True, slots=True)
class Lookup:
    """`dst = table[clamp(v >> shift, 0, entries − 1)]`, one element a step.

    `v = a + offset`, or, if `is_from_row`, `v = b[row] − a`; `a: any[rows, cols]`, `b: i64[rows]`,
    `dst: any[rows, cols]`, whose dtype is the table's.
    """

    dst: int
    a: int
    b: int
    dst_dtype: DType
    a_dtype: DType
    b_dtype: DType
    rows: int
    cols: int
    is_from_row: int
    offset: int
    shift: int
    entries: int
    table: int

    @classmethod
    def decode(cls, operator: Operator) -> Lookup:
        o, f = operator, operator.padded_fields()
        return cls(o.dst, o.a, o.b, o.dst_dtype, o.a_dtype, o.b_dtype, *f[0:7])

    def encode(self) -> Operator:
        numbers = (self.is_from_row, self.offset, self.shift, self.entries, self.table)
        return Operator(
            Opcode.LOOKUP,
            dst=self.dst,
            a=self.a,
            b=self.b,
            dst_dtype=self.dst_dtype,
            a_dtype=self.a_dtype,
            b_dtype=self.b_dtype,
            fields=(self.rows, self.cols, *numbers),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_matrix(self.rows, self.cols)
        require_range(self.is_from_row, 0, 1, "from")
        if self.is_from_row:
            require_dtype(self.b_dtype, (DType.I64,), "b")
            require(self.offset == 0, "a lookup from rows takes no offset")
        else:
            require(self.b == 0 and self.b_dtype == 0, "this lookup takes no second source")
        require_range(self.offset, DType.I32.minimum, DType.I32.maximum, "offset")
        require_shift(self.shift)
        require_range(self.entries, 1, MAX_DIMENSION, "entries")
        require_table(self.table, self.entries, self.dst_dtype, constants_bytes)

    @property
    def count(self) -> int:
        """Return the elements of the destination."""
        return self.rows * self.cols

    @property
    def steps(self) -> int:
        return self.count

    @property
    def sources(self) -> tuple[Operand, ...]:
        a = Operand(self.a, TensorType(self.a_dtype, self.count))
        if not self.is_from_row:
            return (a,)
        return a, Operand(self.b, TensorType(DType.I64, self.rows))

    @property
    def destination(self) -> Operand:
        return Operand(self.dst, TensorType(self.dst_dtype, self.count))

    def elements_before(self, index: int, iteration: int = 0) -> int:
        return index

    def element_start(self, index: int) -> int:
        return index

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        (value,) = read_elements(memory, self.sources[0], index, index + 1)
        if self.is_from_row:
            row = index // self.cols
            (largest,) = read_elements(memory, self.sources[1], row, row + 1)
            value = wrap_i64(largest - value)
        else:
            value = wrap_i64(value + self.offset)
        size = self.dst_dtype.size
        start = self.table + clamped(value >> self.shift, 0, self.entries - 1) * size
        entry = memory.read_constant(start, start + size)
        memory.store(self.dst, self.destination.kind, index * size, entry)
        return accumulator

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        values = i64(sources[0]).reshape(self.rows, self.cols)
        if self.is_from_row:
            values = i64(sources[1])[:, None] - values
        else:
            values = values + i64(self.offset)
        places = np.clip(values >> self.shift, 0, self.entries - 1).ravel()
        destination[:] = entries_at(constants, self.table, self.entries, self.dst_dtype)[places]

    def note(self, index: int, iteration: int = 0) -> StepNote:
        row, column = divmod(index, self.cols)
        return StepNote("map", index, f"look up row {row}, column {column}")


@dataclass(frozen=True, slots=True)
class Embed(Grid):
    """`dst[row] = table[id]`: rows of `table: any[entries, cols]`, the destination's dtype.

    `id = a[a_offset + row]` of `a: i32[a_count]`, or, if `is_by_row`, the row itself; clamped.
    """

    a: int
    a_dtype: DType
    a_count: int
    a_offset: int
    entries: int
    table: int
    is_by_row: int

    @classmethod
    def decode(cls, operator: Operator) -> Embed:
        o, f = operator, operator.padded_fields()
        return cls(o.dst, o.dst_dtype, f[0], f[1], o.a, o.a_dtype, *f[2:7])

    def encode(self) -> Operator:
        numbers = (self.a_count, self.a_offset, self.entries, self.table, self.is_by_row)
        return Operator(
            Opcode.EMBED,
            dst=self.dst,
            a=self.a,
            dst_dtype=self.dst_dtype,
            a_dtype=self.a_dtype,
            fields=(self.rows, self.cols, *numbers),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        self.check_grid()
        require_range(self.entries, 1, MAX_DIMENSION, "entries")
        require_table(self.table, self.entries * self.cols, self.dst_dtype, constants_bytes)
        require_range(self.is_by_row, 0, 1, "from")
        if self.is_by_row:
            unused = (self.a, self.a_dtype, self.a_count, self.a_offset)
            require(not any(unused), "an embedding of rows takes no source")
        else:
            require_dtype(self.a_dtype, (DType.I32,), "a")
            require_within(self.a_offset, self.rows, self.a_count, "a_offset")

    @property
    def sources(self) -> tuple[Operand, ...]:
        if self.is_by_row:
            return ()
        return (Operand(self.a, TensorType(DType.I32, self.a_count)),)

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        at = self.span(index)
        entry = at.row
        if not self.is_by_row:
            place = self.a_offset + at.row
            (entry,) = read_elements(memory, self.sources[0], place, place + 1)
        entry = clamped(entry, 0, self.entries - 1)
        size = self.dst_dtype.size
        start = self.table + (entry * self.cols + at.column) * size
        data = memory.read_constant(start, start + at.count * size)
        self.store(at, memory, decode_elements(data, self.dst_dtype))
        return accumulator

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        places: Integers = np.arange(self.rows)
        if not self.is_by_row:
            places = i64(sources[0])[self.a_offset : self.a_offset + self.rows]
        count = self.entries * self.cols
        table = entries_at(constants, self.table, count, self.dst_dtype)
        rows = table.reshape(self.entries, self.cols)
        destination[:] = rows[np.clip(places, 0, self.entries - 1)].ravel()


def entries_at(constants: Bytes, start: int, count: int, dtype: DType) -> npt.NDArray[np.generic]:
    """Return `count` elements of the constants."""
    return constants[start : start + count * dtype.size].view(dtype.numpy)
