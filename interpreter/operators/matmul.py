"""MATMUL: batched products of activations with constants or with other activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..memory import Memory
from ..program import Opcode, Operator
from ..state import wrap_i64
from ..tensors import LEAF_BYTES, DType, TensorType
from .base import (
    MAX_COUNT,
    MAX_DIMENSION,
    MAX_ELEMENTS,
    Bytes,
    Operand,
    StepNote,
    Tensor,
    require,
    require_byte_dtype,
    require_dtype,
    require_range,
)
from .folding import Folding

MAX_OFFSET = 1 << 40
NARROW = (DType.U8, DType.I8, DType.I16)
WIDE = (DType.I32, DType.I64)
# `whole` multiplies so many weights at a time.
BLOCK_ELEMENTS = 1 << 22


@dataclass(frozen=True, slots=True)
class Walk:
    """Where an operand's runs begin: `offset + batch·batch_stride + row·row_stride`, in elements.

    `count`: elements of the tensor, 0 for the constants. `zero`: the zero point.
    """

    count: int
    offset: int
    batch_stride: int
    row_stride: int
    zero: int

    def last(self, batches: int, rows: int, length: int) -> int:
        """Return the index of the last element."""
        spans = (batches - 1) * self.batch_stride + (rows - 1) * self.row_stride
        return self.offset + spans + length - 1


@dataclass(frozen=True, slots=True)
class MatMul(Folding):
    """`dst[i, j, n] = Σ_k (a[i, j, k] − za)·(w[i / group, n, k] − zb)`, clamped to dst's range.

    `a: u8|i8|i16`, `w: u8|i8|i16` in slot b or bytes of the constants, `dst: i32|i64[batches, rows,
    cols]`.
    """

    dst: int
    a: int
    b: int
    dst_dtype: DType
    a_dtype: DType
    b_dtype: DType
    batches: int
    rows: int
    cols: int
    length: int
    a_walk: Walk
    b_walk: Walk
    group: int

    @classmethod
    def decode(cls, operator: Operator) -> MatMul:
        o, f = operator, operator.padded_fields()
        head = (o.dst, o.a, o.b, o.dst_dtype, o.a_dtype, o.b_dtype)
        a = Walk(f[4], f[5], f[6], f[7], f[13])
        b = Walk(f[8], f[9], f[11], f[12], f[14])
        return cls(*head, f[0], f[1], f[2], f[3], a, b, f[10])

    def encode(self) -> Operator:
        a, b = self.a_walk, self.b_walk
        sizes = (self.batches, self.rows, self.cols, self.length)
        a_fields = (a.count, a.offset, a.batch_stride, a.row_stride)
        b_fields = (b.count, b.offset, self.group, b.batch_stride, b.row_stride)
        return Operator(
            Opcode.MATMUL,
            dst=self.dst,
            a=self.a,
            b=self.b,
            dst_dtype=self.dst_dtype,
            a_dtype=self.a_dtype,
            b_dtype=self.b_dtype,
            fields=(*sizes, *a_fields, *b_fields, a.zero, b.zero),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_dtype(self.a_dtype, NARROW, "a")
        require_dtype(self.b_dtype, NARROW, "b")
        require_dtype(self.dst_dtype, WIDE, "the output")
        for name in ("batches", "rows", "cols", "length", "group"):
            require_range(getattr(self, name), 1, MAX_DIMENSION, name)
        require(self.out_count <= MAX_ELEMENTS, "the output has too many elements")
        a, b = self.a_walk, self.b_walk
        require_range(a.count, 1, MAX_ELEMENTS, "a's count")
        require_range(b.count, 0, MAX_ELEMENTS, "b's count")
        require_range(b.offset, 0, MAX_OFFSET, "b's offset")
        strides = (a.batch_stride, a.row_stride, b.batch_stride, b.row_stride)
        for value in (a.offset, *strides):
            require_range(value, 0, MAX_COUNT, "offset or stride")
        require_range(a.zero, self.a_dtype.minimum, self.a_dtype.maximum, "a's zero point")
        require_range(b.zero, self.b_dtype.minimum, self.b_dtype.maximum, "b's zero point")
        if self.is_constant:
            require_byte_dtype(self.b_dtype, "the constants")
            require(self.b == 0, "slot b must be 0 when b is constant")
        last = a.last(self.batches, self.rows, self.length)
        require(last < a.count, f"a's last index {last} is outside {a.count} elements")
        last = b.last(self.b_batches, self.cols, self.length)
        bound = constants_bytes if self.is_constant else b.count
        require(last < bound, f"b's last index {last} is outside {bound} elements")

    @property
    def is_constant(self) -> bool:
        """Say whether b lies in the constants."""
        return self.b_walk.count == 0

    @property
    def b_batches(self) -> int:
        """Return how many batches of b there are: one serves `group` batches of a."""
        return (self.batches - 1) // self.group + 1

    @property
    def out_count(self) -> int:
        """Return the number of output elements."""
        return self.batches * self.rows * self.cols

    @property
    def run(self) -> int:
        """Return the elements of one reduce step."""
        return LEAF_BYTES // max(self.a_dtype.size, self.b_dtype.size)

    @property
    def runs(self) -> int:
        """Return the reduce steps of one element."""
        return -(-self.length // self.run)

    @property
    def sources(self) -> tuple[Operand, ...]:
        a = Operand(self.a, TensorType(self.a_dtype, self.a_walk.count))
        if self.is_constant:
            return (a,)
        return a, Operand(self.b, TensorType(self.b_dtype, self.b_walk.count))

    @property
    def destination(self) -> Operand:
        return Operand(self.dst, TensorType(self.dst_dtype, self.out_count))

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        element, phase = divmod(index, self.runs + 1)
        if phase < self.runs:
            return self._reduce(element, phase, memory, accumulator if phase else 0)
        self.store(element, memory, accumulator)
        return 0

    def _reduce(self, element: int, phase: int, memory: Memory, accumulator: int) -> int:
        batch, row, column = self._place(element)
        first, last = phase * self.run, min((phase + 1) * self.run, self.length)
        a, b = self.a_walk, self.b_walk
        start = a.offset + batch * a.batch_stride + row * a.row_stride
        size = self.a_dtype.size
        kind = self.sources[0].kind
        x = memory.read(self.a, kind, (start + first) * size, (start + last) * size)
        start = b.offset + batch // self.group * b.batch_stride + column * b.row_stride
        size = self.b_dtype.size
        span = (start + first) * size, (start + last) * size
        if self.is_constant:
            w = memory.read_constant(*span)
        else:
            w = memory.read(self.b, self.sources[1].kind, *span)
        xs = np.frombuffer(x, self.a_dtype.numpy).astype(np.int64) - a.zero
        ws = np.frombuffer(w, self.b_dtype.numpy).astype(np.int64) - b.zero
        return wrap_i64(accumulator + int(xs @ ws))

    def _place(self, element: int) -> tuple[int, int, int]:
        position, column = divmod(element, self.cols)
        batch, row = divmod(position, self.rows)
        return batch, row, column

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        a, b = self.matrices(constants, sources)
        out = destination.reshape(self.batches, self.rows, self.cols)
        low, high = self.dst_dtype.minimum, self.dst_dtype.maximum
        exact = self._exact_dtype()
        block = max(1, BLOCK_ELEMENTS // self.length)
        for batch in range(self.batches):
            x = a[batch].astype(exact) - exact(self.a_walk.zero)
            for first in range(0, self.cols, block):
                last = min(first + block, self.cols)
                part = b[batch // self.group, first:last].astype(exact)
                sums = x @ (part - exact(self.b_walk.zero)).T
                out[batch, :, first:last] = np.clip(sums.astype(np.int64), low, high)

    def matrices(self, constants: Bytes, sources: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return `a [batches, rows, length]` and `b [b_batches, cols, length]` without a copy."""
        weights = constants.view(self.b_dtype.numpy) if self.is_constant else sources[1]
        return (
            _view(sources[0], self.a_walk, self.batches, self.rows, self.length),
            _view(weights, self.b_walk, self.b_batches, self.cols, self.length),
        )

    def _exact_dtype(self) -> type[np.float64 | np.int64]:
        """Return a type in which every partial sum is an exact integer.

        BLAS adds such floats exactly, in any order; that is a way to add integers fast, not
        floating-point arithmetic. No sum reaches 2**24 · 2**16 · 2**16, far below 2**63.
        """
        largest = self.length
        for dtype, zero in (
            (self.a_dtype, self.a_walk.zero),
            (self.b_dtype, self.b_walk.zero),
        ):
            largest *= max(abs(dtype.minimum - zero), abs(dtype.maximum - zero))
        return np.float64 if largest < 1 << 53 else np.int64

    def note(self, index: int, iteration: int = 0) -> StepNote:
        element, phase = divmod(index, self.runs + 1)
        batch, row, column = self._place(element)
        where = f"batch {batch}, row {row}, column {column}"
        if phase == self.runs:
            return StepNote("finish", element, f"store the product of {where}")
        return StepNote("reduce", element, f"run {phase + 1} of {self.runs} for {where}")


def _view(tensor: Tensor, walk: Walk, batches: int, rows: int, length: int) -> npt.NDArray[Any]:
    """Return `[batches, rows, length]` of a flat tensor without a copy; rows may overlap."""
    size = tensor.itemsize
    strides = (walk.batch_stride * size, walk.row_stride * size, size)
    shape = (batches, rows, length)
    return np.lib.stride_tricks.as_strided(tensor[walk.offset :], shape, strides, writeable=False)
